#include "storage/teesql-store-call.h"
#include "storage/teesql-store-feed.h"

#include <string.h>

/* A big object. What fits one part is one put; else parts go up side by side, each by a thread that waits for its call and repeats it;
 * else, without uploads, one thread waits for one put that is fed. */

#define N_PARTS_MAX  10000u
#define PARALLEL_MAX 32u

typedef enum
{
  MODE_SMALL, /* not more than one part yet */
  MODE_PARTS,
  MODE_FEED,
} Mode;

typedef struct
{
  guint number;
  TeesqlStoreBuffer *buffer;
} Part;

struct _TeesqlStoreUpload
{
  TeesqlStore *store;
  char *name;
  TeesqlStoragePutFlags flags;
  guint max_parallel;
  GCancellable *outer;
  gulong outer_id;
  GCancellable *cancellable; /* of all calls: cancelled by the caller's, and by the end */
  Mode mode;
  TeesqlStorePool *pool;
  TeesqlStoreBuffer *current;
  guint64 size;
  char *id;
  TeesqlStoreFeed *feed;
  gboolean committed;

  GMutex lock;
  GCond changed;
  GQueue parts; /* Part, to be sent */
  guint n_sending;
  GPtrArray *tags; /* by number - 1 */
  GPtrArray *workers;
  gboolean ended;
  GError *error; /* the first */
};

/* ---- workers ---- */

/* @error: (transfer full) */
static void
keep_error (TeesqlStoreUpload *self, GError *error)
{
  g_mutex_lock (&self->lock);
  if (self->error == NULL)
    self->error = g_steal_pointer (&error);
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  g_clear_error (&error);
}

static GError *
upload_lost (TeesqlStoreUpload *self, const GError *cause)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "upload-lost", 0,
                           "the store has lost what was uploaded of %s: %s", self->name, cause->message);
}

static void
send_part (TeesqlStoreUpload *self, const Part *part)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_part, self->name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  GError *error = NULL;

  request->id = g_strdup (self->id);
  request->number = part->number;
  request->bytes = teesql_store_buffer_as_bytes (part->buffer);
  if (teesql_store_ask (self->store, request, self->cancellable, &answer, NULL, &error))
    {
      g_mutex_lock (&self->lock);
      self->tags->pdata[part->number - 1] = g_steal_pointer (&answer.text);
      g_mutex_unlock (&self->lock);
      return;
    }
  if (g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    {
      keep_error (self, upload_lost (self, error));
      g_error_free (error);
      return;
    }
  g_prefix_error (&error, "part %u: ", part->number);
  teesql_store_name_error (&error, self->name);
  keep_error (self, error);
}

/* lock held */
static Part *
wait_part (TeesqlStoreUpload *self)
{
  while (g_queue_is_empty (&self->parts) && !self->ended)
    g_cond_wait (&self->changed, &self->lock);
  return self->ended ? NULL : g_queue_pop_head (&self->parts);
}

static gpointer
parts_worker (gpointer data)
{
  TeesqlStoreUpload *self = data;
  Part *part = NULL;

  g_mutex_lock (&self->lock);
  while ((part = wait_part (self)) != NULL)
    {
      gboolean failed = self->error != NULL;

      g_mutex_unlock (&self->lock);
      if (!failed)
        send_part (self, part);
      teesql_store_buffer_unref (part->buffer);
      g_free (part);
      g_mutex_lock (&self->lock);
      self->n_sending--;
      g_cond_broadcast (&self->changed);
    }
  g_mutex_unlock (&self->lock);
  return NULL;
}

static gpointer
feed_worker (gpointer data)
{
  TeesqlStoreUpload *self = data;
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_put, self->name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  gint64 until_us = g_get_monotonic_time () + (gint64) teesql_store_get_retry_deadline (self->store) * 1000;
  GError *error = NULL;

  request->content = g_object_ref (G_INPUT_STREAM (self->feed));
  request->last_move_us = teesql_store_feed_get_last_move_us;
  request->size = -1;
  request->flags = self->flags;
  if (!teesql_store_ask_once (self->store, request, until_us, self->cancellable, &answer, &error))
    keep_error (self, error);
  g_mutex_lock (&self->lock);
  self->n_sending--;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  teesql_store_feed_stop (self->feed);
  return NULL;
}

static void
end_workers (TeesqlStoreUpload *self)
{
  g_mutex_lock (&self->lock);
  self->ended = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < self->workers->len; i++)
    g_thread_join (self->workers->pdata[i]);
  g_ptr_array_set_size (self->workers, 0);
}

/* ---- writing ---- */

static gboolean
return_error (TeesqlStoreUpload *self, GError **error)
{
  gboolean failed = FALSE;

  g_mutex_lock (&self->lock);
  failed = self->error != NULL;
  if (failed)
    g_propagate_error (error, g_error_copy (self->error));
  g_mutex_unlock (&self->lock);
  return !failed;
}

static gboolean
begin_parts (TeesqlStoreUpload *self, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_begin, self->name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  request->flags = self->flags;
  if (!teesql_store_ask (self->store, request, self->cancellable, &answer, NULL, error))
    {
      teesql_store_name_error (error, self->name);
      return FALSE;
    }
  self->id = g_steal_pointer (&answer.text);
  self->mode = MODE_PARTS;
  return TRUE;
}

static void
begin_feed (TeesqlStoreUpload *self)
{
  self->feed = teesql_store_feed_new (self->store->context, self->max_parallel);
  self->mode = MODE_FEED;
  self->n_sending = 1;
  g_ptr_array_add (self->workers, g_thread_new ("teesql-feed", feed_worker, self));
}

/* The object is larger than one part: how it goes up is decided by what the store can do. */
static gboolean
begin (TeesqlStoreUpload *self, GError **error)
{
  TeesqlStorageFeatures features = 0;

  if (!teesql_store_open (self->store, self->cancellable, error))
    return FALSE;
  features = teesql_store_get_features (self->store);
  if ((features & TEESQL_STORAGE_FEATURE_PARALLEL) == 0)
    self->max_parallel = 1;
  if ((features & TEESQL_STORAGE_FEATURE_UPLOAD) != 0)
    return begin_parts (self, error);
  begin_feed (self);
  return TRUE;
}

static gboolean
push_part (TeesqlStoreUpload *self, TeesqlStoreBuffer *buffer, GError **error)
{
  Part *part = NULL;

  if (self->tags->len == N_PARTS_MAX)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "object-too-large", 0,
                                                  "%s has more than %u parts", self->name, N_PARTS_MAX));
      teesql_store_buffer_unref (buffer);
      return FALSE;
    }
  g_mutex_lock (&self->lock);
  while (self->n_sending >= self->max_parallel && self->error == NULL)
    g_cond_wait (&self->changed, &self->lock);
  g_ptr_array_add (self->tags, NULL);
  part = g_new (Part, 1);
  *part = (Part){ self->tags->len, buffer };
  g_queue_push_tail (&self->parts, part);
  self->n_sending++;
  if (self->workers->len < self->n_sending && self->workers->len < self->max_parallel)
    g_ptr_array_add (self->workers, g_thread_new ("teesql-part", parts_worker, self));
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  return return_error (self, error);
}

/* Hands the full buffer on. */
static gboolean
flush (TeesqlStoreUpload *self, GError **error)
{
  TeesqlStoreBuffer *buffer = g_steal_pointer (&self->current);

  if (self->mode == MODE_SMALL && !begin (self, error))
    {
      teesql_store_buffer_unref (buffer);
      return FALSE;
    }
  if (self->mode == MODE_PARTS)
    return push_part (self, buffer, error);
  if (teesql_store_feed_push (self->feed, buffer))
    return TRUE;
  g_mutex_lock (&self->lock);
  while (self->n_sending > 0)
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
  if (return_error (self, error))
    g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "object-size", 0,
                                                "%s was reported as stored before its end", self->name));
  return FALSE;
}

/* After a failure the object has a hole: whoever goes on must not get it stored. */
static gboolean
fail (TeesqlStoreUpload *self, GError *failure, GError **error)
{
  keep_error (self, g_error_copy (failure));
  g_propagate_error (error, failure);
  return FALSE;
}

/* What is written is sealed already, so it may lie where the host reads it: one copy less. */
static TeesqlStoreBuffer *
take_buffer (TeesqlStoreUpload *self)
{
  g_autoptr (TeesqlStorageLender) lender = teesql_store_dup_lender (self->store);

  return teesql_store_pool_take_shared (self->pool, lender);
}

gboolean
teesql_store_upload_write (TeesqlStoreUpload *self, const guint8 *data, gsize size, GError **error)
{
  gsize written = 0;
  GError *failure = NULL;

  g_return_val_if_fail (self != NULL && (data != NULL || size == 0) && !self->committed, FALSE);

  if (!return_error (self, error) || g_cancellable_set_error_if_cancelled (self->cancellable, error))
    return FALSE;
  while (written < size)
    {
      gsize n = 0;

      if (self->current != NULL && self->current->filled == self->current->capacity && !flush (self, &failure))
        return fail (self, failure, error);
      if (self->current == NULL)
        self->current = take_buffer (self);
      n = MIN (size - written, self->current->capacity - self->current->filled);
      memcpy (self->current->data + self->current->filled, data + written, n); /* the caller's bytes, bounded by the room left */
      self->current->filled += n;
      written += n;
    }
  self->size += size;
  return TRUE;
}

/* ---- the end ---- */

static gboolean
wait_sent (TeesqlStoreUpload *self, GError **error)
{
  g_mutex_lock (&self->lock);
  while (self->n_sending > 0 && self->error == NULL)
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
  return return_error (self, error);
}

/* @failure: (transfer full). The answer to the commit was lost, or it says that there is nothing to commit: is the object there? */
static gboolean
settle (TeesqlStoreUpload *self, GBytes *last, GError *failure, GError **error)
{
  gboolean ours = FALSE;

  if (!teesql_store_is_stored (self->store, self->name, self->size, self->size - g_bytes_get_size (last), last, self->cancellable, &ours,
                               error))
    {
      g_error_free (failure);
      return FALSE;
    }
  if (!ours && g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS))
    {
      teesql_store_name_error (&failure, self->name);
      g_propagate_error (error, failure);
      return FALSE;
    }
  if (!ours)
    g_propagate_error (error, upload_lost (self, failure));
  g_error_free (failure);
  return ours;
}

static gboolean
commit_parts (TeesqlStoreUpload *self, GBytes *last, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_commit, self->name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  GError *failure = NULL;
  gboolean lost = FALSE;

  g_ptr_array_add (self->tags, NULL);
  request->id = g_strdup (self->id);
  request->tags = g_strdupv ((char **) self->tags->pdata);
  request->flags = self->flags;
  if (!teesql_store_ask (self->store, request, self->cancellable, &answer, &lost, &failure))
    {
      gboolean gone = g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);

      if (gone || (lost && g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS)))
        return settle (self, last, failure, error);
      teesql_store_name_error (&failure, self->name);
      g_propagate_error (error, failure);
      return FALSE;
    }
  if (teesql_object_info_get_size (answer.info) == self->size)
    return TRUE;
  g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "object-size", 0,
                                              "%s has %" G_GUINT64_FORMAT " bytes in the store, expected %" G_GUINT64_FORMAT, self->name,
                                              teesql_object_info_get_size (answer.info), self->size));
  return FALSE;
}

static gboolean
finish_parts (TeesqlStoreUpload *self, GBytes *last, GError **error)
{
  return push_part (self, g_steal_pointer (&self->current), error) && wait_sent (self, error) && commit_parts (self, last, error);
}

static gboolean
finish_feed (TeesqlStoreUpload *self, GBytes *last, GError **error)
{
  g_autoptr (GError) failure = NULL;

  if (!flush (self, error))
    return FALSE;
  teesql_store_feed_end (self->feed);
  if (wait_sent (self, &failure))
    return TRUE;
  /* content that was read in part cannot be sent again; only an answer that was lost behind all of it can be settled */
  if (teesql_storage_retry_judge (failure) != TEESQL_STORAGE_VERDICT_AGAIN)
    g_propagate_error (error, g_steal_pointer (&failure));
  else if (teesql_store_feed_is_drained (self->feed))
    return settle (self, last, g_steal_pointer (&failure), error);
  else
    g_propagate_error (error, upload_lost (self, failure));
  return FALSE;
}

gboolean
teesql_store_upload_commit (TeesqlStoreUpload *self, guint64 *out_size, GError **error)
{
  g_autoptr (GBytes) last = NULL;
  GError *failure = NULL;
  gboolean well = FALSE;

  g_return_val_if_fail (self != NULL && !self->committed, FALSE);

  if (!return_error (self, error) || g_cancellable_set_error_if_cancelled (self->cancellable, error))
    return FALSE;
  last = self->current != NULL ? teesql_store_buffer_as_bytes (self->current) : g_bytes_new_static ("", 0);
  if (self->mode == MODE_SMALL)
    well = teesql_store_put (self->store, self->name, last, self->flags, self->cancellable, &failure);
  else
    well = self->mode == MODE_PARTS ? finish_parts (self, last, &failure) : finish_feed (self, last, &failure);
  if (!well)
    return fail (self, failure, error);
  self->committed = TRUE;
  if (out_size != NULL)
    *out_size = self->size;
  return TRUE;
}

static void
outer_cancelled_cb (GCancellable *outer, gpointer user_data)
{
  TeesqlStoreUpload *self = user_data;

  g_cancellable_cancel (self->cancellable); /* a feed is stopped by its worker, which wakes up for this */
}

TeesqlStoreUpload *
teesql_store_upload_new (TeesqlStore *store, const char *name, TeesqlStoragePutFlags flags, guint max_parallel, GCancellable *cancellable,
                         GError **error)
{
  TeesqlStoreUpload *self = NULL;

  g_return_val_if_fail (TEESQL_IS_STORE (store) && name != NULL, NULL);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  self = g_new0 (TeesqlStoreUpload, 1);
  self->store = g_object_ref (store);
  self->name = g_strdup (name);
  self->flags = flags;
  self->max_parallel = CLAMP (max_parallel, 1, PARALLEL_MAX);
  self->pool = teesql_store_pool_new (TEESQL_STORE_PART_SIZE, self->max_parallel + 1);
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  g_queue_init (&self->parts);
  self->tags = g_ptr_array_new_with_free_func (g_free);
  self->workers = g_ptr_array_new ();
  self->cancellable = g_cancellable_new ();
  if (cancellable != NULL)
    {
      self->outer = g_object_ref (cancellable);
      self->outer_id = g_cancellable_connect (cancellable, G_CALLBACK (outer_cancelled_cb), self, NULL);
    }
  return self;
}

static void
part_free (gpointer data)
{
  Part *part = data;

  teesql_store_buffer_unref (part->buffer);
  g_free (part);
}

static void
abort_parts (TeesqlStoreUpload *self)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_abort, self->name);

  request->id = g_strdup (self->id);
  teesql_store_tell (self->store, request);
}

void
teesql_store_upload_free (TeesqlStoreUpload *self)
{
  if (self == NULL)
    return;
  if (self->outer != NULL)
    g_cancellable_disconnect (self->outer, self->outer_id);
  g_cancellable_cancel (self->cancellable);
  if (self->feed != NULL)
    teesql_store_feed_stop (self->feed);
  end_workers (self);
  if (self->id != NULL && !self->committed)
    abort_parts (self);
  g_queue_clear_full (&self->parts, part_free);
  g_clear_pointer (&self->current, teesql_store_buffer_unref);
  teesql_store_pool_unref (self->pool);
  g_clear_object (&self->feed);
  g_ptr_array_unref (self->tags);
  g_ptr_array_unref (self->workers);
  g_clear_error (&self->error);
  g_clear_object (&self->outer);
  g_object_unref (self->cancellable);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
  g_free (self->id);
  g_free (self->name);
  g_object_unref (self->store);
  g_free (self);
}
