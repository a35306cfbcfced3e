#include "dcap-fetcher.h"

#include <teesql/teesql-error.h>

#include "base/teesql-clock.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"

#define RETRY_REFRESH_MS 60000 /* a refresh that failed is not tried at every connection */
#define HOLD_UNKNOWN_MS  60000 /* a platform Intel does not know stays unknown for a while */
#define MAX_HOLDS        256

struct _DcapFetcher
{
  DcapPccs *pccs;
  DcapStore *store;
  DcapPool *pool;
  GHashTable *running; /* key -> Fetch, not owned */
  GHashTable *holds;   /* key -> Hold */
};

/* an answer that would be the same if asked again at once */
typedef struct
{
  gint64 until_ms;
  GError *error;
} Hold;

typedef struct
{
  GBytes *body;
  GBytes *chain;
} Response;

/* one round of requests for one kind of platform; alive while requests or the worker run */
typedef struct
{
  DcapFetcher *owner; /* NULL once that is gone */
  char *key;
  GMainContext *context;
  GCancellable *cancellable;
  DcapStore *store;
  DcapPlatform *platform;
  DcapRules rules;
  guint kinds;
  guint n_pending;
  gboolean background;
  GPtrArray *waiters;
  Response responses[DCAP_N_ITEMS];
  GError *error;
} Fetch;

typedef struct
{
  Fetch *fetch;
  DcapItemKind kind;
} Request;

typedef struct
{
  Fetch *fetch; /* NULL once answered */
  GSource *cancelled;
} Waiter;

static void
hold_free (gpointer data)
{
  Hold *self = data;
  g_error_free (self->error);
  g_free (self);
}

static void
waiter_free (gpointer data)
{
  Waiter *self = data;
  if (self->cancelled != NULL)
    {
      g_source_destroy (self->cancelled);
      g_source_unref (self->cancelled);
    }
  g_free (self);
}

static void
fetch_free (Fetch *self)
{
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    {
      g_clear_pointer (&self->responses[i].body, g_bytes_unref);
      g_clear_pointer (&self->responses[i].chain, g_bytes_unref);
    }
  g_clear_error (&self->error);
  g_ptr_array_unref (self->waiters);
  g_object_unref (self->cancellable);
  g_main_context_unref (self->context);
  dcap_store_unref (self->store);
  dcap_platform_unref (self->platform);
  g_free (self->key);
  g_free (self);
}

DcapFetcher *
dcap_fetcher_new (DcapPccs *pccs, DcapStore *store, DcapPool *pool)
{
  DcapFetcher *self = g_new0 (DcapFetcher, 1);

  self->pccs = pccs;
  self->store = dcap_store_ref (store);
  self->pool = pool;
  self->running = g_hash_table_new (g_str_hash, g_str_equal);
  self->holds = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, hold_free);
  return self;
}

void
dcap_fetcher_free (DcapFetcher *self)
{
  GHashTableIter iter;
  gpointer fetch = NULL;

  g_hash_table_iter_init (&iter, self->running);
  while (g_hash_table_iter_next (&iter, NULL, &fetch))
    {
      ((Fetch *) fetch)->owner = NULL;
      g_cancellable_cancel (((Fetch *) fetch)->cancellable);
    }
  g_hash_table_unref (self->running);
  g_hash_table_unref (self->holds);
  dcap_pccs_free (self->pccs);
  dcap_store_unref (self->store);
  g_free (self);
}

/* Callers of different main contexts do not wait for each other: one of them might not be turning. */
static char *
fetch_key (const DcapPlatform *platform, GMainContext *context)
{
  g_autofree char *fmspc = teesql_hex_encode (platform->pck.fmspc, sizeof platform->pck.fmspc);
  return g_strdup_printf ("%s %s %p", fmspc, dcap_ca_name (platform->ca), (void *) context);
}

static void
answer (GTask *task, const GError *error)
{
  Waiter *waiter = g_task_get_task_data (task);

  waiter->fetch = NULL;
  if (error != NULL)
    g_task_return_error (task, g_error_copy (error));
  else
    g_task_return_boolean (task, TRUE);
}

static void
hold_answer (DcapFetcher *self, const Fetch *fetch)
{
  guint hold_ms = teesql_error_get_retry_after_ms (fetch->error);

  if (g_error_matches (fetch->error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_NOT_FOUND))
    hold_ms = HOLD_UNKNOWN_MS;
  if (hold_ms == 0)
    return;
  if (g_hash_table_size (self->holds) >= MAX_HOLDS)
    g_hash_table_remove_all (self->holds);
  Hold *hold = g_new0 (Hold, 1);
  hold->until_ms = teesql_clock_boot_ms () + hold_ms;
  hold->error = g_error_copy (fetch->error);
  g_hash_table_replace (self->holds, g_strdup (fetch->key), hold);
}

static const GError *
held_answer (DcapFetcher *self, const char *key)
{
  const Hold *hold = g_hash_table_lookup (self->holds, key);

  if (hold == NULL)
    return NULL;
  if (teesql_clock_boot_ms () < hold->until_ms)
    return hold->error;
  g_hash_table_remove (self->holds, key);
  return NULL;
}

static void
fetch_end (Fetch *self)
{
  g_autoptr (GPtrArray) waiters = g_steal_pointer (&self->waiters);

  self->waiters = g_ptr_array_new ();
  if (self->owner != NULL)
    {
      g_hash_table_remove (self->owner->running, self->key);
      if (self->error != NULL && !g_cancellable_is_cancelled (self->cancellable))
        hold_answer (self->owner, self);
    }
  if (self->error != NULL && self->background && !g_cancellable_is_cancelled (self->cancellable))
    teesql_log_warning ("dcap", "collateral was not refreshed, what we have is used until it ends: %s", self->error->message);
  for (guint i = 0; i < waiters->len; i++)
    answer (waiters->pdata[i], self->error);
  fetch_free (self);
}

/* in a worker */
static void
fetch_keep (gpointer data)
{
  Fetch *self = data;

  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    {
      g_autoptr (DcapItem) item = NULL;
      g_autoptr (GError) error = NULL;
      if (self->responses[i].body == NULL)
        continue;
      item = dcap_item_new_from_response ((DcapItemKind) i, self->responses[i].body, self->responses[i].chain, &error);
      if ((item == NULL || !dcap_store_accept (self->store, self->platform, item, &self->rules, &error)) && self->error == NULL)
        self->error = g_steal_pointer (&error);
    }
  if (self->error != NULL)
    dcap_store_postpone (self->store, self->platform, self->kinds, MAX (RETRY_REFRESH_MS, teesql_error_get_retry_after_ms (self->error)));
}

static void
fetch_kept (gpointer data)
{
  fetch_end (data);
}

static void
fetched_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Request *request = user_data;
  Fetch *self = request->fetch;
  Response *response = &self->responses[request->kind];
  g_autoptr (GError) error = NULL;

  response->body = dcap_pccs_fetch_finish (result, &response->chain, &error);
  if (error != NULL && self->error == NULL)
    self->error = g_steal_pointer (&error);
  if (--self->n_pending > 0)
    return;
  if (self->owner == NULL || g_cancellable_is_cancelled (self->cancellable))
    fetch_end (self);
  else
    dcap_pool_run (self->owner->pool, fetch_keep, fetch_kept, self);
}

static void
fetch_start (Fetch *self)
{
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    self->n_pending += (self->kinds >> i) & 1u;
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    {
      if ((self->kinds & 1u << i) == 0)
        continue;
      Request *request = g_new0 (Request, 1);
      request->fetch = self;
      request->kind = (DcapItemKind) i;
      dcap_pccs_fetch_async (self->owner->pccs, request->kind, self->platform, self->cancellable, fetched_cb, request);
    }
}

static Fetch *
fetch_new (DcapFetcher *owner, const char *key, DcapPlatform *platform, guint kinds, const DcapRules *rules)
{
  Fetch *self = g_new0 (Fetch, 1);

  self->owner = owner;
  self->key = g_strdup (key);
  self->context = g_main_context_ref_thread_default ();
  self->cancellable = g_cancellable_new ();
  self->store = dcap_store_ref (owner->store);
  self->platform = dcap_platform_ref (platform);
  self->rules = *rules;
  self->kinds = kinds;
  self->waiters = g_ptr_array_new_with_free_func (g_object_unref);
  g_hash_table_insert (owner->running, self->key, self);
  return self;
}

static Fetch *
find_or_start (DcapFetcher *self, const char *key, DcapPlatform *platform, guint kinds, const DcapRules *rules, gboolean background)
{
  Fetch *fetch = g_hash_table_lookup (self->running, key);

  if (fetch != NULL && !g_cancellable_is_cancelled (fetch->cancellable))
    return fetch;
  /* a cancelled one is left to end by itself */
  if (fetch != NULL)
    {
      g_hash_table_remove (self->running, key);
      fetch->owner = NULL;
    }
  fetch = fetch_new (self, key, platform, kinds, rules);
  fetch->background = background;
  fetch_start (fetch);
  return fetch;
}

static gboolean
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (user_data);
  Waiter *waiter = g_task_get_task_data (task);
  Fetch *fetch = waiter->fetch;

  if (fetch == NULL)
    return G_SOURCE_REMOVE;
  if (fetch->waiters->len == 1 && !fetch->background)
    {
      g_cancellable_cancel (fetch->cancellable);
      return G_SOURCE_REMOVE;
    }
  waiter->fetch = NULL;
  g_task_return_error_if_cancelled (task);
  g_ptr_array_remove_fast (fetch->waiters, task);
  return G_SOURCE_REMOVE;
}

static void
wait_for (Fetch *fetch, GTask *task)
{
  Waiter *waiter = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);

  waiter->fetch = fetch;
  g_ptr_array_add (fetch->waiters, task);
  if (cancellable == NULL)
    return;
  waiter->cancelled = g_cancellable_source_new (cancellable);
  g_source_set_callback (waiter->cancelled, G_SOURCE_FUNC (cancelled_cb), task, NULL);
  g_source_set_static_name (waiter->cancelled, "dcap fetch cancelled");
  g_source_attach (waiter->cancelled, fetch->context);
}

void
dcap_fetcher_fetch_async (DcapFetcher *self, DcapPlatform *platform, guint kinds, const DcapRules *rules, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autofree char *key = fetch_key (platform, g_main_context_get_thread_default ());
  const GError *held = held_answer (self, key);

  g_task_set_source_tag (task, dcap_fetcher_fetch_async);
  g_task_set_task_data (task, g_new0 (Waiter, 1), waiter_free);
  if (held != NULL)
    answer (task, held);
  else
    wait_for (find_or_start (self, key, platform, kinds, rules, FALSE), g_steal_pointer (&task));
}

gboolean
dcap_fetcher_fetch_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
dcap_fetcher_refresh (DcapFetcher *self, DcapPlatform *platform, guint kinds, const DcapRules *rules)
{
  g_autofree char *key = fetch_key (platform, g_main_context_get_thread_default ());

  if (held_answer (self, key) == NULL)
    find_or_start (self, key, platform, kinds, rules, TRUE);
}
