#pragma once
#include "config/teesql-config.h"
#include "plugin/teesql-plugin-loader.h"
#include <teesql/teesql-attester.h>
#include <teesql/teesql-kms.h>
#include <teesql/teesql-verifier.h>

G_BEGIN_DECLS

/**
 * TeesqlDaemonPlugins:
 *
 * the plugin objects of the daemon: one attester, one KMS, the verifiers. Made once, in the order of the configuration.
 */
#define TEESQL_TYPE_DAEMON_PLUGINS (teesql_daemon_plugins_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlDaemonPlugins, teesql_daemon_plugins, TEESQL, DAEMON_PLUGINS, GObject)

TeesqlDaemonPlugins *teesql_daemon_plugins_new (TeesqlConfig *config) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_daemon_plugins_create_async:
 *
 * makes what is not there yet; after a failure it may be called again and goes on where it stopped
 */
void teesql_daemon_plugins_create_async (TeesqlDaemonPlugins *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                         gpointer user_data);
gboolean teesql_daemon_plugins_create_finish (TeesqlDaemonPlugins *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* whether an error of the above is the operator's to mend: waiting does not help */
gboolean teesql_daemon_plugins_is_final (const GError *error);
TeesqlAttester *teesql_daemon_plugins_get_attester (TeesqlDaemonPlugins *self);
TeesqlKms *teesql_daemon_plugins_get_kms (TeesqlDaemonPlugins *self);
TeesqlVerifier *const *teesql_daemon_plugins_get_verifiers (TeesqlDaemonPlugins *self, guint *out_n);
/**
 * teesql_daemon_plugins_check_agent:
 *
 * SR-7, once the agent has answered: a production attester never stands beside an external root.
 *
 * Returns: %FALSE with CONFIG `mixed-trust` in #TEESQL_ATTEST_ERROR
 */
gboolean teesql_daemon_plugins_check_agent (TeesqlDaemonPlugins *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_daemon_plugins_digest:
 *
 * the configuration digest with what was loaded: modules, and the files that plugin groups name
 */
void teesql_daemon_plugins_digest (TeesqlDaemonPlugins *self, const TeesqlConfig *config, guint8 out[48]);

G_END_DECLS
