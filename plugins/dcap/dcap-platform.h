#pragma once
#include "dcap-chain.h"
#include "dcap-pck.h"

G_BEGIN_DECLS

typedef enum
{
  DCAP_CA_PLATFORM,
  DCAP_CA_PROCESSOR
} DcapCa;

/**
 * DcapPlatform:
 *
 * the machine behind a PCK chain that leads to the trusted root. Immutable, refcounted.
 */
typedef struct
{
  gatomicrefcount ref_count;
  DcapChain *chain;
  DcapPck pck;
  DcapCa ca;
} DcapPlatform;

/**
 * dcap_platform_prove:
 *
 * Reasons: those of the chain (`pck-chain-…`), `pck-extension`.
 */
DcapPlatform *dcap_platform_prove (const guint8 *pem, gsize size, const DcapTrust *trust, GError **error) TEESQL_MUST_USE;
DcapPlatform *dcap_platform_ref (DcapPlatform *self);
void dcap_platform_unref (DcapPlatform *self);
const char *dcap_ca_name (DcapCa ca);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapPlatform, dcap_platform_unref)
G_END_DECLS
