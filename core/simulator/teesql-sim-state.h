#pragma once
#include "simulator/teesql-sim-quote.h"

G_BEGIN_DECLS

/**
 * TeesqlSimFault:
 * @DEBUG_TD: quotes of a TD that runs with the debug attribute
 * @WRONG_BINDING: report data of another key
 * @REVOKED_PCK: a PCK certificate that stands in every CRL of the platform; the regular ones of this machine are revoked in our PCCS too
 * @EXPIRED_COLLATERAL: our PCCS hands out what ended a month ago
 * @ROLLED_BACK_COLLATERAL: our PCCS hands out what was current a week ago, before the last evaluation
 *
 * the others are about transport, of the agent or (`pccs-…`) of the PCCS
 */
typedef enum {
  TEESQL_SIM_FAULT_DEBUG_TD = 1 << 0,
  TEESQL_SIM_FAULT_WRONG_BINDING = 1 << 1,
  TEESQL_SIM_FAULT_REVOKED_PCK = 1 << 2,
  TEESQL_SIM_FAULT_EXPIRED_COLLATERAL = 1 << 3,
  TEESQL_SIM_FAULT_ROLLED_BACK_COLLATERAL = 1 << 4,
} TeesqlSimFault;

typedef enum {
  TEESQL_SIM_TRANSPORT_GARBAGE = 1 << 0,
  TEESQL_SIM_TRANSPORT_HANG = 1 << 1,
  TEESQL_SIM_TRANSPORT_CLOSE = 1 << 2,
} TeesqlSimTransport;

/**
 * TeesqlSimTransportFaults:
 * @slow_ms: an answer waits so long, 0 for none
 */
typedef struct {
  guint flags;
  guint slow_ms;
} TeesqlSimTransportFaults;

/**
 * TeesqlSimRecovery:
 *
 * Intel's next TCB recovery: not yet, in the early set only, in both. It cannot be taken back, as the evaluation number never falls.
 */
typedef enum { TEESQL_SIM_RECOVERY_NONE, TEESQL_SIM_RECOVERY_EARLY, TEESQL_SIM_RECOVERY_ALL } TeesqlSimRecovery;

/**
 * TeesqlSimState:
 * @generation: changes so far; collateral is issued anew after each
 * @changed_unix: when the last one was
 * @agent_calls, @pccs_calls: requests answered or swallowed, so that a test can assert that none was made
 *
 * what the control socket changes while the simulator runs. One thread.
 */
typedef struct {
  TeesqlSimQuoteVersion quote_version;
  TeesqlSimTcbStatus tcb_status;
  guint faults;
  TeesqlSimTransportFaults agent;
  TeesqlSimTransportFaults pccs;
  TeesqlSimRecovery recovery;
  guint generation;
  gint64 changed_unix;
  guint64 agent_calls;
  guint64 pccs_calls;
} TeesqlSimState;

/**
 * teesql_sim_state_set_misbehave:
 * @words: `none`, or words of `misbehave`; replaces what was set
 */
gboolean teesql_sim_state_set_misbehave (TeesqlSimState *self, const char *const *words, GError **error) G_GNUC_WARN_UNUSED_RESULT;
GStrv teesql_sim_state_get_misbehave (const TeesqlSimState *self) G_GNUC_WARN_UNUSED_RESULT;
/* what no quote could show is refused: a relaunch state is visible in a TD 1.5 report only */
gboolean teesql_sim_state_check (const TeesqlSimState *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_sim_recovery_parse (const char *text, TeesqlSimRecovery *out_recovery, GError **error) G_GNUC_WARN_UNUSED_RESULT;
const char *teesql_sim_recovery_to_string (TeesqlSimRecovery recovery);

G_END_DECLS
