#pragma once
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

/**
 * ita_fail:
 * @reason: stable identifier of the rule that was broken
 *
 * sets an error of #TEESQL_VERIFIER_ERROR. Returns: %FALSE, so that a check reads `return ita_fail (…)`
 */
gboolean ita_fail (GError **error, TeesqlError code, const char *reason, const char *format, ...) G_GNUC_PRINTF (4, 5);

/* what was read is wrong, as opposed to: it has no shape that could be read */
#define ita_refuse(error, ...) ita_fail (error, TEESQL_ERROR_REFUSED, __VA_ARGS__)
#define ita_reject(error, ...) ita_fail (error, TEESQL_ERROR_MALFORMED, __VA_ARGS__)

G_END_DECLS
