#pragma once
#include "storage/teesql-storage-arena.h"

G_BEGIN_DECLS

/**
 * TeesqlStorageLender:
 *
 * the runs of an arena, lent to whoever fills parts: ciphertext that is ready is copied into one, once, and the host reads it there. Runs
 * are no slots: the host never has a say in whose they are. Used from any thread; what is lent stays mapped when the host has gone, so that
 * a part can be sent to its successor. The host may change what lies there, as it may change what it stores: whoever compares a run's bytes
 * with what the store gives back compares the host with itself.
 */
typedef struct _TeesqlStorageLender TeesqlStorageLender;

/* Returns: (nullable): %NULL when there is no memory: then parts are copied, as all else is */
TeesqlStorageLender *teesql_storage_lender_new (const TeesqlStorageArena *arena) G_GNUC_WARN_UNUSED_RESULT;
TeesqlStorageLender *teesql_storage_lender_ref (TeesqlStorageLender *self);
void teesql_storage_lender_unref (TeesqlStorageLender *self);

/* Returns: (nullable): TEESQL_STORAGE_RUN_SIZE bytes, %NULL when all are lent */
guint8 *teesql_storage_lender_take (TeesqlStorageLender *self);
void teesql_storage_lender_give (TeesqlStorageLender *self, const guint8 *run);
/* whether @data is the beginning of a run, and of which */
gboolean teesql_storage_lender_find (const TeesqlStorageLender *self, const guint8 *data, gsize size, guint32 *out_run);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStorageLender, teesql_storage_lender_unref)
G_END_DECLS
