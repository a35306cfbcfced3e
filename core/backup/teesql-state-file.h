#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/* Small files in the state directory that decide something: regular, our own, closed to everybody else, replaced as a whole. Errors:
 * #TEESQL_BACKUP_ERROR NOT_FOUND `state-absent`, REFUSED `state-permissions`, FAILED `state-file`. */

GBytes *teesql_state_file_load (const char *path, gsize max_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* unnamed until it is whole, durable with its name; makes the folder (0700) where it is missing */
gboolean teesql_state_file_replace (const char *path, const void *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* as above, but what is there already stays: EXISTS `state-exists` */
gboolean teesql_state_file_create (const char *path, const void *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_state_file_remove (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* durable; fine when it is not there */
/* open and checked, or -1 */
int teesql_state_file_open (const char *path, int flags, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_state_file_write_at (int fd, const char *path, const guint8 *data, gsize size, guint64 offset, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
