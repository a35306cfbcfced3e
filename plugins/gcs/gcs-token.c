#include "gcs-token.h"

#include "../cloud/cloud-error.h"
#include "../cloud/cloud-http.h"
#include "../cloud/cloud-uri.h"
#include "base/teesql-domains.h"
#include "gcs-answers.h"
#include "gcs-scan.h"

#include <string.h>

#define METADATA_PATH "/computeMetadata/v1/instance/service-accounts/default/token"
#define GRANT         "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
#define ANSWER_MAX    ((gsize) 16384)

typedef struct
{
  SoupSession *session;
  GcsKey *key;
  char *endpoint;
  char *endpoint_option;
  guint timeout_ms;
} Source;

/* An assertion is signed on a thread: RSA takes a millisecond or two. It lives for a second, so the wall clock of now is right. */
static void
sign_thread (GTask *task, gpointer object, gpointer data, GCancellable *cancellable)
{
  const Source *self = data;
  GError *error = NULL;
  char *assertion = gcs_key_make_assertion (self->key, self->endpoint, g_get_real_time () / G_USEC_PER_SEC, &error);

  if (assertion != NULL)
    g_task_return_pointer (task, assertion, g_free);
  else
    g_task_return_error (task, error);
}

static GError *
refused (const Source *self, const CloudAnswer *answer)
{
  g_autofree char *text =
      answer->body != NULL ? cloud_quote (g_bytes_get_data (answer->body, NULL), (gssize) g_bytes_get_size (answer->body)) : NULL;

  if (answer->status == 429 || answer->status >= 500)
    return teesql_error_new (TEESQL_STORAGE_ERROR, answer->status == 429 ? TEESQL_ERROR_THROTTLED : TEESQL_ERROR_UNAVAILABLE, "gcs-token",
                             cloud_retry_after_ms (soup_message_get_response_headers (answer->message), 0), "token: status %u: %s",
                             answer->status, text);
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION, "gcs-token", 0, "token: status %u: %s\nhint: %s", answer->status,
                           text,
                           self->key != NULL ? "service-account: is its key still valid, and is this machine's clock right?"
                                             : "has this machine a service account with access to storage?");
}

static TeesqlSecret *
read_token (GBytes *body, gint64 *out_lifetime_ms, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (body, &size);
  guint64 seconds = 0;

  if (!gcs_scan_number (data, size, "expires_in", &seconds, error))
    return NULL;
  *out_lifetime_ms = (gint64) seconds * 1000;
  return gcs_scan_text (data, size, "access_token", error);
}

typedef struct
{
  TeesqlSecret *token;
  gint64 lifetime_ms;
} Token;

static void
token_free (gpointer data)
{
  Token *self = data;

  g_clear_pointer (&self->token, teesql_secret_unref);
  g_free (self);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  const Source *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = cloud_http_send_finish (SOUP_SESSION (source), result, &error);
  Token *token = NULL;

  if (answer == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  if (answer->status != 200)
    {
      g_task_return_error (task, refused (self, answer));
      return;
    }
  token = g_new0 (Token, 1);
  token->token = read_token (answer->body, &token->lifetime_ms, &error);
  if (token->token != NULL)
    g_task_return_pointer (task, token, token_free);
  else
    {
      token_free (token);
      g_task_return_error (task, error);
    }
}

/* @task: (transfer full) */
static void
ask (GTask *task, SoupMessage *message, GBytes *body)
{
  const Source *self = g_task_get_task_data (task);
  const CloudRequest request = {
    .what = "token",
    .endpoint_option = self->endpoint_option,
    .timeout_ms = self->timeout_ms,
    .max_answer = ANSWER_MAX,
    .secret = TRUE,
  };

  cloud_http_send_async (self->session, &request, message, body, g_task_get_cancellable (task), answered_cb, task);
}

static void
signed_cb (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  const Source *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autofree char *assertion = g_task_propagate_pointer (G_TASK (result), &error);
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (GBytes) body = NULL;
  char *form = NULL;

  if (assertion == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  message = soup_message_new ("POST", self->endpoint);
  form = g_strconcat ("grant_type=" GRANT "&assertion=", assertion, NULL);
  body = g_bytes_new_take (form, strlen (form));
  soup_message_headers_set_content_type (soup_message_get_request_headers (message), "application/x-www-form-urlencoded", NULL);
  ask (g_steal_pointer (&task), message, body);
}

static void
fetch_async (gpointer user_data, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data)
{
  Source *self = user_data;
  GTask *task = g_task_new (NULL, cancellable, callback, callback_data);
  g_autofree char *url = NULL;
  g_autoptr (SoupMessage) message = NULL;

  g_task_set_source_tag (task, fetch_async);
  g_task_set_task_data (task, self, NULL);
  if (self->key != NULL)
    {
      g_autoptr (GTask) signing = g_task_new (NULL, cancellable, signed_cb, task);

      g_task_set_task_data (signing, self, NULL);
      g_task_run_in_thread (signing, sign_thread);
      return;
    }
  url = g_strconcat (self->endpoint, METADATA_PATH, NULL);
  message = soup_message_new ("GET", url);
  soup_message_headers_append (soup_message_get_request_headers (message), "Metadata-Flavor", "Google");
  ask (task, message, NULL);
}

static gpointer
fetch_finish (gpointer user_data, GAsyncResult *result, gint64 *out_lifetime_ms, GError **error)
{
  Token *token = g_task_propagate_pointer (G_TASK (result), error);
  TeesqlSecret *secret = NULL;

  if (token == NULL)
    return NULL;
  *out_lifetime_ms = token->lifetime_ms;
  secret = g_steal_pointer (&token->token);
  token_free (token);
  return secret;
}

static void
source_free (gpointer data)
{
  Source *self = data;

  g_object_unref (self->session);
  g_clear_pointer (&self->key, gcs_key_free);
  g_free (self->endpoint);
  g_free (self->endpoint_option);
  g_free (self);
}

CloudTokens *
gcs_tokens_new (const GcsTokenOptions *options)
{
  const CloudTokenSource source = {
    .fetch_async = fetch_async,
    .fetch_finish = fetch_finish,
    .ref = (GBoxedCopyFunc) teesql_secret_ref,
    .unref = (GDestroyNotify) teesql_secret_unref,
    .destroy = source_free,
  };
  Source *self = g_new0 (Source, 1);

  self->session = g_object_ref (options->session);
  self->key = options->key;
  self->endpoint = g_strdup (options->endpoint);
  self->endpoint_option = g_strdup (options->endpoint_option);
  self->timeout_ms = options->timeout_ms;
  return cloud_tokens_new (&source, self);
}
