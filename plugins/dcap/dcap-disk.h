#pragma once
#include "dcap-item.h"

G_BEGIN_DECLS

/* One file an item: what was received, and when. Nothing read back is believed before it is proved again. */

/**
 * dcap_disk_write:
 *
 * whole or not at all, also after a power loss
 */
gboolean dcap_disk_write (const char *directory, const char *name, const DcapItem *item, gint64 fetched_at, GError **error) TEESQL_MUST_USE;
/* Returns: (transfer full) (nullable): %NULL without an error when there is no such file */
DcapItem *dcap_disk_read (const char *directory, const char *name, DcapItemKind kind, gint64 *out_fetched_at, GError **error)
    TEESQL_MUST_USE;
/* makes the folder, 0700, and tries whether it can be written */
gboolean dcap_disk_prepare (const char *directory, GError **error) TEESQL_MUST_USE;

G_END_DECLS
