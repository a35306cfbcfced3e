#pragma once
#include <teesql/teesql-tls-identity.h>
#include <teesql/teesql-attester.h>

G_BEGIN_DECLS

/* `[identity] source = self`: a fresh P-256 key, and once the attester gave evidence over its report data, a self-signed
 * certificate that carries it in `.8` only. Two steps, since the quote comes in between and is asynchronous. */
TeesqlSecret *teesql_ratls_make_key (GBytes **out_spki, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* PKCS#8 DER */
TeesqlTlsIdentity *teesql_ratls_make_identity (TeesqlSecret *key, const TeesqlTlsRequest *request, TeesqlEvidence *evidence,
                                               const guint8 *report_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
