#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

/* Answers that carry keys are scanned where they lie, in locked memory: no tree, no string that nobody wipes. */

/**
 * s3_scan_json:
 *
 * the text of @member in a flat JSON object of strings (what instance metadata answers).
 *
 * Returns: (transfer full) (nullable): %NULL with reason `s3-credentials-answer` when it is missing, empty, twice there, or has an escape
 */
TeesqlSecret *s3_scan_json (GBytes *answer, const char *member, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * s3_scan_xml:
 *
 * the text of the one element @member inside the one element `Credentials` (what STS answers)
 */
TeesqlSecret *s3_scan_xml (GBytes *answer, const char *member, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The bytes as text; for what is no secret (ids, dates) */
char *s3_scan_to_text (TeesqlSecret *secret) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
