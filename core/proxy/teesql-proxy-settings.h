#pragma once
#include "config/teesql-config.h"
#include "pgwire/teesql-scram.h"

G_BEGIN_DECLS

typedef enum
{
  TEESQL_PRIVILEGES_READ,
  TEESQL_PRIVILEGES_READ_WRITE,
  TEESQL_PRIVILEGES_REPLICATION
} TeesqlPrivileges;

/**
 * TeesqlProxyRole:
 * @candidates: whose proof opens this role: its own secret and the other's, each current and next; places that stand empty are not @real
 * @max_sessions: 0 for no bound of its own
 */
typedef struct
{
  char *name;
  TeesqlPrivileges privileges;
  guint max_sessions;
  TeesqlScramVerifier candidates[TEESQL_SCRAM_CANDIDATES];
  gboolean real[TEESQL_SCRAM_CANDIDATES];
} TeesqlProxyRole;

/**
 * TeesqlProxySettings:
 *
 * `[proxy]`, `[auth]` and `[role:*]` in the form that sessions use. Refcounted, immutable, shared by threads: a session keeps what it began
 * with.
 */
typedef struct
{
  gatomicrefcount refs;
  gboolean allow_tls12;
  gboolean ask_password; /* `auth-method = password` */
  gboolean allow_plaintext_cancel;
  guint max_sessions;
  guint max_pending;
  guint max_pending_per_address;
  guint handshake_timeout_ms;
  guint verify_timeout_ms;
  guint startup_timeout_ms;
  guint auth_timeout_ms;
  guint backend_timeout_ms;
  guint drain_timeout_ms;
  guint failure_delay_ms;
  gsize session_memory;
  gsize total_memory;
  guint8 salt[TEESQL_SCRAM_MAX_SALT];
  gsize salt_size;
  guint iterations;
  GHashTable *roles; /* name -> TeesqlProxyRole */
} TeesqlProxySettings;

/**
 * teesql_proxy_settings_new:
 *
 * Returns: (transfer full) (nullable): %NULL with CONFIG in #TEESQL_CONFIG_ERROR: `role-verifier`
 */
TeesqlProxySettings *teesql_proxy_settings_new (TeesqlConfig *config, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlProxySettings *teesql_proxy_settings_ref (TeesqlProxySettings *self);
void teesql_proxy_settings_unref (TeesqlProxySettings *self);
const TeesqlProxyRole *teesql_proxy_settings_get_role (const TeesqlProxySettings *self, const char *name); /* (nullable) */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlProxySettings, teesql_proxy_settings_unref)
G_END_DECLS
