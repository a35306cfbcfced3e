#include "attest/teesql-proof.h"
#include "base/teesql-domains.h"
#include "ratls/teesql-ratls-certificate.h"

#define READ_ON_LOOP_MAX ((gsize) 12288)

/* One run. Every call in flight holds a reference: a verifier that answers after the deadline finds @task gone. */
typedef struct
{
  GTask *task; /* NULL once answered */
  TeesqlRatlsPeer *peer;
  GPtrArray *verifiers;
  GPtrArray *claims; /* by index of the verifier; NULL until it answered */
  guint n_waiting;
  GError *trouble; /* of a verifier that could not tell */
  GCancellable *inner;
  GCancellable *outer;
  GSource *outer_source;
  GSource *deadline;
  guint timeout_ms;
  gint64 now_unix;
} Run;

typedef struct
{
  Run *run;
  guint index;
} Call;

void
teesql_proof_free (TeesqlProof *self)
{
  g_clear_pointer (&self->claims, g_ptr_array_unref);
  g_clear_pointer (&self->log, teesql_log_claims_free);
  g_free (self);
}

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
run_clear (gpointer data)
{
  Run *self = data;

  clear_source (&self->deadline);
  clear_source (&self->outer_source);
  g_clear_object (&self->task);
  g_clear_pointer (&self->peer, teesql_ratls_peer_free);
  g_clear_pointer (&self->verifiers, g_ptr_array_unref);
  g_clear_pointer (&self->claims, g_ptr_array_unref);
  g_clear_error (&self->trouble);
  g_clear_object (&self->inner);
  g_clear_object (&self->outer);
}

static void
run_unref (Run *self)
{
  g_rc_box_release_full (self, run_clear);
}

gboolean
teesql_proof_is_refusal (const GError *error)
{
  const gboolean ours = error->domain == TEESQL_VERIFIER_ERROR || error->domain == TEESQL_ATTEST_ERROR ||
                        error->domain == TEESQL_ATTESTER_ERROR || error->domain == TEESQL_PARSE_ERROR;

  /* that our own clock is wrong says nothing about a peer */
  if (ours && g_str_equal (teesql_error_get_reason (error), "clock-behind"))
    return FALSE;
  return ours && (error->code == TEESQL_ERROR_REFUSED || error->code == TEESQL_ERROR_MALFORMED || error->code == TEESQL_ERROR_UNSUPPORTED);
}

/* Answers once and stops what still runs. */
static void
answer (Run *self, TeesqlProof *proof, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  g_return_if_fail (task != NULL);
  clear_source (&self->deadline);
  clear_source (&self->outer_source);
  if (proof != NULL)
    g_task_return_pointer (task, proof, (GDestroyNotify) teesql_proof_free);
  else
    g_task_return_error (task, error);
  g_cancellable_cancel (self->inner);
}

/* Returns: -1 when a claim lacks its end, which no verifier may do */
static gint64
first_end (const Run *self)
{
  gint64 end = self->peer->not_after_unix + 1;

  for (guint i = 0; i < self->claims->len; i++)
    {
      gint64 until = 0;

      if (!teesql_claims_get_number (self->claims->pdata[i], TEESQL_NUMBER_VALID_UNTIL, &until))
        return -1;
      end = MIN (end, until);
    }
  return end;
}

static TeesqlProof *
prove (Run *self, GError **error)
{
  g_autoptr (TeesqlLogClaims) log = NULL;
  TeesqlProof *proof = NULL;
  const gint64 end = first_end (self);
  gsize size = 0;

  if (end <= self->now_unix)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "claims-expired", 0,
                                                  "what the evidence was verified with has expired"));
      return NULL;
    }
  /* legacy evidence may come without a log; whether that suffices is policy. `.8` without one is an error. */
  if (!self->peer->legacy || teesql_evidence_get_n_events (self->peer->evidence) > 0)
    {
      const guint8 *rtmr3 = teesql_claims_get_field (self->claims->pdata[0], TEESQL_FIELD_RTMR3, &size);

      log = rtmr3 != NULL && size == TEESQL_MEASUREMENT_SIZE ? teesql_event_log_replay (self->peer->evidence, rtmr3, error) : NULL;
      if (log == NULL)
        return NULL;
    }
  proof = g_new0 (TeesqlProof, 1);
  proof->claims = g_ptr_array_ref (self->claims);
  proof->log = g_steal_pointer (&log);
  proof->legacy = self->peer->legacy;
  proof->certificate_ends_unix = self->peer->not_after_unix + 1;
  proof->ends_unix = end;
  return proof;
}

static void
all_answered (Run *self)
{
  GError *error = g_steal_pointer (&self->trouble);
  TeesqlProof *proof = error == NULL ? prove (self, &error) : NULL;

  answer (self, proof, error);
}

static void
verified_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree Call *call = data;
  Run *self = call->run;
  GError *error = NULL;
  TeesqlClaims *claims = teesql_verifier_verify_finish (TEESQL_VERIFIER (source), result, &error);

  self->n_waiting--;
  if (claims == NULL && error == NULL)
    error = teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_FAILED, "broken-plugin", 0, "a verifier gave neither claims nor error");
  if (claims != NULL)
    self->claims->pdata[call->index] = claims;
  if (self->task == NULL)
    g_clear_error (&error);
  else if (error != NULL && teesql_proof_is_refusal (error))
    answer (self, NULL, error);
  else
    {
      if (error != NULL && self->trouble == NULL)
        self->trouble = g_steal_pointer (&error);
      g_clear_error (&error);
      if (self->n_waiting == 0)
        all_answered (self);
    }
  run_unref (self);
}

static gboolean
deadline_cb (gpointer data)
{
  Run *self = data;

  answer (self, NULL, g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "the evidence could not be verified within %u ms", self->timeout_ms));
  return G_SOURCE_REMOVE;
}

static gboolean
outer_cancelled_cb (GCancellable *outer, gpointer data)
{
  Run *self = data;

  answer (self, NULL, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
  return G_SOURCE_REMOVE;
}

static void
start_verifiers (Run *self)
{
  self->n_waiting = self->verifiers->len;
  for (guint i = 0; i < self->verifiers->len; i++)
    {
      Call *call = g_new0 (Call, 1);

      call->run = g_rc_box_acquire (self);
      call->index = i;
      teesql_verifier_verify_async (self->verifiers->pdata[i], self->peer->evidence, self->now_unix, self->inner, verified_cb, call);
    }
}

static void
watch (Run *self, guint timeout_ms)
{
  self->timeout_ms = timeout_ms;
  self->deadline = g_timeout_source_new (timeout_ms);
  g_source_set_callback (self->deadline, deadline_cb, self, NULL);
  g_source_attach (self->deadline, g_main_context_get_thread_default ());
  if (self->outer == NULL)
    return;
  self->outer_source = g_cancellable_source_new (self->outer);
  g_source_set_callback (self->outer_source, G_SOURCE_FUNC (outer_cancelled_cb), self, NULL);
  g_source_attach (self->outer_source, g_main_context_get_thread_default ());
}

static void
claims_free (gpointer claims)
{
  if (claims != NULL)
    teesql_claims_unref (claims);
}

static GPtrArray *
claims_new (guint n)
{
  GPtrArray *claims = g_ptr_array_new_full (n, claims_free);

  g_ptr_array_set_size (claims, (int) n);
  return claims;
}

static gboolean
check_dates (const TeesqlRatlsPeer *peer, gint64 now_unix, GError **error)
{
  const gboolean early = now_unix < peer->not_before_unix;
  const gint64 by = early ? peer->not_before_unix - now_unix : now_unix - peer->not_after_unix;

  if (by <= 0)
    return TRUE;
  g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED,
                                              early ? "certificate-not-yet-valid" : "certificate-expired", 0,
                                              early ? "certificate: valid only in %" G_GINT64_FORMAT " s"
                                                    : "certificate: expired %" G_GINT64_FORMAT " s ago",
                                              by));
  return FALSE;
}

/* What costs nothing comes first, so that a stranger's certificate causes no signature check and no request (design 6). */
static TeesqlRatlsPeer *
read_peer (GBytes *leaf, gint64 now_unix, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (leaf, &size);
  g_autoptr (TeesqlRatlsPeer) peer = NULL;

  if (size == 0 || size > TEESQL_RATLS_MAX_CERTIFICATE)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "certificate-size", 0,
                                                  "certificate: %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT " expected", size,
                                                  TEESQL_RATLS_MAX_CERTIFICATE));
      return NULL;
    }
  peer = teesql_ratls_peer_parse (data, size, error);
  if (peer == NULL || !teesql_ratls_peer_check_binding (peer, error) || !check_dates (peer, now_unix, error))
    return NULL;
  return g_steal_pointer (&peer);
}

typedef struct
{
  GBytes *leaf;
  gint64 now_unix;
} Reading;

static void
reading_free (gpointer data)
{
  Reading *self = data;

  g_bytes_unref (self->leaf);
  g_free (self);
}

static void
read_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Reading *reading = data;
  GError *error = NULL;
  TeesqlRatlsPeer *peer = read_peer (reading->leaf, reading->now_unix, &error);

  if (peer != NULL)
    g_task_return_pointer (task, peer, (GDestroyNotify) teesql_ratls_peer_free);
  else
    g_task_return_error (task, error);
}

/* Takes @peer and @error, one of which is %NULL. */
static void
begin (Run *self, TeesqlRatlsPeer *peer, GError *error)
{
  self->peer = peer;
  if (self->task == NULL)
    g_clear_error (&error);
  else if (peer == NULL)
    answer (self, NULL, error);
  else
    start_verifiers (self);
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Run *self = data;
  GError *error = NULL;
  TeesqlRatlsPeer *peer = g_task_propagate_pointer (G_TASK (result), &error);

  begin (self, peer, error);
  run_unref (self);
}

/* The usual certificate is read in 0.1 ms. A hostile one, as large as can be and full of small events, would hold the loop up. */
static void
read_leaf (Run *self, GBytes *leaf)
{
  g_autoptr (GTask) task = NULL;
  GError *error = NULL;
  Reading *reading = NULL;

  if (g_bytes_get_size (leaf) <= READ_ON_LOOP_MAX)
    {
      TeesqlRatlsPeer *peer = read_peer (leaf, self->now_unix, &error);

      begin (self, peer, error);
      return;
    }
  reading = g_new0 (Reading, 1);
  reading->leaf = g_bytes_ref (leaf);
  reading->now_unix = self->now_unix;
  task = g_task_new (NULL, NULL, read_cb, g_rc_box_acquire (self));
  g_task_set_task_data (task, reading, reading_free);
  g_task_run_in_thread (task, read_in_thread);
}

static Run *
run_new (GPtrArray *verifiers, gint64 now_unix, GCancellable *cancellable)
{
  Run *self = g_rc_box_new0 (Run);

  self->now_unix = now_unix;
  self->verifiers = g_ptr_array_ref (verifiers);
  self->claims = claims_new (verifiers->len);
  self->inner = g_cancellable_new ();
  self->outer = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  return self;
}

void
teesql_proof_async (GPtrArray *verifiers, TeesqlClock *clock, GBytes *leaf, guint timeout_ms, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  GError *error = NULL;
  Run *self = NULL;
  const gint64 now_unix = teesql_clock_now (clock, &error);

  g_task_set_source_tag (task, teesql_proof_async);
  if (now_unix >= 0 && verifiers->len == 0)
    error = teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_CONFIG, "no-verifier", 0, "there is no verifier, so nobody is accepted");
  if (error != NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  self = run_new (verifiers, now_unix, cancellable);
  self->task = g_steal_pointer (&task);
  watch (self, timeout_ms);
  read_leaf (self, leaf);
  run_unref (self);
}

TeesqlProof *
teesql_proof_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_proof_async), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
