#pragma once
#include "storage/teesql-storage-arena.h"

G_BEGIN_DECLS

/**
 * TeesqlStoragePart:
 *
 * the bytes of one upload's part in the host, without a copy: its slots, wherever they lie, are mapped one behind the other. A plugin may
 * keep a reference to the bytes for as long as it likes, but the daemon wants its slots back with the answer: teesql_storage_part_settle()
 * then puts a copy under the same addresses.
 */
typedef struct _TeesqlStoragePart TeesqlStoragePart;

TeesqlStoragePart *teesql_storage_part_new (gsize size) G_GNUC_WARN_UNUSED_RESULT; /* (nullable): no memory */
void teesql_storage_part_unref (TeesqlStoragePart *self);
/* %FALSE when it does not fit in or cannot be mapped */
gboolean teesql_storage_part_add (TeesqlStoragePart *self, const TeesqlStorageArena *arena, guint32 slot, gsize length)
    G_GNUC_WARN_UNUSED_RESULT;
/* @kept: (array fixed-size=TEESQL_STORAGE_N_RUNS): what is still mapped of earlier parts. Complete at once */
TeesqlStoragePart *teesql_storage_part_new_for_run (TeesqlStoragePart **kept, const TeesqlStorageArena *arena, guint32 run, gsize size)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_storage_part_is_complete (const TeesqlStoragePart *self);
GBytes *teesql_storage_part_dup_bytes (TeesqlStoragePart *self) G_GNUC_WARN_UNUSED_RESULT;
/* %TRUE when somebody holds the bytes: @source goes to the default context once nobody does */
gboolean teesql_storage_part_wait (TeesqlStoragePart *self, GSource *source) G_GNUC_WARN_UNUSED_RESULT;
/* destroys @source; %TRUE when the bytes are held still */
gboolean teesql_storage_part_stop_waiting (TeesqlStoragePart *self, GSource *source) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_storage_part_settle (TeesqlStoragePart *self) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStoragePart, teesql_storage_part_unref)
G_END_DECLS
