#include "s3-identity.h"

#include "s3-scan.h"

/* IMDS and STS give at least a quarter of an hour. */
#define LIFETIME_MAX_MS ((gint64) 36 * 60 * 60 * 1000)

static void
identity_free (gpointer data)
{
  S3Identity *self = data;

  g_clear_pointer (&self->fixed, s3_credentials_unref);
  g_clear_object (&self->session);
  g_free (self->role_arn);
  g_free (self->role_session_name);
  g_free (self->token_file);
  g_free (self->url);
  g_free (self);
}

static void
fetch_async (gpointer user_data, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data)
{
  S3Identity *self = user_data;
  g_autoptr (GTask) task = NULL;

  if (self->kind == S3_CREDENTIALS_WEB_IDENTITY)
    s3_web_identity_fetch_async (self, cancellable, callback, callback_data);
  else if (self->kind == S3_CREDENTIALS_METADATA)
    s3_metadata_fetch_async (self, cancellable, callback, callback_data);
  else
    {
      task = g_task_new (NULL, cancellable, callback, callback_data);
      g_task_return_pointer (task, s3_credentials_ref (self->fixed), (GDestroyNotify) s3_credentials_unref);
    }
}

static gpointer
fetch_finish (gpointer user_data, GAsyncResult *result, gint64 *out_lifetime_ms, GError **error)
{
  const S3Identity *self = user_data;
  const gint64 *lifetime_ms = g_object_get_data (G_OBJECT (result), "lifetime");

  *out_lifetime_ms = self->kind == S3_CREDENTIALS_STATIC || lifetime_ms == NULL ? G_MAXINT64 : *lifetime_ms;
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ISO 8601 with a zone; the store's clock against ours, as the store itself will compare them. */
static gboolean
read_lifetime (GBytes *answer, S3ScanFunc scan, gint64 *out_lifetime_ms, GError **error)
{
  g_autoptr (TeesqlSecret) secret = scan (answer, "Expiration", error);
  g_autofree char *text = secret != NULL ? s3_scan_to_text (secret) : NULL;
  g_autoptr (GDateTime) end = text != NULL ? g_date_time_new_from_iso8601 (text, NULL) : NULL;
  gint64 left_ms = end != NULL ? g_date_time_to_unix (end) * 1000 - g_get_real_time () / 1000 : 0;

  if (text == NULL)
    return FALSE;
  if (left_ms <= 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "s3-credentials-answer", 0,
                                                  "credentials: they have ended already, or say no end that can be read\n"
                                                  "hint: the clock of this machine may be ahead"));
      return FALSE;
    }
  *out_lifetime_ms = MIN (left_ms, LIFETIME_MAX_MS);
  return TRUE;
}

S3Credentials *
s3_identity_read_answer (GBytes *answer, S3ScanFunc scan, const char *token_member, gint64 *out_lifetime_ms, GError **error)
{
  g_autoptr (TeesqlSecret) id = scan (answer, "AccessKeyId", error);
  g_autoptr (TeesqlSecret) secret = id != NULL ? scan (answer, "SecretAccessKey", error) : NULL;
  g_autoptr (TeesqlSecret) token = secret != NULL ? scan (answer, token_member, error) : NULL;
  g_autofree char *id_text = id != NULL ? s3_scan_to_text (id) : NULL;

  if (token == NULL || !read_lifetime (answer, scan, out_lifetime_ms, error))
    return NULL;
  return s3_credentials_new (id_text, secret, token, error);
}

void
s3_identity_return (GTask *task, GBytes *answer, S3ScanFunc scan, const char *token_member)
{
  GError *error = NULL;
  gint64 lifetime_ms = 0;
  S3Credentials *credentials = s3_identity_read_answer (answer, scan, token_member, &lifetime_ms, &error);

  if (credentials == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  g_object_set_data_full (G_OBJECT (task), "lifetime", g_memdup2 (&lifetime_ms, sizeof lifetime_ms), g_free);
  g_task_return_pointer (task, credentials, (GDestroyNotify) s3_credentials_unref);
}

static char *
url_of (const CloudEndpoint *endpoint)
{
  return g_strdup_printf ("%s://%s", endpoint->https ? "https" : "http", endpoint->authority);
}

CloudTokens *
s3_identity_new (const S3Options *options, SoupSession *session)
{
  const CloudTokenSource source = { fetch_async, fetch_finish, (GBoxedCopyFunc) s3_credentials_ref, (GDestroyNotify) s3_credentials_unref,
                                    identity_free };
  S3Identity *self = g_new0 (S3Identity, 1);

  self->kind = options->kind;
  self->fixed = options->fixed != NULL ? s3_credentials_ref (options->fixed) : NULL;
  self->session = g_object_ref (session);
  self->role_arn = g_strdup (options->role_arn);
  self->role_session_name = g_strdup (options->role_session_name);
  self->token_file = g_strdup (options->token_file);
  self->url = url_of (options->kind == S3_CREDENTIALS_METADATA ? &options->metadata_endpoint : &options->sts_endpoint);
  self->timeout_ms = options->timeout_ms;
  return cloud_tokens_new (&source, self);
}
