/* The signature, against values that other code computed. */
#include "../cloud/cloud-uri.h"
#include "s3-sign.h"

#include <string.h>
#include <teesql/teesql-error.h>

typedef struct
{
  const char *path_of_test;
  const char *method;
  const char *path;
  S3Pair query[8];
  gsize n_query;
  S3Pair headers[8];
  gsize n_headers;
  const char *payload;
  const char *timestamp;
  const char *request;
  const char *authorization;
} Vector;

#include "test-sign-vectors.h"

static S3Credentials *
credentials_new (const char *id, const char *secret, const char *token, GError **error)
{
  g_autoptr (TeesqlSecret) a = teesql_secret_new ((const guint8 *) secret, strlen (secret), NULL);
  g_autoptr (TeesqlSecret) b = token != NULL ? teesql_secret_new ((const guint8 *) token, strlen (token), NULL) : NULL;

  return s3_credentials_new (id, a, b, error);
}

static void
test_vector (gconstpointer data)
{
  const Vector *self = data;
  g_autoptr (S3Credentials) credentials = credentials_new (VECTOR_KEY_ID, VECTOR_SECRET, NULL, NULL);
  g_autofree char *path = cloud_percent_encode (self->path, "/");
  g_autofree char *query = s3_sign_query (self->query, self->n_query);
  const S3Signing signing = {
    self->method, path, query, self->headers, self->n_headers, self->payload, VECTOR_REGION, "s3", self->timestamp
  };
  g_autofree char *request = s3_sign_canonical_request (&signing);
  g_autofree char *authorization = s3_sign_authorization (&signing, credentials);

  g_assert_cmpstr (request, ==, self->request);
  g_assert_cmpstr (authorization, ==, self->authorization);
}

static void
test_timestamp (void)
{
  g_autofree char *text = s3_sign_timestamp (1769903999);

  g_assert_cmpstr (text, ==, "20260131T235959Z");
}

static void
test_empty (void)
{
  g_autofree char *digest = s3_sign_sha256 ("", 0);

  g_assert_cmpstr (digest, ==, S3_EMPTY_SHA256);
}

static void
test_credentials (void)
{
  static const char *const bad[][3] = {
    { "", "s", NULL },    { "a/b", "s", NULL }, { "a,b", "s", NULL },  { "a b", "s", NULL },
    { "a", "s\n", NULL }, { "a", " s", NULL },  { "a", "s", "t\r\n" }, { "a\n", "s", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (credentials_new (bad[i][0], bad[i][1], bad[i][2], &error));
      g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (vectors); i++)
    g_test_add_data_func (vectors[i].path_of_test, &vectors[i], test_vector);
  g_test_add_func ("/sign/timestamp", test_timestamp);
  g_test_add_func ("/sign/hash of nothing", test_empty);
  g_test_add_func ("/sign/credentials that cannot be", test_credentials);
  return g_test_run ();
}
