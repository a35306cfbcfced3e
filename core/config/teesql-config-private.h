#pragma once
#include "config/teesql-config-scanner.h"
#include "config/teesql-config-value.h"
#include "config/teesql-config.h"

G_BEGIN_DECLS

/**
 * TeesqlConfigGroup:
 * @values: (element-type TeesqlConfigValue): written ones, in order of the files
 */
typedef struct
{
  char *name;
  gboolean plugin;
  char *file;
  guint rank;
  guint line;
  GPtrArray *values;
} TeesqlConfigGroup;

struct _TeesqlConfig
{
  gatomicrefcount refs;
  TeesqlConfigKind kind;
  char *name;           /* of the main file, for findings about what is missing */
  GPtrArray *groups;    /* element-type TeesqlConfigGroup, in order of the files */
  GHashTable *by_name;  /* group name -> TeesqlConfigGroup, borrowed */
  GHashTable *defaults; /* TeesqlOption -> TeesqlConfigValue */
  GHashTable *refused;  /* "group\nkey" of values that have a finding: they are not also missing */
};

TeesqlConfig *teesql_config_new (TeesqlConfigKind kind, const char *name) G_GNUC_WARN_UNUSED_RESULT;
TeesqlConfigGroup *teesql_config_find_group (const TeesqlConfig *self, const char *name); /* (nullable) */
TeesqlConfigGroup *teesql_config_ensure_group (TeesqlConfig *self, const char *name, gboolean plugin);
TeesqlConfigValue *teesql_config_group_find (const TeesqlConfigGroup *group, const char *key); /* (nullable) */
void teesql_config_group_set (TeesqlConfigGroup *group, TeesqlConfigValue *value);             /* (transfer full); replaces */
void teesql_config_group_remove (TeesqlConfigGroup *group, const char *key);
/* written, else the default; %NULL when there is neither */
const TeesqlConfigValue *teesql_config_effective (const TeesqlConfig *self, const char *group, const char *key);
void teesql_config_add_defaults (TeesqlConfig *self);
/* what can only be seen with the whole file in view */
void teesql_config_check_whole (const TeesqlConfig *self, TeesqlConfigFindings *findings);

/**
 * teesql_config_dup_canonical:
 *
 * one spelling per meaning: durations in ms, sizes in bytes, hex in lower case, sets sorted. @joiner stands between elements
 */
char **teesql_config_value_dup_canonical (const TeesqlConfigValue *value) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
