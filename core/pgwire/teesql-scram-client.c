#include "pgwire/teesql-scram-text.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-locked-memory.h"
#include <gnutls/gnutls.h>

typedef enum
{
  CLIENT_NEW,
  CLIENT_SENT_FIRST,
  CLIENT_HAS_SALT,
  CLIENT_SENT_FINAL,
  CLIENT_DONE
} ClientState;

struct _TeesqlScramClient
{
  ClientState state;
  char *client_nonce;
  GByteArray *binding_input; /* gs2 header and, with PLUS, the binding */
  char *first_bare;
  char *server_first;
  char *nonce; /* client's and server's */
  guint8 salt[TEESQL_SCRAM_MAX_SALT];
  gsize salt_size;
  guint iterations;
  guint8 expected[TEESQL_SCRAM_KEY_SIZE]; /* ServerSignature */
};

TeesqlScramClient *
teesql_scram_client_new (const char *nonce, const guint8 *channel_binding, gsize channel_binding_size)
{
  static const char plain[] = "n,,";
  static const char bound[] = "p=" TEESQL_SCRAM_BINDING_NAME ",,";
  TeesqlScramClient *self = NULL;

  g_return_val_if_fail (teesql_scram_is_nonce (nonce, strlen (nonce)), NULL);
  g_return_val_if_fail (channel_binding_size <= TEESQL_SCRAM_MAX_BINDING, NULL);
  g_return_val_if_fail (channel_binding == NULL || channel_binding_size > 0, NULL);

  self = g_new0 (TeesqlScramClient, 1);
  self->client_nonce = g_strdup (nonce);
  self->binding_input = g_byte_array_new ();
  if (channel_binding == NULL)
    g_byte_array_append (self->binding_input, (const guint8 *) plain, sizeof plain - 1);
  else
    {
      g_byte_array_append (self->binding_input, (const guint8 *) bound, sizeof bound - 1);
      g_byte_array_append (self->binding_input, channel_binding, (guint) channel_binding_size);
    }
  /* no name: PostgreSQL and teesqld take it from the startup packet, as libpq does */
  self->first_bare = g_strconcat ("n=,r=", nonce, NULL);
  return self;
}

void
teesql_scram_client_free (TeesqlScramClient *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->binding_input, g_byte_array_unref);
  g_clear_pointer (&self->client_nonce, g_free);
  g_clear_pointer (&self->first_bare, g_free);
  g_clear_pointer (&self->server_first, g_free);
  g_clear_pointer (&self->nonce, g_free);
  teesql_wipe (self, sizeof *self);
  g_free (self);
}

/* Steps out of turn come from the peer (a final message before the first), so they are answers, not assertions. */
static gboolean
client_step (TeesqlScramClient *self, ClientState from, GError **error)
{
  gboolean in_turn = self->state == from;

  self->state = CLIENT_DONE; /* unless all is well */
  return in_turn || teesql_scram_fail (error, TEESQL_ERROR_MALFORMED, "scram-order", "a message came out of turn");
}

char *
teesql_scram_client_first (TeesqlScramClient *self)
{
  g_return_val_if_fail (self->state == CLIENT_NEW, NULL);

  self->state = CLIENT_SENT_FIRST;
  if (self->binding_input->data[0] == 'n')
    return g_strconcat ("n,,", self->first_bare, NULL);
  return g_strconcat ("p=" TEESQL_SCRAM_BINDING_NAME ",,", self->first_bare, NULL);
}

static gboolean
client_check_nonce (TeesqlScramClient *self, const TeesqlScramText *nonce, GError **error)
{
  gsize own = strlen (self->client_nonce);

  if (!teesql_scram_is_nonce (nonce->text, nonce->size) || nonce->size <= own || memcmp (nonce->text, self->client_nonce, own) != 0)
    return teesql_scram_fail (error, TEESQL_ERROR_REFUSED, "scram-nonce", "the server's nonce does not begin with ours");
  return TRUE;
}

static gboolean
client_check_iterations (guint iterations, GError **error)
{
  if (iterations >= TEESQL_SCRAM_MIN_ITERATIONS && iterations <= TEESQL_SCRAM_MAX_FOREIGN)
    return TRUE;
  /* few rounds make our proof easy to attack offline, many keep us busy: both are a hostile server's wish */
  g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_REFUSED, "scram-iterations", 0,
                                              "SCRAM: the server asks for %u rounds, expected %d to %d", iterations,
                                              TEESQL_SCRAM_MIN_ITERATIONS, TEESQL_SCRAM_MAX_FOREIGN));
  return FALSE;
}

gboolean
teesql_scram_client_take_first (TeesqlScramClient *self, const char *data, gsize size, GError **error)
{
  TeesqlCursor cursor;
  TeesqlScramText nonce;
  TeesqlScramText salt;
  TeesqlScramText rounds;

  if (!client_step (self, CLIENT_SENT_FIRST, error) || !teesql_scram_open (&cursor, data, size, error) ||
      !teesql_scram_attribute (&cursor, 'r', &nonce, error) || !client_check_nonce (self, &nonce, error) ||
      !teesql_scram_attribute (&cursor, 's', &salt, error) || !teesql_scram_decode_salt (&salt, self->salt, &self->salt_size, error) ||
      !teesql_scram_attribute (&cursor, 'i', &rounds, error) || !teesql_scram_integer (&rounds, &self->iterations, error) ||
      !client_check_iterations (self->iterations, error))
    return FALSE;
  if (teesql_cursor_remaining (&cursor) != 0)
    return teesql_scram_malformed (error, "bytes behind the rounds");

  self->nonce = g_strndup (nonce.text, nonce.size);
  self->server_first = g_strndup (data, size);
  self->state = CLIENT_HAS_SALT;
  return TRUE;
}

const guint8 *
teesql_scram_client_get_salt (const TeesqlScramClient *self, gsize *out_size, guint *out_iterations)
{
  *out_size = self->salt_size;
  *out_iterations = self->iterations;
  return self->salt;
}

char *
teesql_scram_client_final (TeesqlScramClient *self, TeesqlSecret *keys, GError **error)
{
  g_autofree char *binding = NULL;
  g_autofree char *without_proof = NULL;
  g_autofree char *encoded = NULL;
  guint8 stored_key[TEESQL_SCRAM_KEY_SIZE];
  guint8 proof[TEESQL_SCRAM_KEY_SIZE];
  gsize keys_size = 0;
  const guint8 *client_key = teesql_secret_peek (keys, &keys_size);

  g_return_val_if_fail (keys_size == 2 * TEESQL_SCRAM_KEY_SIZE, NULL);

  if (!client_step (self, CLIENT_HAS_SALT, error))
    return NULL;
  binding = teesql_base64_encode (self->binding_input->data, self->binding_input->len);
  without_proof = g_strdup_printf ("c=%s,r=%s", binding, self->nonce);
  const TeesqlDigestPart auth_message[] = {
    { self->first_bare, strlen (self->first_bare) }, { ",", 1 }, { self->server_first, strlen (self->server_first) }, { ",", 1 },
    { without_proof, strlen (without_proof) },
  };

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, stored_key, client_key, TEESQL_SCRAM_KEY_SIZE);
  teesql_hmac_sha256 (proof, stored_key, sizeof stored_key, auth_message, G_N_ELEMENTS (auth_message));
  for (gsize i = 0; i < TEESQL_SCRAM_KEY_SIZE; i++)
    proof[i] ^= client_key[i];
  teesql_hmac_sha256 (self->expected, client_key + TEESQL_SCRAM_KEY_SIZE, TEESQL_SCRAM_KEY_SIZE, auth_message, G_N_ELEMENTS (auth_message));
  encoded = teesql_base64_encode (proof, sizeof proof);
  teesql_wipe (stored_key, sizeof stored_key);
  self->state = CLIENT_SENT_FINAL;
  return g_strconcat (without_proof, ",p=", encoded, NULL);
}

gboolean
teesql_scram_client_check_final (TeesqlScramClient *self, const char *data, gsize size, GError **error)
{
  TeesqlCursor cursor;
  TeesqlScramText value;
  guint8 signature[TEESQL_SCRAM_KEY_SIZE];
  char name = '\0';

  if (!client_step (self, CLIENT_SENT_FINAL, error) || !teesql_scram_open (&cursor, data, size, error) ||
      !teesql_scram_any_attribute (&cursor, &name, &value, error))
    return FALSE;
  if (name == 'e')
    return teesql_scram_fail (error, TEESQL_ERROR_REFUSED, "scram-server-error", "the server ended the exchange with an error");
  if (name != 'v' || teesql_cursor_remaining (&cursor) != 0 || !teesql_scram_decode (&value, signature, sizeof signature, NULL))
    return teesql_scram_malformed (error, "the final message is not one server signature");
  if (gnutls_memcmp (signature, self->expected, sizeof signature) != 0)
    return teesql_scram_fail (error, TEESQL_ERROR_REFUSED, "server-signature", "the server does not know the password's key");
  return TRUE;
}
