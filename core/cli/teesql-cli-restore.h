#pragma once
#include "backup/teesql-recovery-run.h"
#include "backup/teesql-restore.h"
#include "cli/teesql-cli-repository.h"

G_BEGIN_DECLS

/**
 * TeesqlCliRestore:
 *
 * what `teesql restore` was told, and what came of it
 */
typedef struct
{
  const TeesqlCliGlobals *globals;
  char *directory;
  char *to;
  char *to_time;
  char *to_lsn;
  char *to_name;
  char *backup;
  char *known_lsn;
  char *bin_directory;
  char **tablespaces;
  int target_timeline;
  int threads;
  gboolean exclusive;
  gboolean accept_older;
  gboolean no_adopt;
  gboolean recover;
  gboolean no_read_wal;
  gboolean dry_run;
  gboolean verify_only;
  TeesqlRestoreTarget target;
  const char *target_text;
  guint64 known_position;
  int known_timeline;
  GArray *known; /* TeesqlRestoreKnown */
  TeesqlCliRepository *repository;
  TeesqlRestoreReport *report;
  gboolean adopted; /* the daemon of the state directory goes on from here, in a new lineage */
  gint64 begun_us;
} TeesqlCliRestore;

/* on the terminal, from any one thread */
void teesql_cli_restore_progress (guint64 done, guint64 total, const char *phase, gpointer user_data);
void teesql_cli_restore_print (const TeesqlCliRestore *self);
void teesql_cli_restore_print_failure (const TeesqlCliRestore *self, const GError *error); /* for --json */

G_END_DECLS
