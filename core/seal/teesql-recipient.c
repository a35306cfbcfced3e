#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "seal/teesql-recovery-private.h"
#include "seal/teesql-seal.h"
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <string.h>

#define KEY_SIZE ((gsize) 32)
#define ID_BYTES 8

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)

struct _TeesqlRecipient
{
  guint8 point[TEESQL_P256_POINT_SIZE];
  guint8 hash[TEESQL_RECOVERY_RECIPIENT_SIZE];
  char *id;
};

typedef struct gnutls_pubkey_st GnutlsPubkey;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GnutlsPubkey, gnutls_pubkey_deinit)

static gboolean
not_a_key (const char *why, GError **error)
{
  return fail (error, TEESQL_ERROR_CONFIG, "recovery-key",
               "recovery recipient: %s\nhint: a public key of P-256 in PEM, as `openssl ec -pubout` writes it", why);
}

/* GnuTLS gives numbers with or without leading zeros */
static gboolean
take_coordinate (gnutls_datum_t *number, guint8 out[32])
{
  gsize skip = 0;
  gsize size = 0;

  while (skip < number->size && number->data[skip] == 0)
    skip++;
  size = number->size - skip;
  if (size <= 32)
    {
      memset (out, 0, 32 - size);
      if (size > 0)
        memcpy (out + 32 - size, number->data + skip, size);
    }
  gnutls_free (number->data);
  return size <= 32;
}

static gboolean
read_point (gnutls_pubkey_t key, guint8 out[TEESQL_P256_POINT_SIZE], GError **error)
{
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  gnutls_datum_t x = { 0 };
  gnutls_datum_t y = { 0 };
  int code = gnutls_pubkey_get_pk_algorithm (key, NULL);
  gboolean fits = FALSE;

  if (code != GNUTLS_PK_ECDSA)
    return not_a_key ("not an elliptic curve key", error);
  code = gnutls_pubkey_export_ecc_raw2 (key, &curve, &x, &y, 0);
  if (code != 0)
    return not_a_key (gnutls_strerror (code), error);
  out[0] = 0x04;
  fits = take_coordinate (&x, out + 1);
  fits = take_coordinate (&y, out + 33) && fits;
  if (curve != GNUTLS_ECC_CURVE_SECP256R1)
    return not_a_key ("a key of another curve than P-256", error);
  return (fits && teesql_p256_is_point (out)) || not_a_key ("its point is not on the curve", error);
}

TeesqlRecipient *
teesql_recipient_new_from_pem (const char *pem, gsize size, GError **error)
{
  g_autoptr (TeesqlRecipient) self = g_new0 (TeesqlRecipient, 1);
  g_autoptr (GnutlsPubkey) key = NULL;
  const gnutls_datum_t datum = { (unsigned char *) pem, (unsigned int) size };
  int code = size <= G_MAXINT ? gnutls_pubkey_init (&key) : GNUTLS_E_INVALID_REQUEST;

  if (code == 0)
    code = gnutls_pubkey_import (key, &datum, GNUTLS_X509_FMT_PEM);
  if (code != 0)
    {
      not_a_key (gnutls_strerror (code), error);
      return NULL;
    }
  if (!read_point (key, self->point, error))
    return NULL;
  teesql_recovery_recipient_hash (self->point, self->hash);
  self->id = teesql_hex_encode (self->hash, ID_BYTES);
  return g_steal_pointer (&self);
}

void
teesql_recipient_free (TeesqlRecipient *self)
{
  if (self == NULL)
    return;
  g_free (self->id);
  g_free (self);
}

const char *
teesql_recipient_get_id (const TeesqlRecipient *self)
{
  return self->id;
}

static gboolean
fill_random (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  int code = gnutls_rnd (GNUTLS_RND_KEY, out, size);

  return code == 0 || fail (error, TEESQL_ERROR_FAILED, "seal-random", "drawing a key: %s", gnutls_strerror (code));
}

/* One draw in 2^32 is not below the group's order; that it is drawn again tells nothing about the one that is used. */
static TeesqlSecret *
draw_scalar (GError **error)
{
  guint8 ignored[TEESQL_P256_POINT_SIZE];
  TeesqlSecret *scalar = NULL;

  do
    {
      g_clear_pointer (&scalar, teesql_secret_unref);
      scalar = teesql_secret_new_fill (TEESQL_P256_SCALAR_SIZE, fill_random, NULL, error);
    }
  while (scalar != NULL && !teesql_p256_public (teesql_secret_peek (scalar, NULL), ignored));
  return scalar;
}

GBytes *
teesql_recipient_seal_with (const TeesqlRecipient *self, TeesqlEpochKeys *keys, guint32 epoch, gboolean simulated, TeesqlSecret *ephemeral,
                            GError **error)
{
  g_autoptr (TeesqlSecret) key = teesql_epoch_keys_lookup (keys, epoch, error);
  TeesqlRecoveryHeader header = { .simulated = simulated, .epoch = epoch };
  guint8 out[TEESQL_RECOVERY_SIZE];
  const TeesqlHpkeContext context = { out, TEESQL_RECOVERY_HEADER_SIZE };
  guint8 *enc = out + TEESQL_RECOVERY_HEADER_SIZE;

  G_STATIC_ASSERT (TEESQL_RECOVERY_SIZE == TEESQL_RECOVERY_HEADER_SIZE + TEESQL_P256_POINT_SIZE + KEY_SIZE + TEESQL_SEAL_TAG_SIZE);
  if (key == NULL)
    return NULL;
  memcpy (header.cluster_id, teesql_epoch_keys_get_cluster_id (keys), sizeof header.cluster_id);
  memcpy (header.recipient, self->hash, sizeof header.recipient);
  teesql_recovery_header_encode (&header, out);
  if (!teesql_hpke_seal (ephemeral, self->point, &context, key, enc, enc + TEESQL_P256_POINT_SIZE, error))
    return NULL;
  return g_bytes_new (out, sizeof out);
}

GBytes *
teesql_recipient_seal (const TeesqlRecipient *self, TeesqlEpochKeys *keys, guint32 epoch, gboolean simulated, GError **error)
{
  g_autoptr (TeesqlSecret) ephemeral = draw_scalar (error);

  return ephemeral != NULL ? teesql_recipient_seal_with (self, keys, epoch, simulated, ephemeral, error) : NULL;
}
