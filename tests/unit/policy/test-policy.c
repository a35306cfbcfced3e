#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "policy/teesql-policy.h"

#define NOW           G_GINT64_CONSTANT (1800000000)
#define HOUR          G_GINT64_CONSTANT (3600)
#define HEX_96(a)     HEX_32 (a) HEX_32 (a) HEX_32 (a)
#define HEX_64(a)     HEX_32 (a) HEX_32 (a)
#define HEX_32(a)     a a a a a a a a a a a a a a a a
#define HEX_40(a)     HEX_32 (a) a a a a
#define GOOD_PROVIDER "kms:" HEX_64 ("6b")

/* One line a key; a test changes one of them. */
#define PINS                                                                                                                               \
  "allowed-mrtd = " HEX_96 ("aa") "\n"                                                                                                     \
                                  "allowed-os-image-hash = " HEX_64 ("05") "\n"                                                            \
                                                                           "allowed-compose-hash = " HEX_64 (                              \
                                                                               "cc") "\n"                                                  \
                                                                                     "allowed-key-provider = " GOOD_PROVIDER "\n"

/* What the peer of these tests is: everything the pins above name, on an up-to-date machine. */
typedef struct
{
  guint8 attributes[8];
  guint8 service_td;
  guint8 signer_seam;
  guint8 seam_attributes;
  TeesqlTcbStatus status;
  const char *advisory;
  gint64 issued_at;
  gint64 valid_until;
  gint64 evaluation; /* -1: absent */
  const char *mrconfigid;
  gboolean no_ppid;
  gboolean no_log;
  gboolean legacy;
  const char *provider;
} Peer;

static const Peer good_peer = { .attributes = { 0, 0, 0, 0x10 },
                                .status = TEESQL_TCB_STATUS_UP_TO_DATE,
                                .issued_at = NOW - 24 * HOUR,
                                .valid_until = NOW + 24 * HOUR,
                                .evaluation = 17,
                                .mrconfigid = "01" HEX_64 ("cc") "000000000000000000000000000000",
                                .provider = GOOD_PROVIDER };

static void
set_filled (TeesqlClaimsBuilder *builder, TeesqlField field, guint8 byte, gsize size)
{
  g_autofree guint8 *data = g_malloc (size);

  for (gsize i = 0; i < size; i++)
    data[i] = byte;
  teesql_claims_builder_set_field (builder, field, data, size);
}

static void
set_measurements (TeesqlClaimsBuilder *builder, const Peer *peer)
{
  g_autoptr (GBytes) mrconfigid = teesql_hex_decode (peer->mrconfigid, -1, NULL);

  set_filled (builder, TEESQL_FIELD_MRTD, 0xaa, 48);
  set_filled (builder, TEESQL_FIELD_RTMR0, 0xe0, 48);
  set_filled (builder, TEESQL_FIELD_RTMR1, 0xe1, 48);
  set_filled (builder, TEESQL_FIELD_RTMR2, 0xe2, 48);
  set_filled (builder, TEESQL_FIELD_RTMR3, 0xe3, 48);
  set_filled (builder, TEESQL_FIELD_MRSEAM, 0x5e, 48);
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_MRCONFIGID, g_bytes_get_data (mrconfigid, NULL), 48);
  set_filled (builder, TEESQL_FIELD_REPORT_DATA, 0xdd, 64);
  set_filled (builder, TEESQL_FIELD_XFAM, 0xe7, 8);
  set_filled (builder, TEESQL_FIELD_TEE_TCB_SVN, 0x0b, 16);
  set_filled (builder, TEESQL_FIELD_TRUST_ANCHOR, 0x77, 32);
  set_filled (builder, TEESQL_FIELD_FMSPC, 0xf5, 6);
  if (!peer->no_ppid)
    set_filled (builder, TEESQL_FIELD_PPID, 0x11, 16);
}

static TeesqlClaims *
claims_of (const Peer *peer)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaimsBuilder) builder = teesql_claims_builder_new ();
  TeesqlClaims *claims = NULL;

  set_measurements (builder, peer);
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_TD_ATTRIBUTES, peer->attributes, 8);
  set_filled (builder, TEESQL_FIELD_MRSERVICETD, peer->service_td, 48);
  set_filled (builder, TEESQL_FIELD_MRSIGNERSEAM, peer->signer_seam, 48);
  set_filled (builder, TEESQL_FIELD_SEAM_ATTRIBUTES, peer->seam_attributes, 8);
  teesql_claims_builder_set_tcb_status (builder, peer->status);
  if (peer->advisory != NULL)
    teesql_claims_builder_add_advisory_id (builder, peer->advisory);
  if (peer->issued_at >= 0)
    teesql_claims_builder_set_number (builder, TEESQL_NUMBER_ISSUED_AT, peer->issued_at);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_VALID_UNTIL, peer->valid_until);
  if (peer->evaluation >= 0)
    teesql_claims_builder_set_number (builder, TEESQL_NUMBER_TCB_EVALUATION, peer->evaluation);
  claims = teesql_claims_builder_end (builder, &error);
  g_assert_no_error (error);
  return claims;
}

static TeesqlLogClaims *
log_of (const Peer *peer)
{
  TeesqlLogClaims *log = g_new0 (TeesqlLogClaims, 1);

  log->app_id = teesql_hex_decode (HEX_40 ("a1"), -1, NULL);
  log->compose_hash = teesql_hex_decode (HEX_64 ("cc"), -1, NULL);
  log->instance_id = teesql_hex_decode (HEX_40 ("1d"), -1, NULL);
  log->os_image_hash = teesql_hex_decode (HEX_64 ("05"), -1, NULL);
  log->key_provider = g_strdup (peer->provider);
  log->key_provider_name = g_strndup (peer->provider, strcspn (peer->provider, ":"));
  log->key_provider_id = g_bytes_new (NULL, 0);
  return log;
}

static TeesqlPolicy *
policy_of (const char *keys)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strconcat ("[policy:clients]\n", keys, NULL);
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_POLICY, "policy.conf", text, strlen (text), &error);
  TeesqlPolicy *policy = NULL;

  g_assert_no_error (error);
  policy = teesql_policy_new_from_config (config, "clients", &error);
  g_assert_no_error (error);
  return policy;
}

/* (transfer full): the reasons, joined */
static char *
judge (const char *keys, const Peer *peer, char **out_first_message)
{
  g_autoptr (TeesqlPolicy) policy = policy_of (keys);
  g_autoptr (TeesqlClaims) claims = claims_of (peer);
  g_autoptr (TeesqlLogClaims) log = peer->no_log ? NULL : log_of (peer);
  const TeesqlSubject subject = { claims, log, peer->legacy };
  g_autoptr (GPtrArray) findings = teesql_policy_judge (policy, &subject, NOW);
  GString *reasons = g_string_new (NULL);

  for (guint i = 0; i < findings->len; i++)
    {
      const TeesqlFinding *finding = g_ptr_array_index (findings, i);

      g_assert_null (strchr (finding->message, '\n'));
      g_string_append_printf (reasons, "%s%s", i > 0 ? "," : "", finding->reason);
      if (i == 0 && out_first_message != NULL)
        *out_first_message = g_strdup (finding->message);
    }
  return g_string_free (reasons, FALSE);
}

static void
assert_judged (const char *keys, const Peer *peer, const char *reasons)
{
  g_autofree char *found = judge (keys, peer, NULL);

  g_assert_cmpstr (found, ==, reasons);
}

static void
assert_message (const char *keys, const Peer *peer, const char *message)
{
  g_autofree char *found = NULL;
  g_autofree char *reasons = judge (keys, peer, &found);

  g_assert_cmpstr (reasons, !=, "");
  g_assert_cmpstr (found, ==, message);
}

static void
peer_that_every_pin_names (void)
{
  assert_judged (PINS, &good_peer, "");
}

/* SR-6: each of the four, absent, empty, listing another, and `any`. */
static void
identity_pins (void)
{
  static const struct
  {
    const char *keys;
    const char *reasons;
  } rows[] = {
#define REST_MRTD "allowed-os-image-hash = any\nallowed-compose-hash = any\nallowed-key-provider = any\n"
    { REST_MRTD, "policy-unsettled" },
    { REST_MRTD "allowed-mrtd =\n", "policy-unsettled,policy-unsettled" },
    { REST_MRTD "allowed-mrtd = " HEX_96 ("ab") "\n", "mrtd-not-allowed" },
    { REST_MRTD "allowed-mrtd = " HEX_96 ("ab") ";" HEX_96 ("AA") "\n", "" },
    { REST_MRTD "allowed-mrtd = any\n", "" },
#define REST_SYSTEM "allowed-mrtd = any\nallowed-compose-hash = any\nallowed-key-provider = any\n"
    { REST_SYSTEM, "policy-unsettled" },
    { REST_SYSTEM "allowed-os-image-hash = " HEX_64 ("06") "\n", "os-image-hash-not-allowed" },
    { REST_SYSTEM "allowed-os-image-hash = any\n", "" },
    { REST_SYSTEM "allowed-rtmr1 = " HEX_96 ("e1") "\n", "policy-unsettled" },
    { REST_SYSTEM "allowed-rtmr2 = " HEX_96 ("e2") "\n", "policy-unsettled" },
    { REST_SYSTEM "allowed-rtmr1 = " HEX_96 ("e1") "\nallowed-rtmr2 = " HEX_96 ("e2") "\n", "" },
    { REST_SYSTEM "allowed-rtmr1 = " HEX_96 ("00") "\nallowed-rtmr2 = " HEX_96 ("e2") "\n", "rtmr1-not-allowed" },
    { REST_SYSTEM "allowed-rtmr1 = " HEX_96 ("e1") "\nallowed-rtmr2 = " HEX_96 ("00") "\n", "rtmr2-not-allowed" },
    /* beside a pin that settles it, the others still narrow; an empty one still refuses */
    { REST_SYSTEM "allowed-os-image-hash = any\nallowed-rtmr1 = " HEX_96 ("00") "\n", "rtmr1-not-allowed" },
    { REST_SYSTEM "allowed-os-image-hash = any\nallowed-rtmr1 =\n", "policy-unsettled" },
#define REST_APPLICATION "allowed-mrtd = any\nallowed-os-image-hash = any\nallowed-key-provider = any\n"
    { REST_APPLICATION, "policy-unsettled" },
    { REST_APPLICATION "allowed-app-id = " HEX_40 ("a1") "\n", "policy-unsettled" }, /* whoever deploys chooses an app id */
    { REST_APPLICATION "allowed-compose-hash = " HEX_64 ("cd") "\n", "compose-hash-not-allowed" },
    { REST_APPLICATION "allowed-rtmr3 = " HEX_96 ("e3") "\n", "" },
    { REST_APPLICATION "allowed-rtmr3 = " HEX_96 ("e4") "\n", "rtmr3-not-allowed" },
    { REST_APPLICATION "allowed-rtmr3 = any\n", "" },
#define REST_KEYS "allowed-mrtd = any\nallowed-os-image-hash = any\nallowed-compose-hash = any\n"
    { REST_KEYS, "policy-unsettled" },
    { REST_KEYS "allowed-key-provider =\n", "policy-unsettled,policy-unsettled" },
    /* the genuine image under a hostile host's own KMS */
    { REST_KEYS "allowed-key-provider = kms:" HEX_64 ("66") "\n", "key-provider-not-allowed" },
    { REST_KEYS "allowed-key-provider = none;local-sgx;tpm\n", "key-provider-not-allowed" },
    { REST_KEYS "allowed-key-provider = none;" GOOD_PROVIDER "\n", "" },
    { REST_KEYS "allowed-key-provider = any\n", "" },
    { "", "policy-unsettled,policy-unsettled,policy-unsettled,policy-unsettled" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_test_message ("row %u", i);
      assert_judged (rows[i].keys, &good_peer, rows[i].reasons);
    }
}

static void
provider_kinds (void)
{
  Peer peer = good_peer;

  peer.provider = "local-sgx:" HEX_64 ("33");
  assert_judged (REST_KEYS "allowed-key-provider = local-sgx\n", &peer, "");
  assert_judged (REST_KEYS "allowed-key-provider = tpm\n", &peer, "key-provider-not-allowed");
  peer.provider = "none";
  assert_judged (REST_KEYS "allowed-key-provider = none\n", &peer, "");
  assert_judged (REST_KEYS "allowed-key-provider = local-sgx\n", &peer, "key-provider-not-allowed");
}

static void
narrowing_pins (void)
{
  static const struct
  {
    const char *keys;
    const char *reasons;
  } rows[] = {
    { "allowed-app-id = " HEX_40 ("a1") "\n", "" },
    { "allowed-app-id = " HEX_40 ("a2") "\n", "app-id-not-allowed" },
    { "allowed-instance-id = " HEX_40 ("1d") "\n", "" },
    { "allowed-instance-id = " HEX_40 ("1e") "\n", "instance-id-not-allowed" },
    { "allowed-rtmr0 = " HEX_96 ("e0") "\n", "" },
    { "allowed-rtmr0 = " HEX_96 ("e1") "\n", "rtmr0-not-allowed" },
    { "allowed-mrseam = " HEX_96 ("5e") "\n", "" },
    { "allowed-mrseam = " HEX_96 ("5f") "\n", "mrseam-not-allowed" },
    { "allowed-fmspc = f5f5f5f5f5f5\n", "" },
    { "allowed-fmspc = f5f5f5f5f5f4\n", "fmspc-not-allowed" },
    /* SHA-256 of sixteen bytes 11 */
    { "allowed-platform = b8f12ea8c9a95d4b4641b03d9fa5a71ad30b44ed6cd4bf793bbe1a5801b986d4\n", "" },
    { "allowed-platform = " HEX_64 ("22") "\n", "platform-not-allowed" },
    { "allowed-app-id = any\n", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *keys = g_strconcat (PINS, rows[i].keys, NULL);

      assert_judged (keys, &good_peer, rows[i].reasons);
    }
}

static void
unknown_platform_is_not_a_listed_one (void)
{
  Peer peer = good_peer;

  peer.no_ppid = TRUE;
  assert_judged (PINS "allowed-platform = " HEX_64 ("22") "\n", &peer, "claim-absent");
  assert_judged (PINS, &peer, "");
}

static void
attribute_rules (void)
{
  static const struct
  {
    guint8 byte;
    guint8 value;
    const char *reasons;
  } rows[] = {
    { 0, 0x01, "debug" },
    { 0, 0x02, "reserved-td-attribute-bits" },
    { 0, 0x80, "reserved-td-attribute-bits" },
    { 1, 0x01, "reserved-td-attribute-bits" },
    { 3, 0x00, "sept-ve-disable-clear" },
    { 3, 0x18, "reserved-td-attribute-bits" },
    { 3, 0x30, "migratable" },
    { 3, 0xd0, "" }, /* protection keys, key locker */
    { 4, 0x01, "reserved-td-attribute-bits" },
    { 7, 0x40, "reserved-td-attribute-bits" },
    { 7, 0x80, "" }, /* performance counters */
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Peer peer = good_peer;

      peer.attributes[rows[i].byte] = rows[i].value;
      assert_judged (PINS, &peer, rows[i].reasons);
    }
}

static void
migratable_may_be_accepted (void)
{
  Peer peer = good_peer;
  g_autoptr (TeesqlClaims) claims = NULL;
  g_autoptr (GPtrArray) strict = NULL;

  peer.attributes[3] = 0x30;
  assert_judged (PINS "accept-migratable = true\n", &peer, "");
  claims = claims_of (&peer);
  strict = teesql_policy_check_attributes (NULL, claims);
  g_assert_cmpuint (strict->len, ==, 1);
}

static void
no_policy_accepts_these (void)
{
  Peer peer = good_peer;

  peer.service_td = 1;
  assert_judged (PINS, &peer, "mr-service-td-nonzero");
  peer = good_peer;
  peer.signer_seam = 1;
  assert_judged (PINS, &peer, "mr-signer-seam-nonzero");
  peer = good_peer;
  peer.seam_attributes = 1;
  assert_judged (PINS, &peer, "seam-attributes-nonzero");
}

static void
tcb_status (void)
{
  static const struct
  {
    TeesqlTcbStatus status;
    const char *keys;
    gboolean accepted;
  } rows[] = {
    { TEESQL_TCB_STATUS_SW_HARDENING_NEEDED, PINS, TRUE },
    { TEESQL_TCB_STATUS_CONFIGURATION_NEEDED, PINS, FALSE },
    { TEESQL_TCB_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED, PINS, FALSE },
    { TEESQL_TCB_STATUS_OUT_OF_DATE, PINS, FALSE },
    { TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED, PINS, FALSE },
    { TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED, PINS, FALSE },
    { TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED, PINS, FALSE },
    { TEESQL_TCB_STATUS_UP_TO_DATE, PINS "accepted-tcb-status = OutOfDate\n", FALSE },
    { TEESQL_TCB_STATUS_OUT_OF_DATE, PINS "accepted-tcb-status = UpToDate;OutOfDate\n", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Peer peer = good_peer;

      peer.status = rows[i].status;
      assert_judged (rows[i].keys, &peer, rows[i].accepted ? "" : "tcb-status-not-accepted");
    }
}

static void
advisories (void)
{
  Peer peer = good_peer;

  peer.advisory = "INTEL-SA-01192";
  assert_judged (PINS, &peer, "");
  assert_judged (PINS "refused-advisories = INTEL-SA-00001;INTEL-SA-01192\n", &peer, "advisory-refused");
  assert_judged (PINS "refused-advisories = INTEL-SA-00001\n", &peer, "");
}

static void
evaluation_number (void)
{
  Peer peer = good_peer;

  assert_judged (PINS "min-tcb-evaluation = 17\n", &peer, "");
  assert_judged (PINS "min-tcb-evaluation = 18\n", &peer, "tcb-evaluation-too-low");
  peer.evaluation = -1;
  assert_judged (PINS "min-tcb-evaluation = 1\n", &peer, "claim-absent");
  assert_judged (PINS, &peer, "");
}

static void
age_of_collateral (void)
{
  Peer peer = good_peer;

  peer.issued_at = NOW - 14 * 24 * HOUR;
  assert_judged (PINS, &peer, "");
  peer.issued_at--;
  assert_judged (PINS, &peer, "collateral-too-old");
  assert_judged (PINS "max-collateral-age = 15d\n", &peer, "");
  peer.issued_at = -1;
  assert_judged (PINS, &peer, "claim-absent");
  peer = good_peer;
  peer.valid_until = NOW - 1;
  assert_judged (PINS, &peer, "claims-expired");
}

static void
evidence_without_log (void)
{
  static const char *const pins =
      "allowed-mrtd = any\nallowed-rtmr1 = any\nallowed-rtmr2 = any\nallowed-rtmr3 = any\nallowed-key-provider = any\n";
  g_autofree char *accepting = g_strconcat (pins, "accept-legacy-evidence = true\n", NULL);
  Peer peer = good_peer;

  peer.legacy = TRUE;
  peer.no_log = TRUE;
  assert_judged (pins, &peer, "legacy-evidence");
  assert_judged (accepting, &peer, "");
  peer.legacy = FALSE;
  assert_judged (PINS, &peer, "event-log-missing,os-image-hash-not-allowed,compose-hash-not-allowed,key-provider-not-allowed");
}

static void
mrconfigid (void)
{
  Peer peer = good_peer;

  peer.mrconfigid = "01" HEX_64 ("cd") "000000000000000000000000000000";
  assert_judged (PINS, &peer, "mrconfigid-mismatch");
  peer.mrconfigid = HEX_96 ("00");
  assert_judged (PINS, &peer, "");
}

static void
messages (void)
{
  Peer peer = good_peer;

  assert_message (REST_MRTD "allowed-mrtd = " HEX_96 ("ab") "\n", &good_peer, "MRTD aaaaaaaaaaaaaaaa… is not in allowed-mrtd");
  assert_message (REST_KEYS "allowed-key-provider = none\n", &good_peer,
                  "key provider kms:6b6b6b6b6b6b6b6b… is not in allowed-key-provider");
  assert_message (PINS "allowed-fmspc = 000000000000\n", &good_peer, "FMSPC f5f5f5f5f5f5 is not in allowed-fmspc");
  assert_message ("allowed-mrtd = any\nallowed-rtmr1 = any\nallowed-rtmr2 = any\nallowed-rtmr3 = any\n", &good_peer,
                  "[policy:clients] does not settle keys (allowed-key-provider), so nobody is accepted");
  peer.status = TEESQL_TCB_STATUS_OUT_OF_DATE;
  peer.advisory = "INTEL-SA-01192";
  assert_message (PINS, &peer,
                  "TCB status OutOfDate is not in accepted-tcb-status (INTEL-SA-01192); the platform needs newer firmware or microcode");
  peer = good_peer;
  peer.attributes[0] = 1;
  assert_message (PINS, &peer, "debug TD: its memory is open to the host, so nothing it proves can be relied on");
}

static void
what_a_policy_tells_about_itself (void)
{
  g_autoptr (TeesqlPolicy) pinned = policy_of (PINS);
  g_autoptr (TeesqlPolicy) loose = policy_of ("allowed-mrtd = any\nallowed-rtmr3 = any\nallowed-key-provider =\nverdict-ttl = 10min\n");

  g_assert_cmpstr (teesql_policy_get_name (pinned), ==, "clients");
  g_assert_null (teesql_policy_get_unsettled (pinned)[0]);
  g_assert_null (teesql_policy_get_any (pinned)[0]); /* a default says nothing */
  g_assert_true (teesql_policy_needs_event_log (pinned));
  g_assert_cmpuint (teesql_policy_get_verdict_ttl_ms (pinned), ==, 3600000);
  g_assert_cmpuint (g_strv_length ((char **) teesql_policy_get_unsettled (loose)), ==, 3);
  g_assert_true (g_strv_contains (teesql_policy_get_any (loose), "allowed-mrtd"));
  g_assert_false (teesql_policy_needs_event_log (loose));
  g_assert_cmpuint (teesql_policy_get_verdict_ttl_ms (loose), ==, 600000);
}

/* The digest is part of the verdict cache's key: each rule must show in it. */
static void
digest_covers_every_rule (void)
{
  static const char *const variants[] = {
    PINS,
    PINS "allowed-app-id = " HEX_40 ("a1") "\n",
    PINS "allowed-instance-id = " HEX_40 ("a1") "\n",
    PINS "accepted-tcb-status = UpToDate\n",
    PINS "refused-advisories = INTEL-SA-00001\n",
    PINS "min-tcb-evaluation = 1\n",
    PINS "max-collateral-age = 13d\n",
    PINS "accept-migratable = true\n",
    PINS "verdict-ttl = 30min\n",
    PINS "allowed-rtmr1 = any\n",
    PINS "allowed-rtmr2 = any\n",
    PINS "allowed-rtmr2 =\n",
    REST_MRTD "allowed-mrtd = any\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (variants); i++)
    for (guint k = 0; k < G_N_ELEMENTS (variants); k++)
      {
        g_autoptr (TeesqlPolicy) a = policy_of (variants[i]);
        g_autoptr (TeesqlPolicy) b = policy_of (variants[k]);

        g_assert_cmpint (memcmp (teesql_policy_get_digest (a), teesql_policy_get_digest (b), 32) == 0, ==, i == k);
      }
}

static void
unproved_pins_are_refused (void)
{
  static const char *const keys[] = { "allowed-cluster-id = " HEX_64 ("11"), "allowed-config-digest = " HEX_96 ("11"),
                                      "allowed-generation = 3" };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *text = g_strconcat ("[policy:clients]\n" PINS, keys[i], "\n", NULL);
      g_autoptr (TeesqlConfig) config = teesql_config_load_text (TEESQL_CONFIG_POLICY, "policy.conf", text, strlen (text), &error);
      g_autoptr (TeesqlPolicy) policy = config != NULL ? teesql_policy_new_from_config (config, "clients", &error) : NULL;

      g_assert_null (policy);
      g_assert_error (error, TEESQL_CONFIG_ERROR, (int) TEESQL_ERROR_CONFIG);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/accepts-the-peer-that-every-pin-names", peer_that_every_pin_names);
  g_test_add_func ("/policy/identity-pins-must-be-settled", identity_pins);
  g_test_add_func ("/policy/provider-kinds-are-accepted-only-when-written", provider_kinds);
  g_test_add_func ("/policy/narrowing-pins-narrow", narrowing_pins);
  g_test_add_func ("/policy/unknown-platform-is-not-a-listed-one", unknown_platform_is_not_a_listed_one);
  g_test_add_func ("/policy/attribute-bits-are-judged-one-by-one", attribute_rules);
  g_test_add_func ("/policy/migratable-may-be-accepted-by-name", migratable_may_be_accepted);
  g_test_add_func ("/policy/module-and-service-td-cannot-be-accepted", no_policy_accepts_these);
  g_test_add_func ("/policy/tcb-status-must-be-listed", tcb_status);
  g_test_add_func ("/policy/advisories-may-be-refused", advisories);
  g_test_add_func ("/policy/evaluation-number-has-a-floor", evaluation_number);
  g_test_add_func ("/policy/collateral-has-an-age", age_of_collateral);
  g_test_add_func ("/policy/evidence-without-log-needs-permission", evidence_without_log);
  g_test_add_func ("/policy/mrconfigid-must-agree-with-the-log", mrconfigid);
  g_test_add_func ("/policy/messages-name-value-and-key", messages);
  g_test_add_func ("/policy/tells-what-is-unsettled-and-what-is-any", what_a_policy_tells_about_itself);
  g_test_add_func ("/policy/digest-covers-every-rule", digest_covers_every_rule);
  g_test_add_func ("/policy/unproved-pins-are-a-configuration-error", unproved_pins_are_refused);
  return g_test_run ();
}
