#include "base/teesql-cursor.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-locked-memory.h"
#include "seal/teesql-recovery-private.h"
#include <gnutls/x509.h>
#include <string.h>

#define MAGIC          "TEESKEY"
#define MAGIC_SIZE     ((gsize) 7)
#define VERSION        1
#define FLAG_SIMULATED 1

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)
#define malformed(error, reason, ...)  fail (error, TEESQL_ERROR_MALFORMED, reason, __VA_ARGS__)

typedef struct gnutls_x509_privkey_int GnutlsKey;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GnutlsKey, gnutls_x509_privkey_deinit)

void
teesql_recovery_recipient_hash (const guint8 point[TEESQL_P256_POINT_SIZE], guint8 out[TEESQL_RECOVERY_RECIPIENT_SIZE])
{
  /* RFC 5480: SEQUENCE { SEQUENCE { id-ecPublicKey, secp256r1 }, BIT STRING } and then the point */
  static const guint8 spki[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00 };
  const TeesqlDigestPart parts[] = { { spki, sizeof spki }, { point, TEESQL_P256_POINT_SIZE } };

  teesql_digest (TEESQL_DIGEST_SHA256, out, parts, G_N_ELEMENTS (parts));
}

void
teesql_recovery_header_encode (const TeesqlRecoveryHeader *self, guint8 out[TEESQL_RECOVERY_HEADER_SIZE])
{
  memcpy (out, MAGIC, MAGIC_SIZE);
  out[7] = VERSION;
  out[8] = self->simulated ? FLAG_SIMULATED : 0;
  for (guint i = 0; i < 4; i++)
    out[9 + i] = (guint8) (self->epoch >> (24 - 8 * i));
  memcpy (out + 13, self->cluster_id, sizeof self->cluster_id);
  memcpy (out + 45, self->recipient, sizeof self->recipient);
}

static gboolean
parse_form (TeesqlCursor *cursor, TeesqlRecoveryHeader *out, GError **error)
{
  const guint8 *magic = NULL;
  guint8 version = 0;
  guint8 flags = 0;

  if (!teesql_cursor_take (cursor, "magic", MAGIC_SIZE, &magic, error) || !teesql_cursor_u8 (cursor, "version", &version, error) ||
      !teesql_cursor_u8 (cursor, "flags", &flags, error))
    return FALSE;
  if (memcmp (magic, MAGIC, MAGIC_SIZE) != 0)
    return malformed (error, "recovery-magic", "recovery object: it does not begin as one");
  if (version != VERSION)
    return malformed (error, "recovery-version", "recovery object: version %u, expected %d", version, VERSION);
  if ((flags & ~FLAG_SIMULATED) != 0)
    return malformed (error, "recovery-flags", "recovery object: flags 0x%02x, expected 0 or 1", flags);
  out->simulated = (flags & FLAG_SIMULATED) != 0;
  return TRUE;
}

static gboolean
parse_header (TeesqlCursor *cursor, TeesqlRecoveryHeader *out, GError **error)
{
  return parse_form (cursor, out, error) && teesql_cursor_u32_be (cursor, "epoch", &out->epoch, error) &&
         teesql_cursor_copy (cursor, "cluster id", out->cluster_id, sizeof out->cluster_id, error) &&
         teesql_cursor_copy (cursor, "recipient", out->recipient, sizeof out->recipient, error);
}

static gboolean
check_header (const TeesqlRecoveryHeader *header, const guint8 recipient[TEESQL_RECOVERY_RECIPIENT_SIZE], gboolean simulated,
              TeesqlEpochKeys *keys, GError **error)
{
  if (memcmp (header->recipient, recipient, sizeof header->recipient) != 0)
    {
      g_autofree char *expected = teesql_hex_encode (recipient, 8);
      g_autofree char *found = teesql_hex_encode (header->recipient, 8);

      return fail (error, TEESQL_ERROR_REFUSED, "recovery-recipient", "recovery object: sealed to the recipient %s, this key is %s", found,
                   expected);
    }
  if (header->simulated != (simulated != FALSE))
    return fail (error, TEESQL_ERROR_REFUSED, "recovery-context", "recovery object: it holds a %s key, expected a %s one",
                 header->simulated ? "simulated" : "production", header->simulated ? "production" : "simulated");
  if (memcmp (header->cluster_id, teesql_epoch_keys_get_cluster_id (keys), sizeof header->cluster_id) != 0)
    return fail (error, TEESQL_ERROR_REFUSED, "recovery-context", "recovery object: it belongs to another cluster");
  return TRUE;
}

static gboolean
fill_scalar (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  const gnutls_datum_t *k = user_data;
  gsize skip = 0;

  while (skip < k->size && k->data[skip] == 0)
    skip++;
  if (k->size - skip > size || k->size == skip)
    return fail (error, TEESQL_ERROR_CONFIG, "recovery-key", "recovery key: its number is not one of p-256");
  memset (out, 0, size);
  memcpy (out + size - (k->size - skip), k->data + skip, k->size - skip);
  return TRUE;
}

static void
wipe_datum (gnutls_datum_t *datum)
{
  teesql_wipe (datum->data, datum->size);
  gnutls_free (datum->data);
}

static TeesqlSecret *
export_scalar (gnutls_x509_privkey_t key, GError **error)
{
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  gnutls_datum_t x = { 0 };
  gnutls_datum_t y = { 0 };
  gnutls_datum_t k = { 0 };
  int code = gnutls_x509_privkey_export_ecc_raw (key, &curve, &x, &y, &k);
  TeesqlSecret *scalar = NULL;

  if (code == 0 && curve == GNUTLS_ECC_CURVE_SECP256R1)
    scalar = teesql_secret_new_fill (TEESQL_P256_SCALAR_SIZE, fill_scalar, &k, error);
  else
    fail (error, TEESQL_ERROR_CONFIG, "recovery-key", "recovery key: not a key of P-256");
  gnutls_free (x.data);
  gnutls_free (y.data);
  wipe_datum (&k);
  return scalar;
}

static TeesqlSecret *
read_scalar (TeesqlSecret *private_pem, GError **error)
{
  g_autoptr (GnutlsKey) key = NULL;
  gsize size = 0;
  const guint8 *pem = teesql_secret_peek (private_pem, &size);
  const gnutls_datum_t datum = { (unsigned char *) pem, (unsigned int) size };
  int code = gnutls_x509_privkey_init (&key);

  if (code == 0)
    code = gnutls_x509_privkey_import (key, &datum, GNUTLS_X509_FMT_PEM);
  if (code == 0)
    return export_scalar (key, error);
  fail (error, TEESQL_ERROR_CONFIG, "recovery-key", "recovery key: %s\nhint: a private key of P-256 in PEM, without a passphrase",
        gnutls_strerror (code));
  return NULL;
}

static gboolean
open_with (TeesqlSecret *scalar, const guint8 *data, gboolean simulated, TeesqlEpochKeys *keys, GError **error)
{
  TeesqlRecoveryHeader header = { 0 };
  const TeesqlHpkeContext context = { data, TEESQL_RECOVERY_HEADER_SIZE };
  const guint8 *enc = data + TEESQL_RECOVERY_HEADER_SIZE;
  const guint8 *sealed = enc + TEESQL_P256_POINT_SIZE;
  guint8 point[TEESQL_P256_POINT_SIZE];
  guint8 recipient[TEESQL_RECOVERY_RECIPIENT_SIZE];
  TeesqlCursor cursor;
  g_autoptr (TeesqlSecret) key = NULL;

  teesql_cursor_init (&cursor, "recovery object", data, TEESQL_RECOVERY_SIZE);
  if (!parse_header (&cursor, &header, error))
    return FALSE;
  if (!teesql_p256_public (teesql_secret_peek (scalar, NULL), point))
    return fail (error, TEESQL_ERROR_CONFIG, "recovery-key", "recovery key: its number is not one of p-256");
  teesql_recovery_recipient_hash (point, recipient);
  if (!check_header (&header, recipient, simulated, keys, error))
    return FALSE;
  key = teesql_hpke_open (scalar, enc, &context, sealed, (gsize) (data + TEESQL_RECOVERY_SIZE - sealed), error);
  return key != NULL && teesql_epoch_keys_add (keys, header.epoch, key, error);
}

gboolean
teesql_recovery_open (TeesqlSecret *private_pem, GBytes *sealed, gboolean simulated, TeesqlEpochKeys *keys, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (sealed, &size);
  g_autoptr (TeesqlSecret) scalar = NULL;

  if (size != TEESQL_RECOVERY_SIZE)
    return malformed (error, "recovery-size", "recovery object: %" G_GSIZE_FORMAT " bytes, expected %d", size, TEESQL_RECOVERY_SIZE);
  scalar = read_scalar (private_pem, error);
  return scalar != NULL && open_with (scalar, data, simulated, keys, error);
}
