/* One request with a token, and what its answer means. */
#include "../cloud/cloud-error.h"
#include "../cloud/cloud-uri.h"
#include "base/teesql-locked-memory.h"
#include "gcs-storage-private.h"

#include <string.h>

#define TOKENS_REFUSED_MAX 16 /* calls that were under way with the old token count too */

typedef struct
{
  SoupMessage *message;
  GBytes *body;
  char *what;
  gsize max_answer;
  gboolean stream;
  TeesqlSecret *token;
} Sending;

static void
sending_free (gpointer data)
{
  Sending *self = data;

  g_clear_object (&self->message);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_clear_pointer (&self->token, teesql_secret_unref);
  g_free (self->what);
  g_free (self);
}

char *
gcs_full_name (const GcsStorage *self, const char *name)
{
  return g_strconcat (self->prefix, name, NULL);
}

char *
gcs_path_of (const GcsStorage *self, const char *name, const char *query)
{
  g_autofree char *encoded = cloud_percent_encode (name, NULL);

  return g_strdup_printf ("/storage/v1/b/%s/o/%s%s%s", self->bucket, encoded, query != NULL ? "?" : "", query != NULL ? query : "");
}

CloudRequest
gcs_request_for (const GcsStorage *self, const char *what)
{
  return (CloudRequest){ .what = what, .endpoint_option = "endpoint", .timeout_ms = self->timeout_ms };
}

/* ---- what a status means ---- */

typedef struct
{
  guint status;
  TeesqlError code;
  const char *reason;
  const char *hint;
} Meaning;

static const Meaning meanings[] = {
  { 401, TEESQL_ERROR_UNAVAILABLE, "gcs-unauthorized", "credentials, service-account: the token is asked for again" },
  { 403, TEESQL_ERROR_PERMISSION, "gcs-forbidden", "bucket: may this service account read, write, list and delete objects there?" },
  { 408, TEESQL_ERROR_UNAVAILABLE, "gcs-busy", NULL },
  { 412, TEESQL_ERROR_EXISTS, "object-exists", NULL },
  { 429, TEESQL_ERROR_THROTTLED, "gcs-throttled", NULL },
  { 503, TEESQL_ERROR_THROTTLED, "gcs-throttled", NULL },
};

static Meaning
meaning_of (guint status, const char *problem, const char *message)
{
  for (guint i = 0; i < G_N_ELEMENTS (meanings); i++)
    if (meanings[i].status == status)
      {
        Meaning found = meanings[i];
        /* quota comes as 403 too */
        if (status == 403 && (strstr (problem, "ateLimitExceeded") != NULL || g_str_equal (problem, "quotaExceeded")))
          found = (Meaning){ status, TEESQL_ERROR_THROTTLED, "gcs-throttled", NULL };
        return found;
      }
  if (status == 404 && strstr (message, "bucket") != NULL)
    return (Meaning){ status, TEESQL_ERROR_CONFIG, "gcs-bucket", "bucket: there is none of this name" };
  if (status == 404)
    return (Meaning){ status, TEESQL_ERROR_NOT_FOUND, "no-such-object", NULL };
  if (status >= 500)
    return (Meaning){ status, TEESQL_ERROR_UNAVAILABLE, "gcs-busy", NULL };
  if (status >= 300 && status < 400)
    return (Meaning){ status, TEESQL_ERROR_CONFIG, "gcs-redirect", "endpoint: redirects are not followed" };
  return (Meaning){ status, TEESQL_ERROR_FAILED, "gcs-refused", NULL };
}

/* A token may have ended before its time: once it is asked for again. When a fresh one is refused too, nobody but the operator can help. */
static void
note_refusal (GcsStorage *self, const Sending *sending, const CloudAnswer *answer)
{
  self->n_refused = answer->status == 401 ? self->n_refused + 1 : 0;
  if (answer->status == 401)
    cloud_tokens_forget (self->tokens, sending->token);
}

static GError *
error_of (const GcsStorage *self, const Sending *sending, const CloudAnswer *answer)
{
  g_autofree char *problem = NULL;
  g_autofree char *message = NULL;
  g_autofree char *quoted = NULL;
  Meaning meaning;

  gcs_answer_read_problem (answer->body, &problem, &message);
  meaning = meaning_of (answer->status, problem, message);
  if (self->n_refused > TOKENS_REFUSED_MAX)
    meaning = (Meaning){ 401, TEESQL_ERROR_PERMISSION, "gcs-unauthorized", "credentials, service-account: fresh tokens are refused too" };
  quoted = cloud_quote (message[0] != '\0'     ? message
                        : answer->body != NULL ? g_bytes_get_data (answer->body, NULL)
                                               : "",
                        message[0] != '\0' || answer->body == NULL ? -1 : (gssize) g_bytes_get_size (answer->body));
  return teesql_error_new (TEESQL_STORAGE_ERROR, meaning.code, meaning.reason,
                           cloud_retry_after_ms (soup_message_get_response_headers (answer->message), 0), "%s: status %u: %s%s%s",
                           sending->what, answer->status, quoted, meaning.hint != NULL ? "\nhint: " : "",
                           meaning.hint != NULL ? meaning.hint : "");
}

/* ---- the request ---- */

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GcsStorage *self = g_task_get_source_object (task);
  const Sending *sending = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = cloud_http_send_finish (SOUP_SESSION (source), result, &error);

  if (answer == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  note_refusal (self, sending, answer);
  if ((answer->status >= 200 && answer->status < 300) || answer->status == 416)
    g_task_return_pointer (task, g_steal_pointer (&answer), (GDestroyNotify) cloud_answer_free);
  else
    g_task_return_error (task, error_of (self, sending, answer));
}

static void
authorize (SoupMessage *message, TeesqlSecret *token)
{
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (token, &size);
  g_autofree char *value = g_strdup_printf ("Bearer %.*s", (int) size, (const char *) data);

  /* libsoup keeps a copy while the request lives; the token ends by itself within the hour */
  soup_message_headers_replace (soup_message_get_request_headers (message), "Authorization", value);
  teesql_wipe (value, strlen (value));
}

static void
token_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GcsStorage *self = g_task_get_source_object (task);
  Sending *sending = g_task_get_task_data (task);
  GError *error = NULL;
  CloudRequest request = gcs_request_for (self, sending->what);

  sending->token = cloud_tokens_get_finish (self->tokens, result, &error);
  if (sending->token == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  authorize (sending->message, sending->token);
  request.max_answer = sending->max_answer;
  request.stream = sending->stream;
  cloud_http_send_async (self->session, &request, sending->message, sending->body, g_task_get_cancellable (task), answered_cb,
                         g_object_ref (task));
}

void
gcs_send_async (GcsStorage *self, const GcsCall *call, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Sending *sending = g_new0 (Sending, 1);
  g_autofree char *url = g_strconcat (self->endpoint, call->path, NULL);
  SoupMessageHeaders *headers = NULL;

  g_task_set_source_tag (task, gcs_send_async);
  g_task_set_task_data (task, sending, sending_free);
  g_task_set_check_cancellable (task, FALSE); /* an answer that came counts */
  sending->message = soup_message_new (call->method, url);
  sending->what = g_strdup (call->what);
  sending->body = call->body != NULL ? g_bytes_ref (call->body) : NULL;
  sending->max_answer = call->max_answer;
  sending->stream = call->stream;
  headers = soup_message_get_request_headers (sending->message);
  if (call->content_type != NULL)
    soup_message_headers_set_content_type (headers, call->content_type, NULL);
  if (call->range != NULL)
    soup_message_headers_append (headers, "Range", call->range);
  cloud_tokens_get_async (self->tokens, cancellable, token_cb, task);
}

CloudAnswer *
gcs_send_finish (GcsStorage *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
