#include "dcap-store.h"

#include "base/teesql-clock.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"
#include "dcap-disk.h"
#include "dcap-error.h"

#define MAX_ENTRIES 4096 /* far more kinds of platforms than Intel makes */

typedef struct
{
  DcapFact *fact; /* newest proved; perhaps expired, then it is only what nothing may be older than */
  gint64 due_ms;  /* CLOCK_BOOTTIME */
} Entry;

struct _DcapStore
{
  gatomicrefcount ref_count;
  DcapMemory *memory;
  char *directory;
  char *prefix; /* of file names: items of another root are another matter */
  gboolean early;
  guint refresh_after_ms;
  GMutex disk_lock; /* taken first: what is written last is what was kept last */
  GMutex lock;
  GHashTable *entries;
};

static void
entry_free (gpointer data)
{
  Entry *self = data;
  g_clear_pointer (&self->fact, dcap_fact_unref);
  g_free (self);
}

DcapStore *
dcap_store_new (DcapMemory *memory, const DcapStoreOptions *options)
{
  DcapStore *self = g_new0 (DcapStore, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->memory = dcap_memory_ref (memory);
  self->directory = g_strdup (options->directory);
  self->prefix = teesql_hex_encode (dcap_memory_get_trust (memory)->anchor, 4);
  self->early = options->early;
  self->refresh_after_ms = options->refresh_after_ms;
  g_mutex_init (&self->disk_lock);
  g_mutex_init (&self->lock);
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  return self;
}

DcapStore *
dcap_store_ref (DcapStore *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
dcap_store_unref (DcapStore *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  dcap_memory_unref (self->memory);
  g_hash_table_unref (self->entries);
  g_mutex_clear (&self->disk_lock);
  g_mutex_clear (&self->lock);
  g_free (self->directory);
  g_free (self->prefix);
  g_free (self);
}

static char *
entry_name (const DcapStore *self, const DcapPlatform *platform, DcapItemKind kind)
{
  const char *update = self->early ? "early" : "standard";
  const char *kind_name = dcap_item_kind_name (kind);
  g_autofree char *fmspc = NULL;

  switch (kind)
    {
    case DCAP_ITEM_PCK_CRL:
      return g_strdup_printf ("%s-%s-%s", self->prefix, kind_name, dcap_ca_name (platform->ca));
    case DCAP_ITEM_TCB_INFO:
      fmspc = teesql_hex_encode (platform->pck.fmspc, sizeof platform->pck.fmspc);
      return g_strdup_printf ("%s-%s-%s-%s", self->prefix, kind_name, fmspc, update);
    case DCAP_ITEM_QE_IDENTITY:
      return g_strdup_printf ("%s-%s-%s", self->prefix, kind_name, update);
    case DCAP_ITEM_ROOT_CRL:
    default:
      return g_strdup_printf ("%s-%s", self->prefix, kind_name);
    }
}

/* how long an item fetched @age seconds ago need not be fetched again */
static gint64
rest_ms (const DcapStore *self, const DcapFact *fact, gint64 now, gint64 age)
{
  gint64 life_ms = (dcap_fact_valid_until (fact) - now + age) * 500;
  gint64 rest = MIN ((gint64) self->refresh_after_ms, life_ms) - age * 1000;

  return age < 0 ? 0 : MAX (rest, 0);
}

/* TCB info asked for one platform must be for that platform, or it would be kept under a wrong name. */
static gboolean
check_place (const DcapFact *fact, const DcapPlatform *platform, GError **error)
{
  if (fact->tcb_info != NULL && memcmp (fact->tcb_info->fmspc, platform->pck.fmspc, sizeof platform->pck.fmspc) != 0)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "tcb-info-fmspc", "tcb info: is for another FMSPC than the platform's");
  if (fact->item->kind == DCAP_ITEM_PCK_CRL && !g_bytes_equal (fact->crl->issuer, dcap_chain_leaf (platform->chain)->issuer))
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "pck-crl-issuer", "pck-crl: not issued by the issuer of the PCK certificate");
  return TRUE;
}

static void
load_entry (DcapStore *self, Entry *entry, const char *name, const DcapPlatform *platform, DcapItemKind kind, const DcapRules *rules)
{
  gint64 fetched_at = 0;
  g_autoptr (GError) error = NULL;
  g_autoptr (DcapItem) item = dcap_disk_read (self->directory, name, kind, &fetched_at, &error);

  if (item != NULL)
    entry->fact = dcap_memory_prove_fact (self->memory, item, &error);
  /* a file that was moved here is signed as well, and would stand in the way of the right one */
  if (entry->fact != NULL && !check_place (entry->fact, platform, &error))
    g_clear_pointer (&entry->fact, dcap_fact_unref);
  if (error != NULL)
    teesql_log_warning ("dcap", "cached %s is not used: %s", name, error->message);
  if (entry->fact != NULL)
    entry->due_ms = teesql_clock_boot_ms () + rest_ms (self, entry->fact, rules->now, rules->now - fetched_at);
}

static Entry *
get_entry (DcapStore *self, const DcapPlatform *platform, DcapItemKind kind, const DcapRules *rules)
{
  g_autofree char *name = entry_name (self, platform, kind);
  Entry *entry = g_hash_table_lookup (self->entries, name);

  if (entry != NULL)
    return entry;
  if (g_hash_table_size (self->entries) >= MAX_ENTRIES)
    g_hash_table_remove_all (self->entries);
  entry = g_new0 (Entry, 1);
  if (self->directory != NULL)
    load_entry (self, entry, name, platform, kind, rules);
  g_hash_table_insert (self->entries, g_steal_pointer (&name), entry);
  return entry;
}

void
dcap_store_lookup (DcapStore *self, const DcapPlatform *platform, const DcapRules *rules, DcapStoreAnswer *out_answer)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  DcapStoreAnswer answer = { .complete = TRUE };

  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    {
      const Entry *entry = get_entry (self, platform, (DcapItemKind) i, rules);
      gboolean holds = entry->fact != NULL && dcap_fact_check_time (entry->fact, rules->now, rules->future_issue_date, NULL);
      if (holds)
        answer.facts[i] = dcap_fact_ref (entry->fact);
      if (!holds || teesql_clock_boot_ms () >= entry->due_ms)
        answer.wanted |= 1u << i;
      answer.complete = answer.complete && holds;
    }
  *out_answer = answer;
}

void
dcap_store_answer_clear (DcapStoreAnswer *self)
{
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    g_clear_pointer (&self->facts[i], dcap_fact_unref);
}

static gboolean
keep (DcapStore *self, const DcapPlatform *platform, DcapFact *fact, const DcapRules *rules, GError **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  Entry *entry = get_entry (self, platform, fact->item->kind, rules);

  if (entry->fact != NULL && !dcap_fact_check_order (fact, entry->fact, error))
    return FALSE;
  dcap_fact_ref (fact);
  g_clear_pointer (&entry->fact, dcap_fact_unref);
  entry->fact = fact;
  entry->due_ms = teesql_clock_boot_ms () + rest_ms (self, fact, rules->now, 0);
  return TRUE;
}

gboolean
dcap_store_accept (DcapStore *self, const DcapPlatform *platform, DcapItem *item, const DcapRules *rules, GError **error)
{
  g_autoptr (DcapFact) fact = dcap_memory_prove_fact (self->memory, item, error);
  g_autoptr (GError) write_error = NULL;
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = NULL;

  if (fact == NULL || !check_place (fact, platform, error) || !dcap_fact_check_time (fact, rules->now, rules->future_issue_date, error))
    return FALSE;
  locker = g_mutex_locker_new (&self->disk_lock);
  if (!keep (self, platform, fact, rules, error))
    return FALSE;
  if (self->directory != NULL)
    {
      g_autofree char *name = entry_name (self, platform, item->kind);
      if (!dcap_disk_write (self->directory, name, item, rules->now, &write_error))
        teesql_log_warning ("dcap", "%s cannot be kept: %s", name, write_error->message);
    }
  return TRUE;
}

void
dcap_store_postpone (DcapStore *self, const DcapPlatform *platform, guint kinds, guint delay_ms)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  gint64 due_ms = teesql_clock_boot_ms () + delay_ms;

  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    {
      g_autofree char *name = entry_name (self, platform, (DcapItemKind) i);
      Entry *entry = g_hash_table_lookup (self->entries, name);
      if (entry != NULL && (kinds & 1u << i) != 0)
        entry->due_ms = MAX (entry->due_ms, due_ms);
    }
}
