#pragma once
#include "storage/teesql-storage-arena.h"

G_BEGIN_DECLS

/**
 * TeesqlStorageLender:
 *
 * what of an arena is in the hands of other threads than the client's. Runs are lent to whoever fills parts: ciphertext that is ready is
 * copied into one, once, and the host reads it there. The host never has a say in whose they are. Slots that a get has filled are lent to
 * whoever reads it. Used from any thread; what is lent stays mapped when the host has gone, so that
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

/**
 * TeesqlStorageLease:
 * @data: bytes that the host may still change: to be copied out before anybody looks at them
 *
 * a slot that a get has filled, in the hands of who will copy it, on any thread. Its end gives the slot back.
 */
typedef struct
{
  guint8 *data;
  gsize size;
  /*< private >*/
  TeesqlStorageLender *lender;
  guint32 slot;
} TeesqlStorageLease;

TeesqlStorageLease *teesql_storage_lease_new (TeesqlStorageLender *lender, guint32 slot, gsize size) G_GNUC_WARN_UNUSED_RESULT;
void teesql_storage_lease_free (TeesqlStorageLease *self);

/* ---- for the client, on its thread ---- */

/* @func is called once, in @context, when a slot comes back after teesql_storage_lender_await() had said that there is none */
void teesql_storage_lender_watch (TeesqlStorageLender *self, GMainContext *context, GSourceFunc func, gpointer user_data);
void teesql_storage_lender_unwatch (TeesqlStorageLender *self);
guint64 teesql_storage_lender_collect (TeesqlStorageLender *self); /* slots that came back, by bits */
gboolean teesql_storage_lender_await (TeesqlStorageLender *self);  /* %TRUE: there is one to collect */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStorageLease, teesql_storage_lease_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStorageLender, teesql_storage_lender_unref)
G_END_DECLS
