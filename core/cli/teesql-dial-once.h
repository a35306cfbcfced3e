#pragma once
#include "cli/teesql-cli-client.h"
#include "cli/teesql-target.h"
#include "proxy/teesql-dial.h"

G_BEGIN_DECLS

/**
 * TeesqlDialOutcome:
 * @leaf: (nullable): certificate of the server, once the handshake was done
 * @verdict: (nullable)
 * @tls: (nullable)
 *
 * what one meeting with a server showed.
 */
typedef struct {
  GBytes *leaf;
  TeesqlVerdict *verdict;
  char *tls;
} TeesqlDialOutcome;

/**
 * teesql_dial_once:
 *
 * meets the server and hangs up; the main context turns meanwhile.
 *
 * Returns: (transfer full): never %NULL; @error is set when the server could not be reached or was refused, and the members tell how far it went
 */
TeesqlDialOutcome *teesql_dial_once (TeesqlCliClient *client, const TeesqlTarget *target, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_dial_outcome_free (TeesqlDialOutcome *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlDialOutcome, teesql_dial_outcome_free)
G_END_DECLS
