#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * CloudDeadline:
 *
 * a cancellable that ends with the caller's, or when nothing has happened for a while. For one thing that is waited for, on the
 * thread-default context that is current when it is made. Not thread safe.
 */
typedef struct _CloudDeadline CloudDeadline;

/* @outer: (nullable): the caller's. Armed at once. */
CloudDeadline *cloud_deadline_new (guint timeout_ms, GCancellable *outer) G_GNUC_WARN_UNUSED_RESULT;
void cloud_deadline_free (CloudDeadline *self);
/* what to hand to GIO and libsoup */
GCancellable *cloud_deadline_get_cancellable (CloudDeadline *self);
/* something moved: the time begins anew */
void cloud_deadline_extend (CloudDeadline *self);
/**
 * cloud_deadline_judge:
 *
 * after a failure: whose doing was it?
 *
 * Returns: (transfer full) (nullable): G_IO_ERROR_CANCELLED for the caller's own, G_IO_ERROR_TIMED_OUT when the time was up, else %NULL
 */
GError *cloud_deadline_judge (CloudDeadline *self, const char *what) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CloudDeadline, cloud_deadline_free)
G_END_DECLS
