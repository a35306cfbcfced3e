#pragma once
#include "ita-keys.h"

G_BEGIN_DECLS

/**
 * ita_chain_check:
 * @x5c: array of base64 DER, leaf first, root last
 * @key: its modulus and exponent are compared with the leaf's; what the chain says is written into it
 *
 * each certificate is signed by the next, the last by itself, all but the first are authorities. Dates are read, not judged: the caller
 * knows the time. Reason `key-chain`.
 */
gboolean ita_chain_check (DcapJsonNode x5c, ItaKey *key, GError **error) TEESQL_MUST_USE;

G_END_DECLS
