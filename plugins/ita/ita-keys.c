#include "ita-keys.h"

#include "ita-chain.h"
#include "ita-error.h"
#include <gnutls/abstract.h>
#include <string.h>

#define N_KEYS_MAX 32
#define KID_MAX    ((gsize) 256)
#define NUMBER_MAX ((gsize) 1024) /* characters of a modulus in base64url; RSA 4096 takes 683 */
#define BITS_MIN   2048u
#define BITS_MAX   4096u

struct _ItaKeys
{
  gatomicrefcount ref_count;
  GPtrArray *keys;
};

static void
key_free (gpointer data)
{
  ItaKey *self = data;

  g_free (self->kid);
  g_free (self->alg);
  g_clear_pointer (&self->modulus, g_bytes_unref);
  g_clear_pointer (&self->exponent, g_bytes_unref);
  g_clear_pointer (&self->leaf, g_bytes_unref);
  g_free (self);
}

typedef ItaKey Key;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Key, key_free)

static char *
get_text (DcapJsonNode node, const char *name, gsize max)
{
  DcapJsonNode value;

  return dcap_json_find (node, name, &value) && dcap_json_type (value) == DCAP_JSON_STRING ? dcap_json_text (value, max, NULL) : NULL;
}

static GBytes *
get_number (DcapJsonNode node, const char *name)
{
  g_autofree char *text = get_text (node, name, NUMBER_MAX);

  return text != NULL ? ita_base64url_decode (text, strlen (text), NULL) : NULL;
}

static guint
n_bits (GBytes *number)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (number, &size);

  for (; size > 0 && *data == 0; data++)
    size--;
  return size > 0 ? (guint) size * 8 - (guint) (7 - g_bit_nth_msf (*data, -1)) : 0;
}

static gboolean
check_numbers (const ItaKey *self, GError **error)
{
  static const guint8 f4[] = { 0x01, 0x00, 0x01 };
  const guint bits = n_bits (self->modulus);
  gsize size = 0;
  const guint8 *exponent = g_bytes_get_data (self->exponent, &size);

  if (bits < BITS_MIN || bits > BITS_MAX)
    return ita_reject (error, "key-size", "key set: %.32s… has %u bits, expected %u to %u", self->kid, bits, BITS_MIN, BITS_MAX);
  if (size != sizeof f4 || memcmp (exponent, f4, size) != 0)
    return ita_reject (error, "key-exponent", "key set: the exponent of %.32s… is not 65537", self->kid);
  return TRUE;
}

static ItaKey *
key_parse (DcapJsonNode node, GError **error)
{
  g_autoptr (Key) self = g_new0 (ItaKey, 1);
  DcapJsonNode x5c;

  self->kid = get_text (node, "kid", KID_MAX);
  self->modulus = get_number (node, "n");
  self->exponent = get_number (node, "e");
  if (self->kid == NULL || self->kid[0] == '\0' || !ita_json_is_plain (self->kid) || self->modulus == NULL || self->exponent == NULL)
    {
      ita_reject (error, "key-form", "key set: an RSA key needs kid, n and e");
      return NULL;
    }
  if (dcap_json_find (node, "alg", &x5c))
    {
      self->alg = get_text (node, "alg", 32);
      if (self->alg == NULL || !ita_json_is_plain (self->alg))
        {
          ita_reject (error, "key-form", "key set: alg of %.32s… is no name of an algorithm", self->kid);
          return NULL;
        }
    }
  if (!check_numbers (self, error))
    return NULL;
  if (!dcap_json_find (node, "x5c", &x5c))
    {
      ita_reject (error, "key-chain", "key set: %.32s… has no x5c", self->kid);
      return NULL;
    }
  return ita_chain_check (x5c, self, error) ? g_steal_pointer (&self) : NULL;
}

static gboolean
add_key (ItaKeys *self, DcapJsonNode node, GError **error)
{
  g_autofree char *type = get_text (node, "kty", 32);
  ItaKey *key = NULL;

  if (type == NULL)
    return ita_reject (error, "key-form", "key set: a key without kty");
  if (!g_str_equal (type, "RSA"))
    return TRUE;
  key = key_parse (node, error);
  if (key != NULL)
    g_ptr_array_add (self->keys, key);
  return key != NULL;
}

static gboolean
add_all (ItaKeys *self, DcapJsonNode root, GError **error)
{
  DcapJsonNode keys;
  DcapJsonNode child;

  if (!dcap_json_find (root, "keys", &keys) || dcap_json_type (keys) != DCAP_JSON_ARRAY || dcap_json_length (keys) > N_KEYS_MAX)
    return ita_reject (error, "keys-form", "key set: no array of at most %d keys", N_KEYS_MAX);
  for (gboolean more = dcap_json_first (keys, &child); more; more = dcap_json_next (child, &child))
    if (!add_key (self, child, error))
      return FALSE;
  return TRUE;
}

ItaKeys *
ita_keys_parse (GBytes *bytes, GError **error)
{
  g_autoptr (ItaKeys) self = NULL;
  g_autoptr (DcapJson) json = NULL;

  if (g_bytes_get_size (bytes) > ITA_KEYS_MAX)
    {
      ita_reject (error, "keys-size", "key set: more than %" G_GSIZE_FORMAT " bytes", ITA_KEYS_MAX);
      return NULL;
    }
  json = ita_json_parse_object ("keys", bytes, error);
  if (json == NULL)
    return NULL;
  self = g_new0 (ItaKeys, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->keys = g_ptr_array_new_with_free_func (key_free);
  return add_all (self, dcap_json_root (json), error) ? g_steal_pointer (&self) : NULL;
}

ItaKeys *
ita_keys_ref (ItaKeys *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
ita_keys_unref (ItaKeys *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_ptr_array_unref (self->keys);
  g_free (self);
}

const ItaKey *
ita_keys_find (const ItaKeys *self, const char *kid, GError **error)
{
  const ItaKey *found = NULL;

  for (guint i = 0; i < self->keys->len; i++)
    {
      const ItaKey *key = self->keys->pdata[i];

      if (!g_str_equal (key->kid, kid))
        continue;
      if (found != NULL)
        {
          ita_refuse (error, "token-kid-ambiguous", "two keys of the set are called %.32s…", kid);
          return NULL;
        }
      found = key;
    }
  if (found == NULL)
    ita_refuse (error, "token-kid-unknown", "the authority's key set has no key %.32s…", kid);
  return found;
}

static gnutls_datum_t
datum_of (GBytes *bytes)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  return (gnutls_datum_t){ (unsigned char *) data, (unsigned int) size };
}

static int
verify_raw (const ItaKey *self, const ItaToken *token)
{
  const gnutls_datum_t n = datum_of (self->modulus);
  const gnutls_datum_t e = datum_of (self->exponent);
  const gnutls_datum_t signature = datum_of (token->signature);
  const gnutls_datum_t text = { (unsigned char *) token->signed_text, (unsigned int) token->signed_size };
  gnutls_pubkey_t key = NULL;
  int result = gnutls_pubkey_init (&key);

  if (result >= 0)
    result = gnutls_pubkey_import_rsa_raw (key, &n, &e);
  /* salt of the digest's size, as JWA wants it */
  if (result >= 0)
    result =
        gnutls_pubkey_verify_data2 (key, token->rs256 ? GNUTLS_SIGN_RSA_SHA256 : GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, 0, &text, &signature);
  gnutls_pubkey_deinit (key);
  return result;
}

gboolean
ita_key_verify (const ItaKey *self, const ItaToken *token, GError **error)
{
  if (self->alg != NULL && !g_str_equal (self->alg, token->rs256 ? "RS256" : "PS384"))
    return ita_refuse (error, "token-alg", "the key %.32s… is for %.8s, and the token was signed otherwise", self->kid, self->alg);
  if (token->x5c != NULL && !g_bytes_equal (token->x5c, self->leaf))
    return ita_refuse (error, "token-x5c", "token header: x5c is another certificate than that of the key %.32s…", self->kid);
  return verify_raw (self, token) >= 0 || ita_refuse (error, "token-signature", "the token is not signed by the key %.32s…", self->kid);
}
