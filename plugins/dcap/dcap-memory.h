#pragma once
#include "dcap-item.h"
#include "dcap-platform.h"

G_BEGIN_DECLS

/**
 * DcapMemory:
 *
 * what was proved once and holds whatever the time: platforms by the digest of their chain, facts by the digest of their item.
 * Both bounded, the least recently used goes first. Thread safe, refcounted.
 */
typedef struct _DcapMemory DcapMemory;

DcapMemory *dcap_memory_new (const DcapTrust *trust);
DcapMemory *dcap_memory_ref (DcapMemory *self);
void dcap_memory_unref (DcapMemory *self);
const DcapTrust *dcap_memory_get_trust (const DcapMemory *self);
/* dcap_platform_prove() and dcap_fact_prove(), asked once per digest. Refusals are not remembered. */
DcapPlatform *dcap_memory_prove_platform (DcapMemory *self, const guint8 *pem, gsize size, GError **error) TEESQL_MUST_USE;
DcapFact *dcap_memory_prove_fact (DcapMemory *self, DcapItem *item, GError **error) TEESQL_MUST_USE;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapMemory, dcap_memory_unref)
G_END_DECLS
