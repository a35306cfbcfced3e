#include "backup/teesql-recovery-folder.h"

#include "base/teesql-log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define PREFIX      "teesql-recovery-"
#define ENTRIES_MAX 100000u
#define MIN_AGE_S   60 /* it is locked in a moment */

static TeesqlRestoreTree *
open_above (GError **error)
{
  TeesqlRestoreOwner ourselves = { geteuid (), getegid () };

  return teesql_restore_tree_open (NULL, g_get_tmp_dir (), &ourselves, error);
}

/* Of this owner, old enough, and nobody's lock: -1 where one of these is not so. */
static int
lock_stale (int above, const char *name, const TeesqlRestoreOwner *owner)
{
  int fd = openat (above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat st;

  if (fd < 0)
    return -1;
  if (fstat (fd, &st) == 0 && st.st_uid == owner->uid && st.st_mtime + MIN_AGE_S < time (NULL) && flock (fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  close (fd);
  return -1;
}

static void
sweep (TeesqlRestoreTree *above, const TeesqlRestoreOwner *owner)
{
  g_autoptr (GPtrArray) names = teesql_restore_tree_list (above, ENTRIES_MAX, NULL);

  for (guint i = 0; names != NULL && i < names->len; i++)
    {
      const char *name = names->pdata[i];
      int lock = g_str_has_prefix (name, PREFIX) ? lock_stale (teesql_restore_tree_get_fd (above), name, owner) : -1;

      if (lock < 0)
        continue;
      if (teesql_restore_tree_remove (above, name, NULL))
        teesql_log_info ("restore", "removed %s/%s of a recovery that did not end", teesql_restore_tree_get_path (above), name);
      close (lock);
    }
}

gboolean
teesql_recovery_folder_open (TeesqlRecoveryFolder *self, const TeesqlRestoreOwner *owner, GError **error)
{
  g_autoptr (TeesqlRestoreTree) above = open_above (error);
  g_autofree char *path = NULL;

  *self = (TeesqlRecoveryFolder){ .lock = -1 };
  if (above == NULL)
    return FALSE;
  sweep (above, owner);
  path = g_dir_make_tmp (PREFIX "XXXXXX", error);
  if (path == NULL)
    return FALSE;
  self->name = g_path_get_basename (path);
  self->lock = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (self->lock < 0 || flock (self->lock, LOCK_EX | LOCK_NB) != 0 ||
      (teesql_restore_owner_differs (owner) && fchown (self->lock, owner->uid, owner->gid) != 0))
    teesql_restore_fail_errno (error, errno, "making %s", path);
  else
    self->tree = teesql_restore_tree_open (NULL, path, owner, error);
  if (self->tree != NULL)
    return TRUE;
  teesql_recovery_folder_close (self);
  return FALSE;
}

void
teesql_recovery_folder_close (TeesqlRecoveryFolder *self)
{
  g_autoptr (TeesqlRestoreTree) above = self->name != NULL ? open_above (NULL) : NULL;

  if (self->name != NULL && (above == NULL || !teesql_restore_tree_remove (above, self->name, NULL)))
    g_debug ("%s/%s is left over", g_get_tmp_dir (), self->name);
  if (self->name != NULL && self->lock >= 0)
    close (self->lock);
  g_clear_pointer (&self->tree, teesql_restore_tree_free);
  g_clear_pointer (&self->name, g_free);
}
