#pragma once
#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

#define GCS_TYPE_STORAGE (gcs_storage_get_type ())
/**
 * GcsStorage:
 *
 * objects in a bucket of Google Cloud Storage, by its JSON API
 */
G_DECLARE_FINAL_TYPE (GcsStorage, gcs_storage, GCS, STORAGE, GObject)

G_END_DECLS
