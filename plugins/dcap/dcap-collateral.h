#pragma once
#include "dcap-item.h"

G_BEGIN_DECLS

/**
 * DcapCollateral:
 * @pck_chain: (nullable): PEM, for quotes that carry no certificate themselves
 *
 * one set of items as delivered: nothing proved. Immutable, refcounted.
 */
typedef struct
{
  gatomicrefcount ref_count;
  DcapItem *items[DCAP_N_ITEMS];
  GBytes *pck_chain;
} DcapCollateral;

/**
 * dcap_collateral_parse_bundle:
 *
 * one JSON object of strings: `tcb_info`, `tcb_info_signature`, `tcb_info_issuer_chain`, the same three of `qe_identity`, `pck_crl`,
 * `pck_crl_issuer_chain`, `root_ca_crl`, and perhaps `pck_certificate_chain`. Reason `collateral-bundle`.
 */
DcapCollateral *dcap_collateral_parse_bundle (const guint8 *data, gsize size, GError **error) TEESQL_MUST_USE;
/**
 * dcap_collateral_load:
 * @path: a bundle, or a folder of answers of Intel's service
 *
 * blocks. Reasons: `collateral-file`, `collateral-bundle`, those of the items.
 */
DcapCollateral *dcap_collateral_load (const char *path, GError **error) TEESQL_MUST_USE;
DcapCollateral *dcap_collateral_ref (DcapCollateral *self);
void dcap_collateral_unref (DcapCollateral *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapCollateral, dcap_collateral_unref)
G_END_DECLS
