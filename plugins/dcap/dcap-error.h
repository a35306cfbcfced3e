#pragma once
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

/**
 * dcap_fail:
 * @reason: stable identifier of the rule that was broken
 *
 * sets an error of #TEESQL_VERIFIER_ERROR. Returns: %FALSE, so that a check reads `return dcap_fail (…)`
 */
gboolean dcap_fail (GError **error, TeesqlError code, const char *reason, const char *format, ...) G_GNUC_PRINTF (4, 5);
/**
 * dcap_fail_item:
 *
 * the same for rules that hold for several things: the reason is `@item-@rule` (`pck-crl` and `expired`)
 */
gboolean dcap_fail_item (GError **error, TeesqlError code, const char *item, const char *rule, const char *format, ...)
    G_GNUC_PRINTF (5, 6);
/**
 * dcap_fail_parse:
 * @cause: (transfer full): what the bounded reader said; its text is kept, its domain and reason are not
 */
gboolean dcap_fail_parse (GError **error, const char *item, const char *rule, GError *cause);

G_END_DECLS
