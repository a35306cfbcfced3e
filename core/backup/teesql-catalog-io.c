#include "backup/teesql-catalog-io.h"

#include "backup/teesql-lineages.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"

#include <string.h>

#define MAX_RECORDS    ((guint64) 10000000)
#define NAME_DIGITS    16
#define FOREIGN_LOGGED 20u /* of one listing: the store decides how many there are */
#define MAX_SEQUENCE   (((guint64) 1 << 53) - 1)

#define refuse(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, reason, __VA_ARGS__)

void
teesql_loaded_record_clear (TeesqlLoadedRecord *self)
{
  g_clear_pointer (&self->record, teesql_catalog_record_free);
}

/* The seal binds a record to its name. This is for a writer of ours that got it wrong. */
static gboolean
is_in_place (TeesqlRepository *repository, const TeesqlLineage *lineage, guint64 sequence, const TeesqlCatalogRecord *record,
             GError **error)
{
  if (memcmp (record->cluster_id, teesql_repository_get_cluster_id (repository), TEESQL_CLUSTER_ID_SIZE) == 0 &&
      strcmp (record->lineage.text, lineage->text) == 0 && record->sequence == sequence)
    return TRUE;
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED, "catalog-record",
                      "catalog record %s/%" G_GUINT64_FORMAT " says that it is %s/%" G_GUINT64_FORMAT, lineage->text, sequence,
                      record->lineage.text, record->sequence);
}

gboolean
teesql_catalog_load (TeesqlRepository *repository, const TeesqlLineage *lineage, guint64 sequence, TeesqlLoadedRecord *out,
                     GCancellable *cancellable, GError **error)
{
  g_autofree char *name = teesql_layout_catalog (teesql_repository_get_cluster_id (repository), lineage, sequence);
  const TeesqlObjectId id = { .name = name };
  g_auto (TeesqlLoadedRecord) loaded = { 0 };
  g_autoptr (GBytes) json =
      teesql_repository_get (repository, &id, TEESQL_REPOSITORY_PLAIN, TEESQL_CATALOG_RECORD_MAX, NULL, loaded.digest, cancellable, error);

  if (json == NULL)
    return FALSE;
  loaded.record = teesql_catalog_record_parse (json, error);
  if (loaded.record == NULL || !is_in_place (repository, lineage, sequence, loaded.record, error))
    {
      g_prefix_error (error, "%s: ", name);
      return FALSE;
    }
  *out = loaded;
  loaded.record = NULL;
  return TRUE;
}

gboolean
teesql_catalog_is_damage (const GError *error)
{
  if (error->domain == TEESQL_STORAGE_ERROR)
    return error->code == TEESQL_ERROR_NOT_FOUND || error->code == TEESQL_ERROR_INTEGRITY;
  if (error->domain != TEESQL_BACKUP_ERROR && error->domain != TEESQL_PARSE_ERROR)
    return FALSE;
  if (g_str_equal (teesql_error_get_reason (error), "seal-simulated")) /* SR-7 has its own name */
    return FALSE;
  return error->code == TEESQL_ERROR_MALFORMED || error->code == TEESQL_ERROR_INTEGRITY || error->code == TEESQL_ERROR_REFUSED;
}

gboolean
teesql_catalog_broken (GError **error, GError *cause, const TeesqlLineage *lineage, guint64 sequence)
{
  if (!teesql_catalog_is_damage (cause))
    {
      g_propagate_error (error, cause);
      return FALSE;
    }
  refuse (error, "catalog-broken", "record %" G_GUINT64_FORMAT " of lineage %s is missing or was changed: %s (%s)" TEESQL_ACCEPT_HINT,
          sequence, lineage->text, cause->message, teesql_error_get_reason (cause));
  g_error_free (cause);
  return FALSE;
}

/* listing */

/* Names come in order, so that what matters of any number of them are three numbers: a store may name as many as it likes. */
typedef struct
{
  const char *prefix;
  guint64 first;
  guint64 newest;
  guint64 unbroken; /* from here to the newest every number is there */
  guint n_foreign;
} Names;

static gboolean
parse_sequence (const char *text, guint64 *out)
{
  guint64 value = 0;

  if (strlen (text) != NAME_DIGITS)
    return FALSE;
  for (guint i = 0; i < NAME_DIGITS; i++)
    {
      if (!g_ascii_isdigit (text[i]) && (text[i] < 'a' || text[i] > 'f'))
        return FALSE;
      value = value << 4 | (guint64) g_ascii_xdigit_value (text[i]);
    }
  *out = value;
  return value > 0 && value <= MAX_SEQUENCE;
}

static gboolean
name_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  Names *names = user_data;
  const char *name = teesql_object_info_get_name (info);
  guint64 sequence = 0;

  if (!g_str_has_prefix (name, names->prefix) || !parse_sequence (name + strlen (names->prefix), &sequence))
    {
      if (names->n_foreign++ < FOREIGN_LOGGED)
        teesql_log_warning ("backup", "foreign-object: %s is no name of ours and is not read", name);
      return TRUE;
    }
  if (names->first == 0)
    names->first = sequence;
  if (sequence != names->newest + 1)
    names->unbroken = sequence;
  names->newest = sequence;
  return TRUE;
}

static void
summarise (const Names *names, TeesqlChainListing *out)
{
  guint64 missing = names->unbroken > 0 ? names->unbroken - 1 : 0;

  *out = (TeesqlChainListing){ .first = names->first, .newest = names->newest };
  if (missing > 0 && names->newest - missing < TEESQL_CHAIN_KEPT)
    out->first_missing = missing;
}

gboolean
teesql_catalog_list (TeesqlRepository *repository, const TeesqlLineage *lineage, TeesqlChainListing *out, GCancellable *cancellable,
                     GError **error)
{
  g_autofree char *any = teesql_layout_catalog (teesql_repository_get_cluster_id (repository), lineage, 1);
  g_autofree char *prefix = g_strndup (any, strlen (any) - NAME_DIGITS);
  Names names = { .prefix = prefix };

  if (!teesql_store_list (teesql_repository_get_store (repository), prefix, MAX_RECORDS, name_cb, &names, cancellable, error))
    return FALSE;
  if (names.n_foreign > FOREIGN_LOGGED)
    teesql_log_warning ("backup", "foreign-object: %u more below %s", names.n_foreign - FOREIGN_LOGGED, prefix);
  summarise (&names, out);
  return TRUE;
}

/* the chain */

gboolean
teesql_catalog_walk (TeesqlRepository *repository, const TeesqlLoadedRecord *newest, guint64 down_to, guint8 out_digest[32],
                     GCancellable *cancellable, GError **error)
{
  const TeesqlLineage *lineage = &newest->record->lineage;
  guint8 named[32];

  memcpy (out_digest, newest->digest, sizeof named);
  memcpy (named, newest->record->previous, sizeof named);
  for (guint64 sequence = newest->record->sequence; sequence > down_to;)
    {
      g_auto (TeesqlLoadedRecord) loaded = { 0 };
      GError *cause = NULL;

      sequence--;
      if (!teesql_catalog_load (repository, lineage, sequence, &loaded, cancellable, &cause))
        return teesql_catalog_broken (error, cause, lineage, sequence);
      if (memcmp (loaded.digest, named, sizeof named) != 0)
        return refuse (error, "catalog-broken",
                       "record %" G_GUINT64_FORMAT " of lineage %s is genuine, but not the one that record %" G_GUINT64_FORMAT
                       " follows" TEESQL_ACCEPT_HINT,
                       sequence, lineage->text, sequence + 1);
      memcpy (out_digest, loaded.digest, sizeof named);
      memcpy (named, loaded.record->previous, sizeof named);
    }
  return TRUE;
}

/* keys */

gboolean
teesql_catalog_fail_keys (TeesqlRepository *repository, GError **error)
{
  g_autofree char *cluster = teesql_hex_encode (teesql_repository_get_cluster_id (repository), 4);

  return refuse (error, "kms-key-changed",
                 "the objects of cluster %s… were sealed with other keys than the KMS gives us now\n"
                 "hint: this is another app or another KMS; nothing is damaged, and nothing was changed",
                 cluster);
}

gboolean
teesql_catalog_check_epochs (TeesqlRepository *repository, const TeesqlCatalogRecord *record, GError **error)
{
  TeesqlEpochKeys *keys = teesql_repository_get_keys (repository);

  for (guint i = 0; i < record->epochs->len; i++)
    {
      const TeesqlEpochEntry *entry = &g_array_index (record->epochs, TeesqlEpochEntry, i);
      guint8 check[sizeof entry->check_value];

      /* an epoch whose key we do not hold is missed when something is to be opened with it */
      if (teesql_epoch_keys_check_value (keys, entry->epoch, check, NULL) && memcmp (check, entry->check_value, sizeof check) != 0)
        return refuse (error, "kms-key-changed",
                       "key epoch %u: the KMS gives another key than record %" G_GUINT64_FORMAT " was written with", entry->epoch,
                       record->sequence);
    }
  return TRUE;
}

typedef enum
{
  OPENS,
  OTHER_KEY,
  OTHERWISE
} Verdict;

static Verdict
judge (gboolean opened, const GError *problem)
{
  if (opened)
    return OPENS;
  return g_str_equal (teesql_error_get_reason (problem), "seal-commitment") ? OTHER_KEY : OTHERWISE;
}

static Verdict
try_mark (TeesqlRepository *repository, const TeesqlLineage *lineage, GCancellable *cancellable)
{
  g_autoptr (GError) problem = NULL;
  gboolean opened = teesql_lineages_check (repository, lineage, cancellable, &problem);

  return judge (opened, problem);
}

static Verdict
try_record (TeesqlRepository *repository, const TeesqlLineage *lineage, GCancellable *cancellable)
{
  g_autoptr (GError) problem = NULL;
  g_auto (TeesqlLoadedRecord) loaded = { 0 };
  TeesqlChainListing listing = { 0 };
  gboolean opened = FALSE;

  if (!teesql_catalog_list (repository, lineage, &listing, cancellable, NULL) || listing.newest == 0)
    return OTHERWISE;
  opened = teesql_catalog_load (repository, lineage, listing.newest, &loaded, cancellable, &problem);
  return judge (opened, problem);
}

gboolean
teesql_catalog_keys_are_foreign (TeesqlRepository *repository, const GArray *lineages, GCancellable *cancellable)
{
  guint n_other = 0;

  for (guint i = 0; i < lineages->len; i++)
    {
      const TeesqlLineage *lineage = &g_array_index (lineages, TeesqlLineageEntry, i).lineage;
      Verdict mark = try_mark (repository, lineage, cancellable);
      Verdict record = try_record (repository, lineage, cancellable);

      if (mark == OPENS || record == OPENS)
        return FALSE;
      n_other += (guint) (mark == OTHER_KEY) + (guint) (record == OTHER_KEY);
    }
  return n_other >= 2; /* one changed header looks like another key too */
}
