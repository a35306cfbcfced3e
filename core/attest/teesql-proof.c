#include "attest/teesql-proof.h"
#include "base/teesql-domains.h"
#include "ratls/teesql-ratls-certificate.h"
#include <string.h>

#define READ_ON_LOOP_MAX ((gsize) 12288)

#define GRACE_MS  2000u
#define TRIES_MAX 3u
#define RETRY_MS  250u

/* One run. Every call in flight holds a reference: a verifier that answers after the deadline finds @task gone. */
typedef struct
{
  GTask *task; /* NULL once answered */
  TeesqlRatlsPeer *peer;
  TeesqlPanel *panel;
  GPtrArray *claims; /* by index of the verifier; NULL until it answered */
  GPtrArray *errors; /* likewise, GError */
  guint *tries;
  guint n_waiting;
  gboolean refused;
  GCancellable *inner;
  GCancellable *outer;
  GSource *outer_source;
  GSource *deadline;
  GSource *patience; /* until those that may be passed over are */
  gint64 started_us;
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
  g_clear_pointer (&self->names, g_ptr_array_unref);
  g_clear_pointer (&self->log, teesql_log_claims_free);
  g_free (self->skipped);
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
  clear_source (&self->patience);
  clear_source (&self->outer_source);
  g_clear_object (&self->task);
  g_clear_pointer (&self->peer, teesql_ratls_peer_free);
  g_clear_pointer (&self->panel, teesql_panel_unref);
  g_clear_pointer (&self->claims, g_ptr_array_unref);
  g_clear_pointer (&self->errors, g_ptr_array_unref);
  g_clear_pointer (&self->tries, g_free);
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
  clear_source (&self->patience);
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

      if (self->claims->pdata[i] == NULL)
        continue;
      if (!teesql_claims_get_number (self->claims->pdata[i], TEESQL_NUMBER_VALID_UNTIL, &until))
        return -1;
      end = MIN (end, until);
    }
  return end;
}

/* Only the others: whoever had no answer was passed over. */
static void
take_claims (const Run *self, TeesqlProof *proof)
{
  proof->claims = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_claims_unref);
  proof->names = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < self->claims->len; i++)
    if (self->claims->pdata[i] != NULL)
      {
        g_ptr_array_add (proof->claims, teesql_claims_ref (self->claims->pdata[i]));
        g_ptr_array_add (proof->names, g_strdup (self->panel->names[i]));
      }
}

static gboolean
replay (const Run *self, TeesqlProof *proof, GError **error)
{
  const guint8 *rtmr3 = NULL;
  gsize size = 0;

  /* legacy evidence may come without a log; whether that suffices is policy. `.8` without one is an error. */
  if (self->peer->legacy && teesql_evidence_get_n_events (self->peer->evidence) == 0)
    return TRUE;
  rtmr3 = teesql_claims_get_field (proof->claims->pdata[0], TEESQL_FIELD_RTMR3, &size);
  proof->log = rtmr3 != NULL && size == TEESQL_MEASUREMENT_SIZE ? teesql_event_log_replay (self->peer->evidence, rtmr3, error) : NULL;
  return proof->log != NULL;
}

gboolean
teesql_proof_check_same_platform (GPtrArray *claims, GError **error)
{
  static const TeesqlField fields[] = { TEESQL_FIELD_FMSPC, TEESQL_FIELD_PPID, TEESQL_FIELD_PLATFORM_INSTANCE };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      const guint8 *known = NULL;

      for (guint j = 0; j < claims->len; j++)
        {
          gsize size = 0;
          const guint8 *value = teesql_claims_get_field (claims->pdata[j], fields[i], &size);

          if (known != NULL && value != NULL && memcmp (known, value, size) != 0)
            {
              g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "verifiers-disagree", 0,
                                                          "the verifiers tell of different platforms"));
              return FALSE;
            }
          known = value != NULL ? value : known;
        }
    }
  return TRUE;
}

static TeesqlProof *
prove (Run *self, const char *skipped, GError **error)
{
  g_autoptr (TeesqlProof) proof = g_new0 (TeesqlProof, 1);
  const gint64 end = first_end (self);

  if (end <= self->now_unix)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "claims-expired", 0,
                                                  "what the evidence was verified with has expired"));
      return NULL;
    }
  take_claims (self, proof);
  if (!teesql_proof_check_same_platform (proof->claims, error))
    return NULL;
  if (!replay (self, proof, error))
    return NULL;
  proof->skipped = g_strdup (skipped);
  proof->legacy = self->peer->legacy;
  proof->certificate_ends_unix = self->peer->not_after_unix + 1;
  proof->ends_unix = end;
  return g_steal_pointer (&proof);
}

gboolean
teesql_proof_is_outage (const GError *error)
{
  return error == NULL || g_error_matches (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_UNAVAILABLE) ||
         g_error_matches (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_THROTTLED) ||
         g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
}

static gboolean
may_pass_over (const Run *self, guint index)
{
  return self->panel->may_skip[index] && teesql_proof_is_outage (self->errors->pdata[index]);
}

static const char *
reason_at (const Run *self, guint index)
{
  const GError *error = self->errors->pdata[index];

  return error != NULL ? teesql_error_get_reason (error) : "verify-timeout";
}

static const char *
first_line_end (const char *text)
{
  const char *end = strchr (text, '\n');

  return end != NULL ? end : text + strlen (text);
}

/* Each with its own words: what one says is compared with what the others say. */
static char *
describe (const Run *self)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < self->claims->len; i++)
    {
      const GError *error = self->errors->pdata[i];
      const char *name = self->panel->names[i];

      g_string_append (text, i > 0 ? ", " : "");
      if (self->claims->pdata[i] != NULL)
        g_string_append_printf (text, "%s accepts", name);
      else if (error != NULL && teesql_proof_is_refusal (error))
        g_string_append_printf (text, "%s refuses (%s: %.*s)", name, reason_at (self, i),
                                (int) (first_line_end (error->message) - error->message), error->message);
      else
        g_string_append_printf (text, "%s cannot tell (%s)", name, reason_at (self, i));
    }
  return g_string_free (text, FALSE);
}

static guint
count_accepted (const Run *self)
{
  guint n = 0;

  for (guint i = 0; i < self->claims->len; i++)
    n += self->claims->pdata[i] != NULL;
  return n;
}

/* Returns: the first that has an error of that kind; the number of verifiers when none has */
static guint
find_refusal (const Run *self)
{
  guint i = 0;

  while (i < self->errors->len && (self->errors->pdata[i] == NULL || !teesql_proof_is_refusal (self->errors->pdata[i])))
    i++;
  return i;
}

static void
answer_refused (Run *self)
{
  const GError *error = self->errors->pdata[find_refusal (self)];

  if (count_accepted (self) > 0)
    {
      g_autofree char *opinions = describe (self);

      teesql_panel_note_disagreement (self->panel, opinions);
    }
  answer (self, NULL, g_error_copy (error));
}

static GError *
timed_out (const Run *self)
{
  return g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "the evidence could not be verified within %u ms", self->timeout_ms);
}

/* (nullable) (transfer full): why nobody can tell. Where those that are away may be passed over, and another one could tell, they are in
 * @skipped. */
static GError *
collect_trouble (const Run *self, GString *skipped)
{
  const gboolean someone = count_accepted (self) > 0;

  for (guint i = 0; i < self->claims->len; i++)
    {
      if (self->claims->pdata[i] != NULL)
        continue;
      if (!someone || !may_pass_over (self, i))
        return self->errors->pdata[i] != NULL ? g_error_copy (self->errors->pdata[i]) : timed_out (self);
      g_string_append_printf (skipped, "%s%s (%s)", skipped->len > 0 ? ", " : "", self->panel->names[i], reason_at (self, i));
    }
  return NULL;
}

static void
conclude (Run *self)
{
  g_autoptr (GString) skipped = g_string_new (NULL);
  GError *error = NULL;
  TeesqlProof *proof = NULL;

  if (self->refused)
    {
      answer_refused (self);
      return;
    }
  error = collect_trouble (self, skipped);
  if (error == NULL)
    proof = prove (self, skipped->len > 0 ? skipped->str : NULL, &error);
  answer (self, proof, error);
}

static gboolean
deadline_cb (gpointer data)
{
  Run *self = data;

  conclude (self);
  return G_SOURCE_REMOVE;
}

/* Those that are still waited for may all be passed over, and somebody accepts: an outage costs a peer time, and not the connection. */
static gboolean
patience_cb (gpointer data)
{
  Run *self = data;

  if (count_accepted (self) == 0 || self->refused)
    return G_SOURCE_REMOVE;
  for (guint i = 0; i < self->claims->len; i++)
    if (self->claims->pdata[i] == NULL && !may_pass_over (self, i))
      return G_SOURCE_REMOVE;
  conclude (self);
  return G_SOURCE_REMOVE;
}

static GSource *
start_timer (Run *self, guint ms, GSourceFunc function)
{
  GSource *source = g_timeout_source_new (ms);

  g_source_set_callback (source, function, self, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
  return source;
}

static void ask (Run *self, guint index);

static gboolean
again_cb (gpointer data)
{
  g_autofree Call *call = data;

  if (call->run->task != NULL)
    ask (call->run, call->index);
  run_unref (call->run);
  return G_SOURCE_REMOVE;
}

/* One call of a verifier is one attempt (SDK); a second one is ours to make, where it can still help. */
static gboolean
try_again (Run *self, guint index, const GError *error)
{
  const guint delay_ms = MAX (teesql_error_get_retry_after_ms (error), RETRY_MS << self->tries[index]);
  const gint64 elapsed_ms = (g_get_monotonic_time () - self->started_us) / 1000;
  g_autoptr (GSource) source = NULL;
  Call *call = NULL;

  if (self->task == NULL || self->refused || error->domain != TEESQL_VERIFIER_ERROR || !teesql_proof_is_outage (error) ||
      ++self->tries[index] >= TRIES_MAX || elapsed_ms + delay_ms > self->timeout_ms / 2)
    return FALSE;
  call = g_new0 (Call, 1);
  call->run = g_rc_box_acquire (self);
  call->index = index;
  source = g_timeout_source_new (delay_ms);
  g_source_set_callback (source, again_cb, call, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
  return TRUE;
}

/* The others may say what they think of it, and no peer waits for long. */
static void
note_refusal (Run *self)
{
  if (self->refused)
    return;
  self->refused = TRUE;
  clear_source (&self->deadline);
  self->deadline = start_timer (self, MIN (GRACE_MS, self->timeout_ms), deadline_cb);
}

static void
take_error (Run *self, guint index, GError *error)
{
  self->errors->pdata[index] = error;
  if (teesql_proof_is_refusal (error))
    note_refusal (self);
}

static void
verified_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree Call *call = data;
  Run *self = call->run;
  GError *error = NULL;
  TeesqlClaims *claims = teesql_verifier_verify_finish (TEESQL_VERIFIER (source), result, &error);

  if (claims == NULL && error == NULL)
    error = teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_FAILED, "broken-plugin", 0, "a verifier gave neither claims nor error");
  if (claims != NULL)
    self->claims->pdata[call->index] = claims;
  if (self->task == NULL)
    g_clear_error (&error);
  else if (error != NULL && try_again (self, call->index, error))
    g_clear_error (&error);
  else
    {
      if (error != NULL)
        take_error (self, call->index, error);
      self->n_waiting--;
      if (self->n_waiting == 0)
        conclude (self);
    }
  run_unref (self);
}

static gboolean
outer_cancelled_cb (GCancellable *outer, gpointer data)
{
  Run *self = data;

  answer (self, NULL, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
  return G_SOURCE_REMOVE;
}

static void
ask (Run *self, guint index)
{
  Call *call = g_new0 (Call, 1);

  call->run = g_rc_box_acquire (self);
  call->index = index;
  teesql_verifier_verify_async (self->panel->verifiers->pdata[index], self->peer->evidence, self->now_unix, self->inner, verified_cb, call);
}

static void
start_verifiers (Run *self)
{
  self->n_waiting = self->claims->len;
  for (guint i = 0; i < self->claims->len; i++)
    ask (self, i);
}

static void
watch (Run *self, guint timeout_ms)
{
  self->timeout_ms = timeout_ms;
  self->started_us = g_get_monotonic_time ();
  self->deadline = start_timer (self, timeout_ms, deadline_cb);
  self->patience = start_timer (self, timeout_ms / 3 * 2, patience_cb);
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

static void
error_free (gpointer error)
{
  if (error != NULL)
    g_error_free (error);
}

static GPtrArray *
places_new (guint n, GDestroyNotify destroy)
{
  GPtrArray *places = g_ptr_array_new_full (n, destroy);

  g_ptr_array_set_size (places, (int) n);
  return places;
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
run_new (TeesqlPanel *panel, gint64 now_unix, GCancellable *cancellable)
{
  Run *self = g_rc_box_new0 (Run);

  self->now_unix = now_unix;
  self->panel = teesql_panel_ref (panel);
  self->claims = places_new (panel->verifiers->len, claims_free);
  self->errors = places_new (panel->verifiers->len, error_free);
  self->tries = g_new0 (guint, panel->verifiers->len + 1);
  self->inner = g_cancellable_new ();
  self->outer = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  return self;
}

void
teesql_proof_async (TeesqlPanel *panel, TeesqlClock *clock, GBytes *leaf, guint timeout_ms, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  GError *error = NULL;
  Run *self = NULL;
  const gint64 now_unix = teesql_clock_now (clock, &error);

  g_task_set_source_tag (task, teesql_proof_async);
  if (now_unix >= 0 && panel->verifiers->len == 0)
    error = teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_CONFIG, "no-verifier", 0, "there is no verifier, so nobody is accepted");
  if (error != NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  self = run_new (panel, now_unix, cancellable);
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
