/* What a guest measures, and what it depends on. */
#include "base/teesql-hex.h"
#include "ratls/teesql-event-log.h"
#include "ratls/teesql-ratls-attestation.h"
#include "sim-test.h"
#include "simulator/teesql-sim-json.h"
#include <string.h>

static TeesqlEvidence *
make_evidence (const TeesqlSimGuest *guest)
{
  guint8 report_data[TEESQL_REPORT_DATA_SIZE] = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) quote = teesql_sim_guest_make_quote (guest, report_data, &error);
  TeesqlEvidence *evidence = teesql_sim_machine_make_evidence (guest->machine, quote, &error);

  g_assert_no_error (error);
  return evidence;
}

static void
test_replay (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ 0 });
  const TeesqlSimGuest *guest = sim_world_guest (world);
  g_autoptr (TeesqlEvidence) evidence = make_evidence (guest);

  for (guint i = 0; i < TEESQL_SIM_N_RTMR; i++)
    {
      g_autoptr (GError) error = NULL;
      guint8 replayed[48];

      g_assert_true (teesql_event_log_rtmr (evidence, i, replayed, &error));
      g_assert_no_error (error);
      g_assert_cmpmem (replayed, sizeof replayed, guest->machine->rtmr[i], 48);
    }
}

static void
test_attestation_round_trip (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ 0 });
  const TeesqlSimGuest *guest = sim_world_guest (world);
  guint8 report_data[TEESQL_REPORT_DATA_SIZE];

  memset (report_data, 0x11, sizeof report_data);
  for (guint strip = 0; strip < 2; strip++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) bytes = teesql_sim_guest_make_attestation (guest, report_data, strip != 0, &error);
      g_autoptr (GBytes) envelope = NULL;
      g_autoptr (TeesqlEvidence) evidence = NULL;
      guint8 replayed[48];
      gsize size = 0;
      const guint8 *data = g_bytes_get_data (bytes, &size);

      g_assert_no_error (error);
      evidence = teesql_ratls_attestation_parse (data, size, &envelope, &error);
      g_assert_no_error (error);
      sim_assert_bytes (envelope, report_data, sizeof report_data);
      g_assert_cmpstr (teesql_evidence_get_platform_config (evidence), ==, guest->machine->vm_config);
      g_assert_true (teesql_event_log_rtmr (evidence, 3, replayed, &error));
      g_assert_cmpmem (replayed, sizeof replayed, guest->machine->rtmr[3], 48);
    }
}

typedef struct
{
  gboolean mr_td, rtmr0, rtmr3, app_id, instance;
} Differences;

static void
compare (const SimWorldOptions *one, const SimWorldOptions *two, Differences expected)
{
  g_autoptr (SimWorld) first = sim_world_new (one);
  g_autoptr (SimWorld) second = sim_world_new (two);
  const TeesqlSimMachine *a = sim_world_guest (first)->machine;
  const TeesqlSimMachine *b = sim_world_guest (second)->machine;

  g_assert_cmpint (memcmp (a->mr_td, b->mr_td, 48) != 0, ==, expected.mr_td);
  g_assert_cmpint (memcmp (a->rtmr[0], b->rtmr[0], 48) != 0, ==, expected.rtmr0);
  g_assert_cmpint (memcmp (a->rtmr[3], b->rtmr[3], 48) != 0, ==, expected.rtmr3);
  g_assert_cmpint (memcmp (sim_world_guest (first)->app->app_id, sim_world_guest (second)->app->app_id, 20) != 0, ==, expected.app_id);
  g_assert_cmpint (memcmp (a->instance_id, b->instance_id, 20) != 0, ==, expected.instance);
}

static void
test_dependencies (void)
{
  const SimWorldOptions base = { 0 };

  compare (&base, &base, (Differences){ FALSE, FALSE, FALSE, FALSE, FALSE });
  compare (&base, &(SimWorldOptions){ .image = "other-guest" }, (Differences){ TRUE, TRUE, TRUE, FALSE, FALSE });
  compare (&base, &(SimWorldOptions){ .compose = "services: {}\n" }, (Differences){ FALSE, FALSE, TRUE, TRUE, TRUE });
  compare (&base, &(SimWorldOptions){ .machine = "client" }, (Differences){ FALSE, FALSE, TRUE, FALSE, TRUE });
  /* the genuine image under somebody else's KMS: only the runtime register can tell */
  compare (&base, &(SimWorldOptions){ .seed = 0x77 }, (Differences){ FALSE, FALSE, TRUE, FALSE, TRUE });
}

static void
test_config_id (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ 0 });
  const TeesqlSimGuest *guest = sim_world_guest (world);
  static const guint8 zeros[15] = { 0 };

  g_assert_cmpint (guest->machine->mr_config_id[0], ==, 1);
  g_assert_cmpmem (guest->machine->mr_config_id + 1, 32, guest->app->compose_hash, 32);
  g_assert_cmpmem (guest->machine->mr_config_id + 33, 15, zeros, 15);
}

static void
assert_app_refused (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSimApp) app = teesql_sim_app_parse (text, strlen (text), &error);

  g_assert_null (app);
  g_assert_nonnull (error);
}

static void
test_app_description (void)
{
  static const char good[] = "{\"name\":\"a\",\"image\":\"i\",\"compose\":\"c\",\"app_id\":\"000102030405060708090a0b0c0d0e0f10111213\"}";
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSimApp) app = teesql_sim_app_parse (good, strlen (good), &error);
  guint8 digest[32];

  g_assert_no_error (error);
  g_assert_cmpint (app->app_id[19], ==, 0x13);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, app->app_compose, strlen (app->app_compose));
  g_assert_cmpmem (digest, 32, app->compose_hash, 32);
  assert_app_refused ("");
  assert_app_refused ("[]");
  assert_app_refused ("{\"name\":\"a\",\"image\":\"i\"}");
  assert_app_refused ("{\"name\":\"\",\"image\":\"i\",\"compose\":\"c\"}");
  assert_app_refused ("{\"name\":1,\"image\":\"i\",\"compose\":\"c\"}");
  assert_app_refused ("{\"name\":\"a\",\"image\":\"i\",\"compose\":\"c\",\"composed\":\"x\"}");
  assert_app_refused ("{\"name\":\"a\",\"image\":\"i\",\"compose\":\"c\",\"app_id\":\"00\"}");
}

static void
test_describe (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ 0 });
  const TeesqlSimGuest *guest = sim_world_guest (world);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = teesql_simulator_describe (world->simulator, &error);
  g_autoptr (JsonObject) object = teesql_sim_json_parse_object (text, strlen (text), &error);
  g_autoptr (GBytes) mr_td = NULL;
  g_autoptr (GBytes) compose_hash = NULL;

  g_assert_no_error (error);
  mr_td = sim_json_bytes (object, "mrtd");
  compose_hash = sim_json_bytes (object, "compose_hash");
  sim_assert_bytes (mr_td, guest->machine->mr_td, 48);
  sim_assert_bytes (compose_hash, guest->app->compose_hash, 32);
  g_assert_true (json_object_get_boolean_member (object, "simulator"));
  g_assert_true (g_str_has_prefix (sim_json_string (object, "key_provider"), "kms:"));
  g_assert_cmpuint (strlen (sim_json_string (object, "key_provider")), ==, 4 + 64);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/simulator/machine/the-log-replays-to-every-register", test_replay);
  g_test_add_func ("/simulator/machine/attestations-read-back-whole-and-stripped", test_attestation_round_trip);
  g_test_add_func ("/simulator/machine/each-register-depends-on-what-it-should", test_dependencies);
  g_test_add_func ("/simulator/machine/mrconfigid-holds-the-compose-hash", test_config_id);
  g_test_add_func ("/simulator/machine/application-descriptions-are-strict", test_app_description);
  g_test_add_func ("/simulator/machine/describe-prints-what-policies-pin", test_describe);
  return g_test_run ();
}
