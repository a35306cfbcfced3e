#pragma once
#include "backup/teesql-restore-tree.h"

G_BEGIN_DECLS

/**
 * TeesqlRecoveryFolder:
 *
 * where a recovery has its sockets, log and settings: in the folder for temporary files, since the path of a socket is short. It is locked
 * for as long as it is used; what a recovery that was killed left is removed by the next one.
 */
typedef struct
{
  TeesqlRestoreTree *tree;
  /*< private >*/
  char *name;
  int lock;
} TeesqlRecoveryFolder;

/* @owner: whose it is. %FALSE: nothing is left that would have to be closed */
gboolean teesql_recovery_folder_open (TeesqlRecoveryFolder *self, const TeesqlRestoreOwner *owner, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_recovery_folder_close (TeesqlRecoveryFolder *self); /* removes it; fine when it is not open */

G_END_DECLS
