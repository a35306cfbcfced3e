/* Instance metadata, version 2: a session token, the role's name, its credentials. */
#include "s3-identity.h"

#include "s3-error.h"
#include "s3-scan.h"

#include <string.h>

#define OPTION      "metadata-endpoint"
#define WHAT        "instance metadata"
#define ROLES       "/latest/meta-data/iam/security-credentials/"
#define TOKEN_MAX   ((gsize) 1024)
#define ROLE_MAX    ((gsize) 128)
#define WAIT_MAX_MS 5000u /* it is on this machine, or not there at all */

typedef struct
{
  S3Identity *identity;
  TeesqlSecret *token;
} Fetch;

static void
fetch_free (gpointer data)
{
  Fetch *self = data;

  g_clear_pointer (&self->token, teesql_secret_unref);
  g_free (self);
}

static void
add_token (SoupMessage *message, TeesqlSecret *token)
{
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (token, &size);
  g_autofree char *text = g_strndup ((const char *) data, size);

  soup_message_headers_replace (soup_message_get_request_headers (message), "X-aws-ec2-metadata-token", text);
  explicit_bzero (text, size);
}

/* @task: (transfer full) */
static void
ask (GTask *task, const char *method, const char *path, GAsyncReadyCallback callback)
{
  Fetch *self = g_task_get_task_data (task);
  CloudRequest request = { .what = WHAT, .endpoint_option = OPTION, .secret = TRUE };
  g_autofree char *url = g_strconcat (self->identity->url, path, NULL);
  g_autoptr (SoupMessage) message = soup_message_new (method, url);

  request.timeout_ms = MIN (self->identity->timeout_ms, WAIT_MAX_MS);
  if (self->token != NULL)
    add_token (message, self->token);
  else
    soup_message_headers_replace (soup_message_get_request_headers (message), "X-aws-ec2-metadata-token-ttl-seconds", "21600");
  cloud_http_send_async (self->identity->session, &request, message, NULL, g_task_get_cancellable (task), callback, task);
}

static GError *
refusal (const CloudAnswer *answer)
{
  if (answer->status == SOUP_STATUS_NOT_FOUND)
    return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "s3-metadata", 0,
                             WHAT ": status 404\nhint: has this instance a role? else credentials = static");
  if (answer->status >= 400 && answer->status < 500 && answer->status != 429)
    return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION, "s3-metadata", 0,
                             WHAT ": status %u\nhint: the instance's metadata may be turned off, or metadata-endpoint is something else",
                             answer->status);
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "s3-metadata", 0, WHAT ": status %u", answer->status);
}

/* Returns: (nullable): an answer of status 200, or %NULL when @task has been answered */
static CloudAnswer *
take_answer (GTask *task, GObject *source, GAsyncResult *result)
{
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = cloud_http_send_finish (SOUP_SESSION (source), result, &error);

  if (answer != NULL && answer->status == SOUP_STATUS_OK)
    return g_steal_pointer (&answer);
  g_task_return_error (task, answer != NULL ? refusal (answer) : error);
  return NULL;
}

static void
credentials_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (CloudAnswer) answer = take_answer (task, source, result);

  if (answer != NULL)
    s3_identity_return (task, answer->body, s3_scan_json, "Token");
}

static gboolean
is_word (const char *text, gsize size, gsize max, const char *more)
{
  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isalnum (text[i]) && (text[i] == '\0' || strchr (more, text[i]) == NULL))
      return FALSE;
  return size > 0 && size <= max;
}

static void
return_malformed (GTask *task, const char *text)
{
  g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "s3-metadata", 0, WHAT ": %s", text));
}

/* One name a line; an instance has one role. */
static void
role_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (CloudAnswer) answer = take_answer (task, source, result);
  gsize size = 0;
  const char *text = answer != NULL ? g_bytes_get_data (answer->body, &size) : NULL;
  const char *end = text != NULL ? memchr (text, '\n', size) : NULL;
  gsize length = end != NULL ? (gsize) (end - text) : size;

  if (answer == NULL)
    return;
  if (!is_word (text, length, ROLE_MAX, "+=,.@-_"))
    {
      return_malformed (task, "the role's name cannot be read");
      return;
    }
  g_autofree char *path = g_strdup_printf (ROLES "%.*s", (int) length, text);
  ask (g_steal_pointer (&task), SOUP_METHOD_GET, path, credentials_cb);
}

static void
token_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Fetch *self = g_task_get_task_data (task);
  g_autoptr (CloudAnswer) answer = take_answer (task, source, result);
  GError *error = NULL;
  gsize size = 0;
  const guint8 *data = answer != NULL ? g_bytes_get_data (answer->body, &size) : NULL;

  if (answer == NULL)
    return;
  if (!is_word ((const char *) data, size, TOKEN_MAX, "+/=._-"))
    {
      return_malformed (task, "its token cannot be read");
      return;
    }
  self->token = teesql_secret_new (data, size, &error);
  if (self->token == NULL)
    g_task_return_error (task, error);
  else
    ask (g_steal_pointer (&task), SOUP_METHOD_GET, ROLES, role_cb);
}

void
s3_metadata_fetch_async (S3Identity *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Fetch *fetch = g_new0 (Fetch, 1);

  fetch->identity = self; /* outlives the task: CloudTokens keeps it until the fetch has ended */
  g_task_set_task_data (task, fetch, fetch_free);
  ask (task, SOUP_METHOD_PUT, "/latest/api/token", token_cb);
}
