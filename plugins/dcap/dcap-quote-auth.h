#pragma once
#include "dcap-platform.h"
#include "dcap-qe-identity.h"
#include "sdk/teesql-quote.h"

G_BEGIN_DECLS

/* certification data of the quoting enclave (DCAP quote format, appendix A) */
#define DCAP_CERT_PPID_RSA_2048 2
#define DCAP_CERT_PPID_RSA_3072 3
#define DCAP_CERT_PCK_CHAIN     5

/**
 * DcapQuoteAuth:
 *
 * the authentication data of a quote, cut into parts. Borrowed from the quote.
 */
typedef struct
{
  const guint8 *signature;
  const guint8 *key;
  const guint8 *qe_report;
  const guint8 *qe_report_signature;
  const guint8 *qe_auth;
  gsize qe_auth_size;
  guint certification_type;
  TeesqlCursor certification;
} DcapQuoteAuth;

/**
 * dcap_quote_auth_parse:
 *
 * Reasons: `quote-auth-malformed`, `quote-certification-type`.
 */
gboolean dcap_quote_auth_parse (const TeesqlQuote *quote, DcapQuoteAuth *out, GError **error) TEESQL_MUST_USE;
/**
 * dcap_quote_auth_check_platform:
 *
 * for quotes that name their platform instead of carrying its certificate. Reason `pck-mismatch`.
 */
gboolean dcap_quote_auth_check_platform (const DcapQuoteAuth *self, const DcapPck *pck, GError **error) TEESQL_MUST_USE;
/**
 * dcap_quote_auth_prove:
 *
 * Reasons: `qe-report-signature`, `qe-report-data`, `quote-signature`.
 */
gboolean dcap_quote_auth_prove (const DcapQuoteAuth *self, const TeesqlQuote *quote, const guint8 pck_key[DCAP_P256_KEY_SIZE],
                                GError **error) TEESQL_MUST_USE;

G_END_DECLS
