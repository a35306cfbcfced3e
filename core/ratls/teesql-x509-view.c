#include "ratls/teesql-x509-view.h"

#include "ratls/teesql-der.h"

#define TAG_VERSION    0xa0
#define TAG_ISSUER_ID  0x81
#define TAG_SUBJECT_ID 0x82
#define TAG_EXTENSIONS 0xa3

static gboolean
read_version (TeesqlCursor *tbs, GError **error)
{
  TeesqlDer outer = { 0 };
  TeesqlDer version = { 0 };
  guint8 value = 0;

  if (!teesql_der_expect (tbs, "version", TAG_VERSION, &outer, error) ||
      !teesql_der_expect (&outer.content, "version", TEESQL_DER_INTEGER, &version, error) ||
      !teesql_cursor_expect_end (&outer.content, error) || !teesql_cursor_u8 (&version.content, "version", &value, error) ||
      !teesql_cursor_expect_end (&version.content, error))
    return FALSE;
  if (value != 2) /* version 3: the only one with extensions */
    return teesql_cursor_fail (tbs, error, "certificate-version", "certificate version %u, expected 3", value + 1u);
  return TRUE;
}

static gboolean
read_validity (TeesqlCursor *tbs, TeesqlX509View *out, GError **error)
{
  TeesqlDer validity = { 0 };

  return teesql_der_expect (tbs, "validity", TEESQL_DER_SEQUENCE, &validity, error) &&
         teesql_der_time (&validity.content, "notBefore", &out->not_before_unix, error) &&
         teesql_der_time (&validity.content, "notAfter", &out->not_after_unix, error) &&
         teesql_cursor_expect_end (&validity.content, error);
}

static gboolean
read_key (TeesqlCursor *tbs, TeesqlX509View *out, GError **error)
{
  TeesqlDer spki = { 0 };

  if (!teesql_der_expect (tbs, "subjectPublicKeyInfo", TEESQL_DER_SEQUENCE, &spki, error))
    return FALSE;
  out->spki = spki.whole;
  out->spki_size = spki.whole_size;
  return TRUE;
}

static gboolean
read_extension (TeesqlCursor *list, TeesqlX509View *out, GError **error)
{
  TeesqlX509Extension *extension = &out->extensions[out->n_extensions];
  TeesqlDer sequence = { 0 };
  TeesqlDer oid = { 0 };
  TeesqlDer critical = { 0 };
  TeesqlDer value = { 0 };
  gboolean has_critical = FALSE;

  if (!teesql_der_expect (list, "extension", TEESQL_DER_SEQUENCE, &sequence, error) ||
      !teesql_der_expect (&sequence.content, "extnID", TEESQL_DER_OID, &oid, error) ||
      !teesql_der_optional (&sequence.content, "critical", TEESQL_DER_BOOLEAN, &has_critical, &critical, error) ||
      !teesql_der_expect (&sequence.content, "extnValue", TEESQL_DER_OCTET_STRING, &value, error) ||
      !teesql_cursor_expect_end (&sequence.content, error))
    return FALSE;
  if (has_critical && critical.content.size != 1)
    return teesql_cursor_fail (list, error, "der-boolean", "critical has %" G_GSIZE_FORMAT " bytes, expected 1", critical.content.size);
  /* RFC 5280 4.2: one of a kind. Two readers that take the first and the last would see different evidence. */
  if (teesql_x509_view_find (out, oid.content.data, oid.content.size) != NULL)
    return teesql_cursor_fail (list, error, "evidence-duplicate", "an extension stands twice in the certificate");
  extension->oid = oid.content.data;
  extension->oid_size = oid.content.size;
  extension->value = value.content;
  out->n_extensions++;
  return TRUE;
}

static gboolean
read_extensions (TeesqlCursor *tbs, TeesqlX509View *out, GError **error)
{
  TeesqlDer outer = { 0 };
  TeesqlDer list = { 0 };
  gboolean present = FALSE;

  if (!teesql_der_optional (tbs, "extensions", TAG_EXTENSIONS, &present, &outer, error))
    return FALSE;
  if (!present)
    return TRUE;
  if (!teesql_der_expect (&outer.content, "extensions", TEESQL_DER_SEQUENCE, &list, error) ||
      !teesql_cursor_expect_end (&outer.content, error))
    return FALSE;
  while (teesql_cursor_remaining (&list.content) > 0)
    {
      if (out->n_extensions == TEESQL_X509_MAX_EXTENSIONS)
        return teesql_cursor_fail (&list.content, error, "too-many", "more than %u extensions", TEESQL_X509_MAX_EXTENSIONS);
      if (!read_extension (&list.content, out, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_tbs (TeesqlCursor *tbs, TeesqlX509View *out, GError **error)
{
  TeesqlDer skipped = { 0 };
  gboolean present = FALSE;

  return read_version (tbs, error) && teesql_der_expect (tbs, "serialNumber", TEESQL_DER_INTEGER, &skipped, error) &&
         teesql_der_expect (tbs, "signature", TEESQL_DER_SEQUENCE, &skipped, error) &&
         teesql_der_expect (tbs, "issuer", TEESQL_DER_SEQUENCE, &skipped, error) && read_validity (tbs, out, error) &&
         teesql_der_expect (tbs, "subject", TEESQL_DER_SEQUENCE, &skipped, error) && read_key (tbs, out, error) &&
         teesql_der_optional (tbs, "issuerUniqueID", TAG_ISSUER_ID, &present, &skipped, error) &&
         teesql_der_optional (tbs, "subjectUniqueID", TAG_SUBJECT_ID, &present, &skipped, error) && read_extensions (tbs, out, error) &&
         teesql_cursor_expect_end (tbs, error);
}

gboolean
teesql_x509_view_parse (const guint8 *data, gsize size, TeesqlX509View *out, GError **error)
{
  TeesqlX509View view = { 0 };
  TeesqlCursor cursor = { 0 };
  TeesqlDer certificate = { 0 };
  TeesqlDer tbs = { 0 };
  TeesqlDer skipped = { 0 };

  teesql_cursor_init (&cursor, "certificate", data, size);
  if (!teesql_der_expect (&cursor, "certificate", TEESQL_DER_SEQUENCE, &certificate, error) || !teesql_cursor_expect_end (&cursor, error) ||
      !teesql_der_expect (&certificate.content, "tbsCertificate", TEESQL_DER_SEQUENCE, &tbs, error) ||
      !read_tbs (&tbs.content, &view, error) ||
      !teesql_der_expect (&certificate.content, "signatureAlgorithm", TEESQL_DER_SEQUENCE, &skipped, error) ||
      !teesql_der_expect (&certificate.content, "signatureValue", TEESQL_DER_BIT_STRING, &skipped, error) ||
      !teesql_cursor_expect_end (&certificate.content, error))
    return FALSE;
  *out = view;
  return TRUE;
}

const TeesqlX509Extension *
teesql_x509_view_find (const TeesqlX509View *self, const guint8 *oid, gsize oid_size)
{
  for (guint i = 0; i < self->n_extensions; i++)
    if (self->extensions[i].oid_size == oid_size && memcmp (self->extensions[i].oid, oid, oid_size) == 0)
      return &self->extensions[i];
  return NULL;
}
