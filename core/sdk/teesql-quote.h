#pragma once
#include "base/teesql-cursor.h"
#include <teesql/teesql-claims.h>

G_BEGIN_DECLS

#define TEESQL_QUOTE_MIN_SIZE ((gsize) 1020)

/**
 * TeesqlQuote:
 * @version: 4 or 5
 * @body_type: 2 TD 1.0, 3 TD 1.5 (4 and TD 1.0 for version 4)
 * @body: (array): 584 or 648 bytes
 * @signed_bytes: what the quote's signature covers
 * @auth: cursor over the authentication data
 *
 * an ECDSA P-256 TDX quote cut into its parts (layout: Intel TDX DCAP quote v4/v5). Borrowed from the bytes given. Parsed, nothing proved.
 */
typedef struct {
  guint version;
  guint body_type;
  const guint8 *body;
  gsize body_size;
  const guint8 *signed_bytes;
  gsize signed_size;
  TeesqlCursor auth;
} TeesqlQuote;

/**
 * teesql_quote_parse:
 *
 * header, body, auth data. What stands behind them is signed by nobody: agents pad with zeros, and nothing is ever read from it. Other versions, key types and TEEs are %TEESQL_ERROR_UNSUPPORTED, the
 * rest %TEESQL_ERROR_MALFORMED, in #TEESQL_VERIFIER_ERROR, with reasons `quote-version`, `quote-key-type`, `quote-tee-type`,
 * `quote-qe-vendor`, `quote-body-type`, `quote-size`, `quote-truncated`.
 */
TEESQL_API gboolean teesql_quote_parse (const guint8 *data, gsize size, TeesqlQuote *out_quote, GError **error) TEESQL_MUST_USE;
/**
 * teesql_quote_get_field:
 *
 * Returns: (nullable): bytes inside the body for the fields it has; %NULL for what a body of this type does not have
 *   (and for FMSPC, PPID and the like, which are not in it)
 */
TEESQL_API const guint8 *teesql_quote_get_field (const TeesqlQuote *self, TeesqlField field, gsize *out_size);

G_END_DECLS
