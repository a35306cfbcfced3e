#pragma once
#include "backup/teesql-restore-tree.h"

G_BEGIN_DECLS

/**
 * TeesqlRestoreStaging:
 *
 * a folder beside the final one, on the same file system, that a restore works in: `.teesql-restore-NAME-RANDOM`, marked and locked while
 * somebody works in it. What somebody left who was killed is removed by the next restore into the same parent. The final name appears with
 * one rename (SR-21).
 */
typedef struct _TeesqlRestoreStaging TeesqlRestoreStaging;
/**
 * teesql_restore_staging_check:
 * @directory: absolute
 *
 * what can be said of the final place before anything is read: REFUSED in #TEESQL_BACKUP_ERROR `target-not-empty`, `target-not-folder`,
 * `target-mount`, `target-link`, `target-parent`
 */
gboolean teesql_restore_staging_check (const char *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlRestoreStaging *teesql_restore_staging_new (const char *directory, const TeesqlRestoreOwner *owner, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
TeesqlRestoreTree *teesql_restore_staging_get_tree (TeesqlRestoreStaging *self);
/* remembers, durably, that the folder @name of @part will be @path and a part of what @self becomes: removed with it should we die between
 * that and the commit */
gboolean teesql_restore_staging_note_part (TeesqlRestoreStaging *self, TeesqlRestoreStaging *part, const char *name, const char *path,
                                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* renames the folder @name of the tree to the final name, durably */
gboolean teesql_restore_staging_commit (TeesqlRestoreStaging *self, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_restore_staging_free (TeesqlRestoreStaging *self); /* removes what is left of it */

/* what every restore calls its folder while it can be the final one */
#define TEESQL_RESTORE_STAGED "cluster"

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRestoreStaging, teesql_restore_staging_free)
G_END_DECLS
