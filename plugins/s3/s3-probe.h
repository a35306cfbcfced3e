#pragma once
#include "s3-storage.h"

G_BEGIN_DECLS

/* Whether the store keeps to a condition at the end of an upload: one is begun over an object made for that, ended with a condition, and
 * all of it taken away. Six small requests. */
void s3_probe_async (S3Storage *storage, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
S3Condition s3_probe_finish (S3Storage *storage, GAsyncResult *result, GError **error);

G_END_DECLS
