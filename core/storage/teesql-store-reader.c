#include "storage/teesql-store-call.h"

#include <string.h>

/* A thread fetches ahead; the reader takes. Where a stream breaks, another is opened at that byte. */

#define CHUNK_SIZE   ((gsize) 1024 * 1024)     /* a turn of the store's thread, and what a host sends at once */
#define READ_MORE    ((gsize) 2 * 1024 * 1024) /* what is held beyond read_ahead */
#define PROGRESS_MIN ((guint64) 1024 * 1024)   /* a store that breaks off more often than this is not forgiven for it */

struct _TeesqlStoreReader
{
  TeesqlStore *store;
  char *name;
  GCancellable *outer;
  gulong outer_id;
  GCancellable *cancellable;
  TeesqlStorePool *pool;
  guint max_chunks;
  GThread *thread;

  /* the thread's */
  guint64 begun;
  guint64 offset;
  guint64 length; /* left to fetch; %G_MAXUINT64: to the end */
  TeesqlStoreStream *stream;
  guint64 since_failure;
  TeesqlStorageRetry retry;

  GMutex lock;
  GCond changed;
  GQueue chunks; /* TeesqlStoreBuffer */
  gboolean fetched;
  gboolean freed;
  GError *error;
};

/* ---- the thread ---- */

static gboolean
open_stream (TeesqlStoreReader *self, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_get, self->name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  request->offset = self->offset;
  request->length = self->length;
  if (!teesql_store_ask_once (self->store, request, self->retry.deadline_us, self->cancellable, &answer, error))
    return FALSE;
  self->stream = g_steal_pointer (&answer.stream);
  return TRUE;
}

/* To take up an open-ended read again, the end has to be known: an offset at it is no range to every store. */
static gboolean
learn_length (TeesqlStoreReader *self, GError **error)
{
  g_autoptr (TeesqlObjectInfo) info = teesql_store_stat (self->store, self->name, self->cancellable, error);
  guint64 size = 0;

  if (info == NULL)
    return FALSE;
  size = teesql_object_info_get_size (info);
  if (size < self->offset)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "object-size", 0,
                                                  "%s has %" G_GUINT64_FORMAT " bytes, after %" G_GUINT64_FORMAT " were read", self->name,
                                                  size, self->offset));
      return FALSE;
    }
  self->length = size - self->offset;
  return TRUE;
}

static void
account (TeesqlStoreReader *self, gsize n)
{
  self->offset += n;
  if (self->length != G_MAXUINT64)
    self->length -= MIN (self->length, n);
  self->since_failure += n;
  if (self->since_failure < PROGRESS_MIN || self->retry.n_failures == 0)
    return;
  self->since_failure = 0;
  teesql_storage_retry_progress (&self->retry, g_get_monotonic_time (), teesql_store_get_retry_deadline (self->store));
}

/* The time that the reader takes is none of the store's. */
static gboolean
wait_room (TeesqlStoreReader *self)
{
  gint64 begun_us = g_get_monotonic_time ();
  gboolean room = FALSE;

  g_mutex_lock (&self->lock);
  while (g_queue_get_length (&self->chunks) >= self->max_chunks && !self->freed)
    g_cond_wait (&self->changed, &self->lock);
  room = !self->freed;
  g_mutex_unlock (&self->lock);
  if (self->retry.n_failures == 0)
    teesql_storage_retry_init (&self->retry, g_get_monotonic_time (), teesql_store_get_retry_deadline (self->store));
  else
    self->retry.deadline_us += g_get_monotonic_time () - begun_us;
  return room;
}

/* @chunk: (transfer full) */
static void
push (TeesqlStoreReader *self, TeesqlStoreBuffer *chunk, gsize n)
{
  if (n == 0)
    {
      teesql_store_buffer_unref (chunk);
      return;
    }
  chunk->filled = n;
  account (self, n);
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->chunks, chunk);
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

/* One chunk. What came before a break is good and counts. */
static gboolean
fetch_chunk (TeesqlStoreReader *self, gboolean *out_end, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_take, self->name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  gboolean well = FALSE;

  request->stream = teesql_store_stream_ref (self->stream);
  request->buffer = teesql_store_pool_take (self->pool);
  well = teesql_store_ask_once (self->store, request, self->retry.deadline_us, self->cancellable, &answer, error);
  if (answer.lease != NULL)
    push (self, teesql_store_pool_wrap (self->pool, g_steal_pointer (&answer.lease)), answer.n_read);
  else
    push (self, teesql_store_buffer_ref (request->buffer), answer.n_read);
  if (well)
    teesql_store_note_problem (self->store, NULL);
  *out_end = answer.ended;
  return well;
}

/* %FALSE without an error: nobody reads any more */
static gboolean
fetch_stream (TeesqlStoreReader *self, GError **error)
{
  gboolean end = self->length == 0;

  if (!end && self->stream == NULL && !open_stream (self, error))
    return FALSE;
  while (!end)
    if (!wait_room (self) || !fetch_chunk (self, &end, error))
      return FALSE;
  return TRUE;
}

static gboolean
fetch_all (TeesqlStoreReader *self, GError **error)
{
  GError *failure = NULL;

  while (!fetch_stream (self, &failure))
    {
      if (failure == NULL)
        return TRUE;
      g_clear_pointer (&self->stream, teesql_store_stream_unref);
      if (!teesql_store_back_off (self->store, &self->retry, g_steal_pointer (&failure), TRUE, self->cancellable, error))
        return FALSE;
      if (self->offset > self->begun && self->length == G_MAXUINT64 && !learn_length (self, error))
        return FALSE;
    }
  return TRUE;
}

static gpointer
reader_worker (gpointer data)
{
  TeesqlStoreReader *self = data;
  GError *error = NULL;

  if (!fetch_all (self, &error))
    teesql_store_name_error (&error, self->name);
  g_clear_pointer (&self->stream, teesql_store_stream_unref);
  g_mutex_lock (&self->lock);
  self->fetched = TRUE;
  self->error = error;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  return NULL;
}

/* ---- the reader ---- */

static void
outer_cancelled_cb (GCancellable *outer, gpointer user_data)
{
  g_cancellable_cancel (((TeesqlStoreReader *) user_data)->cancellable);
}

static void
chain_cancellable (TeesqlStoreReader *self, GCancellable *cancellable)
{
  self->cancellable = g_cancellable_new ();
  if (cancellable == NULL)
    return;
  self->outer = g_object_ref (cancellable);
  self->outer_id = g_cancellable_connect (cancellable, G_CALLBACK (outer_cancelled_cb), self, NULL);
}

TeesqlStoreReader *
teesql_store_reader_new (TeesqlStore *store, const char *name, guint64 offset, guint64 length, gsize read_ahead, GCancellable *cancellable,
                         GError **error)
{
  TeesqlStoreReader *self = NULL;

  g_return_val_if_fail (TEESQL_IS_STORE (store) && name != NULL, NULL);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  self = g_new0 (TeesqlStoreReader, 1);
  self->store = g_object_ref (store);
  self->name = g_strdup (name);
  self->begun = offset;
  self->offset = offset;
  self->length = length;
  self->max_chunks = (guint) MIN ((read_ahead + READ_MORE) / CHUNK_SIZE - 1, G_MAXUINT16);
  self->pool = teesql_store_pool_new (CHUNK_SIZE, self->max_chunks + 1);
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  g_queue_init (&self->chunks);
  chain_cancellable (self, cancellable);
  teesql_storage_retry_init (&self->retry, g_get_monotonic_time (), teesql_store_get_retry_deadline (store));
  self->thread = g_thread_new ("teesql-reader", reader_worker, self);
  return self;
}

/* lock held; the next chunk with something in it, %NULL at the end or on a failure */
static TeesqlStoreBuffer *
wait_chunk (TeesqlStoreReader *self)
{
  while (g_queue_is_empty (&self->chunks) && !self->fetched)
    g_cond_wait (&self->changed, &self->lock);
  return g_queue_peek_head (&self->chunks);
}

/* Only the reader takes chunks away, so the head may be copied from without the lock. */
static gsize
take (TeesqlStoreReader *self, TeesqlStoreBuffer *chunk, guint8 *out, gsize size)
{
  gsize n = MIN (size, chunk->filled - chunk->taken);

  memcpy (out, chunk->data + chunk->taken, n); /* bounded by both */
  chunk->taken += n;
  if (chunk->taken < chunk->filled)
    return n;
  g_mutex_lock (&self->lock);
  teesql_store_buffer_unref (g_queue_pop_head (&self->chunks));
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  return n;
}

gboolean
teesql_store_reader_read (TeesqlStoreReader *self, guint8 *out, gsize size, gsize *out_read, GError **error)
{
  gsize n = 0;

  g_return_val_if_fail (self != NULL && out != NULL && out_read != NULL, FALSE);

  if (g_cancellable_set_error_if_cancelled (self->cancellable, error))
    return FALSE;
  while (n < size)
    {
      TeesqlStoreBuffer *chunk = NULL;
      gboolean failed = FALSE;

      g_mutex_lock (&self->lock);
      chunk = wait_chunk (self);
      failed = chunk == NULL && self->error != NULL;
      if (failed)
        g_propagate_error (error, g_error_copy (self->error));
      g_mutex_unlock (&self->lock);
      if (failed)
        return FALSE;
      if (chunk == NULL)
        break;
      n += take (self, chunk, out + n, size - n);
    }
  *out_read = n;
  return TRUE;
}

void
teesql_store_reader_free (TeesqlStoreReader *self)
{
  if (self == NULL)
    return;
  if (self->outer != NULL)
    g_cancellable_disconnect (self->outer, self->outer_id);
  g_cancellable_cancel (self->cancellable);
  g_mutex_lock (&self->lock);
  self->freed = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  g_thread_join (self->thread);
  g_queue_clear_full (&self->chunks, (GDestroyNotify) teesql_store_buffer_unref);
  teesql_store_pool_unref (self->pool);
  g_clear_object (&self->outer);
  g_object_unref (self->cancellable);
  g_clear_error (&self->error);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
  g_free (self->name);
  g_object_unref (self->store);
  g_free (self);
}
