#pragma once
#include "dcap-chain.h"

G_BEGIN_DECLS

#define DCAP_CRL_MAX_SIZE ((gsize) 4194304)

/**
 * DcapCrl:
 *
 * a revocation list whose signature verified with its issuer's key. Immutable, owned by the item it came with.
 */
typedef struct
{
  gint64 this_update;
  gint64 next_update;
  GBytes *issuer; /* distinguished name, DER */
  GBytes *number; /* without leading zeros */
  GHashTable *serials;
} DcapCrl;

/**
 * dcap_crl_prove:
 * @name: `root-crl` or `pck-crl`
 *
 * Reasons: NAME then `-malformed`, `-algorithm`, `-signature`, `-number`, `-authority-key`, `-extension`.
 */
DcapCrl *dcap_crl_prove (const char *name, const guint8 *der, gsize size, const guint8 issuer_key[DCAP_P256_KEY_SIZE], GError **error)
    TEESQL_MUST_USE;
void dcap_crl_free (DcapCrl *self);
gboolean dcap_crl_is_revoked (const DcapCrl *self, const DcapCertificate *certificate) TEESQL_MUST_USE;
int dcap_crl_compare_number (const DcapCrl *a, const DcapCrl *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapCrl, dcap_crl_free)
G_END_DECLS
