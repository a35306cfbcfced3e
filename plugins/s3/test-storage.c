/* The slots, against a server that says what it is told to: lost answers, errors behind status 200, credentials that end. */
#include "../cloud/test-store.h"
#include "s3-storage.h"

#include <glib/gstdio.h>
#include <string.h>

#define DATE "Last-Modified: Sat, 31 Jan 2026 23:59:59 GMT\r\nETag: \"e\"\r\n"

static char *
scripted (const TestRequest *request, guint number, gpointer user_data)
{
  return g_strdup (user_data);
}

static GError *
init_error (TeesqlStorage *storage)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  g_async_initable_init_async (G_ASYNC_INITABLE (storage), G_PRIORITY_DEFAULT, NULL, test_keep, &result);
  g_async_initable_init_finish (G_ASYNC_INITABLE (storage), test_wait (&result), &error);
  return error;
}

static TeesqlStorage *
storage_new (const char *url)
{
  g_autoptr (TeesqlSecret) secret = teesql_secret_new ((const guint8 *) "secret", 6, NULL);
  TeesqlStorage *storage = g_object_new (S3_TYPE_STORAGE, "endpoint", url, "bucket", "bucket", "path-style", TRUE, "prefix", "repo",
                                         "access-key-id", "AKID", "secret-access-key", secret, "timeout", 400u, NULL);

  g_assert_no_error (init_error (storage));
  return storage;
}

static TeesqlObjectInfo *
put (TeesqlStorage *storage, gsize size, gint64 announced, TeesqlStoragePutFlags flags, GError **error)
{
  g_autoptr (GInputStream) content = g_memory_input_stream_new_from_data (g_strnfill (MAX (size, 1), 'x'), (gssize) size, g_free);
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_put_async (storage, "a/b", content, announced, flags, NULL, test_keep, &result);
  return teesql_storage_put_finish (storage, test_wait (&result), error);
}

static TeesqlObjectInfo *
stat_object (TeesqlStorage *storage, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_stat_async (storage, "a/b", NULL, test_keep, &result);
  return teesql_storage_stat_finish (storage, test_wait (&result), error);
}

static void
check_header (const TestRequest *request, const char *name, const char *expected)
{
  g_autofree char *value = test_request_header (request, name);

  g_assert_cmpstr (value, ==, expected);
}

static void
test_put_small (void)
{
  g_autofree char *raw = test_answer (200, "ETag: \"e\"\r\n", "");
  g_autoptr (TestStore) store = test_store_new (scripted, raw);
  g_autoptr (TeesqlStorage) storage = storage_new (store->url);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectInfo) info = put (storage, 5, 5, TEESQL_STORAGE_PUT_IF_ABSENT, &error);
  const TestRequest *request = NULL;

  g_assert_no_error (error);
  g_assert_cmpuint (teesql_object_info_get_size (info), ==, 5);
  g_assert_cmpuint (test_store_count (store), ==, 1);
  request = test_store_request (store, 0);
  g_assert_cmpstr (request->line, ==, "PUT /bucket/repo/a/b HTTP/1.1");
  g_assert_cmpuint (g_bytes_get_size (request->body), ==, 5);
  check_header (request, "If-None-Match", "*");
  check_header (request, "x-amz-content-sha256", "eaf16bc07968e013f3f94ab1342472434a39fc3475f11cf341a6c3965974f8e9");
  g_clear_object (&storage);
}

/* ---- uploads out of put ---- */

#define MIB ((gsize) 1 << 20)

static char *
multipart (const TestRequest *request, guint number, gpointer user_data)
{
  const char *commit = user_data;

  if (strstr (request->line, "/%21probe/") != NULL && g_str_has_prefix (request->line, "POST") &&
      strstr (request->line, "?uploadId=") != NULL)
    return test_answer (412, "", "");
  if (g_str_has_prefix (request->line, "GET"))
    return test_answer (200, "", "<ListPartsResult/>");
  if (strstr (request->line, "?uploads=") != NULL)
    return test_answer (200, "", "<InitiateMultipartUploadResult><UploadId>id/1+2</UploadId></InitiateMultipartUploadResult>");
  if (g_str_has_prefix (request->line, "HEAD"))
    return g_strdup ("HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n");
  if (g_str_has_prefix (request->line, "PUT"))
    return test_answer (200, "ETag: \"part\"\r\n", "");
  if (g_str_has_prefix (request->line, "DELETE"))
    return test_answer (204, "", "");
  return commit != NULL ? g_strdup (commit) : NULL;
}

static void
check_parts (gsize size, gint64 announced, guint n_parts)
{
  g_autofree char *raw = test_answer (200, "", "<CompleteMultipartUploadResult><ETag>e-2</ETag></CompleteMultipartUploadResult>");
  g_autoptr (TestStore) store = test_store_new (multipart, raw);
  g_autoptr (TeesqlStorage) storage = storage_new (store->url);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectInfo) info = put (storage, size, announced, TEESQL_STORAGE_PUT_NONE, &error);
  gsize total = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (teesql_object_info_get_size (info), ==, size);
  g_assert_cmpuint (test_store_count (store), ==, n_parts == 1 ? 1 : n_parts + 2);
  for (guint i = 0; i < n_parts; i++)
    {
      gsize part = g_bytes_get_size (test_store_request (store, n_parts == 1 ? 0 : i + 1)->body);

      g_assert_cmpuint (part, <=, 8 * MIB);
      total += part;
    }
  g_assert_cmpuint (total, ==, size);
  g_clear_object (&storage);
}

static void
test_put_parts (void)
{
  check_parts (0, -1, 1);
  check_parts (0, 0, 1);
  check_parts (3 * MIB + 1, -1, 1);
  check_parts (8 * MIB, -1, 1);
  check_parts (8 * MIB, 8 * MIB, 1);
  check_parts (8 * MIB + 1, -1, 2);
  check_parts (8 * MIB + 1, 8 * MIB + 1, 2);
  check_parts (16 * MIB, -1, 2);
  check_parts (20 * MIB, 20 * MIB, 3);
}

/* What must not replace anything is one request with a condition, which every store honours there, unlike at the end of an upload. */
static void
test_put_if_absent (void)
{
  static const gint64 sizes[] = { 8 * MIB + 1, 16 * MIB + 4096, 72 * MIB };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *raw = test_answer (200, "ETag: \"e\"\r\n", "");
      g_autoptr (TestStore) store = test_store_new (scripted, raw);
      g_autoptr (TeesqlStorage) storage = storage_new (store->url);
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlObjectInfo) info = put (storage, (gsize) sizes[i], sizes[i], TEESQL_STORAGE_PUT_IF_ABSENT, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (teesql_object_info_get_size (info), ==, sizes[i]);
      g_assert_cmpuint (test_store_count (store), ==, 1);
      g_assert_cmpuint (g_bytes_get_size (test_store_request (store, 0)->body), ==, sizes[i]);
      check_header (test_store_request (store, 0), "If-None-Match", "*");
      g_clear_object (&storage);
    }
}

typedef struct
{
  const char *path;
  const char *commit; /* raw; NULL: closed without an answer */
  GQuark (*domain) (void);
  int code;
  const char *reason;
  gboolean open; /* the end may be under way, so the upload is left to the bucket's rule */
} Commit;

static const Commit commits[] = {
  { "/put/error behind status 200",
    "HTTP/1.1 200 OK\r\nContent-Length: 84\r\n\r\n<?xml version=\"1.0\"?>\n\n<Error><Code>InternalError</Code><Message>m</Message></Error>",
    teesql_storage_error_quark, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable" },
  { "/put/refused behind status 200", "HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n<Error><Code>PreconditionFailed</Code></Error>",
    teesql_storage_error_quark, TEESQL_ERROR_EXISTS, "object-exists" },
  { "/put/neither yes nor no", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", teesql_storage_error_quark, TEESQL_ERROR_UNAVAILABLE,
    "s3-commit", TRUE },
  { "/put/closed before the answer", NULL, teesql_storage_error_quark, TEESQL_ERROR_UNAVAILABLE, "store-truncated", TRUE },
  { "/put/condition not met", "HTTP/1.1 412 X\r\nContent-Length: 0\r\n\r\n", teesql_storage_error_quark, TEESQL_ERROR_EXISTS,
    "object-exists" },
  { "/put/conflict", "HTTP/1.1 409 X\r\nContent-Length: 0\r\n\r\n", teesql_storage_error_quark, TEESQL_ERROR_EXISTS, "object-exists" },
};

static gboolean
is_look (const TestRequest *request)
{
  return g_str_has_prefix (request->line, "HEAD ") || g_str_has_prefix (request->line, "GET ");
}

static void
test_commit (gconstpointer data)
{
  const Commit *self = data;
  g_autoptr (TestStore) store = test_store_new (multipart, (gpointer) self->commit);
  g_autoptr (TeesqlStorage) storage = storage_new (store->url);
  g_autoptr (GError) error = NULL;
  const TestRequest *commit = NULL;
  guint last = 0;

  g_assert_null (put (storage, 9 * MIB, -1, TEESQL_STORAGE_PUT_IF_ABSENT, &error));
  g_test_message ("%s", error->message);
  g_assert_error (error, self->domain (), self->code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, self->reason);
  last = test_store_count (store) - 1;
  for (guint i = self->open ? last : last - 1; commit == NULL; i--) /* but for looks at what came of it, right before the abort */
    commit = !is_look (test_store_request (store, i)) ? test_store_request (store, i) : NULL;
  g_assert_true (g_str_has_prefix (commit->line, "POST /bucket/repo/a/b?uploadId=id%2F1%2B2 "));
  check_header (commit, "If-None-Match", "*");
  g_assert_true (g_str_has_prefix (test_store_request (store, last)->line, "DELETE ") == !self->open); /* tidied up */
  g_clear_object (&storage);
}

static gboolean
has_part (gpointer data)
{
  return test_store_count (data) >= 2;
}

static char *
hang_at_part (const TestRequest *request, guint number, gpointer user_data)
{
  if (g_str_has_prefix (request->line, "PUT"))
    return g_strdup (TEST_HANG);
  return multipart (request, number, user_data);
}

static gboolean
turn (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* The fake serves one at a time, so the abort goes unanswered too: within a second it is over all the same. */
static void
test_cancelled (void)
{
  g_autoptr (TestStore) store = test_store_new (hang_at_part, NULL);
  g_autoptr (TeesqlStorage) storage = storage_new (store->url);
  g_autoptr (GInputStream) content = g_memory_input_stream_new_from_data (g_strnfill (9 * MIB, 'x'), 9 * MIB, g_free);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  guint id = g_timeout_add (5, turn, NULL);
  gint64 start = 0;

  teesql_storage_put_async (storage, "a/b", content, -1, TEESQL_STORAGE_PUT_NONE, cancellable, test_keep, &result);
  test_until (has_part, store);
  g_source_remove (id);
  start = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_assert_null (teesql_storage_put_finish (storage, test_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
  g_clear_object (&storage);
}

/* ---- get ---- */

typedef struct
{
  const char *path;
  guint64 offset;
  guint64 length;
  const char *raw;
  const char *range; /* what is asked for */
  gssize n;          /* bytes read, -1 for an error */
  TeesqlError code;
  const char *reason;
} Get;

#define ALL G_MAXUINT64
static const Get gets[] = {
  { "/get/whole", 0, ALL, "HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\nabc", NULL, 3 },
  { "/get/empty", 0, ALL, "HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n", NULL, 0 },
  { "/get/range", 5, 3, "HTTP/1.1 206 X\r\nContent-Range: bytes 5-7/9\r\nContent-Length: 3\r\n\r\nabc", "bytes=5-7", 3 },
  { "/get/to the end", 5, ALL, "HTTP/1.1 206 X\r\nContent-Range: bytes 5-7/8\r\nContent-Length: 3\r\n\r\nabc", "bytes=5-", 3 },
  { "/get/behind the end", 5, ALL, "HTTP/1.1 416 X\r\nContent-Length: 0\r\n\r\n", "bytes=5-", -1, TEESQL_ERROR_FAILED, "range" },
  { "/get/beyond the end", 5, 9, "HTTP/1.1 206 X\r\nContent-Range: bytes 5-7/8\r\nContent-Length: 3\r\n\r\nabc", "bytes=5-13", -1,
    TEESQL_ERROR_FAILED, "range" },
  { "/get/range not honoured", 5, 3, "HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n123456789", "bytes=5-7", -1, TEESQL_ERROR_MALFORMED,
    "s3-range" },
  { "/get/another range", 5, 3, "HTTP/1.1 206 X\r\nContent-Range: bytes 4-6/9\r\nContent-Length: 3\r\n\r\nabc", "bytes=5-7", -1,
    TEESQL_ERROR_MALFORMED, "s3-range" },
  { "/get/range without its head", 5, 3, "HTTP/1.1 206 X\r\nContent-Length: 3\r\n\r\nabc", "bytes=5-7", -1, TEESQL_ERROR_MALFORMED,
    "s3-range" },
  { "/get/not all of the end", 5, ALL, "HTTP/1.1 206 X\r\nContent-Range: bytes 5-7/9\r\nContent-Length: 3\r\n\r\nabc", "bytes=5-", -1,
    TEESQL_ERROR_FAILED, "range" },
  { "/get/of unknown length", 0, ALL, "HTTP/1.1 200 X\r\nConnection: close\r\n\r\nabc", NULL, -1, TEESQL_ERROR_MALFORMED, "s3-range" },
  { "/get/cut short", 0, ALL, "HTTP/1.1 200 X\r\nContent-Length: 9\r\nConnection: close\r\n\r\nabc", NULL, -1, TEESQL_ERROR_UNAVAILABLE,
    "store-truncated" },
  { "/get/throttled", 0, ALL, "HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", NULL, -1, TEESQL_ERROR_THROTTLED,
    "s3-throttled" },
  { "/get/redirected", 0, ALL, "HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", NULL, -1,
    TEESQL_ERROR_CONFIG, "s3-region" },
};

static gssize
read_all (GInputStream *stream, GError **error)
{
  gssize total = 0;
  gssize n = 1;

  while (n > 0)
    {
      g_autoptr (GAsyncResult) result = NULL;
      char buffer[64];

      g_input_stream_read_async (stream, buffer, sizeof buffer, G_PRIORITY_DEFAULT, NULL, test_keep, &result);
      n = g_input_stream_read_finish (stream, test_wait (&result), error);
      total += MAX (n, 0);
    }
  return n < 0 ? -1 : total;
}

static void
test_get (gconstpointer data)
{
  const Get *self = data;
  g_autoptr (TestStore) store = test_store_new (scripted, (gpointer) self->raw);
  TeesqlStorage *storage = storage_new (store->url);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  GInputStream *stream = NULL;

  teesql_storage_get_async (storage, "a/b", self->offset, self->length, NULL, test_keep, &result);
  stream = teesql_storage_get_finish (storage, test_wait (&result), &error);
  g_clear_object (&result);
  g_object_unref (storage); /* the stream keeps what it needs */
  g_assert_cmpint (stream != NULL ? read_all (stream, &error) : -1, ==, self->n);
  g_clear_object (&stream);
  check_header (test_store_request (store, 0), "Range", self->range);
  if (self->n >= 0)
    {
      g_assert_no_error (error);
      return;
    }
  g_test_message ("%s", error->message);
  g_assert_error (error, TEESQL_STORAGE_ERROR, (int) self->code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, self->reason);
  g_assert_true (self->code != TEESQL_ERROR_THROTTLED || teesql_error_get_retry_after_ms (error) == 7000);
}

/* ---- credentials that end ---- */

typedef struct
{
  guint n_credentials; /* handed out */
  gboolean expired;    /* the store refuses the first ones */
  const char *answer;  /* NULL: good ones */
  guint status;
} Issuer;

static char *
expiration (void)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) end = g_date_time_add_hours (now, 1);

  return g_date_time_format (end, "%Y-%m-%dT%H:%M:%SZ");
}

static char *
serve_bucket (Issuer *self, const TestRequest *request)
{
  g_autofree char *authorization = test_request_header (request, "Authorization");
  g_autofree char *token = test_request_header (request, "x-amz-security-token");

  g_assert_nonnull (strstr (authorization, "x-amz-security-token"));
  if (self->expired && strcmp (token, "TOKEN1") == 0)
    return test_answer (400, "", "<Error><Code>ExpiredToken</Code></Error>");
  return test_answer (200, DATE, "");
}

static char *
issue_metadata (const TestRequest *request, guint number, gpointer user_data)
{
  Issuer *self = user_data;
  g_autofree char *end = expiration ();
  g_autofree char *token = test_request_header (request, "X-aws-ec2-metadata-token");
  g_autofree char *body = NULL;

  if (g_str_has_prefix (request->line, "PUT /latest/api/token "))
    return test_answer (200, "", "METADATA==");
  if (strstr (request->line, "/latest/") == NULL)
    return serve_bucket (self, request);
  g_assert_cmpstr (token, ==, "METADATA==");
  if (g_str_has_prefix (request->line, "GET /latest/meta-data/iam/security-credentials/ "))
    return self->status != 0 ? test_answer (self->status, "", "") : test_answer (200, "", "the-role\n");
  g_assert_true (g_str_has_prefix (request->line, "GET /latest/meta-data/iam/security-credentials/the-role "));
  self->n_credentials++;
  body = g_strdup_printf (
      "{\"Code\":\"Success\",\"AccessKeyId\":\"AKID%u\",\"SecretAccessKey\":\"s\",\"Token\":\"TOKEN%u\",\"Expiration\":\"%s\"}",
      self->n_credentials, self->n_credentials, end);
  return test_answer (200, "", self->answer != NULL ? self->answer : body);
}

static char *
issue_sts (const TestRequest *request, guint number, gpointer user_data)
{
  Issuer *self = user_data;
  g_autofree char *end = expiration ();
  g_autofree char *form = NULL;
  g_autofree char *body = NULL;

  if (!g_str_has_prefix (request->line, "POST / "))
    return serve_bucket (self, request);
  form = g_strndup (g_bytes_get_data (request->body, NULL), g_bytes_get_size (request->body));
  g_assert_cmpstr (form, ==,
                   "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx&"
                   "RoleSessionName=teesql&WebIdentityToken=aa.bb_cc-dd");
  if (self->status != 0)
    return test_answer (self->status, "", "<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>");
  self->n_credentials++;
  body =
      g_strdup_printf ("<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKID</AccessKeyId>"
                       "<SecretAccessKey>s/k</SecretAccessKey><SessionToken>TOKEN%u</SessionToken><Expiration>%s</Expiration></Credentials>"
                       "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
                       self->n_credentials, end);
  return test_answer (200, "", body);
}

static char *
token_file (void)
{
  char *path = NULL;
  int fd = g_file_open_tmp ("teesql-token-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, "aa.bb_cc-dd\n", -1, NULL));
  return path;
}

static TeesqlStorage *
renewing_storage (TestStore *store, const char *kind, const char *file)
{
  TeesqlStorage *storage = g_object_new (S3_TYPE_STORAGE, "endpoint", store->url, "bucket", "bucket", "path-style", TRUE, "credentials",
                                         kind, "metadata-endpoint", store->url, "sts-endpoint", store->url, "role-arn",
                                         "arn:aws:iam::1:role/x", "web-identity-token-file", file, NULL);

  g_assert_no_error (init_error (storage));
  return storage;
}

static void
check_renewed (const char *kind, TestAnswerFunc issue)
{
  Issuer issuer = { 0 };
  g_autoptr (TestStore) store = test_store_new (issue, &issuer);
  g_autofree char *file = token_file ();
  g_autoptr (TeesqlStorage) storage = renewing_storage (store, kind, file);
  GAsyncResult *results[3] = { NULL };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    teesql_storage_stat_async (storage, "a", NULL, test_keep, &results[i]);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (TeesqlObjectInfo) info = teesql_storage_stat_finish (storage, test_wait (&results[i]), &error);

      g_assert_no_error (error);
      g_object_unref (results[i]);
    }
  g_assert_cmpuint (issuer.n_credentials, ==, 1);
  g_unlink (file);
  g_clear_object (&storage);
}

/* HEAD has no body that names the token, so a list shows it. */
static void
check_expired (const char *kind, TestAnswerFunc issue)
{
  Issuer issuer = { .expired = TRUE };
  g_autoptr (TestStore) store = test_store_new (issue, &issuer);
  g_autofree char *file = token_file ();
  g_autoptr (TeesqlStorage) storage = renewing_storage (store, kind, file);
  g_autoptr (GError) error = NULL;

  g_assert_null (put (storage, 1, 1, TEESQL_STORAGE_PUT_NONE, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "s3-token");
  g_clear_error (&error);
  g_autoptr (TeesqlObjectInfo) info = put (storage, 1, 1, TEESQL_STORAGE_PUT_NONE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (issuer.n_credentials, ==, 2);
  g_unlink (file);
  g_clear_object (&storage);
}

static void
check_no_credentials (const char *kind, TestAnswerFunc issue, Issuer *issuer, TeesqlError code, const char *reason)
{
  g_autoptr (TestStore) store = test_store_new (issue, issuer);
  g_autofree char *file = token_file ();
  g_autoptr (TeesqlStorage) storage = renewing_storage (store, kind, file);
  g_autoptr (GError) error = NULL;

  if (strcmp (reason, "s3-token-file") == 0)
    g_assert_true (g_file_set_contents (file, "no token\n{}", -1, NULL));
  g_assert_null (stat_object (storage, &error));
  g_test_message ("%s", error->message);
  g_assert_error (error, TEESQL_STORAGE_ERROR, (int) code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
  g_unlink (file);
  g_clear_object (&storage);
}

static void
test_metadata (void)
{
  Issuer no_role = { .status = 404 };
  Issuer off = { .status = 403 };
  Issuer away = { .status = 500 };
  Issuer html = { .answer = "<html>" };
  Issuer old = { .answer = "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2001-01-01T00:00:00Z\"}" };

  check_renewed ("metadata", issue_metadata);
  check_expired ("metadata", issue_metadata);
  check_no_credentials ("metadata", issue_metadata, &no_role, TEESQL_ERROR_CONFIG, "s3-metadata");
  check_no_credentials ("metadata", issue_metadata, &off, TEESQL_ERROR_PERMISSION, "s3-metadata");
  check_no_credentials ("metadata", issue_metadata, &away, TEESQL_ERROR_UNAVAILABLE, "s3-metadata");
  check_no_credentials ("metadata", issue_metadata, &html, TEESQL_ERROR_MALFORMED, "s3-credentials-answer");
  check_no_credentials ("metadata", issue_metadata, &old, TEESQL_ERROR_UNAVAILABLE, "s3-credentials-answer");
}

static void
test_web_identity (void)
{
  Issuer refused = { .status = 400 };
  Issuer away = { .status = 500 };
  Issuer good = { 0 };

  check_renewed ("web-identity", issue_sts);
  check_expired ("web-identity", issue_sts);
  check_no_credentials ("web-identity", issue_sts, &refused, TEESQL_ERROR_PERMISSION, "s3-web-identity");
  check_no_credentials ("web-identity", issue_sts, &away, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable");
  check_no_credentials ("web-identity", issue_sts, &good, TEESQL_ERROR_CONFIG, "s3-token-file");
}

/* ---- options ---- */

static void
check_option (const char *name, const char *value, const char *expected)
{
  g_autoptr (TeesqlSecret) secret = teesql_secret_new ((const guint8 *) "s", 1, NULL);
  GObject *storage = NULL;
  g_autoptr (GError) error = NULL;
  const char *names[] = { "bucket", "access-key-id", "secret-access-key", name };
  GValue values[4] = { G_VALUE_INIT, G_VALUE_INIT, G_VALUE_INIT, G_VALUE_INIT };
  guint first = g_str_equal (name, "bucket") || g_str_equal (name, "access-key-id") ? (g_str_equal (name, "bucket") ? 0 : 1) : 3;

  for (guint i = 0; i < 4; i++)
    g_value_init (&values[i], i == 2 ? TEESQL_TYPE_SECRET : G_TYPE_STRING);
  g_value_set_string (&values[0], "bucket");
  g_value_set_string (&values[1], "AKID");
  g_value_set_boxed (&values[2], secret);
  g_value_set_string (&values[first], value);
  storage = g_object_new_with_properties (S3_TYPE_STORAGE, first == 3 ? 4 : 3, names, values);
  error = init_error (TEESQL_STORAGE (storage));
  g_test_message ("%s = %s: %s", name, value, error != NULL ? error->message : "good");
  if (expected != NULL)
    {
      g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
      g_assert_nonnull (strstr (error->message, expected));
    }
  else
    g_assert_no_error (error);
  g_object_unref (storage);
  for (guint i = 0; i < 4; i++)
    g_value_unset (&values[i]);
}

static void
test_options (void)
{
  static const char *const cases[][3] = {
    { "bucket", NULL, "bucket: is required" },
    { "bucket", "a/b", "bucket" },
    { "bucket", "a..b", "bucket" },
    { "access-key-id", NULL, "access-key-id" },
    { "access-key-id", "a\nb", "access-key-id" },
    { "region", "eu/west", "region" },
    { "endpoint", "s3.example.org", "endpoint" },
    { "endpoint", "http://127.0.0.1:9", "path-style" },
    { "endpoint", "http://store.example.org:9", NULL },
    { "prefix", "a/../b", "prefix" },
    { "prefix", "/a", "prefix" },
    { "prefix", "a b", "prefix" },
    { "prefix", "a/b/", NULL },
    { "prefix", "none", NULL },
    { "checksum", "crc", "checksum" },
    { "checksum", "none", NULL },
    { "conditional-put", "yes", "conditional-put" },
    { "storage-class", "A B", "storage-class" },
    { "server-side-encryption", "aws:kms", NULL },
    { "credentials", "magic", "credentials" },
    { "credentials", "web-identity", "role-arn" },
    { "credentials", "metadata", NULL },
    { "ca-file", "/nonexistent", "ca-file" },
    { "sts-endpoint", "x", "sts-endpoint" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check_option (cases[i][0], cases[i][1], cases[i][2]);
}

static void
test_environment (void)
{
  g_autoptr (TeesqlStorage) storage = g_object_new (S3_TYPE_STORAGE, "bucket", "bucket", "credentials", "environment", NULL);
  g_autoptr (GError) error = init_error (storage);

  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "env:AWS_ACCESS_KEY_ID"));
}

static void
test_features (void)
{
  g_autoptr (TeesqlStorage) storage = storage_new ("http://127.0.0.1:1");
  g_autoptr (TeesqlStorage) without =
      g_object_new (S3_TYPE_STORAGE, "conditional-put", "none", "bucket", "bucket", "credentials", "metadata", NULL);
  TeesqlStorageFeatures all = TEESQL_STORAGE_FEATURE_IF_ABSENT | TEESQL_STORAGE_FEATURE_UPLOAD | TEESQL_STORAGE_FEATURE_PARALLEL;

  g_assert_no_error (init_error (without));
  g_assert_cmpuint (teesql_storage_get_features (storage), ==, all);
  g_assert_cmpuint (teesql_storage_get_features (without), ==, all & ~TEESQL_STORAGE_FEATURE_IF_ABSENT);
}

static void
test_timeout (void)
{
  g_autoptr (TestStore) store = test_store_new (scripted, (gpointer) TEST_HANG);
  g_autoptr (TeesqlStorage) storage = storage_new (store->url);
  g_autoptr (GError) error = NULL;

  g_assert_null (stat_object (storage, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_clear_object (&storage);
}

static void
test_stat (void)
{
  g_autoptr (TestStore) store = test_store_new (scripted, (gpointer) "HTTP/1.1 200 X\r\n" DATE "Content-Length: 1099511627776\r\n\r\n");
  g_autoptr (TeesqlStorage) storage = storage_new (store->url);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectInfo) info = stat_object (storage, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (teesql_object_info_get_size (info), ==, G_GUINT64_CONSTANT (1099511627776));
  g_assert_cmpint (teesql_object_info_get_modified_unix (info), ==, 1769903999);
  g_clear_object (&storage);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_setenv ("http_proxy", "http://127.0.0.1:1", TRUE);
  g_test_add_func ("/put/small", test_put_small);
  g_test_add_func ("/put/parts", test_put_parts);
  g_test_add_func ("/put/if absent in one request", test_put_if_absent);
  for (guint i = 0; i < G_N_ELEMENTS (commits); i++)
    g_test_add_data_func (commits[i].path, &commits[i], test_commit);
  g_test_add_func ("/put/cancelled", test_cancelled);
  for (guint i = 0; i < G_N_ELEMENTS (gets); i++)
    g_test_add_data_func (gets[i].path, &gets[i], test_get);
  g_test_add_func ("/stat/a TiB", test_stat);
  g_test_add_func ("/stat/no answer in time", test_timeout);
  g_test_add_func ("/credentials/instance metadata", test_metadata);
  g_test_add_func ("/credentials/web identity", test_web_identity);
  g_test_add_func ("/options/what they refuse", test_options);
  g_test_add_func ("/options/environment", test_environment);
  g_test_add_func ("/options/features", test_features);
  return g_test_run ();
}
