#include "backup/teesql-catalog-list.h"

#include "base/teesql-hex.h"

static void
add_text (JsonBuilder *builder, const char *name, const char *text)
{
  json_builder_set_member_name (builder, name);
  if (text != NULL)
    json_builder_add_string_value (builder, text);
  else
    json_builder_add_null_value (builder);
}

static void
add_number (JsonBuilder *builder, const char *name, gint64 number)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, number);
}

static void
add_id (JsonBuilder *builder, const char *name, const guint8 *id)
{
  g_autofree char *hex = teesql_hex_encode (id, TEESQL_SEAL_BACKUP_ID_SIZE);

  add_text (builder, name, hex);
}

static void
add_lsn (JsonBuilder *builder, const char *name, guint64 lsn)
{
  g_autofree char *text = teesql_lsn_to_string (lsn);

  add_text (builder, name, text);
}

void
teesql_catalog_list_add_backup (JsonBuilder *builder, const TeesqlBackup *backup)
{
  g_autofree char *name = teesql_backup_dup_name (backup);

  json_builder_begin_object (builder);
  add_text (builder, "name", name);
  add_id (builder, "id", backup->id);
  add_text (builder, "type", backup->incremental ? "incremental" : "full");
  if (backup->incremental)
    add_id (builder, "parent", backup->parent_id);
  else
    add_text (builder, "parent", NULL);
  add_text (builder, "label", backup->label);
  add_number (builder, "started", backup->started_unix);
  add_number (builder, "finished", backup->finished_unix);
  add_lsn (builder, "start_lsn", backup->start_lsn);
  add_lsn (builder, "stop_lsn", backup->stop_lsn);
  add_number (builder, "timeline", backup->timeline);
  add_number (builder, "epoch", backup->epoch);
  add_number (builder, "size", (gint64) teesql_backup_get_plain_size (backup));
  add_number (builder, "stored_size", (gint64) teesql_backup_get_stored_size (backup));
  json_builder_end_object (builder);
}

static void
add_range (JsonBuilder *builder, const TeesqlWalRange *range)
{
  json_builder_begin_object (builder);
  add_number (builder, "timeline", range->timeline);
  add_lsn (builder, "start_lsn", range->start_lsn);
  add_lsn (builder, "end_lsn", range->end_lsn);
  add_number (builder, "end", range->end_unix);
  json_builder_end_object (builder);
}

void
teesql_catalog_list_add_record (JsonBuilder *builder, const TeesqlCatalogRecord *record)
{
  add_text (builder, "lineage", record->lineage.text);
  add_text (builder, "parent_lineage", record->parent_lineage.text[0] != '\0' ? record->parent_lineage.text : NULL);
  add_number (builder, "sequence", (gint64) record->sequence);
  json_builder_set_member_name (builder, "backups");
  json_builder_begin_array (builder);
  for (guint i = 0; i < record->backups->len; i++)
    teesql_catalog_list_add_backup (builder, record->backups->pdata[i]);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "wal");
  json_builder_begin_array (builder);
  for (guint i = 0; i < record->wal->len; i++)
    add_range (builder, &g_array_index (record->wal, TeesqlWalRange, i));
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "epochs");
  json_builder_begin_array (builder);
  for (guint i = 0; i < record->epochs->len; i++)
    json_builder_add_int_value (builder, g_array_index (record->epochs, TeesqlEpochEntry, i).epoch);
  json_builder_end_array (builder);
}
