#include "backup/teesql-restore-staging.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PREFIX      ".teesql-restore-"
#define MARKER      "teesql-restore"
#define MARKER_NEW  "teesql-restore.new"
#define MARKER_TEXT "This folder belongs to a restore by teesql. When none runs the next one removes it.\n"
#define PARTS       "parts"
#define PARTS_MAX   ((gsize) 1024 * 1024)
#define ENTRIES_MAX 100000u

#define refuse(error, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, reason, __VA_ARGS__)

struct _TeesqlRestoreStaging
{
  TeesqlRestoreTree *parent;
  TeesqlRestoreTree *tree;
  char *final_name;
  char *name;
  GString *parts; /* lines: device, inode, path */
  int lock;
};

/* ---- the final place ---- */

static gboolean
check_folder (TeesqlRestoreTree *parent, const char *name, const char *directory, GError **error)
{
  TeesqlRestoreOwner self = { geteuid (), getegid () };
  g_autoptr (TeesqlRestoreTree) tree = NULL;
  g_autoptr (GPtrArray) names = NULL;
  struct stat st;
  struct stat above;

  if (fstatat (teesql_restore_tree_get_fd (parent), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT || teesql_restore_fail_errno (error, errno, "%s", directory);
  if (S_ISLNK (st.st_mode))
    return refuse (error, "target-link", "%s is a link\nhint: name the folder it leads to", directory);
  if (!S_ISDIR (st.st_mode))
    return refuse (error, "target-not-folder", "%s is there and is no folder", directory);
  if (fstat (teesql_restore_tree_get_fd (parent), &above) != 0 || st.st_dev != above.st_dev)
    return refuse (error, "target-mount", "%s is the root of a file system\nhint: name a folder in it, which a rename can put in place",
                   directory);
  tree = teesql_restore_tree_open (parent, name, &self, error);
  names = tree != NULL ? teesql_restore_tree_list (tree, 1, error) : NULL;
  if (names == NULL)
    return FALSE;
  return names->len == 0 ||
         refuse (error, "target-not-empty", "%s is not empty: it has `%s`\nhint: a restore never overwrites anything, name another folder",
                 directory, (const char *) names->pdata[0]);
}

static TeesqlRestoreTree *
open_parent (const char *directory, const TeesqlRestoreOwner *owner, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (directory);
  g_autoptr (GError) local_error = NULL;
  TeesqlRestoreTree *tree = NULL;

  if (!g_path_is_absolute (directory) || strcmp (parent, directory) == 0)
    {
      refuse (error, "target-parent", "%s is no absolute path of a folder in a folder", directory);
      return NULL;
    }
  tree = teesql_restore_tree_open (NULL, parent, owner, &local_error);
  if (tree != NULL)
    return tree;
  if (g_str_equal (teesql_error_get_reason (local_error), "target-link"))
    g_propagate_error (error, g_steal_pointer (&local_error));
  else
    refuse (error, "target-parent", "%s\nhint: the folder that shall hold the restored one must be there", local_error->message);
  return NULL;
}

gboolean
teesql_restore_staging_check (const char *directory, GError **error)
{
  TeesqlRestoreOwner self = { geteuid (), getegid () };
  g_autofree char *name = g_path_get_basename (directory);
  g_autoptr (TeesqlRestoreTree) parent = open_parent (directory, &self, error);

  return parent != NULL && check_folder (parent, name, directory, error);
}

/* ---- what others left ---- */

/* A part was put in place and the folder it belongs to was not: the restore was killed between the two. It is ours as long as it is the
 * very folder that was noted. Who owns the staging folder may have written that note, so it is removed with that user's rights. */
static void
remove_part (const char *line, const TeesqlRestoreOwner *owner)
{
  g_auto (GStrv) fields = g_strsplit (line, " ", 3);
  g_autofree char *name = NULL;
  g_autoptr (TeesqlRestoreTree) parent = NULL;
  guint64 device = 0;
  guint64 inode = 0;
  struct stat st;

  if (g_strv_length (fields) != 3 || !g_ascii_string_to_unsigned (fields[0], 10, 0, G_MAXUINT64, &device, NULL) ||
      !g_ascii_string_to_unsigned (fields[1], 10, 0, G_MAXUINT64, &inode, NULL))
    return;
  name = g_path_get_basename (fields[2]);
  parent = open_parent (fields[2], owner, NULL);
  if (parent == NULL || fstatat (teesql_restore_tree_get_fd (parent), name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_dev != device ||
      st.st_ino != inode)
    return;
  if (teesql_restore_tree_remove (parent, name, NULL))
    teesql_log_info ("restore", "removed %s of a restore that did not end", fields[2]);
}

static void
remove_parts (TeesqlRestoreTree *tree)
{
  struct stat st;
  g_autoptr (GBytes) bytes = teesql_restore_tree_read_file (tree, PARTS, PARTS_MAX, NULL);
  g_autofree char *text = bytes != NULL ? g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)) : NULL;
  g_auto (GStrv) lines = text != NULL ? g_strsplit (text, "\n", -1) : NULL;

  /* without it the commit was done: the parts belong to a cluster that is complete */
  if (lines == NULL || fstatat (teesql_restore_tree_get_fd (tree), TEESQL_RESTORE_STAGED, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
      fstat (teesql_restore_tree_get_fd (tree), &st) != 0)
    return;
  for (guint i = 0; lines[i] != NULL; i++)
    remove_part (lines[i], &(TeesqlRestoreOwner){ st.st_uid, st.st_gid });
}

static void
remove_stale (TeesqlRestoreTree *parent, const char *name)
{
  g_autoptr (TeesqlRestoreTree) tree = teesql_restore_tree_open (parent, name, teesql_restore_tree_get_owner (parent), NULL);
  int lock = tree != NULL ? teesql_restore_tree_open_file (tree, MARKER, O_RDWR, NULL) : -1;

  if (lock < 0)
    return; /* not ours, or just begun */
  if (flock (lock, LOCK_EX | LOCK_NB) == 0)
    {
      remove_parts (tree);
      if (teesql_restore_tree_remove (parent, name, NULL))
        teesql_log_info ("restore", "removed %s/%s of a restore that did not end", teesql_restore_tree_get_path (parent), name);
    }
  close (lock);
}

static gboolean
remove_all_stale (TeesqlRestoreTree *parent, GError **error)
{
  g_autoptr (GPtrArray) names = teesql_restore_tree_list (parent, ENTRIES_MAX, error);

  for (guint i = 0; names != NULL && i < names->len; i++)
    if (g_str_has_prefix (names->pdata[i], PREFIX))
      remove_stale (parent, names->pdata[i]);
  return names != NULL;
}

/* ---- our own ---- */

/* By the folder and not by its name: whose folder it lies in may have put another in its place. */
static gboolean
give_away (int parent, const char *name, const TeesqlRestoreOwner *owner)
{
  int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat st;
  gboolean given = fd >= 0 && fstat (fd, &st) == 0 && st.st_uid == geteuid () && (st.st_mode & 07777) == 0700 && st.st_nlink <= 2 &&
                   fchown (fd, owner->uid, owner->gid) == 0;

  if (fd >= 0)
    close (fd);
  return given;
}

/* Locked before it has the name by which others know it. */
static gboolean
make_marker (TeesqlRestoreStaging *self, GError **error)
{
  int folder = teesql_restore_tree_get_fd (self->tree);

  self->lock = teesql_restore_tree_create (self->tree, MARKER_NEW, error);
  if (self->lock < 0 || !teesql_restore_write_all (self->lock, (const guint8 *) MARKER_TEXT, strlen (MARKER_TEXT), error))
    return FALSE;
  if (flock (self->lock, LOCK_EX | LOCK_NB) != 0 || fsync (self->lock) != 0 || renameat (folder, MARKER_NEW, folder, MARKER) != 0)
    return teesql_restore_fail_errno (error, errno, "marking %s", teesql_restore_tree_get_path (self->tree));
  return TRUE;
}

static gboolean
make_folder (TeesqlRestoreStaging *self, const TeesqlRestoreOwner *owner, GError **error)
{
  int parent = teesql_restore_tree_get_fd (self->parent);
  guint8 random[6];
  g_autofree char *hex = NULL;

  if (gnutls_rnd (GNUTLS_RND_NONCE, random, sizeof random) != 0)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "random", "no random numbers");
  hex = teesql_hex_encode (random, sizeof random);
  self->name = g_strdup_printf (PREFIX "%.100s-%s", self->final_name, hex);
  if (mkdirat (parent, self->name, 0700) != 0)
    {
      g_clear_pointer (&self->name, g_free);
      return teesql_restore_fail_errno (error, errno, "making a folder in %s", teesql_restore_tree_get_path (self->parent));
    }
  if (teesql_restore_owner_differs (owner) && !give_away (parent, self->name, owner))
    return teesql_restore_fail_errno (error, errno, "giving %s to its owner", self->name);
  self->tree = teesql_restore_tree_open (self->parent, self->name, owner, error);
  return self->tree != NULL && make_marker (self, error);
}

TeesqlRestoreStaging *
teesql_restore_staging_new (const char *directory, const TeesqlRestoreOwner *owner, GError **error)
{
  g_autoptr (TeesqlRestoreStaging) self = g_new0 (TeesqlRestoreStaging, 1);
  TeesqlRestoreOwner ourselves = { geteuid (), getegid () };

  self->lock = -1;
  self->parts = g_string_new (NULL);
  self->final_name = g_path_get_basename (directory);
  self->parent = open_parent (directory, &ourselves, error);
  if (self->parent == NULL || !remove_all_stale (self->parent, error) || !check_folder (self->parent, self->final_name, directory, error) ||
      !make_folder (self, owner, error))
    return NULL;
  return g_steal_pointer (&self);
}

TeesqlRestoreTree *
teesql_restore_staging_get_tree (TeesqlRestoreStaging *self)
{
  return self->tree;
}

gboolean
teesql_restore_staging_note_part (TeesqlRestoreStaging *self, TeesqlRestoreStaging *part, const char *name, const char *path,
                                  GError **error)
{
  struct stat st;
  int fd = -1;
  gboolean ok = FALSE;

  if (fstatat (teesql_restore_tree_get_fd (part->tree), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return teesql_restore_fail_errno (error, errno, "%s", path);
  g_string_append_printf (self->parts, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %s\n", (guint64) st.st_dev, (guint64) st.st_ino, path);
  if (!teesql_restore_tree_replace_file (self->tree, PARTS, self->parts->str, self->parts->len, error))
    return FALSE;
  fd = teesql_restore_tree_open_file (self->tree, PARTS, O_RDONLY, error);
  ok = fd >= 0 && fsync (fd) == 0 && fsync (teesql_restore_tree_get_fd (self->tree)) == 0;
  if (fd >= 0)
    close (fd);
  return ok || (fd >= 0 && teesql_restore_fail_errno (error, errno, "writing %s", PARTS));
}

gboolean
teesql_restore_staging_commit (TeesqlRestoreStaging *self, const char *name, GError **error)
{
  int tree = teesql_restore_tree_get_fd (self->tree);
  int parent = teesql_restore_tree_get_fd (self->parent);

  /* takes the place of an empty folder, and of nothing else */
  if (renameat (tree, name, parent, self->final_name) != 0)
    return teesql_restore_fail_errno (error, errno, "putting %s/%s in place", teesql_restore_tree_get_path (self->parent),
                                      self->final_name);
  if (fsync (tree) != 0 || fsync (parent) != 0)
    return teesql_restore_fail_errno (error, errno, "making the name of %s durable", self->final_name);
  return TRUE;
}

void
teesql_restore_staging_free (TeesqlRestoreStaging *self)
{
  g_autoptr (GError) error = NULL;

  if (self->tree != NULL)
    remove_parts (self->tree);
  g_clear_pointer (&self->tree, teesql_restore_tree_free);
  if (self->name != NULL && !teesql_restore_tree_remove (self->parent, self->name, &error))
    teesql_log_warning ("restore", "%s is left over: %s", self->name, error->message);
  if (self->lock >= 0)
    close (self->lock);
  g_clear_pointer (&self->parent, teesql_restore_tree_free);
  g_string_free (self->parts, TRUE);
  g_free (self->final_name);
  g_free (self->name);
  g_free (self);
}
