#include "fixtures.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "ratls/teesql-event-log.h"

static const guint8 no_report_data[64];

static GError *
replay_error (const FixtureEvent *events, guint n_events)
{
  GError *error = NULL;
  g_autoptr (TeesqlEvidence) evidence = fixture_evidence (no_report_data, events, n_events, 1);
  guint8 rtmr3[48];
  TeesqlLogClaims *claims = NULL;

  g_assert_true (teesql_event_log_rtmr (evidence, 3, rtmr3, NULL));
  claims = teesql_event_log_replay (evidence, rtmr3, &error);
  g_assert_null (claims);
  return error;
}

static void
assert_hex (GBytes *bytes, const char *expected)
{
  g_autofree char *hex = teesql_hex_encode (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));

  g_assert_cmpstr (hex, ==, expected);
}

static void
digest_of_version_1 (void)
{
  g_autoptr (GBytes) payload = fixture_hex ("5bb4ff9a3837357f19dc176407a5709c62eb6c56");
  const TeesqlEvent event = { .rtmr = 3, .type = RUNTIME_EVENT, .version = 1, .name = "app-id", .payload = payload };
  g_autofree char *hex = NULL;
  guint8 digest[48];

  g_assert_true (teesql_event_digest (&event, digest, NULL));
  hex = teesql_hex_encode (digest, sizeof digest);
  g_assert_cmpstr (hex, ==, "ddd202447c612b8bb8723d2ce3b9882b7cfc0ede203c36b15639cc80b181b61a7692850c5333a1c6effef82a73d0a4f2");
}

static void
digest_of_version_2 (void)
{
  g_autoptr (GBytes) payload = fixture_hex ("abcd");
  const TeesqlEvent event = { .rtmr = 3, .type = RUNTIME_EVENT, .version = 2, .name = "compose-hash", .payload = payload };
  g_autofree char *hex = NULL;
  guint8 digest[48];

  g_assert_true (teesql_event_digest (&event, digest, NULL));
  hex = teesql_hex_encode (digest, sizeof digest);
  g_assert_cmpstr (hex, ==, "9dde1673f544faa94b921825209593ddde08d0baf9cd6990175dffaf3081f1bb10311d56de189491feb33842a050ad7b");
}

static void
unknown_version_is_refused (void)
{
  g_autoptr (GError) error = NULL;
  const TeesqlEvent event = { .rtmr = 3, .type = RUNTIME_EVENT, .version = 3, .name = "x" };
  guint8 digest[48];

  g_assert_false (teesql_event_digest (&event, digest, &error));
  assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_UNSUPPORTED, "event-log-version");
}

static void
colon_in_a_name_is_refused (void)
{
  g_autoptr (GError) error = NULL;
  const TeesqlEvent one = { .rtmr = 3, .type = RUNTIME_EVENT, .version = 1, .name = "a:b" };
  const TeesqlEvent two = { .rtmr = 3, .type = RUNTIME_EVENT, .version = 2, .name = "a:b" };
  guint8 digest[48];

  g_assert_false (teesql_event_digest (&one, digest, &error));
  assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed");
  g_assert_true (teesql_event_digest (&two, digest, NULL));
}

static void
names_of_a_booted_guest (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidence) evidence = fixture_evidence (no_report_data, fixture_events, FIXTURE_N_EVENTS, 1);
  guint8 rtmr3[48];
  g_autoptr (TeesqlLogClaims) claims = NULL;

  g_assert_true (teesql_event_log_rtmr (evidence, 3, rtmr3, NULL));
  claims = teesql_event_log_replay (evidence, rtmr3, &error);
  g_assert_no_error (error);
  assert_hex (claims->app_id, "4141414141414141414141414141414141414141");
  assert_hex (claims->compose_hash, "4343434343434343434343434343434343434343434343434343434343434343");
  assert_hex (claims->instance_id, "4949494949494949494949494949494949494949");
  assert_hex (claims->key_provider_id, FIXTURE_KMS_ID);
  g_assert_null (claims->os_image_hash);
  g_assert_cmpstr (claims->key_provider_name, ==, "kms");
  /* SHA-256 of the id's bytes */
  g_assert_cmpstr (claims->key_provider, ==, "kms:145e7127ba52ec64d7ad623a84c74bd087133a0b3d7f828ff69a23296db1a757");
}

static void
version_2_replays_too (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidence) one = fixture_evidence (no_report_data, fixture_events, FIXTURE_N_EVENTS, 1);
  g_autoptr (TeesqlEvidence) two = fixture_evidence (no_report_data, fixture_events, FIXTURE_N_EVENTS, 2);
  guint8 rtmr3_one[48];
  guint8 rtmr3_two[48];
  g_autoptr (TeesqlLogClaims) claims = NULL;

  g_assert_true (teesql_event_log_rtmr (one, 3, rtmr3_one, NULL));
  g_assert_true (teesql_event_log_rtmr (two, 3, rtmr3_two, NULL));
  g_assert_cmpint (memcmp (rtmr3_one, rtmr3_two, 48), !=, 0);
  claims = teesql_event_log_replay (two, rtmr3_two, &error);
  g_assert_no_error (error);
}

static void
wrong_rtmr3_is_refused (void)
{
  g_autoptr (TeesqlEvidence) evidence = fixture_evidence (no_report_data, fixture_events, FIXTURE_N_EVENTS, 1);
  guint8 rtmr3[48];

  g_assert_true (teesql_event_log_rtmr (evidence, 3, rtmr3, NULL));
  for (guint i = 0; i < sizeof rtmr3; i++)
    {
      g_autoptr (GError) error = NULL;

      rtmr3[i] ^= 1;
      g_assert_null (teesql_event_log_replay (evidence, rtmr3, &error));
      assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "rtmr3-mismatch");
      rtmr3[i] ^= 1;
    }
}

static void
missing_log_is_refused (void)
{
  g_autoptr (GError) error = replay_error (fixture_events, 0);

  assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "event-log-missing");
}

static void
each_required_event_is_missed (void)
{
  static const char *const required[] = { "app-id", "compose-hash", "instance-id", "boot-mr-done", "key-provider", "system-ready" };

  for (guint i = 0; i < G_N_ELEMENTS (required); i++)
    {
      FixtureEvent events[FIXTURE_N_EVENTS];
      g_autoptr (GError) error = NULL;

      for (guint k = 0; k < FIXTURE_N_EVENTS; k++)
        {
          events[k] = fixture_events[k];
          if (strcmp (events[k].name, required[i]) == 0)
            events[k].name = "something-else";
        }
      error = replay_error (events, FIXTURE_N_EVENTS);
      assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "event-log-incomplete");
      g_assert_nonnull (strstr (error->message, required[i]));
    }
}

static void
each_named_event_stands_once (void)
{
  static const guint named[] = { 1, 2, 3, 4, 5 };

  for (guint i = 0; i < G_N_ELEMENTS (named); i++)
    {
      FixtureEvent events[FIXTURE_N_EVENTS];
      g_autoptr (GError) error = NULL;

      for (guint k = 0; k < FIXTURE_N_EVENTS; k++)
        events[k] = fixture_events[k];
      events[6] = fixture_events[named[i]];
      error = replay_error (events, FIXTURE_N_EVENTS);
      assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "event-log-duplicate");
    }
}

/* SR-12: behind the marker the application writes what it likes, other people's names included. */
static void
names_behind_the_marker_mean_nothing (void)
{
  FixtureEvent events[FIXTURE_N_EVENTS + 2];
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (TeesqlLogClaims) claims = NULL;
  guint8 rtmr3[48];

  for (guint k = 0; k < FIXTURE_N_EVENTS; k++)
    events[k] = fixture_events[k];
  events[FIXTURE_N_EVENTS] = (FixtureEvent){ "app-id", "BBBBBBBBBBBBBBBBBBBB", G_MAXSIZE };
  events[FIXTURE_N_EVENTS + 1] = (FixtureEvent){ "os-image-hash", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", G_MAXSIZE };
  evidence = fixture_evidence (no_report_data, events, G_N_ELEMENTS (events), 1);
  g_assert_true (teesql_event_log_rtmr (evidence, 3, rtmr3, NULL));
  claims = teesql_event_log_replay (evidence, rtmr3, &error);
  g_assert_no_error (error);
  assert_hex (claims->app_id, "4141414141414141414141414141414141414141");
  g_assert_null (claims->os_image_hash);
}

static void
payloads_have_their_sizes (void)
{
  static const struct
  {
    guint index;
    FixtureEvent event;
  } wrong[] = {
    { 1, { "app-id", "short", G_MAXSIZE } },
    { 2, { "compose-hash", "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC", G_MAXSIZE } },
    { 3, { "instance-id", "I", G_MAXSIZE } },
    { 5, { "key-provider", "", G_MAXSIZE } },
    { 5, { "key-provider", "kms", G_MAXSIZE } },
    { 5, { "key-provider", "{\"name\":\"kms\"", G_MAXSIZE } },
    { 5, { "key-provider", "{\"id\":\"aa\"}", G_MAXSIZE } },
    { 5, { "key-provider", "{\"name\":\"mine\",\"id\":\"aa\"}", G_MAXSIZE } },
    { 5, { "key-provider", "{\"name\":\"none\",\"name\":\"kms\",\"id\":\"aa\"}", G_MAXSIZE } },
    { 5, { "key-provider", "{\"name\":\"kms\",\"id\":\"xyz\"}", G_MAXSIZE } },
    { 5, { "key-provider", "{\"name\":\"kms\",\"id\":\"aa\"} {}", G_MAXSIZE } },
    { 6, { "os-image-hash", "OOOO", G_MAXSIZE } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      FixtureEvent events[FIXTURE_N_EVENTS];
      g_autoptr (GError) error = NULL;

      for (guint k = 0; k < FIXTURE_N_EVENTS; k++)
        events[k] = k == wrong[i].index ? wrong[i].event : fixture_events[k];
      error = replay_error (events, FIXTURE_N_EVENTS);
      assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "event-log-payload");
    }
}

static void
provider_without_id_is_its_bare_name (void)
{
  FixtureEvent events[FIXTURE_N_EVENTS];
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (TeesqlLogClaims) claims = NULL;
  guint8 rtmr3[48];

  for (guint k = 0; k < FIXTURE_N_EVENTS; k++)
    events[k] = fixture_events[k];
  events[3].payload = "";
  events[5].payload = "{\"name\":\"none\",\"id\":\"\"}";
  evidence = fixture_evidence (no_report_data, events, FIXTURE_N_EVENTS, 1);
  g_assert_true (teesql_event_log_rtmr (evidence, 3, rtmr3, NULL));
  claims = teesql_event_log_replay (evidence, rtmr3, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (claims->key_provider, ==, "none");
  g_assert_cmpuint (g_bytes_get_size (claims->instance_id), ==, 0);
}

static void
foreign_digest_is_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autofree guint8 *zeros = g_malloc0 (48);
  g_autoptr (GBytes) digest = g_bytes_new_take (g_steal_pointer (&zeros), 48);
  g_autoptr (GBytes) quote = fixture_quote (no_report_data, no_report_data, 0);
  const TeesqlEvent event = { .rtmr = 3, .type = RUNTIME_EVENT, .version = 1, .name = "system-ready", .digest = digest };
  g_autoptr (TeesqlEvidence) evidence = NULL;
  guint8 rtmr3[48] = { 0 };

  teesql_evidence_builder_set_quote (builder, quote);
  teesql_evidence_builder_add_event (builder, &event);
  evidence = teesql_evidence_builder_end (builder, &error);
  g_assert_no_error (error);
  g_assert_null (teesql_event_log_replay (evidence, rtmr3, &error));
  assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "event-log-digest");
}

static void
check_mrconfigid (const char *hex, gboolean accepted)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) value = fixture_hex (hex);
  g_autofree guint8 *id = g_malloc (100);
  TeesqlLogClaims claims = { 0 };

  for (guint8 i = 0; i < 100; i++)
    id[i] = i;
  claims.compose_hash = fixture_hex ("1111111111111111111111111111111111111111111111111111111111111111");
  claims.app_id = fixture_hex ("2222222222222222222222222222222222222222");
  claims.key_provider_id = g_bytes_new (id, 100);
  claims.key_provider_name = (char *) "kms";
  g_assert_cmpuint (g_bytes_get_size (value), ==, 48);
  g_assert_cmpint (teesql_log_claims_check_mrconfigid (&claims, g_bytes_get_data (value, NULL), &error), ==, accepted);
  if (!accepted)
    assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "mrconfigid-mismatch");
  g_bytes_unref (claims.compose_hash);
  g_bytes_unref (claims.app_id);
  g_bytes_unref (claims.key_provider_id);
}

#define ZEROS_15 "000000000000000000000000000000"

static void
mrconfigid_agrees_with_the_log (void)
{
  check_mrconfigid ("000000000000000000000000000000000000000000000000000000000000000000" ZEROS_15, TRUE);
  check_mrconfigid ("011111111111111111111111111111111111111111111111111111111111111111" ZEROS_15, TRUE);
  check_mrconfigid ("011111111111111111111111111111111111111111111111111111111111111112" ZEROS_15, FALSE);
  check_mrconfigid ("011111111111111111111111111111111111111111111111111111111111111111000000000000000000000000000001", FALSE);
  /* Keccak-256 over compose hash, app id, 02, id; and the same without id */
  check_mrconfigid ("026e5223decf3f1f17e9eee880e90adb69f664d59e4d74a3bb8a76ab5bedfa6a73" ZEROS_15, TRUE);
  check_mrconfigid ("026945418bc65bfb86660880735e87c48c0fbe5bbc94ae3de575c22233843faf9e" ZEROS_15, TRUE);
  check_mrconfigid ("026945418bc65bfb86660880735e87c48c0fbe5bbc94ae3de575c22233843faf9f" ZEROS_15, FALSE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/event-log/digest-of-version-1-is-the-documented-one", digest_of_version_1);
  g_test_add_func ("/event-log/digest-of-version-2-is-the-documented-one", digest_of_version_2);
  g_test_add_func ("/event-log/unknown-version-is-refused", unknown_version_is_refused);
  g_test_add_func ("/event-log/colon-in-a-version-1-name-is-refused", colon_in_a_name_is_refused);
  g_test_add_func ("/event-log/names-a-booted-guest", names_of_a_booted_guest);
  g_test_add_func ("/event-log/version-2-replays-too", version_2_replays_too);
  g_test_add_func ("/event-log/wrong-rtmr3-is-refused", wrong_rtmr3_is_refused);
  g_test_add_func ("/event-log/missing-log-is-refused", missing_log_is_refused);
  g_test_add_func ("/event-log/each-required-event-is-missed", each_required_event_is_missed);
  g_test_add_func ("/event-log/each-named-event-stands-once", each_named_event_stands_once);
  g_test_add_func ("/event-log/names-behind-the-marker-mean-nothing", names_behind_the_marker_mean_nothing);
  g_test_add_func ("/event-log/payloads-have-their-sizes", payloads_have_their_sizes);
  g_test_add_func ("/event-log/provider-without-id-is-its-bare-name", provider_without_id_is_its_bare_name);
  g_test_add_func ("/event-log/foreign-digest-is-refused", foreign_digest_is_refused);
  g_test_add_func ("/event-log/mrconfigid-agrees-with-the-log", mrconfigid_agrees_with_the_log);
  return g_test_run ();
}
