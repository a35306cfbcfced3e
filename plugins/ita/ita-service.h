#pragma once
#include "ita-options.h"

G_BEGIN_DECLS

/**
 * ItaService:
 *
 * the authority as we reach it: attest calls, and its key set, which is kept. Belongs to one main context.
 */
typedef struct _ItaService ItaService;

/* @options: borrowed for the life of the service */
ItaService *ita_service_new (const ItaOptions *options);
void ita_service_free (ItaService *self);
/**
 * ita_service_attest_async:
 * @quote: to send
 *
 * one attempt; while the authority's rate limit lasts none is made, and the answer is `ita-throttled` at once
 */
void ita_service_attest_async (ItaService *self, GBytes *quote, GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
/* Returns: (transfer full): the answer's body */
GBytes *ita_service_attest_finish (ItaService *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
/* the kept key set, else a fetched one; calls that meet share one fetch */
void ita_service_get_keys_async (ItaService *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
ItaKeys *ita_service_get_keys_finish (ItaService *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
/**
 * ita_service_renew_keys:
 * @old: the set that lacks a key
 *
 * the authority may have changed its keys since. At most once a minute, so that no token makes us ask as often as it likes; questions that
 * meet with the same @old share one look.
 *
 * Returns: %FALSE when it is too early to look again
 */
gboolean ita_service_renew_keys (ItaService *self, ItaKeys *old) TEESQL_MUST_USE;

G_END_DECLS
