#pragma once
#include "attest/teesql-attest-service.h"
#include "config/teesql-config.h"

G_BEGIN_DECLS

/**
 * TeesqlDaemonKeys:
 *
 * the keys that the daemon needs to serve PostgreSQL: `pg/roles`, and the administrator's password wherever it lies. One attempt a
 * call; who waits is the caller.
 */
#define TEESQL_TYPE_DAEMON_KEYS (teesql_daemon_keys_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlDaemonKeys, teesql_daemon_keys, TEESQL, DAEMON_KEYS, GObject)

TeesqlDaemonKeys *teesql_daemon_keys_new (TeesqlAttestService *attest, TeesqlKms *kms, const char *state_directory)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_daemon_keys_fetch_async:
 *
 * what is here already is not asked again, except that a reference of @config is always resolved anew
 */
void teesql_daemon_keys_fetch_async (TeesqlDaemonKeys *self, const TeesqlConfig *config, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data);
/**
 * teesql_daemon_keys_fetch_finish:
 *
 * Returns: %FALSE with #TEESQL_KMS_ERROR (INTEGRITY `kms-key-changed`: not the bytes of an earlier start), #TEESQL_CONFIG_ERROR for the
 *   reference, or CONFIG `mixed-trust` in #TEESQL_ATTEST_ERROR, which no waiting mends
 */
gboolean teesql_daemon_keys_fetch_finish (TeesqlDaemonKeys *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlSecret *teesql_daemon_keys_get_roles_key (TeesqlDaemonKeys *self);      /* (transfer none) (nullable) */
TeesqlSecret *teesql_daemon_keys_get_admin_password (TeesqlDaemonKeys *self); /* (transfer none) (nullable) */

G_END_DECLS
