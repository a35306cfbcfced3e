#include "dcap-tcb.h"

#include "dcap-error.h"

#define BODY_TD_1_5 3

/* where TEE_TCB_SVN keeps the module's own numbers; the rest are components of the platform */
#define SVN_MODULE_ISV     0
#define SVN_MODULE_VERSION 1
#define SVN_SEAM_LOADER    2

typedef struct
{
  const DcapTcbInput *in;
  const guint8 *svn;
  const DcapModuleIdentity *module;
  const DcapSvnLevel *module_level; /* NULL for module version 0, which has no levels of its own */
  const DcapTcbLevel *sgx_level;    /* first level reached by the SGX part alone */
  const DcapTcbLevel *level;
} Evaluation;

static gboolean
find_module (Evaluation *self, GError **error)
{
  guint version = self->svn[SVN_MODULE_VERSION];

  self->module = version == 0 ? &self->in->info->module : dcap_tcb_info_find_module (self->in->info, version);
  if (self->module == NULL)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "tdx-module-unknown", "tdx module: tcb info has no entry TDX_%02X", version);
  return TRUE;
}

static gboolean
check_module_identity (const Evaluation *self, GError **error)
{
  static const guint8 zeros[8];
  gsize size = 0;
  const guint8 *mr_signer = teesql_quote_get_field (self->in->quote, TEESQL_FIELD_MRSIGNERSEAM, &size);
  const guint8 *attributes = teesql_quote_get_field (self->in->quote, TEESQL_FIELD_SEAM_ATTRIBUTES, &size);

  if (memcmp (mr_signer, self->module->mr_signer, sizeof self->module->mr_signer) != 0)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "tdx-module-mrsigner", "tdx module: MRSIGNERSEAM is not the signer of the tcb info");
  if (memcmp (attributes, zeros, sizeof zeros) != 0 || memcmp (attributes, self->module->attributes, sizeof self->module->attributes) != 0)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "tdx-module-attributes",
                      "tdx module: SEAMATTRIBUTES are not zero or not those of the tcb info");
  return TRUE;
}

static gboolean
match_module (Evaluation *self, GError **error)
{
  if (self->module->levels == NULL)
    return TRUE;
  self->module_level = dcap_svn_levels_match (self->module->levels, self->svn[SVN_MODULE_ISV]);
  if (self->module_level == NULL)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "tcb-not-supported", "tdx module: ISVSVN %u is below every level of TDX_%02X",
                      self->svn[SVN_MODULE_ISV], self->svn[SVN_MODULE_VERSION]);
  return TRUE;
}

static gboolean
reaches (const guint8 *have, const guint8 *want, guint first)
{
  for (guint i = first; i < DCAP_N_COMPONENTS; i++)
    if (have[i] < want[i])
      return FALSE;
  return TRUE;
}

static gboolean
match_level (Evaluation *self, GError **error)
{
  const DcapPck *pck = self->in->pck;
  /* a module with levels of its own was judged there: its two numbers do not count again (4.1.2.4.17.3) */
  guint first = self->svn[SVN_MODULE_VERSION] > 0 ? SVN_SEAM_LOADER : 0;

  for (guint i = 0; i < self->in->info->levels->len; i++)
    {
      const DcapTcbLevel *level = &g_array_index (self->in->info->levels, DcapTcbLevel, i);
      if (!reaches (pck->components, level->sgx, 0) || pck->pce_svn < level->pce_svn)
        continue;
      if (self->sgx_level == NULL)
        self->sgx_level = level;
      if (reaches (self->svn, level->tdx, first))
        {
          self->level = level;
          return TRUE;
        }
    }
  return dcap_fail (error, TEESQL_ERROR_REFUSED, "tcb-not-supported", "platform: %s below every one of the %u levels of the tcb info",
                    self->sgx_level == NULL ? "CPUSVN or PCESVN lies" : "TDX components lie", self->in->info->levels->len);
}

/* How a module's or an enclave's own state lowers that of the platform. */
static DcapStatus
converge (DcapStatus status, DcapStatus part)
{
  if (part == DCAP_STATUS_REVOKED || status == DCAP_STATUS_REVOKED)
    return DCAP_STATUS_REVOKED;
  if (part != DCAP_STATUS_OUT_OF_DATE)
    return status;
  switch (status)
    {
    case DCAP_STATUS_UP_TO_DATE:
    case DCAP_STATUS_SW_HARDENING_NEEDED:
      return DCAP_STATUS_OUT_OF_DATE;
    case DCAP_STATUS_CONFIGURATION_NEEDED:
    case DCAP_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED:
      return DCAP_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED;
    case DCAP_STATUS_OUT_OF_DATE:
    case DCAP_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED:
    case DCAP_STATUS_REVOKED:
    case DCAP_STATUS_TD_RELAUNCH_ADVISED:
    case DCAP_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED:
    default:
      return status;
    }
}

static gboolean
needs_configuration (DcapStatus status)
{
  return status == DCAP_STATUS_CONFIGURATION_NEEDED || status == DCAP_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
         status == DCAP_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

static gboolean
relaunch_may_apply (const Evaluation *self, DcapStatus status)
{
  DcapStatus sgx = self->sgx_level->verdict.status;

  return self->in->quote->body_type == BODY_TD_1_5 && self->in->qe_level->verdict.status == DCAP_STATUS_UP_TO_DATE &&
         (sgx == DCAP_STATUS_UP_TO_DATE || sgx == DCAP_STATUS_SW_HARDENING_NEEDED || sgx == DCAP_STATUS_CONFIGURATION_NEEDED ||
          sgx == DCAP_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED) &&
         (status == DCAP_STATUS_OUT_OF_DATE || status == DCAP_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED) && self->module_level != NULL &&
         self->module_level->verdict.status == DCAP_STATUS_OUT_OF_DATE;
}

/* The host was updated after this TD started: TEE_TCB_SVN2 is what the module would say now (4.1.2.4.17.4.3). */
static gboolean
apply_relaunch (const Evaluation *self, DcapStatus *io_status, GError **error)
{
  const DcapTcbLevel *newest = &g_array_index (self->in->info->levels, DcapTcbLevel, 0);
  gsize size = 0;
  const guint8 *svn2 = teesql_quote_get_field (self->in->quote, TEESQL_FIELD_TEE_TCB_SVN2, &size);
  guint wanted = newest->tdx[SVN_MODULE_ISV];

  if (!relaunch_may_apply (self, *io_status) || svn2 == NULL)
    return TRUE;
  if (svn2[SVN_MODULE_VERSION] > 0)
    {
      const DcapModuleIdentity *module = dcap_tcb_info_find_module (self->in->info, svn2[SVN_MODULE_VERSION]);
      if (module == NULL)
        return dcap_fail (error, TEESQL_ERROR_REFUSED, "tdx-module-unknown", "tdx module: tcb info has no entry TDX_%02X (TEE_TCB_SVN2)",
                          svn2[SVN_MODULE_VERSION]);
      wanted = g_array_index (module->levels, DcapSvnLevel, 0).isv_svn;
    }
  if (svn2[SVN_MODULE_ISV] < wanted || svn2[SVN_SEAM_LOADER] < newest->tdx[SVN_SEAM_LOADER])
    return TRUE;
  *io_status = needs_configuration (self->sgx_level->verdict.status) || needs_configuration (*io_status)
                   ? DCAP_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED
                   : DCAP_STATUS_TD_RELAUNCH_ADVISED;
  return TRUE;
}

static void
add_advisories (GPtrArray *list, const DcapVerdict *verdict)
{
  for (char **id = verdict->advisory_ids; *id != NULL; id++)
    if (!g_ptr_array_find_with_equal_func (list, *id, g_str_equal, NULL))
      g_ptr_array_add (list, *id);
}

gboolean
dcap_tcb_evaluate (const DcapTcbInput *input, DcapTcbResult *out_result, GError **error)
{
  Evaluation self = { .in = input };
  gsize size = 0;

  self.svn = teesql_quote_get_field (input->quote, TEESQL_FIELD_TEE_TCB_SVN, &size);
  if (!find_module (&self, error) || !check_module_identity (&self, error) || !match_module (&self, error) || !match_level (&self, error))
    return FALSE;
  DcapStatus status = self.level->verdict.status;
  if (self.module_level != NULL)
    status = converge (status, self.module_level->verdict.status);
  if (!apply_relaunch (&self, &status, error))
    return FALSE;
  out_result->status = converge (status, input->qe_level->verdict.status);
  out_result->date = self.level->verdict.date;
  out_result->advisory_ids = g_ptr_array_new ();
  add_advisories (out_result->advisory_ids, &self.level->verdict);
  if (self.module_level != NULL)
    add_advisories (out_result->advisory_ids, &self.module_level->verdict);
  add_advisories (out_result->advisory_ids, &input->qe_level->verdict);
  return TRUE;
}

void
dcap_tcb_result_clear (DcapTcbResult *self)
{
  g_clear_pointer (&self->advisory_ids, g_ptr_array_unref);
}
