/* The end of an upload. Where the store ignores its condition, a claim excludes others; where it gives no clear answer, the upload and the
 * object's mark decide. */
#include "s3-storage.h"

#include "s3-answers.h"
#include "s3-claim.h"
#include "s3-error.h"
#include "s3-probe.h"
#include "s3-upload-id.h"

#include <string.h>

#define COMMIT_FACTOR 5 /* stores copy thousands of parts together before they answer */
/* How long the end of an upload may go on at the store when nobody listens any more: Ceph takes 60 ms for 24 parts. */
#define OPEN_US(n_parts) ((gint64) 3 * G_USEC_PER_SEC + 5000 * (gint64) (n_parts))

typedef struct
{
  char *name;
  char *id;
  char *mark;
  GBytes *manifest; /* NULL: a tag is none of ours */
  guint64 size;
  guint n_parts;
  gboolean conditional;
  gboolean was_open; /* an earlier end may still be under way */
  gint64 claimed_us; /* -1: no claim is held */
  GError *failure;   /* what the end said, while it is looked into */
  TeesqlObjectInfo *info;
} Commit;

static void
commit_free (gpointer data)
{
  Commit *self = data;

  g_free (self->name);
  g_free (self->id);
  g_free (self->mark);
  g_clear_pointer (&self->manifest, g_bytes_unref);
  g_clear_error (&self->failure);
  g_clear_pointer (&self->info, teesql_object_info_unref);
  g_free (self);
}

static void
send (GTask *task, S3Request *request, GAsyncReadyCallback callback)
{
  S3Storage *storage = g_task_get_source_object (task);

  s3_client_send_async (s3_storage_get_client (storage), request, g_task_get_cancellable (task), callback, task);
}

static S3Request *
commit_request (GTask *task, const char *method, const char *verb, gboolean of_upload)
{
  const Commit *self = g_task_get_task_data (task);
  S3Request *request = s3_request_new (s3_storage_get_client (g_task_get_source_object (task)), method, verb, self->name);

  if (of_upload)
    s3_request_query (request, "uploadId", s3_upload_id_get_store_id (self->id));
  return request;
}

/* ---- the manifest ---- */

/* One tag as XML; its size is added to @size. */
static gboolean
append_part (GString *xml, guint number, const char *tag, guint64 *size)
{
  g_auto (GStrv) words = g_strsplit (tag, " ", 3);
  guint n = g_strv_length (words);
  guint64 part = 0;

  if (n < 2 || !g_ascii_string_to_unsigned (words[0], 10, 0, G_MAXINT64, &part, NULL) || !s3_is_etag (words[1]) ||
      (n == 3 && !s3_is_etag (words[2])))
    return FALSE;
  *size += part;
  g_string_append_printf (xml, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag>", number, words[1]);
  if (n == 3)
    g_string_append_printf (xml, "<ChecksumSHA256>%s</ChecksumSHA256>", words[2]);
  g_string_append (xml, "</Part>");
  return TRUE;
}

GBytes *
s3_commit_manifest (const char *const *tags, guint64 *out_size)
{
  g_autoptr (GString) xml = g_string_new ("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
  guint64 size = 0;

  for (guint i = 0; tags[i] != NULL; i++)
    if (!append_part (xml, i + 1, tags[i], &size))
      return NULL;
  g_string_append (xml, "</CompleteMultipartUpload>");
  if (out_size != NULL)
    *out_size = size;
  return g_string_free_to_bytes (g_steal_pointer (&xml));
}

/* ---- the verdict ---- */

/* @task: (transfer full) */
static void
return_verdict (GTask *task)
{
  Commit *self = g_task_get_task_data (task);

  if (self->info != NULL)
    g_task_return_pointer (task, g_steal_pointer (&self->info), (GDestroyNotify) teesql_object_info_unref);
  else
    g_task_return_error (task, g_steal_pointer (&self->failure));
  g_object_unref (task);
}

static void
unclaimed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  s3_claim_drop_finish (S3_STORAGE (source), result);
  return_verdict (user_data);
}

/* Core asks again, and may find that the end took place. */
static gboolean
is_open (const GError *failure)
{
  return failure != NULL &&
         (failure->domain == G_IO_ERROR || failure->code == TEESQL_ERROR_UNAVAILABLE || failure->code == TEESQL_ERROR_THROTTLED);
}

/* @task: @info, @failure: (transfer full); one of the last two. As long as the end is open, the claim is held. */
static void
conclude (GTask *task, TeesqlObjectInfo *info, GError *failure)
{
  Commit *self = g_task_get_task_data (task);

  g_clear_error (&self->failure);
  self->info = info;
  self->failure = failure;
  if (self->claimed_us >= 0 && !is_open (failure))
    s3_claim_drop_async (g_task_get_source_object (task), self->name, self->id, self->claimed_us, g_task_get_cancellable (task),
                         unclaimed_cb, task);
  else
    return_verdict (task);
}

static GError *
exists_error (const Commit *self)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS, "object-exists", 0, "commit %s: there is an object of that name",
                           self->name);
}

/* ---- looking at the name ---- */

/* %TRUE: the task is concluded. Else there is no object, or another's. */
static gboolean
judge_name (GTask *task, GAsyncResult *result, gboolean *out_theirs)
{
  Commit *self = g_task_get_task_data (task);
  S3Client *client = s3_storage_get_client (g_task_get_source_object (task));
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (client, result, &error);
  TeesqlObjectInfo *info = NULL;

  *out_theirs = FALSE;
  if (answer != NULL && answer->status == SOUP_STATUS_NOT_FOUND)
    return FALSE;
  if (answer == NULL || answer->status != SOUP_STATUS_OK)
    {
      if (answer != NULL)
        error = s3_client_refusal (result, answer, FALSE);
      if (self->failure != NULL && !is_open (error)) /* whoever may not look has the first answer */
        {
          g_error_free (error);
          error = g_steal_pointer (&self->failure);
        }
      conclude (task, NULL, error);
      return TRUE;
    }
  *out_theirs = g_strcmp0 (cloud_answer_get_header (answer, S3_UPLOAD_MARK_HEADER), self->mark) != 0;
  if (*out_theirs)
    return FALSE;
  info = s3_storage_read_head (self->name, answer, &error);
  conclude (task, info, error);
  return TRUE;
}

/* The upload is no more. */
static void
looked_behind_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Commit *self = g_task_get_task_data (task);
  gboolean theirs = FALSE;

  if (judge_name (task, result, &theirs))
    return;
  if (theirs && self->conditional)
    conclude (task, NULL, exists_error (self));
  else if (g_error_matches (self->failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS))
    conclude (task, NULL, g_steal_pointer (&self->failure));
  else
    conclude (task, NULL, s3_no_such_upload ("commit", self->name));
}

/* What comes of an upload stands under its name before the upload is gone, so this order of questions leaves no gap. */
static void
asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Commit *self = g_task_get_task_data (task);
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (s3_storage_get_client (g_task_get_source_object (task)), result, NULL);

  if (answer != NULL && answer->status == SOUP_STATUS_NOT_FOUND)
    send (task, commit_request (task, SOUP_METHOD_HEAD, "stat", FALSE), looked_behind_cb);
  else
    conclude (task, NULL, g_steal_pointer (&self->failure));
}

static void
ask_upload (GTask *task)
{
  S3Request *request = commit_request (task, SOUP_METHOD_GET, "upload of", TRUE);

  s3_request_query (request, "max-parts", "1");
  send (task, request, asked_cb);
}

/* ---- the end ---- */

/* Status 200 was sent before the store knew: what it says then stands in the body. Without any of both the end is open. */
static GError *
late_refusal (const Commit *self, const S3Problem *problem, GError *error)
{
  g_autofree char *what = g_strdup_printf ("commit %s", self->name);
  S3Refusal refusal = { .what = what, .status = 500, .problem = problem, .conditional = self->conditional };

  if (refusal.conditional && strcmp (problem->code, "ConditionalRequestConflict") == 0)
    refusal.status = 409;
  if (error == NULL)
    return s3_error_new (&refusal);
  g_error_free (error);
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "s3-commit", 0,
                           "commit %s: the store's answer says neither yes nor no", self->name);
}

/* An earlier attempt, whose answer was lost, may be why the store refuses this one; Ceph says 500 to the end of an upload that is gone. */
static void
look_into (GTask *task, GError *failure)
{
  Commit *self = g_task_get_task_data (task);

  self->failure = failure;
  if (g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS) ||
      g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    send (task, commit_request (task, SOUP_METHOD_HEAD, "stat", FALSE), looked_behind_cb);
  else if (g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE))
    ask_upload (task);
  else
    conclude (task, NULL, g_steal_pointer (&self->failure));
}

/* Nobody gives the upload up as long as its end may be under way. An answer to this end says nothing of an earlier one. */
static void
set_open (GTask *task, gboolean open)
{
  const Commit *self = g_task_get_task_data (task);
  S3Storage *storage = g_task_get_source_object (task);

  if (open)
    s3_storage_set_open_until (storage, self->id, g_get_monotonic_time () + OPEN_US (self->n_parts));
  else if (!self->was_open)
    s3_storage_set_open_until (storage, self->id, 0);
}

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  const Commit *self = g_task_get_task_data (task);
  S3Client *client = s3_storage_get_client (g_task_get_source_object (task));
  g_auto (S3Problem) problem = { 0 };
  g_autofree char *etag = NULL;
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = s3_client_send_finish (client, result, &error);

  if (answer == NULL)
    {
      set_open (task, TRUE);
      conclude (task, NULL, error); /* the next attempt looks into it */
      return;
    }
  if (answer->status != SOUP_STATUS_OK)
    {
      set_open (task, answer->status == SOUP_STATUS_BAD_GATEWAY || answer->status == SOUP_STATUS_GATEWAY_TIMEOUT);
      look_into (task, s3_client_refusal (result, answer, self->conditional));
      return;
    }
  etag = s3_answer_read_complete (answer->body, &problem, &error);
  set_open (task, etag == NULL && error != NULL);
  if (etag == NULL)
    look_into (task, late_refusal (self, &problem, error));
  else
    conclude (task, teesql_object_info_new (self->name, self->size, -1, etag[0] != '\0' ? etag : NULL), NULL);
}

static void
end (GTask *task)
{
  Commit *self = g_task_get_task_data (task);
  S3Request *request = commit_request (task, SOUP_METHOD_POST, "commit", TRUE);

  if (self->conditional)
    s3_request_header (request, "if-none-match", "*");
  s3_request_body (request, self->manifest, NULL);
  request->timeout_factor = COMMIT_FACTOR;
  self->was_open = s3_storage_get_open_until (g_task_get_source_object (task), self->id) > g_get_monotonic_time ();
  send (task, request, ended_cb);
}

/* ---- what comes before it, where there is a condition ---- */

static void
looked_before_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  const Commit *self = g_task_get_task_data (task);
  gboolean theirs = FALSE;

  if (judge_name (task, result, &theirs))
    return;
  if (theirs)
    conclude (task, NULL, exists_error (self));
  else if (self->claimed_us >= 0)
    end (task);
  else
    conclude (task, NULL,
              teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "s3-claimed", 0,
                                "commit %s: the object of that name came and went", self->name));
}

static void
claimed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Commit *self = g_task_get_task_data (task);
  GError *error = NULL;
  S3Claim claim = s3_claim_take_finish (S3_STORAGE (source), result, &error);

  if (claim == S3_CLAIM_NONE)
    {
      conclude (task, NULL, error);
      return;
    }
  if (claim == S3_CLAIM_HELD)
    self->claimed_us = g_get_monotonic_time ();
  send (task, commit_request (task, SOUP_METHOD_HEAD, "stat", FALSE), looked_before_cb);
}

static void
prepare (GTask *task)
{
  const Commit *self = g_task_get_task_data (task);
  S3Storage *storage = g_task_get_source_object (task);

  if (s3_storage_get_condition (storage) == S3_CONDITION_HONOURED)
    end (task);
  else
    s3_claim_take_async (storage, self->name, self->id, g_task_get_cancellable (task), claimed_cb, task);
}

static void
probed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  S3Storage *storage = S3_STORAGE (source);
  GError *error = NULL;
  S3Condition condition = s3_probe_finish (storage, result, &error);

  if (condition == S3_CONDITION_UNKNOWN)
    {
      conclude (task, NULL, error);
      return;
    }
  s3_storage_set_condition (storage, condition);
  prepare (task);
}

static Commit *
commit_new (const char *name, const char *upload_id, const char *const *tags, TeesqlStoragePutFlags flags)
{
  Commit *self = g_new0 (Commit, 1);

  self->name = g_strdup (name);
  self->id = g_strdup (upload_id);
  self->mark = s3_upload_id_is_ours (upload_id) ? s3_upload_id_dup_mark (upload_id) : NULL;
  self->manifest = s3_commit_manifest (tags, &self->size);
  self->n_parts = g_strv_length ((char **) tags);
  self->conditional = (flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0;
  self->claimed_us = -1;
  return self;
}

void
s3_upload_commit_async (TeesqlStorage *storage, const char *name, const char *upload_id, const char *const *tags,
                        TeesqlStoragePutFlags flags, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = s3_storage_task (storage, s3_upload_commit_async, cancellable, callback, user_data);
  Commit *self = commit_new (name, upload_id, tags, flags);

  g_task_set_task_data (task, self, commit_free);
  if (self->mark == NULL)
    conclude (task, NULL, s3_no_such_upload ("commit", name));
  else if (self->manifest == NULL)
    {
      self->failure =
          teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "s3-parts", 0, "commit %s: a part's tag is none of ours", name);
      ask_upload (task); /* that there is no such upload says more */
    }
  else if (!self->conditional)
    end (task);
  else if (s3_storage_get_condition (S3_STORAGE (storage)) == S3_CONDITION_UNKNOWN)
    s3_probe_async (S3_STORAGE (storage), cancellable, probed_cb, task);
  else
    prepare (task);
}
