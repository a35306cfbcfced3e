#include "s3-credentials.h"

#include <string.h>
#include <teesql/teesql-error.h>

#define KEY_PREFIX    "AWS4"
#define KEY_ID_MAX    ((gsize) 256)
#define SECRET_MAX    ((gsize) 512)
#define PRINTABLE_MIN 0x21
#define PRINTABLE_MAX 0x7e

/* None of them may carry a blank, a line end or a NUL into a header; such a byte is mostly a slip in a file. */
static gboolean
is_plain (const guint8 *bytes, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (bytes[i] < PRINTABLE_MIN || bytes[i] > PRINTABLE_MAX)
      return FALSE;
  return size > 0;
}

static gboolean
secret_is_plain (TeesqlSecret *secret, gsize max)
{
  gsize size = 0;
  const guint8 *bytes = teesql_secret_peek (secret, &size);

  return size <= max && is_plain (bytes, size);
}

static gboolean
fill_key (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  const guint8 *secret = teesql_secret_peek (user_data, NULL);
  const gsize prefix = strlen (KEY_PREFIX);

  for (gsize i = 0; i < size; i++)
    out[i] = i < prefix ? (guint8) KEY_PREFIX[i] : secret[i - prefix];
  return TRUE;
}

static gboolean
fail (GError **error, const char *what)
{
  g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "s3-credentials", 0,
                                              "%s is empty, too long, or has a blank or a line end in it", what));
  return FALSE;
}

static gboolean
check (const char *access_key_id, TeesqlSecret *secret, TeesqlSecret *token, GError **error)
{
  gsize size = strlen (access_key_id);

  /* a slash would end it early in the credential scope */
  if (size > KEY_ID_MAX || !is_plain ((const guint8 *) access_key_id, size) || strpbrk (access_key_id, "/,") != NULL)
    return fail (error, "access-key-id");
  if (!secret_is_plain (secret, SECRET_MAX))
    return fail (error, "secret-access-key");
  if (token != NULL && !secret_is_plain (token, TEESQL_SECRET_MAX_SIZE))
    return fail (error, "session-token");
  return TRUE;
}

S3Credentials *
s3_credentials_new (const char *access_key_id, TeesqlSecret *secret_access_key, TeesqlSecret *session_token, GError **error)
{
  TeesqlSecret *key = NULL;
  S3Credentials *self = NULL;

  if (!check (access_key_id, secret_access_key, session_token, error))
    return NULL;
  key = teesql_secret_new_fill (strlen (KEY_PREFIX) + teesql_secret_get_size (secret_access_key), fill_key, secret_access_key, error);
  if (key == NULL)
    return NULL;
  self = g_atomic_rc_box_new0 (S3Credentials);
  self->access_key_id = g_strdup (access_key_id);
  self->key = key;
  self->session_token = session_token != NULL ? teesql_secret_ref (session_token) : NULL;
  return self;
}

S3Credentials *
s3_credentials_ref (S3Credentials *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
s3_credentials_clear (gpointer data)
{
  S3Credentials *self = data;

  g_free (self->access_key_id);
  teesql_secret_unref (self->key);
  g_clear_pointer (&self->session_token, teesql_secret_unref);
}

void
s3_credentials_unref (S3Credentials *self)
{
  g_atomic_rc_box_release_full (self, s3_credentials_clear);
}
