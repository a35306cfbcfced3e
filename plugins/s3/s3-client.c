#include "s3-client.h"

#include "../cloud/cloud-error.h"
#include "base/teesql-locked-memory.h"
#include "s3-error.h"
#include "s3-identity.h"

#include <string.h>

struct _S3Client
{
  const S3Options *options;
  SoupSession *session;
  CloudTokens *tokens;
  CloudEndpoint const *endpoint;
  char *authority; /* the Host header */
  char *base;      /* scheme and authority */
  char *root;      /* path of the bucket, `/` or `/BUCKET/` */
};

S3Client *
s3_client_new (const S3Options *options)
{
  S3Client *self = g_new0 (S3Client, 1);
  const CloudEndpoint *endpoint = &options->endpoint;

  self->options = options;
  self->session = cloud_session_new (options->ca, options->max_connections);
  self->tokens = s3_identity_new (options, self->session);
  self->authority = options->path_style ? g_strdup (endpoint->authority) : g_strdup_printf ("%s.%s", options->bucket, endpoint->authority);
  self->base = g_strdup_printf ("%s://%s", endpoint->https ? "https" : "http", self->authority);
  self->root = options->path_style ? g_strdup_printf ("/%s/", options->bucket) : g_strdup ("/");
  return self;
}

void
s3_client_free (S3Client *self)
{
  cloud_tokens_unref (self->tokens);
  g_object_unref (self->session);
  g_free (self->authority);
  g_free (self->base);
  g_free (self->root);
  g_free (self);
}

const S3Options *
s3_client_get_options (S3Client *self)
{
  return self->options;
}

/* ---- requests ---- */

S3Request *
s3_request_new (S3Client *client, const char *method, const char *verb, const char *name)
{
  S3Request *self = g_new0 (S3Request, 1);

  self->method = method;
  self->what = name != NULL ? g_strdup_printf ("%s %s", verb, name) : g_strdup (verb);
  self->key = name != NULL ? g_strconcat (client->options->prefix, name, NULL) : NULL;
  self->timeout_factor = 1;
  return self;
}

void
s3_request_free (S3Request *self)
{
  for (guint i = 0; i < self->n_query; i++)
    g_free (self->query[i].value);
  for (guint i = 0; i < self->n_headers; i++)
    g_free (self->headers[i].value);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_free (self->body_sha256);
  g_free (self->what);
  g_free (self->key);
  g_free (self);
}

void
s3_request_query (S3Request *self, const char *name, const char *value)
{
  g_return_if_fail (self->n_query < S3_PAIRS_MAX);
  self->query[self->n_query].name = name;
  self->query[self->n_query++].value = g_strdup (value);
}

void
s3_request_header (S3Request *self, const char *name, const char *value)
{
  g_return_if_fail (self->n_headers < S3_PAIRS_MAX);
  self->headers[self->n_headers].name = name;
  self->headers[self->n_headers++].value = g_strdup (value);
}

void
s3_request_body (S3Request *self, GBytes *body, const char *sha256)
{
  self->body = g_bytes_ref (body);
  self->body_sha256 = sha256 != NULL ? g_strdup (sha256) : s3_sign_sha256 (g_bytes_get_data (body, NULL), g_bytes_get_size (body));
}

/* ---- signing ---- */

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (((const S3Pair *) a)->name, ((const S3Pair *) b)->name);
}

static char *
query_of (const S3Request *request)
{
  S3Pair pairs[S3_PAIRS_MAX];

  for (guint i = 0; i < request->n_query; i++)
    pairs[i] = (S3Pair){ request->query[i].name, request->query[i].value };
  return s3_sign_query (pairs, request->n_query);
}

static char *
path_of (const S3Client *self, const S3Request *request)
{
  g_autofree char *encoded = request->key != NULL ? cloud_percent_encode (request->key, "/") : NULL;

  return g_strconcat (self->root, encoded, NULL);
}

/* All headers that are signed, sorted; the caller's and ours. */
static GArray *
headers_of (const S3Client *self, const S3Request *request, const char *timestamp, const char *payload, const char *token)
{
  GArray *headers = g_array_new (FALSE, FALSE, sizeof (S3Pair));
  const S3Pair ours[] = { { "host", self->authority }, { "x-amz-content-sha256", payload }, { "x-amz-date", timestamp } };
  const S3Pair session = { "x-amz-security-token", token };

  g_array_append_vals (headers, ours, G_N_ELEMENTS (ours));
  if (token != NULL)
    g_array_append_val (headers, session);
  for (guint i = 0; i < request->n_headers; i++)
    {
      const S3Pair pair = { request->headers[i].name, request->headers[i].value };

      g_array_append_val (headers, pair);
    }
  g_array_sort (headers, compare_names);
  return headers;
}

static void
set_headers (SoupMessage *message, const GArray *headers, const char *authorization)
{
  SoupMessageHeaders *target = soup_message_get_request_headers (message);

  for (guint i = 0; i < headers->len; i++)
    {
      const S3Pair *pair = &g_array_index (headers, S3Pair, i);

      soup_message_headers_replace (target, pair->name, pair->value);
    }
  soup_message_headers_replace (target, "Authorization", authorization);
}

static char *
token_text (const S3Credentials *credentials)
{
  gsize size = 0;
  const guint8 *data = credentials->session_token != NULL ? teesql_secret_peek (credentials->session_token, &size) : NULL;

  return data != NULL ? g_strndup ((const char *) data, size) : NULL;
}

static SoupMessage *
sign_message (const S3Client *self, const S3Request *request, const S3Credentials *credentials)
{
  g_autofree char *timestamp = s3_sign_timestamp (g_get_real_time () / G_USEC_PER_SEC);
  g_autofree char *path = path_of (self, request);
  g_autofree char *query = query_of (request);
  g_autofree char *url = g_strconcat (self->base, path, query[0] != '\0' ? "?" : NULL, query, NULL);
  const char *payload = request->body_sha256 != NULL ? request->body_sha256 : S3_EMPTY_SHA256;
  char *token = token_text (credentials);
  g_autoptr (GArray) headers = headers_of (self, request, timestamp, payload, token);
  const S3Signing signing = { request->method,       path, query,    &g_array_index (headers, S3Pair, 0), headers->len, payload,
                              self->options->region, "s3", timestamp };
  g_autofree char *authorization = s3_sign_authorization (&signing, credentials);
  SoupMessage *message = soup_message_new (request->method, url);

  if (message != NULL)
    set_headers (message, headers, authorization);
  if (token != NULL)
    teesql_wipe (token, strlen (token));
  g_free (token);
  return message;
}

/* ---- sending ---- */

typedef struct
{
  S3Client *client;
  S3Request *request;
  S3Credentials *credentials;
} Send;

static void
send_free (gpointer data)
{
  Send *self = data;

  s3_request_free (self->request);
  g_clear_pointer (&self->credentials, s3_credentials_unref);
  g_free (self);
}

static CloudRequest
cloud_request (const Send *self)
{
  return (CloudRequest){ .what = self->request->what,
                         .endpoint_option = "endpoint",
                         .timeout_ms = self->client->options->timeout_ms * self->request->timeout_factor,
                         .max_answer = self->request->max_answer,
                         .stream = self->request->stream };
}

/* Credentials that the store calls ended are not offered again. */
static void
note_refusal (Send *self, const CloudAnswer *answer)
{
  g_auto (S3Problem) problem = { 0 };

  if (answer->status < 400 || answer->status > 403)
    return;
  s3_answer_read_problem (answer->body, &problem);
  if (s3_error_is_about_credentials (&problem))
    cloud_tokens_forget (self->client->tokens, self->credentials);
}

static void
sent_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Send *self = g_task_get_task_data (task);
  GError *error = NULL;
  CloudAnswer *answer = cloud_http_send_finish (SOUP_SESSION (source), result, &error);

  if (answer == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  note_refusal (self, answer);
  g_task_return_pointer (task, answer, (GDestroyNotify) cloud_answer_free);
}

static void
credentials_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Send *self = g_task_get_task_data (task);
  CloudRequest request = cloud_request (self);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;
  g_autoptr (SoupMessage) message = NULL;

  self->credentials = cloud_tokens_get_finish (self->client->tokens, result, &error);
  if (self->credentials == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  message = sign_message (self->client, self->request, self->credentials);
  if (message == NULL)
    g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "endpoint", 0,
                                                 "%s: endpoint and bucket make no address", self->request->what));
  else
    cloud_http_send_async (self->client->session, &request, message, self->request->body, cancellable, sent_cb, g_steal_pointer (&task));
}

void
s3_client_send_async (S3Client *self, S3Request *request, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Send *send = g_new0 (Send, 1);

  send->client = self;
  send->request = request;
  g_task_set_source_tag (task, s3_client_send_async);
  g_task_set_check_cancellable (task, FALSE); /* an answer that came counts */
  g_task_set_task_data (task, send, send_free);
  cloud_tokens_get_async (self->tokens, cancellable, credentials_cb, task);
}

CloudAnswer *
s3_client_send_finish (S3Client *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

GError *
s3_client_refusal (GAsyncResult *result, const CloudAnswer *answer, gboolean conditional)
{
  const Send *self = g_task_get_task_data (G_TASK (result));
  g_auto (S3Problem) problem = { 0 };
  S3Refusal refusal = { .what = self->request->what, .status = answer->status, .problem = &problem, .conditional = conditional };

  s3_answer_read_problem (answer->body, &problem);
  refusal.retry_after_ms = cloud_retry_after_ms (soup_message_get_response_headers (answer->message), g_get_real_time () / G_USEC_PER_SEC);
  refusal.region_header = cloud_answer_get_header (answer, "x-amz-bucket-region");
  refusal.renewable = self->client->options->kind != S3_CREDENTIALS_STATIC;
  return s3_error_new (&refusal);
}

GInputStream *
s3_client_take_stream (GAsyncResult *result, CloudAnswer *answer, guint64 expected, GObject *owner)
{
  const Send *self = g_task_get_task_data (G_TASK (result));
  CloudRequest request = cloud_request (self);

  return cloud_answer_take_stream (answer, &request, expected, owner);
}
