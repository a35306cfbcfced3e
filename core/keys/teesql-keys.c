#include "keys/teesql-keys.h"

#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"

#define SALT        "teesql/v1"
#define CHECK_LABEL "teesql-kcv"
#define KEY_SIZE    ((gsize) 32)

typedef struct
{
  const guint8 *ikm;
  gsize ikm_size;
  const guint8 *info;
  gsize info_size;
} Derivation;

static gboolean
derive_into (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  const Derivation *d = user_data;

  teesql_hkdf_sha256 (d->ikm, d->ikm_size, (const guint8 *) SALT, strlen (SALT), d->info, d->info_size, out, size);
  return TRUE;
}

/* u8 length ‖ label ‖ u16be length ‖ context: with lengths, no two pairs of label and context share an info. */
static GByteArray *
make_info (const char *label, const guint8 *context, gsize context_size)
{
  GByteArray *info = g_byte_array_new ();
  guint8 label_size = (guint8) strlen (label);
  guint8 context_head[2] = { (guint8) (context_size >> 8), (guint8) context_size };

  g_byte_array_append (info, &label_size, 1);
  g_byte_array_append (info, (const guint8 *) label, label_size);
  g_byte_array_append (info, context_head, sizeof context_head);
  if (context_size > 0)
    g_byte_array_append (info, context, (guint) context_size);
  return info;
}

TeesqlSecret *
teesql_keys_derive (TeesqlSecret *kms_key, const char *label, const guint8 *context, gsize context_size, GError **error)
{
  g_autoptr (GByteArray) info = NULL;
  Derivation d = { 0 };

  g_return_val_if_fail (label != NULL && label[0] != '\0' && strlen (label) <= G_MAXUINT8, NULL);
  if (context_size > G_MAXUINT16)
    {
      g_propagate_error (error,
                         teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_FAILED, "key-context", 0,
                                           "key %s: context of %" G_GSIZE_FORMAT " bytes, at most %d", label, context_size, G_MAXUINT16));
      return NULL;
    }
  info = make_info (label, context, context_size);
  d.ikm = teesql_secret_peek (kms_key, &d.ikm_size);
  d.info = info->data;
  d.info_size = info->len;
  return teesql_secret_new_fill (KEY_SIZE, derive_into, &d, error);
}

/* No table: a digit that is looked up by key bits would show in the cache. */
static guint8
hex_digit (guint nibble)
{
  guint letter = (9u - nibble) >> 8 & (guint) ('a' - '0' - 10); /* zero unless nibble > 9 */

  return (guint8) ('0' + nibble + letter);
}

static gboolean
write_hex (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  gsize key_size = 0;
  const guint8 *key = teesql_secret_peek (user_data, &key_size);

  for (gsize i = 0; i < key_size; i++)
    {
      out[2 * i] = hex_digit (key[i] >> 4);
      out[2 * i + 1] = hex_digit (key[i] & 0x0fu);
    }
  return TRUE;
}

TeesqlSecret *
teesql_keys_password_form (TeesqlSecret *key, GError **error)
{
  return teesql_secret_new_fill (2 * teesql_secret_get_size (key), write_hex, key, error);
}

TeesqlSecret *
teesql_keys_role_password (TeesqlSecret *roles_key, const char *role, GError **error)
{
  g_autoptr (TeesqlSecret) key = teesql_keys_derive (roles_key, "role-password", (const guint8 *) role, strlen (role), error);

  return key != NULL ? teesql_keys_password_form (key, error) : NULL;
}

TeesqlSecret *
teesql_keys_role_decoy (TeesqlSecret *roles_key, const char *role, GError **error)
{
  return teesql_keys_derive (roles_key, "role-decoy", (const guint8 *) role, strlen (role), error);
}

void
teesql_keys_check_value (TeesqlSecret *key, guint8 out[TEESQL_KEYS_CHECK_SIZE])
{
  guint8 mac[TEESQL_SHA256_SIZE];
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (key, &size);
  const TeesqlDigestPart part = { CHECK_LABEL, strlen (CHECK_LABEL) };

  teesql_hmac_sha256 (mac, data, size, &part, 1);
  for (guint i = 0; i < TEESQL_KEYS_CHECK_SIZE; i++)
    out[i] = mac[i];
  teesql_wipe (mac, sizeof mac);
}
