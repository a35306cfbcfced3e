#pragma once
#include <teesql/teesql-evidence.h>
#include <teesql/teesql-tls-identity.h>
#include "dstack-buffer.h"

/* Answers of the agent's procedures, from bytes to values. Pure functions; errors: #TEESQL_PARSE_ERROR, reasons in each comment. */

/**
 * dstack_answer_key:
 *
 * `GetKey`: @body stands in locked memory, and so does what comes out. Reasons `agent-json`, `kms-key-size`
 */
TeesqlSecret *dstack_answer_key (const guint8 *body, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dstack_answer_tls_identity:
 *
 * `GetTlsKey`, with the checks of a client: P-256, the usages asked for, dates that meet those asked for, evidence in the leaf, key and
 * leaf belong together. Reasons `agent-json`, `agent-pem`, `tls-chain`, `tls-leaf`, `tls-leaf-key`, `tls-leaf-usage`, `tls-leaf-dates`,
 * `tls-leaf-evidence`
 */
TeesqlTlsIdentity *dstack_answer_tls_identity (const guint8 *body, gsize size, const TeesqlTlsRequest *request, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * dstack_answer_quote:
 * @report_data: 64 bytes asked for
 *
 * `GetQuote`. Reasons `agent-json`, `agent-answer-size`, `agent-report-data`, `no-tdx-quote`
 */
TeesqlEvidence *dstack_answer_quote (const guint8 *body, gsize size, const guint8 *report_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dstack_answer_info:
 * @version: (nullable)
 *
 * Returns: (transfer full) (nullable): `Info` as `a{sv}`, for display
 */
GVariant *dstack_answer_info (const guint8 *body, gsize size, const char *version, GError **error) G_GNUC_WARN_UNUSED_RESULT;
