/* How long a verdict holds, and what ends it. SR-4, SR-27. */
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

static gboolean
is_known (World *self, GBytes *leaf)
{
  g_autoptr (TeesqlVerdict) verdict = teesql_attest_service_lookup (self->service, leaf);

  return verdict != NULL;
}

static void
test_ends_with_ttl (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 1);
  world_assert_accepted (self, leaf);
  world_advance (self, 3599);
  g_assert_true (is_known (self, leaf));
  world_advance (self, 1);
  g_assert_false (is_known (self, leaf));
  world_assert_accepted (self, leaf);
  g_assert_cmpuint (self->verifier->n_calls, ==, 2);
}

static void
test_ends_with_certificate (World *self, gconstpointer data)
{
  const FakeLeaf options = { .not_before = WORLD_START, .not_after = WORLD_START + 100 };
  g_autoptr (GBytes) leaf = fake_leaf_new (&options);

  world_begin (self, 1);
  world_assert_accepted (self, leaf);
  world_advance (self, 100);
  g_assert_true (is_known (self, leaf));
  world_advance (self, 1);
  g_assert_false (is_known (self, leaf));
  world_assert_refused (self, leaf, "certificate-expired");
}

static void
test_ends_with_collateral (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 1);
  self->verifier->valid_until = WORLD_START + 50;
  world_assert_accepted (self, leaf);
  world_advance (self, 49);
  g_assert_true (is_known (self, leaf));
  world_advance (self, 1);
  g_assert_false (is_known (self, leaf));
  /* a verifier that forgets the date it gave itself */
  world_assert_refused (self, leaf, "claims-expired");
}

static void
test_newer_collateral (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (GBytes) other = world_leaf (self);
  g_autoptr (GBytes) third = world_leaf (self);

  world_begin (self, 1);
  world_assert_accepted (self, leaf);
  self->verifier->issued_at -= 10;
  self->verifier->fmspc = "other!";
  world_assert_accepted (self, other);
  g_assert_true (is_known (self, leaf));
  g_assert_cmpuint (self->n_judge_again, ==, 0);
  self->verifier->issued_at += 20;
  world_assert_accepted (self, third);
  g_assert_cmpuint (self->n_judge_again, ==, 1);
  g_assert_true (is_known (self, third));
  g_assert_false (is_known (self, leaf));
  g_assert_false (is_known (self, other));
  /* SR-4: those that are in already ask anew, and asking makes no news of its own */
  g_assert_cmpuint (self->n_judge_again, ==, 1);
  world_assert_accepted (self, leaf);
  world_assert_accepted (self, other);
  g_assert_cmpuint (self->n_judge_again, ==, 1);
}

/* SR-4: the oldest date of a set stays what it is when only its CRL is replaced, by one that may revoke whoever is let in. */
static void
test_newer_crl (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (GBytes) other = world_leaf (self);
  g_autoptr (GBytes) third = world_leaf (self);

  world_begin (self, 1);
  self->verifier->revision = 100;
  world_assert_accepted (self, leaf);
  self->verifier->revision = 101;
  world_assert_accepted (self, other);
  g_assert_true (is_known (self, other));
  g_assert_false (is_known (self, leaf));
  g_assert_cmpuint (self->n_judge_again, ==, 1);
  /* the same once more is no news, or sessions would be judged again for ever */
  world_assert_accepted (self, third);
  g_assert_true (is_known (self, other));
  g_assert_cmpuint (self->n_judge_again, ==, 1);
}

static void
test_clock_moved (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autofree char *status = NULL;

  world_begin (self, 1);
  world_assert_accepted (self, leaf);
  teesql_attest_service_tick (self->service);
  g_assert_cmpuint (self->n_judge_again, ==, 0);
  g_assert_true (is_known (self, leaf));
  self->wall -= 60;
  teesql_attest_service_tick (self->service);
  g_assert_cmpuint (self->n_judge_again, ==, 1);
  g_assert_false (is_known (self, leaf));
  status = world_status (self);
  g_assert_nonnull (strstr (status, "clock-moved"));
  teesql_attest_service_tick (self->service);
  g_assert_cmpuint (self->n_judge_again, ==, 1);
}

static void
test_clock_moves_while_verifying (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TeesqlVerdict) verdict = NULL;

  world_begin (self, 1);
  self->verifier->mode = FAKE_HOLD;
  teesql_attest_service_judge_async (self->service, leaf, NULL, NULL, world_keep_result_cb, &result);
  world_wait_for (self->verifier->held->len == 1);
  self->wall += 2 * WORLD_DAY;
  teesql_attest_service_tick (self->service);
  fake_verifier_release (self->verifier);
  world_wait_for (result != NULL);
  verdict = teesql_attest_service_judge_finish (self->service, result, NULL);
  g_assert_cmpstr (teesql_verdict_get_reason (verdict), ==, "claims-expired");
}

static void
test_clock_behind (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 1);
  world_assert_accepted (self, leaf);
  teesql_clock_raise_floor (self->clock, WORLD_START + 500);
  g_assert_false (is_known (self, leaf));
  world_assert_refused (self, leaf, "clock-behind");
  teesql_attest_service_tick (self->service);
  g_assert_cmpint (teesql_status_get_health (self->status, NULL), ==, TEESQL_HEALTH_FAILED);
}

static void
test_floor_follows_intel_only (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (GBytes) other = world_leaf (self);
  const gint64 before = teesql_clock_get_floor (self->clock);

  world_begin (self, 1);
  world_assert_accepted (self, leaf);
  g_assert_cmpint (teesql_clock_get_floor (self->clock), ==, before);
  self->verifier->intel = TRUE;
  world_assert_accepted (self, other);
  g_assert_cmpint (teesql_clock_get_floor (self->clock), ==, self->verifier->issued_at);
}

/* ---- reload ---- */

static gboolean
reload (World *self, TeesqlConfig *config, guint8 digest_byte, GError **error)
{
  guint8 digest[48] = { digest_byte };

  return teesql_attest_service_reload (self->service, config, digest, error);
}

static void
test_reload (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (TeesqlConfig) strict =
      world_config ("allowed-mrtd = any\nallowed-rtmr1 = any\nallowed-rtmr2 = any\nallowed-key-provider = any\n"
                    "allowed-compose-hash = 0000000000000000000000000000000000000000000000000000000000000000\n",
                    "");

  world_begin (self, 1);
  world_assert_accepted (self, leaf);
  g_assert_true (reload (self, strict, 1, NULL));
  g_assert_cmpuint (self->n_judge_again, ==, 1);
  g_assert_false (is_known (self, leaf));
  world_assert_refused (self, leaf, "compose-hash-not-allowed");
  g_assert_true (reload (self, strict, 1, NULL));
  g_assert_cmpuint (self->n_judge_again, ==, 1);
}

static void
test_reload_of_the_digest (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);

  world_begin (self, 1);
  g_assert_true (reload (self, self->config, 1, NULL));
  world_assert_accepted (self, leaf);
  g_assert_true (reload (self, self->config, 2, NULL));
  g_assert_cmpuint (self->n_judge_again, ==, 2);
  g_assert_false (is_known (self, leaf));
}

static void
test_reload_while_verifying (World *self, gconstpointer data)
{
  g_autoptr (GBytes) leaf = world_leaf (self);
  g_autoptr (TeesqlConfig) closed = world_config ("allowed-mrtd = any\n", "");
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TeesqlVerdict) verdict = NULL;

  world_begin (self, 1);
  self->verifier->mode = FAKE_HOLD;
  teesql_attest_service_judge_async (self->service, leaf, NULL, NULL, world_keep_result_cb, &result);
  world_wait_for (self->verifier->held->len == 1);
  g_assert_true (reload (self, closed, 1, NULL));
  fake_verifier_release (self->verifier);
  world_wait_for (result != NULL);
  verdict = teesql_attest_service_judge_finish (self->service, result, NULL);
  g_assert_cmpstr (teesql_verdict_get_reason (verdict), ==, "policy-unsettled");
}

#define ADD(path, function) g_test_add ("/attest/judge/" path, World, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("verdict/ends-with-its-time-to-live", test_ends_with_ttl);
  ADD ("verdict/ends-with-the-certificate", test_ends_with_certificate);
  ADD ("verdict/ends-with-the-collateral", test_ends_with_collateral);
  ADD ("verdict/ends-with-newer-collateral", test_newer_collateral);
  ADD ("verdict/ends-with-a-newer-CRL", test_newer_crl);
  ADD ("SR-27/a-moved-clock-ends-verdicts", test_clock_moved);
  ADD ("SR-27/a-clock-moved-meanwhile-counts", test_clock_moves_while_verifying);
  ADD ("SR-27/a-clock-behind-its-floor-refuses", test_clock_behind);
  ADD ("SR-27/only-intels-dates-raise-the-floor", test_floor_follows_intel_only);
  ADD ("SR-4/a-reload-that-changes-the-policy-judges-again", test_reload);
  ADD ("SR-4/a-reload-that-changes-the-digest-judges-again", test_reload_of_the_digest);
  ADD ("a-reload-meanwhile-counts", test_reload_while_verifying);
  return g_test_run ();
}
