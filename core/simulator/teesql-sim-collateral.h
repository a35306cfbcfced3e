#pragma once
#include "simulator/teesql-sim-state.h"

G_BEGIN_DECLS

/* What the imaginary Intel publishes about a platform. Everything is made at the moment it is asked for and signed without randomness, with dates that change
 * once a day: two processes of one platform serve the same bytes, and a long-running one never serves what has expired. */

/**
 * TeesqlSimCollateral:
 * @machine: (nullable): whose PCK certificates are revoked under `revoked-pck`
 */
typedef struct {
  const TeesqlSimPlatform *platform;
  const TeesqlSimState *state;
  const char *machine;
} TeesqlSimCollateral;

#define TEESQL_SIM_EVALUATION_NUMBER 20

typedef enum { TEESQL_SIM_CRL_ROOT, TEESQL_SIM_CRL_PLATFORM, TEESQL_SIM_CRL_PROCESSOR } TeesqlSimCrl;

/* The answers of the service: `{"tcbInfo":…,"signature":…}` and its siblings. @early: of the early set */
char *teesql_sim_collateral_make_tcb_info (const TeesqlSimCollateral *self, gboolean early, gint64 now_unix, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_sim_collateral_make_qe_identity (const TeesqlSimCollateral *self, gboolean early, gint64 now_unix, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_sim_collateral_make_evaluation_numbers (const TeesqlSimCollateral *self, gint64 now_unix, GError **error) G_GNUC_WARN_UNUSED_RESULT;
GBytes *teesql_sim_collateral_make_crl (const TeesqlSimCollateral *self, TeesqlSimCrl which, gint64 now_unix, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* DER */
/* Returns: when what is served at @now_unix was issued */
gint64 teesql_sim_collateral_get_dates (const TeesqlSimCollateral *self, gint64 now_unix, gint64 *out_next_unix);
guint teesql_sim_collateral_get_evaluation_number (const TeesqlSimCollateral *self, gboolean early);

G_END_DECLS
