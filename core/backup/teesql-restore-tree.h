#pragma once
#include <gio/gio.h>

#include <sys/stat.h>

G_BEGIN_DECLS

/**
 * TeesqlRestoreOwner:
 *
 * whose files a restore makes. Another user than ours only for root, who then touches the file system as that user (fsuid of the thread),
 * so that nothing a server's user planted leads anywhere it could not go itself.
 */
typedef struct
{
  guint uid;
  guint gid;
} TeesqlRestoreOwner;

/* @uid, @gid: (guint) -1 is our own. REFUSED `restore-owner` for another user where we are not root, and for root */
gboolean teesql_restore_owner_init (TeesqlRestoreOwner *self, guint uid, guint gid, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_restore_owner_reads (const TeesqlRestoreOwner *owner, const char *path); /* %FALSE with errno */
gboolean teesql_restore_owner_differs (const TeesqlRestoreOwner *self);

/**
 * TeesqlRestoreTree:
 *
 * a folder beneath which files are made and read by name: no link is followed, nothing outside is reached, nothing that exists is replaced
 * unawares. Folders 0700, files 0600. Errors: #TEESQL_BACKUP_ERROR FAILED `restore-write`, NO_SPACE `restore-space`
 */
typedef struct _TeesqlRestoreTree TeesqlRestoreTree;
/* @parent: (nullable): %NULL: @name is a path, and none of its parts may be a link */
TeesqlRestoreTree *teesql_restore_tree_open (TeesqlRestoreTree *parent, const char *name, const TeesqlRestoreOwner *owner, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_restore_tree_free (TeesqlRestoreTree *self);
int teesql_restore_tree_get_fd (TeesqlRestoreTree *self);
const char *teesql_restore_tree_get_path (TeesqlRestoreTree *self); /* for messages and programs */
const TeesqlRestoreOwner *teesql_restore_tree_get_owner (TeesqlRestoreTree *self);

gboolean teesql_restore_tree_make_folder (TeesqlRestoreTree *self, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
int teesql_restore_tree_create (TeesqlRestoreTree *self, const char *name, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* descriptor of a new file, or -1 */
int teesql_restore_tree_open_file (TeesqlRestoreTree *self, const char *name, int flags, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* flags of open(); -1; #G_IO_ERROR NOT_FOUND where there is none */
gboolean teesql_restore_tree_write_file (TeesqlRestoreTree *self, const char *name, const void *data, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* new */
/* whole regular file of at most @max bytes; %NULL without an error where there is none */
GBytes *teesql_restore_tree_read_file (TeesqlRestoreTree *self, const char *name, gsize max, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* in place of what is there, as a whole */
gboolean teesql_restore_tree_replace_file (TeesqlRestoreTree *self, const char *name, const void *data, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_restore_tree_make_link (TeesqlRestoreTree *self, const char *name, const char *target, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_restore_tree_remove_file (TeesqlRestoreTree *self, const char *name, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* fine when it is not there */
/* @name and all beneath it; links are removed and not followed */
gboolean teesql_restore_tree_remove (TeesqlRestoreTree *self, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* everything of its file system durable */
gboolean teesql_restore_tree_sync (TeesqlRestoreTree *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* names in it, sorted, at most @max of them */
GPtrArray *teesql_restore_tree_list (TeesqlRestoreTree *self, guint max, GError **error) G_GNUC_WARN_UNUSED_RESULT;

gboolean teesql_restore_write_all (int fd, const guint8 *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* @what: `writing /srv/data/PG_VERSION`; of errno */
gboolean teesql_restore_fail_errno (GError **error, int number, const char *format, ...) G_GNUC_PRINTF (3, 4);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRestoreTree, teesql_restore_tree_free)
G_END_DECLS
