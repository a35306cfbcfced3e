#pragma once
#include "dcap-tcb-info.h"
#include "sdk/teesql-quote.h"

G_BEGIN_DECLS

/**
 * DcapTcbInput:
 * @qe_level: what the quoting enclave reaches
 *
 * everything the status is computed from. All of it is proved.
 */
typedef struct
{
  const TeesqlQuote *quote;
  const DcapPck *pck;
  const DcapTcbInfo *info;
  const DcapSvnLevel *qe_level;
} DcapTcbInput;

/**
 * DcapTcbResult:
 * @date: of the platform level
 * @advisory_ids: (element-type utf8): platform, module, quoting enclave, each once; borrowed
 */
typedef struct
{
  DcapStatus status;
  gint64 date;
  GPtrArray *advisory_ids;
} DcapTcbResult;

/**
 * dcap_tcb_evaluate:
 *
 * Intel's rules for module, platform level, convergence and relaunch (specification of DCAP verification, 4.1.2.4).
 * Reasons: `tdx-module-unknown`, `tdx-module-mrsigner`, `tdx-module-attributes`, `tcb-not-supported`.
 * Revoked is a status here.
 */
gboolean dcap_tcb_evaluate (const DcapTcbInput *input, DcapTcbResult *out_result, GError **error) TEESQL_MUST_USE;
void dcap_tcb_result_clear (DcapTcbResult *self);

G_END_DECLS
