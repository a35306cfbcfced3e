#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/* The files of a module before any of its code runs. */

gboolean teesql_plugin_name_is_valid (const char *name); /* [a-z][a-z0-9-]{0,31} */
/**
 * teesql_plugin_file_find:
 * @plugin_path: (array zero-terminated=1): folders before the compiled-in one
 *
 * Returns: (transfer full) (nullable): path of libNAME.so in the first folder that has it
 */
char *teesql_plugin_file_find (const char *const *plugin_path, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlPluginImage:
 * @fd: sealed memfd; nobody can change its bytes any more
 * @path: of the file it was copied from, links resolved
 * @digest: lower hex SHA-384 of the bytes in @fd
 */
typedef struct
{
  int fd;
  char *path;
  char *digest;
} TeesqlPluginImage;

/**
 * teesql_plugin_file_measure:
 *
 * checks owner and mode of the file and of every folder above it, copies it, seals the copy, hashes the copy.
 */
gboolean teesql_plugin_file_measure (const char *path, TeesqlPluginImage *out_image, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_plugin_file_measure_once:
 *
 * teesql_plugin_file_measure() for module @name, which for the life of this process must be of the bytes it had the first time: they stand
 * in the configuration digest (`plugin-changed`). From any thread.
 */
gboolean teesql_plugin_file_measure_once (const char *path, const char *name, TeesqlPluginImage *out_image, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_plugin_file_adopt:
 * @fd: (transfer full): sealed memfd that another process measured
 * @digest: lower hex, what it said
 *
 * looks at the seals and hashes again: what is mapped is what stands in the daemon's configuration digest, whoever carried it
 */
gboolean teesql_plugin_file_adopt (int fd, const char *name, const char *digest, TeesqlPluginImage *out_image, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_plugin_file_read_once:
 * @out_digest: (optional): lower hex SHA-384
 *
 * the text of a file that is as trusted as a module, by the same rules of owner and mode, and like a module the same for the life of this
 * process (`plugin-changed`)
 *
 * Returns: (transfer full) (nullable): less than @max bytes of valid UTF-8
 */
char *teesql_plugin_file_read_once (const char *path, gsize max, char **out_digest, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_plugin_image_clear (TeesqlPluginImage *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TeesqlPluginImage, teesql_plugin_image_clear)

G_END_DECLS
