#include "sdk/teesql-checked-stream.h"
#include "storage/teesql-storage-client-private.h"
#include "storage/teesql-store-call.h"

/* The slots of a storage, one by one, as methods of requests. */

struct _TeesqlStoreStream
{
  gatomicrefcount refs;
  GMainContext *context;
  GInputStream *stream;
};

TeesqlStoreStream *
teesql_store_stream_ref (TeesqlStoreStream *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_store_stream_unref (TeesqlStoreStream *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  teesql_store_post (self->context, NULL, self->stream, g_object_unref);
  g_main_context_unref (self->context);
  g_free (self);
}

static TeesqlStoreStream *
stream_new (GInputStream *stream)
{
  TeesqlStoreStream *self = g_new (TeesqlStoreStream, 1);

  g_atomic_ref_count_init (&self->refs);
  self->context = g_main_context_ref_thread_default ();
  self->stream = stream;
  return self;
}

static void
put_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
           gpointer user_data)
{
  g_autoptr (GInputStream) content =
      request->content != NULL ? g_object_ref (request->content) : g_memory_input_stream_new_from_bytes (request->bytes);
  gint64 size = request->content != NULL ? request->size : (gint64) g_bytes_get_size (request->bytes);

  teesql_storage_put_async (storage, request->name, content, size, request->flags, cancellable, callback, user_data);
}

static gboolean
put_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
            GError **error)
{
  out->info = teesql_storage_put_finish (storage, result, error);
  return out->info != NULL;
}

static void
get_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
           gpointer user_data)
{
  teesql_storage_get_async (storage, request->name, request->offset, request->length, cancellable, callback, user_data);
}

static gboolean
get_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
            GError **error)
{
  GInputStream *stream = teesql_storage_get_finish (storage, result, error);

  if (stream != NULL)
    out->stream = stream_new (stream);
  return stream != NULL;
}

static void
read_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer user_data)
{
  g_input_stream_read_all_async (request->stream->stream, request->buffer->data, request->buffer->capacity, G_PRIORITY_DEFAULT, cancellable,
                                 callback, user_data);
}

static gboolean
read_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
             GError **error)
{
  return g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &out->n_read, error);
}

/* From a host what has come is taken as it lies there; from any other storage it is read. */
static TeesqlStorageClientStream *
find_client_stream (GInputStream *stream)
{
  GInputStream *inner = TEESQL_IS_CHECKED_STREAM (stream) ? teesql_checked_stream_peek_inner (TEESQL_CHECKED_STREAM (stream)) : NULL;

  return inner != NULL && TEESQL_IS_STORAGE_CLIENT_STREAM (inner) ? TEESQL_STORAGE_CLIENT_STREAM (inner) : NULL;
}

static void
take_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer user_data)
{
  TeesqlStorageClientStream *stream = find_client_stream (request->stream->stream);

  if (stream != NULL)
    teesql_storage_client_stream_take_async (stream, request->buffer->data, request->buffer->capacity, cancellable, callback, user_data);
  else
    read_start (request, storage, cancellable, callback, user_data);
}

static gboolean
take_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
             GError **error)
{
  gssize n = 0;

  if (!TEESQL_IS_STORAGE_CLIENT_STREAM (source))
    {
      gboolean well = read_finish (storage, request, source, result, out, error);

      out->ended = well && out->n_read < request->buffer->capacity;
      return well;
    }
  n = teesql_storage_client_stream_take_finish (TEESQL_STORAGE_CLIENT_STREAM (source), result, &out->lease, error);
  n = teesql_checked_stream_judge (TEESQL_CHECKED_STREAM (request->stream->stream), n, request->buffer->capacity, error);
  out->n_read = (gsize) MAX (n, 0);
  out->ended = n == 0;
  return n >= 0;
}

static void
list_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer user_data)
{
  teesql_storage_list_async (storage, request->name, request->id, request->number, cancellable, callback, user_data);
}

static gboolean
list_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
             GError **error)
{
  out->page = teesql_storage_list_finish (storage, result, error);
  return out->page != NULL;
}

static void
stat_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer user_data)
{
  teesql_storage_stat_async (storage, request->name, cancellable, callback, user_data);
}

static gboolean
stat_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
             GError **error)
{
  out->info = teesql_storage_stat_finish (storage, result, error);
  return out->info != NULL;
}

static void
remove_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
              gpointer user_data)
{
  teesql_storage_remove_async (storage, request->name, cancellable, callback, user_data);
}

static gboolean
remove_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
               GError **error)
{
  return teesql_storage_remove_finish (storage, result, error);
}

static void
begin_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
             gpointer user_data)
{
  teesql_storage_upload_begin_async (storage, request->name, request->flags, cancellable, callback, user_data);
}

static gboolean
begin_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
              GError **error)
{
  out->text = teesql_storage_upload_begin_finish (storage, result, error);
  return out->text != NULL;
}

static void
part_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer user_data)
{
  teesql_storage_upload_part_async (storage, request->name, request->id, request->number, request->bytes, cancellable, callback, user_data);
}

static gboolean
part_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
             GError **error)
{
  out->text = teesql_storage_upload_part_finish (storage, result, error);
  return out->text != NULL;
}

static void
commit_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
              gpointer user_data)
{
  teesql_storage_upload_commit_async (storage, request->name, request->id, (const char *const *) request->tags, request->flags, cancellable,
                                      callback, user_data);
}

static gboolean
commit_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
               GError **error)
{
  out->info = teesql_storage_upload_commit_finish (storage, result, error);
  return out->info != NULL;
}

static void
abort_start (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
             gpointer user_data)
{
  teesql_storage_upload_abort_async (storage, request->name, request->id, cancellable, callback, user_data);
}

static gboolean
abort_finish (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result, TeesqlStoreAnswer *out,
              GError **error)
{
  return teesql_storage_upload_abort_finish (storage, result, error);
}

const TeesqlStoreMethod teesql_store_method_put = { "put", FALSE, put_start, put_finish };
const TeesqlStoreMethod teesql_store_method_get = { "get", TRUE, get_start, get_finish };
const TeesqlStoreMethod teesql_store_method_read = { "read", TRUE, read_start, read_finish };
const TeesqlStoreMethod teesql_store_method_take = { "read", TRUE, take_start, take_finish };
const TeesqlStoreMethod teesql_store_method_list = { "list", FALSE, list_start, list_finish };
const TeesqlStoreMethod teesql_store_method_stat = { "stat", FALSE, stat_start, stat_finish };
const TeesqlStoreMethod teesql_store_method_remove = { "remove", FALSE, remove_start, remove_finish };
const TeesqlStoreMethod teesql_store_method_upload_begin = { "upload_begin", FALSE, begin_start, begin_finish };
const TeesqlStoreMethod teesql_store_method_upload_part = { "upload_part", FALSE, part_start, part_finish };
const TeesqlStoreMethod teesql_store_method_upload_commit = { "upload_commit", FALSE, commit_start, commit_finish };
const TeesqlStoreMethod teesql_store_method_upload_abort = { "upload_abort", FALSE, abort_start, abort_finish };
