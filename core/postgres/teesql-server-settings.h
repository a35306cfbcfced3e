#pragma once
#include "config/teesql-config.h"

G_BEGIN_DECLS

/**
 * TeesqlServerSetting:
 *
 * one line of a managed server's postgresql.conf that core itself asks for
 */
typedef struct
{
  char *name;
  char *value;
} TeesqlServerSetting;
void teesql_server_setting_free (TeesqlServerSetting *self);

/**
 * teesql_server_settings_write:
 * @core: (element-type TeesqlServerSetting): the last word
 *
 * Returns: (transfer full): text of postgresql.conf: our defaults, then `[postgresql-settings]`, then @core; the last line of a name counts
 */
char *teesql_server_settings_write (const TeesqlConfig *config, GPtrArray *core) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
