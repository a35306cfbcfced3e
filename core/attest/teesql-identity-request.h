#pragma once
#include "attest/teesql-quote-queue.h"

G_BEGIN_DECLS

/**
 * teesql_identity_request_async:
 * @make: build key and certificate here (`[identity] source = self`)
 *
 * one new identity, not yet checked: from the attester, or self-signed around the attester's evidence for a fresh key
 */
void teesql_identity_request_async (TeesqlQuoteQueue *queue, gboolean make, const TeesqlTlsRequest *request, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data);
TeesqlTlsIdentity *teesql_identity_request_finish (TeesqlQuoteQueue *queue, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
