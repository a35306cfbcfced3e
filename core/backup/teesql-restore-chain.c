#include "backup/teesql-restore-run.h"

#include "backup/teesql-restore-child.h"
#include "base/teesql-domains.h"

#include <string.h>

#define BASE_FOLDER_MAX 16

/* ---- one backup ---- */

static void
worked_cb (guint64 bytes, gpointer user_data)
{
  TeesqlRestoreRun *self = user_data;

  teesql_restore_run_tell (self, self->phase, bytes);
}

static gboolean
has_archive (const TeesqlBackup *backup, const char *name)
{
  for (guint i = 0; i < backup->archives->len; i++)
    if (strcmp (((const TeesqlArchive *) backup->archives->pdata[i])->name, name) == 0)
      return TRUE;
  return FALSE;
}

static void
clear_place (gpointer data)
{
  TeesqlRestorePlace *place = data;

  g_clear_pointer (&place->tree, teesql_restore_tree_free);
}

static TeesqlRestoreTree *
make_tree (TeesqlRestoreStaging *staging, const char *name, GError **error)
{
  TeesqlRestoreTree *tree = teesql_restore_staging_get_tree (staging);

  if (!teesql_restore_tree_make_folder (tree, name, error))
    return NULL;
  return teesql_restore_tree_open (tree, name, teesql_restore_tree_get_owner (tree), error);
}

static GArray *
make_places (TeesqlRestoreRun *self, const TeesqlBackup *backup, const char *name, GError **error)
{
  g_autoptr (GArray) places = g_array_new (FALSE, TRUE, sizeof (TeesqlRestorePlace));

  g_array_set_clear_func (places, clear_place);
  for (guint i = 0; i < self->parts->len; i++)
    {
      const TeesqlRestorePart *part = self->parts->pdata[i];
      TeesqlRestorePlace place = { .oid = part->oid };

      if (!has_archive (backup, part->oid))
        continue;
      place.tree = make_tree (part->staging, name, error);
      if (place.tree == NULL)
        return NULL;
      place.link = teesql_restore_tree_get_path (place.tree);
      g_array_append_val (places, place);
    }
  return g_steal_pointer (&places);
}

static gboolean
unpack (TeesqlRestoreRun *self, TeesqlBackup *backup, TeesqlRestoreTree *tree, const GArray *places, GError **error)
{
  g_autofree char *name = teesql_backup_dup_name (backup);
  TeesqlRestoreUnpack job = {
    .repository = teesql_catalog_get_repository (self->options->catalog),
    .view = self->plan->view,
    .backup = backup,
    .tree = tree,
    .places = places,
    .threads = self->options->threads,
    .progress = worked_cb,
    .progress_data = self,
  };

  if (!teesql_restore_unpack_run (&job, self->cancellable, error))
    {
      g_prefix_error (error, "backup %s: ", name);
      return FALSE;
    }
  self->report->files += job.n_files;
  self->report->bytes += job.n_bytes;
  return TRUE;
}

static gboolean
unpack_into (TeesqlRestoreRun *self, TeesqlBackup *backup, const char *name, GError **error)
{
  g_autoptr (TeesqlRestoreTree) tree = make_tree (self->staging, name, error);
  g_autoptr (GArray) places = tree != NULL ? make_places (self, backup, name, error) : NULL;

  return places != NULL && unpack (self, backup, tree, places, error);
}

/* ---- incremental backups ---- */

/* In a mapping of pg_combinebackup an equals sign of a path has a backslash before it. */
static char *
escape_equals (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "=", -1);

  return g_strjoinv ("\\=", parts);
}

static void
add_mappings (TeesqlRestoreRun *self, const char *last, GPtrArray *arguments)
{
  for (guint i = 0; i < self->parts->len; i++)
    {
      const TeesqlRestorePart *part = self->parts->pdata[i];
      const char *folder = teesql_restore_tree_get_path (teesql_restore_staging_get_tree (part->staging));
      g_autofree char *escaped = escape_equals (folder);

      g_ptr_array_add (arguments, g_strdup_printf ("--tablespace-mapping=%s/%s=%s/%s", escaped, last, escaped, TEESQL_RESTORE_STAGED));
    }
}

static gboolean
combine (TeesqlRestoreRun *self, GError **error)
{
  const char *folder = teesql_restore_tree_get_path (teesql_restore_staging_get_tree (self->staging));
  g_autoptr (GPtrArray) arguments = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *last = g_strdup_printf ("%u", self->plan->chain->len - 1);
  g_autofree char *out = g_build_filename (folder, TEESQL_RESTORE_STAGED, NULL);
  const char *const verify[] = { "--no-parse-wal", "--quiet", out, NULL };

  g_ptr_array_add (arguments, g_strdup ("--no-sync")); /* everything is synced at once before the commit */
  g_ptr_array_add (arguments, g_strdup_printf ("--output=%s", out));
  add_mappings (self, last, arguments);
  for (guint i = 0; i < self->plan->chain->len; i++)
    g_ptr_array_add (arguments, g_strdup_printf ("%s/%u", folder, i));
  g_ptr_array_add (arguments, NULL);
  teesql_restore_run_tell (self, "combine", 0);
  if (!teesql_restore_child_run (self->options->bin_directory, "pg_combinebackup", (const char *const *) arguments->pdata, &self->owner,
                                 self->cancellable, error))
    return FALSE;
  teesql_restore_run_tell (self, "verify", 0);
  return teesql_restore_child_run (self->options->bin_directory, "pg_verifybackup", verify, &self->owner, self->cancellable, error);
}

static gboolean
remove_inputs (TeesqlRestoreRun *self, GError **error)
{
  for (guint i = 0; i < self->plan->chain->len; i++)
    {
      char name[BASE_FOLDER_MAX];

      g_snprintf (name, sizeof name, "%u", i);
      if (!teesql_restore_tree_remove (teesql_restore_staging_get_tree (self->staging), name, error))
        return FALSE;
      for (guint j = 0; j < self->parts->len; j++)
        if (!teesql_restore_tree_remove (teesql_restore_staging_get_tree (((const TeesqlRestorePart *) self->parts->pdata[j])->staging),
                                         name, error))
          return FALSE;
    }
  return TRUE;
}

gboolean
teesql_restore_run_unpack (TeesqlRestoreRun *self, GError **error)
{
  const GPtrArray *chain = self->plan->chain;

  self->phase = "extract";
  if (chain->len == 1)
    return unpack_into (self, chain->pdata[0], TEESQL_RESTORE_STAGED, error);
  for (guint i = 0; i < chain->len; i++)
    {
      char name[BASE_FOLDER_MAX];

      g_snprintf (name, sizeof name, "%u", i);
      if (!unpack_into (self, chain->pdata[i], name, error))
        return FALSE;
    }
  return combine (self, error) && remove_inputs (self, error);
}

/* ---- reading only ---- */

gboolean
teesql_restore_run_verify (TeesqlRestoreRun *self, GError **error)
{
  self->phase = "verify";
  for (guint i = 0; i < self->plan->chain->len; i++)
    if (!unpack (self, self->plan->chain->pdata[i], NULL, NULL, error))
      return FALSE;
  return teesql_restore_run_read_wal (self, error);
}
