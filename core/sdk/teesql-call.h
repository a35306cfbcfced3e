#pragma once
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

/* What every public wrapper does around one call of an implementation: a task of the wrapper's own, so that the caller hears
 * exactly once, in its own context and never from inside the call, whatever the implementation does. Private to sdk. */

/**
 * teesql_call_begin:
 *
 * Returns: (transfer full): a task that does not look at @cancellable itself: a success that won the race against it counts
 */
GTask *teesql_call_begin (gpointer self, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/**
 * teesql_call_refuse:
 *
 * answers @task without the implementation having been asked. Ends the caller's reference to it.
 */
void teesql_call_refuse (GTask *task, GError *error);
/**
 * teesql_call_failed:
 * @succeeded: whether the implementation handed out a result
 * @error: (transfer full) (nullable): what it reported
 *
 * Returns: %TRUE when @task has been answered with @error, or with `broken-plugin` where the implementation gave neither
 */
gboolean teesql_call_failed (GTask *task, gboolean succeeded, GError *error, GQuark domain, const char *method) G_GNUC_WARN_UNUSED_RESULT;
GError *teesql_call_broken (GQuark domain, const char *format, ...) G_GNUC_PRINTF (2, 3) G_GNUC_WARN_UNUSED_RESULT;
GError *teesql_call_unsupported (GQuark domain, gpointer self, const char *method) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
