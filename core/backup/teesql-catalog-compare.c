#include "backup/teesql-catalog-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"

#include <string.h>

/* SR-19: the head against what the store shows, both ways. */

#define refuse(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, reason, __VA_ARGS__)

static gboolean
fits_cluster (TeesqlCatalog *self, const TeesqlCatalogRecord *record, GError **error)
{
  if (record->system_identifier != self->system_identifier)
    return refuse (error, "foreign-cluster",
                   "the catalog is of PostgreSQL system %" G_GUINT64_FORMAT ", the server is %" G_GUINT64_FORMAT
                   "\nhint: it was initialised anew or restored from elsewhere; `teesql backup accept` begins a new lineage for it",
                   record->system_identifier, self->system_identifier);
  if (record->segment_size != self->segment_size)
    return refuse (error, "foreign-cluster", "the catalog is of a cluster with WAL segments of %u bytes, the server's have %u",
                   record->segment_size, self->segment_size);
  return teesql_catalog_check_epochs (self->repository, record, error);
}

static gboolean
behind (TeesqlCatalog *self, guint64 newest, GError **error)
{
  return refuse (error, "repository-behind",
                 "the newest record there is %" G_GUINT64_FORMAT ", this node stored %" G_GUINT64_FORMAT
                 " in lineage %s: the repository was rolled back, or records were deleted" TEESQL_ACCEPT_HINT,
                 newest, self->head.sequence, self->lineage.text);
}

static gboolean
forked (TeesqlCatalog *self, const TeesqlCatalogRecord *found, GError **error)
{
  return refuse (error, "repository-forked",
                 "record %" G_GUINT64_FORMAT " of lineage %s is not the one this node stored, it was written by node “%s”: neither history "
                 "extends the other" TEESQL_ACCEPT_HINT,
                 found->sequence, self->lineage.text, found->node);
}

/* The record the head names, as it was stored. */
static gboolean
load_own (TeesqlCatalog *self, const TeesqlChainListing *listing, TeesqlLoadedRecord *out, GCancellable *cancellable, GError **error)
{
  GError *cause = NULL;
  guint64 sequence = self->head.sequence;

  if (!teesql_catalog_load (self->repository, &self->lineage, sequence, out, cancellable, &cause))
    {
      if (listing->newest < sequence && g_error_matches (cause, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
        {
          g_error_free (cause);
          return behind (self, listing->newest, error);
        }
      return teesql_catalog_broken (error, cause, &self->lineage, sequence);
    }
  return memcmp (out->digest, self->head.digest, sizeof out->digest) == 0 || forked (self, out->record, error);
}

/* The record that was on its way when the last run ended: it arrived, or it never did. */
static gboolean
take_pending (TeesqlCatalog *self, TeesqlLoadedRecord *newest, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlLoadedRecord) next = { 0 };
  g_autoptr (GError) cause = NULL;
  TeesqlHead head = self->head;

  if (!teesql_catalog_load (self->repository, &self->lineage, head.sequence + 1, &next, cancellable, &cause))
    {
      if (!g_error_matches (cause, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
        return teesql_catalog_broken (error, g_steal_pointer (&cause), &self->lineage, head.sequence + 1);
      /* it may still arrive: then it is known as ours */
      g_array_append_vals (self->abandoned, head.pending_digest, 1);
      return TRUE;
    }
  if (memcmp (next.digest, head.pending_digest, sizeof next.digest) != 0)
    return TRUE; /* somebody else's: the comparison has a name for it */
  if (!teesql_catalog_advance (self, next.record->sequence, next.digest, error))
    return FALSE;
  teesql_log_info ("backup", "record %" G_GUINT64_FORMAT " was stored before the last run ended", next.record->sequence);
  teesql_loaded_record_clear (newest);
  *newest = next;
  next.record = NULL;
  return TRUE;
}

/* Records beyond ours: a chain that goes on from our record, or one that does not. */
static gboolean
judge_newer (TeesqlCatalog *self, guint64 newest, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlLoadedRecord) found = { 0 };
  guint8 digest[32];
  GError *cause = NULL;
  g_autoptr (GDateTime) written = NULL;
  g_autofree char *time = NULL;

  if (!teesql_catalog_load (self->repository, &self->lineage, newest, &found, cancellable, &cause))
    return teesql_catalog_broken (error, cause, &self->lineage, newest);
  if (!teesql_catalog_walk (self->repository, &found, MAX (self->head.sequence, 1), digest, cancellable, error))
    return FALSE;
  if (self->head.sequence > 0 && memcmp (digest, self->head.digest, sizeof digest) != 0)
    return forked (self, found.record, error);
  written = g_date_time_new_from_unix_utc (found.record->written_unix);
  time = written != NULL ? g_date_time_format_iso8601 (written) : g_strdup ("an unknown time");
  return refuse (error, "repository-ahead",
                 "lineage %s goes on to record %" G_GUINT64_FORMAT " (node “%s”, %s), this node knows %" G_GUINT64_FORMAT
                 ": our volume was rolled back, or another node writes" TEESQL_ACCEPT_HINT,
                 self->lineage.text, newest, found.record->node, time, self->head.sequence);
}

static gboolean
judge_listing (TeesqlCatalog *self, const TeesqlChainListing *listing, GCancellable *cancellable, GError **error)
{
  if (listing->newest > self->head.sequence)
    return judge_newer (self, listing->newest, cancellable, error);
  if (listing->newest < self->head.sequence)
    return refuse (error, "catalog-broken",
                   "record %" G_GUINT64_FORMAT " of lineage %s is there, but the listing ends at %" G_GUINT64_FORMAT, self->head.sequence,
                   self->lineage.text, listing->newest);
  if (listing->first_missing > 0)
    return refuse (error, "catalog-broken", "record %" G_GUINT64_FORMAT " of lineage %s is missing in the middle" TEESQL_ACCEPT_HINT,
                   listing->first_missing, self->lineage.text);
  return TRUE;
}

/* A record that nobody stored has no digest yet; only the first one can be so. */
static gboolean
compare_unborn (TeesqlCatalog *self, TeesqlLoadedRecord *newest, GCancellable *cancellable, GError **error)
{
  TeesqlChainListing listing = { 0 };

  if (self->head.pending && !take_pending (self, newest, cancellable, error))
    return FALSE;
  if (newest->record != NULL)
    return TRUE;
  return teesql_catalog_list (self->repository, &self->lineage, &listing, cancellable, error) &&
         (listing.newest == 0 || judge_newer (self, listing.newest, cancellable, error));
}

static gboolean
compare_born (TeesqlCatalog *self, TeesqlLoadedRecord *newest, GCancellable *cancellable, GError **error)
{
  TeesqlChainListing listing = { 0 };

  return teesql_catalog_list (self->repository, &self->lineage, &listing, cancellable, error) &&
         load_own (self, &listing, newest, cancellable, error) &&
         (!self->head.pending || take_pending (self, newest, cancellable, error)) && judge_listing (self, &listing, cancellable, error);
}

gboolean
teesql_catalog_compare (TeesqlCatalog *self, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlLoadedRecord) newest = { 0 };

  if (!(self->head.sequence == 0 ? compare_unborn : compare_born) (self, &newest, cancellable, error))
    return FALSE;
  if (newest.record == NULL)
    return TRUE;
  if (!fits_cluster (self, newest.record, error))
    return FALSE;
  self->record = g_steal_pointer (&newest.record);
  return TRUE;
}

/* A reader has no head of its own, but may be told of one: what it found must go on from there, however far that is. */
gboolean
teesql_catalog_check_known (TeesqlCatalog *self, const TeesqlHead *known, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlLoadedRecord) newest = { 0 };
  guint8 digest[32];
  GError *cause = NULL;

  g_return_val_if_fail (known->sequence > 0 && known->sequence <= self->head.sequence, FALSE);
  if (!teesql_catalog_load (self->repository, &self->lineage, self->head.sequence, &newest, cancellable, &cause))
    return teesql_catalog_broken (error, cause, &self->lineage, self->head.sequence);
  if (!teesql_catalog_walk (self->repository, &newest, known->sequence, digest, cancellable, error))
    return FALSE;
  if (memcmp (newest.digest, self->head.digest, sizeof newest.digest) == 0 && memcmp (digest, known->digest, sizeof digest) == 0)
    return TRUE;
  return refuse (error, "repository-forked",
                 "record %" G_GUINT64_FORMAT " of lineage %s is not the one this node stored: neither history extends the other\n"
                 "hint: --lineage restores what is there, if it is what you want",
                 known->sequence, self->lineage.text);
}

/* other lineages */

static gboolean
is_genuine (TeesqlCatalog *self, const TeesqlLineage *lineage, TeesqlLoadedRecord *out, gboolean *out_genuine, GCancellable *cancellable,
            GError **error)
{
  TeesqlChainListing listing = { 0 };
  g_autoptr (GError) cause = NULL;

  *out_genuine = FALSE;
  if (!teesql_catalog_list (self->repository, lineage, &listing, cancellable, error))
    return FALSE;
  if (listing.newest == 0)
    return TRUE; /* begun and given up, or no lineage at all */
  *out_genuine = teesql_catalog_load (self->repository, lineage, listing.newest, out, cancellable, &cause);
  if (*out_genuine || teesql_catalog_is_damage (cause))
    {
      if (!*out_genuine)
        teesql_log_warning ("backup", "foreign-object: lineage %s is not this cluster's: %s", lineage->text, cause->message);
      return TRUE;
    }
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
compare_other (TeesqlCatalog *self, const TeesqlLineage *lineage, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlLoadedRecord) found = { 0 };
  gboolean genuine = FALSE;
  gboolean same = teesql_lineage_get_generation (lineage) == teesql_lineage_get_generation (&self->lineage);

  if (!is_genuine (self, lineage, &found, &genuine, cancellable, error))
    return FALSE;
  if (!genuine)
    return TRUE;
  return refuse (error, same ? "repository-forked" : "repository-ahead", "node “%s” began lineage %s, %s ours (%s): %s" TEESQL_ACCEPT_HINT,
                 found.record->node, lineage->text, same ? "beside" : "after", self->lineage.text,
                 same ? "two nodes go on from the same state" : "another node took this cluster over, or our volume was rolled back");
}

gboolean
teesql_catalog_compare_others (TeesqlCatalog *self, const GArray *lineages, GCancellable *cancellable, GError **error)
{
  guint32 own = teesql_lineage_get_generation (&self->lineage);

  for (guint i = 0; i < lineages->len; i++)
    {
      const TeesqlLineage *lineage = &g_array_index (lineages, TeesqlLineageEntry, i).lineage;

      if (strcmp (lineage->text, self->lineage.text) != 0 && teesql_lineage_get_generation (lineage) >= own &&
          !compare_other (self, lineage, cancellable, error))
        return FALSE;
    }
  return TRUE;
}
