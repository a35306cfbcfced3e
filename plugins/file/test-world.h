#pragma once
#include "file-storage.h"

G_BEGIN_DECLS

/* A storage over a folder of its own, and its calls, one at a time. */
typedef struct
{
  char *folder;
  FileStorage *file;
  TeesqlStorage *storage;
} World;

FileStorage *world_open (const char *folder, gboolean named, GError **error);
void world_begin (World *self, gboolean named);
void world_begin_at (World *self, const char *folder);
void world_end (World *self); /* with all that is in the folder */
char *world_path (World *self, const char *path);
guint world_n_work (World *self); /* entries in the hidden folder */

TeesqlObjectInfo *world_put (World *self, const char *name, GBytes *bytes, TeesqlStoragePutFlags flags, GError **error);
GBytes *world_get (World *self, const char *name, guint64 offset, guint64 length, GError **error);
GInputStream *world_open_object (World *self, const char *name, GError **error);
GBytes *world_read (GInputStream *stream, GError **error);
TeesqlObjectInfo *world_stat (World *self, const char *name, GError **error);
gboolean world_remove (World *self, const char *name, GError **error);
GPtrArray *world_list (World *self, const char *prefix, guint page);
char *world_upload_begin (World *self, const char *name, GError **error);
char *world_upload_part (World *self, const char *name, const char *id, guint number, GBytes *bytes, GError **error);
TeesqlObjectInfo *world_upload_commit (World *self, const char *name, const char *id, const char *const *tags, TeesqlStoragePutFlags flags,
                                       GError **error);
gboolean world_upload_abort (World *self, const char *name, const char *id, GError **error);

GBytes *world_bytes (gsize size, guint8 seed);

G_END_DECLS
