#include "attest/teesql-attest-service-private.h"
#include "attest/teesql-collateral-watch.h"
#include "attest/teesql-identity-keeper.h"
#include "attest/teesql-judgement.h"
#include "attest/teesql-trust.h"
#include "attest/teesql-verdict-cache.h"
#include "attest/teesql-verdict-private.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include <string.h>

#define TICK_SECONDS  2
#define IN_FLIGHT_MAX 64
#define CACHE_MAX     10000
#define SKIPPED_TTL_S 60

const guint8 teesql_attest_intel_root[32] = { 0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91,
                                              0x86, 0x06, 0x8a, 0x7f, 0xc1, 0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35,
                                              0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e };

struct _TeesqlAttestService
{
  GObject parent_instance;
  GMainContext *context;
  TeesqlConfig *config;
  TeesqlAttester *attester;
  TeesqlPanel *panel;
  char *verifier_taint;
  TeesqlClock *clock;
  TeesqlStatus *status;
  TeesqlDirection direction;
  TeesqlPolicy *policy;
  TeesqlQuoteQueue *queue;
  TeesqlIdentityKeeper *keeper;
  TeesqlCollateralWatch *collateral;
  TeesqlVerdictCache *cache;
  GHashTable *flights; /* Flight.digest -> Flight */
  GSource *ticker;
  gboolean stopped;
  gboolean behind;        /* the clock, as last published */
  gboolean verifier_down; /* likewise */

  GMutex mutex;             /* the one below */
  TeesqlVerdictKey key_now; /* all of a cache key but the leaf */
};

G_DEFINE_FINAL_TYPE (TeesqlAttestService, teesql_attest_service, G_TYPE_OBJECT)

enum
{
  IDENTITY_CHANGED,
  JUDGE_AGAIN,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

/* One verification, for everybody who waits for this certificate. */
typedef struct
{
  TeesqlAttestService *service;
  guint8 digest[TEESQL_SHA256_SIZE];
  guint64 generation; /* at its start */
  GPtrArray *waiters; /* Waiter, owned */
  GCancellable *cancellable;
} Flight;

/* One call of judge_async, made in any thread and served on the main context. */
typedef struct
{
  GTask *task;
  GBytes *leaf;
  guint8 digest[TEESQL_SHA256_SIZE];
  char *connection;
  char *peer;
  char *phase;
  Flight *flight;
  GSource *cancelled;
} Waiter;

static void
waiter_free (gpointer data)
{
  Waiter *self = data;

  if (self->cancelled != NULL)
    g_source_destroy (self->cancelled);
  g_clear_pointer (&self->cancelled, g_source_unref);
  g_clear_pointer (&self->leaf, g_bytes_unref);
  g_clear_object (&self->task);
  g_free (self->connection);
  g_free (self->peer);
  g_free (self->phase);
  g_free (self);
}

static void
flight_free (gpointer data)
{
  Flight *self = data;

  g_ptr_array_unref (self->waiters);
  g_clear_object (&self->cancellable);
  g_free (self);
}

static guint
hash_digest (gconstpointer data)
{
  const guint8 *digest = data;

  return (guint) digest[0] | (guint) digest[1] << 8 | (guint) digest[2] << 16 | (guint) digest[3] << 24;
}

static gboolean
equal_digest (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, TEESQL_SHA256_SIZE) == 0;
}

/* ---- keys of the cache: any thread ---- */

static TeesqlVerdictKey
make_key (TeesqlAttestService *self, const guint8 digest[TEESQL_SHA256_SIZE])
{
  TeesqlVerdictKey key;

  g_mutex_lock (&self->mutex);
  key = self->key_now;
  g_mutex_unlock (&self->mutex);
  memcpy (key.leaf, digest, sizeof key.leaf);
  return key;
}

static TeesqlVerdict *
lookup_digest (TeesqlAttestService *self, const guint8 digest[TEESQL_SHA256_SIZE])
{
  const TeesqlVerdictKey key = make_key (self, digest);
  const gint64 now_unix = teesql_clock_now (self->clock, NULL);

  return now_unix >= 0 ? teesql_verdict_cache_lookup (self->cache, &key, now_unix) : NULL;
}

static void
digest_of (GBytes *leaf, guint8 out[TEESQL_SHA256_SIZE])
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (leaf, &size);

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, out, data, size);
}

TeesqlVerdict *
teesql_attest_service_lookup (TeesqlAttestService *self, GBytes *leaf)
{
  guint8 digest[TEESQL_SHA256_SIZE];
  TeesqlVerdict *verdict = NULL;

  digest_of (leaf, digest);
  verdict = lookup_digest (self, digest);
  teesql_status_count (self->status, verdict != NULL ? TEESQL_COUNTER_VERDICT_HITS : TEESQL_COUNTER_VERDICT_MISSES, 1);
  return verdict;
}

TeesqlTlsIdentity *
teesql_attest_service_ref_identity (TeesqlAttestService *self)
{
  return teesql_identity_keeper_ref_identity (self->keeper);
}

/* ---- judging ---- */

static const char *
or_dash (const char *text)
{
  return text != NULL ? text : "-";
}

/* A refusal is the caller's to log, which knows how many strangers it has logged already. */
static void
log_verdict (const Waiter *waiter, const TeesqlVerdict *verdict)
{
  const TeesqlLogContext context = { waiter->connection, waiter->peer, waiter->phase };

  if (!teesql_verdict_is_accepted (verdict))
    return;
  teesql_log (TEESQL_LOG_INFO, &context, "attest",
              "peer accepted: app %s, instance %s, compose hash %s, MRTD %.16s…, platform %s, TCB %s%s%s",
              or_dash (teesql_verdict_get_app_id (verdict)), or_dash (teesql_verdict_get_instance_id (verdict)),
              or_dash (teesql_verdict_get_compose_hash (verdict)), or_dash (teesql_verdict_get_mrtd (verdict)),
              or_dash (teesql_verdict_get_platform (verdict)), or_dash (teesql_verdict_get_tcb_status (verdict)),
              teesql_verdict_get_skipped (verdict) != NULL ? "; verified without " : "",
              teesql_verdict_get_skipped (verdict) != NULL ? teesql_verdict_get_skipped (verdict) : "");
}

/* Takes the waiter. */
static void
answer (TeesqlAttestService *self, Waiter *waiter, TeesqlVerdict *verdict)
{
  log_verdict (waiter, verdict);
  g_task_return_pointer (waiter->task, teesql_verdict_ref (verdict), (GDestroyNotify) teesql_verdict_unref);
  waiter_free (waiter);
}

static void
answer_refused (TeesqlAttestService *self, Waiter *waiter, const char *reason, const char *message)
{
  g_autoptr (TeesqlVerdict) verdict = teesql_verdict_new_refused (reason, message);

  answer (self, waiter, verdict);
}

static void
forget_verdicts (TeesqlAttestService *self)
{
  g_mutex_lock (&self->mutex);
  self->key_now.generation++;
  g_mutex_unlock (&self->mutex);
  teesql_verdict_cache_clear (self->cache);
}

/* SR-27: only dates that Intel's root signed may raise the floor; a root of somebody's own could stop our clock for ever. */
static void
note_claims (TeesqlAttestService *self, const TeesqlProof *proof)
{
  gboolean newer = FALSE;

  for (guint i = 0; i < proof->claims->len; i++)
    {
      TeesqlClaims *claims = proof->claims->pdata[i];
      gint64 issued_at = 0;
      gsize size = 0;
      const guint8 *anchor = teesql_claims_get_field (claims, TEESQL_FIELD_TRUST_ANCHOR, &size);
      const gboolean intel =
          anchor != NULL && size == sizeof teesql_attest_intel_root && memcmp (anchor, teesql_attest_intel_root, size) == 0;

      if (intel && teesql_claims_get_number (claims, TEESQL_NUMBER_ISSUED_AT, &issued_at))
        teesql_clock_raise_floor (self->clock, issued_at);
      newer |= teesql_collateral_watch_note (self->collateral, claims);
    }
  if (!newer)
    return;
  /* SR-4: what a platform is worth may have changed, for those too that are in already */
  forget_verdicts (self);
  g_signal_emit (self, signals[JUDGE_AGAIN], 0);
}

static void
keep (TeesqlAttestService *self, const guint8 digest[TEESQL_SHA256_SIZE], TeesqlVerdict *verdict, gint64 now_unix)
{
  const TeesqlVerdictKey key = make_key (self, digest);
  const gint64 ttl_s = teesql_policy_get_verdict_ttl_ms (self->policy) / 1000;
  /* whoever was away may be back soon, and may refuse */
  const gint64 ttl_end = now_unix + (teesql_verdict_get_skipped (verdict) != NULL ? MIN (ttl_s, SKIPPED_TTL_S) : ttl_s);

  teesql_verdict_cache_insert (self->cache, &key, verdict, MIN (ttl_end, teesql_verdict_get_valid_until (verdict)));
}

/* Said once, not for every peer that meets it. */
static void
publish_verifier (TeesqlAttestService *self, const GError *trouble)
{
  if (trouble == NULL)
    teesql_status_set_component (self->status, TEESQL_COMPONENT_VERIFIER, TEESQL_HEALTH_OK, NULL, NULL);
  else
    teesql_status_set_component (self->status, TEESQL_COMPONENT_VERIFIER, TEESQL_HEALTH_DEGRADED, teesql_error_get_reason (trouble),
                                 trouble->message);
  if (trouble != NULL && !self->verifier_down)
    teesql_log_warning ("attest", "verification is in trouble (%s): %s", teesql_error_get_reason (trouble), trouble->message);
  else if (trouble == NULL && self->verifier_down)
    teesql_log_info ("attest", "peers can be verified again");
  self->verifier_down = trouble != NULL;
}

static void
publish_proof (TeesqlAttestService *self, const TeesqlProof *proof)
{
  g_autoptr (GError) error = NULL;

  if (proof->skipped != NULL)
    error = teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_UNAVAILABLE, "verifier-skipped", 0,
                              "peers are judged without a verifier that cannot be asked: %s", proof->skipped);
  publish_verifier (self, error);
}

/* Both accepted the evidence, and policy takes it by the word of one of them only. */
static void
note_split (TeesqlAttestService *self, const TeesqlProof *proof, const TeesqlVerdict *verdict, gint64 now_unix)
{
  g_autofree char *opinions = NULL;

  if (proof->claims->len > 1 && !teesql_verdict_is_accepted (verdict))
    opinions = teesql_judgement_describe_split (proof, self->policy, now_unix);
  if (opinions != NULL)
    teesql_panel_note_disagreement (self->panel, opinions);
}

static TeesqlVerdict *
judge_proof (TeesqlAttestService *self, const Flight *flight, const TeesqlProof *proof)
{
  g_autoptr (GError) error = NULL;
  const gint64 now_unix = teesql_clock_now (self->clock, &error);
  const gboolean stale = make_key (self, flight->digest).generation != flight->generation;
  TeesqlVerdict *verdict = NULL;

  if (now_unix < 0)
    return teesql_judgement_of_error (error);
  /* the clock may have been set forward while the verifiers worked */
  if (now_unix >= proof->ends_unix)
    return teesql_verdict_new_refused ("claims-expired", "what the evidence was verified with has expired");
  note_claims (self, proof);
  publish_proof (self, proof);
  /* today's policy, also when it was reloaded while the verifiers worked */
  verdict = teesql_judgement_of_proof (proof, self->policy, now_unix, self->verifier_taint);
  note_split (self, proof, verdict, now_unix);
  if (teesql_verdict_is_accepted (verdict) && !stale)
    keep (self, flight->digest, verdict, now_unix);
  return verdict;
}

static TeesqlVerdict *
judge_failure (TeesqlAttestService *self, const GError *error)
{
  if (self->stopped)
    return teesql_verdict_new_refused ("shutting-down", "this server is shutting down");
  if (!teesql_proof_is_refusal (error))
    publish_verifier (self, error);
  return teesql_judgement_of_error (error);
}

static void
proved_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Flight *flight = data;
  g_autoptr (TeesqlAttestService) self = flight->service;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlProof) proof = teesql_proof_finish (result, &error);
  g_autoptr (TeesqlVerdict) verdict = NULL;

  /* gone already when its last waiter left */
  if (g_hash_table_lookup (self->flights, flight->digest) == flight)
    g_hash_table_steal (self->flights, flight->digest);
  if (flight->waiters->len > 0)
    verdict = proof != NULL ? judge_proof (self, flight, proof) : judge_failure (self, error);
  while (flight->waiters->len > 0)
    answer (self, g_ptr_array_steal_index (flight->waiters, 0), verdict);
  flight_free (flight);
}

static guint
verify_timeout_ms (TeesqlAttestService *self)
{
  if (self->direction == TEESQL_DIRECTION_CLIENTS)
    return teesql_config_get_duration_ms (self->config, "proxy", "verify-timeout");
  return teesql_config_get_duration_ms (self->config, "connect", "connect-timeout");
}

static Flight *
flight_start (TeesqlAttestService *self, const Waiter *waiter)
{
  Flight *flight = g_new0 (Flight, 1);

  flight->service = g_object_ref (self);
  flight->waiters = g_ptr_array_new_with_free_func (waiter_free);
  flight->cancellable = g_cancellable_new ();
  memcpy (flight->digest, waiter->digest, sizeof flight->digest);
  flight->generation = make_key (self, waiter->digest).generation;
  g_hash_table_insert (self->flights, flight->digest, flight);
  teesql_status_count (self->status, TEESQL_COUNTER_VERIFICATIONS, 1);
  teesql_proof_async (self->panel, self->clock, waiter->leaf, verify_timeout_ms (self), flight->cancellable, proved_cb, flight);
  return flight;
}

static gboolean
waiter_cancelled_cb (GCancellable *cancellable, gpointer data)
{
  Waiter *waiter = data;
  Flight *flight = waiter->flight;
  TeesqlAttestService *self = flight->service;
  guint index = 0;

  g_task_return_error_if_cancelled (waiter->task);
  if (g_ptr_array_find (flight->waiters, waiter, &index))
    g_ptr_array_remove_index (flight->waiters, index);
  /* nobody wants to know any more: make room */
  if (flight->waiters->len == 0)
    {
      g_hash_table_steal (self->flights, flight->digest);
      g_cancellable_cancel (flight->cancellable);
    }
  return G_SOURCE_REMOVE;
}

static void
join (Flight *flight, Waiter *waiter)
{
  GCancellable *cancellable = g_task_get_cancellable (waiter->task);

  waiter->flight = flight;
  g_ptr_array_add (flight->waiters, waiter);
  if (cancellable == NULL)
    return;
  waiter->cancelled = g_cancellable_source_new (cancellable);
  g_source_set_callback (waiter->cancelled, G_SOURCE_FUNC (waiter_cancelled_cb), waiter, NULL);
  g_source_attach (waiter->cancelled, flight->service->context);
}

static gboolean
serve (gpointer data)
{
  Waiter *waiter = data;
  TeesqlAttestService *self = g_task_get_source_object (waiter->task);
  g_autoptr (TeesqlVerdict) cached = lookup_digest (self, waiter->digest);
  Flight *flight = g_hash_table_lookup (self->flights, waiter->digest);

  if (cached != NULL)
    answer (self, waiter, cached);
  else if (self->stopped)
    answer_refused (self, waiter, "shutting-down", "this server is shutting down");
  else if (flight == NULL && g_hash_table_size (self->flights) >= IN_FLIGHT_MAX)
    answer_refused (self, waiter, "busy", "too many peers are being verified, try again");
  else
    join (flight != NULL ? flight : flight_start (self, waiter), waiter);
  return G_SOURCE_REMOVE;
}

static gboolean
serve_without_leaf (gpointer data)
{
  Waiter *waiter = data;

  answer_refused (g_task_get_source_object (waiter->task), waiter, "no-evidence",
                  "no certificate with attestation evidence was presented; connect through `teesql connect`, or with an RA-TLS client");
  return G_SOURCE_REMOVE;
}

void
teesql_attest_service_judge_async (TeesqlAttestService *self, GBytes *leaf, const TeesqlLogContext *context, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  Waiter *waiter = g_new0 (Waiter, 1);

  waiter->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (waiter->task, teesql_attest_service_judge_async);
  if (context != NULL)
    {
      waiter->connection = g_strdup (context->connection);
      waiter->peer = g_strdup (context->peer);
      waiter->phase = g_strdup (context->phase);
    }
  if (leaf != NULL)
    {
      waiter->leaf = g_bytes_ref (leaf);
      digest_of (leaf, waiter->digest);
    }
  g_main_context_invoke (self->context, leaf != NULL ? serve : serve_without_leaf, waiter);
}

TeesqlVerdict *
teesql_attest_service_judge_finish (TeesqlAttestService *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- time ---- */

static void
publish_clock (TeesqlAttestService *self)
{
  g_autoptr (GError) error = NULL;
  const gboolean behind = teesql_clock_now (self->clock, &error) < 0;

  if (behind)
    teesql_status_set_component (self->status, TEESQL_COMPONENT_CLOCK, TEESQL_HEALTH_FAILED, teesql_error_get_reason (error),
                                 error->message);
  else
    teesql_status_set_component (self->status, TEESQL_COMPONENT_CLOCK, TEESQL_HEALTH_OK, NULL, NULL);
  if (behind && !self->behind)
    teesql_log_error ("clock", "%s", error->message);
  self->behind = behind;
}

static void
clock_moved (TeesqlAttestService *self)
{
  static const char message[] = "the wall clock was set by more than 30 s while running; sessions are judged again";

  teesql_log_warning ("clock", "%s", message);
  teesql_status_add_notice (self->status, "clock-moved", "", message);
  forget_verdicts (self);
  g_signal_emit (self, signals[JUDGE_AGAIN], 0);
}

void
teesql_attest_service_tick (TeesqlAttestService *self)
{
  if (teesql_clock_check (self->clock))
    clock_moved (self);
  publish_clock (self);
  teesql_identity_keeper_tick (self->keeper);
}

static gboolean
tick_cb (gpointer data)
{
  teesql_attest_service_tick (data);
  return G_SOURCE_CONTINUE;
}

/* ---- life ---- */

static void
started_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;

  if (teesql_identity_keeper_start_finish (TEESQL_IDENTITY_KEEPER (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
teesql_attest_service_start_async (TeesqlAttestService *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, teesql_attest_service_start_async);
  publish_clock (self);
  self->ticker = g_timeout_source_new_seconds (TICK_SECONDS);
  g_source_set_callback (self->ticker, tick_cb, self, NULL);
  g_source_attach (self->ticker, self->context);
  teesql_identity_keeper_start_async (self->keeper, cancellable, started_cb, task);
}

gboolean
teesql_attest_service_start_finish (TeesqlAttestService *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
teesql_attest_service_stop (TeesqlAttestService *self)
{
  GHashTableIter iter;
  gpointer flight = NULL;

  self->stopped = TRUE;
  if (self->ticker != NULL)
    g_source_destroy (self->ticker);
  g_clear_pointer (&self->ticker, g_source_unref);
  teesql_identity_keeper_stop (self->keeper);
  g_hash_table_iter_init (&iter, self->flights);
  while (g_hash_table_iter_next (&iter, NULL, &flight))
    g_cancellable_cancel (((Flight *) flight)->cancellable);
}

TeesqlStatus *
teesql_attest_service_get_status (TeesqlAttestService *self)
{
  return self->status;
}

gboolean
teesql_attest_service_check_kms (TeesqlAttestService *self, TeesqlKms *kms, GError **error)
{
  /* while the attester has not answered its taint is not known: then its first identity is checked against this KMS */
  teesql_identity_keeper_set_kms (self->keeper, kms);
  if (teesql_identity_keeper_has_answer (self->keeper) && !teesql_trust_check_kms (self->attester, kms, error))
    return FALSE;
  teesql_trust_publish (self->status, teesql_kms_get_taint (kms));
  return TRUE;
}

/* SR-6: what is open is said, at start and at every reload. */
static void
publish_policy (TeesqlAttestService *self, const TeesqlPolicy *old)
{
  const char *name = teesql_policy_get_name (self->policy);

  for (const char *const *any = old != NULL ? teesql_policy_get_any (old) : NULL; any != NULL && *any != NULL; any++)
    teesql_status_remove_notice (self->status, "policy-any", *any);
  for (const char *const *open = old != NULL ? teesql_policy_get_unsettled (old) : NULL; open != NULL && *open != NULL; open++)
    teesql_status_remove_notice (self->status, "policy-unsettled", *open);
  for (const char *const *any = teesql_policy_get_any (self->policy); *any != NULL; any++)
    {
      g_autofree char *message = g_strdup_printf ("[policy:%s] %s = any: nothing is required", name, *any);

      teesql_log_warning ("policy", "%s", message);
      teesql_status_add_notice (self->status, "policy-any", *any, message);
    }
  for (const char *const *open = teesql_policy_get_unsettled (self->policy); *open != NULL; open++)
    {
      g_autofree char *message = g_strdup_printf ("[policy:%s] does not settle the %s: everybody is refused", name, *open);

      teesql_log_warning ("policy", "%s", message);
      teesql_status_add_notice (self->status, "policy-unsettled", *open, message);
    }
}

static const char *
policy_name (TeesqlDirection direction)
{
  return direction == TEESQL_DIRECTION_CLIENTS ? "clients" : "server";
}

/* Returns: whether verdicts of before may differ now */
static gboolean
set_key (TeesqlAttestService *self, const guint8 digest[48])
{
  TeesqlVerdictKey before;
  gboolean changed = FALSE;

  g_mutex_lock (&self->mutex);
  before = self->key_now;
  self->key_now.direction = self->direction;
  memcpy (self->key_now.policy, teesql_policy_get_digest (self->policy), sizeof self->key_now.policy);
  memcpy (self->key_now.config, digest, sizeof self->key_now.config);
  changed = memcmp (&before, &self->key_now, sizeof before) != 0;
  g_mutex_unlock (&self->mutex);
  return changed;
}

gboolean
teesql_attest_service_reload (TeesqlAttestService *self, TeesqlConfig *config, const guint8 digest[48], GError **error)
{
  g_autoptr (TeesqlPolicy) old = NULL;
  TeesqlPolicy *policy = teesql_policy_new_from_config (config, policy_name (self->direction), error);

  if (policy == NULL)
    return FALSE;
  old = g_steal_pointer (&self->policy);
  self->policy = policy;
  teesql_config_ref (config);
  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = config;
  teesql_identity_keeper_set_config (self->keeper, config);
  publish_policy (self, old);
  if (set_key (self, digest))
    {
      teesql_verdict_cache_clear (self->cache);
      g_signal_emit (self, signals[JUDGE_AGAIN], 0);
    }
  return TRUE;
}

static void
identity_changed_cb (TeesqlIdentityKeeper *keeper, gpointer data)
{
  TeesqlAttestService *self = data;

  teesql_trust_publish (self->status, teesql_attester_get_taint (self->attester));
  g_signal_emit (self, signals[IDENTITY_CHANGED], 0);
}

static void
take_options (TeesqlAttestService *self, const TeesqlAttestOptions *options, TeesqlPolicy *policy, TeesqlPanel *panel)
{
  self->context = g_main_context_ref_thread_default ();
  self->config = teesql_config_ref (options->config);
  self->attester = g_object_ref (options->attester);
  self->panel = teesql_panel_ref (panel);
  self->verifier_taint = teesql_trust_dup_verifier_taint (panel->verifiers);
  self->clock = teesql_clock_ref (options->clock);
  self->status = g_object_ref (options->status);
  self->direction = options->direction;
  self->policy = policy;
  self->queue = teesql_quote_queue_new (options->attester);
  self->keeper = teesql_identity_keeper_new (options->config, self->queue, panel, options->clock, options->status, options->usage);
  g_signal_connect (self->keeper, "changed", G_CALLBACK (identity_changed_cb), self);
}

static void
publish_start (TeesqlAttestService *self, const TeesqlAttestOptions *options)
{
  guint8 digest[48];

  if (options->config_digest != NULL)
    memcpy (digest, options->config_digest, sizeof digest);
  else
    teesql_config_digest (options->config, NULL, 0, digest);
  (void) set_key (self, digest);
  publish_policy (self, NULL);
  teesql_panel_publish (self->panel);
  for (guint i = 0; i < self->panel->verifiers->len; i++)
    teesql_trust_publish (self->status, teesql_verifier_get_taint (self->panel->verifiers->pdata[i]));
  teesql_trust_publish (self->status, teesql_attester_get_taint (self->attester));
  teesql_status_set_component (self->status, TEESQL_COMPONENT_VERIFIER, TEESQL_HEALTH_OK, NULL, NULL);
}

TeesqlAttestService *
teesql_attest_service_new (const TeesqlAttestOptions *options, GError **error)
{
  g_autoptr (TeesqlPanel) panel =
      teesql_panel_new (options->verifiers, options->verifier_names, options->n_verifiers, options->config, options->status);
  TeesqlAttestService *self = NULL;
  TeesqlPolicy *policy = NULL;

  if (panel->verifiers->len == 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_CONFIG, "no-verifier", 0,
                                                  "[teesql] verifiers: at least one is needed"));
      return NULL;
    }
  if (!teesql_trust_check (options->attester, panel->verifiers, error))
    return NULL;
  policy = teesql_policy_new_from_config (options->config, policy_name (options->direction), error);
  if (policy == NULL)
    return NULL;
  self = g_object_new (TEESQL_TYPE_ATTEST_SERVICE, NULL);
  take_options (self, options, policy, panel);
  publish_start (self, options);
  return self;
}

guint
teesql_attest_service_get_n_in_flight (TeesqlAttestService *self)
{
  return g_hash_table_size (self->flights);
}

static void
teesql_attest_service_dispose (GObject *object)
{
  TeesqlAttestService *self = TEESQL_ATTEST_SERVICE (object);

  if (self->ticker != NULL)
    g_source_destroy (self->ticker);
  g_clear_pointer (&self->ticker, g_source_unref);
  if (self->keeper != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->keeper, self);
      teesql_identity_keeper_stop (self->keeper);
    }
  g_clear_object (&self->keeper);
  G_OBJECT_CLASS (teesql_attest_service_parent_class)->dispose (object);
}

static void
teesql_attest_service_finalize (GObject *object)
{
  TeesqlAttestService *self = TEESQL_ATTEST_SERVICE (object);

  /* each flight holds a reference, so none is left here */
  g_hash_table_unref (self->flights);
  g_clear_object (&self->queue);
  g_clear_pointer (&self->policy, teesql_policy_unref);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_clear_object (&self->attester);
  g_clear_pointer (&self->panel, teesql_panel_unref);
  g_free (self->verifier_taint);
  g_clear_pointer (&self->clock, teesql_clock_unref);
  g_clear_object (&self->status);
  g_clear_pointer (&self->collateral, teesql_collateral_watch_free);
  g_clear_pointer (&self->cache, teesql_verdict_cache_free);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_mutex_clear (&self->mutex);
  G_OBJECT_CLASS (teesql_attest_service_parent_class)->finalize (object);
}

static void
teesql_attest_service_class_init (TeesqlAttestServiceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = teesql_attest_service_dispose;
  object_class->finalize = teesql_attest_service_finalize;
  signals[IDENTITY_CHANGED] =
      g_signal_new ("identity-changed", TEESQL_TYPE_ATTEST_SERVICE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[JUDGE_AGAIN] = g_signal_new ("judge-again", TEESQL_TYPE_ATTEST_SERVICE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
teesql_attest_service_init (TeesqlAttestService *self)
{
  g_mutex_init (&self->mutex);
  self->flights = g_hash_table_new (hash_digest, equal_digest);
  self->collateral = teesql_collateral_watch_new ();
  self->cache = teesql_verdict_cache_new (CACHE_MAX);
}
