#pragma once
#include "status/teesql-status.h"

G_BEGIN_DECLS

/**
 * teesql_disk_watch_free_bytes:
 *
 * Returns: what a user without privileges may still write where @path is, or where its parent is; %G_MAXUINT64 when that cannot be told
 */
guint64 teesql_disk_watch_free_bytes (const char *path);
#define TEESQL_DISK_FULL          ((guint64) 4 << 20)
#define TEESQL_DISK_ROOM_TO_START ((guint64) 64 << 20)
/**
 * teesql_disk_watch_look:
 * @was_low: of the last look
 *
 * publishes the notice `disk-low` while less than 1 GiB and less than a tenth is left
 *
 * Returns: whether it is low
 */
gboolean teesql_disk_watch_look (TeesqlStatus *status, const char *path, gboolean was_low);

G_END_DECLS
