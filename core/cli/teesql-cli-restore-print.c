#include "cli/teesql-cli-restore.h"

#include "base/teesql-hex.h"
#include "cli/teesql-cli-daemon.h"

#include <string.h>

/* ---- progress ---- */

void
teesql_cli_restore_progress (guint64 done, guint64 total, const char *phase, gpointer user_data)
{
  const TeesqlCliRestore *self = user_data;

  if (self->globals->quiet || self->globals->json)
    return;
  if (done < total)
    teesql_cli_draw_progress (phase, done, total);
  else
    teesql_cli_draw_progress (phase, 0, 0);
}

/* ---- results ---- */

static const char *
outcome (const TeesqlCliRestore *self)
{
  if (self->dry_run)
    return "planned";
  if (self->verify_only)
    return "verified";
  return self->recover ? "recovered" : "restored";
}

static const char *
target_kind (const TeesqlCliRestore *self)
{
  static const char *const kinds[] = { "latest", "time", "lsn", "name", "immediate" };

  return kinds[self->target];
}

static void
add_number (JsonBuilder *builder, const char *name, guint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64) value);
}

/* null where there is none */
static void
add_lsn (JsonBuilder *builder, const char *name, guint64 lsn)
{
  g_autofree char *text = lsn != 0 ? teesql_lsn_to_string (lsn) : NULL;

  teesql_cli_json_text (builder, name, text);
}

static void
add_strings (JsonBuilder *builder, const char *name, const GPtrArray *items)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (guint i = 0; i < items->len; i++)
    json_builder_add_string_value (builder, items->pdata[i]);
  json_builder_end_array (builder);
}

static void
add_chain (JsonBuilder *builder, const GPtrArray *chain)
{
  json_builder_set_member_name (builder, "backups");
  json_builder_begin_array (builder);
  for (guint i = 0; i < chain->len; i++)
    {
      g_autofree char *name = teesql_backup_dup_name (chain->pdata[i]);

      json_builder_add_string_value (builder, name);
    }
  json_builder_end_array (builder);
}

/* What a restore from a recovery key alone rests upon: the operator compares it with one that was written down (docs/backup.md). It is
 * that of the key at hand, whatever the record says. */
static char *
dup_check_value (const TeesqlCliRestore *self, guint32 epoch)
{
  guint8 check[8];

  return teesql_epoch_keys_check_value (self->repository->keys, epoch, check, NULL) ? teesql_hex_encode (check, sizeof check) : NULL;
}

static void
add_key_checks (JsonBuilder *builder, const TeesqlCliRestore *self, const TeesqlCatalogRecord *record)
{
  json_builder_set_member_name (builder, "key_checks");
  json_builder_begin_array (builder);
  for (guint i = 0; i < record->epochs->len; i++)
    {
      guint32 epoch = g_array_index (record->epochs, TeesqlEpochEntry, i).epoch;
      g_autofree char *check = dup_check_value (self, epoch);

      if (check == NULL)
        continue;
      json_builder_begin_object (builder);
      add_number (builder, "epoch", epoch);
      teesql_cli_json_text (builder, "check_value", check);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_recovery (JsonBuilder *builder, const TeesqlCliRestore *self)
{
  json_builder_set_member_name (builder, "new_timeline");
  if (self->report->new_timeline > 0)
    json_builder_add_int_value (builder, self->report->new_timeline);
  else
    json_builder_add_null_value (builder);
  add_lsn (builder, "recovered_lsn", self->report->recovered_lsn);
}

static void
print_json (const TeesqlCliRestore *self)
{
  g_autoptr (JsonBuilder) builder = teesql_cli_json_new ();
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->repository->catalog);
  const TeesqlRestoreReport *report = self->report;

  teesql_cli_json_text (builder, "outcome", outcome (self));
  teesql_cli_json_text (builder, "reason", NULL);
  teesql_cli_json_text (builder, "message", NULL);
  teesql_cli_json_text (builder, "directory", self->directory);
  teesql_cli_json_text (builder, "storage", self->repository->instance);
  teesql_cli_json_hex (builder, "cluster_id", self->repository->cluster_id, sizeof self->repository->cluster_id);
  teesql_cli_json_text (builder, "lineage", report->head.lineage.text);
  add_strings (builder, "catalog_problems", self->repository->problems);
  add_key_checks (builder, self, record);
  add_chain (builder, report->chain);
  teesql_cli_json_text (builder, "target", target_kind (self));
  teesql_cli_json_text (builder, "target_value", report->target_text);
  add_number (builder, "timeline", report->timeline);
  add_number (builder, "repository_timeline", report->repository_timeline);
  add_lsn (builder, "repository_lsn", report->repository_lsn);
  add_lsn (builder, "known_lsn", report->known.lsn);
  json_builder_set_member_name (builder, "known_timeline");
  if (report->known.timeline > 0)
    json_builder_add_int_value (builder, report->known.timeline);
  else
    json_builder_add_null_value (builder);
  add_number (builder, "bytes", report->bytes);
  add_number (builder, "files", report->files);
  add_strings (builder, "removed_settings", report->removed);
  add_strings (builder, "tablespaces", report->tablespaces);
  add_recovery (builder, self);
  json_builder_set_member_name (builder, "adopted");
  json_builder_add_boolean_value (builder, self->adopted);
  add_number (builder, "duration_ms", (guint64) ((g_get_monotonic_time () - self->begun_us) / 1000));
  json_builder_end_object (builder);
  teesql_cli_print_json (builder);
}

void
teesql_cli_restore_print_failure (const TeesqlCliRestore *self, const GError *error)
{
  g_autoptr (JsonBuilder) builder = teesql_cli_json_new ();

  teesql_cli_json_text (builder, "outcome", "refused");
  teesql_cli_json_text (builder, "reason", teesql_error_get_reason (error));
  teesql_cli_json_text (builder, "message", error->message);
  teesql_cli_json_text (builder, "directory", self->directory);
  teesql_cli_json_text (builder, "storage", self->repository->instance);
  json_builder_end_object (builder);
  teesql_cli_print_json (builder);
}

static void
print_positions (const TeesqlRestoreReport *report)
{
  g_autofree char *offered = teesql_lsn_to_string (report->repository_lsn);
  g_autofree char *known = report->known.lsn != 0 ? teesql_lsn_to_string (report->known.lsn) : g_strdup ("nothing");
  g_autofree char *where = report->known.timeline != 0 ? g_strdup_printf (" of timeline %u", report->known.timeline) : g_strdup ("");

  g_print ("lineage %s, timeline %u; the repository leads up to %s of timeline %u (newest that is known: %s%s)\n",
           report->head.lineage.text, report->timeline, offered, report->repository_timeline, known, where);
}

static void
print_key_checks (const TeesqlCliRestore *self, const TeesqlCatalogRecord *record)
{
  for (guint i = 0; i < record->epochs->len; i++)
    {
      guint32 epoch = g_array_index (record->epochs, TeesqlEpochEntry, i).epoch;
      g_autofree char *check = dup_check_value (self, epoch);

      g_print ("key epoch %u: check value %s\n", epoch, check != NULL ? check : "unknown, its key is not at hand");
    }
}

static void
print_plan (const TeesqlCliRestore *self)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->repository->catalog);
  const TeesqlRestoreReport *report = self->report;

  for (guint i = 0; i < self->repository->problems->len; i++)
    g_print ("accepted: %s\n", (const char *) self->repository->problems->pdata[i]);
  if (self->repository->problems->len > 0)
    g_print ("record %" G_GUINT64_FORMAT " is genuine; that it follows from what was known before nobody can prove\n",
             report->head.sequence);
  print_positions (report);
  print_key_checks (self, record);
  for (guint i = 0; i < report->chain->len; i++)
    {
      const TeesqlBackup *backup = report->chain->pdata[i];
      g_autofree char *name = teesql_backup_dup_name (backup);
      g_autofree char *size = teesql_cli_dup_size (teesql_backup_get_plain_size (backup));

      g_print ("%s backup %s, %s\n", backup->incremental ? "incremental" : "full", name, size);
    }
  g_print ("target: %s%s%s\n", target_kind (self), report->target_text != NULL ? " " : "",
           report->target_text != NULL ? report->target_text : "");
}

static void
print_changes (const TeesqlRestoreReport *report)
{
  for (guint i = 0; i < report->removed->len; i++)
    g_print ("setting taken out: %s\n", (const char *) report->removed->pdata[i]);
  for (guint i = 0; i < report->tablespaces->len; i++)
    g_print ("tablespace %s\n", (const char *) report->tablespaces->pdata[i]);
}

/* Only the teesqld of a managed server serves WAL for its recovery. */
static void
print_recovery (const TeesqlCliRestore *self)
{
  const TeesqlConfig *config = self->repository->config;

  if (strcmp (teesql_config_get_string (config, "postgresql", "mode"), "managed") == 0)
    g_print ("its recovery runs when teesqld starts it, and gets its WAL from teesqld\n");
  else
    g_print ("its recovery runs when it is started, and nobody serves its WAL at %s/wal.sock: [postgresql] mode is external\n"
             "  instead use `teesql restore --recover`\n",
             teesql_config_get_string (config, "teesql", "runtime-directory"));
}

static void
print_end (const TeesqlCliRestore *self)
{
  g_autofree char *size = teesql_cli_dup_size (self->report->bytes);
  g_autofree char *recovered = teesql_lsn_to_string (self->report->recovered_lsn);
  double seconds = (double) (g_get_monotonic_time () - self->begun_us) / G_USEC_PER_SEC;

  if (self->dry_run)
    g_print ("nothing was read or written: --dry-run\n");
  else if (self->verify_only)
    g_print ("%s in %" G_GUINT64_FORMAT " files verified in %.1f s, nothing written\n", size, self->report->files, seconds);
  else
    g_print ("%s: %s in %" G_GUINT64_FORMAT " files in %.1f s\n", self->directory, size, self->report->files, seconds);
  if (self->report->new_timeline > 0)
    g_print ("recovered up to %s, on timeline %u: it can be started\n", recovered, self->report->new_timeline);
  else if (!self->dry_run && !self->verify_only)
    print_recovery (self);
  if (self->adopted)
    g_print ("teesqld will begin a new lineage behind %s\n", self->report->head.lineage.text);
}

void
teesql_cli_restore_print (const TeesqlCliRestore *self)
{
  if (self->globals->json)
    {
      print_json (self);
      return;
    }
  if (self->globals->quiet)
    return;
  print_plan (self);
  print_changes (self->report);
  print_end (self);
}
