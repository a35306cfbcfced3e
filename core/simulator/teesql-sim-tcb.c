#include "simulator/teesql-sim-tcb.h"
#include <string.h>
#include <teesql/teesql-error.h>

/* @early_microcode is SGX component 0, the one number in which the levels differ. Advisories have numbers that Intel has not reached. */
static const struct
{
  const char *name;
  const char *advisory;
  guint8 early_microcode;
} statuses[TEESQL_SIM_TCB_N_STATUSES] = {
  [TEESQL_SIM_TCB_UP_TO_DATE] = { "UpToDate", NULL, 9 },
  [TEESQL_SIM_TCB_SW_HARDENING] = { "SWHardeningNeeded", "INTEL-SA-99901", 8 },
  [TEESQL_SIM_TCB_CONFIGURATION] = { "ConfigurationNeeded", "INTEL-SA-99902", 7 },
  [TEESQL_SIM_TCB_CONFIGURATION_AND_SW_HARDENING] = { "ConfigurationAndSWHardeningNeeded", "INTEL-SA-99903", 6 },
  [TEESQL_SIM_TCB_OUT_OF_DATE] = { "OutOfDate", "INTEL-SA-99904", 5 },
  [TEESQL_SIM_TCB_OUT_OF_DATE_CONFIGURATION] = { "OutOfDateConfigurationNeeded", "INTEL-SA-99905", 4 },
  [TEESQL_SIM_TCB_REVOKED] = { "Revoked", "INTEL-SA-99906", 3 },
  [TEESQL_SIM_TCB_RELAUNCH] = { "TDRelaunchAdvised", NULL, 9 },
  [TEESQL_SIM_TCB_RELAUNCH_CONFIGURATION] = { "TDRelaunchAdvisedConfigurationNeeded", NULL, 7 },
};
#define RECOVERED_EARLY_MICROCODE 10

gboolean
teesql_sim_tcb_status_parse (const char *text, TeesqlSimTcbStatus *out_status, GError **error)
{
  for (guint i = 0; i < TEESQL_SIM_TCB_N_STATUSES; i++)
    if (strcmp (text, statuses[i].name) == 0)
      {
        *out_status = (TeesqlSimTcbStatus) i;
        return TRUE;
      }
  g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-tcb-status", 0,
                                              "tcb-status: `%s` is not one of Intel's words\nhint: UpToDate, SWHardeningNeeded, "
                                              "ConfigurationNeeded, ConfigurationAndSWHardeningNeeded, OutOfDate, "
                                              "OutOfDateConfigurationNeeded, TDRelaunchAdvised, "
                                              "TDRelaunchAdvisedConfigurationNeeded, Revoked",
                                              text));
  return FALSE;
}

const char *
teesql_sim_tcb_status_to_string (TeesqlSimTcbStatus status)
{
  g_return_val_if_fail (status < TEESQL_SIM_TCB_N_STATUSES, NULL);
  return statuses[status].name;
}

const char *
teesql_sim_tcb_status_get_advisory (TeesqlSimTcbStatus status)
{
  g_return_val_if_fail (status < TEESQL_SIM_TCB_N_STATUSES, NULL);
  return statuses[status].advisory;
}

#define NEEDS_SW_HARDENING  (1u << 0)
#define NEEDS_CONFIGURATION (1u << 1)
#define IS_OUT_OF_DATE      (1u << 2)
#define IS_REVOKED          (1u << 3)

/* what is said of the firmware: a relaunch state is one of the guest, above firmware that has nothing, or needs configuration */
static guint
to_findings (TeesqlSimTcbStatus status)
{
  static const guint findings[TEESQL_SIM_TCB_N_STATUSES] = {
    [TEESQL_SIM_TCB_SW_HARDENING] = NEEDS_SW_HARDENING,
    [TEESQL_SIM_TCB_CONFIGURATION] = NEEDS_CONFIGURATION,
    [TEESQL_SIM_TCB_CONFIGURATION_AND_SW_HARDENING] = NEEDS_CONFIGURATION | NEEDS_SW_HARDENING,
    [TEESQL_SIM_TCB_OUT_OF_DATE] = IS_OUT_OF_DATE,
    [TEESQL_SIM_TCB_OUT_OF_DATE_CONFIGURATION] = IS_OUT_OF_DATE | NEEDS_CONFIGURATION,
    [TEESQL_SIM_TCB_REVOKED] = IS_REVOKED,
    [TEESQL_SIM_TCB_RELAUNCH_CONFIGURATION] = NEEDS_CONFIGURATION,
  };

  g_return_val_if_fail (status < TEESQL_SIM_TCB_N_STATUSES, IS_REVOKED);
  return findings[status];
}

TeesqlSimTcbStatus
teesql_sim_tcb_status_merge (TeesqlSimTcbStatus one, TeesqlSimTcbStatus two)
{
  static const TeesqlSimTcbStatus current[] = { TEESQL_SIM_TCB_UP_TO_DATE, TEESQL_SIM_TCB_SW_HARDENING, TEESQL_SIM_TCB_CONFIGURATION,
                                                TEESQL_SIM_TCB_CONFIGURATION_AND_SW_HARDENING };
  guint findings = to_findings (one) | to_findings (two);

  if ((findings & IS_REVOKED) != 0)
    return TEESQL_SIM_TCB_REVOKED;
  if ((findings & IS_OUT_OF_DATE) != 0)
    return (findings & NEEDS_CONFIGURATION) != 0 ? TEESQL_SIM_TCB_OUT_OF_DATE_CONFIGURATION : TEESQL_SIM_TCB_OUT_OF_DATE;
  return current[findings];
}

/* the shape of a fourth generation Xeon */
static void
fill_components (guint8 early_microcode, guint8 out[TEESQL_SIM_TCB_COMPONENTS])
{
  static const guint8 others[TEESQL_SIM_TCB_COMPONENTS] = { 0, 4, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0 };

  for (guint i = 0; i < TEESQL_SIM_TCB_COMPONENTS; i++)
    out[i] = others[i];
  out[0] = early_microcode;
}

void
teesql_sim_tcb_get_sgx_components (TeesqlSimTcbStatus status, guint8 out[TEESQL_SIM_TCB_COMPONENTS])
{
  g_return_if_fail (status < TEESQL_SIM_TCB_N_STATUSES);
  fill_components (statuses[status].early_microcode, out);
}

void
teesql_sim_tcb_get_recovered_components (guint8 out[TEESQL_SIM_TCB_COMPONENTS])
{
  fill_components (RECOVERED_EARLY_MICROCODE, out);
}

static void
fill_tee_svn (guint8 module_isvsvn, guint8 out[TEESQL_SIM_TCB_COMPONENTS])
{
  for (guint i = 0; i < TEESQL_SIM_TCB_COMPONENTS; i++)
    out[i] = 0;
  out[0] = module_isvsvn;
  out[1] = TEESQL_SIM_MODULE_VERSION;
  out[2] = TEESQL_SIM_TDX_MICROCODE;
}

void
teesql_sim_tcb_get_tee_svn (TeesqlSimTcbStatus status, guint8 out[TEESQL_SIM_TCB_COMPONENTS])
{
  gboolean old_module = status == TEESQL_SIM_TCB_RELAUNCH || status == TEESQL_SIM_TCB_RELAUNCH_CONFIGURATION;

  fill_tee_svn (old_module ? TEESQL_SIM_MODULE_OLD_ISVSVN : TEESQL_SIM_MODULE_ISVSVN, out);
}

void
teesql_sim_tcb_get_tee_svn2 (guint8 out[TEESQL_SIM_TCB_COMPONENTS])
{
  fill_tee_svn (TEESQL_SIM_MODULE_ISVSVN, out);
}
