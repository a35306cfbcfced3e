#include "status/teesql-status.h"
#include <json-glib/json-glib.h>

typedef struct
{
  TeesqlHealth health;
  gboolean known;
  char *reason;
  char *message;
} Component;

typedef struct
{
  char *reason;
  char *key;
  char *message;
} Notice;

typedef struct
{
  char *storage;
  TeesqlBackupFacts facts;
  char *texts[5]; /* what the facts point to */
} Repository;

struct _TeesqlStatus
{
  GObject parent_instance;
  GMutex lock; /* of everything but counters and gauges */
  Component components[TEESQL_N_COMPONENTS];
  GPtrArray *notices;    /* Notice */
  GPtrArray *backups;    /* Repository */
  GPtrArray *taints;     /* char * */
  GPtrArray *fact_names; /* in order of first publication */
  GHashTable *facts;
  gsize counters[TEESQL_N_COUNTERS]; /* atomic */
  gssize gauges[TEESQL_N_GAUGES];    /* atomic */
};

G_DEFINE_FINAL_TYPE (TeesqlStatus, teesql_status, G_TYPE_OBJECT)

static const char *const health_names[] = {
  [TEESQL_HEALTH_STARTING] = "starting",
  [TEESQL_HEALTH_OK] = "ok",
  [TEESQL_HEALTH_DEGRADED] = "degraded",
  [TEESQL_HEALTH_FAILED] = "failed",
};

static const char *const component_names[TEESQL_N_COMPONENTS] = {
  [TEESQL_COMPONENT_CONFIG] = "config",     [TEESQL_COMPONENT_CLOCK] = "clock",   [TEESQL_COMPONENT_IDENTITY] = "identity",
  [TEESQL_COMPONENT_VERIFIER] = "verifier", [TEESQL_COMPONENT_KMS] = "kms",       [TEESQL_COMPONENT_POSTGRES] = "postgres",
  [TEESQL_COMPONENT_PROXY] = "proxy",       [TEESQL_COMPONENT_BACKUP] = "backup",
};

static const char *const counter_names[TEESQL_N_COUNTERS] = {
  [TEESQL_COUNTER_CONNECTIONS] = "connections",
  [TEESQL_COUNTER_SESSIONS] = "sessions",
  [TEESQL_COUNTER_HANDSHAKE_FAILED] = "handshakes_failed",
  [TEESQL_COUNTER_ATTESTATION_REFUSED] = "attestations_refused",
  [TEESQL_COUNTER_AUTHENTICATION_FAILED] = "authentications_failed",
  [TEESQL_COUNTER_CANCEL_REQUESTS] = "cancel_requests",
  [TEESQL_COUNTER_SHED] = "shed",
  [TEESQL_COUNTER_TIMEOUT] = "timeouts",
  [TEESQL_COUNTER_BYTES_IN] = "bytes_in",
  [TEESQL_COUNTER_BYTES_OUT] = "bytes_out",
  [TEESQL_COUNTER_VERDICT_HITS] = "verdict_hits",
  [TEESQL_COUNTER_VERDICT_MISSES] = "verdict_misses",
  [TEESQL_COUNTER_VERIFICATIONS] = "verifications",
  [TEESQL_COUNTER_QUOTES] = "quotes",
  [TEESQL_COUNTER_IDENTITY_RENEWALS] = "identity_renewals",
  [TEESQL_COUNTER_BACKUPS] = "backups",
  [TEESQL_COUNTER_BACKUPS_FAILED] = "backups_failed",
  [TEESQL_COUNTER_WAL_BYTES] = "wal_bytes",
  [TEESQL_COUNTER_WAL_SEGMENTS] = "wal_segments",
  [TEESQL_COUNTER_WAL_GAPS] = "wal_gaps",
  [TEESQL_COUNTER_STORAGE_RETRIES] = "storage_retries",
  [TEESQL_COUNTER_STORAGE_RESTARTS] = "storage_restarts",
  [TEESQL_COUNTER_VERIFIER_DISAGREEMENTS] = "verifier_disagreements",
};

static const char *const gauge_names[TEESQL_N_GAUGES] = {
  [TEESQL_GAUGE_SESSIONS] = "sessions",
  [TEESQL_GAUGE_PENDING] = "pending",
  [TEESQL_GAUGE_BUFFER_BYTES] = "buffer_bytes",
};

static void
repository_free (gpointer data)
{
  Repository *repository = data;

  g_free (repository->storage);
  for (guint i = 0; i < G_N_ELEMENTS (repository->texts); i++)
    g_free (repository->texts[i]);
  g_free (repository);
}

static void
notice_free (gpointer data)
{
  Notice *notice = data;

  g_free (notice->reason);
  g_free (notice->key);
  g_free (notice->message);
  g_free (notice);
}

/* --- publishing */

void
teesql_status_set_component (TeesqlStatus *self, TeesqlComponent component, TeesqlHealth health, const char *reason, const char *message)
{
  Component *slot = &self->components[component];

  g_return_if_fail (TEESQL_IS_STATUS (self));
  g_return_if_fail (component < TEESQL_N_COMPONENTS);

  g_mutex_lock (&self->lock);
  slot->health = health;
  slot->known = TRUE;
  g_free (slot->reason);
  g_free (slot->message);
  slot->reason = g_strdup (reason);
  slot->message = g_strdup (message);
  g_mutex_unlock (&self->lock);
}

static gboolean
status_find_notice (TeesqlStatus *self, const char *reason, const char *key, guint *out_index)
{
  for (guint i = 0; i < self->notices->len; i++)
    {
      const Notice *notice = g_ptr_array_index (self->notices, i);

      if (g_str_equal (notice->reason, reason) && g_strcmp0 (notice->key, key) == 0)
        {
          *out_index = i;
          return TRUE;
        }
    }
  return FALSE;
}

void
teesql_status_add_notice (TeesqlStatus *self, const char *reason, const char *key, const char *message)
{
  guint index = 0;

  g_return_if_fail (TEESQL_IS_STATUS (self));
  g_return_if_fail (reason != NULL && message != NULL);

  g_mutex_lock (&self->lock);
  if (status_find_notice (self, reason, key, &index))
    {
      Notice *notice = g_ptr_array_index (self->notices, index);

      g_free (notice->message);
      notice->message = g_strdup (message);
    }
  else
    {
      Notice *notice = g_new0 (Notice, 1);

      notice->reason = g_strdup (reason);
      notice->key = g_strdup (key);
      notice->message = g_strdup (message);
      g_ptr_array_add (self->notices, notice);
    }
  g_mutex_unlock (&self->lock);
}

void
teesql_status_remove_notice (TeesqlStatus *self, const char *reason, const char *key)
{
  guint index = 0;

  g_return_if_fail (TEESQL_IS_STATUS (self));

  g_mutex_lock (&self->lock);
  if (status_find_notice (self, reason, key, &index))
    g_ptr_array_remove_index (self->notices, index);
  g_mutex_unlock (&self->lock);
}

void
teesql_status_add_taint (TeesqlStatus *self, const char *taint)
{
  g_return_if_fail (TEESQL_IS_STATUS (self));
  g_return_if_fail (taint != NULL);

  g_mutex_lock (&self->lock);
  if (!g_ptr_array_find_with_equal_func (self->taints, taint, g_str_equal, NULL))
    g_ptr_array_add (self->taints, g_strdup (taint));
  g_mutex_unlock (&self->lock);
}

char **
teesql_status_dup_taints (TeesqlStatus *self)
{
  char **taints = NULL;

  g_return_val_if_fail (TEESQL_IS_STATUS (self), NULL);

  g_mutex_lock (&self->lock);
  taints = g_new0 (char *, (gsize) self->taints->len + 1);
  for (guint i = 0; i < self->taints->len; i++)
    taints[i] = g_strdup (g_ptr_array_index (self->taints, i));
  g_mutex_unlock (&self->lock);
  return taints;
}

void
teesql_status_set_fact (TeesqlStatus *self, const char *name, const char *value)
{
  g_return_if_fail (TEESQL_IS_STATUS (self));
  g_return_if_fail (name != NULL);

  g_mutex_lock (&self->lock);
  if (!g_hash_table_contains (self->facts, name))
    g_ptr_array_add (self->fact_names, g_strdup (name));
  g_hash_table_insert (self->facts, g_strdup (name), g_strdup (value));
  g_mutex_unlock (&self->lock);
}

void
teesql_status_count (TeesqlStatus *self, TeesqlCounter counter, guint64 add)
{
  __atomic_fetch_add (&self->counters[counter], (gsize) add, __ATOMIC_RELAXED);
}

guint64
teesql_status_get_counter (TeesqlStatus *self, TeesqlCounter counter)
{
  return __atomic_load_n (&self->counters[counter], __ATOMIC_RELAXED);
}

void
teesql_status_gauge_add (TeesqlStatus *self, TeesqlGauge gauge, gint64 add)
{
  __atomic_fetch_add (&self->gauges[gauge], (gssize) add, __ATOMIC_RELAXED);
}

gint64
teesql_status_get_gauge (TeesqlStatus *self, TeesqlGauge gauge)
{
  return __atomic_load_n (&self->gauges[gauge], __ATOMIC_RELAXED);
}

/* --- reading */

/* A component that is not there yet makes us not ready, and one that failed is worse. */
static guint
severity (TeesqlHealth health)
{
  static const guint order[] = {
    [TEESQL_HEALTH_OK] = 0,
    [TEESQL_HEALTH_DEGRADED] = 1,
    [TEESQL_HEALTH_STARTING] = 2,
    [TEESQL_HEALTH_FAILED] = 3,
  };

  return order[health];
}

static const Component *
status_find_worst (TeesqlStatus *self)
{
  const Component *worst = NULL;

  for (guint i = 0; i < TEESQL_N_COMPONENTS; i++)
    {
      const Component *component = &self->components[i];

      if (component->known && (worst == NULL || severity (component->health) > severity (worst->health)))
        worst = component;
    }
  return worst;
}

TeesqlHealth
teesql_status_get_health (TeesqlStatus *self, char **out_reason)
{
  TeesqlHealth health = TEESQL_HEALTH_STARTING;
  const Component *worst = NULL;

  g_return_val_if_fail (TEESQL_IS_STATUS (self), TEESQL_HEALTH_FAILED);

  g_mutex_lock (&self->lock);
  worst = status_find_worst (self);
  if (worst != NULL)
    health = worst->health;
  if (out_reason != NULL)
    *out_reason = worst != NULL ? g_strdup (worst->reason) : NULL;
  g_mutex_unlock (&self->lock);
  return health;
}

gboolean
teesql_status_has_started (TeesqlStatus *self)
{
  gboolean any = FALSE;
  gboolean starting = FALSE;

  g_return_val_if_fail (TEESQL_IS_STATUS (self), FALSE);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < TEESQL_N_COMPONENTS; i++)
    {
      any = any || self->components[i].known;
      starting = starting || (self->components[i].known && self->components[i].health == TEESQL_HEALTH_STARTING);
    }
  g_mutex_unlock (&self->lock);
  return any && !starting;
}

static void
add_text (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  if (value != NULL)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

static void
render_components (TeesqlStatus *self, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "components");
  json_builder_begin_object (builder);
  for (guint i = 0; i < TEESQL_N_COMPONENTS; i++)
    {
      const Component *component = &self->components[i];

      if (!component->known)
        continue;
      json_builder_set_member_name (builder, component_names[i]);
      json_builder_begin_object (builder);
      add_text (builder, "health", health_names[component->health]);
      add_text (builder, "reason", component->reason);
      add_text (builder, "message", component->message);
      json_builder_end_object (builder);
    }
  json_builder_end_object (builder);
}

static void
render_lists (TeesqlStatus *self, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "taints");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->taints->len; i++)
    json_builder_add_string_value (builder, g_ptr_array_index (self->taints, i));
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "notices");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->notices->len; i++)
    {
      const Notice *notice = g_ptr_array_index (self->notices, i);

      json_builder_begin_object (builder);
      add_text (builder, "reason", notice->reason);
      add_text (builder, "key", notice->key);
      add_text (builder, "message", notice->message);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
render_numbers (TeesqlStatus *self, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "counters");
  json_builder_begin_object (builder);
  for (guint i = 0; i < TEESQL_N_COUNTERS; i++)
    {
      json_builder_set_member_name (builder, counter_names[i]);
      json_builder_add_int_value (builder, (gint64) teesql_status_get_counter (self, i));
    }
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "gauges");
  json_builder_begin_object (builder);
  for (guint i = 0; i < TEESQL_N_GAUGES; i++)
    {
      json_builder_set_member_name (builder, gauge_names[i]);
      json_builder_add_int_value (builder, teesql_status_get_gauge (self, i));
    }
  json_builder_end_object (builder);
}

static void
add_number (JsonBuilder *builder, const char *name, gint64 value, gboolean known)
{
  json_builder_set_member_name (builder, name);
  if (known)
    json_builder_add_int_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

static void
render_repository (JsonBuilder *builder, const TeesqlBackupFacts *facts)
{
  json_builder_begin_object (builder);
  add_text (builder, "state", facts->state);
  add_text (builder, "running", facts->running);
  add_text (builder, "problem", facts->problem);
  add_number (builder, "backups", facts->n_backups, TRUE);
  add_number (builder, "last_backup", facts->last_backup_unix, facts->last_backup_unix != 0);
  add_number (builder, "last_full", facts->last_full_unix, facts->last_full_unix != 0);
  add_number (builder, "oldest_restorable", facts->oldest_restorable_unix, facts->oldest_restorable_unix != 0);
  add_number (builder, "wal_lag_bytes", (gint64) facts->wal_lag_bytes, facts->wal_known);
  add_number (builder, "wal_lag_ms", (gint64) facts->wal_lag_ms, facts->wal_known);
  add_number (builder, "timeline", facts->timeline, facts->timeline != 0);
  add_number (builder, "durable_lsn", (gint64) facts->durable_lsn, facts->durable_lsn != 0);
  add_number (builder, "gaps", facts->gaps, TRUE);
  add_text (builder, "lineage", facts->lineage);
  add_number (builder, "head_sequence", facts->head_sequence, facts->head_sequence != 0);
  add_text (builder, "head_digest", facts->head_digest);
  json_builder_end_object (builder);
}

static void
render_backups (TeesqlStatus *self, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "backups");
  json_builder_begin_object (builder);
  for (guint i = 0; i < self->backups->len; i++)
    {
      const Repository *repository = g_ptr_array_index (self->backups, i);

      json_builder_set_member_name (builder, repository->storage);
      render_repository (builder, &repository->facts);
    }
  json_builder_end_object (builder);
}

static void
render_facts (TeesqlStatus *self, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "facts");
  json_builder_begin_object (builder);
  for (guint i = 0; i < self->fact_names->len; i++)
    {
      const char *name = g_ptr_array_index (self->fact_names, i);

      add_text (builder, name, g_hash_table_lookup (self->facts, name));
    }
  json_builder_end_object (builder);
}

char *
teesql_status_render_json (TeesqlStatus *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  const Component *worst = NULL;

  g_return_val_if_fail (TEESQL_IS_STATUS (self), NULL);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "schema");
  json_builder_add_int_value (builder, 1);
  g_mutex_lock (&self->lock);
  worst = status_find_worst (self);
  add_text (builder, "status", health_names[worst != NULL ? worst->health : TEESQL_HEALTH_STARTING]);
  add_text (builder, "reason", worst != NULL ? worst->reason : NULL);
  render_components (self, builder);
  render_lists (self, builder);
  render_facts (self, builder);
  render_backups (self, builder);
  g_mutex_unlock (&self->lock);
  render_numbers (self, builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

/* --- repositories */

/* The texts of @facts become copies that @self owns. */
static Repository *
repository_new (const char *storage, const TeesqlBackupFacts *facts)
{
  Repository *self = g_new0 (Repository, 1);
  const char **texts[] = { &self->facts.head_digest, &self->facts.lineage, &self->facts.state, &self->facts.running, &self->facts.problem };

  G_STATIC_ASSERT (G_N_ELEMENTS (texts) == G_N_ELEMENTS (self->texts));
  self->storage = g_strdup (storage);
  self->facts = *facts;
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    *texts[i] = self->texts[i] = g_strdup (*texts[i]);
  return self;
}

static gboolean
is_of_storage (gconstpointer repository, gconstpointer storage)
{
  return g_str_equal (((const Repository *) repository)->storage, storage);
}

void
teesql_status_set_backup (TeesqlStatus *self, const char *storage, const TeesqlBackupFacts *facts)
{
  Repository *repository = NULL;
  guint index = 0;

  g_return_if_fail (TEESQL_IS_STATUS (self));

  repository = repository_new (storage, facts);
  g_mutex_lock (&self->lock);
  if (g_ptr_array_find_with_equal_func (self->backups, storage, is_of_storage, &index))
    {
      repository_free (self->backups->pdata[index]);
      self->backups->pdata[index] = repository;
    }
  else
    g_ptr_array_add (self->backups, repository);
  g_mutex_unlock (&self->lock);
}

/* --- object */

static void
teesql_status_finalize (GObject *object)
{
  TeesqlStatus *self = TEESQL_STATUS (object);

  for (guint i = 0; i < TEESQL_N_COMPONENTS; i++)
    {
      g_free (self->components[i].reason);
      g_free (self->components[i].message);
    }
  g_ptr_array_unref (self->notices);
  g_ptr_array_unref (self->backups);
  g_ptr_array_unref (self->taints);
  g_ptr_array_unref (self->fact_names);
  g_hash_table_unref (self->facts);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (teesql_status_parent_class)->finalize (object);
}

static void
teesql_status_class_init (TeesqlStatusClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_status_finalize;
}

static void
teesql_status_init (TeesqlStatus *self)
{
  g_mutex_init (&self->lock);
  self->notices = g_ptr_array_new_with_free_func (notice_free);
  self->backups = g_ptr_array_new_with_free_func (repository_free);
  self->taints = g_ptr_array_new_with_free_func (g_free);
  self->fact_names = g_ptr_array_new_with_free_func (g_free);
  self->facts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

TeesqlStatus *
teesql_status_new (void)
{
  return g_object_new (TEESQL_TYPE_STATUS, NULL);
}
