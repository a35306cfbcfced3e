#include "daemon/teesql-daemon-plugins.h"

#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"
#include "storage/teesql-storage-client.h"

#include <string.h>
#include <sys/stat.h>

struct _TeesqlDaemonPlugins
{
  GObject parent_instance;
  TeesqlConfig *config;
  TeesqlPluginLoader *loader;
  TeesqlAttester *attester;
  TeesqlKms *kms;
  GPtrArray *verifiers;
};

G_DEFINE_FINAL_TYPE (TeesqlDaemonPlugins, teesql_daemon_plugins, G_TYPE_OBJECT)

/* The next object that is missing. */
static gboolean
find_missing (TeesqlDaemonPlugins *self, const char **out_kind, const char **out_instance)
{
  const char *const *verifiers = teesql_config_get_list (self->config, "teesql", "verifiers");

  if (self->attester == NULL || self->kms == NULL)
    {
      *out_kind = self->attester == NULL ? "attester" : "kms";
      *out_instance = teesql_config_get_string (self->config, "teesql", *out_kind);
      return TRUE;
    }
  *out_kind = "verifier";
  *out_instance = verifiers[self->verifiers->len];
  return *out_instance != NULL;
}

static void
keep (TeesqlDaemonPlugins *self, GObject *object)
{
  if (self->attester == NULL)
    self->attester = TEESQL_ATTESTER (object);
  else if (self->kms == NULL)
    self->kms = TEESQL_KMS (object);
  else
    g_ptr_array_add (self->verifiers, object);
}

static void create_next (GTask *task);

static void
created_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  TeesqlDaemonPlugins *self = g_task_get_source_object (task);
  const char *kind = NULL;
  const char *instance = NULL;
  GError *error = NULL;
  GObject *object = teesql_plugin_loader_create_finish (TEESQL_PLUGIN_LOADER (source), result, &error);

  if (object == NULL)
    {
      if (find_missing (self, &kind, &instance) && error->domain != TEESQL_CONFIG_ERROR)
        g_prefix_error (&error, "%s %s: ", kind, instance);
      g_task_return_error (task, error);
      return;
    }
  keep (self, object);
  create_next (g_steal_pointer (&task));
}

static void
create_next (GTask *task)
{
  TeesqlDaemonPlugins *self = g_task_get_source_object (task);
  const char *kind = NULL;
  const char *instance = NULL;

  if (find_missing (self, &kind, &instance))
    {
      teesql_plugin_loader_create_async (self->loader, kind, instance, g_task_get_cancellable (task), created_cb, task);
      return;
    }
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

void
teesql_daemon_plugins_create_async (TeesqlDaemonPlugins *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, teesql_daemon_plugins_create_async);
  create_next (task);
}

gboolean
teesql_daemon_plugins_create_finish (TeesqlDaemonPlugins *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

gboolean
teesql_daemon_plugins_is_final (const GError *error)
{
  gboolean ours = error->domain == TEESQL_ATTESTER_ERROR || error->domain == TEESQL_KMS_ERROR || error->domain == TEESQL_VERIFIER_ERROR;

  if (error->domain == TEESQL_CONFIG_ERROR || error->domain == TEESQL_PLUGIN_ERROR)
    return TRUE;
  return ours && (error->code == TEESQL_ERROR_CONFIG || error->code == TEESQL_ERROR_UNSUPPORTED);
}

TeesqlAttester *
teesql_daemon_plugins_get_attester (TeesqlDaemonPlugins *self)
{
  return self->attester;
}

TeesqlKms *
teesql_daemon_plugins_get_kms (TeesqlDaemonPlugins *self)
{
  return self->kms;
}

TeesqlVerifier *const *
teesql_daemon_plugins_get_verifiers (TeesqlDaemonPlugins *self, guint *out_n)
{
  *out_n = self->verifiers->len;
  return (TeesqlVerifier *const *) self->verifiers->pdata;
}

/* The reverse of what the attestation service refuses: it lets an attester without taint stand beside an external root, since an
 * agent says what it is only when it answers. */
gboolean
teesql_daemon_plugins_check_agent (TeesqlDaemonPlugins *self, GError **error)
{
  const char *external = NULL;

  for (guint i = 0; i < self->verifiers->len && external == NULL; i++)
    external = teesql_verifier_get_taint (self->verifiers->pdata[i]);
  if (external == NULL || teesql_attester_get_taint (self->attester) != NULL)
    return TRUE;
  g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_CONFIG, "mixed-trust", 0,
                                              "%s, beside a production attester\nhint: only simulators have roots of their own", external));
  return FALSE;
}

/* A root that an absolute path names is part of the decision, not only its name. */
static void
add_file_fact (GPtrArray *names, GPtrArray *values, const char *group, const char *key, const char *path)
{
  g_autofree char *text = NULL;
  gsize size = 0;
  struct stat st;
  guint8 digest[TEESQL_SHA384_SIZE];

  if (path[0] != '/' || stat (path, &st) != 0 || !S_ISREG (st.st_mode) || st.st_size > (1 << 20) ||
      !g_file_get_contents (path, &text, &size, NULL))
    return;
  teesql_digest_bytes (TEESQL_DIGEST_SHA384, digest, text, size);
  g_ptr_array_add (names, g_strdup_printf ("file:%s/%s", group, key));
  g_ptr_array_add (values, teesql_hex_encode (digest, sizeof digest));
}

static void
add_group_facts (GPtrArray *names, GPtrArray *values, const TeesqlConfig *config, const char *kind)
{
  g_autofree const char **instances = teesql_config_list_instances (config, kind);

  for (guint i = 0; instances[i] != NULL; i++)
    {
      g_autofree char *group = g_strdup_printf ("%s:%s", kind, instances[i]);
      g_autofree const char **keys = teesql_config_list_keys (config, group);

      for (guint j = 0; keys[j] != NULL; j++)
        add_file_fact (names, values, group, keys[j], teesql_config_get_raw (config, group, keys[j]));
    }
}

static void
add_module_facts (TeesqlDaemonPlugins *self, GPtrArray *names, GPtrArray *values)
{
  g_autoptr (GPtrArray) loaded = teesql_plugin_loader_list_loaded (self->loader);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < loaded->len; i++)
    {
      const TeesqlPluginLoaded *one = loaded->pdata[i];
      if (!g_hash_table_add (seen, one->module))
        continue;
      g_ptr_array_add (names, g_strdup_printf ("plugin:%s", one->module));
      g_ptr_array_add (values, g_strdup (one->digest));
    }
}

/* Storage plugins run elsewhere and later; what they will be is measured now, and nothing else is started afterwards. One that cannot be
 * measured is none that could run. */
static void
add_storage_facts (GPtrArray *names, GPtrArray *values, const TeesqlConfig *config)
{
  const char *const *instances = teesql_config_get_list (config, "backup", "storages");

  for (guint i = 0; instances[i] != NULL; i++)
    {
      g_autofree char *module = NULL;
      g_autofree char *sandbox = NULL;
      g_autoptr (GError) error = NULL;

      if (!teesql_storage_client_measure (config, instances[i], &module, &sandbox, &error))
        teesql_log_warning ("plugin", "[storage:%s] %s", instances[i], error->message);
      g_ptr_array_add (names, g_strdup_printf ("storage-plugin:%s", instances[i]));
      g_ptr_array_add (values, g_strdup (module != NULL ? module : "none"));
      g_ptr_array_add (names, g_strdup_printf ("storage-sandbox:%s", instances[i]));
      g_ptr_array_add (values, g_strdup (sandbox != NULL ? sandbox : "none"));
    }
}

void
teesql_daemon_plugins_digest (TeesqlDaemonPlugins *self, const TeesqlConfig *config, guint8 out[48])
{
  static const char *const kinds[] = { "attester", "kms", "verifier" };
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (g_free);
  g_autofree TeesqlConfigFact *facts = NULL;

  add_module_facts (self, names, values);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    add_group_facts (names, values, config, kinds[i]);
  add_storage_facts (names, values, config);
  facts = g_new0 (TeesqlConfigFact, names->len);
  for (guint i = 0; i < names->len; i++)
    facts[i] = (TeesqlConfigFact){ names->pdata[i], values->pdata[i] };
  teesql_config_digest (config, facts, names->len, out);
}

TeesqlDaemonPlugins *
teesql_daemon_plugins_new (TeesqlConfig *config)
{
  TeesqlDaemonPlugins *self = g_object_new (TEESQL_TYPE_DAEMON_PLUGINS, NULL);

  self->config = teesql_config_ref (config);
  self->loader = teesql_plugin_loader_new (config);
  return self;
}

static void
teesql_daemon_plugins_finalize (GObject *object)
{
  TeesqlDaemonPlugins *self = TEESQL_DAEMON_PLUGINS (object);

  g_clear_object (&self->attester);
  g_clear_object (&self->kms);
  g_ptr_array_unref (self->verifiers);
  g_clear_object (&self->loader);
  g_clear_pointer (&self->config, teesql_config_unref);
  G_OBJECT_CLASS (teesql_daemon_plugins_parent_class)->finalize (object);
}

static void
teesql_daemon_plugins_class_init (TeesqlDaemonPluginsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_daemon_plugins_finalize;
}

static void
teesql_daemon_plugins_init (TeesqlDaemonPlugins *self)
{
  self->verifiers = g_ptr_array_new_with_free_func (g_object_unref);
}
