#pragma once
#include "attest/teesql-attest-service.h"
#include "cli/teesql-cli.h"
#include "config/teesql-config.h"
#include "plugin/teesql-plugin-loader.h"

G_BEGIN_DECLS

/**
 * TeesqlCliClient:
 *
 * what a command needs to meet a server: the client's configuration, its plugins, and an attestation service that judges by
 * `[policy:server]`. Of the main thread; the calls below turn the default main context until they are done.
 */
typedef struct
{
  TeesqlConfig *config;
  TeesqlClock *clock;
  TeesqlStatus *status;
  TeesqlPluginLoader *loader;
  TeesqlAttester *attester;
  GPtrArray *verifiers; /* TeesqlVerifier */
  GStrv names;          /* of their instances */
  TeesqlAttestService *attest;
} TeesqlCliClient;

TeesqlCliClient *teesql_cli_client_new (const TeesqlCliGlobals *globals, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_cli_client_new_judged_by:
 * @verifier: (nullable): one of `[teesql] verifiers`, which then is the only one that is asked, about the server as about ourselves; %NULL
 *   or `all`: all of them
 */
TeesqlCliClient *teesql_cli_client_new_judged_by (const TeesqlCliGlobals *globals, const char *verifier, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_cli_client_start:
 *
 * gets our attested identity; it renews itself while the main context turns
 */
gboolean teesql_cli_client_start (TeesqlCliClient *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_cli_client_free (TeesqlCliClient *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlCliClient, teesql_cli_client_free)
G_END_DECLS
