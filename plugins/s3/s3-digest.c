#include "s3-digest.h"

#include "base/teesql-digest.h"
#include "base/teesql-hex.h"

#define SMALL ((gsize) 65536) /* hashed in well under a millisecond */

typedef struct
{
  GBytes *bytes;
  S3Checksum kind;
} Job;

static void
job_free (gpointer data)
{
  Job *self = data;

  g_bytes_unref (self->bytes);
  g_free (self);
}

void
s3_digest_free (S3Digest *self)
{
  g_free (self->sha256_hex);
  g_free (self->checksum);
  g_free (self);
}

static char *
md5_of (const guint8 *data, gsize size)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_MD5);
  guint8 digest[16];
  gsize length = sizeof digest;

  g_checksum_update (checksum, data, (gssize) size);
  g_checksum_get_digest (checksum, digest, &length);
  return teesql_base64_encode (digest, length);
}

static void
digest_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const Job *job = task_data;
  S3Digest *self = g_new0 (S3Digest, 1);
  guint8 sha256[TEESQL_SHA256_SIZE];
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (job->bytes, &size);

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, sha256, data, size);
  self->sha256_hex = teesql_hex_encode (sha256, sizeof sha256);
  if (job->kind == S3_CHECKSUM_SHA256)
    self->checksum = teesql_base64_encode (sha256, sizeof sha256);
  else if (job->kind == S3_CHECKSUM_MD5)
    self->checksum = md5_of (data, size);
  g_task_return_pointer (task, self, (GDestroyNotify) s3_digest_free);
}

void
s3_digest_async (GBytes *bytes, S3Checksum kind, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Job *job = g_new0 (Job, 1);

  job->bytes = g_bytes_ref (bytes);
  job->kind = kind;
  g_task_set_task_data (task, job, job_free);
  if (g_bytes_get_size (bytes) <= SMALL)
    digest_thread (task, NULL, job, cancellable);
  else
    g_task_run_in_thread (task, digest_thread);
}

S3Digest *
s3_digest_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

const char *
s3_digest_header (S3Checksum kind)
{
  if (kind == S3_CHECKSUM_NONE)
    return NULL;
  return kind == S3_CHECKSUM_SHA256 ? "x-amz-checksum-sha256" : "content-md5";
}
