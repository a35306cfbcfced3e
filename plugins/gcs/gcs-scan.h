#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

/* Members of a flat JSON object that holds secrets: read where it lies, in locked memory, without a tree of copies. */

/**
 * gcs_scan_text:
 * @json: (array length=size)
 *
 * the text of member @name, escapes resolved (of `\u` only those of ASCII). Reasons in #TEESQL_STORAGE_ERROR: `gcs-json` when it is no object of
 * texts, numbers and words, holds the member twice, or not as a text of 1 to %TEESQL_SECRET_MAX_SIZE bytes.
 */
TeesqlSecret *gcs_scan_text (const guint8 *json, gsize size, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* a number without sign, point and exponent */
gboolean gcs_scan_number (const guint8 *json, gsize size, const char *name, guint64 *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the text of a public member: printable ASCII without quotes and backslashes, at most 512 characters; %NULL with @error */
char *gcs_scan_public (const guint8 *json, gsize size, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
