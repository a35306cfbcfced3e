#include "file-sweep.h"

#include "file-root.h"
#include "file-temp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A process locks its temporary file at once, but not in one step with making it. */
#define TEMP_MIN_AGE_S ((gint64) 60)

typedef DIR FileDir;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FileDir, closedir)

static FileDir *
open_folder (int at, const char *name)
{
  g_auto (FileFd) fd = openat (at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  FileDir *folder = fd >= 0 ? fdopendir (fd) : NULL;

  if (folder != NULL)
    (void) g_steal_fd (&fd);
  return folder;
}

gboolean
file_sweep_upload (int work_fd, const char *id)
{
  g_autoptr (FileDir) folder = open_folder (work_fd, id);
  struct dirent *entry = NULL;

  while (folder != NULL && (entry = readdir (folder)) != NULL)
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0 && unlinkat (dirfd (folder), entry->d_name, 0) != 0)
      unlinkat (dirfd (folder), entry->d_name, AT_REMOVEDIR); /* no folder is ours: one with something in it stays */
  return unlinkat (work_fd, id, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static void
sweep_temp (int work_fd, const char *name)
{
  g_auto (FileFd) fd = openat (work_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); /* it may be a pipe by now */

  if (fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) == 0)
    unlinkat (work_fd, name, 0);
}

static void
sweep_entry (int work_fd, const char *name)
{
  struct stat info;
  gint64 age_s = 0;

  if (fstatat (work_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
    return;
  age_s = g_get_real_time () / G_USEC_PER_SEC - info.st_mtim.tv_sec;
  if (S_ISREG (info.st_mode) && age_s > TEMP_MIN_AGE_S)
    sweep_temp (work_fd, name);
  else if (S_ISDIR (info.st_mode) && age_s > FILE_UPLOAD_MAX_AGE_S)
    file_sweep_upload (work_fd, name);
}

void
file_sweep (int work_fd)
{
  g_autoptr (FileDir) folder = open_folder (work_fd, ".");
  struct dirent *entry = NULL;

  while (folder != NULL && (entry = readdir (folder)) != NULL)
    if (entry->d_name[0] != '.')
      sweep_entry (work_fd, entry->d_name);
}
