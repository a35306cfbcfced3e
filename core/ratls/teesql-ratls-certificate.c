#include "ratls/teesql-ratls-certificate.h"
#include "base/teesql-domains.h"

#include "base/teesql-digest.h"
#include "ratls/teesql-der.h"
#include "ratls/teesql-ratls-attestation.h"
#include "ratls/teesql-ratls-private.h"
#include "ratls/teesql-x509-view.h"
#include "sdk/teesql-quote.h"

#include <gnutls/gnutls.h>

#define BINDING_TAG "ratls-cert:"

/* 1.3.6.1.4.1.62397.1.N in DER; 62397 is 83 e7 3d in base 128 */
#define OID_CONTENT(n)                                                                                                                     \
  {                                                                                                                                        \
    0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xe7, 0x3d, 0x01, n                                                                                \
  }
static const guint8 oid_quote[] = OID_CONTENT (1);
static const guint8 oid_event_log[] = OID_CONTENT (2);
static const guint8 oid_app_id[] = OID_CONTENT (3);
static const guint8 oid_attestation[] = OID_CONTENT (8);

/* SubjectPublicKeyInfo of an uncompressed P-256 point up to the point: id-ecPublicKey, prime256v1, BIT STRING (RFC 5480). One
 * exact spelling, since the binding hashes the bytes. */
static const guint8 p256_prefix[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                      0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 };
#define P256_SPKI_SIZE (sizeof p256_prefix + 64)

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_ATTEST_ERROR, (code), (reason), __VA_ARGS__)

/* The extension's value holds one more OCTET STRING that fills it exactly (RA-TLS profile 1). */
static gboolean
unwrap (const TeesqlX509Extension *extension, const char *name, TeesqlCursor *out, GError **error)
{
  g_autoptr (GError) inner = NULL;
  TeesqlCursor value = extension->value;
  TeesqlDer wrapped = { 0 };

  if (!teesql_der_expect (&value, name, TEESQL_DER_OCTET_STRING, &wrapped, &inner) || !teesql_cursor_expect_end (&value, &inner))
    return fail (error, TEESQL_ERROR_MALFORMED, "evidence-malformed", "%s: %s", name, inner->message);
  if (teesql_cursor_remaining (&wrapped.content) == 0)
    return fail (error, TEESQL_ERROR_MALFORMED, "evidence-malformed", "%s: the extension is empty", name);
  *out = wrapped.content;
  return TRUE;
}

static gboolean
check_app_id (const TeesqlX509View *view, GError **error)
{
  const TeesqlX509Extension *extension = teesql_x509_view_find (view, oid_app_id, sizeof oid_app_id);
  TeesqlCursor content = { 0 };

  if (extension == NULL)
    return TRUE;
  if (!unwrap (extension, "extension .3 (app id)", &content, error))
    return FALSE;
  if (content.size != 20)
    return fail (error, TEESQL_ERROR_MALFORMED, "evidence-malformed", "extension .3 (app id) has %" G_GSIZE_FORMAT " bytes, expected 20",
                 content.size);
  return TRUE;
}

static gboolean
check_key (const TeesqlX509View *view, GError **error)
{
  if (view->spki_size != P256_SPKI_SIZE || memcmp (view->spki, p256_prefix, sizeof p256_prefix) != 0)
    return fail (error, TEESQL_ERROR_UNSUPPORTED, "certificate-key", "the certificate's key is not an uncompressed ECDSA P-256 point");
  return TRUE;
}

/* Length of @data without its zero padding: agents hand quotes out in buffers of fixed size. */
static gsize
size_without_padding (const guint8 *data, gsize size)
{
  while (size > 0 && data[size - 1] == 0)
    size--;
  return size;
}

static gboolean
same_quote (TeesqlEvidence *evidence, const TeesqlCursor *other, GError **error)
{
  gsize size = 0;
  const guint8 *quote = g_bytes_get_data (teesql_evidence_get_quote (evidence), &size);
  gsize trimmed = size_without_padding (quote, size);

  if (trimmed == size_without_padding (other->data, other->size) && memcmp (quote, other->data, trimmed) == 0)
    return TRUE;
  return fail (error, TEESQL_ERROR_MALFORMED, "evidence-duplicate", "extensions .8 and .1 carry different quotes");
}

static gboolean
read_current (const TeesqlX509View *view, const TeesqlX509Extension *extension, TeesqlRatlsPeer *peer, GError **error)
{
  const TeesqlX509Extension *legacy = teesql_x509_view_find (view, oid_quote, sizeof oid_quote);
  TeesqlCursor content = { 0 };
  TeesqlCursor quote = { 0 };

  if (!unwrap (extension, "extension .8 (attestation)", &content, error))
    return FALSE;
  peer->evidence = teesql_ratls_attestation_parse (content.data, content.size, &peer->envelope_report_data, error);
  if (peer->evidence == NULL)
    return FALSE;
  if (legacy == NULL)
    return TRUE;
  return unwrap (legacy, "extension .1 (quote)", &quote, error) && same_quote (peer->evidence, &quote, error);
}

static gboolean
is_compressed (const TeesqlCursor *content)
{
  static const char magic[] = { 'E', 'L', 'G', 'Z', 'v', '1' };

  return content->size >= sizeof magic && memcmp (content->data, magic, sizeof magic) == 0;
}

static gboolean
read_legacy_log (const TeesqlX509View *view, TeesqlEvidenceBuilder *builder, GError **error)
{
  const TeesqlX509Extension *extension = teesql_x509_view_find (view, oid_event_log, sizeof oid_event_log);
  TeesqlCursor content = { 0 };

  if (extension == NULL)
    return TRUE; /* a quote alone: policy knows that it names no application */
  if (!unwrap (extension, "extension .2 (event log)", &content, error))
    return FALSE;
  if (is_compressed (&content)) /* SR-11: no decompression before authentication */
    return fail (error, TEESQL_ERROR_UNSUPPORTED, "evidence-compressed",
                 "extension .2 (event log) is compressed, which is not read before authentication");
  return teesql_ratls_event_log_parse_json ((const char *) content.data, content.size, builder, error);
}

static gboolean
read_legacy (const TeesqlX509View *view, const TeesqlX509Extension *extension, TeesqlRatlsPeer *peer, GError **error)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (GBytes) quote = NULL;
  TeesqlCursor content = { 0 };
  GError *inner = NULL;

  if (!unwrap (extension, "extension .1 (quote)", &content, error))
    return FALSE;
  quote = g_bytes_new (content.data, content.size);
  teesql_evidence_builder_set_quote (builder, quote);
  if (!read_legacy_log (view, builder, error))
    return FALSE;
  peer->legacy = TRUE;
  peer->evidence = teesql_evidence_builder_end (builder, &inner);
  return peer->evidence != NULL || teesql_ratls_translate (error, inner, "evidence-malformed");
}

static gboolean
read_evidence (const TeesqlX509View *view, TeesqlRatlsPeer *peer, GError **error)
{
  const TeesqlX509Extension *current = teesql_x509_view_find (view, oid_attestation, sizeof oid_attestation);
  const TeesqlX509Extension *legacy = teesql_x509_view_find (view, oid_quote, sizeof oid_quote);

  if (current != NULL)
    return read_current (view, current, peer, error);
  if (legacy != NULL)
    return read_legacy (view, legacy, peer, error);
  return fail (error, TEESQL_ERROR_MALFORMED, "no-evidence",
               "the certificate carries no attestation evidence (extension " TEESQL_RATLS_OID_ATTESTATION ")\n"
               "hint: the peer must run in a TDX VM and use the certificate of its guest agent");
}

TeesqlRatlsPeer *
teesql_ratls_peer_parse (const guint8 *leaf, gsize size, GError **error)
{
  g_autoptr (TeesqlRatlsPeer) peer = g_new0 (TeesqlRatlsPeer, 1);
  TeesqlX509View view = { 0 };
  GError *inner = NULL;

  if (size > TEESQL_RATLS_MAX_CERTIFICATE)
    {
      fail (error, TEESQL_ERROR_MALFORMED, "certificate-malformed", "certificate of %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT,
            size, TEESQL_RATLS_MAX_CERTIFICATE);
      return NULL;
    }
  if (!teesql_x509_view_parse (leaf, size, &view, &inner))
    {
      gboolean twice = strcmp (teesql_error_get_reason (inner), "evidence-duplicate") == 0;

      teesql_ratls_translate (error, inner, twice ? "evidence-duplicate" : "certificate-malformed");
      return NULL;
    }
  if (!check_key (&view, error) || !check_app_id (&view, error) || !read_evidence (&view, peer, error))
    return NULL;
  peer->spki = g_bytes_new (view.spki, view.spki_size);
  peer->not_before_unix = view.not_before_unix;
  peer->not_after_unix = view.not_after_unix;
  return g_steal_pointer (&peer);
}

void
teesql_ratls_peer_free (TeesqlRatlsPeer *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->evidence, teesql_evidence_unref);
  g_clear_pointer (&self->spki, g_bytes_unref);
  g_clear_pointer (&self->envelope_report_data, g_bytes_unref);
  g_free (self);
}

void
teesql_ratls_report_data (const guint8 *spki, gsize spki_size, guint8 out[64])
{
  const TeesqlDigestPart parts[] = { { BINDING_TAG, strlen (BINDING_TAG) }, { spki, spki_size } };

  teesql_digest (TEESQL_DIGEST_SHA512, out, parts, G_N_ELEMENTS (parts));
}

static const guint8 *
quote_report_data (TeesqlEvidence *evidence, GError **error)
{
  g_autoptr (GError) inner = NULL;
  TeesqlQuote quote = { 0 };
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (teesql_evidence_get_quote (evidence), &size);

  if (!teesql_quote_parse (data, size, &quote, &inner))
    {
      fail (error, inner->code, teesql_error_get_reason (inner), "%s", inner->message);
      return NULL;
    }
  return teesql_quote_get_field (&quote, TEESQL_FIELD_REPORT_DATA, &size);
}

gboolean
teesql_ratls_peer_check_binding (const TeesqlRatlsPeer *self, GError **error)
{
  guint8 expected[TEESQL_REPORT_DATA_SIZE];
  gsize spki_size = 0;
  const guint8 *spki = g_bytes_get_data (self->spki, &spki_size);
  const guint8 *quoted = quote_report_data (self->evidence, error);
  const guint8 *envelope = NULL;
  int differs = 0;

  if (quoted == NULL)
    return FALSE;
  teesql_ratls_report_data (spki, spki_size, expected);
  envelope = self->envelope_report_data != NULL ? g_bytes_get_data (self->envelope_report_data, NULL) : expected;
  differs = gnutls_memcmp (expected, quoted, sizeof expected);
  differs |= gnutls_memcmp (expected, envelope, sizeof expected);
  if (differs != 0)
    return fail (error, TEESQL_ERROR_REFUSED, "report-data-mismatch",
                 "the report data of the quote does not bind this certificate's key: it is not SHA-512 (\"" BINDING_TAG "\" and the key)");
  return TRUE;
}
