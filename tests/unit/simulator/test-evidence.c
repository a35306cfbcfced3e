/* What the simulator makes is judged by the product's own verifier, with the collateral of the same platform. */
#include "dcap/dcap-verify.h"
#include "ratls/teesql-event-log.h"
#include "ratls/teesql-ratls-certificate.h"
#include "sim-test.h"
#include "simulator/teesql-sim-collateral.h"
#include <string.h>

#define NOW ((gint64) 1795000000) /* 2026-11-18 */

static const char *const status_texts[] = {
  [TEESQL_TCB_STATUS_UP_TO_DATE] = "UpToDate",
  [TEESQL_TCB_STATUS_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
  [TEESQL_TCB_STATUS_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
  [TEESQL_TCB_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
  [TEESQL_TCB_STATUS_OUT_OF_DATE] = "OutOfDate",
  [TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
  [TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
  [TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
};

/* --- from simulator to verifier */

static DcapItem *
make_item (DcapItemKind kind, GBytes *body, char *chain)
{
  g_autoptr (GBytes) chain_bytes = chain != NULL ? g_bytes_new_take (chain, strlen (chain)) : NULL;
  g_autoptr (GError) error = NULL;
  DcapItem *item = dcap_item_new_from_response (kind, body, chain_bytes, &error);

  g_assert_no_error (error);
  return item;
}

static DcapItem *
make_document_item (DcapItemKind kind, const TeesqlSimPlatform *platform, char *text)
{
  g_autoptr (GBytes) body = g_bytes_new_take (text, strlen (text));

  return make_item (kind, body, teesql_sim_platform_get_chain (platform, platform->tcb_signing));
}

static DcapCollateral *
make_collateral (SimWorld *world, gboolean early, gint64 now_unix)
{
  const TeesqlSimGuest *guest = sim_world_guest (world);
  const TeesqlSimCollateral source = { guest->platform, guest->state, guest->machine->name };
  DcapCollateral *collateral = g_new0 (DcapCollateral, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) root_crl = teesql_sim_collateral_make_crl (&source, TEESQL_SIM_CRL_ROOT, now_unix, &error);
  g_autoptr (GBytes) pck_crl = teesql_sim_collateral_make_crl (&source, TEESQL_SIM_CRL_PLATFORM, now_unix, &error);

  g_assert_no_error (error);
  g_atomic_ref_count_init (&collateral->ref_count);
  collateral->items[DCAP_ITEM_ROOT_CRL] = make_item (DCAP_ITEM_ROOT_CRL, root_crl, NULL);
  collateral->items[DCAP_ITEM_PCK_CRL] =
      make_item (DCAP_ITEM_PCK_CRL, pck_crl, teesql_sim_platform_get_chain (guest->platform, guest->platform->platform_ca));
  collateral->items[DCAP_ITEM_TCB_INFO] =
      make_document_item (DCAP_ITEM_TCB_INFO, guest->platform, teesql_sim_collateral_make_tcb_info (&source, early, now_unix, &error));
  collateral->items[DCAP_ITEM_QE_IDENTITY] = make_document_item (DCAP_ITEM_QE_IDENTITY, guest->platform,
                                                                 teesql_sim_collateral_make_qe_identity (&source, early, now_unix, &error));
  return collateral;
}

static DcapMemory *
memory_for (SimWorld *world)
{
  g_autofree char *pem = teesql_sim_authority_get_pem (sim_world_guest (world)->platform->root);
  DcapTrust trust;
  g_autoptr (GError) error = NULL;
  gboolean good = dcap_trust_init_pem (&trust, pem, strlen (pem), &error);

  g_assert_no_error (error);
  g_assert_true (good);
  return dcap_memory_new (&trust);
}

static GBytes *
make_quote (SimWorld *world)
{
  guint8 report_data[TEESQL_REPORT_DATA_SIZE];
  g_autoptr (GError) error = NULL;
  GBytes *quote;

  memset (report_data, 0x5a, sizeof report_data);
  quote = teesql_sim_guest_make_quote (sim_world_guest (world), report_data, &error);
  g_assert_no_error (error);
  return quote;
}

/* @collateral_from: whose collateral */
static TeesqlClaims *
verify (SimWorld *world, SimWorld *collateral_from, gint64 now_unix, GError **error)
{
  g_autoptr (GBytes) quote = make_quote (world);
  g_autoptr (DcapMemory) memory = memory_for (collateral_from);
  g_autoptr (DcapCollateral) collateral = make_collateral (collateral_from, FALSE, now_unix);
  const DcapRules rules = { now_unix, 0 };

  return dcap_verify (quote, collateral, memory, &rules, error);
}

static void
assert_refused (SimWorld *world, SimWorld *collateral_from, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = verify (world, collateral_from, NOW, &error);

  g_assert_null (claims);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
assert_field (const TeesqlClaims *claims, TeesqlField field, const guint8 *expected, gsize expected_size)
{
  gsize size = 0;
  const guint8 *data = teesql_claims_get_field (claims, field, &size);

  g_assert_cmpmem (data, (int) size, expected, (int) expected_size);
}

/* --- tests */

static void
check_status (const char *quote_version, const char *tcb_status)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .quote_version = quote_version, .tcb_status = tcb_status });
  const TeesqlSimMachine *machine = sim_world_guest (world)->machine;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = verify (world, world, NOW, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (status_texts[teesql_claims_get_tcb_status (claims)], ==, tcb_status);
  assert_field (claims, TEESQL_FIELD_MRTD, machine->mr_td, 48);
  assert_field (claims, TEESQL_FIELD_RTMR0, machine->rtmr[0], 48);
  assert_field (claims, TEESQL_FIELD_RTMR3, machine->rtmr[3], 48);
  assert_field (claims, TEESQL_FIELD_MRCONFIGID, machine->mr_config_id, 48);
  assert_field (claims, TEESQL_FIELD_FMSPC, sim_world_guest (world)->platform->fmspc, 6);
}

static void
test_statuses (void)
{
  static const char *const versions[] = { "4", "5", "5.1" };

  for (guint v = 0; v < G_N_ELEMENTS (versions); v++)
    for (guint status = TEESQL_TCB_STATUS_UP_TO_DATE; status <= TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED; status++)
      check_status (versions[v], status_texts[status]);
  check_status ("5.1", "TDRelaunchAdvised");
  check_status ("5.1", "TDRelaunchAdvisedConfigurationNeeded");
}

static void
test_advisories (void)
{
  g_autoptr (SimWorld) good = sim_world_new (&(SimWorldOptions){ 0 });
  g_autoptr (SimWorld) bad = sim_world_new (&(SimWorldOptions){ .tcb_status = "OutOfDate" });
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) good_claims = verify (good, good, NOW, &error);
  g_autoptr (TeesqlClaims) bad_claims = verify (bad, bad, NOW, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length ((char **) teesql_claims_get_advisory_ids (good_claims)), ==, 0);
  g_assert_cmpstr (teesql_claims_get_advisory_ids (bad_claims)[0], ==, "INTEL-SA-99904");
}

/* one word makes one machine fall behind, or, said by who serves the collateral, all of them */
static void
test_platform_status (void)
{
  static const struct
  {
    const char *machine;
    const char *platform;
    const char *expected;
  } cases[] = {
    { "UpToDate", "OutOfDate", "OutOfDate" },
    { "OutOfDate", "UpToDate", "OutOfDate" },
    { "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded" },
    { "ConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded" },
    { "UpToDate", "SWHardeningNeeded", "SWHardeningNeeded" },
  };
  g_autoptr (SimWorld) current = sim_world_new (&(SimWorldOptions){ .machine = "client" });
  g_autoptr (SimWorld) revoked = sim_world_new (&(SimWorldOptions){ .tcb_status = "Revoked" });

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (SimWorld) client = sim_world_new (&(SimWorldOptions){ .machine = "client", .tcb_status = cases[i].machine });
      g_autoptr (SimWorld) server = sim_world_new (&(SimWorldOptions){ .machine = "server", .tcb_status = cases[i].platform });
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlClaims) claims = verify (client, server, NOW, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (status_texts[teesql_claims_get_tcb_status (claims)], ==, cases[i].expected);
      g_assert_cmpuint (g_strv_length ((char **) teesql_claims_get_advisory_ids (claims)), ==, 1);
    }
  assert_refused (current, revoked, "tcb-revoked");
}

static void
test_revoked_level (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .tcb_status = "Revoked" });

  assert_refused (world, world, "tcb-revoked");
}

/* two machines of one platform: either's collateral judges the other, and is the same */
static void
test_shared_platform (void)
{
  g_autoptr (SimWorld) server = sim_world_new (&(SimWorldOptions){ .machine = "server" });
  g_autoptr (SimWorld) client = sim_world_new (&(SimWorldOptions){ .machine = "client", .tcb_status = "SWHardeningNeeded" });
  g_autoptr (SimWorld) neighbour = sim_world_new (&(SimWorldOptions){ .machine = "neighbour" });
  g_autoptr (DcapCollateral) one = make_collateral (server, FALSE, NOW);
  g_autoptr (DcapCollateral) two = make_collateral (neighbour, FALSE, NOW);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = verify (client, server, NOW, &error);
  g_autoptr (TeesqlClaims) own = verify (server, server, NOW, &error);

  g_assert_no_error (error);
  g_assert_cmpint (teesql_claims_get_tcb_status (claims), ==, TEESQL_TCB_STATUS_SW_HARDENING_NEEDED);
  g_assert_cmpint (memcmp (teesql_claims_get_field (claims, TEESQL_FIELD_PPID, NULL),
                           teesql_claims_get_field (own, TEESQL_FIELD_PPID, NULL), 16),
                   !=, 0);
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    {
      g_assert_true (g_bytes_equal (one->items[i]->body, two->items[i]->body));
      if (one->items[i]->signature != NULL)
        g_assert_true (g_bytes_equal (one->items[i]->signature, two->items[i]->signature));
    }
}

static void
test_other_platform (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ 0 });
  g_autoptr (SimWorld) stranger = sim_world_new (&(SimWorldOptions){ .seed = 0x77 });

  assert_refused (stranger, world, "pck-chain-root");
}

static void
test_revoked_pck (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = "revoked-pck" });
  g_autoptr (SimWorld) neighbour = sim_world_new (&(SimWorldOptions){ .machine = "client" });
  g_autoptr (SimWorld) before = sim_world_new (&(SimWorldOptions){ 0 });
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = NULL;

  assert_refused (world, world, "pck-revoked");
  assert_refused (world, neighbour, "pck-revoked"); /* every process of the platform says so */
  assert_refused (before, world, "pck-revoked");    /* what the machine showed earlier */
  claims = verify (neighbour, world, NOW, &error);
  g_assert_no_error (error); /* and nobody else's */
}

static void
test_expired_collateral (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = "expired-collateral" });
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = verify (world, world, NOW, &error);

  g_assert_null (claims);
  g_assert_true (g_str_has_suffix (teesql_error_get_reason (error), "-expired"));
}

static void
assert_older (DcapMemory *memory, const DcapCollateral *current, const DcapCollateral *old)
{
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (DcapFact) before = dcap_memory_prove_fact (memory, current->items[i], &error);
      g_autoptr (DcapFact) after = dcap_memory_prove_fact (memory, old->items[i], &error);

      g_assert_no_error (error);
      g_assert_false (dcap_fact_check_order (after, before, &error));
      g_assert_true (g_str_has_suffix (teesql_error_get_reason (error), "-rollback"));
    }
}

static void
test_rolled_back_collateral (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ 0 });
  g_autoptr (SimWorld) liar = sim_world_new (&(SimWorldOptions){ .misbehave = "rolled-back-collateral" });
  g_autoptr (DcapMemory) memory = memory_for (world);
  g_autoptr (DcapCollateral) current = make_collateral (world, FALSE, NOW);
  g_autoptr (DcapCollateral) old = make_collateral (liar, FALSE, NOW);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = verify (world, liar, NOW, &error);

  g_assert_no_error (error); /* it is genuine and still valid: only memory tells */
  assert_older (memory, current, old);
}

static void
test_renewal (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ 0 });
  g_autoptr (DcapMemory) memory = memory_for (world);

  for (guint day = 0; day < 400; day += 50)
    {
      gint64 now_unix = NOW + (gint64) day * 86400;
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlClaims) claims = verify (world, world, now_unix, &error);
      g_autoptr (DcapCollateral) today = make_collateral (world, FALSE, now_unix);
      g_autoptr (DcapCollateral) tomorrow = make_collateral (world, FALSE, now_unix + 86400);

      g_assert_no_error (error);
      assert_older (memory, tomorrow, today);
    }
}

/* Intel's next recovery: in the early set first, then for everybody */
static void
test_recovery (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ 0 });
  TeesqlSimState *state = teesql_simulator_get_state (world->simulator);
  g_autoptr (GBytes) quote = make_quote (world);
  g_autoptr (DcapMemory) memory = memory_for (world);
  const DcapRules rules = { NOW, 0 };
  g_autoptr (GError) error = NULL;

  state->recovery = TEESQL_SIM_RECOVERY_EARLY;
  for (guint early = 0; early < 2; early++)
    {
      g_autoptr (DcapCollateral) collateral = make_collateral (world, early != 0, NOW);
      g_autoptr (TeesqlClaims) claims = dcap_verify (quote, collateral, memory, &rules, &error);
      gint64 number = 0;

      g_assert_no_error (error);
      g_assert_cmpint (teesql_claims_get_tcb_status (claims), ==,
                       early != 0 ? TEESQL_TCB_STATUS_OUT_OF_DATE : TEESQL_TCB_STATUS_UP_TO_DATE);
      g_assert_true (teesql_claims_get_number (claims, TEESQL_NUMBER_TCB_EVALUATION, &number));
      g_assert_cmpint (number, ==, TEESQL_SIM_EVALUATION_NUMBER + (gint64) early);
    }
  state->recovery = TEESQL_SIM_RECOVERY_ALL;
  g_autoptr (TeesqlClaims) after = verify (world, world, NOW, &error);
  g_assert_no_error (error);
  g_assert_cmpint (teesql_claims_get_tcb_status (after), ==, TEESQL_TCB_STATUS_OUT_OF_DATE);
}

static void
test_debug (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = "debug-td" });
  g_autoptr (SimWorld) honest = sim_world_new (&(SimWorldOptions){ 0 });
  static const guint8 debug[8] = { 0x01, 0, 0, 0x10, 0, 0, 0, 0 };
  static const guint8 production[8] = { 0x00, 0, 0, 0x10, 0, 0, 0, 0 };
  g_autoptr (GBytes) quote = make_quote (world);
  g_autoptr (GBytes) honest_quote = make_quote (honest);

  g_assert_cmpmem ((const guint8 *) g_bytes_get_data (quote, NULL) + 168, 8, debug, 8);
  g_assert_cmpmem ((const guint8 *) g_bytes_get_data (honest_quote, NULL) + 168, 8, production, 8);
}

/* --- the certificate that carries it */

static TeesqlRatlsPeer *
issue_peer (SimWorld *world)
{
  const TeesqlSimLeafRequest request = {
    .subject = "client",
    .ra_tls = TRUE,
    .client_auth = TRUE,
    .with_app_info = TRUE,
    .not_before_unix = NOW,
    .not_after_unix = NOW + 86400,
  };
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) chain = NULL;
  g_autofree char *key = teesql_sim_guest_issue (sim_world_guest (world), &request, &chain, &error);
  g_auto (gnutls_x509_crt_t) leaf = NULL;
  gnutls_datum_t pem = { (guint8 *) chain[0], (unsigned) strlen (chain[0]) };
  g_autoptr (GBytes) der = NULL;
  TeesqlRatlsPeer *peer;
  gsize size = 0;
  const guint8 *data;

  g_assert_no_error (error);
  g_assert_nonnull (key);
  g_assert_cmpint (gnutls_x509_crt_init (&leaf), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_import (leaf, &pem, GNUTLS_X509_FMT_PEM), ==, 0);
  der = teesql_sim_x509_get_der (leaf);
  data = g_bytes_get_data (der, &size);
  peer = teesql_ratls_peer_parse (data, size, &error);
  g_assert_no_error (error);
  return peer;
}

static void
test_certificate (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ 0 });
  const TeesqlSimGuest *guest = sim_world_guest (world);
  g_autoptr (TeesqlRatlsPeer) peer = issue_peer (world);
  g_autofree char *key_provider = teesql_sim_guest_get_key_provider (guest);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlLogClaims) log = NULL;

  g_assert_true (teesql_ratls_peer_check_binding (peer, &error));
  log = teesql_event_log_replay (peer->evidence, guest->machine->rtmr[3], &error);
  g_assert_no_error (error);
  sim_assert_bytes (log->app_id, guest->app->app_id, 20);
  sim_assert_bytes (log->compose_hash, guest->app->compose_hash, 32);
  sim_assert_bytes (log->os_image_hash, guest->app->os_image_hash, 32);
  sim_assert_bytes (log->instance_id, guest->machine->instance_id, 20);
  g_assert_cmpstr (log->key_provider, ==, key_provider);
}

static void
test_wrong_binding (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = "wrong-binding" });
  g_autoptr (TeesqlRatlsPeer) peer = issue_peer (world);
  g_autoptr (GError) error = NULL;

  g_assert_false (teesql_ratls_peer_check_binding (peer, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "report-data-mismatch");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/simulator/evidence/every-status-in-every-quote-is-what-was-asked-for", test_statuses);
  g_test_add_func ("/simulator/evidence/advisories-come-with-the-level", test_advisories);
  g_test_add_func ("/simulator/evidence/who-serves-collateral-speaks-of-all-machines", test_platform_status);
  g_test_add_func ("/simulator/evidence/a-revoked-level-is-refused", test_revoked_level);
  g_test_add_func ("/simulator/evidence/machines-of-a-platform-share-collateral", test_shared_platform);
  g_test_add_func ("/simulator/evidence/another-seed-is-another-root", test_other_platform);
  g_test_add_func ("/simulator/evidence/a-revoked-pck-is-refused-by-every-pccs", test_revoked_pck);
  g_test_add_func ("/simulator/evidence/expired-collateral-is-refused", test_expired_collateral);
  g_test_add_func ("/simulator/evidence/rolled-back-collateral-is-valid-but-older", test_rolled_back_collateral);
  g_test_add_func ("/simulator/evidence/collateral-is-renewed-and-never-goes-back", test_renewal);
  g_test_add_func ("/simulator/evidence/a-recovery-reaches-the-early-set-first", test_recovery);
  g_test_add_func ("/simulator/evidence/a-debug-td-says-so", test_debug);
  g_test_add_func ("/simulator/evidence/certificates-bind-key-and-log", test_certificate);
  g_test_add_func ("/simulator/evidence/a-wrong-binding-is-found", test_wrong_binding);
  return g_test_run ();
}
