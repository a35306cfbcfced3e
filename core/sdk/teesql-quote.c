#include "sdk/teesql-quote.h"
#include "base/teesql-domains.h"
#include <teesql/teesql-error.h>
#include <string.h>

/* Intel TDX DCAP quote, versions 4 and 5; integers are little-endian. */
#define KEY_TYPE_ECDSA_P256 2
#define TEE_TYPE_TDX        0x81u
#define BODY_TD_1_0         2
#define BODY_TD_1_5         3
#define BODY_TD_1_0_SIZE    584
#define BODY_TD_1_5_SIZE    648

static const guint8 intel_qe_vendor[16] = {
  0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07
};

/* Where the body keeps each field. */
static const struct
{
  TeesqlField field;
  guint16 offset;
  guint16 size;
} layout[] = {
  { TEESQL_FIELD_TEE_TCB_SVN, 0, 16 },      { TEESQL_FIELD_MRSEAM, 16, 48 },        { TEESQL_FIELD_MRSIGNERSEAM, 64, 48 },
  { TEESQL_FIELD_SEAM_ATTRIBUTES, 112, 8 }, { TEESQL_FIELD_TD_ATTRIBUTES, 120, 8 }, { TEESQL_FIELD_XFAM, 128, 8 },
  { TEESQL_FIELD_MRTD, 136, 48 },           { TEESQL_FIELD_MRCONFIGID, 184, 48 },   { TEESQL_FIELD_MROWNER, 232, 48 },
  { TEESQL_FIELD_MROWNERCONFIG, 280, 48 },  { TEESQL_FIELD_RTMR0, 328, 48 },        { TEESQL_FIELD_RTMR1, 376, 48 },
  { TEESQL_FIELD_RTMR2, 424, 48 },          { TEESQL_FIELD_RTMR3, 472, 48 },        { TEESQL_FIELD_REPORT_DATA, 520, 64 },
  { TEESQL_FIELD_TEE_TCB_SVN2, 584, 16 }, /* TD 1.5 only, as is the next */
  { TEESQL_FIELD_MRSERVICETD, 600, 48 },
};

#define refuse(error, code, reason, ...) teesql_fail (error, TEESQL_VERIFIER_ERROR, (code), (reason), __VA_ARGS__)

/* The cursor reports in its own domain; here only one thing can have gone wrong with it. */
static gboolean
refuse_truncated (GError **error, const GError *inner)
{
  return refuse (error, TEESQL_ERROR_MALFORMED, "quote-truncated", "%s", inner->message);
}

typedef struct
{
  guint16 version;
  guint16 key_type;
  guint32 tee_type;
  const guint8 *qe_vendor;
} Header;

static gboolean
read_header (TeesqlCursor *cursor, Header *header, GError **error)
{
  return teesql_cursor_u16_le (cursor, "version", &header->version, error) &&
         teesql_cursor_u16_le (cursor, "attestation key type", &header->key_type, error) &&
         teesql_cursor_u32_le (cursor, "tee type", &header->tee_type, error) && teesql_cursor_skip (cursor, "reserved", 4, error) &&
         teesql_cursor_take (cursor, "qe vendor id", sizeof intel_qe_vendor, &header->qe_vendor, error) &&
         teesql_cursor_skip (cursor, "user data", 20, error);
}

static gboolean
check_header (const Header *header, GError **error)
{
  if (header->version != 4 && header->version != 5)
    return refuse (error, TEESQL_ERROR_UNSUPPORTED, "quote-version", "quote header: version %u is not supported, expected 4 or 5",
                   header->version);
  if (header->key_type != KEY_TYPE_ECDSA_P256)
    return refuse (error, TEESQL_ERROR_UNSUPPORTED, "quote-key-type",
                   "quote header: attestation key type %u is not supported, expected %d (ECDSA P-256)", header->key_type,
                   KEY_TYPE_ECDSA_P256);
  if (header->tee_type != TEE_TYPE_TDX)
    return refuse (error, TEESQL_ERROR_UNSUPPORTED, "quote-tee-type", "quote header: TEE type 0x%x is not supported, expected 0x%x (TDX)",
                   header->tee_type, TEE_TYPE_TDX);
  if (memcmp (header->qe_vendor, intel_qe_vendor, sizeof intel_qe_vendor) != 0)
    return refuse (error, TEESQL_ERROR_MALFORMED, "quote-qe-vendor", "quote header: the quoting enclave's vendor is not Intel");
  return TRUE;
}

static gboolean
check_body_type (guint16 type, guint32 size, GError **error)
{
  if (type != BODY_TD_1_0 && type != BODY_TD_1_5)
    return refuse (error, TEESQL_ERROR_MALFORMED, "quote-body-type", "quote body: type %u, expected %d (TD 1.0) or %d (TD 1.5)", type,
                   BODY_TD_1_0, BODY_TD_1_5);
  if (size != (type == BODY_TD_1_0 ? BODY_TD_1_0_SIZE : BODY_TD_1_5_SIZE))
    return refuse (error, TEESQL_ERROR_MALFORMED, "quote-size", "quote body: %u bytes for a body of type %u", size, type);
  return TRUE;
}

/* Version 5 says what its body is; version 4 has one kind. */
static gboolean
read_body (TeesqlCursor *cursor, TeesqlQuote *quote, GError **error)
{
  g_autoptr (GError) inner = NULL;
  guint16 type = BODY_TD_1_0;
  guint32 size = BODY_TD_1_0_SIZE;

  if (quote->version == 5 &&
      (!teesql_cursor_u16_le (cursor, "body type", &type, &inner) || !teesql_cursor_u32_le (cursor, "body size", &size, &inner)))
    return refuse_truncated (error, inner);
  if (!check_body_type (type, size, error))
    return FALSE;
  quote->body_type = type;
  quote->body_size = size;
  if (!teesql_cursor_take (cursor, "body", size, &quote->body, &inner))
    return refuse_truncated (error, inner);
  return TRUE;
}

static gboolean
read_auth (TeesqlCursor *cursor, TeesqlQuote *quote, GError **error)
{
  g_autoptr (GError) inner = NULL;
  guint32 size = 0;

  quote->signed_bytes = cursor->data;
  quote->signed_size = cursor->pos;
  if (!teesql_cursor_u32_le (cursor, "size of the authentication data", &size, &inner) ||
      !teesql_cursor_sub (cursor, "quote authentication data", size, &quote->auth, &inner))
    return refuse_truncated (error, inner);
  return TRUE;
}

gboolean
teesql_quote_parse (const guint8 *data, gsize size, TeesqlQuote *out_quote, GError **error)
{
  g_autoptr (GError) inner = NULL;
  TeesqlQuote quote = { 0 };
  TeesqlCursor cursor;
  Header header = { 0 };

  g_return_val_if_fail (data != NULL || size == 0, FALSE);

  if (size < TEESQL_QUOTE_MIN_SIZE || size > TEESQL_EVIDENCE_MAX_QUOTE)
    return refuse (error, TEESQL_ERROR_MALFORMED, "quote-size",
                   "quote: %" G_GSIZE_FORMAT " bytes, expected %" G_GSIZE_FORMAT " to %" G_GSIZE_FORMAT, size, TEESQL_QUOTE_MIN_SIZE,
                   TEESQL_EVIDENCE_MAX_QUOTE);
  teesql_cursor_init (&cursor, "quote", data, size);
  if (!read_header (&cursor, &header, &inner))
    return refuse_truncated (error, inner);
  if (!check_header (&header, error))
    return FALSE;
  quote.version = header.version;
  if (!read_body (&cursor, &quote, error) || !read_auth (&cursor, &quote, error))
    return FALSE;
  *out_quote = quote;
  return TRUE;
}

const guint8 *
teesql_quote_get_field (const TeesqlQuote *self, TeesqlField field, gsize *out_size)
{
  g_return_val_if_fail (self != NULL, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (layout); i++)
    {
      if (layout[i].field != field || (gsize) layout[i].offset + layout[i].size > self->body_size)
        continue;
      if (out_size != NULL)
        *out_size = layout[i].size;
      return self->body + layout[i].offset;
    }
  return NULL;
}
