#include "plugin/teesql-plugin-module.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include <dlfcn.h>
#include <string.h>
#include <teesql/teesql.h>

#define DESCRIPTOR_MAX 4096 /* a larger structure than ours may come from a newer sdk; this is no structure any more */
#define N_TYPES_MAX    16
#define VERSION_MAX    64

static const char *const kinds[] = { "attester", "kms", "storage", "verifier", NULL };

static GHashTable *modules; /* name -> TeesqlPluginModule, for the life of the process */

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_PLUGIN_ERROR, (code), (reason), __VA_ARGS__)

const char *const *
teesql_plugin_list_kinds (void)
{
  return kinds;
}

GType
teesql_plugin_kind_get_type (const char *kind)
{
  if (strcmp (kind, "attester") == 0)
    return TEESQL_TYPE_ATTESTER;
  if (strcmp (kind, "kms") == 0)
    return TEESQL_TYPE_KMS;
  if (strcmp (kind, "storage") == 0)
    return TEESQL_TYPE_STORAGE;
  return strcmp (kind, "verifier") == 0 ? TEESQL_TYPE_VERIFIER : G_TYPE_INVALID;
}

static gboolean
text_is_plain (const char *text, gsize max)
{
  gsize length = text != NULL ? strnlen (text, max + 1) : 0;

  for (gsize i = 0; i < length; i++)
    {
      if (!g_ascii_isgraph (text[i]))
        return FALSE;
    }
  return length >= 1 && length <= max;
}

/* Numbers first, then names, then the table of types: nothing is followed before what says that it is there. */
static gboolean
check_descriptor (const TeesqlPluginDescriptor *descriptor, const char *name, GError **error)
{
  gsize n_types = 0;

  if (descriptor->abi != TEESQL_PLUGIN_ABI)
    return fail (error, TEESQL_ERROR_UNSUPPORTED, "plugin-abi",
                 "plugin %s was made for interface %u, this program has interface %d\nhint: use a build of the plugin for this version",
                 name, descriptor->abi, TEESQL_PLUGIN_ABI);
  if (descriptor->size < sizeof *descriptor || descriptor->size > DESCRIPTOR_MAX)
    return fail (error, TEESQL_ERROR_UNSUPPORTED, "plugin-abi", "plugin %s has a descriptor of %u bytes, expected %" G_GSIZE_FORMAT, name,
                 descriptor->size, sizeof *descriptor);
  if (descriptor->name == NULL || strcmp (descriptor->name, name) != 0)
    return fail (error, TEESQL_ERROR_FAILED, "plugin-name", "the module in lib%s.so calls itself %s", name,
                 text_is_plain (descriptor->name, 32) ? descriptor->name : "by no name");
  if (!text_is_plain (descriptor->version, VERSION_MAX))
    return fail (error, TEESQL_ERROR_FAILED, "plugin-descriptor", "plugin %s has no readable version", name);
  while (descriptor->types != NULL && n_types <= N_TYPES_MAX && descriptor->types[n_types].interface_name != NULL)
    n_types++;
  if (n_types == 0 || n_types > N_TYPES_MAX)
    return fail (error, TEESQL_ERROR_FAILED, "plugin-descriptor", "plugin %s offers no type or more than %d", name, N_TYPES_MAX);
  return TRUE;
}

/* A module that was mapped and then refused keeps its descriptor too: its code may already have left something behind, and a reused
 * number would make dlopen() hand out this one again under the next one's name. */
static void
abandon (TeesqlPluginImage *image)
{
  teesql_log_warning ("plugin", "%s (SHA-384 %s) stays mapped and unused until this process ends", image->path, image->digest);
  image->fd = -1;
}

static const TeesqlPluginDescriptor *
map_module (TeesqlPluginImage *image, const char *name, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", image->fd);
  void *handle = dlopen (path, RTLD_NOW | RTLD_LOCAL);
  const TeesqlPluginDescriptor *descriptor = NULL;

  if (handle == NULL)
    {
      fail (error, TEESQL_ERROR_FAILED, "plugin-open", "%s cannot be loaded: %s", image->path, dlerror ());
      return NULL;
    }
  descriptor = dlsym (handle, TEESQL_PLUGIN_SYMBOL);
  if (descriptor == NULL)
    fail (error, TEESQL_ERROR_FAILED, "plugin-descriptor", "%s does not export " TEESQL_PLUGIN_SYMBOL "\nhint: it is no TeeSQL plugin",
          image->path);
  else if (check_descriptor (descriptor, name, error))
    return descriptor;
  abandon (image);
  return NULL;
}

static TeesqlPluginModule *
module_new (const TeesqlPluginDescriptor *descriptor, TeesqlPluginImage *image)
{
  TeesqlPluginModule *self = g_new0 (TeesqlPluginModule, 1);

  self->descriptor = descriptor;
  self->name = g_strdup (descriptor->name);
  self->version = g_strdup (descriptor->version);
  self->path = g_steal_pointer (&image->path);
  self->digest = g_steal_pointer (&image->digest);
  self->fd = image->fd;
  image->fd = -1;
  return self;
}

const TeesqlPluginModule *
teesql_plugin_module_open (const char *name, TeesqlPluginImage *image, GError **error)
{
  const TeesqlPluginDescriptor *descriptor = NULL;
  TeesqlPluginModule *module = NULL;

  if (modules == NULL)
    modules = g_hash_table_new (g_str_hash, g_str_equal);
  module = g_hash_table_lookup (modules, name);
  if (module != NULL && strcmp (module->digest, image->digest) != 0)
    {
      fail (error, TEESQL_ERROR_CONFIG, "plugin-changed", "%s has other bytes than plugin %s that is running\nhint: restart to use it",
            image->path, name);
      return NULL;
    }
  if (module != NULL)
    return module;
  descriptor = map_module (image, name, error);
  if (descriptor == NULL)
    return NULL;
  module = module_new (descriptor, image);
  g_hash_table_insert (modules, module->name, module);
  teesql_log_info ("plugin", "loaded %s %s from %s, SHA-384 %s", module->name, module->version, module->path, module->digest);
  return module;
}

const TeesqlPluginModule *
teesql_plugin_module_load (const char *const *plugin_path, const char *name, GError **error)
{
  g_autofree char *path = teesql_plugin_file_find (plugin_path, name, error);
  g_auto (TeesqlPluginImage) image = { .fd = -1 };

  if (path == NULL || !teesql_plugin_file_measure (path, &image, error))
    return NULL;
  return teesql_plugin_module_open (name, &image, error);
}

static const TeesqlPluginType *
find_type (const TeesqlPluginModule *self, const char *kind)
{
  for (const TeesqlPluginType *type = self->descriptor->types; type->interface_name != NULL; type++)
    {
      if (strcmp (type->interface_name, kind) == 0)
        return type;
    }
  return NULL;
}

GType
teesql_plugin_module_get_type (const TeesqlPluginModule *self, const char *kind, GError **error)
{
  const TeesqlPluginType *offered = find_type (self, kind);
  GType wanted = teesql_plugin_kind_get_type (kind);
  GType type = G_TYPE_INVALID;

  if (offered == NULL || offered->get_type == NULL || wanted == G_TYPE_INVALID)
    {
      fail (error, TEESQL_ERROR_CONFIG, "plugin-interface", "plugin %s is no %s", self->name, kind);
      return G_TYPE_INVALID;
    }
  type = offered->get_type ();
  if (!g_type_is_a (type, G_TYPE_OBJECT) || !g_type_is_a (type, wanted) || G_TYPE_IS_ABSTRACT (type))
    {
      fail (error, TEESQL_ERROR_FAILED, "plugin-interface", "the type that plugin %s offers as %s does not implement it", self->name, kind);
      return G_TYPE_INVALID;
    }
  /* core runs only the asynchronous one; an object whose own initialisation never ran must not be used */
  if (g_type_is_a (type, G_TYPE_INITABLE) && !g_type_is_a (type, G_TYPE_ASYNC_INITABLE))
    {
      fail (error, TEESQL_ERROR_FAILED, "plugin-interface", "%s of plugin %s is GInitable, expected GAsyncInitable", g_type_name (type),
            self->name);
      return G_TYPE_INVALID;
    }
  return type;
}
