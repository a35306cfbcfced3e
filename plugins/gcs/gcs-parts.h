#pragma once
#include "gcs-storage-private.h"

G_BEGIN_DECLS

/* A big object is put together from parts, each an object of its own below `~parts/UPLOAD/`, which the store then composes. Resumable uploads of this API take
 * their bytes strictly in order and in multiples of 256 KiB; parts go up side by side, in any order, survive a restart, and are checked one by one.
 * Part 0, which is empty, says that the upload has begun and was not given up. */

#define GCS_PART_BYTES ((gsize) 8 * 1024 * 1024) /* where the plugin itself makes parts */

/**
 * GcsPart:
 *
 * an object that becomes a part of a bigger one
 */
typedef struct
{
  char *full_name;
  char *generation;
  guint64 size;
  guint32 crc32c;
} GcsPart;

void gcs_part_free (GcsPart *self);
char *gcs_part_full_name (const GcsStorage *self, const char *upload_id, guint number) G_GNUC_WARN_UNUSED_RESULT;
/* what core hands back at the end: generation, size and crc32c */
char *gcs_part_to_tag (const GcsObject *object) G_GNUC_WARN_UNUSED_RESULT;
/* Reason: `upload-tag` */
GcsPart *gcs_part_from_tag (const GcsStorage *self, const char *upload_id, guint number, const char *tag, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *gcs_upload_id_new (void) G_GNUC_WARN_UNUSED_RESULT;
gboolean gcs_upload_id_is_valid (const char *upload_id);

/**
 * gcs_compose_async:
 * @parts: (element-type GcsPart) (transfer full): 1 to 10,000
 * @name: of the object that appears, at once and whole
 *
 * composes in a tree of 32 at a time, holds the result to the sum of the parts, then removes them
 */
void gcs_compose_async (GcsStorage *self, const char *upload_id, GPtrArray *parts, const char *name, gboolean if_absent, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data);
TeesqlObjectInfo *gcs_compose_finish (GcsStorage *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * gcs_sweep_async:
 * @full_prefix: everything that begins with it goes
 * @older_than_unix: only what was written before; %G_MAXINT64 for all
 */
void gcs_sweep_async (GcsStorage *self, const char *full_prefix, gint64 older_than_unix, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer user_data);
gboolean gcs_sweep_finish (GcsStorage *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
