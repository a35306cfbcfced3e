#pragma once
#include <glib.h>

G_BEGIN_DECLS

/* Names of objects as paths, one to one. A store may have both `a` and `a/b`, and segments longer than a file may be called, so:
 *   - an object's file is called by the end of its last segment and `@`;
 *   - a segment of 128 bytes or more goes on in a folder called by its first 128 bytes and `+`, and so forth, until less is left;
 *   - any other segment is a folder of that name, with a `+` behind what could not be a name: nothing, `.`, `..`.
 * Neither `@` nor `+` can be in an object's name. Whatever else lies there is not ours and is not seen. */

#define FILE_NAME_CHUNK  ((gsize) 128)
#define FILE_WORK_FOLDER ".teesql@work" /* never a segment, chunk or object */

/* (transfer full): the relative path */
char *file_name_to_path (const char *name) G_GNUC_WARN_UNUSED_RESULT;

/**
 * file_name_decode:
 * @base: name of the objects in the folder so far: empty, `a/`, or a chunk without a slash
 * @out_name: (transfer full): of an object; or what every object below begins with
 *
 * Returns: %FALSE when @entry is not ours
 */
gboolean file_name_decode (const char *base, const char *entry, gboolean is_folder, char **out_name) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
