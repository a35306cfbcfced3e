#pragma once
#include "backup/teesql-pg-manifest.h"
#include "backup/teesql-restore-tree.h"
#include "backup/teesql-tar.h"

G_BEGIN_DECLS

/**
 * TeesqlRestoreExtract:
 *
 * one archive of a backup into a tree: every file claimed in the manifest by name and size before it is made, its checksum taken as it is
 * written, never read again. One thread.
 */
typedef struct _TeesqlRestoreExtract TeesqlRestoreExtract;
/**
 * teesql_restore_extract_new:
 * @tree: (nullable): %NULL: everything is checked and nothing written
 * @prefix: what the manifest has before the names of this archive: empty, or `pg_tblspc/16384/`
 * @tree_prefix: what the tree has there: empty where @tree is the tablespace itself
 */
TeesqlRestoreExtract *teesql_restore_extract_new (TeesqlRestoreTree *tree, TeesqlPgManifest *manifest, const char *prefix,
                                                  const char *tree_prefix) G_GNUC_WARN_UNUSED_RESULT;
void teesql_restore_extract_free (TeesqlRestoreExtract *self);
gboolean teesql_restore_extract_feed (TeesqlRestoreExtract *self, const guint8 *data, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_restore_extract_finish (TeesqlRestoreExtract *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
guint64 teesql_restore_extract_get_files (TeesqlRestoreExtract *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRestoreExtract, teesql_restore_extract_free)
G_END_DECLS
