#include "pgwire/teesql-scram-text.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-locked-memory.h"
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

typedef enum
{
  SERVER_EXPECTS_FIRST,
  SERVER_EXPECTS_FINAL,
  SERVER_DONE
} ServerState;

struct _TeesqlScramServer
{
  ServerState state;
  gboolean plus_offered;
  gboolean real[TEESQL_SCRAM_CANDIDATES];
  TeesqlScramVerifier candidates[TEESQL_SCRAM_CANDIDATES];
  guint8 salt[TEESQL_SCRAM_MAX_SALT];
  gsize salt_size;
  guint iterations;
  guint8 binding[TEESQL_SCRAM_MAX_BINDING];
  gsize binding_size;
  char *server_nonce;
  /* of the exchange */
  GByteArray *binding_input; /* gs2 header, with PLUS the binding behind it: what `c=` must say */
  char *client_first_bare;
  char *nonce; /* the client's and ours */
  char *server_first;
};

TeesqlScramServer *
teesql_scram_server_new (const TeesqlScramServerOptions *options)
{
  g_autoptr (TeesqlScramServer) self = NULL;
  TeesqlCursor binding;
  TeesqlCursor salt;

  g_return_val_if_fail (options->salt_size > 0 && options->salt_size <= TEESQL_SCRAM_MAX_SALT, NULL);
  g_return_val_if_fail (options->channel_binding_size <= TEESQL_SCRAM_MAX_BINDING, NULL);
  g_return_val_if_fail (!options->plus_offered || options->channel_binding_size > 0, NULL);
  g_return_val_if_fail (teesql_scram_is_nonce (options->server_nonce, strlen (options->server_nonce)), NULL);

  self = g_new0 (TeesqlScramServer, 1);
  self->plus_offered = options->plus_offered;
  self->iterations = options->iterations;
  self->server_nonce = g_strdup (options->server_nonce);
  self->binding_input = g_byte_array_new ();
  for (guint i = 0; i < TEESQL_SCRAM_CANDIDATES; i++)
    {
      self->candidates[i] = options->candidates[i];
      self->real[i] = options->real[i];
    }
  self->salt_size = options->salt_size;
  teesql_cursor_init (&salt, "salt", options->salt, options->salt_size);
  if (!teesql_cursor_copy (&salt, "salt", self->salt, options->salt_size, NULL))
    return NULL;
  self->binding_size = options->plus_offered ? options->channel_binding_size : 0;
  teesql_cursor_init (&binding, "channel binding", options->channel_binding, options->channel_binding_size);
  if (!teesql_cursor_copy (&binding, "channel binding", self->binding, self->binding_size, NULL))
    return NULL;
  return g_steal_pointer (&self);
}

void
teesql_scram_server_free (TeesqlScramServer *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->binding_input, g_byte_array_unref);
  g_clear_pointer (&self->server_nonce, g_free);
  g_clear_pointer (&self->client_first_bare, g_free);
  g_clear_pointer (&self->nonce, g_free);
  g_clear_pointer (&self->server_first, g_free);
  teesql_wipe (self, sizeof *self);
  g_free (self);
}

static gboolean
server_take_mechanism (TeesqlScramServer *self, const char *mechanism, gboolean *out_plus, GError **error)
{
  gboolean plus = g_str_equal (mechanism, TEESQL_SCRAM_MECHANISM_PLUS);

  if ((plus && !self->plus_offered) || (!plus && !g_str_equal (mechanism, TEESQL_SCRAM_MECHANISM)))
    return teesql_scram_fail (error, TEESQL_ERROR_UNSUPPORTED, "scram-mechanism", "the client chose a mechanism that was not offered");
  *out_plus = plus;
  return TRUE;
}

/* gs2-cbind-flag: n, y, or p= and the name of the binding (RFC 5802, section 6) */
static gboolean
server_check_flag (TeesqlScramServer *self, gboolean plus, const TeesqlScramText *flag, GError **error)
{
  static const char bound[] = "p=" TEESQL_SCRAM_BINDING_NAME;

  if (flag->size >= 2 && flag->text[0] == 'p' && flag->text[1] == '=')
    {
      if (!plus)
        return teesql_scram_malformed (error, "channel binding without the PLUS mechanism");
      if (!teesql_scram_text_equals (flag, bound, sizeof bound - 1))
        return teesql_scram_fail (error, TEESQL_ERROR_UNSUPPORTED, "scram-channel-binding", "only tls-server-end-point is supported");
      return TRUE;
    }
  if (plus)
    return teesql_scram_malformed (error, "the PLUS mechanism without channel binding");
  if (teesql_scram_text_equals (flag, "n", 1))
    return TRUE;
  if (!teesql_scram_text_equals (flag, "y", 1))
    return teesql_scram_malformed (error, "unknown channel binding flag");
  /* "I could, but you did not offer it": somebody took PLUS out of our offer on the way */
  if (self->plus_offered)
    return teesql_scram_fail (error, TEESQL_ERROR_REFUSED, "scram-downgrade", "the client did not see our offer of channel binding");
  return TRUE;
}

/* everything before client-first-message-bare, which is also what the client must repeat in `c=` */
static gboolean
server_take_gs2_header (TeesqlScramServer *self, gboolean plus, TeesqlCursor *cursor, const char *data, GError **error)
{
  TeesqlScramText flag = { NULL, 0 };
  TeesqlScramText authzid = { NULL, 0 };

  if (!teesql_scram_field (cursor, &flag, error) || !server_check_flag (self, plus, &flag, error) ||
      !teesql_scram_field (cursor, &authzid, error))
    return FALSE;
  if (authzid.size != 0)
    return teesql_scram_fail (error, TEESQL_ERROR_UNSUPPORTED, "scram-malformed", "an authorization identity is not supported");
  g_byte_array_append (self->binding_input, (const guint8 *) data, (guint) (flag.size + 2));
  if (plus)
    g_byte_array_append (self->binding_input, self->binding, (guint) self->binding_size);
  return TRUE;
}

/* n= (ignored: the startup packet names the user, as in PostgreSQL), r=, then extensions, ignored as the RFC wants */
static gboolean
server_take_bare (TeesqlScramServer *self, TeesqlCursor *cursor, GError **error)
{
  const char *start = (const char *) teesql_cursor_peek (cursor);
  gsize size = teesql_cursor_remaining (cursor);
  TeesqlScramText user;
  TeesqlScramText nonce;
  TeesqlScramText value;
  char name = '\0';

  /* a leading `m=` is a mandatory extension, which nobody knows: not the `n` that must stand here */
  if (!teesql_scram_attribute (cursor, 'n', &user, error) || !teesql_scram_attribute (cursor, 'r', &nonce, error))
    return FALSE;
  if (!teesql_scram_is_nonce (nonce.text, nonce.size))
    return teesql_scram_malformed (error, "the nonce is not 1 to 256 printable characters");
  while (teesql_cursor_remaining (cursor) > 0)
    if (!teesql_scram_any_attribute (cursor, &name, &value, error))
      return FALSE;
  self->client_first_bare = g_strndup (start, size);
  self->nonce = g_strdup_printf ("%.*s%s", (int) nonce.size, nonce.text, self->server_nonce);
  return TRUE;
}

char *
teesql_scram_server_first (TeesqlScramServer *self, const char *mechanism, const char *data, gsize size, GError **error)
{
  g_autofree char *salt = NULL;
  TeesqlCursor cursor;
  gboolean plus = FALSE;

  if (self->state != SERVER_EXPECTS_FIRST)
    {
      teesql_scram_malformed (error, "a first message came twice");
      return NULL;
    }
  self->state = SERVER_DONE; /* unless all is well */
  if (!server_take_mechanism (self, mechanism, &plus, error) || !teesql_scram_open (&cursor, data, size, error) ||
      !server_take_gs2_header (self, plus, &cursor, data, error) || !server_take_bare (self, &cursor, error))
    return NULL;

  salt = teesql_base64_encode (self->salt, self->salt_size);
  self->server_first = g_strdup_printf ("r=%s,s=%s,i=%u", self->nonce, salt, self->iterations);
  self->state = SERVER_EXPECTS_FINAL;
  return g_strdup (self->server_first);
}

static gboolean
server_check_binding (TeesqlScramServer *self, const TeesqlScramText *binding, GError **error)
{
  g_autofree char *expected = teesql_base64_encode (self->binding_input->data, self->binding_input->len);

  if (!teesql_scram_text_equals (binding, expected, strlen (expected)))
    return teesql_scram_fail (error, TEESQL_ERROR_REFUSED, "scram-channel-binding", "the client is bound to another channel");
  return TRUE;
}

/* c=, r=, extensions, and p= as the last; *out_covered is how much of the message the proof covers */
static gboolean
server_parse_final (TeesqlScramServer *self, const char *data, gsize size, guint8 proof[TEESQL_SCRAM_KEY_SIZE], gsize *out_covered,
                    GError **error)
{
  TeesqlCursor cursor;
  TeesqlScramText binding;
  TeesqlScramText nonce;
  TeesqlScramText value;
  gsize proof_at = 0;
  char name = '\0';

  if (!teesql_scram_open (&cursor, data, size, error) || !teesql_scram_attribute (&cursor, 'c', &binding, error) ||
      !server_check_binding (self, &binding, error) || !teesql_scram_attribute (&cursor, 'r', &nonce, error))
    return FALSE;
  if (!teesql_scram_text_equals (&nonce, self->nonce, strlen (self->nonce)))
    return teesql_scram_fail (error, TEESQL_ERROR_REFUSED, "scram-nonce", "the nonce is not the one of this exchange");
  do
    {
      proof_at = size - teesql_cursor_remaining (&cursor);
      if (!teesql_scram_any_attribute (&cursor, &name, &value, error))
        return FALSE;
    }
  while (name != 'p');
  if (teesql_cursor_remaining (&cursor) != 0)
    return teesql_scram_malformed (error, "bytes behind the proof");
  if (!teesql_scram_decode (&value, proof, TEESQL_SCRAM_KEY_SIZE, error))
    return FALSE;
  *out_covered = proof_at - 1; /* without the comma before it */
  return TRUE;
}

/* Returns: 0xff where ClientProof opens to the preimage of StoredKey, else 0. Branches on nothing secret. */
static guint8
candidate_fits (const TeesqlScramVerifier *candidate, const TeesqlDigestPart *auth_message, guint n_parts,
                const guint8 proof[TEESQL_SCRAM_KEY_SIZE])
{
  guint8 client_key[TEESQL_SCRAM_KEY_SIZE];
  guint8 stored_key[TEESQL_SCRAM_KEY_SIZE];
  guint different = 0;

  teesql_hmac_sha256 (client_key, candidate->stored_key, TEESQL_SCRAM_KEY_SIZE, auth_message, n_parts);
  for (gsize i = 0; i < TEESQL_SCRAM_KEY_SIZE; i++)
    client_key[i] ^= proof[i];
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, stored_key, client_key, sizeof client_key);
  for (gsize i = 0; i < TEESQL_SCRAM_KEY_SIZE; i++)
    different |= (guint) (stored_key[i] ^ candidate->stored_key[i]);
  teesql_wipe (client_key, sizeof client_key);
  teesql_wipe (stored_key, sizeof stored_key);
  return (guint8) ((different - 1) >> 8);
}

typedef struct
{
  guint8 found; /* 0xff when any real candidate fits */
  guint8 index;
  guint8 server_key[TEESQL_SCRAM_KEY_SIZE];
} Selection;

/* The same work whichever fits, and when none does: time tells neither the secret's place nor whether the role exists. */
static void
server_select (const TeesqlScramServer *self, const TeesqlDigestPart *auth_message, guint n_parts,
               const guint8 proof[TEESQL_SCRAM_KEY_SIZE], Selection *out)
{
  *out = (Selection){ 0 };
  for (guint i = 0; i < TEESQL_SCRAM_CANDIDATES; i++)
    {
      guint8 real = (guint8) - (self->real[i] != FALSE);
      guint8 mask = (guint8) (candidate_fits (&self->candidates[i], auth_message, n_parts, proof) & real & ~out->found);

      out->found |= mask;
      out->index |= (guint8) (mask & i);
      for (gsize k = 0; k < TEESQL_SCRAM_KEY_SIZE; k++)
        out->server_key[k] |= (guint8) (mask & self->candidates[i].server_key[k]);
    }
}

char *
teesql_scram_server_final (TeesqlScramServer *self, const char *data, gsize size, guint *out_candidate, GError **error)
{
  guint8 proof[TEESQL_SCRAM_KEY_SIZE];
  guint8 signature[TEESQL_SCRAM_KEY_SIZE];
  g_autofree char *encoded = NULL;
  Selection selection;
  gsize covered = 0;

  if (self->state != SERVER_EXPECTS_FINAL)
    {
      teesql_scram_malformed (error, "a final message came out of turn");
      return NULL;
    }
  self->state = SERVER_DONE; /* one attempt */
  if (!server_parse_final (self, data, size, proof, &covered, error))
    return NULL;

  const TeesqlDigestPart auth_message[] = {
    { self->client_first_bare, strlen (self->client_first_bare) },
    { ",", 1 },
    { self->server_first, strlen (self->server_first) },
    { ",", 1 },
    { data, covered },
  };
  server_select (self, auth_message, G_N_ELEMENTS (auth_message), proof, &selection);
  teesql_hmac_sha256 (signature, selection.server_key, sizeof selection.server_key, auth_message, G_N_ELEMENTS (auth_message));
  encoded = teesql_base64_encode (signature, sizeof signature);
  teesql_wipe (selection.server_key, sizeof selection.server_key);
  teesql_wipe (proof, sizeof proof);
  if (selection.found == 0)
    {
      teesql_scram_fail (error, TEESQL_ERROR_REFUSED, "authentication-failed", "no secret of this role fits the proof");
      return NULL;
    }
  *out_candidate = selection.index;
  return g_strconcat ("v=", encoded, NULL);
}
