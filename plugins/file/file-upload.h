#pragma once
#include "file-temp.h"

G_BEGIN_DECLS

/* Uploads: a folder each in the hidden folder, called by its id. Parts are written where they belong into one file as soon as the first
 * part has said how large they are (`data.SIZE`); what comes before it lies beside, and is put in its place at the commit. Everything a
 * commit needs is there, so uploads outlive the process. Blocking: for threads. */

char *file_upload_begin (FileRoot *root, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Returns: (transfer full): the tag */
char *file_upload_part (FileRoot *root, const char *name, const char *id, guint number, GBytes *bytes, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* @task: on whose thread this runs; %FALSE without an error when it has been cancelled, and so answered, before the object was seen */
gboolean file_upload_commit (FileRoot *root, const char *name, const char *id, const char *const *tags, TeesqlStoragePutFlags flags,
                             GTask *task, guint64 *out_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean file_upload_abort (FileRoot *root, const char *name, const char *id, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
