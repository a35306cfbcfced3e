#include "backup/teesql-verify.h"

#include "backup/teesql-catalog-recovery.h"
#include "backup/teesql-lineages.h"
#include "backup/teesql-verify-private.h"
#include "base/teesql-domains.h"

#include <string.h>

#define MAX_OBJECTS   ((guint64) 50000000)
#define QUICK_LINKS   ((guint64) 32)
#define RECORD_DIGITS 16

static void
finding_free (gpointer data)
{
  TeesqlVerifyFinding *finding = data;

  g_free (finding->reason);
  g_free (finding->object);
  g_free (finding->message);
  g_free (finding);
}

void
teesql_verify_report_free (TeesqlVerifyReport *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->findings);
  g_free (self);
}

static TeesqlVerifyFinding *
make_finding (TeesqlVerifySeverity severity, const char *reason, const char *object, char *message)
{
  TeesqlVerifyFinding *finding = g_new0 (TeesqlVerifyFinding, 1);

  finding->severity = severity;
  finding->reason = g_strdup (reason);
  finding->object = g_strdup (object);
  finding->message = message;
  return finding;
}

void
teesql_verify_find (TeesqlVerifyRun *run, TeesqlVerifySeverity severity, const char *reason, const char *object, const char *format, ...)
{
  TeesqlVerifyReport *report = run->report;
  va_list args;

  if (severity == TEESQL_VERIFY_DAMAGE)
    report->n_damages++;
  else
    report->n_notes++;
  if (report->findings->len == TEESQL_VERIFY_FINDINGS_MAX)
    return;
  va_start (args, format);
  g_ptr_array_add (report->findings, make_finding (severity, reason, object, g_strdup_vprintf (format, args)));
  va_end (args);
}

/* The seal says what is wrong with an object, the operator wants to know what happened to it. */
static const char *
name_damage (const GError *problem)
{
  const char *reason = teesql_error_get_reason (problem);

  if (problem->code == TEESQL_ERROR_NOT_FOUND)
    return "object-missing";
  if (g_str_equal (reason, "seal-context"))
    return "object-substituted"; /* a whole object, of another place */
  if (g_str_equal (reason, "seal-truncated") || g_str_equal (reason, "seal-size"))
    return "object-truncated";
  return reason;
}

gboolean
teesql_verify_take (TeesqlVerifyRun *run, const char *object, GError *problem, GError **error)
{
  /* whatever the seal says, a key that we lack included, leaves an object useless; the store's silence does not */
  if (!teesql_catalog_is_damage (problem) && problem->domain != TEESQL_BACKUP_ERROR)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  teesql_verify_find (run, TEESQL_VERIFY_DAMAGE, name_damage (problem), object, "%s", problem->message);
  g_error_free (problem);
  return TRUE;
}

void
teesql_verify_tell (TeesqlVerifyRun *run, guint64 bytes, const char *phase)
{
  run->done += bytes;
  if (run->progress != NULL)
    run->progress (run->done, run->total, phase, run->progress_data);
}

/* what is there */

static gboolean
is_other_lineage (const char *name, const TeesqlLineage *own)
{
  TeesqlLineage lineage;

  return strlen (name) > TEESQL_LINEAGE_SIZE && name[TEESQL_LINEAGE_SIZE - 1] == '/' &&
         teesql_lineage_parse (name, TEESQL_LINEAGE_SIZE - 1, &lineage, NULL) && strcmp (lineage.text, own->text) != 0;
}

/* the chain */

static gboolean
check_mark (TeesqlVerifyRun *run, GError **error)
{
  const TeesqlLineage *lineage = teesql_catalog_get_lineage (run->catalog);
  g_autofree char *name = teesql_lineages_dup_name (teesql_repository_get_cluster_id (run->repository), lineage);
  GError *problem = NULL;

  return teesql_lineages_check (run->repository, lineage, run->cancellable, &problem) || teesql_verify_take (run, name, problem, error);
}

/* Where a restored cluster came from. It needs nothing of it, but history before its beginning is only there. */
static gboolean
check_parent (TeesqlVerifyRun *run, GError **error)
{
  const TeesqlCatalogRecord *record = run->record;
  g_auto (TeesqlLoadedRecord) parent = { 0 };
  g_autoptr (GError) problem = NULL;

  if (record->parent_sequence == 0)
    return TRUE;
  if (!teesql_catalog_load (run->repository, &record->parent_lineage, record->parent_sequence, &parent, run->cancellable, &problem) &&
      !teesql_catalog_is_damage (problem))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (parent.record == NULL || memcmp (parent.digest, record->parent_digest, sizeof parent.digest) != 0)
    teesql_verify_find (run, TEESQL_VERIFY_NOTE, "catalog-parent", record->parent_lineage.text,
                        "record %" G_GUINT64_FORMAT ", from which this lineage was begun, is %s", record->parent_sequence,
                        parent.record == NULL ? "not there" : "another one");
  return TRUE;
}

static gboolean
check_records (TeesqlVerifyRun *run, GError **error)
{
  const TeesqlLineage *lineage = teesql_catalog_get_lineage (run->catalog);
  g_auto (TeesqlLoadedRecord) newest = { 0 };
  TeesqlHead head;
  guint8 digest[32];
  GError *problem = NULL;
  guint64 links = run->deep ? TEESQL_CHAIN_KEPT : QUICK_LINKS;

  teesql_catalog_get_head (run->catalog, &head);
  if (!teesql_catalog_load (run->repository, lineage, head.sequence, &newest, run->cancellable, &problem))
    {
      teesql_catalog_broken (&problem, g_steal_pointer (&problem), lineage, head.sequence);
      return teesql_verify_take (run, lineage->text, problem, error);
    }
  if (memcmp (newest.digest, head.digest, sizeof head.digest) != 0)
    teesql_verify_find (run, TEESQL_VERIFY_DAMAGE, "catalog-broken", lineage->text,
                        "record %" G_GUINT64_FORMAT " is not the one this node stored", head.sequence);
  run->report->n_objects += MIN (links, head.sequence);
  return teesql_catalog_walk (run->repository, &newest, head.sequence > links ? head.sequence - links + 1 : 1, digest, run->cancellable,
                              &problem) ||
         teesql_verify_take (run, lineage->text, problem, error);
}

gboolean
teesql_verify_chain (TeesqlVerifyRun *run, GError **error)
{
  return check_records (run, error) && check_mark (run, error) && check_parent (run, error);
}

/* the listing */

static gboolean
is_record_name (const TeesqlVerifyRun *run, const char *name)
{
  g_autofree char *own = teesql_layout_catalog (teesql_repository_get_cluster_id (run->repository),
                                                teesql_catalog_get_lineage (run->catalog), run->record->sequence);
  gsize prefix = strlen (own) - RECORD_DIGITS;

  return strlen (name) == strlen (own) && strncmp (name, own, prefix) == 0 && strcmp (name, own) <= 0 &&
         strspn (name + prefix, "0123456789abcdef") == RECORD_DIGITS;
}

static gboolean
is_key_name (const TeesqlVerifyRun *run, const char *name)
{
  guint32 epoch = 0;
  g_autofree char *recipient = NULL;

  return teesql_recovery_parse_name (teesql_repository_get_cluster_id (run->repository), name, &epoch, &recipient);
}

/* A store may add what it likes: counted, and named up to a limit. */
static void
note_stray (TeesqlVerifyRun *run, const char *name)
{
  g_autofree char *cluster = teesql_layout_cluster (teesql_repository_get_cluster_id (run->repository));
  g_autofree char *base = g_strconcat (cluster, teesql_catalog_get_lineage (run->catalog)->text, "/base/", NULL);

  run->report->n_notes++;
  if (run->strays->len == TEESQL_VERIFY_FINDINGS_MAX)
    return;
  if (is_key_name (run, name))
    g_ptr_array_add (run->strays,
                     make_finding (TEESQL_VERIFY_NOTE, "object-stray", name, g_strdup ("a recovery key that this node did not store")));
  else if (g_str_has_prefix (name, base))
    g_ptr_array_add (run->strays, make_finding (TEESQL_VERIFY_NOTE, "object-stray", name,
                                                g_strdup ("of a backup that is being made, or that was broken off")));
  else
    g_ptr_array_add (run->strays, make_finding (TEESQL_VERIFY_NOTE, "object-foreign", name, g_strdup ("no name of ours")));
}

typedef struct
{
  TeesqlVerifyRun *run;
  char *cluster; /* prefix */
} Listing;

static gboolean
object_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  const Listing *self = user_data;
  TeesqlVerifyRun *run = self->run;
  const TeesqlLineage *lineage = teesql_catalog_get_lineage (run->catalog);
  const char *name = teesql_object_info_get_name (info);
  guint64 *expected = g_hash_table_lookup (run->expected, name);
  TeesqlWalObject object;

  if (!g_str_has_prefix (name, self->cluster) || is_other_lineage (name + strlen (self->cluster), lineage))
    return TRUE;
  if (expected != NULL)
    *expected = MIN (teesql_object_info_get_size (info), TEESQL_VERIFY_ABSENT - 1);
  else if (teesql_wal_object_parse (run->repository, lineage, name, run->record->segment_size, &object))
    return teesql_verify_take_wal (run, &object, error);
  else if (!is_record_name (run, name) && !g_hash_table_contains (run->keys, name))
    note_stray (run, name);
  return TRUE;
}

static gboolean
verify_list (TeesqlVerifyRun *run, GError **error)
{
  g_autofree char *cluster = teesql_layout_cluster (teesql_repository_get_cluster_id (run->repository));
  Listing listing = { run, cluster };

  teesql_verify_expect (run);
  teesql_verify_begin_wal (run);
  return teesql_store_list (teesql_repository_get_store (run->repository), cluster, MAX_OBJECTS, object_cb, &listing, run->cancellable,
                            error) &&
         teesql_verify_end_wal (run, error);
}

static void
append_strays (TeesqlVerifyRun *run)
{
  while (run->strays->len > 0 && run->report->findings->len < TEESQL_VERIFY_FINDINGS_MAX)
    g_ptr_array_add (run->report->findings, g_ptr_array_steal_index (run->strays, 0));
}

static guint64
estimate (const TeesqlVerifyRun *run)
{
  guint64 total = 0;

  if (!run->deep)
    return 0;
  for (guint i = 0; i < run->record->backups->len; i++)
    total += teesql_backup_get_stored_size (g_ptr_array_index (run->record->backups, i));
  return total;
}

static void
run_clear (TeesqlVerifyRun *run)
{
  g_clear_pointer (&run->record, teesql_catalog_record_free);
  g_clear_pointer (&run->expected, g_hash_table_unref);
  g_clear_pointer (&run->keys, g_hash_table_unref);
  g_clear_pointer (&run->strays, g_ptr_array_unref);
  g_clear_pointer (&run->reach, g_array_unref);
}

TeesqlVerifyReport *
teesql_repository_verify_run (TeesqlCatalog *catalog, gboolean deep, TeesqlVerifyProgress progress, gpointer progress_data,
                              GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlVerifyReport) report = g_new0 (TeesqlVerifyReport, 1);
  TeesqlVerifyRun run = { .catalog = catalog,
                          .repository = teesql_catalog_get_repository (catalog),
                          .deep = deep,
                          .progress = progress,
                          .progress_data = progress_data,
                          .cancellable = cancellable,
                          .report = report };
  gboolean done = FALSE;

  report->findings = g_ptr_array_new_with_free_func (finding_free);
  run.expected = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  run.keys = teesql_catalog_load_recovery (catalog);
  run.strays = g_ptr_array_new_with_free_func (finding_free);
  run.record = teesql_catalog_dup_record (catalog); /* before the listing: what comes later is in neither */
  run.total = estimate (&run);
  done = teesql_verify_chain (&run, error) && verify_list (&run, error) && teesql_verify_backups (&run, error) &&
         teesql_verify_keys (&run, error);
  append_strays (&run);
  run_clear (&run);
  return done ? g_steal_pointer (&report) : NULL;
}
