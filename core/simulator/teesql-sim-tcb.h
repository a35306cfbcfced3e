#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

#define TEESQL_SIM_TCB_COMPONENTS    16
#define TEESQL_SIM_PCESVN            13
#define TEESQL_SIM_MODULE_VERSION    1
#define TEESQL_SIM_MODULE_ISVSVN     5 /* the newest module */
#define TEESQL_SIM_MODULE_OLD_ISVSVN 3
#define TEESQL_SIM_TDX_MICROCODE     4 /* TDX component 2 */
#define TEESQL_SIM_QE_ISVSVN         8
#define TEESQL_SIM_QE_ISVPRODID      2

/**
 * TeesqlSimTcbStatus:
 *
 * how up to date a machine is. TCB info lists a level for each of the first seven, and a machine's firmware numbers meet the one that its
 * `tcb-status` names, whoever serves the collateral. Whoever serves it says of no machine less than its own status: one word makes
 * one machine fall behind, or all of the platform. The relaunch states are the newest firmware under a guest that was started with an
 * older TDX module.
 */
typedef enum {
  TEESQL_SIM_TCB_UP_TO_DATE,
  TEESQL_SIM_TCB_SW_HARDENING,
  TEESQL_SIM_TCB_CONFIGURATION,
  TEESQL_SIM_TCB_CONFIGURATION_AND_SW_HARDENING,
  TEESQL_SIM_TCB_OUT_OF_DATE,
  TEESQL_SIM_TCB_OUT_OF_DATE_CONFIGURATION,
  TEESQL_SIM_TCB_REVOKED,
  TEESQL_SIM_TCB_N_LEVELS,
  TEESQL_SIM_TCB_RELAUNCH = TEESQL_SIM_TCB_N_LEVELS,
  TEESQL_SIM_TCB_RELAUNCH_CONFIGURATION,
  TEESQL_SIM_TCB_N_STATUSES,
} TeesqlSimTcbStatus;

gboolean teesql_sim_tcb_status_parse (const char *text, TeesqlSimTcbStatus *out_status, GError **error) G_GNUC_WARN_UNUSED_RESULT;
const char *teesql_sim_tcb_status_to_string (TeesqlSimTcbStatus status);
/* all that is wrong with either */
TeesqlSimTcbStatus teesql_sim_tcb_status_merge (TeesqlSimTcbStatus one, TeesqlSimTcbStatus two);
const char *teesql_sim_tcb_status_get_advisory (TeesqlSimTcbStatus status); /* (nullable) */
void teesql_sim_tcb_get_sgx_components (TeesqlSimTcbStatus status, guint8 out[TEESQL_SIM_TCB_COMPONENTS]);
void teesql_sim_tcb_get_recovered_components (guint8 out[TEESQL_SIM_TCB_COMPONENTS]); /* the level a recovery puts on top */
void teesql_sim_tcb_get_tee_svn (TeesqlSimTcbStatus status, guint8 out[TEESQL_SIM_TCB_COMPONENTS]);  /* TEE_TCB_SVN of a quote */
void teesql_sim_tcb_get_tee_svn2 (guint8 out[TEESQL_SIM_TCB_COMPONENTS]);                            /* TEE_TCB_SVN2: the host now */

G_END_DECLS
