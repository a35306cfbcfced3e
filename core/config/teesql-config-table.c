#include "config/teesql-config-table.h"

#define DAEMON   TEESQL_OPTION_IN_DAEMON
#define CLIENT   TEESQL_OPTION_IN_CLIENT
#define SIM      TEESQL_OPTION_IN_SIMULATOR
#define BOTH     (TEESQL_OPTION_IN_DAEMON | TEESQL_OPTION_IN_CLIENT)
#define POLICIES (BOTH | TEESQL_OPTION_IN_POLICY)

#define LIST     TEESQL_OPTION_LIST
#define ANY      TEESQL_OPTION_MAY_BE_ANY
#define AUTO     TEESQL_OPTION_MAY_BE_AUTO
#define NONE     TEESQL_OPTION_MAY_BE_NONE
#define REQUIRED TEESQL_OPTION_REQUIRED
#define INDIRECT TEESQL_OPTION_INDIRECT
#define RESTART  TEESQL_OPTION_RESTART
#define DIGEST   TEESQL_OPTION_DIGEST
/* An identity pin of SR-6: nothing written, or nothing behind the equals sign, refuses everybody. */
#define PIN (LIST | ANY | TEESQL_OPTION_MAY_BE_EMPTY | DIGEST)
/* A pin that narrows what the identity pins have named. */
#define NARROW   (LIST | ANY | DIGEST)
#define UNPROVED (LIST | ANY | TEESQL_OPTION_ONLY_ANY | DIGEST)

#define SETTINGS TEESQL_OPTION_SETTINGS_GROUP

#define SECOND ((gint64) 1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define KIB    ((gint64) 1024)
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define TIB    (1024 * GIB)

/* Intel's words without Revoked, which no policy can accept (SR-9) */
#define TCB_WORDS                                                                                                                          \
  "UpToDate|SWHardeningNeeded|ConfigurationNeeded|ConfigurationAndSWHardeningNeeded|OutOfDate|"                                            \
  "OutOfDateConfigurationNeeded|TDRelaunchAdvised|TDRelaunchAdvisedConfigurationNeeded"

static const TeesqlOptionGroup groups[] = {
  { "teesql", BOTH, FALSE, "The program itself." },
  { "identity", BOTH, FALSE, "The certificate that carries our evidence." },
  { "attester:", BOTH, TRUE, "Where evidence comes from. The keys are options of the plugin." },
  { "kms:", DAEMON, TRUE, "Where keys come from. The keys are options of the plugin." },
  { "verifier:", BOTH, TRUE, "Who checks a peer's evidence. The keys are options of the plugin." },
  { "storage:", DAEMON, TRUE, "Where sealed backups go. The keys are options of the plugin, which runs in a confined process of its own." },
  { "policy:", POLICIES, FALSE,
    "Which peers are accepted: `clients` in the daemon's file, `server` in the forwarder's. Firmware, system, application and keys "
    "must each be settled by a list or by the word `any`; one that is missing or empty refuses everybody." },
  { "proxy", DAEMON, FALSE, "The listener that clients reach." },
  { "auth", DAEMON, FALSE, "How clients prove a role's secret." },
  { "role:", DAEMON, FALSE, "A database role that clients may ask for." },
  { "postgresql", DAEMON, FALSE, "The server behind the proxy." },
  { SETTINGS, DAEMON, FALSE,
    "Settings of a managed PostgreSQL, in its own spelling and units. Only those listed here can be set; what decides who reaches the "
    "server or its files is fixed." },
  { "http", DAEMON, FALSE, "Health and facts over plain HTTP." },
  { "backup", DAEMON, FALSE, "Sealed backups and WAL. Each storage is a repository of its own, with its own slot and catalog." },
  { "connect", CLIENT, FALSE, "The forwarder, `teesql connect`." },
  { "simulator", SIM, FALSE, "The software platform of `teesql-simulator`." },
};

static const TeesqlOption options[] = {
  { "teesql", "cluster", DAEMON, TEESQL_OPTION_LABEL, REQUIRED | INDIRECT | RESTART | DIGEST, 1, 63, NULL, NULL,
    "Label of the cluster, in logs and status." },
  { "teesql", "node", BOTH, TEESQL_OPTION_LABEL, INDIRECT | RESTART, 1, 63, NULL, NULL,
    "This node's name. Without it the host name, reduced to letters, digits and hyphens." },
  { "teesql", "attester", BOTH, TEESQL_OPTION_INSTANCE, RESTART | DIGEST, 0, 0, NULL, "dstack",
    "Attester instance that makes our evidence." },
  { "teesql", "kms", DAEMON, TEESQL_OPTION_INSTANCE, RESTART | DIGEST, 0, 0, NULL, "dstack", "KMS instance that hands out keys." },
  { "teesql", "verifiers", BOTH, TEESQL_OPTION_INSTANCE, LIST | RESTART | DIGEST, 0, 0, NULL, "dcap",
    "Verifier instances. All of them must agree." },
  { "teesql", "plugin-path", BOTH, TEESQL_OPTION_PATH, LIST | TEESQL_OPTION_ORDERED | NONE | RESTART, 0, 0, NULL, "none",
    "Further folders for plugins, searched before the built-in one. Each, and each parent, must not be writable by others." },
  { "teesql", "state-directory", DAEMON, TEESQL_OPTION_PATH, RESTART, 0, 0, NULL, "/var/lib/teesql", "What must survive a restart." },
  { "teesql", "runtime-directory", DAEMON, TEESQL_OPTION_PATH, RESTART, 0, 0, NULL, "/run/teesql",
    "Sockets and the lock against a second daemon." },
  { "teesql", "log-level", BOTH, TEESQL_OPTION_WORD, 0, 0, 0, "error|warning|info|debug", "info",
    "Least important message that is printed. `debug` never prints more secrets." },
  { "teesql", "log-format", BOTH, TEESQL_OPTION_WORD, AUTO | RESTART, 0, 0, "text|json|journal", "auto",
    "`auto` means the journal's own form under systemd, else text." },

  { "identity", "source", BOTH, TEESQL_OPTION_WORD, DIGEST, 0, 0, "agent|self", "agent",
    "`agent`: key and chain from the attester. `self`: made here and self-signed. Taken up at the next renewal." },
  { "identity", "lifetime", BOTH, TEESQL_OPTION_DURATION, 0, 10 * MINUTE, 7 * DAY, NULL, "24h",
    "Life of our certificate. Taken up at the next renewal." },
  { "identity", "renew-at", BOTH, TEESQL_OPTION_PERCENT, 0, 10, 90, NULL, "66%", "Renew when this part of the life has passed." },
  { "identity", "subject", BOTH, TEESQL_OPTION_TEXT, INDIRECT, 1, 64, NULL, NULL,
    "Common name of the leaf. Without it the node's name. Taken up at the next renewal." },
  { "identity", "alt-names", BOTH, TEESQL_OPTION_TEXT, LIST | NONE, 1, 253, NULL, "none",
    "DNS names and addresses in the leaf, for `sslmode=verify-full`. Taken up at the next renewal." },

  { "attester:", "plugin", BOTH, TEESQL_OPTION_INSTANCE, RESTART | DIGEST, 0, 0, NULL, NULL,
    "Module that makes it. Without it the NAME of the group." },
  { "kms:", "plugin", DAEMON, TEESQL_OPTION_INSTANCE, RESTART | DIGEST, 0, 0, NULL, NULL,
    "Module that makes it. Without it the NAME of the group." },
  { "verifier:", "plugin", BOTH, TEESQL_OPTION_INSTANCE, RESTART | DIGEST, 0, 0, NULL, NULL,
    "Module that makes it. Without it the NAME of the group." },
  { "verifier:", "when-unavailable", BOTH, TEESQL_OPTION_WORD, RESTART | DIGEST, 0, 0, "refuse|skip", "refuse",
    "What it means for a peer that this verifier cannot be asked. With `skip` the others judge alone; that is logged, and shown in "
    "status." },
  { "storage:", "plugin", DAEMON, TEESQL_OPTION_INSTANCE, RESTART | DIGEST, 0, 0, NULL, NULL,
    "Module that makes it. Without it the NAME of the group." },

  { "policy:", "allowed-mrtd", POLICIES, TEESQL_OPTION_HEX, PIN, 0, 96, NULL, NULL, "Firmware: MRTD." },
  { "policy:", "allowed-rtmr1", POLICIES, TEESQL_OPTION_HEX, PIN, 0, 96, NULL, NULL,
    "System: kernel. Together with `allowed-rtmr2` it settles the system." },
  { "policy:", "allowed-rtmr2", POLICIES, TEESQL_OPTION_HEX, PIN, 0, 96, NULL, NULL, "System: command line and initrd." },
  { "policy:", "allowed-os-image-hash", POLICIES, TEESQL_OPTION_HEX, PIN, 0, 64, NULL, NULL,
    "System, from the replayed event log. Instead of `allowed-rtmr1` and `allowed-rtmr2`." },
  { "policy:", "allowed-compose-hash", POLICIES, TEESQL_OPTION_HEX, PIN, 0, 64, NULL, NULL, "Application, from the replayed event log." },
  { "policy:", "allowed-rtmr3", POLICIES, TEESQL_OPTION_HEX, PIN, 0, 96, NULL, NULL,
    "Application as a whole. Instead of `allowed-compose-hash`." },
  { "policy:", "allowed-key-provider", POLICIES, TEESQL_OPTION_KEY_PROVIDER, PIN, 0, 0, "none|local-sgx|tpm", NULL,
    "Keys: who hands them out, as `name:SHA-256 of its id`. `none`, `local-sgx` and `tpm` are accepted only when written; here `none` "
    "is the name of a provider and can stand in a list." },
  { "policy:", "allowed-app-id", POLICIES, TEESQL_OPTION_HEX, NARROW, 0, 40, NULL, "any",
    "Narrows to applications. Whoever deploys chooses it, so it never replaces the application pin." },
  { "policy:", "allowed-instance-id", POLICIES, TEESQL_OPTION_HEX, NARROW, 0, 40, NULL, "any", "Narrows to instances." },
  { "policy:", "allowed-rtmr0", POLICIES, TEESQL_OPTION_HEX, NARROW, 0, 96, NULL, "any", "Narrows to virtual hardware." },
  { "policy:", "allowed-mrseam", POLICIES, TEESQL_OPTION_HEX, NARROW, 0, 96, NULL, "any", "Narrows to TDX modules." },
  { "policy:", "allowed-cluster-id", POLICIES, TEESQL_OPTION_HEX, UNPROVED, 0, 64, NULL, "any",
    "Narrows to a cluster. Only session evidence proves it; until then only `any` is taken." },
  { "policy:", "allowed-config-digest", POLICIES, TEESQL_OPTION_HEX, UNPROVED, 0, 96, NULL, "any",
    "Narrows to a configuration. Only session evidence proves it; until then only `any` is taken." },
  { "policy:", "allowed-generation", POLICIES, TEESQL_OPTION_INTEGER, UNPROVED, 0, G_MAXINT64, NULL, "any",
    "Narrows to generations of the cluster. Only session evidence proves it; until then only `any` is taken." },
  { "policy:", "allowed-fmspc", POLICIES, TEESQL_OPTION_HEX, NARROW, 0, 12, NULL, "any", "Narrows to platform families." },
  { "policy:", "allowed-platform", POLICIES, TEESQL_OPTION_HEX, NARROW, 0, 64, NULL, "any",
    "Narrows to chips: SHA-256 of the PPID, as the connection log prints it." },
  { "policy:", "accepted-tcb-status", POLICIES, TEESQL_OPTION_WORD, LIST | DIGEST, 0, 0, TCB_WORDS, "UpToDate;SWHardeningNeeded",
    "Status of the platform, in Intel's words. `Revoked` cannot be listed." },
  { "policy:", "refused-advisories", POLICIES, TEESQL_OPTION_ADVISORY, LIST | NONE | DIGEST, 0, 0, NULL, "none",
    "Advisories that refuse a platform whatever its status." },
  { "policy:", "min-tcb-evaluation", POLICIES, TEESQL_OPTION_INTEGER, DIGEST, 0, G_MAXUINT32, NULL, "0",
    "Lowest `tcbEvaluationDataNumber` of the collateral." },
  { "policy:", "max-collateral-age", POLICIES, TEESQL_OPTION_DURATION, DIGEST, 1 * HOUR, 45 * DAY, NULL, "14d",
    "Oldest collateral that may be used, whatever its next update says." },
  { "policy:", "accept-migratable", POLICIES, TEESQL_OPTION_BOOLEAN, DIGEST, 0, 0, NULL, "false",
    "Accept TDs that may be migrated (attribute bit 29)." },
  { "policy:", "accept-legacy-evidence", POLICIES, TEESQL_OPTION_BOOLEAN, DIGEST, 0, 0, NULL, "false",
    "Accept a quote without an event log, where no pin needs the log." },
  { "policy:", "verdict-ttl", POLICIES, TEESQL_OPTION_DURATION, DIGEST, 1 * SECOND, 1 * DAY, NULL, "1h",
    "A verdict is asked again after this time at the latest." },

  { "proxy", "listen", DAEMON, TEESQL_OPTION_ADDRESS, LIST | RESTART, 0, 0, NULL, "0.0.0.0:5433",
    "Where clients come. Port 0 takes any free one; the log names it." },
  { "proxy", "workers", DAEMON, TEESQL_OPTION_INTEGER, AUTO | RESTART, 1, 256, NULL, "auto", "Threads. `auto` is one for each CPU." },
  { "proxy", "tls-min-version", DAEMON, TEESQL_OPTION_WORD, DIGEST, 0, 0, "1.3|1.2", "1.3",
    "`1.2` also opens TLS 1.2 with ECDHE and AEAD." },
  { "proxy", "auth-method", DAEMON, TEESQL_OPTION_WORD, DIGEST, 0, 0, "scram|password", "scram",
    "How the secret is asked for. `password` is in clear within TLS." },
  { "proxy", "max-sessions", DAEMON, TEESQL_OPTION_INTEGER, 0, 1, 1000000, NULL, "1000",
    "Sessions past authentication; then new ones wait." },
  { "proxy", "max-pending", DAEMON, TEESQL_OPTION_INTEGER, 0, 1, 1000000, NULL, "512",
    "Connections before authentication; then the oldest that has not finished TLS is closed." },
  { "proxy", "max-pending-per-address", DAEMON, TEESQL_OPTION_INTEGER, 0, 1, 1000000, NULL, "128",
    "The same from one address; a gateway is one." },
  { "proxy", "handshake-timeout", DAEMON, TEESQL_OPTION_DURATION, 0, 100, 10 * MINUTE, NULL, "10s", "TLS handshake." },
  { "proxy", "verify-timeout", DAEMON, TEESQL_OPTION_DURATION, 0, 100, 10 * MINUTE, NULL, "15s", "Verification, collateral included." },
  { "proxy", "startup-timeout", DAEMON, TEESQL_OPTION_DURATION, 0, 100, 10 * MINUTE, NULL, "10s", "Startup packet." },
  { "proxy", "auth-timeout", DAEMON, TEESQL_OPTION_DURATION, 0, 100, 10 * MINUTE, NULL, "10s", "Authentication." },
  { "proxy", "backend-timeout", DAEMON, TEESQL_OPTION_DURATION, 0, 100, 10 * MINUTE, NULL, "5s", "Dial and login to PostgreSQL." },
  { "proxy", "session-memory", DAEMON, TEESQL_OPTION_SIZE, 0, 64 * KIB, 1 * GIB, NULL, "256KiB",
    "Buffers of one session; when reached, reading stops." },
  { "proxy", "total-memory", DAEMON, TEESQL_OPTION_SIZE, 0, 1 * MIB, 1024 * GIB, NULL, "512MiB",
    "Buffers of all sessions; when reached, reading stops." },
  { "proxy", "drain-timeout", DAEMON, TEESQL_OPTION_DURATION, 0, 0, 1 * DAY, NULL, "30s",
    "After SIGTERM: no new session, running ones may end." },
  { "proxy", "kernel-tls", DAEMON, TEESQL_OPTION_WORD, NONE | RESTART, 0, 0, "none", "none",
    "Kernel TLS for the relay. Only `none` for now." },

  { "auth", "scram-salt", DAEMON, TEESQL_OPTION_BASE64, INDIRECT | DIGEST, 0, 16, NULL, NULL,
    "Cluster-wide salt, since SCRAM shows it before it knows which secret comes. `teesql secret new` makes one." },
  { "auth", "scram-iterations", DAEMON, TEESQL_OPTION_INTEGER, DIGEST, 4096, 1000000, NULL, "4096", "Cluster-wide rounds." },
  { "auth", "failure-delay", DAEMON, TEESQL_OPTION_DURATION, 0, 0, 10 * SECOND, NULL, "250ms",
    "A failed login is answered after this time." },
  { "auth", "plaintext-cancel", DAEMON, TEESQL_OPTION_WORD, DIGEST, 0, 0, "refuse|allow", "refuse",
    "Cancel requests sent in plaintext, as psql does even over TLS." },

  { "role:", "privileges", DAEMON, TEESQL_OPTION_WORD, REQUIRED | DIGEST, 0, 0, "read|read-write|replication", NULL,
    "What is granted on schema `public`. A change is provisioned again." },
  { "role:", "secret-verifier", DAEMON, TEESQL_OPTION_SCRAM_VERIFIER, REQUIRED | INDIRECT | DIGEST, 0, 0, NULL, NULL,
    "From `teesql secret new`. It must carry the salt and rounds of `[auth]`." },
  { "role:", "next-secret-verifier", DAEMON, TEESQL_OPTION_SCRAM_VERIFIER, INDIRECT | DIGEST, 0, 0, NULL, NULL,
    "A second one, accepted beside it while a secret is rotated." },
  { "role:", "also-secret-of", DAEMON, TEESQL_OPTION_ROLE, NONE | DIGEST, 0, 0, NULL, "none",
    "Another role whose secret, current or next, opens this one too." },
  { "role:", "max-sessions", DAEMON, TEESQL_OPTION_INTEGER, NONE, 1, 1000000, NULL, "none", "Sessions of this role." },

  { "postgresql", "mode", DAEMON, TEESQL_OPTION_WORD, RESTART | DIGEST, 0, 0, "external|managed", "external",
    "`external`: the server runs already. `managed`: it is made, started, watched and stopped from here." },
  { "postgresql", "host", DAEMON, TEESQL_OPTION_SOCKET_FOLDER, RESTART | DIGEST, 0, 0, NULL, "/run/postgresql",
    "Folder of the server's socket, or `127.0.0.1` or `::1`. Managed: a folder, and without it `postgresql` in `runtime-directory`." },
  { "postgresql", "port", DAEMON, TEESQL_OPTION_INTEGER, RESTART | DIGEST, 1, 65535, NULL, "5432",
    "Its port, also part of the socket's name." },
  { "postgresql", "databases", DAEMON, TEESQL_OPTION_TEXT, LIST | DIGEST, 1, 63, NULL, "postgres",
    "Databases whose schema `public` gets the grants." },
  { "postgresql", "admin-user", DAEMON, TEESQL_OPTION_ROLE, DIGEST, 0, 0, NULL, "postgres", "Role that provisions." },
  { "postgresql", "admin-password", DAEMON, TEESQL_OPTION_REFERENCE, TEESQL_OPTION_KMS | DIGEST, 0, 0, NULL, "kms:pg/superuser",
    "Its password." },
  { "postgresql", "provision", DAEMON, TEESQL_OPTION_BOOLEAN, DIGEST, 0, 0, NULL, "true", "Create and repair roles and grants at start." },
  { "postgresql", "data-directory", DAEMON, TEESQL_OPTION_PATH, RESTART, 0, 0, NULL, NULL,
    "Where the server's files are. Managed: without it `postgresql` in `state-directory`. External: only for its control data, which are "
    "not reported without it." },
  { "postgresql", "bin-directory", DAEMON, TEESQL_OPTION_PATH, RESTART, 0, 0, NULL, "/usr/lib/postgresql/17/bin",
    "Managed: where `postgres` and `initdb` are. Neither they nor a folder above may be writable by others." },
  { "postgresql", "user", DAEMON, TEESQL_OPTION_USER, RESTART, 0, 0, NULL, "postgres",
    "Managed: whom PostgreSQL runs as where the daemon may choose; never root. Without that right it is the daemon's own user." },
  { "postgresql", "stop-mode", DAEMON, TEESQL_OPTION_WORD, RESTART, 0, 0, "fast|smart|immediate", "fast",
    "Managed: how PostgreSQL is stopped. `smart` waits for every session to end by itself." },
  { "postgresql", "stop-timeout", DAEMON, TEESQL_OPTION_DURATION, RESTART, 1 * SECOND, 1 * HOUR, NULL, "60s",
    "Managed: after this time `fast` becomes `immediate`, which the next start has to recover from." },
  { "postgresql", "restart-backoff-max", DAEMON, TEESQL_OPTION_DURATION, RESTART, 1 * SECOND, 1 * HOUR, NULL, "30s",
    "Managed: a server that crashes is started again, at once and then after a delay that doubles up to this." },

#include "config/teesql-config-settings.inc"

  { "http", "listen", DAEMON, TEESQL_OPTION_ADDRESS, LIST | NONE | RESTART, 0, 0, NULL, "0.0.0.0:8080",
    "Where `/health` answers. Port 0 takes any free one; the log names it." },
  { "http", "max-connections", DAEMON, TEESQL_OPTION_INTEGER, 0, 1, 10000, NULL, "64", "Connections at a time." },
  { "http", "request-timeout", DAEMON, TEESQL_OPTION_DURATION, 0, 100, 1 * MINUTE, NULL, "10s", "One request, head to answer." },

  { "backup", "storages", DAEMON, TEESQL_OPTION_INSTANCE, LIST | NONE | RESTART | DIGEST, 0, 0, NULL, "none",
    "Storage instances, `[storage:NAME]`, that each get a complete copy." },
  { "backup", "key-epoch", DAEMON, TEESQL_OPTION_INTEGER, AUTO | DIGEST, 0, 65535, NULL, "auto",
    "Key that new objects are sealed under. `auto` is the newest one of the catalog; `teesql backup rotate-key` adds one." },
  { "backup", "recovery-recipients", DAEMON, TEESQL_OPTION_PATH, LIST | NONE | DIGEST, 0, 0, NULL, "none",
    "PEM files of offline P-256 public keys that may open every backup without the KMS." },
  { "backup", "full-schedule", DAEMON, TEESQL_OPTION_SCHEDULE, NONE, 0, 0, NULL, "Sun 02:00", "When a full backup starts." },
  { "backup", "incremental-schedule", DAEMON, TEESQL_OPTION_SCHEDULE, NONE, 0, 0, NULL, "daily 02:00",
    "When an incremental backup starts. Where both fall together the full one runs." },
  { "backup", "retain-full", DAEMON, TEESQL_OPTION_INTEGER, 0, 1, 10000, NULL, "4", "Full backups that are kept, with what needs them." },
  { "backup", "retain-days", DAEMON, TEESQL_OPTION_INTEGER, NONE, 1, 36500, NULL, "none",
    "Backups of the last so many days are kept whatever their number." },
  { "backup", "compression-level", DAEMON, TEESQL_OPTION_INTEGER, 0, 1, 19, NULL, "3", "Of zstd." },
  { "backup", "threads", DAEMON, TEESQL_OPTION_INTEGER, AUTO, 1, 64, NULL, "auto",
    "Threads that compress and seal. `auto` is one for each CPU, at most 4." },
  { "backup", "max-rate", DAEMON, TEESQL_OPTION_SIZE, NONE, 1 * MIB, 1024 * GIB, NULL, "none",
    "Bytes a second that a base backup reads at most." },
  { "backup", "slot", DAEMON, TEESQL_OPTION_ROLE, RESTART, 0, 0, NULL, "teesql",
    "Replication slots are named so, with `_` and the storage's name behind." },
  { "backup", "slot-limit", DAEMON, TEESQL_OPTION_SIZE, 0, 64 * MIB, 1024 * 1024 * GIB, NULL, "8GiB",
    "WAL that a slot may hold back while storage is away (`max_slot_wal_keep_size` of a managed server). A slot that is lost beyond it "
    "means a new full backup." },
  { "backup", "wal-interval", DAEMON, TEESQL_OPTION_DURATION, NONE, 100, 1 * HOUR, NULL, "1s",
    "WAL of a segment that is not full is stored at the latest after. `none` waits for whole segments." },
  { "backup", "zero-loss", DAEMON, TEESQL_OPTION_BOOLEAN, RESTART | DIGEST, 0, 0, NULL, "false",
    "A commit waits until its WAL is durable in every storage. Where storage is away, commits wait for it." },
  { "backup", "max-lag", DAEMON, TEESQL_OPTION_DURATION, 0, 1 * SECOND, 30 * DAY, NULL, "5min",
    "WAL that waits longer than this for the storage degrades health." },
  { "backup", "retry-deadline", DAEMON, TEESQL_OPTION_DURATION, 0, 1 * SECOND, 1 * DAY, NULL, "10min",
    "One call to a storage is tried again until. WAL goes on trying after that; a base backup fails." },
  { "backup", "restore-empty", DAEMON, TEESQL_OPTION_BOOLEAN, RESTART | DIGEST, 0, 0, NULL, "false",
    "With `[postgresql] mode = managed`: fill an empty data directory from the newest backup of the first storage that has one." },

  { "connect", "server", CLIENT, TEESQL_OPTION_ENDPOINT, NONE | INDIRECT, 0, 0, NULL, "none",
    "`teesqld` to dial. `DATABASE_URL` or an argument wins." },
  { "connect", "listen", CLIENT, TEESQL_OPTION_ADDRESS, RESTART, 0, 0, "socket", "socket",
    "`socket`: a socket in `socket-directory` that only the owner can open. Or a loopback address." },
  { "connect", "socket-directory", CLIENT, TEESQL_OPTION_PATH, RESTART, 0, 0, NULL, NULL,
    "Without it `$XDG_RUNTIME_DIR/teesql`, else `~/.teesql/run`." },
  { "connect", "secret", CLIENT, TEESQL_OPTION_REFERENCE, NONE, 0, 0, NULL, "none",
    "The role's secret. Unset, the application answers the server itself." },
  { "connect", "role", CLIENT, TEESQL_OPTION_ROLE, NONE | INDIRECT, 0, 0, NULL, "none", "Role to log in as, with `secret`." },
  { "connect", "connect-timeout", CLIENT, TEESQL_OPTION_DURATION, 0, 100, 10 * MINUTE, NULL, "15s", "Dial, TLS and verification." },
  { "connect", "server-name", CLIENT, TEESQL_OPTION_TEXT, INDIRECT, 1, 253, NULL, NULL,
    "SNI, and the name that is checked in addition to the evidence. Without it the host of `server`." },
  { "connect", "max-sessions", CLIENT, TEESQL_OPTION_INTEGER, 0, 1, 1000000, NULL, "100", "Sessions at a time." },

  { "simulator", "platform-seed", SIM, TEESQL_OPTION_REFERENCE, RESTART, 0, 0, NULL, NULL,
    "64 hex digits that the whole imaginary platform follows from. `teesql-simulator init DIR` draws them." },
  { "simulator", "machine", SIM, TEESQL_OPTION_TEXT, INDIRECT | RESTART, 1, 64, NULL, NULL, "This machine: its chip and instance id." },
  { "simulator", "app", SIM, TEESQL_OPTION_PATH, RESTART, 0, 0, NULL, NULL, "Name, compose text and image name of the application." },
  { "simulator", "listen", SIM, TEESQL_OPTION_PATH, RESTART, 0, 0, NULL, NULL, "Socket of the guest agent." },
  { "simulator", "http-listen", SIM, TEESQL_OPTION_ADDRESS, NONE | RESTART, 0, 0, NULL, "none",
    "The agent over HTTP. Port 0 takes any free one." },
  { "simulator", "pccs-listen", SIM, TEESQL_OPTION_ADDRESS, NONE | RESTART, 0, 0, NULL, "none",
    "Collateral over HTTP. Port 0 takes any free one." },
  { "simulator", "write-root", SIM, TEESQL_OPTION_PATH, NONE | RESTART, 0, 0, NULL, "none", "Write the root certificate here at start." },
  { "simulator", "quote-version", SIM, TEESQL_OPTION_WORD, 0, 0, 0, "4|5|5.1", "4", "`5` has a TD 1.0 body, `5.1` a TD 1.5 body." },
  { "simulator", "tcb-status", SIM, TEESQL_OPTION_WORD, 0, 0, 0, TCB_WORDS "|Revoked", "UpToDate",
    "How up to date this machine is, and what its collateral says of every machine." },
  { "simulator", "misbehave", SIM, TEESQL_OPTION_WORD, LIST | NONE, 0, 0,
    "debug-td|wrong-binding|revoked-pck|expired-collateral|rolled-back-collateral|garbage|hang|slow=|close|"
    "pccs-garbage|pccs-hang|pccs-slow=|pccs-close",
    "none", "Faults to show. `slow=DURATION` delays each answer of the agent, `pccs-…` are about the collateral service." },
  { "simulator", "control-socket", SIM, TEESQL_OPTION_PATH, NONE | RESTART, 0, 0, NULL, "none", "Changes the last three at run time." },
};

static const TeesqlOptionLater later[] = {
  { "volume", NULL, "the data volume is not in this version yet" },
  { "dbus", NULL, "D-Bus is not in this version yet" },
  { "http", "attestation-share", "/attestation is not in this version yet" },
};

const TeesqlOption *
teesql_option_table (guint *out_n)
{
  *out_n = G_N_ELEMENTS (options);
  return options;
}

const TeesqlOptionGroup *
teesql_option_groups (guint *out_n)
{
  *out_n = G_N_ELEMENTS (groups);
  return groups;
}

gboolean
teesql_option_group_matches (const char *template, const char *group)
{
  return g_str_has_suffix (template, ":") ? g_str_has_prefix (group, template) : g_str_equal (template, group);
}

const TeesqlOptionGroup *
teesql_option_find_group (TeesqlConfigKind kind, const char *group)
{
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    if ((groups[i].kinds & (1u << kind)) != 0 && teesql_option_group_matches (groups[i].name, group))
      return &groups[i];
  return NULL;
}

const TeesqlOption *
teesql_option_find (TeesqlConfigKind kind, const char *group, const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    if ((options[i].kinds & (1u << kind)) != 0 && g_str_equal (options[i].key, key) &&
        teesql_option_group_matches (options[i].group, group))
      return &options[i];
  return NULL;
}

const char *
teesql_option_find_later (const char *group, const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (later); i++)
    if (teesql_option_group_matches (later[i].group, group) && g_strcmp0 (later[i].key, key) == 0)
      return later[i].hint;
  return NULL;
}
