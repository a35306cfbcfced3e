#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TeesqlStatus:
 *
 * what is known now. Pipelines publish typed facts and count; faces render snapshots. Thread safe; readers never wait for a
 * pipeline. Nothing secret is ever put here.
 */
#define TEESQL_TYPE_STATUS (teesql_status_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlStatus, teesql_status, TEESQL, STATUS, GObject)

typedef enum {
  TEESQL_HEALTH_STARTING, /* not yet */
  TEESQL_HEALTH_OK,
  TEESQL_HEALTH_DEGRADED, /* works, and someone should look */
  TEESQL_HEALTH_FAILED,   /* does not work: not ready */
} TeesqlHealth;

typedef enum {
  TEESQL_COMPONENT_CONFIG,
  TEESQL_COMPONENT_CLOCK,
  TEESQL_COMPONENT_IDENTITY,
  TEESQL_COMPONENT_VERIFIER,
  TEESQL_COMPONENT_KMS,
  TEESQL_COMPONENT_POSTGRES,
  TEESQL_COMPONENT_PROXY,
  TEESQL_COMPONENT_BACKUP, /* only where `[backup] storages` names one */
  TEESQL_N_COMPONENTS
} TeesqlComponent;

typedef enum {
  TEESQL_COUNTER_CONNECTIONS,       /* accepted sockets */
  TEESQL_COUNTER_SESSIONS,          /* reached ReadyForQuery */
  TEESQL_COUNTER_HANDSHAKE_FAILED,
  TEESQL_COUNTER_ATTESTATION_REFUSED,
  TEESQL_COUNTER_AUTHENTICATION_FAILED,
  TEESQL_COUNTER_CANCEL_REQUESTS,
  TEESQL_COUNTER_SHED,              /* closed to make room */
  TEESQL_COUNTER_TIMEOUT,
  TEESQL_COUNTER_BYTES_IN,          /* from clients, after authentication */
  TEESQL_COUNTER_BYTES_OUT,
  TEESQL_COUNTER_VERDICT_HITS,
  TEESQL_COUNTER_VERDICT_MISSES,
  TEESQL_COUNTER_VERIFICATIONS,
  TEESQL_COUNTER_QUOTES,
  TEESQL_COUNTER_IDENTITY_RENEWALS,
  TEESQL_COUNTER_BACKUPS,
  TEESQL_COUNTER_BACKUPS_FAILED,
  TEESQL_COUNTER_WAL_BYTES,    /* made durable, before compression */
  TEESQL_COUNTER_WAL_SEGMENTS,
  TEESQL_COUNTER_WAL_GAPS,
  TEESQL_COUNTER_STORAGE_RETRIES,
  TEESQL_COUNTER_STORAGE_RESTARTS, /* of a storage host */
  TEESQL_COUNTER_VERIFIER_DISAGREEMENTS, /* one accepted what another refused */
  TEESQL_N_COUNTERS
} TeesqlCounter;

typedef enum { TEESQL_GAUGE_SESSIONS, TEESQL_GAUGE_PENDING, TEESQL_GAUGE_BUFFER_BYTES, TEESQL_N_GAUGES } TeesqlGauge;

/**
 * TeesqlBackupFacts:
 * @last_backup_unix: when the newest base backup finished; 0: none
 * @oldest_restorable_unix: earliest moment that can be restored: the end of the oldest backup that WAL reaches from; 0: none
 * @wal_known: whether WAL is being archived, so that the lag says something
 * @wal_lag_ms: age of the oldest WAL that is not durable yet
 * @head_sequence: of the newest catalog record
 * @state: `starting`, `streaming`, `waiting`, `refused`, `stopped`
 * @running: (nullable): what runs now: `full 42 %`
 * @problem: (nullable): what is being waited for, or why it was refused
 *
 * one repository, for /health, `teesql status` and metrics
 */
typedef struct {
  gint64 last_backup_unix;
  gint64 last_full_unix;
  gint64 oldest_restorable_unix;
  gboolean wal_known;
  guint64 wal_lag_bytes;
  guint64 wal_lag_ms;
  guint64 durable_lsn;
  guint32 timeline;
  guint32 n_backups;
  guint32 gaps;
  guint64 head_sequence;
  const char *head_digest; /* (nullable): 64 lower hex */
  const char *lineage;     /* (nullable) */
  const char *state;
  const char *running;
  const char *problem;
} TeesqlBackupFacts;

TeesqlStatus *teesql_status_new (void);
/**
 * teesql_status_set_backup:
 * @storage: instance name of the storage
 *
 * replaces what was known of this repository; copied
 */
void teesql_status_set_backup (TeesqlStatus *self, const char *storage, const TeesqlBackupFacts *facts);
/**
 * teesql_status_set_component:
 * @reason: (nullable): stable id such as `agent-socket-exposed`; %NULL when all is well
 * @message: (nullable): for the operator; may have a `hint: ` line
 */
void teesql_status_set_component (TeesqlStatus *self, TeesqlComponent component, TeesqlHealth health, const char *reason, const char *message);
/**
 * teesql_status_add_notice:
 *
 * a standing remark beside the components: every `any`, `agent-socket-exposed`, "pending restart", several per kind told apart by @key
 */
void teesql_status_add_notice (TeesqlStatus *self, const char *reason, const char *key, const char *message);
void teesql_status_remove_notice (TeesqlStatus *self, const char *reason, const char *key);
/**
 * teesql_status_add_taint:
 *
 * external trust (SR-7). There is no way to remove one while the process lives.
 */
void teesql_status_add_taint (TeesqlStatus *self, const char *taint);
char **teesql_status_dup_taints (TeesqlStatus *self) G_GNUC_WARN_UNUSED_RESULT;
/* public facts as text: `cluster`, `node`, `version`, `config_digest`, `config_source`, `mrtd`, … */
void teesql_status_set_fact (TeesqlStatus *self, const char *name, const char *value);
void teesql_status_count (TeesqlStatus *self, TeesqlCounter counter, guint64 add);
guint64 teesql_status_get_counter (TeesqlStatus *self, TeesqlCounter counter);
void teesql_status_gauge_add (TeesqlStatus *self, TeesqlGauge gauge, gint64 add);
gint64 teesql_status_get_gauge (TeesqlStatus *self, TeesqlGauge gauge);
/**
 * teesql_status_get_health:
 * @out_reason: (optional) (transfer full): of the worst component
 *
 * Returns: the worst of all components that were ever set
 */
TeesqlHealth teesql_status_get_health (TeesqlStatus *self, char **out_reason);
gboolean teesql_status_has_started (TeesqlStatus *self); /* no component is STARTING any more */
/**
 * teesql_status_render_json:
 *
 * Returns: (transfer full): `{"schema":1,"status":"ok|degraded|failed|starting","reason":…,"taints":[…],"components":{…},"notices":[…],"facts":{…},"counters":{…},"gauges":{…},"backups":{"STORAGE":{…}}}`
 */
char *teesql_status_render_json (TeesqlStatus *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
