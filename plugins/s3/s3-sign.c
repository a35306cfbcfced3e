#include "s3-sign.h"

#include "../cloud/cloud-uri.h"
#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "base/teesql-locked-memory.h"

#include <string.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DATE_SIZE 8

char *
s3_sign_sha256 (const void *data, gsize size)
{
  guint8 digest[TEESQL_SHA256_SIZE];

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, data, size);
  return teesql_hex_encode (digest, sizeof digest);
}

char *
s3_sign_timestamp (gint64 unix_seconds)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (unix_seconds);

  return g_date_time_format (time, "%Y%m%dT%H%M%SZ");
}

static int
compare_pairs (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* A blank sorts below everything that encoding leaves, so whole pairs sort as their names and then their values do. */
char *
s3_sign_query (const S3Pair *pairs, gsize n_pairs)
{
  g_autoptr (GPtrArray) encoded = g_ptr_array_new_with_free_func (g_free);

  for (gsize i = 0; i < n_pairs; i++)
    {
      g_autofree char *name = cloud_percent_encode (pairs[i].name, NULL);
      g_autofree char *value = cloud_percent_encode (pairs[i].value, NULL);

      g_ptr_array_add (encoded, g_strdup_printf ("%s %s", name, value));
    }
  g_ptr_array_sort (encoded, compare_pairs);
  for (guint i = 0; i < encoded->len; i++)
    *strchr (encoded->pdata[i], ' ') = '=';
  g_ptr_array_add (encoded, NULL);
  return g_strjoinv ("&", (char **) encoded->pdata);
}

static char *
signed_names (const S3Signing *self)
{
  GString *names = g_string_new (NULL);

  for (gsize i = 0; i < self->n_headers; i++)
    g_string_append_printf (names, "%s%s", i > 0 ? ";" : "", self->headers[i].name);
  return g_string_free (names, FALSE);
}

char *
s3_sign_canonical_request (const S3Signing *self)
{
  GString *text = g_string_new (NULL);
  g_autofree char *names = signed_names (self);

  g_string_append_printf (text, "%s\n%s\n%s\n", self->method, self->path, self->query);
  for (gsize i = 0; i < self->n_headers; i++)
    g_string_append_printf (text, "%s:%s\n", self->headers[i].name, self->headers[i].value);
  g_string_append_printf (text, "\n%s\n%s", names, self->payload);
  return g_string_free (text, FALSE);
}

static char *
scope (const S3Signing *self)
{
  return g_strdup_printf ("%.*s/%s/%s/aws4_request", DATE_SIZE, self->timestamp, self->region, self->service);
}

char *
s3_sign_string_to_sign (const S3Signing *self)
{
  g_autofree char *request = s3_sign_canonical_request (self);
  g_autofree char *digest = s3_sign_sha256 (request, strlen (request));
  g_autofree char *where = scope (self);

  return g_strdup_printf (ALGORITHM "\n%s\n%s\n%s", self->timestamp, where, digest);
}

static void
step (guint8 out[TEESQL_SHA256_SIZE], const guint8 *key, gsize key_size, const char *text, gsize size)
{
  const TeesqlDigestPart part = { text, size };

  teesql_hmac_sha256 (out, key, key_size, &part, 1);
}

static char *
sign (const S3Signing *self, const S3Credentials *credentials, const char *text)
{
  const char *const steps[] = { self->region, self->service, "aws4_request", text };
  gsize size = 0;
  const guint8 *secret = teesql_secret_peek (credentials->key, &size);
  guint8 keys[2][TEESQL_SHA256_SIZE];
  guint now = 0;
  char *signature = NULL;

  step (keys[now], secret, size, self->timestamp, DATE_SIZE);
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++, now = 1 - now)
    step (keys[1 - now], keys[now], TEESQL_SHA256_SIZE, steps[i], strlen (steps[i]));
  signature = teesql_hex_encode (keys[now], TEESQL_SHA256_SIZE);
  teesql_wipe (keys, sizeof keys);
  return signature;
}

char *
s3_sign_authorization (const S3Signing *self, const S3Credentials *credentials)
{
  g_autofree char *text = s3_sign_string_to_sign (self);
  g_autofree char *where = scope (self);
  g_autofree char *names = signed_names (self);
  g_autofree char *signature = sign (self, credentials, text);

  return g_strdup_printf (ALGORITHM " Credential=%s/%s,SignedHeaders=%s,Signature=%s", credentials->access_key_id, where, names, signature);
}
