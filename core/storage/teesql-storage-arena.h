#pragma once
#include "storage/teesql-storage-protocol.h"

G_BEGIN_DECLS

/**
 * TeesqlStorageArena:
 * @slots: TEESQL_STORAGE_N_SLOTS of TEESQL_STORAGE_SLOT_SIZE bytes, then TEESQL_STORAGE_N_RUNS of TEESQL_STORAGE_RUN_SIZE
 *
 * memory that daemon and host share: a memfd whose size is sealed, so that a host cannot shorten it under our feet (SIGBUS).
 *
 * A hostile host writes into it whenever it likes. So nothing is ever sealed into it, nor opened from it: bytes go in as ready ciphertext,
 * by a copy, and come out by one copy into memory of our own before anything looks at them. Whoever authenticated bytes where they lie
 * here, and then used them, would have authenticated other bytes.
 */
typedef struct
{
  int fd;
  guint8 *slots;
} TeesqlStorageArena;

gboolean teesql_storage_arena_make (TeesqlStorageArena *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* @fd: (transfer full): as it came from the daemon; size and seals are checked */
gboolean teesql_storage_arena_adopt (TeesqlStorageArena *out, int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* another mapping of the same memory, without a descriptor */
gboolean teesql_storage_arena_dup (TeesqlStorageArena *out, const TeesqlStorageArena *self) G_GNUC_WARN_UNUSED_RESULT;
guint8 *teesql_storage_arena_get (const TeesqlStorageArena *self, guint32 slot);
/* where in the memory run @run begins */
gsize teesql_storage_arena_run_offset (guint32 run);
void teesql_storage_arena_clear (TeesqlStorageArena *self);

/**
 * TeesqlStorageSlots:
 *
 * who has which slot; the daemon's side only. A call that wants one waits in line, so that none is passed over.
 */
typedef struct _TeesqlStorageSlots TeesqlStorageSlots;
TeesqlStorageSlots *teesql_storage_slots_new (void) G_GNUC_WARN_UNUSED_RESULT;
void teesql_storage_slots_free (TeesqlStorageSlots *self);
gboolean teesql_storage_slots_take (TeesqlStorageSlots *self, guint32 call, guint32 *out_slot) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_storage_slots_belongs (TeesqlStorageSlots *self, guint32 slot, guint32 call);
void teesql_storage_slots_give (TeesqlStorageSlots *self, guint32 slot);
void teesql_storage_slots_give_all (TeesqlStorageSlots *self, guint32 call);
guint teesql_storage_slots_count (TeesqlStorageSlots *self, guint32 call);
guint teesql_storage_slots_count_free (TeesqlStorageSlots *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TeesqlStorageArena, teesql_storage_arena_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStorageSlots, teesql_storage_slots_free)
G_END_DECLS
