#include "proxy/teesql-auth.h"

#include "base/teesql-domains.h"
#include "keys/teesql-keys.h"

#include <string.h>
#include <teesql/teesql-error.h>

/* The form of our secrets; what a client sends in their place may be anything up to this. */
#define MAX_PASSWORD ((gsize) 1024)

struct _TeesqlAuth
{
  gatomicrefcount refs;
  TeesqlVerdict *verdict;
  TeesqlProxySettings *settings;
  const TeesqlProxyRole *role; /* (nullable): unknown */
  TeesqlScramVerifier candidates[TEESQL_SCRAM_CANDIDATES];
  gboolean real[TEESQL_SCRAM_CANDIDATES];
  TeesqlScramServer *scram;
  gboolean plus;
  gboolean first_done;
  TeesqlSecret *password;
  TeesqlSecret *derived;
  gboolean succeeded;
};

static gboolean
auth_fill_candidates (TeesqlAuth *self, const TeesqlAuthOptions *options, GError **error)
{
  /* Derived for known roles too, so that an unknown one takes no longer. */
  g_autoptr (TeesqlSecret) seed = teesql_keys_role_decoy (options->decoys, options->user, error);

  if (seed == NULL)
    return FALSE;
  for (guint i = 0; i < TEESQL_SCRAM_CANDIDATES; i++)
    {
      TeesqlScramVerifier decoy;

      teesql_scram_verifier_decoy (seed, i, self->settings->salt, self->settings->salt_size, self->settings->iterations, &decoy);
      self->real[i] = self->role != NULL && self->role->real[i];
      self->candidates[i] = self->real[i] ? self->role->candidates[i] : decoy;
    }
  return TRUE;
}

static void
auth_make_scram (TeesqlAuth *self, GBytes *end_point)
{
  g_autofree char *nonce = teesql_scram_nonce ();
  TeesqlScramServerOptions options = {
    .salt = self->settings->salt,
    .salt_size = self->settings->salt_size,
    .iterations = self->settings->iterations,
    .plus_offered = end_point != NULL,
    .candidates = self->candidates,
    .real = self->real,
    .server_nonce = nonce,
  };

  if (end_point != NULL)
    options.channel_binding = g_bytes_get_data (end_point, &options.channel_binding_size);
  self->plus = options.plus_offered;
  self->scram = teesql_scram_server_new (&options);
}

TeesqlAuth *
teesql_auth_new (const TeesqlAuthOptions *options, GError **error)
{
  g_autoptr (TeesqlAuth) self = NULL;

  if (options->verdict == NULL || !teesql_verdict_is_accepted (options->verdict))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_REFUSED, "not-attested", 0,
                                                  "authentication without an accepted verdict"));
      return NULL;
    }
  if (options->settings->salt_size == 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_CONFIG, "no-roles", 0, "no role is configured"));
      return NULL;
    }
  self = g_new0 (TeesqlAuth, 1);
  g_atomic_ref_count_init (&self->refs);
  self->verdict = teesql_verdict_ref (options->verdict);
  self->settings = teesql_proxy_settings_ref (options->settings);
  self->role = teesql_proxy_settings_get_role (self->settings, options->user);
  if (!auth_fill_candidates (self, options, error))
    return NULL;
  if (!self->settings->ask_password)
    auth_make_scram (self, options->end_point);
  return g_steal_pointer (&self);
}

TeesqlAuth *
teesql_auth_ref (TeesqlAuth *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_auth_unref (TeesqlAuth *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_clear_pointer (&self->scram, teesql_scram_server_free);
  g_clear_pointer (&self->password, teesql_secret_unref);
  g_clear_pointer (&self->derived, teesql_secret_unref);
  g_clear_pointer (&self->verdict, teesql_verdict_unref);
  g_clear_pointer (&self->settings, teesql_proxy_settings_unref);
  explicit_bzero (self, sizeof *self);
  g_free (self);
}

void
teesql_auth_begin (TeesqlAuth *self, GByteArray *out)
{
  if (self->scram == NULL)
    teesql_message_authentication_cleartext (out);
  else
    teesql_message_authentication_sasl (out, self->plus);
}

static TeesqlAuthStep
auth_take_first (TeesqlAuth *self, TeesqlCursor *body, GByteArray *out, GError **error)
{
  const char *mechanism;
  const char *data;
  gsize size;
  g_autofree char *answer = NULL;

  self->first_done = TRUE;
  if (!teesql_message_parse_sasl_initial (body, &mechanism, &data, &size, error))
    return TEESQL_AUTH_FAILED;
  self->plus = self->plus && g_str_equal (mechanism, "SCRAM-SHA-256-PLUS");
  answer = teesql_scram_server_first (self->scram, mechanism, data, size, error);
  if (answer == NULL)
    return TEESQL_AUTH_FAILED;
  teesql_message_authentication_sasl_continue (out, answer, strlen (answer));
  return TEESQL_AUTH_MORE;
}

static TeesqlAuthStep
auth_take_final (TeesqlAuth *self, TeesqlCursor *body, GByteArray *out, GError **error)
{
  guint candidate;
  g_autofree char *answer =
      teesql_scram_server_final (self->scram, (const char *) teesql_cursor_peek (body), teesql_cursor_remaining (body), &candidate, error);

  if (answer == NULL)
    return TEESQL_AUTH_FAILED;
  teesql_message_authentication_sasl_final (out, answer, strlen (answer));
  self->succeeded = TRUE;
  return TEESQL_AUTH_SUCCEEDED;
}

static TeesqlAuthStep
auth_take_password (TeesqlAuth *self, TeesqlCursor *body, GError **error)
{
  const guint8 *password;
  gsize size;

  if (!teesql_message_parse_password (body, &password, &size, error))
    return TEESQL_AUTH_FAILED;
  if (size == 0 || size > MAX_PASSWORD)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_REFUSED, "authentication-failed", 0,
                                                  "a password of %" G_GSIZE_FORMAT " bytes", size));
      return TEESQL_AUTH_FAILED;
    }
  self->password = teesql_secret_new (password, size, error);
  return self->password != NULL ? TEESQL_AUTH_DERIVE : TEESQL_AUTH_FAILED;
}

TeesqlAuthStep
teesql_auth_take (TeesqlAuth *self, TeesqlMessage *message, GByteArray *out, GError **error)
{
  if (self->scram == NULL)
    return auth_take_password (self, &message->body, error);
  return self->first_done ? auth_take_final (self, &message->body, out, error) : auth_take_first (self, &message->body, out, error);
}

void
teesql_auth_derive (TeesqlAuth *self)
{
  self->derived = teesql_scram_keys_new (self->password, self->settings->salt, self->settings->salt_size, self->settings->iterations, NULL);
}

TeesqlAuthStep
teesql_auth_conclude (TeesqlAuth *self, GError **error)
{
  gboolean matched = FALSE;

  g_clear_pointer (&self->password, teesql_secret_unref);
  /* All four, always: which one fits, or that none is real, takes the same time. */
  for (guint i = 0; self->derived != NULL && i < TEESQL_SCRAM_CANDIDATES; i++)
    matched |= teesql_scram_keys_match (self->derived, &self->candidates[i]) & self->real[i];
  g_clear_pointer (&self->derived, teesql_secret_unref);
  if (!matched)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_REFUSED, "authentication-failed", 0, "wrong secret"));
      return TEESQL_AUTH_FAILED;
    }
  self->succeeded = TRUE;
  return TEESQL_AUTH_SUCCEEDED;
}

const TeesqlProxyRole *
teesql_auth_get_role (const TeesqlAuth *self)
{
  return self->succeeded ? self->role : NULL;
}

const char *
teesql_auth_describe_method (const TeesqlAuth *self)
{
  if (self->scram == NULL)
    return "password";
  return self->plus ? "scram-sha-256-plus" : "scram-sha-256";
}
