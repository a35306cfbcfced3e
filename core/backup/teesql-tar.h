#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

#define TEESQL_TAR_BLOCK       ((gsize) 512)
#define TEESQL_TAR_NAME_MAX    ((gsize) 255)           /* prefix, slash, name */
#define TEESQL_TAR_ENTRIES_MAX ((guint64) 1 << 24)     /* files, folders and links of one archive */
#define TEESQL_TAR_SIZE_MAX    ((guint64) 1 << 40)     /* of one file: PostgreSQL's own have at most a segment's size */
#define TEESQL_TAR_FOLDERS_MAX ((guint) 1 << 20)       /* folders are remembered, so that none comes twice */

typedef enum
{
  TEESQL_TAR_FILE,
  TEESQL_TAR_FOLDER,
  TEESQL_TAR_LINK,
} TeesqlTarKind;

/**
 * TeesqlTarEntry:
 * @name: relative, without `.`, `..`, empty parts and a slash at the end
 * @link: (nullable): where a link leads: an absolute path. Only `pg_tblspc/OID` may be one, and nobody follows it.
 */
typedef struct
{
  const char *name;
  const char *link;
  TeesqlTarKind kind;
  guint64 size;
} TeesqlTarEntry;

/**
 * TeesqlTarHandler:
 *
 * @begin is called for every entry, @data and @end for files only. %FALSE with an error ends the reading.
 */
typedef struct
{
  gboolean (*begin) (const TeesqlTarEntry *entry, gpointer user_data, GError **error);
  gboolean (*data) (const guint8 *data, gsize size, gpointer user_data, GError **error);
  gboolean (*end) (gpointer user_data, GError **error);
} TeesqlTarHandler;

/**
 * TeesqlTarReader:
 *
 * an archive of PostgreSQL's base backup, fed in pieces of any size. Takes what PostgreSQL writes (ustar; sizes in octal or base-256) and
 * nothing else: every other kind of entry, name or padding is MALFORMED in #TEESQL_BACKUP_ERROR (`tar-…`). Pure.
 */
typedef struct _TeesqlTarReader TeesqlTarReader;
TeesqlTarReader *teesql_tar_reader_new (const TeesqlTarHandler *handler, gpointer user_data) G_GNUC_WARN_UNUSED_RESULT;
void teesql_tar_reader_free (TeesqlTarReader *self);
/* after a failure every further call fails too */
gboolean teesql_tar_reader_feed (TeesqlTarReader *self, const guint8 *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the archive ended with its end marker, and not before */
gboolean teesql_tar_reader_finish (TeesqlTarReader *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* `base/1/2619`: what may be opened beneath a folder */
gboolean teesql_tar_name_is_safe (const char *name) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlTarReader, teesql_tar_reader_free)
G_END_DECLS
