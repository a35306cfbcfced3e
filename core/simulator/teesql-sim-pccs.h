#pragma once
#include "simulator/teesql-sim-collateral.h"
#include "simulator/teesql-sim-http.h"

G_BEGIN_DECLS

/**
 * teesql_sim_pccs_attach:
 *
 * serves the platform's collateral on @server under the paths of Intel's service (DCAP quote verification 4). All is borrowed.
 */
void teesql_sim_pccs_attach (SoupServer *server, const TeesqlSimCollateral *collateral, TeesqlSimState *state);

G_END_DECLS
