#include "plugin/teesql-plugin-loader.h"
#include "base/teesql-domains.h"
#include "plugin/teesql-plugin-module.h"
#include "plugin/teesql-plugin-options.h"
#include <string.h>

struct _TeesqlPluginLoader
{
  GObject parent_instance;
  TeesqlConfig *config;
  GPtrArray *folders; /* char *, before those of the configuration */
  GPtrArray *loaded;  /* TeesqlPluginLoaded */
};

G_DEFINE_FINAL_TYPE (TeesqlPluginLoader, teesql_plugin_loader, G_TYPE_OBJECT)

/* One object in the making. */
typedef struct
{
  char *kind;
  char *instance;
  const TeesqlPluginModule *module;
  GObject *object;
} Creation;

static void
creation_free (gpointer data)
{
  Creation *self = data;

  g_free (self->kind);
  g_free (self->instance);
  g_clear_object (&self->object);
  g_free (self);
}

static void
loaded_free (gpointer data)
{
  TeesqlPluginLoaded *self = data;

  g_free (self->kind);
  g_free (self->instance);
  g_free (self->module);
  g_free (self->version);
  g_free (self->path);
  g_free (self->digest);
  g_free (self);
}

static void
teesql_plugin_loader_finalize (GObject *object)
{
  TeesqlPluginLoader *self = TEESQL_PLUGIN_LOADER (object);

  teesql_config_unref (self->config);
  g_ptr_array_unref (self->folders);
  g_ptr_array_unref (self->loaded);
  G_OBJECT_CLASS (teesql_plugin_loader_parent_class)->finalize (object);
}

static void
teesql_plugin_loader_class_init (TeesqlPluginLoaderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_plugin_loader_finalize;
}

static void
teesql_plugin_loader_init (TeesqlPluginLoader *self)
{
  self->folders = g_ptr_array_new_with_free_func (g_free);
  self->loaded = g_ptr_array_new_with_free_func (loaded_free);
}

TeesqlPluginLoader *
teesql_plugin_loader_new (TeesqlConfig *config)
{
  TeesqlPluginLoader *self = NULL;

  g_return_val_if_fail (config != NULL, NULL);

  self = g_object_new (TEESQL_TYPE_PLUGIN_LOADER, NULL);
  self->config = teesql_config_ref (config);
  return self;
}

void
teesql_plugin_loader_add_folder (TeesqlPluginLoader *self, const char *folder)
{
  g_return_if_fail (TEESQL_IS_PLUGIN_LOADER (self) && g_path_is_absolute (folder));

  g_ptr_array_add (self->folders, g_strdup (folder));
}

/* (transfer container) (array zero-terminated=1) */
static const char **
search_path (TeesqlPluginLoader *self)
{
  GPtrArray *folders = g_ptr_array_new ();

  for (guint i = 0; i < self->folders->len; i++)
    g_ptr_array_add (folders, self->folders->pdata[i]);
  for (const char *const *folder = teesql_config_get_list (self->config, "teesql", "plugin-path"); *folder != NULL; folder++)
    g_ptr_array_add (folders, (gpointer) *folder);
  g_ptr_array_add (folders, NULL);
  return (const char **) g_ptr_array_free (folders, FALSE);
}

static TeesqlPluginLoaded *
find_loaded (TeesqlPluginLoader *self, const char *kind, const char *instance)
{
  for (guint i = 0; i < self->loaded->len; i++)
    {
      TeesqlPluginLoaded *loaded = self->loaded->pdata[i];

      if (strcmp (loaded->kind, kind) == 0 && strcmp (loaded->instance, instance) == 0)
        return loaded;
    }
  return NULL;
}

static void
note_loaded (TeesqlPluginLoader *self, const Creation *creation)
{
  TeesqlPluginLoaded *loaded = NULL;

  if (find_loaded (self, creation->kind, creation->instance) != NULL)
    return;
  loaded = g_new0 (TeesqlPluginLoaded, 1);
  loaded->kind = g_strdup (creation->kind);
  loaded->instance = g_strdup (creation->instance);
  loaded->module = g_strdup (creation->module->name);
  loaded->version = g_strdup (creation->module->version);
  loaded->path = g_strdup (creation->module->path);
  loaded->digest = g_strdup (creation->module->digest);
  g_ptr_array_add (self->loaded, loaded);
}

/* `plugin = MODULE`; left out, the module has the instance's name. */
static const char *
module_name (const TeesqlConfig *config, const char *group, const char *instance)
{
  const char *name = teesql_config_has_group (config, group) ? teesql_config_get_raw (config, group, "plugin") : NULL;

  return name != NULL ? name : instance;
}

static GObject *
construct (TeesqlPluginLoader *self, Creation *creation, GError **error)
{
  g_autofree char *group = g_strdup_printf ("%s:%s", creation->kind, creation->instance);
  g_autoptr (TeesqlPluginOptions) options = NULL;
  g_autofree const char **folders = search_path (self);
  GType type = G_TYPE_INVALID;

  creation->module =
      teesql_plugin_module_load ((const char *const *) folders, module_name (self->config, group, creation->instance), error);
  if (creation->module == NULL)
    return NULL;
  type = teesql_plugin_module_get_type (creation->module, creation->kind, error);
  if (type == G_TYPE_INVALID)
    return NULL;
  options = teesql_plugin_options_read (self->config, group, type, error);
  if (options == NULL)
    return NULL;
  return teesql_plugin_options_construct (options, type);
}

static void
finish_creation (GTask *task)
{
  Creation *creation = g_task_get_task_data (task);

  note_loaded (g_task_get_source_object (task), creation);
  g_task_return_pointer (task, g_steal_pointer (&creation->object), g_object_unref);
}

static void
initialised_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Creation *creation = g_task_get_task_data (task);
  GError *error = NULL;

  if (g_async_initable_init_finish (G_ASYNC_INITABLE (source), result, &error))
    {
      finish_creation (task);
      return;
    }
  if (error == NULL)
    error = teesql_error_new (TEESQL_PLUGIN_ERROR, TEESQL_ERROR_FAILED, "broken-plugin", 0, "it failed without saying why");
  g_prefix_error (&error, "[%s:%s] ", creation->kind, creation->instance);
  g_task_return_error (task, error);
}

void
teesql_plugin_loader_create_async (TeesqlPluginLoader *self, const char *kind, const char *instance, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  Creation *creation = NULL;
  GError *error = NULL;

  g_return_if_fail (TEESQL_IS_PLUGIN_LOADER (self));
  g_return_if_fail (kind != NULL && instance != NULL);
  g_return_if_fail (teesql_plugin_kind_get_type (kind) != G_TYPE_INVALID);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, teesql_plugin_loader_create_async);
  creation = g_new0 (Creation, 1);
  creation->kind = g_strdup (kind);
  creation->instance = g_strdup (instance);
  g_task_set_task_data (task, creation, creation_free);
  creation->object = construct (self, creation, &error);
  if (creation->object == NULL)
    g_task_return_error (task, error);
  else if (G_IS_ASYNC_INITABLE (creation->object))
    g_async_initable_init_async (G_ASYNC_INITABLE (creation->object), G_PRIORITY_DEFAULT, cancellable, initialised_cb,
                                 g_steal_pointer (&task));
  else
    finish_creation (task);
}

GObject *
teesql_plugin_loader_create_finish (TeesqlPluginLoader *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_plugin_loader_create_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

const char *
teesql_plugin_loader_get_module_digest (TeesqlPluginLoader *self, const char *kind, const char *instance)
{
  TeesqlPluginLoaded *loaded = NULL;

  g_return_val_if_fail (TEESQL_IS_PLUGIN_LOADER (self), NULL);
  g_return_val_if_fail (kind != NULL && instance != NULL, NULL);

  loaded = find_loaded (self, kind, instance);
  return loaded != NULL ? loaded->digest : NULL;
}

GPtrArray *
teesql_plugin_loader_list_loaded (TeesqlPluginLoader *self)
{
  GPtrArray *list = NULL;

  g_return_val_if_fail (TEESQL_IS_PLUGIN_LOADER (self), NULL);

  list = g_ptr_array_new ();
  for (guint i = 0; i < self->loaded->len; i++)
    g_ptr_array_add (list, self->loaded->pdata[i]);
  return list;
}
