#pragma once
#include "backup/teesql-restore-tree.h"
#include "backup/teesql-restore.h"

G_BEGIN_DECLS

#define TEESQL_RESTORE_AUTO_CONF "postgresql.auto.conf"

/**
 * teesql_restore_settings_edit:
 * @text: (nullable): of a postgresql.auto.conf
 * @base_text: (nullable): of the postgresql.conf beneath it
 * @removed: (element-type utf8): gets `primary_conninfo (postgresql.auto.conf)`, what would have made a restored cluster reach, overwrite or
 *   wait for something of the old one
 *
 * pure. Returns: (transfer full): the text without them, and with what takes their place where postgresql.conf has them
 */
char *teesql_restore_settings_edit (const char *text, const char *base_text, GPtrArray *removed) G_GNUC_WARN_UNUSED_RESULT;
/* (nullable): a postgresql.conf without `data_directory`, which only that file can say; %NULL where it does not */
char *teesql_restore_settings_edit_base (const char *base_text, GPtrArray *removed) G_GNUC_WARN_UNUSED_RESULT;
/* without restore_command and recovery_target*: they are of no use behind a recovery */
char *teesql_restore_settings_end_recovery (const char *text) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlRestoreRecovery:
 * @target_text: (nullable): in PostgreSQL's form
 */
typedef struct
{
  const char *fetch_command;
  TeesqlRestoreTarget target;
  const char *target_text;
  gboolean target_inclusive;
  guint32 timeline;
  gboolean has_inside; /* tablespaces that are folders of the cluster; recovery panics over them unless it is told */
} TeesqlRestoreRecovery;
/* pure: the lines to add */
char *teesql_restore_settings_recovery (const TeesqlRestoreRecovery *recovery) G_GNUC_WARN_UNUSED_RESULT;

/* all of the above in a tree, and recovery.signal */
gboolean teesql_restore_settings_write (TeesqlRestoreTree *tree, const TeesqlRestoreRecovery *recovery, GPtrArray *removed, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
