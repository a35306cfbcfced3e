#pragma once
#include "base/teesql-cursor.h"

G_BEGIN_DECLS

/* SCALE, as far as the attestation needs it: fixed little-endian integers are the cursor's own, lengths and counts are
 * compact integers, which have exactly one accepted spelling here. */

gboolean teesql_scale_compact (TeesqlCursor *cursor, const char *field, guint32 *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_scale_bytes (TeesqlCursor *cursor, const char *field, gsize max, GBytes **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* UTF-8 without NUL */
gboolean teesql_scale_text (TeesqlCursor *cursor, const char *field, gsize max, char **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void teesql_scale_write_u32 (GByteArray *out, guint32 value);
void teesql_scale_write_compact (GByteArray *out, guint32 value);
void teesql_scale_write_bytes (GByteArray *out, const void *data, gsize size);

G_END_DECLS
