#pragma once
#include "file-root.h"

#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

/**
 * FileTemp:
 *
 * a file that nobody sees yet. One thread at a time.
 */
typedef struct
{
  FileRoot *root;
  int fd;
  char *name; /* in the hidden folder; %NULL: it has none */
  guint64 size;
  guint64 synced; /* up to there writing to the device has begun, and the cache may go */
} FileTemp;

FileTemp *file_temp_new (FileRoot *root, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void file_temp_free (FileTemp *self); /* it is gone, if it was not published */
gboolean file_temp_write (FileTemp *self, GBytes *bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean file_temp_sync (FileTemp *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* durable under the name of @object on return; what was synced before becomes visible at once and whole */
gboolean file_temp_publish (FileTemp *self, const char *object, TeesqlStoragePutFlags flags, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* the same for a file that has a name in the hidden folder; it may keep that name */
gboolean file_publish_named (FileRoot *root, const char *work_path, const char *object, TeesqlStoragePutFlags flags, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* all of @bytes at @offset; %FALSE with errno */
gboolean file_write_at (int fd, GBytes *bytes, guint64 offset) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FileTemp, file_temp_free)
G_END_DECLS
