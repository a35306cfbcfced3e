#pragma once
#include "dcap-levels.h"

G_BEGIN_DECLS

#define DCAP_QE_IDENTITY_MAX_SIZE ((gsize) 65536)
#define DCAP_ENCLAVE_REPORT_SIZE  384

/**
 * DcapQeIdentity:
 *
 * what Intel's TD quoting enclave looks like, version 2
 */
typedef struct
{
  gint64 issue_date;
  gint64 next_update;
  guint evaluation;
  guint8 misc_select[4];
  guint8 misc_select_mask[4];
  guint8 attributes[16];
  guint8 attributes_mask[16];
  guint8 mr_signer[32];
  guint isv_prod_id;
  GArray *levels;
} DcapQeIdentity;

/**
 * dcap_qe_identity_parse:
 *
 * the `enclaveIdentity` object. Reasons: `qe-identity-json`, `qe-identity-id`, `qe-identity-version`.
 */
DcapQeIdentity *dcap_qe_identity_parse (const guint8 *data, gsize size, GError **error) TEESQL_MUST_USE;
void dcap_qe_identity_free (DcapQeIdentity *self);
/**
 * dcap_qe_identity_check:
 * @report: the quoting enclave's own report, proved
 *
 * Reasons: `qe-miscselect`, `qe-attributes`, `qe-mrsigner`, `qe-isvprodid`, `tcb-not-supported`.
 *
 * Returns: (nullable): the level that the enclave reaches
 */
const DcapSvnLevel *dcap_qe_identity_check (const DcapQeIdentity *self, const guint8 report[DCAP_ENCLAVE_REPORT_SIZE], GError **error)
    TEESQL_MUST_USE;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapQeIdentity, dcap_qe_identity_free)
G_END_DECLS
