#pragma once
#include "storage/teesql-storage-lender.h"

G_BEGIN_DECLS

/**
 * TeesqlStorePool:
 *
 * buffers of one size that are used again and again. A buffer goes back when nobody holds it any more, on whatever thread that is; what a
 * call was given up with stays whole until the storage lets go of it.
 */
typedef struct _TeesqlStorePool TeesqlStorePool;

/**
 * TeesqlStoreBuffer:
 * @filled: bytes in it that mean something
 * @taken: of them, by its reader
 */
typedef struct
{
  guint8 *data;
  gsize capacity;
  gsize filled;
  gsize taken;
  /*< private >*/
  TeesqlStorePool *pool;
  TeesqlStorageLender *lender; /* @data is a run of it; %NULL: memory of our own */
  TeesqlStorageLease *lease;   /* (nullable): what @data is of */
  gatomicrefcount refs;
} TeesqlStoreBuffer;

TeesqlStorePool *teesql_store_pool_new (gsize buffer_size, guint keep) G_GNUC_WARN_UNUSED_RESULT;
TeesqlStorePool *teesql_store_pool_ref (TeesqlStorePool *self);
void teesql_store_pool_unref (TeesqlStorePool *self);
TeesqlStoreBuffer *teesql_store_pool_take (TeesqlStorePool *self) G_GNUC_WARN_UNUSED_RESULT;
/* @lender: (nullable): whose run it is if one can be had; for ciphertext that is ready, and for nothing else */
TeesqlStoreBuffer *teesql_store_pool_take_shared (TeesqlStorePool *self, TeesqlStorageLender *lender) G_GNUC_WARN_UNUSED_RESULT;

/* @lease: (transfer full): what a get has filled, which the host may still change: for who copies it out first */
TeesqlStoreBuffer *teesql_store_pool_wrap (TeesqlStorePool *self, TeesqlStorageLease *lease) G_GNUC_WARN_UNUSED_RESULT;

TeesqlStoreBuffer *teesql_store_buffer_ref (TeesqlStoreBuffer *self);
void teesql_store_buffer_unref (TeesqlStoreBuffer *self);
/* (transfer full): what is filled; holds a reference */
GBytes *teesql_store_buffer_as_bytes (TeesqlStoreBuffer *self) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStorePool, teesql_store_pool_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStoreBuffer, teesql_store_buffer_unref)
G_END_DECLS
