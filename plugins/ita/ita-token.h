#pragma once
#include "ita-json.h"

G_BEGIN_DECLS

#define ITA_TOKEN_MAX ((gsize) 65536)

/**
 * ItaTokenRules:
 * @allow_rs256: RS256 beside PS384
 * @key_set_url: what a `jku` must be, if there is one
 */
typedef struct
{
  gboolean allow_rs256;
  const char *key_set_url;
} ItaTokenRules;

/**
 * ItaToken:
 * @signed_text: the first two parts, borrowed from the caller's text
 * @kid: names the key in the configured set; nothing else in the header says where keys are
 * @x5c: (nullable): first certificate of a chain in the header: foreign unless it is the key's own
 *
 * a compact JWS cut into its parts. Parsed, nothing proved.
 */
typedef struct
{
  const char *signed_text;
  gsize signed_size;
  gboolean rs256;
  char *kid;
  GBytes *x5c;
  GBytes *payload_bytes;
  DcapJson *payload; /* borrows from @payload_bytes */
  GBytes *signature;
} ItaToken;

/**
 * ita_base64url_decode:
 *
 * strict: no padding, no other alphabet, no length that no bytes have, no bits left over. Reason `token-base64url`.
 */
GBytes *ita_base64url_decode (const char *text, gsize size, GError **error) TEESQL_MUST_USE;
/**
 * ita_token_parse:
 * @text: kept by the caller as long as the token
 *
 * size, parts, base64url, JSON, header. Reasons `token-size`, `token-form`, `token-base64url`, `token-json`, `token-duplicate-name`,
 * `token-header`, `token-alg-none`, `token-alg-hmac`, `token-alg`, `token-crit`, `token-jwk`, `token-x5u`, `token-x5c`, `token-jku`,
 * `token-kid`.
 */
ItaToken *ita_token_parse (const char *text, gsize size, const ItaTokenRules *rules, GError **error) TEESQL_MUST_USE;
void ita_token_free (ItaToken *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ItaToken, ita_token_free)
G_END_DECLS
