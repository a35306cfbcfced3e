#pragma once
#include "simulator/teesql-sim-guest.h"
#include "simulator/teesql-sim-http.h"
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/**
 * teesql_sim_agent_attach:
 *
 * serves the guest agent's methods on @server. Both are borrowed and outlive it.
 */
void teesql_sim_agent_attach (SoupServer *server, TeesqlSimGuest *guest, TeesqlSimState *state);
/**
 * TeesqlSimMethod:
 *
 * one method of the agent: a request's fields in, JSON text out. The text may hold keys, and the caller wipes it.
 */
typedef char *(*TeesqlSimMethod) (const TeesqlSimGuest *guest, JsonObject *request, GError **error);
TeesqlSimMethod teesql_sim_agent_find_method (const char *name); /* (nullable) */

G_END_DECLS
