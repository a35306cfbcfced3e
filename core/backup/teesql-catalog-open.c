#include "backup/teesql-catalog-private.h"
#include "backup/teesql-catalog-wal.h"
#include "backup/teesql-state-file.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"

#include <string.h>

#define READ_LINKS ((guint64) 32) /* of the chain that a reader follows; verify follows all */

#define refuse(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, reason, __VA_ARGS__)

/* beginning a lineage */

static void
fill_epochs (TeesqlEpochKeys *keys, GArray *epochs)
{
  for (guint32 epoch = 0; epoch <= teesql_epoch_keys_get_newest (keys); epoch++)
    {
      TeesqlEpochEntry entry = { .epoch = epoch, .since_unix = teesql_catalog_now () };

      if (teesql_epoch_keys_check_value (keys, epoch, entry.check_value, NULL))
        g_array_append_val (epochs, entry);
    }
}

static TeesqlCatalogRecord *
make_first (TeesqlCatalog *self, const TeesqlAcceptMark *parent)
{
  TeesqlCatalogRecord *record = teesql_catalog_record_new ();

  memcpy (record->cluster_id, teesql_repository_get_cluster_id (self->repository), sizeof record->cluster_id);
  record->lineage = self->lineage;
  record->system_identifier = self->system_identifier;
  record->segment_size = self->segment_size;
  if (parent != NULL && parent->has_parent)
    {
      record->parent_lineage = parent->lineage;
      record->parent_sequence = parent->sequence;
      memcpy (record->parent_digest, parent->digest, sizeof record->parent_digest);
    }
  fill_epochs (teesql_repository_get_keys (self->repository), record->epochs);
  return record;
}

gboolean
teesql_catalog_begin (TeesqlCatalog *self, const TeesqlAcceptMark *parent, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) first = make_first (self, parent);
  g_autoptr (GError) problem = NULL;

  /* the head first: whatever a crash leaves in the store is known to be ours */
  if (!teesql_head_store (self->head_path, self->head_key, &self->head, error) ||
      !teesql_lineages_note (self->repository, &self->lineage, cancellable, error))
    return FALSE;
  if (teesql_catalog_put_record (self, first, &self->head, cancellable, &problem))
    return TRUE;
  if (g_error_matches (problem, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS))
    return refuse (error, "repository-taken", "lineage %s is being begun by somebody else: %s", self->lineage.text, problem->message);
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

static gboolean
parent_is_there (TeesqlCatalog *self, const TeesqlAcceptMark *mark, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlLoadedRecord) found = { 0 };
  GError *cause = NULL;

  if (!mark->has_parent)
    return TRUE;
  if (!teesql_catalog_load (self->repository, &mark->lineage, mark->sequence, &found, cancellable, &cause))
    return teesql_catalog_broken (error, cause, &mark->lineage, mark->sequence);
  if (memcmp (found.digest, mark->digest, sizeof found.digest) == 0)
    return TRUE;
  return refuse (error, "repository-forked",
                 "record %" G_GUINT64_FORMAT " of lineage %s is not the one that was accepted: it changed since" TEESQL_ACCEPT_HINT,
                 mark->sequence, mark->lineage.text);
}

/* Only lineages with a genuine record count: a name alone costs a hostile store nothing, and would use up the generations. */
static gboolean
find_generation (TeesqlCatalog *self, const GArray *lineages, guint32 *out_newest, GCancellable *cancellable, GError **error)
{
  for (guint i = 0; i < lineages->len; i++)
    {
      const TeesqlLineage *lineage = &g_array_index (lineages, TeesqlLineageEntry, i).lineage;
      guint32 generation = teesql_lineage_get_generation (lineage);
      g_autoptr (GError) problem = NULL;

      if (generation <= *out_newest)
        continue;
      if (teesql_lineages_check (self->repository, lineage, cancellable, &problem))
        *out_newest = generation;
      else if (!teesql_catalog_is_damage (problem))
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return FALSE;
        }
    }
  if (*out_newest == G_MAXUINT32)
    return refuse (error, "generation-exhausted", "lineages of 2^32 - 1 generations are there already");
  return TRUE;
}

static gboolean
begin_next (TeesqlCatalog *self, const GArray *lineages, const TeesqlAcceptMark *mark, guint32 known_generation, GCancellable *cancellable,
            GError **error)
{
  guint32 newest = MAX (known_generation, mark != NULL && mark->has_parent ? teesql_lineage_get_generation (&mark->lineage) : 0);

  if ((mark != NULL && !parent_is_there (self, mark, cancellable, error)) ||
      !find_generation (self, lineages, &newest, cancellable, error) || !teesql_lineage_new (newest + 1, &self->lineage, error))
    return FALSE;
  self->head = (TeesqlHead){ .lineage = self->lineage, .system_identifier = self->system_identifier };
  memcpy (self->head.cluster_id, teesql_repository_get_cluster_id (self->repository), sizeof self->head.cluster_id);
  return teesql_catalog_begin (self, mark, cancellable, error);
}

/* going on */

static gboolean
fits_node (TeesqlCatalog *self, GError **error)
{
  const TeesqlHead *head = &self->head;
  guint8 check[sizeof head->check_value];

  if (memcmp (head->cluster_id, teesql_repository_get_cluster_id (self->repository), sizeof head->cluster_id) != 0)
    return refuse (error, "foreign-cluster", "%s is of another cluster id than this node has", self->head_path);
  if (head->system_identifier != self->system_identifier)
    return refuse (error, "foreign-cluster",
                   "the backups are of PostgreSQL system %" G_GUINT64_FORMAT ", the server is %" G_GUINT64_FORMAT
                   "\nhint: it was initialised anew or restored from elsewhere; `teesql backup accept` begins a new lineage for it",
                   head->system_identifier, self->system_identifier);
  if (head->sequence == 0)
    return TRUE;
  if (!teesql_epoch_keys_check_value (teesql_repository_get_keys (self->repository), head->epoch, check, error))
    return FALSE;
  return memcmp (check, head->check_value, sizeof check) == 0 || teesql_catalog_fail_keys (self->repository, error);
}

/* WAL that was durable and in no record yet must still be there. */
static gboolean
take_noted (TeesqlCatalog *self, GCancellable *cancellable, GError **error)
{
  for (guint i = 0; i < self->head.n_noted; i++)
    {
      const TeesqlWalRange *range = &self->head.noted[i];
      guint64 reach = 0;

      if (teesql_catalog_record_covers (self->record, range->timeline, range->start_lsn, &reach) && reach >= range->end_lsn)
        continue;
      if (!teesql_wal_find_reach (self->repository, &self->lineage, self->segment_size, range, NULL, NULL, &reach, cancellable, error))
        return FALSE;
      if (reach < range->end_lsn)
        {
          g_autofree char *found = teesql_lsn_to_string (reach);
          g_autofree char *wanted = teesql_lsn_to_string (range->end_lsn);

          return refuse (error, "repository-behind",
                         "timeline %u: WAL was stored up to %s, what is there ends at %s: the repository was rolled back, or objects were "
                         "deleted" TEESQL_ACCEPT_HINT,
                         range->timeline, wanted, found);
        }
      teesql_catalog_record_add_wal (self->record, range->timeline, range->start_lsn, range->end_lsn, range->end_unix);
    }
  return TRUE;
}

/* What stands for the lineage may have been lost with the store's other lies. */
static gboolean
renew_mark (TeesqlCatalog *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) problem = NULL;

  if (teesql_lineages_check (self->repository, &self->lineage, cancellable, &problem))
    return TRUE;
  if (teesql_catalog_is_damage (problem))
    return teesql_lineages_note (self->repository, &self->lineage, cancellable, error);
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

static gboolean
resume (TeesqlCatalog *self, const GArray *lineages, const TeesqlAcceptMark *mark, GCancellable *cancellable, GError **error)
{
  self->lineage = self->head.lineage;
  if (!fits_node (self, error) || !teesql_catalog_compare (self, cancellable, error) ||
      !teesql_catalog_compare_others (self, lineages, cancellable, error))
    return FALSE;
  if (self->record == NULL) /* the first record never arrived */
    return teesql_catalog_begin (self, mark, cancellable, error);
  return renew_mark (self, cancellable, error) && take_noted (self, cancellable, error);
}

/* the mark */

/* A crash came between the first record of the accepted lineage and the end of its mark. */
static gboolean
was_accepted (TeesqlCatalog *self, const TeesqlAcceptMark *mark, GCancellable *cancellable)
{
  g_auto (TeesqlLoadedRecord) first = { 0 };
  const TeesqlCatalogRecord *record = NULL;

  if (!teesql_catalog_load (self->repository, &self->head.lineage, 1, &first, cancellable, NULL))
    return FALSE;
  record = first.record;
  if (!mark->has_parent)
    return FALSE;
  return strcmp (record->parent_lineage.text, mark->lineage.text) == 0 && record->parent_sequence == mark->sequence &&
         memcmp (record->parent_digest, mark->digest, sizeof mark->digest) == 0;
}

static gboolean
accept_lineage (TeesqlCatalog *self, const GArray *lineages, const TeesqlAcceptMark *mark, gboolean has_head, GCancellable *cancellable,
                GError **error)
{
  g_autofree char *path = teesql_catalog_dup_accept_path (self->head_path);
  gboolean done = FALSE;

  if (has_head && was_accepted (self, mark, cancellable))
    done = resume (self, lineages, mark, cancellable, error);
  else
    {
      guint32 known = has_head ? teesql_lineage_get_generation (&self->head.lineage) : 0;

      /* what this head says was judged by the operator, and may not even bear our MAC */
      done = teesql_state_file_remove (self->head_path, error) && begin_next (self, lineages, mark, known, cancellable, error);
    }
  return done && teesql_state_file_remove (path, error);
}

/* opening */

static gboolean
load_mark (TeesqlCatalog *self, TeesqlAcceptMark *out, gboolean *out_there, GError **error)
{
  g_autoptr (GError) problem = NULL;

  *out_there = teesql_accept_mark_load (self->head_path, out, &problem);
  if (*out_there || g_error_matches (problem, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

static gboolean
begin_first (TeesqlCatalog *self, const GArray *lineages, GCancellable *cancellable, GError **error)
{
  if (lineages->len == 0)
    return begin_next (self, lineages, NULL, 0, cancellable, error);
  if (teesql_catalog_keys_are_foreign (self->repository, lineages, cancellable))
    return teesql_catalog_fail_keys (self->repository, error);
  return refuse (error, "head-absent",
                 "%s is not there, and the repository holds %u lineages of this cluster, the last of them %s: this volume is not the one "
                 "that they came from" TEESQL_ACCEPT_HINT,
                 self->head_path, lineages->len, g_array_index (lineages, TeesqlLineageEntry, lineages->len - 1).lineage.text);
}

static gboolean
open_with (TeesqlCatalog *self, const GArray *lineages, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) problem = NULL;
  TeesqlAcceptMark mark = { 0 };
  gboolean marked = FALSE;
  gboolean has_head = teesql_head_load (self->head_path, self->head_key, &self->head, &problem);

  if (!load_mark (self, &mark, &marked, error))
    return FALSE;
  if (marked)
    return accept_lineage (self, lineages, &mark, has_head, cancellable, error);
  if (has_head)
    return resume (self, lineages, NULL, cancellable, error);
  if (g_error_matches (problem, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND))
    return begin_first (self, lineages, cancellable, error);
  if (g_str_equal (teesql_error_get_reason (problem), "head-mac") &&
      teesql_catalog_keys_are_foreign (self->repository, lineages, cancellable))
    return teesql_catalog_fail_keys (self->repository, error);
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* Once more behind a beginning: two nodes that begin at once see each other here. */
static gboolean
look_around (TeesqlCatalog *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) lineages = NULL;

  if (self->head.sequence != 1)
    return TRUE;
  lineages = teesql_repository_discover (teesql_repository_get_store (self->repository),
                                         teesql_repository_get_cluster_id (self->repository), cancellable, error);
  return lineages != NULL && teesql_catalog_compare_others (self, lineages, cancellable, error);
}

TeesqlCatalog *
teesql_catalog_open (const TeesqlCatalogOptions *options, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalog) self = NULL;
  g_autoptr (GArray) lineages = NULL;
  TeesqlStore *store = teesql_repository_get_store (options->repository);

  g_return_val_if_fail (options->head_path != NULL && options->head_key != NULL && options->system_identifier != 0, NULL);
  if (!teesql_store_open (store, cancellable, error))
    return NULL;
  self = teesql_catalog_make (options);
  if (!self->conditional)
    teesql_log_warning ("backup", "conditional-put: the storage cannot put an object only where there is none; one node alone may use it");
  lineages = teesql_repository_discover (store, teesql_repository_get_cluster_id (self->repository), cancellable, error);
  if (lineages == NULL || !open_with (self, lineages, cancellable, error) || !look_around (self, cancellable, error))
    return NULL;
  teesql_repository_set_epoch (self->repository, self->head.epoch);
  teesql_catalog_renew_facts (self);
  return g_steal_pointer (&self);
}

/* reading */

static void
show_as_head (TeesqlCatalog *self, TeesqlLoadedRecord *loaded)
{
  TeesqlCatalogRecord *record = g_steal_pointer (&loaded->record);
  TeesqlHead *head = &self->head;

  self->lineage = record->lineage;
  self->system_identifier = record->system_identifier;
  self->segment_size = record->segment_size;
  *head = (TeesqlHead){ .lineage = record->lineage, .sequence = record->sequence, .system_identifier = record->system_identifier };
  memcpy (head->cluster_id, record->cluster_id, sizeof head->cluster_id);
  memcpy (head->digest, loaded->digest, sizeof head->digest);
  head->epoch = g_array_index (record->epochs, TeesqlEpochEntry, record->epochs->len - 1).epoch;
  if (record->wal->len > 0)
    {
      const TeesqlWalRange *last = &g_array_index (record->wal, TeesqlWalRange, record->wal->len - 1);

      head->timeline = last->timeline;
      head->lsn = last->end_lsn;
    }
  self->record = record;
}

/* @sequence 0: the newest that the store shows. */
static gboolean
read_lineage (TeesqlCatalog *self, const TeesqlLineage *lineage, guint64 sequence, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlLoadedRecord) loaded = { 0 };
  TeesqlChainListing listing = { 0 };
  guint8 digest[32];
  GError *cause = NULL;

  if (sequence == 0)
    {
      if (!teesql_catalog_list (self->repository, lineage, &listing, cancellable, error))
        return FALSE;
      if (listing.newest == 0)
        return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND, "catalog-absent", "lineage %s has no record",
                            lineage->text);
      sequence = listing.newest;
    }
  if (!teesql_catalog_load (self->repository, lineage, sequence, &loaded, cancellable, &cause))
    return teesql_catalog_broken (error, cause, lineage, sequence);
  if (listing.first_missing > 0)
    return refuse (error, "catalog-broken", "record %" G_GUINT64_FORMAT " of lineage %s is missing in the middle" TEESQL_ACCEPT_HINT,
                   listing.first_missing, lineage->text);
  if (!teesql_catalog_check_epochs (self->repository, loaded.record, error) ||
      !teesql_catalog_walk (self->repository, &loaded, sequence > READ_LINKS ? sequence - READ_LINKS : 1, digest, cancellable, error))
    return FALSE;
  if (self->system_identifier != 0 && loaded.record->system_identifier != self->system_identifier)
    return refuse (error, "foreign-cluster", "the catalog is of PostgreSQL system %" G_GUINT64_FORMAT ", expected %" G_GUINT64_FORMAT,
                   loaded.record->system_identifier, self->system_identifier);
  show_as_head (self, &loaded);
  return TRUE;
}

/* %FALSE for what is no damage */
static gboolean
note_problem (GPtrArray *problems, GError *problem, GError **error)
{
  g_auto (GStrv) lines = NULL;

  if (!teesql_catalog_is_damage (problem))
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  lines = g_strsplit (problem->message, "\n", 2); /* without its hint */
  g_ptr_array_add (problems, g_strdup (lines[0]));
  g_error_free (problem);
  return TRUE;
}

static gboolean
find_genuine (TeesqlCatalog *self, const TeesqlLineage *lineage, guint64 newest, TeesqlLoadedRecord *out, GPtrArray *problems,
              GCancellable *cancellable, GError **error)
{
  GError *cause = NULL;

  for (guint64 sequence = newest; sequence > 0 && newest - sequence < TEESQL_CHAIN_KEPT; sequence--)
    {
      GError *problem = NULL;

      if (teesql_catalog_load (self->repository, lineage, sequence, out, cancellable, &cause))
        return TRUE;
      teesql_catalog_broken (&problem, g_steal_pointer (&cause), lineage, sequence);
      if (!note_problem (problems, problem, error))
        return FALSE;
    }
  return refuse (error, "catalog-broken", "no record of lineage %s can be opened", lineage->text);
}

static gboolean
read_broken_lineage (TeesqlCatalog *self, const TeesqlLineage *lineage, GPtrArray *problems, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlLoadedRecord) loaded = { 0 };
  TeesqlChainListing listing = { 0 };
  guint8 digest[32];
  GError *problem = NULL;
  guint64 sequence = 0;

  if (!teesql_catalog_list (self->repository, lineage, &listing, cancellable, error) ||
      !find_genuine (self, lineage, listing.newest, &loaded, problems, cancellable, error) ||
      !teesql_catalog_check_epochs (self->repository, loaded.record, error))
    return FALSE;
  sequence = loaded.record->sequence;
  if (listing.first_missing > 0)
    g_ptr_array_add (problems, g_strdup_printf ("record %" G_GUINT64_FORMAT " of lineage %s is missing in the middle",
                                                listing.first_missing, lineage->text));
  if (!teesql_catalog_walk (self->repository, &loaded, sequence > READ_LINKS ? sequence - READ_LINKS : 1, digest, cancellable, &problem) &&
      !note_problem (problems, problem, error))
    return FALSE;
  show_as_head (self, &loaded);
  return TRUE;
}

/* A lineage that was begun: its object is ours, or a record of it is. Names that a store made up are neither. */
static gboolean
is_begun (TeesqlCatalog *self, const TeesqlLineage *lineage, gboolean *out_begun, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_auto (TeesqlLoadedRecord) loaded = { 0 };
  TeesqlChainListing listing = { 0 };

  if (!teesql_catalog_list (self->repository, lineage, &listing, cancellable, error))
    return FALSE;
  *out_begun = listing.newest > 0 && teesql_lineages_check (self->repository, lineage, cancellable, &problem);
  if (listing.newest == 0 || *out_begun)
    return TRUE;
  if (teesql_catalog_is_damage (problem))
    g_clear_error (&problem);
  *out_begun = problem == NULL && teesql_catalog_load (self->repository, lineage, listing.newest, &loaded, cancellable, &problem);
  if (*out_begun || teesql_catalog_is_damage (problem))
    {
      if (!*out_begun)
        teesql_log_warning ("backup", "foreign-object: lineage %s is not this cluster's", lineage->text);
      return TRUE;
    }
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

/* From the highest generation down; two of the same are for the operator. */
static gboolean
choose_lineage (TeesqlCatalog *self, const GArray *lineages, TeesqlLineage *out, GCancellable *cancellable, GError **error)
{
  gboolean found = FALSE;

  for (guint i = lineages->len; i > 0; i--)
    {
      const TeesqlLineage *lineage = &g_array_index (lineages, TeesqlLineageEntry, i - 1).lineage;
      gboolean begun = FALSE;

      if (found && teesql_lineage_get_generation (lineage) < teesql_lineage_get_generation (out))
        break;
      if (!is_begun (self, lineage, &begun, cancellable, error))
        return FALSE;
      if (begun && found)
        return refuse (error, "lineage-ambiguous", "the lineages %s and %s are of one generation\nhint: name the one that is meant",
                       lineage->text, out->text);
      if (begun)
        *out = *lineage;
      found = found || begun;
    }
  if (found)
    return TRUE;
  if (lineages->len > 0 && teesql_catalog_keys_are_foreign (self->repository, lineages, cancellable))
    return teesql_catalog_fail_keys (self->repository, error);
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND, "catalog-absent",
                      "the repository holds no backups of this cluster");
}

/* @problems: (nullable): where they are no reason to refuse */
static TeesqlCatalog *
read_catalog (const TeesqlCatalogOptions *options, const TeesqlLineage *lineage, guint64 sequence, GPtrArray *problems,
              GCancellable *cancellable, GError **error)
{
  TeesqlCatalogOptions reader = *options;
  TeesqlStore *store = teesql_repository_get_store (options->repository);
  g_autoptr (TeesqlCatalog) self = NULL;
  g_autoptr (GArray) lineages = NULL;
  TeesqlLineage chosen;

  reader.head_path = NULL;
  reader.head_key = NULL;
  if (!teesql_store_open (store, cancellable, error))
    return NULL;
  self = teesql_catalog_make (&reader);
  if (lineage == NULL)
    {
      lineages = teesql_repository_discover (store, teesql_repository_get_cluster_id (self->repository), cancellable, error);
      if (lineages == NULL || !choose_lineage (self, lineages, &chosen, cancellable, error))
        return NULL;
      lineage = &chosen;
    }
  if (problems != NULL)
    return read_broken_lineage (self, lineage, problems, cancellable, error) ? g_steal_pointer (&self) : NULL;
  return read_lineage (self, lineage, sequence, cancellable, error) ? g_steal_pointer (&self) : NULL;
}

TeesqlCatalog *
teesql_catalog_read (const TeesqlCatalogOptions *options, const TeesqlLineage *lineage, GCancellable *cancellable, GError **error)
{
  return read_catalog (options, lineage, 0, NULL, cancellable, error);
}

TeesqlCatalog *
teesql_catalog_read_broken (const TeesqlCatalogOptions *options, const TeesqlLineage *lineage, GPtrArray *problems,
                            GCancellable *cancellable, GError **error)
{
  return read_catalog (options, lineage, 0, problems, cancellable, error);
}

TeesqlCatalog *
teesql_catalog_read_at (const TeesqlCatalogOptions *options, const TeesqlLineage *lineage, guint64 sequence, GCancellable *cancellable,
                        GError **error)
{
  g_return_val_if_fail (lineage != NULL && sequence > 0, NULL);
  return read_catalog (options, lineage, sequence, NULL, cancellable, error);
}
