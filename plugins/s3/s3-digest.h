#pragma once
#include <gio/gio.h>

#include "s3-options.h"

G_BEGIN_DECLS

/**
 * S3Digest:
 * @sha256_hex: for the signature
 * @checksum: (nullable): base64, for x-amz-checksum-sha256 or Content-MD5
 */
typedef struct
{
  char *sha256_hex;
  char *checksum;
} S3Digest;

void s3_digest_free (S3Digest *self);
/* on a thread of the pool; small ones at once */
void s3_digest_async (GBytes *bytes, S3Checksum kind, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
S3Digest *s3_digest_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the header's name, %NULL for none */
const char *s3_digest_header (S3Checksum kind);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (S3Digest, s3_digest_free)
G_END_DECLS
