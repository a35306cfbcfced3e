/* What a repository at work tells the faces. */
#include "backup/teesql-backup-runner-private.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"

#include <string.h>

/* Everything that is copied under the lock, to be judged without it. */
typedef struct
{
  gboolean open; /* the catalog */
  TeesqlCatalogFacts catalog;
  TeesqlWalFacts wal;
  gboolean has_wal;
  GError *problem;
  GError *backup_problem;
  GError *settings_problem;
  GError *store_problem;
  char *running;
  guint max_lag_ms;
} Snapshot;

static void
snapshot_clear (Snapshot *self)
{
  g_clear_error (&self->problem);
  g_clear_error (&self->backup_problem);
  g_clear_error (&self->settings_problem);
  g_clear_error (&self->store_problem);
  g_free (self->running);
}

static void
count_wal (TeesqlBackupRunner *self, const TeesqlWalFacts *facts)
{
  teesql_status_count (self->status, TEESQL_COUNTER_WAL_BYTES, facts->bytes - self->counted_bytes);
  teesql_status_count (self->status, TEESQL_COUNTER_WAL_SEGMENTS, facts->segments - self->counted_segments);
  self->counted_bytes = facts->bytes;
  self->counted_segments = facts->segments;
}

void
teesql_backup_runner_count_wal (TeesqlBackupRunner *self, TeesqlWalArchiver *archiver)
{
  TeesqlWalFacts facts = { 0 };

  teesql_wal_archiver_get_facts (archiver, &facts);
  g_mutex_lock (&self->lock);
  count_wal (self, &facts);
  g_mutex_unlock (&self->lock);
}

static char *
describe_running (const TeesqlBackupRunner *self)
{
  if (self->phase == NULL)
    return NULL;
  if (self->total == 0)
    return g_strdup (self->phase);
  return g_strdup_printf ("%s %u %%", self->phase, (guint) MIN (100, self->done * 100 / self->total));
}

static void
take_snapshot (TeesqlBackupRunner *self, Snapshot *out)
{
  g_mutex_lock (&self->lock);
  out->open = self->catalog != NULL;
  if (out->open)
    teesql_catalog_get_facts (self->catalog, &out->catalog);
  if (self->archiver != NULL)
    {
      teesql_wal_archiver_get_facts (self->archiver, &out->wal);
      count_wal (self, &out->wal);
      out->has_wal = TRUE;
    }
  if (self->store != NULL)
    out->store_problem = teesql_store_get_last_problem (self->store);
  out->problem = self->problem != NULL ? g_error_copy (self->problem) : NULL;
  out->backup_problem = self->backup_problem != NULL ? g_error_copy (self->backup_problem) : NULL;
  out->settings_problem = self->settings_problem != NULL ? g_error_copy (self->settings_problem) : NULL;
  out->running = describe_running (self);
  out->max_lag_ms = teesql_config_get_duration_ms (self->config, "backup", "max-lag");
  g_mutex_unlock (&self->lock);
}

static gboolean
is_refusal (const GError *error)
{
  return error != NULL && error->domain == TEESQL_BACKUP_ERROR && error->code == TEESQL_ERROR_REFUSED;
}

static const char *
name_state (const Snapshot *snapshot)
{
  if (is_refusal (snapshot->problem))
    return "refused";
  if (!snapshot->open)
    return snapshot->problem != NULL ? "waiting" : "starting";
  switch (snapshot->wal.state)
    {
    case TEESQL_WAL_STREAMING:
      return "streaming";
    case TEESQL_WAL_WAITING:
      return "waiting";
    case TEESQL_WAL_STOPPED:
      return "stopped";
    case TEESQL_WAL_STARTING:
      break;
    }
  return "starting";
}

static void
fill_from_catalog (TeesqlBackupFacts *facts, const TeesqlCatalogFacts *catalog)
{
  facts->n_backups = catalog->n_backups;
  facts->lineage = catalog->lineage.text;
  facts->oldest_restorable_unix = catalog->oldest_restorable_unix;
  facts->last_backup_unix = catalog->last_backup_unix;
  facts->last_full_unix = catalog->last_full_unix;
  facts->timeline = catalog->head.timeline;
  facts->durable_lsn = catalog->head.lsn;
  facts->head_sequence = (gint64) catalog->head.sequence;
}

static const char *
choose_problem (const Snapshot *snapshot)
{
  if (snapshot->problem != NULL)
    return snapshot->problem->message;
  if (snapshot->wal.problem[0] != '\0')
    return snapshot->wal.problem;
  if (snapshot->store_problem != NULL)
    return snapshot->store_problem->message;
  if (snapshot->backup_problem != NULL)
    return snapshot->backup_problem->message;
  return snapshot->settings_problem != NULL ? snapshot->settings_problem->message : NULL;
}

static GError *
judge (const TeesqlBackupRunner *self, const Snapshot *snapshot)
{
  GError *verdict = NULL;

  if (snapshot->problem != NULL)
    verdict = g_error_copy (snapshot->problem);
  else if (snapshot->wal.lag_ms > snapshot->max_lag_ms)
    verdict = teesql_error_new (TEESQL_BACKUP_ERROR, TEESQL_ERROR_UNAVAILABLE, "wal-lag", 0,
                                "WAL waits since %" G_GUINT64_FORMAT " s to be stored: %s", snapshot->wal.lag_ms / 1000,
                                snapshot->wal.problem[0] != '\0' ? snapshot->wal.problem : "the storage is too slow");
  else if (snapshot->store_problem != NULL)
    verdict = g_error_copy (snapshot->store_problem);
  else if (snapshot->wal.state == TEESQL_WAL_WAITING)
    verdict =
        teesql_error_new (TEESQL_BACKUP_ERROR, TEESQL_ERROR_UNAVAILABLE, "wal-waiting", 0, "WAL is not stored: %s", snapshot->wal.problem);
  else if (snapshot->backup_problem != NULL)
    {
      verdict = g_error_copy (snapshot->backup_problem);
      g_prefix_error (&verdict, "the last backup failed: ");
    }
  else if (snapshot->settings_problem != NULL)
    verdict = g_error_copy (snapshot->settings_problem);
  if (verdict != NULL)
    g_prefix_error (&verdict, "%s: ", self->storage);
  return verdict;
}

GError *
teesql_backup_runner_publish (TeesqlBackupRunner *self)
{
  Snapshot snapshot = { 0 };
  TeesqlBackupFacts facts = { 0 };
  g_autofree char *digest = NULL;
  GError *verdict = NULL;

  take_snapshot (self, &snapshot);
  facts.state = name_state (&snapshot);
  facts.running = snapshot.running;
  facts.problem = choose_problem (&snapshot);
  facts.wal_known = snapshot.has_wal;
  facts.wal_lag_bytes = snapshot.wal.lag_bytes;
  facts.wal_lag_ms = snapshot.wal.lag_ms;
  facts.gaps = snapshot.wal.gaps;
  if (snapshot.open)
    fill_from_catalog (&facts, &snapshot.catalog);
  if (facts.head_sequence > 0)
    facts.head_digest = digest = teesql_hex_encode (snapshot.catalog.head.digest, sizeof snapshot.catalog.head.digest);
  teesql_status_set_backup (self->status, self->storage, &facts);
  verdict = judge (self, &snapshot);
  snapshot_clear (&snapshot);
  return verdict;
}
