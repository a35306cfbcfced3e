#include "seal/teesql-hpke.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"
#include "seal/teesql-seal-cipher.h"
#include "seal/teesql-seal.h"
#include <string.h>

#define KEY_SIZE ((gsize) 32)

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)

/* RFC 9180, 7: the suite's numbers are KEM 0x0010, KDF 0x0001, AEAD 0x0002 */
static const guint8 kem_suite[] = { 'K', 'E', 'M', 0x00, 0x10 };
static const guint8 hpke_suite[] = { 'H', 'P', 'K', 'E', 0x00, 0x10, 0x00, 0x01, 0x00, 0x02 };
static const TeesqlDigestPart kem = { kem_suite, sizeof kem_suite };
static const TeesqlDigestPart hpke = { hpke_suite, sizeof hpke_suite };

/* Every value on the way to the key, in one locked place. */
typedef struct
{
  guint8 dh[32];
  guint8 prk[32];
  guint8 shared[32];
  guint8 secret[32];
  guint8 nonce[32]; /* the first 12 are used */
  guint8 kem_context[2 * TEESQL_P256_POINT_SIZE];
  guint8 schedule[1 + 32 + 32]; /* mode ‖ psk_id_hash ‖ info_hash */
} Steps;

static void
steps_free (Steps *self)
{
  teesql_locked_free ((guint8 *) self, sizeof *self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Steps, steps_free)

/* RFC 9180, 4: LabeledExtract. Without a salt the key is empty, which HMAC pads to zeros. */
static void
labeled_extract (guint8 out[32], TeesqlDigestPart suite, const guint8 *salt, const char *label, const void *input, gsize size)
{
  static const guint8 no_salt[32];
  const TeesqlDigestPart parts[] = { { "HPKE-v1", 7 }, suite, { label, strlen (label) }, { input, size } };

  teesql_hmac_sha256 (out, salt != NULL ? salt : no_salt, 32, parts, G_N_ELEMENTS (parts));
}

/* LabeledExpand of one block: @size, at most 32, is what the caller keeps, and part of what is hashed */
static void
labeled_expand (guint8 out[32], TeesqlDigestPart suite, const guint8 prk[32], const char *label, const void *info, gsize info_size,
                guint8 size)
{
  const guint8 length[2] = { 0, size };
  const guint8 block = 1;
  const TeesqlDigestPart parts[] = { { length, sizeof length }, { "HPKE-v1", 7 },    suite,
                                     { label, strlen (label) }, { info, info_size }, { &block, 1 } };

  teesql_hmac_sha256 (out, prk, 32, parts, G_N_ELEMENTS (parts));
}

static void
schedule (Steps *steps, const guint8 enc[TEESQL_P256_POINT_SIZE], const guint8 recipient[TEESQL_P256_POINT_SIZE],
          const TeesqlHpkeContext *context)
{
  memcpy (steps->kem_context, enc, TEESQL_P256_POINT_SIZE);
  memcpy (steps->kem_context + TEESQL_P256_POINT_SIZE, recipient, TEESQL_P256_POINT_SIZE);
  labeled_extract (steps->prk, kem, NULL, "eae_prk", steps->dh, sizeof steps->dh);
  labeled_expand (steps->shared, kem, steps->prk, "shared_secret", steps->kem_context, sizeof steps->kem_context, 32);
  labeled_extract (steps->schedule + 1, hpke, NULL, "psk_id_hash", NULL, 0);
  labeled_extract (steps->schedule + 33, hpke, NULL, "info_hash", context->data, context->size);
  labeled_extract (steps->secret, hpke, steps->shared, "secret", NULL, 0);
  labeled_expand (steps->nonce, hpke, steps->secret, "base_nonce", steps->schedule, sizeof steps->schedule, TEESQL_SEAL_NONCE_SIZE);
}

static gboolean
fill_key (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  const Steps *steps = user_data;

  labeled_expand (out, hpke, steps->secret, "key", steps->schedule, sizeof steps->schedule, KEY_SIZE);
  return TRUE;
}

static TeesqlSealCipher *
make_cipher (Steps *steps, GError **error)
{
  g_autoptr (TeesqlSecret) key = teesql_secret_new_fill (KEY_SIZE, fill_key, steps, error);

  return key != NULL ? teesql_seal_cipher_new (key, error) : NULL;
}

static Steps *
steps_new (GError **error)
{
  return (Steps *) (gpointer) teesql_locked_alloc (sizeof (Steps), error);
}

gboolean
teesql_hpke_seal (TeesqlSecret *ephemeral, const guint8 recipient[TEESQL_P256_POINT_SIZE], const TeesqlHpkeContext *context,
                  TeesqlSecret *secret, guint8 out_enc[TEESQL_P256_POINT_SIZE], guint8 *out, GError **error)
{
  g_autoptr (Steps) steps = steps_new (error);
  g_autoptr (TeesqlSealCipher) cipher = NULL;
  const guint8 *scalar = teesql_secret_peek (ephemeral, NULL);
  gsize size = 0;
  const guint8 *plain = teesql_secret_peek (secret, &size);
  TeesqlSealMessage message = { .nonce = NULL };

  if (steps == NULL)
    return FALSE;
  if (!teesql_p256_public (scalar, out_enc) || !teesql_p256_agree (scalar, recipient, steps->dh))
    return fail (error, TEESQL_ERROR_FAILED, "recovery-point", "sealing to a recovery recipient: not a key of p-256");
  schedule (steps, out_enc, recipient, context);
  cipher = make_cipher (steps, error);
  message.nonce = steps->nonce;
  return cipher != NULL && teesql_seal_cipher_encrypt (cipher, &message, plain, size, out, error);
}

typedef struct
{
  TeesqlSealCipher *cipher;
  const TeesqlSealMessage *message;
  const guint8 *sealed;
} Opening;

static gboolean
fill_opened (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  const Opening *opening = user_data;
  GError *fault = NULL;

  if (teesql_seal_cipher_decrypt (opening->cipher, opening->message, opening->sealed, size + TEESQL_SEAL_TAG_SIZE, out, &fault))
    return TRUE;
  if (fault == NULL)
    return fail (error, TEESQL_ERROR_INTEGRITY, "recovery-tag", "recovery object: it is not what was sealed");
  g_propagate_error (error, fault);
  return FALSE;
}

TeesqlSecret *
teesql_hpke_open (TeesqlSecret *recipient, const guint8 enc[TEESQL_P256_POINT_SIZE], const TeesqlHpkeContext *context, const guint8 *sealed,
                  gsize size, GError **error)
{
  g_autoptr (Steps) steps = steps_new (error);
  g_autoptr (TeesqlSealCipher) cipher = NULL;
  const guint8 *scalar = teesql_secret_peek (recipient, NULL);
  guint8 public[TEESQL_P256_POINT_SIZE];
  TeesqlSealMessage message = { .nonce = NULL };
  Opening opening = { NULL, &message, sealed };

  if (steps == NULL)
    return NULL;
  if (!teesql_p256_public (scalar, public) || !teesql_p256_agree (scalar, enc, steps->dh))
    {
      fail (error, TEESQL_ERROR_MALFORMED, "recovery-point", "recovery object: its encapsulated key is no point of p-256");
      return NULL;
    }
  schedule (steps, enc, public, context);
  cipher = make_cipher (steps, error);
  if (cipher == NULL)
    return NULL;
  opening.cipher = cipher;
  message.nonce = steps->nonce;
  return teesql_secret_new_fill (size - TEESQL_SEAL_TAG_SIZE, fill_opened, &opening, error);
}
