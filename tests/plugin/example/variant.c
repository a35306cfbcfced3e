/* One source, many modules: a key service with an option of every type, and the same with one thing wrong each. */
#include <string.h>
#include <teesql/teesql.h>

typedef enum
{
  VARIANT_COLOR_RED,
  VARIANT_COLOR_DARK_BLUE
} VariantColor;

typedef struct
{
  GObject parent_instance;
  GPtrArray *said; /* one text per option that was set */
} Variant;
typedef GObjectClass VariantClass;

enum
{
  PROP_TIMEOUT = 1,
  PROP_BUFFER,
  PROP_RETRIES,
  PROP_OFFSET,
  PROP_RATIO,
  PROP_STRICT,
  PROP_LABEL,
  PROP_TOKEN,
  PROP_COLOR,
  PROP_PLACES,
  PROP_PLUGIN,
  N_PROPS
};
static GParamSpec *props[N_PROPS];
static GObjectClass *parent_class;

static void
get_key_async (TeesqlKms *kms, const char *path, const char *purpose, GCancellable *cancellable, GAsyncReadyCallback callback,
               gpointer user_data)
{
  GTask *task = g_task_new (kms, cancellable, callback, user_data);

  (void) path;
  (void) purpose;
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static TeesqlSecret *
get_key_finish (TeesqlKms *kms, GAsyncResult *result, GError **error)
{
  guint8 key[TEESQL_KMS_KEY_SIZE] = { 1 };

  (void) kms;
  (void) result;
  return teesql_secret_new (key, sizeof key, error);
}

/* The options as they arrived: what the test looks at. */
static const char *
get_taint (TeesqlKms *kms)
{
  Variant *self = (Variant *) kms;
  char *joined = NULL;
  const char *interned = NULL;

  g_ptr_array_add (self->said, NULL);
  joined = g_strjoinv (" ", (char **) self->said->pdata);
  g_ptr_array_set_size (self->said, (int) self->said->len - 1);
  interned = g_intern_string (joined);
  g_free (joined);
  return interned;
}

static void
variant_iface_init (gpointer iface, gpointer data)
{
  TeesqlKmsInterface *kms = iface;

  (void) data;
  kms->get_key_async = get_key_async;
  kms->get_key_finish = get_key_finish;
  kms->get_taint = get_taint;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  Variant *self = (Variant *) object;
  char *text = NULL;

  (void) id;
  if (G_VALUE_HOLDS (value, TEESQL_TYPE_SECRET))
    {
      TeesqlSecret *secret = g_value_get_boxed (value);

      if (secret != NULL)
        text = g_strdup_printf ("secret of %u bytes", (guint) teesql_secret_get_size (secret));
    }
  else if (G_VALUE_HOLDS (value, G_TYPE_STRV))
    {
      char **items = g_value_get_boxed (value);

      text = items != NULL ? g_strjoinv ("+", items) : NULL;
    }
  else if (g_param_value_defaults (pspec, value) == FALSE)
    {
      text = g_strdup_value_contents (value);
    }
  if (text != NULL)
    g_ptr_array_add (self->said, g_strdup_printf ("%s=%s", g_param_spec_get_name (pspec), text));
  g_free (text);
}

static void
finalize (GObject *object)
{
  g_ptr_array_unref (((Variant *) object)->said);
  parent_class->finalize (object);
}

static GType
color_type (void)
{
  static const GEnumValue values[] = { { VARIANT_COLOR_RED, "RED", "red" },
                                       { VARIANT_COLOR_DARK_BLUE, "BLUE", "dark-blue" },
                                       { 0, NULL, NULL } };
  static gsize type;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static (g_intern_string (VARIANT_NAME "-color"), values));
  return type;
}

static GType
places_type (void)
{
  static const GFlagsValue values[] = { { 1, "HERE", "here" }, { 2, "THERE", "there" }, { 0, NULL, NULL } };
  static gsize type;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_flags_register_static (g_intern_string (VARIANT_NAME "-places"), values));
  return type;
}

#define FLAGS (G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)

static void
class_init (gpointer klass, gpointer data)
{
  GObjectClass *object_class = klass;

  (void) data;
  parent_class = g_type_class_peek_parent (klass);
  object_class->set_property = set_property;
  object_class->finalize = finalize;
  props[PROP_TIMEOUT] = g_param_spec_uint ("timeout", NULL, "One attempt may take this long", 100, 60000, 10000, FLAGS);
  g_param_spec_set_qdata (props[PROP_TIMEOUT], g_quark_from_static_string ("teesql-unit"), (gpointer) "ms");
  props[PROP_BUFFER] = g_param_spec_uint64 ("buffer", NULL, "Memory", 0, G_MAXUINT64, 1024, FLAGS);
  g_param_spec_set_qdata (props[PROP_BUFFER], g_quark_from_static_string ("teesql-unit"), (gpointer) "bytes");
  props[PROP_RETRIES] = g_param_spec_int ("retries", NULL, "A number", -1, 9, 3, FLAGS);
  props[PROP_OFFSET] = g_param_spec_int64 ("offset", NULL, "A large number", G_MININT64, G_MAXINT64, 0, FLAGS);
  props[PROP_RATIO] = g_param_spec_double ("ratio", NULL, "A fraction", 0, 1, 0.5, FLAGS);
  props[PROP_STRICT] = g_param_spec_boolean ("strict", NULL, "A switch", FALSE, FLAGS);
  props[PROP_LABEL] = g_param_spec_string ("label", NULL, "A text", NULL, FLAGS);
  props[PROP_TOKEN] = g_param_spec_boxed ("token", NULL, "A secret", TEESQL_TYPE_SECRET, FLAGS);
  props[PROP_COLOR] = g_param_spec_enum ("color", NULL, "A word", color_type (), VARIANT_COLOR_RED, FLAGS);
  props[PROP_PLACES] = g_param_spec_flags ("places", NULL, "Words", places_type (), 1, FLAGS);
  props[PROP_PLUGIN] = g_param_spec_boxed (
#ifdef VARIANT_RESERVED
      "plugin",
#else
      "names",
#endif
      NULL, "A list", G_TYPE_STRV, FLAGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
instance_init (GTypeInstance *instance, gpointer klass)
{
  (void) klass;
  ((Variant *) instance)->said = g_ptr_array_new_with_free_func (g_free);
}

#ifdef VARIANT_INIT_FAILS
static void
init_async (GAsyncInitable *initable, int priority, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (initable, cancellable, callback, user_data);

  (void) priority;
  g_task_return_error (task, teesql_error_new (TEESQL_KMS_ERROR, TEESQL_ERROR_UNAVAILABLE, "nobody-home", 250, "nobody answers"));
  g_object_unref (task);
}

static gboolean
init_finish (GAsyncInitable *initable, GAsyncResult *result, GError **error)
{
  (void) initable;
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
initable_iface_init (gpointer iface, gpointer data)
{
  GAsyncInitableIface *initable = iface;

  (void) data;
  initable->init_async = init_async;
  initable->init_finish = init_finish;
}
#define VARIANT_INITABLE_TYPE G_TYPE_ASYNC_INITABLE
#elif defined VARIANT_INITABLE
static gboolean
init (GInitable *initable, GCancellable *cancellable, GError **error)
{
  (void) initable;
  (void) cancellable;
  (void) error;
  return TRUE;
}

static void
initable_iface_init (gpointer iface, gpointer data)
{
  GInitableIface *initable = iface;

  (void) data;
  initable->init = init;
}
#define VARIANT_INITABLE_TYPE G_TYPE_INITABLE
#endif

static GType
variant_get_type (void)
{
  static gsize type;

  if (g_once_init_enter (&type))
    {
      const GTypeInfo info = { sizeof (VariantClass), NULL, NULL, class_init, NULL, NULL, sizeof (Variant), 0, instance_init, NULL };
      GType made = g_type_register_static (G_TYPE_OBJECT, g_intern_string ("Variant-" VARIANT_NAME), &info, G_TYPE_FLAG_FINAL);
#ifndef VARIANT_WRONG_TYPE
      const GInterfaceInfo kms = { variant_iface_init, NULL, NULL };

      g_type_add_interface_static (made, TEESQL_TYPE_KMS, &kms);
#else
      (void) variant_iface_init;
#endif
#ifdef VARIANT_INITABLE_TYPE
      {
        const GInterfaceInfo initable = { initable_iface_init, NULL, NULL };

        g_type_add_interface_static (made, VARIANT_INITABLE_TYPE, &initable);
      }
#endif
      g_once_init_leave (&type, made);
    }
  return type;
}

static const TeesqlPluginType types[] = {
#ifndef VARIANT_NO_TYPES
  TEESQL_PROVIDES_KMS (variant_get_type),
#endif
  { NULL, NULL },
};

#ifdef VARIANT_NO_DESCRIPTOR
#define teesql_plugin_descriptor some_other_symbol
#endif
__attribute__ ((visibility ("default"))) extern const TeesqlPluginDescriptor teesql_plugin_descriptor;
const TeesqlPluginDescriptor teesql_plugin_descriptor = {
#ifdef VARIANT_BAD_ABI
  .abi = TEESQL_PLUGIN_ABI + 1,
#else
  .abi = TEESQL_PLUGIN_ABI,
#endif
#ifdef VARIANT_BAD_SIZE
  .size = 8,
#else
  .size = sizeof (TeesqlPluginDescriptor),
#endif
#ifdef VARIANT_BAD_NAME
  .name = "somebody-else",
#else
  .name = VARIANT_NAME,
#endif
  .version = "0.1",
  .types = types,
};

GType variant_unused (void);
GType
variant_unused (void)
{
  return variant_get_type ();
}
