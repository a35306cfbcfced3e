#pragma once
#include "config/teesql-config.h"

G_BEGIN_DECLS

/**
 * TeesqlPluginOptions:
 *
 * what a group of the configuration says, as names and values for g_object_new_with_properties()
 */
typedef struct _TeesqlPluginOptions TeesqlPluginOptions;

/**
 * teesql_plugin_options_read:
 * @group: `storage:s3`
 *
 * holds every key of @group against the construct properties of @type. All findings of the group are reported at once, each with the
 * place in the file and, where a name is close, a hint.
 */
TeesqlPluginOptions *teesql_plugin_options_read (const TeesqlConfig *config, const char *group, GType type, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * TeesqlPluginSetting:
 * @text: as written, %NULL where @secret stands for it
 * @secret: (nullable): what stood behind a reference
 *
 * one line of a group, for a process that has neither the file nor what its references name
 */
typedef struct
{
  const char *key;
  const char *text;
  TeesqlSecret *secret;
} TeesqlPluginSetting;

/* teesql_plugin_options_read() from lines whose references were followed already */
TeesqlPluginOptions *teesql_plugin_options_parse (const char *group, const TeesqlPluginSetting *settings, guint n_settings, GType type,
                                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* keys of `[KIND:NAME]` that are core's, not an option */
gboolean teesql_plugin_options_is_reserved (const char *key);
GObject *teesql_plugin_options_construct (const TeesqlPluginOptions *self, GType type) G_GNUC_WARN_UNUSED_RESULT;
void teesql_plugin_options_free (TeesqlPluginOptions *self);

/* (transfer container) (element-type GParamSpec): the properties of @klass that a file may set, sorted by name */
GPtrArray *teesql_plugin_options_list (GObjectClass *klass) G_GNUC_WARN_UNUSED_RESULT;
/* refuses a type that has a property under one of core's own names */
gboolean teesql_plugin_options_check_names (GObjectClass *klass, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlPluginOptions, teesql_plugin_options_free)
G_END_DECLS
