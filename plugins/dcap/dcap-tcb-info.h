#pragma once
#include "dcap-levels.h"
#include "dcap-pck.h"

G_BEGIN_DECLS

#define DCAP_TCB_INFO_MAX_SIZE ((gsize) 262144)

/**
 * DcapModuleIdentity:
 * @version: of the module, for which the entry is named `TDX_` and two hex digits; 0 for `tdxModule`
 * @levels: (nullable): none in `tdxModule`
 */
typedef struct
{
  guint version;
  guint8 mr_signer[48];
  guint8 attributes[8];
  guint8 attributes_mask[8];
  GArray *levels;
} DcapModuleIdentity;

typedef struct
{
  guint8 sgx[DCAP_N_COMPONENTS];
  guint8 tdx[DCAP_N_COMPONENTS];
  guint pce_svn;
  DcapVerdict verdict;
} DcapTcbLevel;

/**
 * DcapTcbInfo:
 * @levels: (element-type DcapTcbLevel): highest first, by SGX components, PCESVN, TDX components
 *
 * Intel's TDX TCB info, version 3: parsed, and proved by whoever made it
 */
typedef struct
{
  gint64 issue_date;
  gint64 next_update;
  guint evaluation;
  guint8 fmspc[DCAP_FMSPC_SIZE];
  guint8 pce_id[DCAP_PCE_ID_SIZE];
  DcapModuleIdentity module;
  GArray *module_identities;
  GArray *levels;
} DcapTcbInfo;

/**
 * dcap_tcb_info_parse:
 *
 * the `tcbInfo` object. Reasons: `tcb-info-json`, `tcb-info-id`, `tcb-info-version`.
 */
DcapTcbInfo *dcap_tcb_info_parse (const guint8 *data, gsize size, GError **error) TEESQL_MUST_USE;
void dcap_tcb_info_free (DcapTcbInfo *self);
/* entry for a module version above 0, or NULL */
const DcapModuleIdentity *dcap_tcb_info_find_module (const DcapTcbInfo *self, guint version);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapTcbInfo, dcap_tcb_info_free)
G_END_DECLS
