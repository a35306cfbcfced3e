/* put: what fits into one part goes in one request; more becomes an upload of parts, one at a time. */
#include "s3-storage.h"

#include "s3-digest.h"

#define MIB       ((gsize) 1 << 20)
#define PART_SIZE (8 * MIB)
#define PARTS_MAX 10000
/* What must not replace anything goes in one request up to here: older stores decide that race rightly for a put, and not at all for the
 * end of an upload. A WAL segment (64 MiB at most) that does not compress is within it, with what sealing adds. */
#define WHOLE_MAX (72 * (gint64) MIB)
#define TIDY_MS   800 /* a cancelled call is over within a second */

typedef struct
{
  char *name;
  GInputStream *content;
  TeesqlStoragePutFlags flags;
  gint64 announced;
  gsize part_size;
  guint8 *room;
  gsize room_size;
  gsize used;
  guint64 total;
  gboolean ended;
  gboolean has_beyond;
  guint8 beyond; /* first byte of the next part */
  GBytes *part;
  S3Digest *digest;
  char *upload_id; /* NULL as long as one request may do */
  GPtrArray *tags;
  GError *failure; /* while the upload is being given up */
  GCancellable *tidying;
  GSource *tidy_timer;
} Put;

static void
put_free (gpointer data)
{
  Put *self = data;

  g_free (self->name);
  g_object_unref (self->content);
  g_free (self->room);
  g_clear_pointer (&self->part, g_bytes_unref);
  g_clear_pointer (&self->digest, s3_digest_free);
  g_free (self->upload_id);
  g_ptr_array_unref (self->tags);
  g_clear_error (&self->failure);
  g_clear_object (&self->tidying);
  if (self->tidy_timer != NULL)
    {
      g_source_destroy (self->tidy_timer);
      g_source_unref (self->tidy_timer);
    }
  g_free (self);
}

/* ---- giving up ---- */

static void
tidied_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Put *self = g_task_get_task_data (task);

  s3_storage_finish_boolean (TEESQL_STORAGE (source), result, NULL); /* what is left, the bucket's own rule removes */
  g_task_return_error (task, g_steal_pointer (&self->failure));
}

static gboolean
tidy_late_cb (gpointer user_data)
{
  g_cancellable_cancel (user_data);
  return G_SOURCE_REMOVE;
}

/* @task, @error: (transfer full) */
static void
give_up (GTask *task, GError *error)
{
  Put *self = g_task_get_task_data (task);

  if (self->upload_id == NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  self->failure = error;
  self->tidying = g_cancellable_new ();
  self->tidy_timer = g_timeout_source_new (TIDY_MS);
  g_source_set_callback (self->tidy_timer, tidy_late_cb, self->tidying, NULL);
  g_source_attach (self->tidy_timer, g_main_context_get_thread_default ());
  s3_upload_abort_async (g_task_get_source_object (task), self->name, self->upload_id, self->tidying, tidied_cb, task);
}

/* ---- the end ---- */

static void
return_info (GTask *task, TeesqlObjectInfo *info)
{
  g_task_return_pointer (task, info, (GDestroyNotify) teesql_object_info_unref);
}

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  TeesqlObjectInfo *info = s3_storage_finish_info (TEESQL_STORAGE (source), result, &error);

  if (info != NULL)
    return_info (task, info);
  else
    give_up (g_steal_pointer (&task), error);
}

static void
whole_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const Put *self = g_task_get_task_data (task);
  g_autoptr (CloudAnswer) answer = s3_storage_expect (task, result, SOUP_STATUS_OK, (self->flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0);

  if (answer != NULL)
    return_info (task, teesql_object_info_new (self->name, self->total, -1, cloud_answer_get_header (answer, "ETag")));
}

/* @task: (transfer full) */
static void
send_whole (GTask *task)
{
  Put *self = g_task_get_task_data (task);
  S3Storage *storage = g_task_get_source_object (task);
  S3Client *client = s3_storage_get_client (storage);
  S3Request *request = s3_request_new (client, SOUP_METHOD_PUT, "put", self->name);
  const char *header = s3_digest_header (s3_client_get_options (client)->checksum);

  s3_storage_describe_object (storage, request);
  if (header != NULL)
    s3_request_header (request, header, self->digest->checksum);
  if ((self->flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0)
    s3_request_header (request, "if-none-match", "*");
  s3_request_body (request, self->part, self->digest->sha256_hex);
  s3_client_send_async (client, request, g_task_get_cancellable (task), whole_cb, task);
}

static void
whole_hashed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Put *self = g_task_get_task_data (task);
  GError *error = NULL;

  self->digest = s3_digest_finish (result, &error);
  if (self->digest != NULL)
    send_whole (task);
  else
    give_up (task, error);
}

/* ---- parts ---- */

static void read_more (GTask *task);

static void
part_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Put *self = g_task_get_task_data (task);
  GError *error = NULL;
  char *tag = s3_storage_finish_text (TEESQL_STORAGE (source), result, &error);

  g_clear_pointer (&self->part, g_bytes_unref);
  if (tag == NULL)
    {
      give_up (task, error);
      return;
    }
  g_ptr_array_add (self->tags, tag);
  if (!self->ended)
    {
      read_more (task);
      return;
    }
  g_ptr_array_add (self->tags, NULL);
  s3_upload_commit_async (TEESQL_STORAGE (source), self->name, self->upload_id, (const char *const *) self->tags->pdata, self->flags,
                          g_task_get_cancellable (task), committed_cb, task);
}

static void
send_part (GTask *task)
{
  Put *self = g_task_get_task_data (task);

  s3_upload_part_async (g_task_get_source_object (task), self->name, self->upload_id, self->tags->len + 1, self->part,
                        g_task_get_cancellable (task), part_cb, task);
}

static void
begun_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Put *self = g_task_get_task_data (task);
  GError *error = NULL;

  self->upload_id = s3_storage_finish_text (TEESQL_STORAGE (source), result, &error);
  if (self->upload_id != NULL)
    send_part (task);
  else
    give_up (task, error);
}

/* The room is full, or the content has ended. @task: (transfer full) */
static void
take_part (GTask *task)
{
  Put *self = g_task_get_task_data (task);
  TeesqlStorage *storage = g_task_get_source_object (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  S3Checksum kind = s3_client_get_options (s3_storage_get_client (S3_STORAGE (storage)))->checksum;

  self->part = g_bytes_new_take (g_steal_pointer (&self->room), self->used);
  self->used = 0;
  self->room_size = 0;
  if (self->upload_id == NULL && self->ended)
    s3_digest_async (self->part, kind, cancellable, whole_hashed_cb, task);
  else if (self->upload_id == NULL)
    s3_upload_begin_async (storage, self->name, self->flags, cancellable, begun_cb, task);
  else if (self->tags->len >= PARTS_MAX)
    give_up (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_NO_SPACE, "s3-too-large", 0,
                                     "put %s: more than %d parts of %" G_GSIZE_FORMAT " bytes\nhint: announce the size", self->name,
                                     PARTS_MAX, self->part_size));
  else
    send_part (task);
}

/* ---- reading ---- */

/* A content that ends with a full part must not have an empty part behind it, so a byte beyond is asked for before a part goes. */
static gboolean
is_full (const Put *self)
{
  return self->room != NULL && self->used == self->room_size &&
         (self->room_size == self->part_size || (self->announced >= 0 && self->total >= (guint64) self->announced));
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Put *self = g_task_get_task_data (task);
  gboolean was_full = is_full (self);
  GError *error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (n < 0)
    {
      give_up (task, error);
      return;
    }
  self->used += was_full ? 0 : (gsize) n;
  self->total += (guint64) n;
  self->ended = n == 0;
  self->has_beyond = was_full && n > 0;
  if (self->ended || was_full)
    take_part (task);
  else
    read_more (task);
}

/* Small objects are many: where the size is not known, the room begins with 1 MiB and grows. */
static void
ensure_room (Put *self)
{
  guint64 left = self->announced >= 0 ? (guint64) self->announced - MIN (self->total, (guint64) self->announced) : MIB;
  gsize first = (gsize) CLAMP (left + (self->has_beyond ? 1 : 0), 1, self->part_size);

  if (self->room != NULL && self->used < self->room_size)
    return;
  self->room_size = self->room == NULL ? first : MIN (self->room_size * 2, self->part_size);
  self->room = g_realloc (self->room, self->room_size);
  if (self->has_beyond)
    self->room[self->used++] = self->beyond;
  self->has_beyond = FALSE;
}

/* @task: (transfer full) */
static void
read_more (GTask *task)
{
  Put *self = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);

  if (!is_full (self))
    ensure_room (self);
  if (is_full (self))
    g_input_stream_read_async (self->content, &self->beyond, 1, G_PRIORITY_DEFAULT, cancellable, read_cb, task);
  else
    g_input_stream_read_async (self->content, self->room + self->used, self->room_size - self->used, G_PRIORITY_DEFAULT, cancellable,
                               read_cb, task);
}

/* 8 MiB, unless the announced size needs more than 10,000 of them, or all is to be in one. */
static gsize
part_size_of (gint64 size, TeesqlStoragePutFlags flags)
{
  guint64 needed = size > 0 ? ((guint64) size + PARTS_MAX - 1) / PARTS_MAX : 0;

  if ((flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0 && size <= WHOLE_MAX)
    return (gsize) MAX ((gint64) PART_SIZE, size);
  return (gsize) MAX (PART_SIZE, (needed + MIB - 1) / MIB * MIB);
}

void
s3_put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = s3_storage_task (storage, s3_put_async, cancellable, callback, user_data);
  Put *self = g_new0 (Put, 1);

  self->name = g_strdup (name);
  self->content = g_object_ref (content);
  self->flags = flags;
  self->announced = size;
  self->part_size = part_size_of (size, flags);
  self->tags = g_ptr_array_new_with_free_func (g_free);
  g_task_set_task_data (task, self, put_free);
  read_more (task);
}
