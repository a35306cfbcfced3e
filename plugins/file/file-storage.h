#pragma once
#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

/**
 * FileStorage:
 *
 * objects as files below a folder. Whatever touches the disk runs on threads; only content is read on the calling context.
 */
#define FILE_TYPE_STORAGE (file_storage_get_type ())
G_DECLARE_FINAL_TYPE (FileStorage, file_storage, FILE, STORAGE, GObject)

/* for tests: as if the file system had no unnamed files */
void file_storage_force_named (FileStorage *self);

G_END_DECLS
