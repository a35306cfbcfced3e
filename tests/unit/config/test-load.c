#include "base/teesql-domains.h"
#include "config/teesql-config.h"

#include <string.h>

#define SALT     "c2FsdHNhbHRzYWx0c2FsdA=="
#define KEY      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define VERIFIER "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY
#define HEX96    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BASE     "[teesql]\ncluster = orders\n"

static TeesqlConfig *
load (const char *text)
{
  g_autoptr (GError) error = NULL;
  TeesqlConfig *config = teesql_config_load_text (TEESQL_CONFIG_DAEMON, "teesqld.conf", text, strlen (text), &error);

  g_assert_no_error (error);
  g_assert_nonnull (config);
  return config;
}

static void
refused_kind (TeesqlConfigKind kind, const char *text, const char *report)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load_text (kind, "teesqld.conf", text, strlen (text), &error);

  g_assert_null (config);
  g_assert_error (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, report);
}

static void
refused (const char *text, const char *report)
{
  refused_kind (TEESQL_CONFIG_DAEMON, text, report);
}

static void
test_defaults (void)
{
  g_autoptr (TeesqlConfig) config = load (BASE);

  g_assert_cmpstr (teesql_config_get_string (config, "teesql", "cluster"), ==, "orders");
  g_assert_cmpstr (teesql_config_get_list (config, "proxy", "listen")[0], ==, "0.0.0.0:5433");
  g_assert_cmpint (teesql_config_get_integer (config, "proxy", "max-sessions"), ==, 1000);
  g_assert_cmpuint (teesql_config_get_duration_ms (config, "proxy", "drain-timeout"), ==, 30000);
  g_assert_cmpuint (teesql_config_get_size (config, "proxy", "session-memory"), ==, 256 * 1024);
  g_assert_true (teesql_config_is_auto (config, "proxy", "workers"));
  g_assert_true (teesql_config_get_boolean (config, "postgresql", "provision"));
  g_assert_cmpstr (teesql_config_get_string (config, "postgresql", "admin-password"), ==, "kms:pg/superuser");
  g_assert_null (teesql_config_get_string (config, "postgresql", "data-directory"));
  g_assert_cmpuint (teesql_config_get_duration_ms (config, "policy:clients", "max-collateral-age"), ==, 14 * 86400 * 1000u);
  g_assert_cmpstr (teesql_config_get_string (config, "identity", "subject"), ==, teesql_config_get_string (config, "teesql", "node"));
  g_assert_false (teesql_config_is_set (config, "proxy", "listen"));
  g_assert_cmpstr (teesql_config_get_string (config, "attester:dstack", "plugin"), ==, "dstack");
}

static void
test_written (void)
{
  g_autoptr (TeesqlConfig) config =
      load (BASE "node = a\nverifiers = one;two;\n[verifier:one]\nplugin = dcap\ntimeout = 10s\n[verifier:two]\nplugin = dcap\n"
                 "[http]\nlisten = none\n[proxy]\nlisten = 127.0.0.1:1;[::1]:2\nworkers = 3\n");
  g_autofree const char **names = teesql_config_list_instances (config, "verifier");
  g_autofree const char **keys = teesql_config_list_keys (config, "verifier:one");
  g_autofree char *place = teesql_config_describe (config, "proxy", "listen");

  g_assert_cmpstr (names[0], ==, "one");
  g_assert_cmpstr (names[1], ==, "two");
  g_assert_null (names[2]);
  g_assert_cmpstr (keys[1], ==, "timeout");
  g_assert_cmpstr (teesql_config_get_raw (config, "verifier:one", "timeout"), ==, "10s");
  g_assert_cmpstr (teesql_config_get_string (config, "verifier:one", "plugin"), ==, "dcap");
  g_assert_true (teesql_config_is_none (config, "http", "listen"));
  g_assert_null (teesql_config_get_list (config, "http", "listen")[0]);
  g_assert_cmpstr (teesql_config_get_list (config, "proxy", "listen")[1], ==, "[::1]:2");
  g_assert_cmpint (teesql_config_get_integer (config, "proxy", "workers"), ==, 3);
  g_assert_cmpstr (place, ==, "teesqld.conf:13: [proxy] listen");
}

static void
test_unknown (void)
{
  refused (BASE "[proxy]\nmax-sesions = 4\n", "teesqld.conf:4: [proxy] max-sesions: unknown key\nhint: did you mean max-sessions?");
  refused (BASE "[prozy]\nx = 4\n", "teesqld.conf:3: [prozy]: unknown group\nhint: did you mean [proxy]?");
  refused (BASE "[zzzzzzzz]\n", "teesqld.conf:3: [zzzzzzzz]: unknown group");
  refused (BASE "[proxy]\nzzzzzzzz = 4\n", "teesqld.conf:4: [proxy] zzzzzzzz: unknown key");
  refused (BASE "[connect]\nlisten = socket\n", "teesqld.conf:3: [connect]: unknown group");
}

static void
test_later (void)
{
  refused (BASE "[volume]\ndevice = /dev/x\n", "teesqld.conf:3: [volume]: unknown group\nhint: the data volume is not in this version yet");
  refused (BASE "[http]\nattestation-share = 1s\n",
           "teesqld.conf:4: [http] attestation-share: unknown key\nhint: /attestation is not in this version yet");
  refused (BASE "[proxy]\nkernel-tls = auto\n", "teesqld.conf:4: [proxy] kernel-tls: “auto” is not what stands here, expected none");
}

static void
test_all_at_once (void)
{
  refused ("[teesql]\nlog-level = loud\n[proxy]\nworkers = 0\nlisten = here\ndrain-timeout = 30\n",
           "teesqld.conf:1: [teesql] cluster: required\n"
           "teesqld.conf:2: [teesql] log-level: “loud” is not what stands here, expected error, warning, info, debug\n"
           "teesqld.conf:4: [proxy] workers: “0” is not what stands here, expected integer, 1..256, or auto\n"
           "teesqld.conf:5: [proxy] listen: “here” is not what stands here, expected list of ADDRESS:PORT\n"
           "teesqld.conf:6: [proxy] drain-timeout: “30” is not a duration, 0ms..1d\nhint: write the unit, as in 250ms, 30s, 5min, 24h, 7d");
}

static void
test_any (void)
{
  g_autoptr (TeesqlConfig) config = load (BASE "[policy:clients]\nallowed-mrtd = any\nallowed-rtmr3 =\nallowed-app-id = "
                                               "5BB4ff9a3837357f19dc176407a5709c62eb6c56\nallowed-key-provider = none;tpm\n");

  g_assert_true (teesql_config_is_any (config, "policy:clients", "allowed-mrtd"));
  g_assert_null (teesql_config_get_list (config, "policy:clients", "allowed-mrtd")[0]);
  g_assert_false (teesql_config_is_any (config, "policy:clients", "allowed-rtmr3"));
  g_assert_true (teesql_config_is_set (config, "policy:clients", "allowed-rtmr3"));
  g_assert_null (teesql_config_get_list (config, "policy:clients", "allowed-rtmr3")[0]);
  g_assert_false (teesql_config_is_any (config, "policy:clients", "allowed-compose-hash"));
  g_assert_true (teesql_config_is_any (config, "policy:clients", "allowed-fmspc"));
  g_assert_cmpstr (teesql_config_get_list (config, "policy:clients", "allowed-app-id")[0], ==, "5bb4ff9a3837357f19dc176407a5709c62eb6c56");
  g_assert_cmpstr (teesql_config_get_list (config, "policy:clients", "allowed-key-provider")[0], ==, "none");
  g_assert_false (teesql_config_is_none (config, "policy:clients", "allowed-key-provider"));
}

static void
test_any_is_no_element (void)
{
  refused (BASE "[policy:clients]\nallowed-mrtd = any;" HEX96 "\n",
           "teesqld.conf:4: [policy:clients] allowed-mrtd: any is a word of its own, never an element of a list");
  refused (BASE "[policy:clients]\nallowed-app-id =\n", "teesqld.conf:4: [policy:clients] allowed-app-id: empty value");
  refused (BASE "[policy:clients]\nallowed-mrtd = Any\n",
           "teesqld.conf:4: [policy:clients] allowed-mrtd: “Any” is not what stands here, expected "
           "list of 96 hex digits, or any");
  refused (BASE "[policy:clients]\naccepted-tcb-status = UpToDate;Revoked\n",
           "teesqld.conf:4: [policy:clients] accepted-tcb-status: Revoked cannot be accepted");
  refused (BASE "[policy:clients]\nallowed-config-digest = " HEX96 "\n",
           "teesqld.conf:4: [policy:clients] allowed-config-digest: only any is taken: nothing in this version can prove another value");
  refused (BASE "[policy:clients]\nallowed-mrtd = file:/etc/hostname\n",
           "teesqld.conf:4: [policy:clients] allowed-mrtd: “file:/etc/hostname” is not what stands here, expected list of 96 hex digits, "
           "or any");
}

static void
test_legacy (void)
{
  refused (BASE "[policy:clients]\naccept-legacy-evidence = true\nallowed-app-id = 5bb4ff9a3837357f19dc176407a5709c62eb6c56\n",
           "teesqld.conf:4: [policy:clients] accept-legacy-evidence: allowed-app-id needs the event log that such evidence lacks");
}

static void
test_references_nobody (void)
{
  refused (BASE "[verifier:dcpa]\n", "teesqld.conf:3: [verifier:dcpa]: nothing refers to it\nhint: name it in [teesql] verifiers");
  refused (BASE "[policy:server]\n",
           "teesqld.conf:3: [policy:server]: nothing refers to it\nhint: the daemon's policy is [policy:clients]");
  refused (BASE "[kms:other]\n", "teesqld.conf:3: [kms:other]: nothing refers to it\nhint: name it in [teesql] kms");
}

static void
test_roles (void)
{
  g_autoptr (TeesqlConfig) config = load (BASE "[auth]\nscram-salt = " SALT "\n[role:a]\nprivileges = read\nsecret-verifier = " VERIFIER
                                               "\nalso-secret-of = b\n[role:b]\nprivileges = read-write\nsecret-verifier = " VERIFIER "\n");

  g_assert_cmpstr (teesql_config_get_string (config, "role:a", "also-secret-of"), ==, "b");
  g_assert_true (teesql_config_is_none (config, "role:b", "also-secret-of"));
  refused (BASE "[role:a]\nprivileges = read\nsecret-verifier = " VERIFIER "\n",
           "teesqld.conf: [auth] scram-salt: required, since there are roles\nhint: `teesql secret new` makes one");
  refused (
      BASE
      "[auth]\nscram-salt = AAAAAAAAAAAAAAAAAAAAAA==\nscram-iterations = 8192\n[role:a]\nprivileges = read\nsecret-verifier = " VERIFIER
      "\n",
      "teesqld.conf:8: [role:a] secret-verifier: the verifier has another salt than [auth] scram-salt\n"
      "hint: make it with `teesql secret new` and this file\n"
      "teesqld.conf:8: [role:a] secret-verifier: the verifier has 4096 rounds, [auth] scram-iterations is 8192");
  refused (BASE "[auth]\nscram-salt = " SALT "\n[role:a]\nprivileges = read\nsecret-verifier = " VERIFIER "\nalso-secret-of = c\n",
           "teesqld.conf:8: [role:a] also-secret-of: there is no [role:c]");
  refused (BASE "[auth]\nscram-salt = " SALT "\n[role:postgres]\nprivileges = read\nsecret-verifier = " VERIFIER "\n",
           "teesqld.conf:5: [role:postgres]: this is [postgresql] admin-user, whose rights no client may get");
  refused (BASE "[role:a]\n[auth]\nscram-salt = " SALT "\n",
           "teesqld.conf:3: [role:a] privileges: required\nteesqld.conf:3: [role:a] secret-verifier: required");
  refused (BASE "[auth]\nscram-salt = " SALT "\n[role:a]\nprivileges = read\nsecret-verifier = hunter2\n",
           "teesqld.conf:7: [role:a] secret-verifier: not a SCRAM verifier, expected SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY\n"
           "hint: `teesql secret new` prints one");
}

/* `a-b` and `a_b` would have one replication slot, and each would take the other's WAL away. */
static void
test_slots (void)
{
  g_autoptr (TeesqlConfig) config = load (BASE "[backup]\nstorages = a-b;ab\n[storage:a-b]\n[storage:ab]\n");
  g_autofree char *slot = teesql_config_dup_slot (config, "a-b");

  g_assert_cmpstr (slot, ==, "teesql_a_b");
  refused (BASE "[backup]\nstorages = a_b\n",
           "teesqld.conf:4: [backup] storages: “a_b” is not what stands here, expected list of name, or none");
  refused (BASE "[backup]\nstorages = a234567890b234567890c2345\nslot = a234567890b234567890c234567890d2345678\n[storage:"
                "a234567890b234567890c2345]\n",
           "teesqld.conf:5: [backup] slot: for storage a234567890b234567890c2345 it becomes "
           "a234567890b234567890c234567890d2345678_a234567890b234567890c2345, of more than 63 characters\n"
           "hint: a shorter one, or a shorter name");
}

/* What somebody wrote in place of a reference may be the secret itself. */
static void
test_secret_is_not_repeated (void)
{
  refused (BASE "[postgresql]\nadmin-password = hunter2\n", "teesqld.conf:4: [postgresql] admin-password: a secret is never written "
                                                            "here\nhint: name its place: credential:NAME, file:/PATH or env:NAME");
}

static void
test_whole (void)
{
  refused (BASE "[proxy]\nlisten = 0.0.0.0:8080\n", "teesqld.conf: [http] listen: 0.0.0.0:8080 is where [proxy] listen is");
  refused (BASE "[proxy]\nsession-memory = 512MiB\ntotal-memory = 256MiB\n",
           "teesqld.conf:4: [proxy] session-memory: more than [proxy] total-memory");
  refused ("[teesql]\ncluster = a\nruntime-directory = /a123456789b123456789c123456789d123456789e123456789f123456789g123456789h123456789"
           "i123456789j123456789\n",
           "teesqld.conf:3: [teesql] runtime-directory: too long for a unix socket: with /teesqld.sock it may have 107 bytes");
  refused ("", "teesqld.conf: [teesql] cluster: required");
}

static void
test_other_kinds (void)
{
  g_autoptr (GError) error = NULL;
  static const char client_text[] =
      "[connect]\nserver = db.example.org:5433\nlisten = 127.0.0.1:5432\n[policy:server]\nallowed-mrtd = any\n";
  g_autoptr (TeesqlConfig) client =
      teesql_config_load_text (TEESQL_CONFIG_CLIENT, "teesql.conf", client_text, strlen (client_text), &error);
  static const char simulator_text[] = "[simulator]\nmisbehave = hang;slow=30s\npccs-listen = 127.0.0.1:0\nquote-version = 5.1\n";
  g_autoptr (TeesqlConfig) simulator =
      teesql_config_load_text (TEESQL_CONFIG_SIMULATOR, "s.conf", simulator_text, strlen (simulator_text), &error);

  g_assert_no_error (error);
  g_assert_cmpstr (teesql_config_get_string (client, "connect", "server"), ==, "db.example.org:5433");
  g_assert_cmpstr (teesql_config_get_list (simulator, "simulator", "misbehave")[1], ==, "slow=30s");
  refused_kind (TEESQL_CONFIG_CLIENT, "[connect]\nlisten = 0.0.0.0:5432\n",
                "teesqld.conf:2: [connect] listen: “0.0.0.0:5432” is no loopback address");
  refused_kind (TEESQL_CONFIG_CLIENT, "[proxy]\n", "teesqld.conf:1: [proxy]: unknown group");
  refused_kind (TEESQL_CONFIG_POLICY, "[policy:a]\n[policy:b]\n", "teesqld.conf: expected exactly one [policy:NAME] group");
  refused_kind (TEESQL_CONFIG_POLICY, "", "teesqld.conf: expected exactly one [policy:NAME] group");
}

static void
test_dump (void)
{
  g_autoptr (TeesqlConfig) config = load (BASE "[proxy]\nworkers = 2\n[postgresql]\nadmin-password = env:NOT_READ_HERE\n");
  g_autofree char *written = teesql_config_dump (config, FALSE);
  g_autofree char *effective = teesql_config_dump (config, TRUE);
  g_autofree char *json = teesql_config_dump_json (config, TRUE);
  g_autoptr (TeesqlConfig) again = load (effective);
  guint8 before[48];
  guint8 after[48];

  g_assert_cmpstr (written, ==, "[teesql]\ncluster = orders\n\n[proxy]\nworkers = 2\n\n[postgresql]\nadmin-password = env:NOT_READ_HERE\n");
  g_assert_nonnull (strstr (effective, "\nlisten = 0.0.0.0:5433\n"));
  g_assert_nonnull (strstr (effective, "log-format = auto\n# auto: "));
  g_assert_nonnull (strstr (json, "\"schema\" : 1"));
  g_assert_nonnull (strstr (json, "env:NOT_READ_HERE"));
  teesql_config_digest (config, NULL, 0, before);
  teesql_config_digest (again, NULL, 0, after);
  g_assert_cmpmem (before, sizeof before, after, sizeof after);
}

#define MANAGED BASE "[postgresql]\nmode = managed\n"

static void
test_managed_defaults (void)
{
  g_autoptr (TeesqlConfig) plain = load (MANAGED);
  g_autoptr (TeesqlConfig) own = load (BASE "state-directory = /data/teesql\nruntime-directory = /run/t\n[postgresql]\nmode = managed\n");
  g_autoptr (TeesqlConfig) external = load (BASE);

  g_assert_cmpstr (teesql_config_get_string (plain, "postgresql", "data-directory"), ==, "/var/lib/teesql/postgresql");
  g_assert_cmpstr (teesql_config_get_string (plain, "postgresql", "host"), ==, "/run/teesql/postgresql");
  g_assert_cmpstr (teesql_config_get_string (own, "postgresql", "data-directory"), ==, "/data/teesql/postgresql");
  g_assert_cmpstr (teesql_config_get_string (own, "postgresql", "host"), ==, "/run/t/postgresql");
  g_assert_null (teesql_config_get_string (external, "postgresql", "data-directory"));
  g_assert_cmpstr (teesql_config_get_string (external, "postgresql", "host"), ==, "/run/postgresql");
}

static void
test_managed_settings (void)
{
  g_autoptr (TeesqlConfig) config =
      load (MANAGED "[postgresql-settings]\nshared_buffers = 2GB\nautovacuum_work_mem = -1\nrandom_page_cost = 1.1\n"
                    "statement_timeout = 0\ncheckpoint_timeout = 15min\njit = off\ntimezone = Europe/Paris\n");

  g_assert_cmpstr (teesql_config_get_string (config, "postgresql-settings", "shared_buffers"), ==, "2GB");
  g_assert_cmpstr (teesql_config_get_string (config, "postgresql-settings", "random_page_cost"), ==, "1.1");
#define SETTINGS(line) MANAGED "[postgresql-settings]\n" line "\n"
  refused (SETTINGS ("listen_addresses = *"), "teesqld.conf:6: [postgresql-settings] listen_addresses: unknown key");
  refused (SETTINGS ("shared_preload_libraries = x"), "teesqld.conf:6: [postgresql-settings] shared_preload_libraries: unknown key");
  refused (SETTINGS ("shared_bufers = 1GB"),
           "teesqld.conf:6: [postgresql-settings] shared_bufers: unknown key\nhint: did you mean shared_buffers?");
  refused (SETTINGS ("shared_buffers = 1GiB"), "teesqld.conf:6: [postgresql-settings] shared_buffers: “1GiB” is not what stands here, "
                                               "expected memory with its unit, as in 64kB, 128MB, 2GB");
  refused (SETTINGS ("shared_buffers = 131072"), "teesqld.conf:6: [postgresql-settings] shared_buffers: “131072” is not what stands here, "
                                                 "expected memory with its unit, as in 64kB, 128MB, 2GB");
  refused (SETTINGS ("work_mem = 1kB"), "teesqld.conf:6: [postgresql-settings] work_mem: “1kB” is not what stands here, "
                                        "expected memory with its unit, as in 64kB, 128MB, 2GB");
  refused (SETTINGS ("random_page_cost = 1,1"), "teesqld.conf:6: [postgresql-settings] random_page_cost: “1,1” is not what stands here, "
                                                "expected number, 0..1000000");
  refused (SETTINGS ("shared-buffers = 1GB"), "teesqld.conf:6: [postgresql-settings] shared-buffers: not a key\n"
                                              "hint: keys are lower case letters, digits and hyphens; there are no translated keys");
  refused (BASE "[postgresql-settings]\nwork_mem = 1MB\n",
           "teesqld.conf:3: [postgresql-settings]: it belongs to [postgresql] mode = managed\n"
           "hint: an external server has its own postgresql.conf");
}

static void
test_managed_places (void)
{
  refused (MANAGED "user = root\n", "teesqld.conf:5: [postgresql] user: PostgreSQL refuses to run as root\n"
                                    "hint: name a user of its own, such as postgres");
  refused (MANAGED "host = 127.0.0.1\n", "teesqld.conf:5: [postgresql] host: a managed server has a unix socket only\n"
                                         "hint: name a folder, or leave the key out");
  refused (MANAGED "data-directory = /var/lib\n", "teesqld.conf:5: [postgresql] data-directory: [teesql] state-directory lies in it, "
                                                  "and PostgreSQL's user will own it");
  refused (MANAGED "data-directory = /data/pg\nhost = /data/pg/run\n",
           "teesqld.conf:6: [postgresql] host: it and data-directory lie in each other");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/load/fills-in-defaults", test_defaults);
  g_test_add_func ("/config/load/reads-what-is-written", test_written);
  g_test_add_func ("/config/load/refuses-unknown-names-with-the-nearest", test_unknown);
  g_test_add_func ("/config/load/refuses-what-is-not-there-yet", test_later);
  g_test_add_func ("/config/load/reports-all-findings-at-once", test_all_at_once);
  g_test_add_func ("/config/load/any-settles-a-pin-and-empty-does-not", test_any);
  g_test_add_func ("/config/load/pins-take-neither-any-in-a-list-nor-references", test_any_is_no_element);
  g_test_add_func ("/config/load/legacy-evidence-needs-pins-without-log", test_legacy);
  g_test_add_func ("/config/load/refuses-instances-nothing-refers-to", test_references_nobody);
  g_test_add_func ("/config/load/roles-agree-with-auth", test_roles);
  g_test_add_func ("/config/load/no two storages share a slot", test_slots);
  g_test_add_func ("/config/load/does-not-repeat-a-misplaced-secret", test_secret_is_not_repeated);
  g_test_add_func ("/config/load/values-agree-with-each-other", test_whole);
  g_test_add_func ("/config/load/other-kinds-have-their-own-groups", test_other_kinds);
  g_test_add_func ("/config/load/dump-reads-back-as-the-same", test_dump);
  g_test_add_func ("/config/load/a-managed-server-lives-in-our-folders", test_managed_defaults);
  g_test_add_func ("/config/load/settings-of-a-managed-server-pass-an-allow-list", test_managed_settings);
  g_test_add_func ("/config/load/places-of-a-managed-server-make-sense", test_managed_places);
  return g_test_run ();
}
