#include "proxy/teesql-proxy-settings.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"

#include <string.h>

static void
role_free (gpointer data)
{
  TeesqlProxyRole *self = data;

  g_free (self->name);
  explicit_bzero (self, sizeof *self);
  g_free (self);
}

/* Places 0 and 1: the current and the next secret of @role; 2 and 3: those of `also-secret-of`. */
static gboolean
role_add_candidates (TeesqlProxySettings *settings, TeesqlProxyRole *self, TeesqlConfig *config, const char *role, guint place,
                     GError **error)
{
  static const char *const keys[] = { "secret-verifier", "next-secret-verifier" };
  g_autofree char *group = g_strconcat ("role:", role, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      const char *text = teesql_config_get_string (config, group, keys[i]);
      TeesqlScramVerifier *candidate = &self->candidates[place + i];

      if (text == NULL)
        continue;
      if (!teesql_scram_verifier_parse (text, candidate, error))
        {
          g_prefix_error (error, "[%s] %s: ", group, keys[i]);
          return FALSE;
        }
      /* The client is shown one salt and one count before we know which secret it holds. */
      if (candidate->iterations != settings->iterations || candidate->salt_size != settings->salt_size ||
          memcmp (candidate->salt, settings->salt, settings->salt_size) != 0)
        {
          g_propagate_error (error,
                             teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "role-verifier", 0,
                                               "[%s] %s: salt or rounds differ from [auth]\nhint: make it again with `teesql secret new`",
                                               group, keys[i]));
          return FALSE;
        }
      self->real[place + i] = TRUE;
    }
  return TRUE;
}

static TeesqlPrivileges
role_parse_privileges (const char *word)
{
  if (g_strcmp0 (word, "replication") == 0)
    return TEESQL_PRIVILEGES_REPLICATION;
  return g_strcmp0 (word, "read-write") == 0 ? TEESQL_PRIVILEGES_READ_WRITE : TEESQL_PRIVILEGES_READ;
}

static gboolean
settings_add_role (TeesqlProxySettings *self, TeesqlConfig *config, const char *name, GError **error)
{
  g_autofree char *group = g_strconcat ("role:", name, NULL);
  TeesqlProxyRole *role = g_new0 (TeesqlProxyRole, 1);
  const char *also = teesql_config_get_string (config, group, "also-secret-of");

  role->name = g_strdup (name);
  role->privileges = role_parse_privileges (teesql_config_get_string (config, group, "privileges"));
  if (!teesql_config_is_none (config, group, "max-sessions"))
    role->max_sessions = (guint) teesql_config_get_integer (config, group, "max-sessions");
  g_hash_table_insert (self->roles, role->name, role);
  if (!role_add_candidates (self, role, config, name, 0, error))
    return FALSE;
  return also == NULL || teesql_config_is_none (config, group, "also-secret-of") ||
         role_add_candidates (self, role, config, also, 2, error);
}

static gboolean
settings_read_salt (TeesqlProxySettings *self, TeesqlConfig *config, GError **error)
{
  const char *text = teesql_config_get_string (config, "auth", "scram-salt");
  g_autoptr (GBytes) salt = NULL;
  gsize size;
  const guint8 *data;

  if (text == NULL)
    return TRUE; /* no roles: nobody logs in */
  salt = teesql_base64_decode (text, -1, error);
  if (salt == NULL)
    {
      g_prefix_error (error, "[auth] scram-salt: ");
      return FALSE;
    }
  data = g_bytes_get_data (salt, &size);
  if (size == 0 || size > sizeof self->salt)
    {
      g_propagate_error (error,
                         teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "role-verifier", 0,
                                           "[auth] scram-salt: %" G_GSIZE_FORMAT " bytes, expected %d", size, TEESQL_SCRAM_SALT_SIZE));
      return FALSE;
    }
  memcpy (self->salt, data, size); /* size was just checked */
  self->salt_size = size;
  return TRUE;
}

TeesqlProxySettings *
teesql_proxy_settings_new (TeesqlConfig *config, GError **error)
{
  g_autoptr (TeesqlProxySettings) self = g_new0 (TeesqlProxySettings, 1);
  g_autofree const char **names = teesql_config_list_instances (config, "role");

  g_atomic_ref_count_init (&self->refs);
  self->roles = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, role_free);
  self->allow_tls12 = g_strcmp0 (teesql_config_get_string (config, "proxy", "tls-min-version"), "1.2") == 0;
  self->ask_password = g_strcmp0 (teesql_config_get_string (config, "proxy", "auth-method"), "password") == 0;
  self->allow_plaintext_cancel = g_strcmp0 (teesql_config_get_string (config, "auth", "plaintext-cancel"), "allow") == 0;
  self->max_sessions = (guint) teesql_config_get_integer (config, "proxy", "max-sessions");
  self->max_pending = (guint) teesql_config_get_integer (config, "proxy", "max-pending");
  self->max_pending_per_address = (guint) teesql_config_get_integer (config, "proxy", "max-pending-per-address");
  self->handshake_timeout_ms = teesql_config_get_duration_ms (config, "proxy", "handshake-timeout");
  self->verify_timeout_ms = teesql_config_get_duration_ms (config, "proxy", "verify-timeout");
  self->startup_timeout_ms = teesql_config_get_duration_ms (config, "proxy", "startup-timeout");
  self->auth_timeout_ms = teesql_config_get_duration_ms (config, "proxy", "auth-timeout");
  self->backend_timeout_ms = teesql_config_get_duration_ms (config, "proxy", "backend-timeout");
  self->drain_timeout_ms = teesql_config_get_duration_ms (config, "proxy", "drain-timeout");
  self->failure_delay_ms = teesql_config_get_duration_ms (config, "auth", "failure-delay");
  self->session_memory = (gsize) teesql_config_get_size (config, "proxy", "session-memory");
  self->total_memory = (gsize) teesql_config_get_size (config, "proxy", "total-memory");
  self->iterations = (guint) teesql_config_get_integer (config, "auth", "scram-iterations");
  if (!settings_read_salt (self, config, error))
    return NULL;
  for (guint i = 0; names[i] != NULL; i++)
    {
      if (!settings_add_role (self, config, names[i], error))
        return NULL;
    }
  return g_steal_pointer (&self);
}

TeesqlProxySettings *
teesql_proxy_settings_ref (TeesqlProxySettings *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_proxy_settings_unref (TeesqlProxySettings *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_clear_pointer (&self->roles, g_hash_table_unref);
  g_free (self);
}

const TeesqlProxyRole *
teesql_proxy_settings_get_role (const TeesqlProxySettings *self, const char *name)
{
  return g_hash_table_lookup (self->roles, name);
}
