#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/* CRC-32C (Castagnoli), as PostgreSQL's manifests and object stores use it: finds accidents, never attacks. */

/**
 * teesql_crc32c:
 * @crc: of the bytes before these; 0 at the beginning
 *
 * Returns: of all bytes so far. Uses the processor's instruction where there is one.
 */
TEESQL_API guint32 teesql_crc32c (guint32 crc, const guint8 *data, gsize size);
/* the same without the instruction: a processor that has it would never show a fault here */
TEESQL_API guint32 teesql_crc32c_by_table (guint32 crc, const guint8 *data, gsize size);
/**
 * teesql_crc32c_combine:
 *
 * Returns: of a and b one behind the other, from their own sums and the size of b
 */
TEESQL_API guint32 teesql_crc32c_combine (guint32 a, guint32 b, guint64 size_b);

G_END_DECLS
