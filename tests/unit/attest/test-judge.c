/* Who is accepted, and who is not. SR-1, SR-2 (binding), SR-6, SR-7, SR-12. */
#include "test-world.h"
#include <string.h>

static void
set_up (World *self, gconstpointer data)
{
  world_set_up (self);
}

static void
tear_down (World *self, gconstpointer data)
{
  world_tear_down (self);
}

static void
test_accepts (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (TeesqlVerdict) verdict = NULL;
  g_autoptr (TeesqlVerdict) known = NULL;

  world_begin (self, 1);
  g_assert_null (teesql_attest_service_lookup (self->service, leaf));
  verdict = world_judge (self, leaf);
  g_assert_true (teesql_verdict_is_accepted (verdict));
  g_assert_null (teesql_verdict_get_reason (verdict));
  g_assert_cmpstr (teesql_verdict_get_tcb_status (verdict), ==, "UpToDate");
  g_assert_true (g_str_has_prefix (teesql_verdict_get_mrtd (verdict), "919191"));
  g_assert_cmpstr (teesql_verdict_get_compose_hash (verdict), ==, FAKE_EVENT_COMPOSE);
  g_assert_cmpstr (teesql_verdict_get_app_id (verdict), ==, "5bb4ff9a3837357f19dc176407a5709c62eb6c56");
  g_assert_cmpstr (teesql_verdict_get_instance_id (verdict), ==, "1691ed1b47506cad7d08834668691d88246f5b1f");
  g_assert_cmpstr (teesql_verdict_get_key_provider (verdict), ==, "kms:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  g_assert_cmpuint (strlen (teesql_verdict_get_platform (verdict)), ==, 64);
  g_assert_cmpstr (teesql_verdict_get_taint (verdict), ==, "trusted-root /tmp/root.pem");
  g_assert_cmpint (teesql_verdict_get_valid_until (verdict), ==, WORLD_START + WORLD_DAY + 1);
  g_assert_cmpint (self->verifier->last_now, ==, WORLD_START);
  known = teesql_attest_service_lookup (self->service, leaf);
  g_assert_true (known == verdict);
  g_assert_cmpuint (teesql_status_get_counter (self->status, TEESQL_COUNTER_VERIFICATIONS), ==, 1);
  g_assert_cmpuint (teesql_status_get_counter (self->status, TEESQL_COUNTER_VERDICT_HITS), ==, 1);
  g_assert_cmpuint (teesql_status_get_counter (self->status, TEESQL_COUNTER_VERDICT_MISSES), ==, 1);
}

static void
test_no_certificate (World *self, gconstpointer data)
{
  world_begin (self, 1);
  world_assert_refused (self, NULL, "no-evidence");
}

static void
assert_leaf_refused_unasked (World *self, const FakeLeaf *options, const char *reason)
{
  g_autoptr (GBytes) leaf = fake_leaf_new (options);

  world_assert_refused (self, leaf, reason);
  g_assert_cmpuint (self->verifier->n_calls, ==, 0);
}

static void
test_captured_quote (World *self, gconstpointer data)
{
  const FakeLeaf options = { .not_before = WORLD_START, .not_after = WORLD_START + WORLD_DAY, .other_key = TRUE };

  world_begin (self, 1);
  assert_leaf_refused_unasked (self, &options, "report-data-mismatch");
}

static void
test_zeroed_report_data (World *self, gconstpointer data)
{
  const FakeLeaf options = { .not_before = WORLD_START, .not_after = WORLD_START + WORLD_DAY, .zero_report = TRUE };

  world_begin (self, 1);
  assert_leaf_refused_unasked (self, &options, "report-data-mismatch");
}

static void
test_dates (World *self, gconstpointer data)
{
  const FakeLeaf expired = { .not_before = WORLD_START - WORLD_DAY, .not_after = WORLD_START - 1 };
  const FakeLeaf early = { .not_before = WORLD_START + 1, .not_after = WORLD_START + WORLD_DAY };
  const FakeLeaf last_second = { .not_before = WORLD_START - WORLD_DAY, .not_after = WORLD_START };
  g_autoptr (GBytes) leaf = fake_leaf_new (&last_second);

  world_begin (self, 1);
  assert_leaf_refused_unasked (self, &expired, "certificate-expired");
  assert_leaf_refused_unasked (self, &early, "certificate-not-yet-valid");
  world_assert_accepted (self, leaf);
}

static void
test_garbage (World *self, gconstpointer data)
{
  g_autofree guint8 *large = g_malloc0 (49153);
  g_autoptr (GBytes) too_large = g_bytes_new (large, 49153);
  g_autoptr (GBytes) zeros = g_bytes_new (large, 1000);
  g_autoptr (GBytes) empty = g_bytes_new (NULL, 0);

  world_begin (self, 1);
  world_assert_refused (self, too_large, "certificate-size");
  world_assert_refused (self, empty, "certificate-size");
  world_assert_refused (self, zeros, "certificate-malformed");
  g_assert_cmpuint (self->verifier->n_calls, ==, 0);
}

/* What is large is read in a thread, with the same outcome. */
static void
test_large (World *self, gconstpointer data)
{
  const FakeLeaf good = { .not_before = WORLD_START, .not_after = WORLD_START + WORLD_DAY, .n_more_events = 300 };
  const FakeLeaf captured = { .not_before = WORLD_START, .not_after = WORLD_START + WORLD_DAY, .n_more_events = 300, .other_key = TRUE };
  g_autoptr (GBytes) leaf = fake_leaf_new (&good);
  g_autoptr (GBytes) stolen = fake_leaf_new (&captured);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  gint64 began = 0;

  g_assert_cmpuint (g_bytes_get_size (leaf), >, 30000);
  world_begin (self, 1);
  world_assert_refused (self, stolen, "report-data-mismatch");
  g_assert_cmpuint (self->verifier->n_calls, ==, 0);
  /* left while it is read */
  teesql_attest_service_judge_async (self->service, leaf, NULL, cancellable, world_keep_result_cb, &result);
  g_cancellable_cancel (cancellable);
  world_wait_for (result != NULL);
  g_assert_null (teesql_attest_service_judge_finish (self->service, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  began = g_get_monotonic_time ();
  world_assert_accepted (self, leaf);
  g_test_message ("leaf of %" G_GSIZE_FORMAT " bytes: %" G_GINT64_FORMAT " us", g_bytes_get_size (leaf), g_get_monotonic_time () - began);
}

static void
test_event_log (World *self, gconstpointer data)
{
  const FakeLeaf options = { .not_before = WORLD_START, .not_after = WORLD_START + WORLD_DAY, .drop_event = TRUE };
  g_autoptr (GBytes) leaf = fake_leaf_new (&options);

  world_begin (self, 1);
  world_assert_refused (self, leaf, "rtmr3-mismatch");
}

static void
test_policy_refuses (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (TeesqlVerdict) verdict = NULL;

  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = world_config ("allowed-mrtd = any\nallowed-rtmr1 = any\nallowed-rtmr2 = any\nallowed-key-provider = any\n"
                               "allowed-compose-hash = 0000000000000000000000000000000000000000000000000000000000000000\n",
                               "");
  world_begin (self, 1);
  verdict = world_judge (self, leaf);
  g_assert_cmpstr (teesql_verdict_get_reason (verdict), ==, "compose-hash-not-allowed");
  g_assert_cmpstr (teesql_verdict_get_compose_hash (verdict), ==, FAKE_EVENT_COMPOSE);
  g_assert_null (teesql_attest_service_lookup (self->service, leaf));
}

static void
test_empty_policy (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autofree char *status = NULL;

  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = world_config ("allowed-mrtd = any\nallowed-rtmr1 = any\nallowed-rtmr2 = any\nallowed-compose-hash = any\n", "");
  world_begin (self, 1);
  world_assert_refused (self, leaf, "policy-unsettled");
  status = world_status (self);
  g_assert_nonnull (strstr (status, "policy-unsettled"));
  g_assert_nonnull (strstr (status, "allowed-key-provider"));
  g_assert_nonnull (strstr (status, "allowed-mrtd = any"));
}

static void
test_tcb (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 2);
  self->second->status = TEESQL_TCB_STATUS_OUT_OF_DATE;
  world_assert_refused (self, leaf, "tcb-status-not-accepted");
}

static void
set_verifier (FakeVerifier *verifier, FakeMode mode, TeesqlError code, const char *reason)
{
  verifier->mode = mode;
  verifier->code = code;
  verifier->reason = reason;
}

static void
test_refusal (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 1);
  set_verifier (self->verifier, FAKE_ERROR, TEESQL_ERROR_REFUSED, "qe-report-signature");
  world_assert_refused (self, leaf, "qe-report-signature");
  /* not kept: a peer that was repaired need not wait */
  self->verifier->mode = FAKE_OK;
  world_assert_accepted (self, leaf);
}

static void
test_unavailable (World *self, gconstpointer data)
{
  static const TeesqlError codes[] = { TEESQL_ERROR_UNAVAILABLE, TEESQL_ERROR_THROTTLED, TEESQL_ERROR_PERMISSION, TEESQL_ERROR_CONFIG,
                                       TEESQL_ERROR_FAILED };
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 1);
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      g_autoptr (TeesqlVerdict) verdict = NULL;

      set_verifier (self->verifier, FAKE_ERROR, codes[i], "collateral-fetch");
      verdict = world_judge (self, leaf);
      g_assert_cmpstr (teesql_verdict_get_reason (verdict), ==, "collateral-fetch");
      /* our own paths and addresses are no business of a stranger's */
      g_assert_null (strstr (teesql_verdict_get_message (verdict), "secret-place"));
      g_assert_null (teesql_attest_service_lookup (self->service, leaf));
    }
  g_assert_cmpint (teesql_status_get_health (self->status, NULL), ==, TEESQL_HEALTH_DEGRADED);
  self->verifier->mode = FAKE_OK;
  world_assert_accepted (self, leaf);
  g_assert_cmpint (teesql_status_get_health (self->status, NULL), !=, TEESQL_HEALTH_DEGRADED);
}

static void
test_broken_verifier (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 1);
  self->verifier->mode = FAKE_NULL;
  world_assert_refused (self, leaf, "broken-plugin");
}

static void
test_disagreement (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 2);
  set_verifier (self->second, FAKE_ERROR, TEESQL_ERROR_REFUSED, "quote-signature");
  world_assert_refused (self, leaf, "quote-signature");
  /* a refusal wins over one that cannot tell, whoever comes first */
  set_verifier (self->verifier, FAKE_ERROR, TEESQL_ERROR_UNAVAILABLE, "collateral-fetch");
  world_assert_refused (self, leaf, "quote-signature");
  set_verifier (self->second, FAKE_OK, TEESQL_ERROR_FAILED, NULL);
  world_assert_refused (self, leaf, "collateral-fetch");
}

static guint64
n_disagreements (World *self)
{
  return teesql_status_get_counter (self->status, TEESQL_COUNTER_VERIFIER_DISAGREEMENTS);
}

static void
test_disagreement_is_counted (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 2);
  set_verifier (self->second, FAKE_ERROR, TEESQL_ERROR_REFUSED, "token-measurement");
  world_assert_refused (self, leaf, "token-measurement");
  g_assert_cmpuint (n_disagreements (self), ==, 1);
  /* one that cannot tell has no opinion */
  set_verifier (self->verifier, FAKE_ERROR, TEESQL_ERROR_PERMISSION, "ita-permission");
  world_assert_refused (self, leaf, "token-measurement");
  set_verifier (self->verifier, FAKE_ERROR, TEESQL_ERROR_REFUSED, "quote-signature");
  world_assert_refused (self, leaf, "quote-signature");
  g_assert_cmpuint (n_disagreements (self), ==, 1);
  /* policy takes the evidence by the word of one of them only */
  self->verifier->mode = FAKE_OK;
  self->second->mode = FAKE_OK;
  self->second->status = TEESQL_TCB_STATUS_OUT_OF_DATE;
  world_assert_refused (self, leaf, "tcb-status-not-accepted");
  g_assert_cmpuint (n_disagreements (self), ==, 2);
}

static void
begin_with_skip (World *self)
{
  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = world_config (WORLD_POLICY_PINNED "[verifier:two]\nwhen-unavailable = skip\n", "");
  world_begin (self, 2);
}

static void
test_skip (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (TeesqlVerdict) verdict = NULL;
  g_autofree char *status = NULL;
  g_autofree char *reason = NULL;

  begin_with_skip (self);
  status = world_status (self);
  g_assert_nonnull (strstr (status, "verifier-skip"));
  set_verifier (self->second, FAKE_ERROR, TEESQL_ERROR_UNAVAILABLE, "ita-unreachable");
  verdict = world_judge (self, leaf);
  g_assert_true (teesql_verdict_is_accepted (verdict));
  g_assert_cmpstr (teesql_verdict_get_skipped (verdict), ==, "two (ita-unreachable)");
  g_assert_cmpint (teesql_status_get_health (self->status, &reason), ==, TEESQL_HEALTH_DEGRADED);
  g_assert_cmpstr (reason, ==, "verifier-skipped");
  /* asked again soon, and then its refusal counts */
  world_advance (self, 61);
  set_verifier (self->second, FAKE_ERROR, TEESQL_ERROR_REFUSED, "token-debug");
  world_assert_refused (self, leaf, "token-debug");
}

static void
test_skip_has_bounds (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  begin_with_skip (self);
  set_verifier (self->second, FAKE_ERROR, TEESQL_ERROR_PERMISSION, "ita-permission");
  world_assert_refused (self, leaf, "ita-permission");
  set_verifier (self->second, FAKE_ERROR, TEESQL_ERROR_MALFORMED, "token-form");
  world_assert_refused (self, leaf, "token-form");
  /* only the one that is named */
  self->second->mode = FAKE_OK;
  set_verifier (self->verifier, FAKE_ERROR, TEESQL_ERROR_UNAVAILABLE, "collateral-unreachable");
  world_assert_refused (self, leaf, "collateral-unreachable");
  /* somebody must have looked */
  set_verifier (self->second, FAKE_ERROR, TEESQL_ERROR_UNAVAILABLE, "ita-unreachable");
  world_assert_refused (self, leaf, "collateral-unreachable");
}

static void
test_skip_of_silence (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (TeesqlVerdict) verdict = NULL;

  begin_with_skip (self);
  self->second->mode = FAKE_HOLD;
  verdict = world_judge (self, leaf);
  g_assert_cmpstr (teesql_verdict_get_skipped (verdict), ==, "two (verify-timeout)");
}

static void
test_second_attempt (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  guint before = 0;

  world_begin (self, 1);
  before = self->verifier->n_calls;
  set_verifier (self->verifier, FAKE_ERROR, TEESQL_ERROR_REFUSED, "quote-signature");
  world_assert_refused (self, leaf, "quote-signature");
  g_assert_cmpuint (self->verifier->n_calls - before, ==, 1);
}

static void
test_refusal_does_not_wait (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 2);
  self->verifier->mode = FAKE_HOLD;
  set_verifier (self->second, FAKE_ERROR, TEESQL_ERROR_MALFORMED, "pck-chain");
  world_assert_refused (self, leaf, "pck-chain");
  world_wait_for (self->verifier->held->len == 0); /* cancelled */
}

static void
test_late_answer_after_refusal (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 2);
  self->verifier->mode = FAKE_DEAF;
  set_verifier (self->second, FAKE_ERROR, TEESQL_ERROR_REFUSED, "pck-chain");
  world_assert_refused (self, leaf, "pck-chain");
  fake_verifier_release (self->verifier);
  world_wait_for (!g_main_context_pending (NULL));
  g_assert_null (teesql_attest_service_lookup (self->service, leaf));
}

static void
test_deadline (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 1);
  self->verifier->mode = FAKE_DEAF; /* does not even heed cancellation */
  world_assert_refused (self, leaf, "verify-timeout");
  g_assert_cmpuint (teesql_attest_service_get_n_in_flight (self->service), ==, 0);
  fake_verifier_release (self->verifier);
  world_wait_for (!g_main_context_pending (NULL));
  g_assert_null (teesql_attest_service_lookup (self->service, leaf));
}

#define N_WAITERS 10

static void
test_merge (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *results[N_WAITERS] = { NULL };

  world_begin (self, 1);
  self->verifier->mode = FAKE_HOLD;
  for (guint i = 0; i < N_WAITERS; i++)
    teesql_attest_service_judge_async (self->service, leaf, NULL, i == 3 ? cancellable : NULL, world_keep_result_cb, &results[i]);
  world_wait_for (self->verifier->held->len == 1);
  g_assert_cmpuint (teesql_attest_service_get_n_in_flight (self->service), ==, 1);
  /* one that leaves takes nobody along */
  g_cancellable_cancel (cancellable);
  world_wait_for (results[3] != NULL);
  g_assert_cmpuint (self->verifier->held->len, ==, 1);
  fake_verifier_release (self->verifier);
  for (guint i = 0; i < N_WAITERS; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlVerdict) verdict = NULL;

      world_wait_for (results[i] != NULL);
      verdict = teesql_attest_service_judge_finish (self->service, results[i], &error);
      if (i == 3)
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      else
        g_assert_true (teesql_verdict_is_accepted (verdict));
      g_clear_object (&results[i]);
    }
  g_assert_cmpuint (self->verifier->n_calls, ==, 1);
}

static void
test_last_one_leaves (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GError) error = NULL;

  world_begin (self, 1);
  self->verifier->mode = FAKE_HOLD;
  teesql_attest_service_judge_async (self->service, leaf, NULL, cancellable, world_keep_result_cb, &first);
  world_wait_for (self->verifier->held->len == 1);
  g_cancellable_cancel (cancellable);
  world_wait_for (first != NULL && self->verifier->held->len == 0);
  g_assert_null (teesql_attest_service_judge_finish (self->service, first, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (teesql_attest_service_get_n_in_flight (self->service), ==, 0);
  /* and the next one is not served by what was given up */
  self->verifier->mode = FAKE_OK;
  world_assert_accepted (self, leaf);
}

#define N_MAX 64

static void
test_cap (World *self, gconstpointer data)
{
  GAsyncResult *results[N_MAX] = { NULL };
  g_autoptr (GBytes) one_more = world_leaf (self);

  world_begin (self, 1);
  self->verifier->mode = FAKE_HOLD;
  for (guint i = 0; i < N_MAX; i++)
    {
      g_autoptr (GBytes) leaf = world_leaf (self);

      teesql_attest_service_judge_async (self->service, leaf, NULL, NULL, world_keep_result_cb, &results[i]);
    }
  g_assert_cmpuint (teesql_attest_service_get_n_in_flight (self->service), ==, N_MAX);
  world_assert_refused (self, one_more, "busy");
  fake_verifier_release (self->verifier);
  for (guint i = 0; i < N_MAX; i++)
    {
      world_wait_for (results[i] != NULL);
      g_clear_object (&results[i]);
    }
  world_assert_accepted (self, one_more);
}

static void
test_stop (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TeesqlVerdict) verdict = NULL;

  world_begin (self, 1);
  self->verifier->mode = FAKE_HOLD;
  teesql_attest_service_judge_async (self->service, leaf, NULL, NULL, world_keep_result_cb, &result);
  world_wait_for (self->verifier->held->len == 1);
  teesql_attest_service_stop (self->service);
  world_wait_for (result != NULL);
  verdict = teesql_attest_service_judge_finish (self->service, result, NULL);
  g_assert_cmpstr (teesql_verdict_get_reason (verdict), ==, "shutting-down");
  world_assert_refused (self, leaf, "shutting-down");
}

static gboolean
is_known (World *self, GBytes *leaf)
{
  g_autoptr (TeesqlVerdict) verdict = teesql_attest_service_lookup (self->service, leaf);

  return verdict != NULL;
}

/* ---- trust ---- */

static void
assert_no_service (World *self, guint n_verifiers, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (world_new_service (self, n_verifiers, &error));
  g_assert_nonnull (error);
  g_assert_cmpint (error->code, ==, TEESQL_ERROR_CONFIG);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_mixed_trust (World *self, gconstpointer data)
{
  g_autoptr (FakeKms) kms = fake_kms_new ();
  g_autoptr (GError) error = NULL;

  assert_no_service (self, 0, "no-verifier");
  self->second->taint = NULL;
  assert_no_service (self, 2, "mixed-roots");
  self->verifier->taint = NULL;
  assert_no_service (self, 1, "mixed-trust");
  self->attester->taint = NULL;
  world_begin (self, 2);
  g_assert_true (world_start (self, &error));
  g_assert_true (teesql_attest_service_check_kms (self->service, TEESQL_KMS (kms), &error));
  kms->taint = "simulator at /tmp/fake.sock";
  g_assert_false (teesql_attest_service_check_kms (self->service, TEESQL_KMS (kms), &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "mixed-trust");
}

static void
test_taint_is_shown (World *self, gconstpointer data)
{
  g_auto (GStrv) taints = NULL;

  world_begin (self, 1);
  g_assert_true (world_start (self, NULL));
  taints = teesql_status_dup_taints (self->status);
  g_assert_true (g_strv_contains ((const char *const *) taints, "trusted-root /tmp/root.pem"));
  g_assert_true (g_strv_contains ((const char *const *) taints, "simulator at /tmp/fake.sock"));
}

/* ---- threads ---- */

typedef struct
{
  World *world;
  GBytes *leaf;
  gboolean done;
  gboolean accepted;
  gboolean known;
} Worker;

static gpointer
work (gpointer data)
{
  Worker *self = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TeesqlVerdict) verdict = NULL;
  g_autoptr (TeesqlVerdict) known = NULL;

  g_main_context_push_thread_default (context);
  teesql_attest_service_judge_async (self->world->service, self->leaf, NULL, NULL, world_keep_result_cb, &result);
  while (result == NULL)
    g_main_context_iteration (context, TRUE);
  verdict = teesql_attest_service_judge_finish (self->world->service, result, NULL);
  known = teesql_attest_service_lookup (self->world->service, self->leaf);
  self->accepted = teesql_verdict_is_accepted (verdict);
  self->known = known != NULL;
  g_main_context_pop_thread_default (context);
  g_atomic_int_set (&self->done, TRUE);
  return NULL;
}

static void
test_threads (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  Worker workers[8];
  GThread *threads[8];

  world_begin (self, 1);
  for (guint i = 0; i < G_N_ELEMENTS (workers); i++)
    {
      workers[i] = (Worker){ .world = self, .leaf = leaf };
      threads[i] = g_thread_new ("worker", work, &workers[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (workers); i++)
    {
      world_wait_for (g_atomic_int_get (&workers[i].done));
      g_thread_join (threads[i]);
      g_assert_true (workers[i].accepted);
      g_assert_true (workers[i].known);
    }
  g_assert_cmpuint (self->verifier->n_calls, ==, 1);
}

static void
test_speed (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  const guint n = 20000;
  gint64 began = 0;

  world_begin (self, 1);
  began = g_get_monotonic_time ();
  world_assert_accepted (self, leaf);
  g_test_message ("one verdict without signatures: %" G_GINT64_FORMAT " us, leaf of %" G_GSIZE_FORMAT " bytes",
                  g_get_monotonic_time () - began, g_bytes_get_size (leaf));
  began = g_get_monotonic_time ();
  for (guint i = 0; i < n; i++)
    g_assert_true (is_known (self, leaf));
  g_test_message ("one lookup: %.2f us", (double) (g_get_monotonic_time () - began) / n);
}

#define ADD(path, function) g_test_add ("/attest/judge/" path, World, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("accepts-evidence-that-is-bound-verified-and-allowed", test_accepts);
  ADD ("refuses-a-peer-without-certificate", test_no_certificate);
  ADD ("SR-1/refuses-a-captured-quote-in-another-certificate", test_captured_quote);
  ADD ("SR-1/refuses-zeroed-report-data", test_zeroed_report_data);
  ADD ("refuses-outside-the-dates-of-the-certificate", test_dates);
  ADD ("refuses-garbage-without-asking-a-verifier", test_garbage);
  ADD ("large-certificates-are-read-in-a-thread", test_large);
  ADD ("SR-12/refuses-a-log-that-does-not-replay", test_event_log);
  ADD ("refuses-what-the-policy-does-not-allow", test_policy_refuses);
  ADD ("SR-6/an-unsettled-policy-refuses-and-shows", test_empty_policy);
  ADD ("the-worse-tcb-status-counts", test_tcb);
  ADD ("refusals-carry-the-verifiers-reason", test_refusal);
  ADD ("a-verifier-that-cannot-tell-refuses", test_unavailable);
  ADD ("a-broken-verifier-refuses", test_broken_verifier);
  ADD ("a-refusal-always-wins", test_disagreement);
  ADD ("a-disagreement-is-counted", test_disagreement_is_counted);
  ADD ("one-that-is-away-may-be-passed-over-where-that-is-written", test_skip);
  ADD ("nothing-else-is-passed-over", test_skip_has_bounds);
  ADD ("silence-is-passed-over-before-the-deadline", test_skip_of_silence);
  ADD ("a-refusal-is-not-asked-twice", test_second_attempt);
  ADD ("a-refusal-does-not-wait-for-the-others", test_refusal_does_not_wait);
  ADD ("a-late-answer-changes-nothing", test_late_answer_after_refusal);
  ADD ("has-a-deadline", test_deadline);
  ADD ("verifications-in-flight-are-merged", test_merge);
  ADD ("the-last-one-who-leaves-ends-it", test_last_one_leaves);
  ADD ("verifications-in-flight-are-capped", test_cap);
  ADD ("stopping-refuses-who-waits", test_stop);
  ADD ("SR-7/production-and-external-trust-do-not-mix", test_mixed_trust);
  ADD ("SR-7/taints-are-shown", test_taint_is_shown);
  ADD ("any-thread-may-ask", test_threads);
  ADD ("is-fast-enough-for-the-main-loop", test_speed);
  return g_test_run ();
}
