#include "postgres/teesql-provision-private.h"
#include "base/teesql-domains.h"
#include "keys/teesql-keys.h"
#include <gnutls/crypto.h>

/* The verifier in the catalogue stays when it was made from our password: a second run changes nothing, and two nodes agree. */
static gboolean
role_is_right (TeesqlProvisionJob *job, const TeesqlProvisionRole *role, gboolean *out_right, GError **error)
{
  TeesqlScramVerifier stored;
  g_autoptr (TeesqlSecret) keys = NULL;

  *out_right = FALSE;
  if (role->stored == NULL || !teesql_scram_verifier_parse (role->stored, &stored, NULL) || stored.iterations > TEESQL_SCRAM_MAX_FOREIGN)
    return TRUE;
  keys = teesql_role_keys_get (job->role_keys, role->name, stored.salt, stored.salt_size, stored.iterations, error);
  if (keys == NULL)
    return FALSE;
  *out_right = teesql_scram_keys_match (keys, &stored);
  return TRUE;
}

static gboolean
role_make_verifier (TeesqlProvisionJob *job, TeesqlProvisionRole *role, GError **error)
{
  TeesqlScramVerifier verifier;
  guint8 salt[TEESQL_SCRAM_SALT_SIZE];
  g_autoptr (TeesqlSecret) keys = NULL;
  int result = gnutls_rnd (GNUTLS_RND_NONCE, salt, sizeof salt);

  if (result < 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_FAILED, "random", 0, "%s", gnutls_strerror (result)));
      return FALSE;
    }
  keys = teesql_role_keys_get (job->role_keys, role->name, salt, sizeof salt, TEESQL_SCRAM_MIN_ITERATIONS, error);
  if (keys == NULL)
    return FALSE;
  teesql_scram_keys_to_verifier (keys, salt, sizeof salt, TEESQL_SCRAM_MIN_ITERATIONS, &verifier);
  role->verifier = teesql_scram_verifier_format (&verifier);
  return TRUE;
}

gboolean
teesql_provision_make_keys (TeesqlProvisionJob *job, GError **error)
{
  for (guint i = 0; i < job->roles->len; i++)
    {
      TeesqlProvisionRole *role = &g_array_index (job->roles, TeesqlProvisionRole, i);
      g_autoptr (TeesqlSecret) password = teesql_keys_role_password (job->roles_key, role->name, error);
      gboolean right = FALSE;

      if (password == NULL || !teesql_role_keys_add (job->role_keys, role->name, password, error) ||
          !role_is_right (job, role, &right, error) || (!right && !role_make_verifier (job, role, error)))
        return FALSE;
    }
  return TRUE;
}
