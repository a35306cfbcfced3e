#pragma once
#include "dcap-crl.h"
#include "dcap-qe-identity.h"
#include "dcap-tcb-info.h"

G_BEGIN_DECLS

typedef enum
{
  DCAP_ITEM_ROOT_CRL,
  DCAP_ITEM_PCK_CRL,
  DCAP_ITEM_TCB_INFO,
  DCAP_ITEM_QE_IDENTITY,
} DcapItemKind;

#define DCAP_N_ITEMS 4

/**
 * DcapItem:
 * @body: CRL as DER, or the signed JSON object exactly as received
 * @signature: (nullable): 64 bytes r, s over @body for JSON
 * @issuer_chain: (nullable): PEM; %NULL for the root CRL
 *
 * one item of collateral as somebody delivered it: nothing proved. Immutable, refcounted.
 */
typedef struct
{
  gatomicrefcount ref_count;
  DcapItemKind kind;
  GBytes *body;
  GBytes *signature;
  GBytes *issuer_chain;
} DcapItem;

/* `root-crl`, `pck-crl`, `tcb-info`, `qe-identity`: first part of reasons, of file names */
const char *dcap_item_kind_name (DcapItemKind kind);
gsize dcap_item_kind_max_size (DcapItemKind kind);

DcapItem *dcap_item_new (DcapItemKind kind, GBytes *body, GBytes *signature, GBytes *issuer_chain);
/**
 * dcap_item_new_from_response:
 * @response: body of Intel's answer: CRL as DER, hex text or PEM, or `{"tcbInfo":{…},"signature":"…"}`
 *
 * cuts the signed bytes out as they stand. Reasons: KIND then `-json`, `-malformed`.
 */
DcapItem *dcap_item_new_from_response (DcapItemKind kind, GBytes *response, GBytes *issuer_chain, GError **error) TEESQL_MUST_USE;
DcapItem *dcap_item_ref (DcapItem *self);
void dcap_item_unref (DcapItem *self);
void dcap_item_digest (const DcapItem *self, guint8 out_digest[32]);

/**
 * DcapFact:
 * @chain: (nullable): certificates that lead from its signature to the root
 * @issued_at: issueDate or thisUpdate
 * @next_update: its own end, without the certificates'
 *
 * one item whose signature leads to the trusted root. Immutable, refcounted, independent of time.
 */
typedef struct
{
  gatomicrefcount ref_count;
  DcapItem *item;
  DcapChain *chain;
  gint64 issued_at;
  gint64 next_update;
  DcapCrl *crl;
  DcapTcbInfo *tcb_info;
  DcapQeIdentity *qe_identity;
} DcapFact;

DcapFact *dcap_fact_prove (DcapItem *item, const DcapTrust *trust, GError **error) TEESQL_MUST_USE;
DcapFact *dcap_fact_ref (DcapFact *self);
void dcap_fact_unref (DcapFact *self);
/**
 * dcap_fact_check_time:
 * @tolerance: seconds by which the issue date may lie ahead of @now; the end has none
 *
 * Reasons: KIND then `-expired`, `-not-yet-valid`, and those of the chain.
 */
gboolean dcap_fact_check_time (const DcapFact *self, gint64 now, gint64 tolerance, GError **error) TEESQL_MUST_USE;
gint64 dcap_fact_valid_until (const DcapFact *self);
/**
 * dcap_fact_check_order:
 *
 * @self must not be older than what was proved before: evaluation number, issue date, CRL number. Reason KIND`-rollback`.
 */
gboolean dcap_fact_check_order (const DcapFact *self, const DcapFact *before, GError **error) TEESQL_MUST_USE;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapItem, dcap_item_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapFact, dcap_fact_unref)
G_END_DECLS
