#include "attest/teesql-identity-keeper.h"
#include "attest/teesql-identity-request.h"
#include "attest/teesql-proof.h"
#include "attest/teesql-trust.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"

#define VERIFY_TIMEOUT_MS 60000
#define BACKDATE_SECONDS  300 /* a peer's clock may run behind ours */
#define RETRY_FIRST_MS    1000
#define RETRY_MAX_MS      (5 * 60 * 1000)

struct _TeesqlIdentityKeeper
{
  GObject parent_instance;
  TeesqlConfig *config;
  TeesqlQuoteQueue *queue;
  TeesqlPanel *panel;
  TeesqlClock *clock;
  TeesqlStatus *status;
  TeesqlTlsUsage usage;
  TeesqlKms *kms; /* (nullable) */
  gboolean has_answer;

  GCancellable *stopping;
  GSource *start_cancelled;
  gboolean started;
  gboolean busy;
  guint n_failures;
  gint64 retry_unix;
  gint64 renew_unix;

  GMutex mutex; /* the two below */
  TeesqlTlsIdentity *identity;
  gint64 ends_unix;
};

G_DEFINE_FINAL_TYPE (TeesqlIdentityKeeper, teesql_identity_keeper, G_TYPE_OBJECT)

enum
{
  CHANGED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

/* Task data of one renewal. */
typedef struct
{
  TeesqlTlsIdentity *fresh;
  gint64 began_unix;
  gint64 lifetime_seconds;
} Renewal;

static void
renewal_free (gpointer data)
{
  Renewal *self = data;

  g_clear_pointer (&self->fresh, teesql_tls_identity_unref);
  g_free (self);
}

TeesqlTlsIdentity *
teesql_identity_keeper_ref_identity (TeesqlIdentityKeeper *self)
{
  const gint64 now_unix = teesql_clock_now (self->clock, NULL);
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  /* a clock below its floor (-1) cannot tell whether it is valid: closed */
  if (self->identity == NULL || now_unix < 0 || now_unix >= self->ends_unix)
    return NULL;
  return teesql_tls_identity_ref (self->identity);
}

static gboolean
has_identity (TeesqlIdentityKeeper *self)
{
  g_autoptr (TeesqlTlsIdentity) identity = teesql_identity_keeper_ref_identity (self);

  return identity != NULL;
}

static void
swap_identity (TeesqlIdentityKeeper *self, TeesqlTlsIdentity *fresh, gint64 ends_unix)
{
  g_autoptr (TeesqlTlsIdentity) old = NULL;

  g_mutex_lock (&self->mutex);
  old = g_steal_pointer (&self->identity);
  self->identity = fresh;
  self->ends_unix = ends_unix;
  g_mutex_unlock (&self->mutex);
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
publish_claim (TeesqlIdentityKeeper *self, TeesqlClaims *claims, TeesqlField field, const char *name)
{
  gsize size = 0;
  const guint8 *data = teesql_claims_get_field (claims, field, &size);
  g_autofree char *hex = data != NULL ? teesql_hex_encode (data, size) : NULL;

  if (hex != NULL)
    teesql_status_set_fact (self->status, name, hex);
}

static void
publish_bytes (TeesqlIdentityKeeper *self, GBytes *bytes, const char *name)
{
  g_autofree char *hex = bytes != NULL ? teesql_hex_encode (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)) : NULL;

  if (hex != NULL)
    teesql_status_set_fact (self->status, name, hex);
}

/* Who we are as a verifier sees it: proved facts, unlike those of the agent's Info. */
static void
publish (TeesqlIdentityKeeper *self, const TeesqlProof *proof)
{
  TeesqlClaims *claims = proof->claims->pdata[0];

  publish_claim (self, claims, TEESQL_FIELD_MRTD, "mrtd");
  publish_claim (self, claims, TEESQL_FIELD_RTMR0, "rtmr0");
  publish_claim (self, claims, TEESQL_FIELD_RTMR1, "rtmr1");
  publish_claim (self, claims, TEESQL_FIELD_RTMR2, "rtmr2");
  publish_claim (self, claims, TEESQL_FIELD_RTMR3, "rtmr3");
  if (proof->log == NULL)
    return;
  publish_bytes (self, proof->log->app_id, "app_id");
  publish_bytes (self, proof->log->compose_hash, "compose_hash");
  publish_bytes (self, proof->log->instance_id, "instance_id");
  publish_bytes (self, proof->log->os_image_hash, "os_image_hash");
  if (proof->log->key_provider != NULL)
    teesql_status_set_fact (self->status, "key_provider", proof->log->key_provider);
}

static void
succeed (TeesqlIdentityKeeper *self, Renewal *renewal, const TeesqlProof *proof)
{
  /* an agent that ignores the dates asked for gives ten years: the life is ours to bound (SR-5). VALID_UNTIL of collateral is no
   * end of ours: what peers use is fetched anew. */
  const gint64 lifetime = MIN (renewal->lifetime_seconds, proof->certificate_ends_unix - renewal->began_unix);
  const gint64 percent = teesql_config_get_integer (self->config, "identity", "renew-at");

  self->n_failures = 0;
  self->renew_unix = renewal->began_unix + lifetime * percent / 100;
  swap_identity (self, g_steal_pointer (&renewal->fresh), renewal->began_unix + lifetime);
  publish (self, proof);
  teesql_status_count (self->status, TEESQL_COUNTER_IDENTITY_RENEWALS, 1);
  teesql_status_set_component (self->status, TEESQL_COMPONENT_IDENTITY, TEESQL_HEALTH_OK, NULL, NULL);
  teesql_log_info ("identity", "a new identity is in use, valid for %" G_GINT64_FORMAT " s, renewed in %" G_GINT64_FORMAT " s", lifetime,
                   lifetime * percent / 100);
}

/* Full jitter on the upper half: many members that lost one KMS do not come back in step. */
static gint64
retry_delay_ms (guint n_failures, guint hint_ms)
{
  const gint64 bound = MIN ((gint64) RETRY_FIRST_MS << MIN (n_failures, 16u), (gint64) RETRY_MAX_MS);

  return MAX ((gint64) hint_ms, bound / 2 + g_random_int_range (0, (gint32) (bound / 2) + 1));
}

static void
fail (TeesqlIdentityKeeper *self, const GError *error)
{
  const gboolean usable = has_identity (self);
  const gint64 delay_ms = retry_delay_ms (self->n_failures, teesql_error_get_retry_after_ms (error));
  const gint64 now_unix = teesql_clock_now (self->clock, NULL);

  self->n_failures++;
  self->retry_unix = now_unix + (delay_ms + 999) / 1000;
  teesql_status_set_component (self->status, TEESQL_COMPONENT_IDENTITY, usable ? TEESQL_HEALTH_DEGRADED : TEESQL_HEALTH_FAILED,
                               teesql_error_get_reason (error), error->message);
  teesql_log_warning ("identity", "no new identity (%s): %s; next try in %" G_GINT64_FORMAT " s", teesql_error_get_reason (error),
                      error->message, (delay_ms + 999) / 1000);
}

static void
renewed (GTask *task, const TeesqlProof *proof, GError *error)
{
  TeesqlIdentityKeeper *self = g_task_get_source_object (task);

  self->busy = FALSE;
  if (proof != NULL)
    {
      succeed (self, g_task_get_task_data (task), proof);
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (!g_cancellable_is_cancelled (self->stopping))
    fail (self, error);
  g_task_return_error (task, error);
}

static void
proved_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  g_autoptr (TeesqlProof) proof = teesql_proof_finish (result, &error);

  if (error != NULL)
    g_prefix_error (&error, "our own evidence: ");
  renewed (task, proof, error);
}

/* An agent says only with its first answer that it is a simulator. */
static gboolean
fits_the_rest (TeesqlIdentityKeeper *self, GError **error)
{
  TeesqlAttester *attester = teesql_quote_queue_get_attester (self->queue);

  return teesql_trust_check (attester, self->panel->verifiers, error) &&
         (self->kms == NULL || teesql_trust_check_kms (attester, self->kms, error));
}

static void
requested_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  TeesqlIdentityKeeper *self = g_task_get_source_object (task);
  Renewal *renewal = g_task_get_task_data (task);
  GError *error = NULL;
  guint n = 0;

  teesql_status_count (self->status, TEESQL_COUNTER_QUOTES, 1);
  renewal->fresh = teesql_identity_request_finish (TEESQL_QUOTE_QUEUE (source), result, &error);
  self->has_answer |= renewal->fresh != NULL;
  if (renewal->fresh == NULL || !fits_the_rest (self, &error))
    {
      renewed (task, NULL, error);
      return;
    }
  /* what a peer would refuse must not be put in use, least of all in place of one that works */
  teesql_proof_async (self->panel, self->clock, teesql_tls_identity_get_chain (renewal->fresh, &n)[0], VERIFY_TIMEOUT_MS, self->stopping,
                      proved_cb, g_steal_pointer (&task));
}

static gboolean
makes_its_own (TeesqlIdentityKeeper *self)
{
  if (g_strcmp0 (teesql_config_get_string (self->config, "identity", "source"), "self") == 0)
    return TRUE;
  return (teesql_attester_get_features (teesql_quote_queue_get_attester (self->queue)) & TEESQL_ATTESTER_FEATURE_TLS_IDENTITY) == 0;
}

static void
renew_async (TeesqlIdentityKeeper *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  const char *subject = teesql_config_get_string (self->config, "identity", "subject");
  Renewal *renewal = g_new0 (Renewal, 1);
  GError *error = NULL;

  g_task_set_task_data (task, renewal, renewal_free);
  g_task_set_source_tag (task, renew_async);
  self->busy = TRUE;
  renewal->lifetime_seconds = teesql_config_get_duration_ms (self->config, "identity", "lifetime") / 1000;
  renewal->began_unix = teesql_clock_now (self->clock, &error);
  if (renewal->began_unix < 0)
    {
      renewed (task, NULL, error);
      return;
    }
  const TeesqlTlsRequest request = { .subject = subject != NULL ? subject : "",
                                     .alt_names = teesql_config_get_list (self->config, "identity", "alt-names"),
                                     .usage = self->usage,
                                     .not_before_unix = renewal->began_unix - BACKDATE_SECONDS,
                                     .not_after_unix = renewal->began_unix + renewal->lifetime_seconds };
  teesql_identity_request_async (self->queue, makes_its_own (self), &request, self->stopping, requested_cb, g_steal_pointer (&task));
}

static gboolean
start_cancelled_cb (GCancellable *cancellable, gpointer data)
{
  teesql_identity_keeper_stop (data);
  return G_SOURCE_REMOVE;
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  TeesqlIdentityKeeper *self = TEESQL_IDENTITY_KEEPER (source);
  GError *error = NULL;

  if (self->start_cancelled != NULL)
    g_source_destroy (self->start_cancelled);
  g_clear_pointer (&self->start_cancelled, g_source_unref);
  if (g_task_propagate_boolean (G_TASK (result), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
teesql_identity_keeper_start_async (TeesqlIdentityKeeper *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (!self->started);
  self->started = TRUE;
  teesql_status_set_component (self->status, TEESQL_COMPONENT_IDENTITY, TEESQL_HEALTH_STARTING, NULL, NULL);
  if (cancellable != NULL)
    {
      self->start_cancelled = g_cancellable_source_new (cancellable);
      g_source_set_callback (self->start_cancelled, G_SOURCE_FUNC (start_cancelled_cb), self, NULL);
      g_source_attach (self->start_cancelled, g_main_context_get_thread_default ());
    }
  renew_async (self, started_cb, g_task_new (self, cancellable, callback, user_data));
}

gboolean
teesql_identity_keeper_start_finish (TeesqlIdentityKeeper *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
drop_expired (TeesqlIdentityKeeper *self)
{
  if (self->identity == NULL || has_identity (self))
    return;
  swap_identity (self, NULL, 0);
  teesql_status_set_component (self->status, TEESQL_COMPONENT_IDENTITY, TEESQL_HEALTH_FAILED, "identity-expired",
                               "our certificate has expired and none replaces it: no handshake is made");
  teesql_log_error ("identity", "our certificate has expired and none replaces it: no handshake is made");
}

void
teesql_identity_keeper_tick (TeesqlIdentityKeeper *self)
{
  const gint64 now_unix = teesql_clock_now (self->clock, NULL);
  gboolean due = FALSE;

  if (!self->started || g_cancellable_is_cancelled (self->stopping))
    return;
  drop_expired (self);
  due = self->n_failures > 0 ? now_unix >= self->retry_unix : now_unix >= self->renew_unix;
  if (!self->busy && due && now_unix >= 0)
    renew_async (self, NULL, NULL);
}

void
teesql_identity_keeper_stop (TeesqlIdentityKeeper *self)
{
  g_cancellable_cancel (self->stopping);
}

void
teesql_identity_keeper_set_config (TeesqlIdentityKeeper *self, TeesqlConfig *config)
{
  teesql_config_ref (config);
  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = config;
}

void
teesql_identity_keeper_set_kms (TeesqlIdentityKeeper *self, TeesqlKms *kms)
{
  g_set_object (&self->kms, kms);
}

gboolean
teesql_identity_keeper_has_answer (TeesqlIdentityKeeper *self)
{
  return self->has_answer;
}

TeesqlIdentityKeeper *
teesql_identity_keeper_new (TeesqlConfig *config, TeesqlQuoteQueue *queue, TeesqlPanel *panel, TeesqlClock *clock, TeesqlStatus *status,
                            TeesqlTlsUsage usage)
{
  TeesqlIdentityKeeper *self = g_object_new (TEESQL_TYPE_IDENTITY_KEEPER, NULL);

  self->config = teesql_config_ref (config);
  self->queue = g_object_ref (queue);
  self->panel = teesql_panel_ref (panel);
  self->clock = teesql_clock_ref (clock);
  self->status = g_object_ref (status);
  self->usage = usage;
  return self;
}

static void
teesql_identity_keeper_finalize (GObject *object)
{
  TeesqlIdentityKeeper *self = TEESQL_IDENTITY_KEEPER (object);

  g_clear_pointer (&self->config, teesql_config_unref);
  g_clear_object (&self->queue);
  g_clear_object (&self->kms);
  g_clear_pointer (&self->panel, teesql_panel_unref);
  g_clear_pointer (&self->clock, teesql_clock_unref);
  g_clear_object (&self->status);
  g_clear_object (&self->stopping);
  g_clear_pointer (&self->identity, teesql_tls_identity_unref);
  g_mutex_clear (&self->mutex);
  G_OBJECT_CLASS (teesql_identity_keeper_parent_class)->finalize (object);
}

static void
teesql_identity_keeper_class_init (TeesqlIdentityKeeperClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_identity_keeper_finalize;
  signals[CHANGED] = g_signal_new ("changed", TEESQL_TYPE_IDENTITY_KEEPER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
teesql_identity_keeper_init (TeesqlIdentityKeeper *self)
{
  g_mutex_init (&self->mutex);
  self->stopping = g_cancellable_new ();
}
