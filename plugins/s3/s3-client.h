#pragma once
#include "../cloud/cloud-http.h"
#include "s3-options.h"
#include "s3-sign.h"

G_BEGIN_DECLS

/**
 * S3Client:
 *
 * signs requests for one bucket and sends them. Refcounted; belongs to one main context.
 */
typedef struct _S3Client S3Client;

/* @options: resolved; borrowed as long as the client lives */
S3Client *s3_client_new (const S3Options *options) G_GNUC_WARN_UNUSED_RESULT;
void s3_client_free (S3Client *self);

#define S3_PAIRS_MAX 8

/**
 * S3Request:
 * @what: for messages: `put wal/1`
 * @key: (nullable): of the object, with its prefix; %NULL for the bucket itself
 * @query: @headers: pairs with static names; values are owned. Headers in lower case; `host`, `x-amz-date`, `x-amz-content-sha256` and
 *   `x-amz-security-token` are added
 * @body_sha256: (nullable): hex, where there is a @body
 * @timeout_factor: for what a store may take long about
 */
typedef struct
{
  char *what;
  char *key;
  const char *method;
  struct
  {
    const char *name;
    char *value;
  } query[S3_PAIRS_MAX], headers[S3_PAIRS_MAX];
  guint n_query;
  guint n_headers;
  GBytes *body;
  char *body_sha256;
  gsize max_answer;
  guint timeout_factor;
  gboolean stream;
} S3Request;

/* @name: (nullable): below the prefix */
S3Request *s3_request_new (S3Client *client, const char *method, const char *verb, const char *name) G_GNUC_WARN_UNUSED_RESULT;
void s3_request_free (S3Request *self);
void s3_request_query (S3Request *self, const char *name, const char *value);
void s3_request_header (S3Request *self, const char *name, const char *value);
/* @sha256: (nullable): hex; hashed here, on this thread, when it is not known */
void s3_request_body (S3Request *self, GBytes *body, const char *sha256);

/* @request: (transfer full) */
void s3_client_send_async (S3Client *self, S3Request *request, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* Every status is an answer. */
CloudAnswer *s3_client_send_finish (S3Client *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* What the answer to the request of @result means where it is no success. @conditional: the request had a condition */
GError *s3_client_refusal (GAsyncResult *result, const CloudAnswer *answer, gboolean conditional) G_GNUC_WARN_UNUSED_RESULT;
/* of the request that @result is of */
GInputStream *s3_client_take_stream (GAsyncResult *result, CloudAnswer *answer, guint64 expected, GObject *owner) G_GNUC_WARN_UNUSED_RESULT;
const S3Options *s3_client_get_options (S3Client *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (S3Request, s3_request_free)
G_END_DECLS
