#pragma once
#include "dcap-p256.h"
#include "dcap-seen.h"

G_BEGIN_DECLS

/**
 * DcapTrust:
 * @key: the root's public key, the only thing of a root that is believed
 * @anchor: SHA-256 of its SubjectPublicKeyInfo
 * @is_intel: whether that is Intel's SGX Root CA
 * @seen: (nullable): signatures under this root that need not be checked again; borrowed
 */
typedef struct
{
  guint8 key[DCAP_P256_KEY_SIZE];
  guint8 anchor[32];
  gboolean is_intel;
  DcapSeen *seen;
} DcapTrust;

void dcap_trust_init_intel (DcapTrust *self);
/**
 * dcap_trust_init_pem:
 *
 * one self-signed P-256 certificate. %TEESQL_ERROR_CONFIG with reason `trusted-root`.
 */
gboolean dcap_trust_init_pem (DcapTrust *self, const char *pem, gsize size, GError **error) TEESQL_MUST_USE;

G_END_DECLS
