#include "s3-claim.h"

#include "s3-upload-id.h"

#include <string.h>

#define FOLDER       "!claims/" /* no name of ours has a `!` in it, so it is never listed */
#define GOOD_FACTOR  10         /* of `timeout`: twice what the end of an upload may take */
#define GOOD_MAX_S   ((guint64) 3600)
#define CONTENT_MAX  ((gsize) 4096)
#define PATIENCE_US  ((gint64) 20 * G_USEC_PER_SEC)
#define FIRST_WAIT   50u /* ms */
#define LONGEST_WAIT 800u

typedef struct
{
  char *name;
  char *key; /* of the claim, below the prefix */
  char *id;
  gint64 until_us;
  guint wait_ms;
  GSource *timer;

  guint n_replaced; /* attempts */

  /* the claim that was found */
  char *etag;
  char *holder;
  guint64 good_s;
  gint64 age_s; /* -1: the store does not say */
} Claim;

static void
stop_timer (Claim *self)
{
  if (self->timer == NULL)
    return;
  g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
}

static void
forget (Claim *self)
{
  g_clear_pointer (&self->etag, g_free);
  g_clear_pointer (&self->holder, g_free);
  self->good_s = 0;
  self->age_s = -1;
}

static void
claim_free (gpointer data)
{
  Claim *self = data;

  stop_timer (self);
  forget (self);
  g_free (self->name);
  g_free (self->key);
  g_free (self->id);
  g_free (self);
}

static GTask *
claim_task (S3Storage *storage, gpointer tag, const char *name, const char *id, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer user_data)
{
  GTask *task = s3_storage_task (storage, tag, cancellable, callback, user_data);
  Claim *self = g_new0 (Claim, 1);

  self->name = g_strdup (name);
  self->key = g_strconcat (FOLDER, name, NULL);
  self->id = g_strdup (id);
  self->until_us = g_get_monotonic_time () + PATIENCE_US;
  self->wait_ms = FIRST_WAIT;
  self->age_s = -1;
  g_task_set_task_data (task, self, claim_free);
  return task;
}

static S3Request *
claim_request (GTask *task, const char *method)
{
  const Claim *self = g_task_get_task_data (task);

  return s3_request_new (s3_storage_get_client (g_task_get_source_object (task)), method, "claim", self->key);
}

/* ---- what stands in a claim: `SECONDS ID` ---- */

static GBytes *
content_of (GTask *task)
{
  const Claim *self = g_task_get_task_data (task);
  const S3Options *options = s3_client_get_options (s3_storage_get_client (g_task_get_source_object (task)));
  guint64 good_s = ((guint64) options->timeout_ms * GOOD_FACTOR + 999) / 1000;
  char *text = g_strdup_printf ("%" G_GUINT64_FORMAT " %s", MIN (good_s, GOOD_MAX_S), self->id);

  return g_bytes_new_take (text, strlen (text));
}

static gint64
time_of (const CloudAnswer *answer, const char *header)
{
  const char *text = cloud_answer_get_header (answer, header);
  g_autoptr (GDateTime) time = text != NULL ? soup_date_time_new_from_http_string (text) : NULL;

  return time != NULL ? g_date_time_to_unix (time) : -1;
}

/* By the store's clock alone. What nobody of us wrote is nobody's, and good for as long as any could be. */
static void
read_claim (Claim *self, const CloudAnswer *answer)
{
  gsize size = 0;
  const char *data = g_bytes_get_data (answer->body, &size);
  g_autofree char *text = data != NULL ? g_strndup (data, size) : g_strdup ("");
  char *blank = strchr (text, ' ');
  gint64 now = time_of (answer, "Date");
  gint64 then = time_of (answer, "Last-Modified");

  forget (self);
  self->etag = g_strdup (cloud_answer_get_header (answer, "ETag"));
  self->age_s = now >= 0 && then >= 0 ? MAX (now - then, 0) : -1;
  self->good_s = GOOD_MAX_S;
  if (blank == NULL || !s3_upload_id_is_ours (blank + 1))
    return;
  *blank = '\0';
  self->holder = g_strdup (blank + 1);
  if (!g_ascii_string_to_unsigned (text, 10, 0, GOOD_MAX_S, &self->good_s, NULL))
    self->good_s = GOOD_MAX_S;
}

/* ---- take ---- */

static void write_claim (GTask *task);

/* It runs for the cancellation as well. */
static gboolean
waited_cb (gpointer user_data)
{
  GTask *task = user_data;

  stop_timer (g_task_get_task_data (task));
  if (g_task_return_error_if_cancelled (task))
    g_object_unref (task);
  else
    write_claim (task);
  return G_SOURCE_REMOVE;
}

static void
wait_a_little (GTask *task)
{
  Claim *self = g_task_get_task_data (task);

  self->timer = g_timeout_source_new (self->wait_ms / 2 + (guint) g_random_int_range (0, (gint32) self->wait_ms));
  self->wait_ms = MIN (self->wait_ms * 2, LONGEST_WAIT);
  s3_storage_attach_timer (self->timer, waited_cb, task);
}

static GError *
claimed_error (const Claim *self)
{
  return teesql_error_new (
      TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "s3-claimed", 0,
      "commit %s: another upload of that name is being ended, or its host is gone; its claim is good for %" G_GUINT64_FORMAT " s",
      self->name, self->good_s);
}

/* The claim is somebody else's: has he made the object by now? */
static void
named_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  const Claim *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (TeesqlObjectInfo) info = s3_storage_finish_info (TEESQL_STORAGE (source), result, &error);
  gboolean absent = g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);

  if (absent)
    g_clear_error (&error);
  if (absent && g_get_monotonic_time () < self->until_us)
    {
      wait_a_little (task);
      return;
    }
  if (info != NULL)
    g_task_return_int (task, S3_CLAIM_NAMED);
  else
    g_task_return_error (task, error != NULL ? error : claimed_error (self));
  g_object_unref (task);
}

/* The holder has nothing left to end. */
static void
fenced_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;

  if (s3_storage_finish_boolean (TEESQL_STORAGE (source), result, &error))
    {
      write_claim (task);
      return;
    }
  g_task_return_error (task, error);
  g_object_unref (task);
}

static void
judge_claim (GTask *task)
{
  Claim *self = g_task_get_task_data (task);
  TeesqlStorage *storage = g_task_get_source_object (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  gboolean mine = self->etag != NULL && g_strcmp0 (self->holder, self->id) == 0;
  gboolean over = self->etag != NULL && self->age_s >= 0 && (guint64) self->age_s >= self->good_s;
  gboolean patient = g_get_monotonic_time () < self->until_us;

  if (patient && !mine && over && self->holder != NULL)
    s3_upload_abort_at_store_async (storage, self->name, s3_upload_id_get_store_id (self->holder), cancellable, fenced_cb, task);
  else if (patient && (mine || over))
    write_claim (task);
  else
    {
      g_clear_pointer (&self->etag, g_free); /* the next attempt is for a free one */
      s3_stat_async (storage, self->name, cancellable, named_cb, task);
    }
}

static void
asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Claim *self = g_task_get_task_data (task);
  S3Client *client = s3_storage_get_client (g_task_get_source_object (task));
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (client, result, &error);

  if (answer != NULL && answer->status == SOUP_STATUS_OK)
    read_claim (self, answer);
  else if (answer != NULL && answer->status == SOUP_STATUS_NOT_FOUND)
    forget (self); /* it was given back meanwhile */
  else
    {
      g_task_return_error (task, answer != NULL ? s3_client_refusal (result, answer, FALSE) : error);
      g_object_unref (task);
      return;
    }
  judge_claim (task);
}

static void
ask_claim (GTask *task)
{
  S3Request *request = claim_request (task, SOUP_METHOD_GET);

  request->max_answer = CONTENT_MAX;
  s3_client_send_async (s3_storage_get_client (g_task_get_source_object (task)), request, g_task_get_cancellable (task), asked_cb, task);
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  S3Client *client = s3_storage_get_client (g_task_get_source_object (task));
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (client, result, &error);
  guint status = answer != NULL ? answer->status : 0;

  if (status == SOUP_STATUS_PRECONDITION_FAILED || status == SOUP_STATUS_CONFLICT || status == SOUP_STATUS_NOT_FOUND)
    {
      ask_claim (task);
      return;
    }
  if (status == SOUP_STATUS_OK)
    g_task_return_int (task, S3_CLAIM_HELD);
  else
    g_task_return_error (task, answer != NULL ? s3_client_refusal (result, answer, FALSE) : error);
  g_object_unref (task);
}

/* Ceph 16 compares an ETag with its quotes to its own without: the first attempt has none, the second is by the book. */
static char *
etag_to_match (Claim *self)
{
  gsize size = strlen (self->etag);
  gboolean bare = self->n_replaced++ % 2 == 0 && size > 2 && self->etag[0] == '"' && self->etag[size - 1] == '"';

  return bare ? g_strndup (self->etag + 1, size - 2) : g_strdup (self->etag);
}

static S3Request *
write_request (GTask *task)
{
  Claim *self = g_task_get_task_data (task);
  S3Request *request = claim_request (task, SOUP_METHOD_PUT);
  g_autoptr (GBytes) content = content_of (task);
  g_autofree char *etag = self->etag != NULL ? etag_to_match (self) : NULL;

  s3_request_header (request, etag != NULL ? "if-match" : "if-none-match", etag != NULL ? etag : "*");
  s3_request_body (request, content, NULL);
  return request;
}

/* Takes a free claim, or the very one that was read. */
static void
write_claim (GTask *task)
{
  s3_client_send_async (s3_storage_get_client (g_task_get_source_object (task)), write_request (task), g_task_get_cancellable (task),
                        written_cb, task);
}

void
s3_claim_take_async (S3Storage *storage, const char *name, const char *id, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer user_data)
{
  write_claim (claim_task (storage, s3_claim_take_async, name, id, cancellable, callback, user_data));
}

S3Claim
s3_claim_take_finish (S3Storage *storage, GAsyncResult *result, GError **error)
{
  gssize claim = S3_CLAIM_NONE;

  g_return_val_if_fail (g_task_is_valid (result, storage), S3_CLAIM_NONE);
  claim = g_task_propagate_int (G_TASK (result), error);
  return claim > 0 ? (S3Claim) claim : S3_CLAIM_NONE;
}

/* ---- drop: a claim that may be old is made young again before it is removed, so that it is nobody else's by then ---- */

static void
dropped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  s3_storage_finish_boolean (TEESQL_STORAGE (source), result, NULL);
  g_task_return_boolean (task, TRUE);
}

static void
renewed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  const Claim *self = g_task_get_task_data (task);
  S3Client *client = s3_storage_get_client (g_task_get_source_object (task));
  GCancellable *cancellable = g_task_get_cancellable (task);
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (client, result, NULL);
  guint status = answer != NULL ? answer->status : 0;

  if (status == SOUP_STATUS_OK)
    s3_remove_async (g_task_get_source_object (task), self->key, cancellable, dropped_cb, task);
  else if (status == SOUP_STATUS_PRECONDITION_FAILED && self->n_replaced < 2)
    s3_client_send_async (client, write_request (task), cancellable, renewed_cb, task);
  else
    {
      g_task_return_boolean (task, TRUE);
      g_object_unref (task);
    }
}

static void
found_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Claim *self = g_task_get_task_data (task);
  S3Client *client = s3_storage_get_client (g_task_get_source_object (task));
  GCancellable *cancellable = g_task_get_cancellable (task);
  S3Request *request = NULL;
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (client, result, NULL);

  if (answer != NULL && answer->status == SOUP_STATUS_OK)
    read_claim (self, answer);
  if (self->etag == NULL || g_strcmp0 (self->holder, self->id) != 0)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  request = write_request (task);
  s3_client_send_async (client, request, cancellable, renewed_cb, g_steal_pointer (&task));
}

void
s3_claim_drop_async (S3Storage *storage, const char *name, const char *id, gint64 taken_us, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = claim_task (storage, s3_claim_drop_async, name, id, cancellable, callback, user_data);
  const S3Options *options = s3_client_get_options (s3_storage_get_client (storage));
  S3Request *request = NULL;

  if (taken_us >= 0 && g_get_monotonic_time () - taken_us < (gint64) options->timeout_ms * 1000)
    {
      const Claim *self = g_task_get_task_data (task);

      s3_remove_async (TEESQL_STORAGE (storage), self->key, cancellable, dropped_cb, task);
      return;
    }
  request = claim_request (task, SOUP_METHOD_GET);
  request->max_answer = CONTENT_MAX;
  s3_client_send_async (s3_storage_get_client (storage), request, cancellable, found_cb, task);
}

void
s3_claim_drop_finish (S3Storage *storage, GAsyncResult *result)
{
  g_return_if_fail (g_task_is_valid (result, storage));
  g_task_propagate_boolean (G_TASK (result), NULL);
}
