#include "pgwire/teesql-scram-text.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-locked-memory.h"
#include <gnutls/crypto.h>
#include <string.h>

#define VERIFIER_PREFIX TEESQL_SCRAM_MECHANISM "$"
#define MAX_VERIFIER    ((gsize) 512)
#define NONCE_BYTES     18 /* 24 characters of base64, without padding */
#define KEYS_SIZE       (2 * TEESQL_SCRAM_KEY_SIZE)

G_STATIC_ASSERT (TEESQL_SCRAM_KEY_SIZE == TEESQL_SHA256_SIZE);

static gboolean
verifier_fail (GError **error, const char *text)
{
  /* never what was read: a verifier opens the door to guessing */
  g_propagate_error (error, teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "scram-verifier", 0,
                                              "SCRAM verifier: %s\nhint: the form is SCRAM-SHA-256$rounds:salt$StoredKey:ServerKey", text));
  return FALSE;
}

/* text up to @end, which is consumed; with NUL, up to the end of the string */
static gboolean
verifier_part (const char **at, char end, TeesqlScramText *out)
{
  const char *stop = strchr (*at, end);

  if (stop == NULL)
    return FALSE;
  out->text = *at;
  out->size = (gsize) (stop - *at);
  *at = end != '\0' ? stop + 1 : stop;
  return TRUE;
}

gboolean
teesql_scram_verifier_parse (const char *text, TeesqlScramVerifier *out, GError **error)
{
  TeesqlScramVerifier verifier = { 0 };
  TeesqlScramText rounds;
  TeesqlScramText salt;
  TeesqlScramText stored;
  TeesqlScramText server;
  const char *at = NULL;

  if (strnlen (text, MAX_VERIFIER + 1) > MAX_VERIFIER || !g_str_has_prefix (text, VERIFIER_PREFIX))
    return verifier_fail (error, "it does not begin with " VERIFIER_PREFIX);
  at = text + strlen (VERIFIER_PREFIX);
  if (!verifier_part (&at, ':', &rounds) || !verifier_part (&at, '$', &salt) || !verifier_part (&at, ':', &stored) ||
      !verifier_part (&at, '\0', &server))
    return verifier_fail (error, "a part is missing");
  if (!teesql_scram_integer (&rounds, &verifier.iterations, NULL) || verifier.iterations < TEESQL_SCRAM_MIN_ITERATIONS ||
      verifier.iterations > TEESQL_SCRAM_MAX_ITERATIONS)
    return verifier_fail (error, "rounds are not 4096 to 1000000");
  if (!teesql_scram_decode_salt (&salt, verifier.salt, &verifier.salt_size, NULL))
    return verifier_fail (error, "the salt is not 1 to 64 bytes in base64");
  if (!teesql_scram_decode (&stored, verifier.stored_key, TEESQL_SCRAM_KEY_SIZE, NULL) ||
      !teesql_scram_decode (&server, verifier.server_key, TEESQL_SCRAM_KEY_SIZE, NULL))
    return verifier_fail (error, "a key is not 32 bytes in base64");
  *out = verifier;
  return TRUE;
}

char *
teesql_scram_verifier_format (const TeesqlScramVerifier *self)
{
  g_autofree char *salt = teesql_base64_encode (self->salt, self->salt_size);
  g_autofree char *stored = teesql_base64_encode (self->stored_key, TEESQL_SCRAM_KEY_SIZE);
  g_autofree char *server = teesql_base64_encode (self->server_key, TEESQL_SCRAM_KEY_SIZE);

  return g_strdup_printf (VERIFIER_PREFIX "%u:%s$%s:%s", self->iterations, salt, stored, server);
}

static void
verifier_set_salt (TeesqlScramVerifier *self, const guint8 *salt, gsize salt_size, guint iterations)
{
  g_return_if_fail (salt_size > 0 && salt_size <= TEESQL_SCRAM_MAX_SALT);

  *self = (TeesqlScramVerifier){ .iterations = iterations, .salt_size = salt_size };
  for (gsize i = 0; i < salt_size; i++)
    self->salt[i] = salt[i];
}

void
teesql_scram_verifier_decoy (TeesqlSecret *seed, guint index, const guint8 *salt, gsize salt_size, guint iterations,
                             TeesqlScramVerifier *out)
{
  gsize seed_size = 0;
  const guint8 *seed_bytes = teesql_secret_peek (seed, &seed_size);
  const guint8 place = (guint8) index;
  const TeesqlDigestPart stored[] = { { "stored", 6 }, { &place, 1 } };
  const TeesqlDigestPart server[] = { { "server", 6 }, { &place, 1 } };

  g_return_if_fail (index < TEESQL_SCRAM_CANDIDATES);

  verifier_set_salt (out, salt, salt_size, iterations);
  teesql_hmac_sha256 (out->stored_key, seed_bytes, seed_size, stored, G_N_ELEMENTS (stored));
  teesql_hmac_sha256 (out->server_key, seed_bytes, seed_size, server, G_N_ELEMENTS (server));
}

typedef struct
{
  const guint8 *password;
  gsize password_size;
  const guint8 *salt;
  gsize salt_size;
  guint iterations;
} KeysInput;

/* RFC 5802, section 3: SaltedPassword := Hi (password, salt, i), then its two HMACs */
static gboolean
keys_fill (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  const KeysInput *input = user_data;
  static const TeesqlDigestPart client[] = { { "Client Key", 10 } };
  static const TeesqlDigestPart server[] = { { "Server Key", 10 } };
  guint8 salted[TEESQL_SCRAM_KEY_SIZE];
  gnutls_datum_t password = { (unsigned char *) input->password, (unsigned int) input->password_size };
  gnutls_datum_t salt = { (unsigned char *) input->salt, (unsigned int) input->salt_size };
  int result = gnutls_pbkdf2 (GNUTLS_MAC_SHA256, &password, &salt, input->iterations, salted, sizeof salted);

  if (result < 0)
    return teesql_scram_fail (error, TEESQL_ERROR_FAILED, "scram-pbkdf2", gnutls_strerror (result));
  teesql_hmac_sha256 (out, salted, sizeof salted, client, 1);
  teesql_hmac_sha256 (out + TEESQL_SCRAM_KEY_SIZE, salted, sizeof salted, server, 1);
  teesql_wipe (salted, sizeof salted);
  return TRUE;
}

TeesqlSecret *
teesql_scram_keys_new (TeesqlSecret *password, const guint8 *salt, gsize salt_size, guint iterations, GError **error)
{
  KeysInput input = { .salt = salt, .salt_size = salt_size, .iterations = iterations };

  g_return_val_if_fail (salt_size > 0 && salt_size <= TEESQL_SCRAM_MAX_SALT, NULL);
  g_return_val_if_fail (iterations > 0 && iterations <= TEESQL_SCRAM_MAX_ITERATIONS, NULL);

  input.password = teesql_secret_peek (password, &input.password_size);
  for (gsize i = 0; i < input.password_size; i++)
    if (input.password[i] == 0 || input.password[i] >= 0x80)
      {
        teesql_scram_fail (error, TEESQL_ERROR_UNSUPPORTED, "scram-password", "a password has bytes outside ASCII");
        return NULL;
      }
  return teesql_secret_new_fill (KEYS_SIZE, keys_fill, &input, error);
}

void
teesql_scram_keys_to_verifier (TeesqlSecret *keys, const guint8 *salt, gsize salt_size, guint iterations, TeesqlScramVerifier *out)
{
  gsize size = 0;
  const guint8 *bytes = teesql_secret_peek (keys, &size);

  g_return_if_fail (size == KEYS_SIZE);

  verifier_set_salt (out, salt, salt_size, iterations);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, out->stored_key, bytes, TEESQL_SCRAM_KEY_SIZE);
  for (gsize i = 0; i < TEESQL_SCRAM_KEY_SIZE; i++)
    out->server_key[i] = bytes[TEESQL_SCRAM_KEY_SIZE + i];
}

gboolean
teesql_scram_keys_match (TeesqlSecret *keys, const TeesqlScramVerifier *verifier)
{
  TeesqlScramVerifier own = { 0 };
  int differs = 0;

  teesql_scram_keys_to_verifier (keys, verifier->salt, verifier->salt_size, verifier->iterations, &own);
  differs = gnutls_memcmp (own.stored_key, verifier->stored_key, TEESQL_SCRAM_KEY_SIZE) != 0;
  differs |= gnutls_memcmp (own.server_key, verifier->server_key, TEESQL_SCRAM_KEY_SIZE) != 0;
  teesql_wipe (&own, sizeof own);
  return differs == 0;
}

char *
teesql_scram_nonce (void)
{
  guint8 bytes[NONCE_BYTES];

  /* without random numbers nothing here is safe, and no caller could go on */
  if (gnutls_rnd (GNUTLS_RND_NONCE, bytes, sizeof bytes) < 0)
    g_error ("the system's random generator does not answer");
  return teesql_base64_encode (bytes, sizeof bytes);
}
