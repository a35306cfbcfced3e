/* Our own certificate: got, checked, renewed, ended. SR-5. */
#include "attest/teesql-quote-queue.h"
#include "ratls/teesql-ratls-certificate.h"
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
use_agent (World *self, const char *identity)
{
  g_autofree char *text = g_strdup_printf ("[identity]\nsource = agent\n%s[attester:dstack]\nendpoint = auto\n[verifier:dcap]\n"
                                           "trusted-root = intel\n[policy:server]\n" WORLD_POLICY_ANY,
                                           identity);
  g_autoptr (GError) error = NULL;

  self->attester->gives_identity = TRUE;
  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = teesql_config_load_text (TEESQL_CONFIG_CLIENT, "teesql.conf", text, strlen (text), &error);
  g_assert_no_error (error);
}

static TeesqlRatlsPeer *
parse_identity (World *self)
{
  g_autoptr (TeesqlTlsIdentity) identity = teesql_attest_service_ref_identity (self->service);
  g_autoptr (GError) error = NULL;
  TeesqlRatlsPeer *peer = NULL;
  GBytes *leaf = NULL;
  guint n = 0;

  g_assert_nonnull (identity);
  leaf = teesql_tls_identity_get_chain (identity, &n)[0];
  peer = teesql_ratls_peer_parse (g_bytes_get_data (leaf, NULL), g_bytes_get_size (leaf), &error);
  g_assert_no_error (error);
  return peer;
}

static gboolean
has_identity (World *self)
{
  g_autoptr (TeesqlTlsIdentity) identity = teesql_attest_service_ref_identity (self->service);

  return identity != NULL;
}

static void
start (World *self)
{
  g_autoptr (GError) error = NULL;

  world_begin (self, 1);
  g_assert_false (has_identity (self));
  g_assert_true (world_start (self, &error));
  g_assert_no_error (error);
}

static void
test_self (World *self, gconstpointer data)
{
  g_autoptr (TeesqlRatlsPeer) peer = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *status = NULL;

  start (self);
  peer = parse_identity (self);
  g_assert_true (teesql_ratls_peer_check_binding (peer, &error));
  g_assert_cmpint (peer->not_before_unix, ==, WORLD_START - 300);
  g_assert_cmpint (peer->not_after_unix, ==, WORLD_START + WORLD_DAY);
  g_assert_cmpuint (self->n_changed, ==, 1);
  g_assert_cmpuint (self->attester->n_quotes, ==, 1);
  g_assert_cmpuint (self->verifier->n_calls, ==, 1); /* its own quote was verified before use */
  g_assert_cmpuint (teesql_status_get_counter (self->status, TEESQL_COUNTER_IDENTITY_RENEWALS), ==, 1);
  g_assert_cmpuint (teesql_status_get_counter (self->status, TEESQL_COUNTER_QUOTES), ==, 1);
  g_assert_cmpint (teesql_status_get_health (self->status, NULL), ==, TEESQL_HEALTH_OK);
  status = world_status (self);
  g_assert_nonnull (strstr (status, FAKE_EVENT_COMPOSE));
}

static void
test_agent (World *self, gconstpointer data)
{
  g_autoptr (TeesqlRatlsPeer) peer = NULL;

  use_agent (self, "lifetime = 1h\n");
  self->attester->own_not_after = WORLD_START + 3650 * WORLD_DAY; /* an agent that ignores the date asked for */
  start (self);
  peer = parse_identity (self);
  g_assert_cmpint (peer->not_after_unix, ==, WORLD_START + 3650 * WORLD_DAY);
  /* its life is ours to bound */
  world_advance (self, 3599);
  g_assert_true (has_identity (self));
  world_advance (self, 1);
  g_assert_false (has_identity (self));
}

static void
test_short_certificate (World *self, gconstpointer data)
{
  use_agent (self, "");
  self->attester->own_not_after = WORLD_START + 1000;
  start (self);
  world_advance (self, 1000);
  g_assert_true (has_identity (self));
  world_advance (self, 1);
  g_assert_false (has_identity (self));
}

static void
tick (World *self)
{
  teesql_attest_service_tick (self->service);
}

static void
test_renewal (World *self, gconstpointer data)
{
  g_autoptr (TeesqlTlsIdentity) first = NULL;
  g_autoptr (TeesqlTlsIdentity) second = NULL;

  start (self);
  first = teesql_attest_service_ref_identity (self->service);
  world_advance (self, WORLD_DAY * 66 / 100 - 1);
  tick (self);
  g_assert_cmpuint (self->attester->n_quotes, ==, 1);
  world_advance (self, 1);
  tick (self);
  tick (self); /* one at a time */
  g_assert_cmpuint (self->attester->n_quotes, ==, 2);
  g_assert_true (has_identity (self));
  world_wait_for (self->n_changed == 2);
  second = teesql_attest_service_ref_identity (self->service);
  g_assert_true (first != second);
  g_assert_cmpuint (self->verifier->n_calls, ==, 2);
  /* and it lives a day from now */
  world_advance (self, WORLD_DAY - 1);
  g_assert_true (has_identity (self));
}

static TeesqlHealth
health (World *self, const char *expected_reason)
{
  g_autofree char *reason = NULL;
  TeesqlHealth value = teesql_status_get_health (self->status, &reason);

  g_assert_cmpstr (reason, ==, expected_reason);
  return value;
}

static void
test_failed_renewal (World *self, gconstpointer data)
{
  start (self);
  self->attester->mode = FAKE_ERROR;
  self->attester->code = TEESQL_ERROR_UNAVAILABLE;
  self->attester->reason = "agent-unavailable";
  world_advance (self, WORLD_DAY * 66 / 100);
  tick (self);
  world_wait_for (teesql_status_get_health (self->status, NULL) == TEESQL_HEALTH_DEGRADED);
  g_assert_cmpint (health (self, "agent-unavailable"), ==, TEESQL_HEALTH_DEGRADED);
  g_assert_true (has_identity (self));
  /* not asked again at once, and asked again after the back-off */
  tick (self);
  g_assert_cmpuint (self->attester->n_quotes, ==, 2);
  world_advance (self, 300);
  tick (self);
  g_assert_cmpuint (self->attester->n_quotes, ==, 3);
  world_wait_for (!g_main_context_pending (NULL));
  /* its end closes, loudly */
  world_advance (self, WORLD_DAY * 34 / 100 - 300);
  g_assert_false (has_identity (self));
  self->attester->mode = FAKE_HOLD;
  tick (self);
  g_assert_cmpuint (self->n_changed, ==, 2);
  g_assert_cmpint (health (self, "identity-expired"), ==, TEESQL_HEALTH_FAILED);
  /* and comes back by itself */
  self->attester->mode = FAKE_OK;
  fake_attester_release (self->attester);
  world_wait_for (self->n_changed == 3);
  g_assert_true (has_identity (self));
  g_assert_cmpint (teesql_status_get_health (self->status, NULL), ==, TEESQL_HEALTH_OK);
}

static void
test_start_fails_and_recovers (World *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  self->attester->mode = FAKE_ERROR;
  self->attester->code = TEESQL_ERROR_UNAVAILABLE;
  self->attester->reason = "agent-absent";
  world_begin (self, 1);
  g_assert_false (world_start (self, &error));
  g_assert_error (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_UNAVAILABLE);
  g_assert_cmpint (health (self, "agent-absent"), ==, TEESQL_HEALTH_FAILED);
  g_assert_false (has_identity (self));
  self->attester->mode = FAKE_OK;
  world_advance (self, 5);
  tick (self);
  world_wait_for (self->n_changed == 1);
  g_assert_true (has_identity (self));
}

static void
assert_start_refused (World *self, const char *reason)
{
  g_autoptr (GError) error = NULL;

  world_begin (self, 1);
  g_assert_false (world_start (self, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
  g_assert_false (has_identity (self));
  g_assert_cmpuint (self->n_changed, ==, 0);
}

static void
test_own_evidence_is_verified (World *self, gconstpointer data)
{
  self->verifier->mode = FAKE_ERROR;
  self->verifier->code = TEESQL_ERROR_REFUSED;
  self->verifier->reason = "quote-signature";
  assert_start_refused (self, "quote-signature");
}

static void
test_own_log_is_replayed (World *self, gconstpointer data)
{
  self->attester->drop_event = TRUE;
  assert_start_refused (self, "rtmr3-mismatch");
}

static void
test_foreign_binding (World *self, gconstpointer data)
{
  use_agent (self, "");
  self->attester->wrong_binding = TRUE;
  assert_start_refused (self, "report-data-mismatch");
}

static void
test_expired_from_the_agent (World *self, gconstpointer data)
{
  use_agent (self, "");
  self->attester->own_not_after = WORLD_START - 1;
  assert_start_refused (self, "certificate-expired");
}

static void
test_broken_attester (World *self, gconstpointer data)
{
  self->attester->mode = FAKE_NULL;
  assert_start_refused (self, "broken-plugin");
}

/* The simulator shows what it is only with its first answer. */
static void
test_late_taint (World *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  self->attester->taint = NULL;
  self->verifier->taint = NULL;
  self->attester->mode = FAKE_HOLD;
  world_begin (self, 1);
  teesql_attest_service_start_async (self->service, NULL, world_keep_result_cb, &result);
  world_wait_for (self->attester->held->len == 1);
  self->attester->taint = "simulator at /tmp/fake.sock";
  self->attester->mode = FAKE_OK;
  fake_attester_release (self->attester);
  world_wait_for (result != NULL);
  g_assert_false (teesql_attest_service_start_finish (self->service, result, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "mixed-trust");
  g_assert_false (has_identity (self));
}

static void
test_kms_of_another_kind (World *self, gconstpointer data)
{
  g_autoptr (FakeKms) kms = fake_kms_new ();
  g_autoptr (GError) error = NULL;

  world_begin (self, 1);
  /* before the attester has answered nothing is known of it, so this waits for its first identity */
  g_assert_true (teesql_attest_service_check_kms (self->service, TEESQL_KMS (kms), NULL));
  g_assert_false (world_start (self, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "mixed-trust");
}

static void
test_cancelled_start (World *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  self->verifier->mode = FAKE_HOLD;
  world_begin (self, 1);
  teesql_attest_service_start_async (self->service, cancellable, world_keep_result_cb, &result);
  world_wait_for (self->verifier->held->len == 1);
  g_cancellable_cancel (cancellable);
  world_wait_for (result != NULL);
  g_assert_false (teesql_attest_service_start_finish (self->service, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  world_wait_for (self->verifier->held->len == 0);
}

static void
test_clock_behind (World *self, gconstpointer data)
{
  teesql_clock_raise_floor (self->clock, WORLD_START + 100);
  assert_start_refused (self, "clock-behind");
  g_assert_cmpuint (self->attester->n_quotes, ==, 0);
  world_advance (self, 100);
  tick (self);
  world_wait_for (self->n_changed == 1);
}

/* ---- the queue ---- */

static void
ask (TeesqlQuoteQueue *queue, TeesqlQuotePriority priority, guint8 mark, GCancellable *cancellable, GAsyncResult **out)
{
  const guint8 report_data[TEESQL_REPORT_DATA_SIZE] = { mark };

  teesql_quote_queue_get_evidence_async (queue, priority, report_data, cancellable, world_keep_result_cb, out);
}

static void
test_queue (World *self, gconstpointer data)
{
  g_autoptr (TeesqlQuoteQueue) queue = teesql_quote_queue_new (TEESQL_ATTESTER (self->attester));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *results[6] = { NULL };

  self->attester->mode = FAKE_HOLD;
  ask (queue, TEESQL_QUOTE_PRIORITY_REPORT, 0x01, NULL, &results[0]);
  ask (queue, TEESQL_QUOTE_PRIORITY_REPORT, 0x02, NULL, &results[1]);
  ask (queue, TEESQL_QUOTE_PRIORITY_RENEWAL, 0x03, NULL, &results[2]);
  ask (queue, TEESQL_QUOTE_PRIORITY_SESSION, 0x04, NULL, &results[3]);
  ask (queue, TEESQL_QUOTE_PRIORITY_SESSION, 0x05, cancellable, &results[4]);
  ask (queue, TEESQL_QUOTE_PRIORITY_SESSION, 0x06, NULL, &results[5]);
  g_assert_cmpuint (teesql_quote_queue_get_n_waiting (queue, TEESQL_QUOTE_PRIORITY_SESSION), ==, 3);
  g_cancellable_cancel (cancellable);
  world_wait_for (results[4] != NULL);
  g_assert_cmpuint (teesql_quote_queue_get_n_waiting (queue, TEESQL_QUOTE_PRIORITY_SESSION), ==, 2);
  self->attester->mode = FAKE_OK;
  fake_attester_release (self->attester);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlEvidence) evidence = NULL;

      world_wait_for (results[i] != NULL);
      evidence = teesql_quote_queue_get_evidence_finish (queue, results[i], &error);
      if (i == 4)
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      else
        g_assert_nonnull (evidence);
      g_clear_object (&results[i]);
    }
  g_assert_cmpstr (self->attester->order->str, ==, "0104060302");
  g_assert_cmpuint (self->attester->max_running, ==, 1);
}

#define ADD(path, function) g_test_add ("/attest/identity/" path, World, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("is-made-here-around-a-fresh-quote", test_self);
  ADD ("comes-from-the-agent-and-lives-as-long-as-we-say", test_agent);
  ADD ("ends-with-its-certificate", test_short_certificate);
  ADD ("is-renewed-in-time-and-swapped", test_renewal);
  ADD ("SR-5/failed-renewal-degrades-then-closes-then-recovers", test_failed_renewal);
  ADD ("start-that-fails-is-tried-again", test_start_fails_and_recovers);
  ADD ("is-verified-before-use", test_own_evidence_is_verified);
  ADD ("has-its-log-replayed-before-use", test_own_log_is_replayed);
  ADD ("of-another-key-is-not-used", test_foreign_binding);
  ADD ("that-has-expired-is-not-used", test_expired_from_the_agent);
  ADD ("of-a-broken-attester-is-not-used", test_broken_attester);
  ADD ("SR-7/of-a-simulator-is-not-used-under-intels-root", test_late_taint);
  ADD ("SR-7/does-not-stand-beside-a-kms-of-another-kind", test_kms_of_another_kind);
  ADD ("start-can-be-cancelled", test_cancelled_start);
  ADD ("SR-27/is-not-asked-for-while-the-clock-is-behind", test_clock_behind);
  ADD ("quotes-are-made-one-at-a-time-in-order-of-priority", test_queue);
  return g_test_run ();
}
