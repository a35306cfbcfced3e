#include "backup/teesql-backup-runner-private.h"
#include "backup/teesql-verify.h"

#include <json-glib/json-glib.h>

static void
progress_cb (guint64 done, guint64 total, const char *phase, gpointer data)
{
  teesql_backup_runner_set_phase (data, phase, done, total);
}

static void
add_text (JsonBuilder *builder, const char *name, const char *text)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, text != NULL ? text : "");
}

static void
add_finding (JsonBuilder *builder, const TeesqlVerifyFinding *finding)
{
  json_builder_begin_object (builder);
  add_text (builder, "severity", finding->severity == TEESQL_VERIFY_DAMAGE ? "damage" : "note");
  add_text (builder, "reason", finding->reason);
  add_text (builder, "name", finding->object);
  add_text (builder, "message", finding->message);
  json_builder_end_object (builder);
}

static void
add_number (JsonBuilder *builder, const char *name, guint64 number)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64) number);
}

static char *
render (TeesqlBackupRunner *self, gboolean deep, const TeesqlVerifyReport *report)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  add_text (builder, "storage", self->storage);
  json_builder_set_member_name (builder, "deep");
  json_builder_add_boolean_value (builder, deep);
  add_number (builder, "objects", report->n_objects);
  add_number (builder, "bytes", report->n_bytes);
  add_number (builder, "damages", report->n_damages);
  add_number (builder, "notes", report->n_notes);
  json_builder_set_member_name (builder, "findings");
  json_builder_begin_array (builder);
  for (guint i = 0; i < report->findings->len; i++)
    add_finding (builder, report->findings->pdata[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

char *
teesql_backup_runner_verify (TeesqlBackupRunner *self, gboolean deep, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlVerifyReport) report = NULL;

  /* what the catalog does not name yet would look like a stray */
  if (!teesql_catalog_flush (self->catalog, cancellable, error))
    return NULL;
  report = teesql_repository_verify_run (self->catalog, deep, progress_cb, self, cancellable, error);
  return report != NULL ? render (self, deep, report) : NULL;
}
