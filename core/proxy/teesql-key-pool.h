#pragma once
#include "reactor/teesql-worker.h"

G_BEGIN_DECLS

typedef void (*TeesqlKeyPoolFunc) (gpointer job);

/**
 * TeesqlKeyPool:
 *
 * threads for key derivation, which would hold up a worker for half a millisecond and more.
 */
typedef struct _TeesqlKeyPool TeesqlKeyPool;

TeesqlKeyPool *teesql_key_pool_new (guint n_threads) G_GNUC_WARN_UNUSED_RESULT;
void teesql_key_pool_free (TeesqlKeyPool *self); /* waits for what was begun; its @done are posted by then */
/**
 * teesql_key_pool_run: (any thread)
 * @work: on a thread of the pool
 * @done: afterwards, always, on @worker: frees @job
 */
void teesql_key_pool_run (TeesqlKeyPool *self, TeesqlWorker *worker, TeesqlKeyPoolFunc work, TeesqlKeyPoolFunc done, gpointer job);

G_END_DECLS
