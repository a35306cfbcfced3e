/* The product's verifier fetches from the simulated service, as a daemon would. */
#include "dcap/dcap-verifier.h"
#include "sim-test.h"
#include <glib/gstdio.h>
#include <string.h>

#define FETCHES_OF_ONE_PLATFORM 4

static void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out = user_data;

  *out = g_object_ref (result);
}

static GAsyncResult *
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

/* @trust: whose root; @service: whose collateral */
static TeesqlVerifier *
make_verifier (SimWorld *trust, SimWorld *service, const char *tcb_update)
{
  g_autofree char *root = g_build_filename (trust->directory, "root.pem", NULL);
  g_autofree char *pem = teesql_sim_authority_get_pem (sim_world_guest (trust)->platform->root);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  TeesqlVerifier *verifier;

  g_assert_true (g_file_set_contents (root, pem, -1, NULL));
  verifier = g_object_new (DCAP_TYPE_VERIFIER, "trusted-root", root, "collateral-url", teesql_simulator_get_pccs (service->simulator),
                           "cache-directory", "none", "tcb-update", tcb_update, "fetch-timeout", 400u, NULL);
  g_async_initable_init_async (G_ASYNC_INITABLE (verifier), 0, NULL, done_cb, &result);
  g_async_initable_init_finish (G_ASYNC_INITABLE (verifier), wait_for (&result), &error);
  g_assert_no_error (error);
  g_unlink (root);
  return verifier;
}

static TeesqlClaims *
verify (TeesqlVerifier *verifier, SimWorld *world, GError **error)
{
  guint8 report_data[TEESQL_REPORT_DATA_SIZE] = { 0 };
  g_autoptr (GBytes) quote = teesql_sim_guest_make_quote (sim_world_guest (world), report_data, NULL);
  g_autoptr (TeesqlEvidence) evidence = teesql_sim_machine_make_evidence (sim_world_guest (world)->machine, quote, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  teesql_verifier_verify_async (verifier, evidence, g_get_real_time () / G_USEC_PER_SEC, NULL, done_cb, &result);
  return teesql_verifier_verify_finish (verifier, wait_for (&result), error);
}

static void
test_fetch (void)
{
  g_autoptr (SimWorld) server = sim_world_new (&(SimWorldOptions){ .start = TRUE });
  g_autoptr (SimWorld) client = sim_world_new (&(SimWorldOptions){ .machine = "client", .quote_version = "5.1" });
  g_autoptr (TeesqlVerifier) verifier = make_verifier (server, server, "standard");
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) first = verify (verifier, client, &error);
  g_autoptr (TeesqlClaims) second = NULL;

  g_assert_no_error (error);
  second = verify (verifier, server, &error);
  g_assert_no_error (error);
  g_assert_cmpint (teesql_claims_get_tcb_status (first), ==, TEESQL_TCB_STATUS_UP_TO_DATE);
  /* what one machine of the platform needed serves the other */
  g_assert_cmpuint (teesql_simulator_get_state (server->simulator)->pccs_calls, ==, FETCHES_OF_ONE_PLATFORM);
  g_assert_nonnull (teesql_verifier_get_taint (verifier)); /* SR-7 */
}

static void
test_early (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .start = TRUE });
  g_autoptr (TeesqlVerifier) standard = make_verifier (world, world, "standard");
  g_autoptr (TeesqlVerifier) early = make_verifier (world, world, "early");
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) now = NULL;
  g_autoptr (TeesqlClaims) soon = NULL;

  teesql_simulator_get_state (world->simulator)->recovery = TEESQL_SIM_RECOVERY_EARLY;
  now = verify (standard, world, &error);
  g_assert_no_error (error);
  soon = verify (early, world, &error);
  g_assert_no_error (error);
  g_assert_cmpint (teesql_claims_get_tcb_status (now), ==, TEESQL_TCB_STATUS_UP_TO_DATE);
  g_assert_cmpint (teesql_claims_get_tcb_status (soon), ==, TEESQL_TCB_STATUS_OUT_OF_DATE);
}

static void
test_stranger (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .start = TRUE });
  g_autoptr (SimWorld) stranger = sim_world_new (&(SimWorldOptions){ .seed = 0x77 });
  g_autoptr (TeesqlVerifier) verifier = make_verifier (world, world, "standard");
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = verify (verifier, stranger, &error);

  g_assert_null (claims);
  g_assert_nonnull (error);
  g_assert_cmpuint (teesql_simulator_get_state (world->simulator)->pccs_calls, ==, 0); /* a stranger's quote asks no server */
}

static void
test_faults (void)
{
  static const char *const faults[] = { "pccs-garbage", "pccs-hang", "pccs-slow=30s", "pccs-close", "expired-collateral", "revoked-pck" };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = faults[i], .start = TRUE });
      g_autoptr (TeesqlVerifier) verifier = make_verifier (world, world, "standard");
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlClaims) claims = verify (verifier, world, &error);

      g_assert_null (claims);
      g_assert_nonnull (error);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/simulator/verifier/fetches-what-a-platform-needs-once", test_fetch);
  g_test_add_func ("/simulator/verifier/the-early-set-announces-a-recovery", test_early);
  g_test_add_func ("/simulator/verifier/a-stranger-triggers-no-request", test_stranger);
  g_test_add_func ("/simulator/verifier/no-fault-of-the-service-yields-claims", test_faults);
  return g_test_run ();
}
