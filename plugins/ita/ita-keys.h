#pragma once
#include "ita-token.h"

G_BEGIN_DECLS

#define ITA_KEYS_MAX ((gsize) 262144)

/**
 * ItaKey:
 * @leaf: certificate of this key, DER
 * @anchor: SHA-256 of the root's SubjectPublicKeyInfo
 * @root: SHA-256 of the root certificate
 * @not_before: @not_after: in which all certificates of the chain are valid
 *
 * one RSA key whose chain holds together. Immutable.
 */
typedef struct
{
  char *kid;
  char *alg; /* (nullable): where the set restricts it */
  GBytes *modulus;
  GBytes *exponent;
  GBytes *leaf;
  guint8 anchor[32];
  guint8 root[32];
  gint64 not_before;
  gint64 not_after;
} ItaKey;

/**
 * ItaKeys:
 *
 * the authority's key set. Immutable, refcounted, free to cross threads.
 */
typedef struct _ItaKeys ItaKeys;

/**
 * ita_keys_parse:
 *
 * Reasons `keys-size`, `keys-json`, `keys-duplicate-name`, `keys-form`, `key-form`, `key-size`, `key-exponent`, `key-chain`. Keys that are
 * not RSA are passed over, so that a token that names one meets `token-kid-unknown`.
 */
ItaKeys *ita_keys_parse (GBytes *bytes, GError **error) TEESQL_MUST_USE;
ItaKeys *ita_keys_ref (ItaKeys *self);
void ita_keys_unref (ItaKeys *self);
/**
 * ita_keys_find:
 *
 * Returns: (nullable): reasons `token-kid-unknown`, `token-kid-ambiguous` where two keys share it
 */
const ItaKey *ita_keys_find (const ItaKeys *self, const char *kid, GError **error) TEESQL_MUST_USE;
/**
 * ita_key_verify:
 *
 * Reasons `token-alg` (the key is for another algorithm), `token-x5c`, `token-signature`.
 */
gboolean ita_key_verify (const ItaKey *self, const ItaToken *token, GError **error) TEESQL_MUST_USE;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItaKeys, ita_keys_unref)
G_END_DECLS
