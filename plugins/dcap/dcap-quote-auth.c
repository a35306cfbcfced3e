#include "dcap-quote-auth.h"

#include "base/teesql-digest.h"
#include "dcap-error.h"

#define CERT_QE_REPORT     6
#define QE_AUTH_MAX        1024
#define REPORT_DATA_OFFSET 320
#define REPORT_DATA_SIZE   64

#define PPID_RSA_2048_SIZE 256
#define PPID_RSA_3072_SIZE 384

/* certification data, type 6: the quoting enclave's report and what certifies it */
static gboolean
parse_qe (TeesqlCursor *cursor, DcapQuoteAuth *out, GError **error)
{
  guint16 auth_size = 0;
  guint16 type = 0;
  guint32 size = 0;

  if (!teesql_cursor_take (cursor, "QE report", DCAP_ENCLAVE_REPORT_SIZE, &out->qe_report, error) ||
      !teesql_cursor_take (cursor, "QE report signature", DCAP_P256_SIGNATURE_SIZE, &out->qe_report_signature, error) ||
      !teesql_cursor_u16_le (cursor, "QE auth data size", &auth_size, error))
    return FALSE;
  if (auth_size > QE_AUTH_MAX)
    return teesql_cursor_fail (cursor, error, "quote-auth", "QE auth data of %u bytes, at most %u", auth_size, QE_AUTH_MAX);
  out->qe_auth_size = auth_size;
  if (!teesql_cursor_take (cursor, "QE auth data", auth_size, &out->qe_auth, error) ||
      !teesql_cursor_u16_le (cursor, "inner certification type", &type, error) ||
      !teesql_cursor_u32_le (cursor, "inner certification size", &size, error) ||
      !teesql_cursor_sub (cursor, "inner certification data", size, &out->certification, error))
    return FALSE;
  out->certification_type = type;
  return teesql_cursor_expect_end (cursor, error);
}

static gboolean
parse_auth (TeesqlCursor *cursor, DcapQuoteAuth *out, GError **error)
{
  TeesqlCursor qe;
  guint16 type = 0;
  guint32 size = 0;

  if (!teesql_cursor_take (cursor, "quote signature", DCAP_P256_SIGNATURE_SIZE, &out->signature, error) ||
      !teesql_cursor_take (cursor, "attestation key", DCAP_P256_KEY_SIZE, &out->key, error) ||
      !teesql_cursor_u16_le (cursor, "certification type", &type, error) ||
      !teesql_cursor_u32_le (cursor, "certification size", &size, error))
    return FALSE;
  if (type != CERT_QE_REPORT)
    return teesql_cursor_fail (cursor, error, "quote-auth", "certification data of type %u, expected 6", type);
  return teesql_cursor_sub (cursor, "certification data", size, &qe, error) && teesql_cursor_expect_end (cursor, error) &&
         parse_qe (&qe, out, error);
}

gboolean
dcap_quote_auth_parse (const TeesqlQuote *quote, DcapQuoteAuth *out, GError **error)
{
  TeesqlCursor cursor = quote->auth;
  DcapQuoteAuth auth = { 0 };
  GError *cause = NULL;

  if (!parse_auth (&cursor, &auth, &cause))
    return dcap_fail_parse (error, "quote-auth", "malformed", cause);
  switch (auth.certification_type)
    {
    case DCAP_CERT_PPID_RSA_2048:
    case DCAP_CERT_PPID_RSA_3072:
    case DCAP_CERT_PCK_CHAIN:
      *out = auth;
      return TRUE;
    default:
      return dcap_fail (error, TEESQL_ERROR_UNSUPPORTED, "quote-certification-type",
                        "quote: certification data of type %u, expected 5 (chain of the PCK certificate)", auth.certification_type);
    }
}

static gboolean
read_platform_names (const DcapQuoteAuth *self, const guint8 **out_cpu_svn, guint16 *out_pce_svn, const guint8 **out_pce_id, GError **error)
{
  TeesqlCursor cursor = self->certification;
  gsize ppid_size = self->certification_type == DCAP_CERT_PPID_RSA_2048 ? PPID_RSA_2048_SIZE : PPID_RSA_3072_SIZE;

  return teesql_cursor_skip (&cursor, "encrypted PPID", ppid_size, error) &&
         teesql_cursor_take (&cursor, "CPUSVN", DCAP_N_COMPONENTS, out_cpu_svn, error) &&
         teesql_cursor_u16_le (&cursor, "PCESVN", out_pce_svn, error) &&
         teesql_cursor_take (&cursor, "PCE-ID", DCAP_PCE_ID_SIZE, out_pce_id, error) && teesql_cursor_expect_end (&cursor, error);
}

gboolean
dcap_quote_auth_check_platform (const DcapQuoteAuth *self, const DcapPck *pck, GError **error)
{
  const guint8 *cpu_svn = NULL;
  const guint8 *pce_id = NULL;
  guint16 pce_svn = 0;
  GError *cause = NULL;

  if (!read_platform_names (self, &cpu_svn, &pce_svn, &pce_id, &cause))
    return dcap_fail_parse (error, "quote-auth", "malformed", cause);
  if (memcmp (cpu_svn, pck->components, sizeof pck->components) != 0 || pce_svn != pck->pce_svn ||
      memcmp (pce_id, pck->pce_id, sizeof pck->pce_id) != 0)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "pck-mismatch",
                      "quote: CPUSVN, PCESVN or PCE-ID differ from those of the PCK certificate that came with the collateral");
  return TRUE;
}

static gboolean
check_report_data (const DcapQuoteAuth *self, GError **error)
{
  const TeesqlDigestPart parts[] = { { self->key, DCAP_P256_KEY_SIZE }, { self->qe_auth, self->qe_auth_size } };
  guint8 expected[REPORT_DATA_SIZE] = { 0 };

  teesql_digest (TEESQL_DIGEST_SHA256, expected, parts, G_N_ELEMENTS (parts));
  if (memcmp (self->qe_report + REPORT_DATA_OFFSET, expected, sizeof expected) != 0)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "qe-report-data",
                      "quoting enclave: report data is not the hash of attestation key and auth data, followed by zeros");
  return TRUE;
}

gboolean
dcap_quote_auth_prove (const DcapQuoteAuth *self, const TeesqlQuote *quote, const guint8 pck_key[DCAP_P256_KEY_SIZE], GError **error)
{
  if (!dcap_p256_verify (pck_key, self->qe_report, DCAP_ENCLAVE_REPORT_SIZE, self->qe_report_signature))
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "qe-report-signature",
                      "quoting enclave: signature of its report does not verify with the PCK certificate's key");
  if (!check_report_data (self, error))
    return FALSE;
  if (!dcap_p256_verify (self->key, quote->signed_bytes, quote->signed_size, self->signature))
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "quote-signature", "quote: signature does not verify with the attestation key");
  return TRUE;
}
