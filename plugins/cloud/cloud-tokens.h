#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * CloudTokenSource:
 * @fetch_async: asks for a new token; one at a time
 * @fetch_finish: (transfer full): the token, and how long it is good for from now (%G_MAXINT64: for ever)
 * @ref: @unref: of a token: a refcounted value
 * @destroy: (nullable): of the user data, when nothing asks any more
 *
 * where tokens come from.
 */
typedef struct
{
  void (*fetch_async) (gpointer user_data, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data);
  gpointer (*fetch_finish) (gpointer user_data, GAsyncResult *result, gint64 *out_lifetime_ms, GError **error);
  GBoxedCopyFunc ref;
  GDestroyNotify unref;
  GDestroyNotify destroy;
} CloudTokenSource;

/**
 * CloudTokens:
 *
 * keeps one token, and fetches the next before the last ends (five minutes, or the last third of a short life). Calls that meet while it is
 * being fetched wait for the same answer. While the old one is still good, a failed refresh is no failure and is tried again after
 * 30 seconds. Belongs to one main context; refcounted.
 */
typedef struct _CloudTokens CloudTokens;

CloudTokens *cloud_tokens_new (const CloudTokenSource *source, gpointer user_data) G_GNUC_WARN_UNUSED_RESULT;
CloudTokens *cloud_tokens_ref (CloudTokens *self);
void cloud_tokens_unref (CloudTokens *self);
/* Cancelling stops this call; the fetch goes on while another waits for it. */
void cloud_tokens_get_async (CloudTokens *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* Returns: (transfer full): a token that is good now */
gpointer cloud_tokens_get_finish (CloudTokens *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The store refuses @token: the next call fetches another, if this is still the one that is kept. */
void cloud_tokens_forget (CloudTokens *self, gconstpointer token);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CloudTokens, cloud_tokens_unref)
G_END_DECLS
