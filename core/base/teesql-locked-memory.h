#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * teesql_locked_alloc:
 *
 * zeroed memory for key bytes that are being made or scanned: locked, left out of core dumps and forked children.
 * Whole pages, so for short use and for #TeesqlSecret; not for many small values.
 *
 * Returns: (nullable): %NULL with G_IO_ERROR_NO_SPACE and a hint about RLIMIT_MEMLOCK
 */
TEESQL_API guint8 *teesql_locked_alloc (gsize size, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_locked_free (guint8 *data, gsize size); /* wipes; NULL is fine */
TEESQL_API void teesql_wipe (void *data, gsize size);          /* explicit_bzero */
/**
 * teesql_process_harden:
 *
 * for every program, before secrets exist: not dumpable, no_new_privs, core limit 0, mlockall where the limit allows
 * (@out_locked tells). Never fails the start.
 */
TEESQL_API void teesql_process_harden (gboolean *out_locked);

G_END_DECLS
