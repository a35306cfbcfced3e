#include "simulator/teesql-sim-collateral.h"
#include "base/teesql-hex.h"
#include "simulator/teesql-sim-json.h"
#include <string.h>

#define DAY_SECONDS   ((gint64) 86400)
#define LIFE_SECONDS  (30 * DAY_SECONDS)
#define TCB_DATE      "2026-02-11T00:00:00Z"
#define RECOVERY_DATE "2026-08-12T00:00:00Z"
#define ZEROS_48      "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"

typedef struct
{
  gint64 issued_unix;
  gint64 next_unix;
} Dates;

static Dates
get_dates (const TeesqlSimCollateral *self, gint64 now_unix)
{
  gint64 issued = now_unix - now_unix % DAY_SECONDS;

  if (self->state->changed_unix > issued && self->state->changed_unix <= now_unix)
    issued = self->state->changed_unix;
  if ((self->state->faults & TEESQL_SIM_FAULT_EXPIRED_COLLATERAL) != 0)
    issued -= 2 * LIFE_SECONDS;
  else if ((self->state->faults & TEESQL_SIM_FAULT_ROLLED_BACK_COLLATERAL) != 0)
    issued -= 7 * DAY_SECONDS;
  return (Dates){ issued, issued + LIFE_SECONDS };
}

gint64
teesql_sim_collateral_get_dates (const TeesqlSimCollateral *self, gint64 now_unix, gint64 *out_next_unix)
{
  Dates dates = get_dates (self, now_unix);

  *out_next_unix = dates.next_unix;
  return dates.issued_unix;
}

static gboolean
has_recovered (const TeesqlSimCollateral *self, gboolean early)
{
  return self->state->recovery == TEESQL_SIM_RECOVERY_ALL || (early && self->state->recovery == TEESQL_SIM_RECOVERY_EARLY);
}

guint
teesql_sim_collateral_get_evaluation_number (const TeesqlSimCollateral *self, gboolean early)
{
  gboolean rolled_back = (self->state->faults & TEESQL_SIM_FAULT_ROLLED_BACK_COLLATERAL) != 0;

  return TEESQL_SIM_EVALUATION_NUMBER + (has_recovered (self, early) ? 1 : 0) - (rolled_back ? 1 : 0);
}

static void
add_date (JsonBuilder *builder, const char *name, gint64 unix_seconds)
{
  g_autoptr (GDateTime) when = g_date_time_new_from_unix_utc (unix_seconds);
  g_autofree char *text = g_date_time_format (when, "%Y-%m-%dT%H:%M:%SZ");

  teesql_sim_json_add_string (builder, name, text);
}

/* Intel prints hex in upper case */
static void
add_upper_hex (JsonBuilder *builder, const char *name, const guint8 *data, gsize size)
{
  g_autofree char *hex = teesql_hex_encode (data, size);
  g_autofree char *upper = g_ascii_strup (hex, -1);

  teesql_sim_json_add_string (builder, name, upper);
}

static void
add_components (JsonBuilder *builder, const char *name, const guint8 components[TEESQL_SIM_TCB_COMPONENTS])
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (guint i = 0; i < TEESQL_SIM_TCB_COMPONENTS; i++)
    {
      json_builder_begin_object (builder);
      teesql_sim_json_add_int (builder, "svn", components[i]);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_status (JsonBuilder *builder, const char *date, TeesqlSimTcbStatus status, const char *advisory)
{
  teesql_sim_json_add_string (builder, "tcbDate", date);
  teesql_sim_json_add_string (builder, "tcbStatus", teesql_sim_tcb_status_to_string (status));
  if (advisory == NULL)
    return;
  json_builder_set_member_name (builder, "advisoryIDs");
  json_builder_begin_array (builder);
  json_builder_add_string_value (builder, advisory);
  json_builder_end_array (builder);
}

static void
add_level (JsonBuilder *builder, const guint8 sgx[TEESQL_SIM_TCB_COMPONENTS], const char *date, TeesqlSimTcbStatus status,
           const char *advisory)
{
  /* components 0 and 1 describe the module, which has levels of its own; verifiers that compare them nevertheless are not misled */
  static const guint8 tdx[TEESQL_SIM_TCB_COMPONENTS] = { TEESQL_SIM_MODULE_OLD_ISVSVN, 0, TEESQL_SIM_TDX_MICROCODE };

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "tcb");
  json_builder_begin_object (builder);
  add_components (builder, "sgxtcbcomponents", sgx);
  teesql_sim_json_add_int (builder, "pcesvn", TEESQL_SIM_PCESVN);
  add_components (builder, "tdxtcbcomponents", tdx);
  json_builder_end_object (builder);
  add_status (builder, date, status, advisory);
  json_builder_end_object (builder);
}

/* what this collateral says of firmware at @level */
static void
add_judged_level (JsonBuilder *builder, const TeesqlSimCollateral *self, TeesqlSimTcbStatus level, gboolean recovered)
{
  TeesqlSimTcbStatus status = teesql_sim_tcb_status_merge (level, self->state->tcb_status);
  const char *advisory = teesql_sim_tcb_status_get_advisory (level);
  guint8 components[TEESQL_SIM_TCB_COMPONENTS];

  if (recovered)
    status = teesql_sim_tcb_status_merge (status, TEESQL_SIM_TCB_OUT_OF_DATE);
  if (advisory == NULL && status != TEESQL_SIM_TCB_UP_TO_DATE)
    advisory = recovered ? "INTEL-SA-99900" : teesql_sim_tcb_status_get_advisory (status);
  teesql_sim_tcb_get_sgx_components (level, components);
  add_level (builder, components, TCB_DATE, status, advisory);
}

static void
add_levels (JsonBuilder *builder, const TeesqlSimCollateral *self, gboolean recovered)
{
  guint8 components[TEESQL_SIM_TCB_COMPONENTS];

  json_builder_set_member_name (builder, "tcbLevels");
  json_builder_begin_array (builder);
  if (recovered)
    {
      teesql_sim_tcb_get_recovered_components (components);
      add_level (builder, components, RECOVERY_DATE, TEESQL_SIM_TCB_UP_TO_DATE, NULL);
    }
  for (guint i = 0; i < TEESQL_SIM_TCB_N_LEVELS; i++)
    add_judged_level (builder, self, (TeesqlSimTcbStatus) i, recovered);
  json_builder_end_array (builder);
}

/* opens an entry of QE or module identity levels and closes it */
static void
add_isvsvn_level (JsonBuilder *builder, guint isvsvn, TeesqlSimTcbStatus status, const char *advisory)
{
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "tcb");
  json_builder_begin_object (builder);
  teesql_sim_json_add_int (builder, "isvsvn", isvsvn);
  json_builder_end_object (builder);
  add_status (builder, TCB_DATE, status, advisory);
  json_builder_end_object (builder);
}

static void
add_module_signer (JsonBuilder *builder)
{
  teesql_sim_json_add_string (builder, "mrsigner", ZEROS_48);
  teesql_sim_json_add_string (builder, "attributes", "0000000000000000");
  teesql_sim_json_add_string (builder, "attributesMask", "FFFFFFFFFFFFFFFF");
}

static void
add_modules (JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "tdxModule");
  json_builder_begin_object (builder);
  add_module_signer (builder);
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "tdxModuleIdentities");
  json_builder_begin_array (builder);
  json_builder_begin_object (builder);
  teesql_sim_json_add_string (builder, "id", "TDX_01"); /* TEESQL_SIM_MODULE_VERSION */
  add_module_signer (builder);
  json_builder_set_member_name (builder, "tcbLevels");
  json_builder_begin_array (builder);
  add_isvsvn_level (builder, TEESQL_SIM_MODULE_ISVSVN, TEESQL_SIM_TCB_UP_TO_DATE, NULL);
  add_isvsvn_level (builder, TEESQL_SIM_MODULE_OLD_ISVSVN, TEESQL_SIM_TCB_OUT_OF_DATE, "INTEL-SA-99907");
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  json_builder_end_array (builder);
}

/* takes @builder's text, signs exactly those bytes */
static char *
sign_document (const TeesqlSimCollateral *self, const char *member, JsonBuilder *builder, GError **error)
{
  g_autofree char *text = teesql_sim_json_end (builder, FALSE);
  g_autofree char *hex = NULL;
  guint8 signature[64];

  if (!teesql_sim_key_sign_raw (self->platform->tcb_signing->key, (const guint8 *) text, strlen (text), signature, error))
    return NULL;
  hex = teesql_hex_encode (signature, sizeof signature);
  return g_strdup_printf ("{\"%s\":%s,\"signature\":\"%s\"}", member, text, hex);
}

static void
begin_document (JsonBuilder *builder, const char *id, gint64 version, Dates dates)
{
  json_builder_begin_object (builder);
  teesql_sim_json_add_string (builder, "id", id);
  teesql_sim_json_add_int (builder, "version", version);
  add_date (builder, "issueDate", dates.issued_unix);
  add_date (builder, "nextUpdate", dates.next_unix);
}

char *
teesql_sim_collateral_make_tcb_info (const TeesqlSimCollateral *self, gboolean early, gint64 now_unix, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  begin_document (builder, "TDX", 3, get_dates (self, now_unix));
  add_upper_hex (builder, "fmspc", self->platform->fmspc, sizeof self->platform->fmspc);
  teesql_sim_json_add_string (builder, "pceId", "0000");
  teesql_sim_json_add_int (builder, "tcbType", 0);
  teesql_sim_json_add_int (builder, "tcbEvaluationDataNumber", teesql_sim_collateral_get_evaluation_number (self, early));
  add_modules (builder);
  add_levels (builder, self, has_recovered (self, early));
  json_builder_end_object (builder);
  return sign_document (self, "tcbInfo", builder, error);
}

char *
teesql_sim_collateral_make_qe_identity (const TeesqlSimCollateral *self, gboolean early, gint64 now_unix, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  begin_document (builder, "TD_QE", 2, get_dates (self, now_unix));
  teesql_sim_json_add_int (builder, "tcbEvaluationDataNumber", teesql_sim_collateral_get_evaluation_number (self, early));
  teesql_sim_json_add_string (builder, "miscselect", "00000000");
  teesql_sim_json_add_string (builder, "miscselectMask", "FFFFFFFF");
  teesql_sim_json_add_string (builder, "attributes", "11000000000000000000000000000000");
  teesql_sim_json_add_string (builder, "attributesMask", "FBFFFFFFFFFFFFFF0000000000000000");
  add_upper_hex (builder, "mrsigner", self->platform->qe_mrsigner, sizeof self->platform->qe_mrsigner);
  teesql_sim_json_add_int (builder, "isvprodid", TEESQL_SIM_QE_ISVPRODID);
  json_builder_set_member_name (builder, "tcbLevels");
  json_builder_begin_array (builder);
  add_isvsvn_level (builder, TEESQL_SIM_QE_ISVSVN, TEESQL_SIM_TCB_UP_TO_DATE, NULL);
  add_isvsvn_level (builder, TEESQL_SIM_QE_ISVSVN - 2, TEESQL_SIM_TCB_OUT_OF_DATE, "INTEL-SA-99908");
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return sign_document (self, "enclaveIdentity", builder, error);
}

static void
add_evaluation (JsonBuilder *builder, guint number, const char *date)
{
  json_builder_begin_object (builder);
  teesql_sim_json_add_int (builder, "tcbEvaluationDataNumber", number);
  teesql_sim_json_add_string (builder, "tcbRecoveryEventDate", date);
  teesql_sim_json_add_string (builder, "tcbDate", date);
  json_builder_end_object (builder);
}

char *
teesql_sim_collateral_make_evaluation_numbers (const TeesqlSimCollateral *self, gint64 now_unix, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  guint standard = teesql_sim_collateral_get_evaluation_number (self, FALSE);
  guint early = teesql_sim_collateral_get_evaluation_number (self, TRUE);

  begin_document (builder, "TDX", 1, get_dates (self, now_unix));
  json_builder_set_member_name (builder, "tcbEvalNumbers");
  json_builder_begin_array (builder);
  if (early != standard)
    add_evaluation (builder, early, RECOVERY_DATE);
  add_evaluation (builder, standard, has_recovered (self, FALSE) ? RECOVERY_DATE : TCB_DATE);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return sign_document (self, "tcbEvaluationDataNumbers", builder, error);
}
