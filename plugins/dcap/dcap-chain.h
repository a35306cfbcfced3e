#pragma once
#include "dcap-trust.h"

G_BEGIN_DECLS

#define DCAP_CHAIN_MAX_SIZE ((gsize) 16384)
#define DCAP_CHAIN_MAX_CERT 3

/**
 * DcapCertificate:
 *
 * the facts of one proved certificate: nothing is kept that threads could not share
 */
typedef struct
{
  guint8 key[DCAP_P256_KEY_SIZE];
  gint64 not_before;
  gint64 not_after;
  GBytes *subject; /* distinguished names as DER, compared byte by byte */
  GBytes *issuer;
  GBytes *serial; /* without leading zeros */
  char *common_name;
} DcapCertificate;

/**
 * DcapChainShape:
 *
 * what a chain must look like, leaf first
 */
typedef struct
{
  const char *name; /* of the chain, and the first part of its reasons: `pck-chain` */
  gsize max_size;
  guint n;
  const char *common_names[DCAP_CHAIN_MAX_CERT]; /* text that the names must contain */
  gboolean leaf_is_ca;
} DcapChainShape;

/**
 * DcapChain:
 * @extension: (nullable): value of the leaf's PCK extension
 *
 * a chain whose signatures lead to the trusted root's key. Immutable, refcounted, independent of time:
 * dcap_chain_check_time() is asked at each use.
 */
typedef struct
{
  gatomicrefcount ref_count;
  const DcapChainShape *shape;
  DcapCertificate certificates[DCAP_CHAIN_MAX_CERT];
  GBytes *extension;
} DcapChain;

extern const DcapChainShape dcap_chain_pck;
extern const DcapChainShape dcap_chain_pck_crl;
extern const DcapChainShape dcap_chain_tcb_info;
extern const DcapChainShape dcap_chain_qe_identity;

/**
 * dcap_chain_prove:
 *
 * Reasons: NAME then `-malformed`, `-length`, `-algorithm`, `-name`, `-issuer`, `-ca`, `-root`, `-signature`.
 */
DcapChain *dcap_chain_prove (const DcapChainShape *shape, const guint8 *pem, gsize size, const DcapTrust *trust, GError **error)
    TEESQL_MUST_USE;
DcapChain *dcap_chain_ref (DcapChain *self);
void dcap_chain_unref (DcapChain *self);
const DcapCertificate *dcap_chain_leaf (const DcapChain *self);
const DcapCertificate *dcap_chain_root (const DcapChain *self);
/**
 * dcap_chain_check_time:
 *
 * Reasons: NAME then `-expired`, `-not-yet-valid`.
 */
gboolean dcap_chain_check_time (const DcapChain *self, gint64 now, GError **error) TEESQL_MUST_USE;
gint64 dcap_chain_valid_until (const DcapChain *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapChain, dcap_chain_unref)
G_END_DECLS
