#pragma once
#include "backup/teesql-restore-extract.h"
#include "backup/teesql-restore-plan.h"
#include "backup/teesql-sealed-sink.h"

G_BEGIN_DECLS

/**
 * TeesqlRestorePlace:
 * @oid: of a tablespace
 * @tree: where its files go; @link: what `pg_tblspc/OID` leads to until the commit
 */
typedef struct
{
  const char *oid;
  TeesqlRestoreTree *tree;
  const char *link;
} TeesqlRestorePlace;

/**
 * TeesqlRestoreUnpack:
 * @tree: (nullable): an empty folder; %NULL: verifies only
 * @places: (element-type TeesqlRestorePlace): tablespaces that lie elsewhere
 *
 * one backup out of its sealed archives
 */
typedef struct
{
  TeesqlRepository *repository;
  const TeesqlRestoreView *view;
  const TeesqlBackup *backup;
  TeesqlRestoreTree *tree;
  const GArray *places;
  guint threads;
  void (*progress) (guint64 bytes, gpointer user_data); /* plaintext that was worked at since the last call */
  gpointer progress_data;
  guint64 n_files; /* what was found */
  guint64 n_bytes;
} TeesqlRestoreUnpack;
gboolean teesql_restore_unpack_run (TeesqlRestoreUnpack *self, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
