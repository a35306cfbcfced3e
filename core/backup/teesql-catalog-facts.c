/* What the faces show of a catalog, kept apart from it: whoever renders that must not wait for a disk. */
#include "backup/teesql-catalog-private.h"

/* The oldest backup whose end WAL reaches: from there on every moment can be had. */
static gint64
find_oldest_restorable (const TeesqlCatalogRecord *record)
{
  for (guint i = 0; i < record->backups->len; i++)
    {
      const TeesqlBackup *backup = record->backups->pdata[i];
      guint64 end = 0;

      if (teesql_catalog_record_covers (record, backup->timeline, backup->start_lsn, &end) && end >= backup->stop_lsn)
        return backup->finished_unix;
    }
  return 0;
}

static void
fill_from_record (TeesqlCatalogFacts *facts, const TeesqlCatalogRecord *record)
{
  facts->n_backups = record->backups->len;
  facts->lineage = record->lineage;
  facts->oldest_restorable_unix = find_oldest_restorable (record);
  for (guint i = 0; i < record->backups->len; i++)
    {
      const TeesqlBackup *backup = record->backups->pdata[i];

      facts->last_backup_unix = MAX (facts->last_backup_unix, backup->finished_unix);
      if (!backup->incremental)
        facts->last_full_unix = MAX (facts->last_full_unix, backup->finished_unix);
    }
}

void
teesql_catalog_renew_facts (TeesqlCatalog *self)
{
  TeesqlCatalogFacts facts = { .head = self->head };

  if (self->record != NULL)
    fill_from_record (&facts, self->record);
  g_mutex_lock (&self->facts_lock);
  self->facts = facts;
  g_mutex_unlock (&self->facts_lock);
}

void
teesql_catalog_get_facts (TeesqlCatalog *self, TeesqlCatalogFacts *out)
{
  g_mutex_lock (&self->facts_lock);
  *out = self->facts;
  g_mutex_unlock (&self->facts_lock);
}
