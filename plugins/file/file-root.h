#pragma once
#include "file-error.h"

G_BEGIN_DECLS

/**
 * FileRoot:
 *
 * the folder of `path`, and all that is done below it by descriptors: nothing follows a link or leaves it. Refcounted, safe to use from
 * several threads at once.
 */
typedef struct _FileRoot FileRoot;

typedef enum
{
  FILE_TEMP_LINK_EMPTY, /* unnamed files, linked by their descriptor */
  FILE_TEMP_LINK_PROC,  /* the same through /proc */
  FILE_TEMP_NAMED,      /* the file system has no unnamed files */
} FileTempKind;

FileRoot *file_root_open (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
FileRoot *file_root_ref (FileRoot *self);
void file_root_unref (FileRoot *self);
const char *file_root_get_path (FileRoot *self);
/* %-1 with errno; @path is relative, empty for the folder itself */
int file_root_open_at (FileRoot *self, const char *path, int flags) G_GNUC_WARN_UNUSED_RESULT;
/**
 * file_root_open_parent:
 * @create: makes missing folders
 *
 * Returns: the folder of @path, -1 with errno
 */
int file_root_open_parent (FileRoot *self, const char *path, gboolean create) G_GNUC_WARN_UNUSED_RESULT;
const char *file_root_get_leaf (const char *path);
/* makes what stands in the folder of @path durable, and every folder above it unless we did so before: another thread or process may just
 * have made them. %FALSE with errno */
gboolean file_root_sync_parents (FileRoot *self, const char *path) G_GNUC_WARN_UNUSED_RESULT;
/* takes away the folders of @path that are empty now */
void file_root_prune_parents (FileRoot *self, const char *path);
/**
 * file_root_get_work:
 *
 * Returns: the hidden folder for what is not finished; made, cleaned and tried out by the first call. -1 with errno
 */
int file_root_get_work (FileRoot *self) G_GNUC_WARN_UNUSED_RESULT;
/* the same without making it: -1 when there is none */
int file_root_peek_work (FileRoot *self) G_GNUC_WARN_UNUSED_RESULT;
/* clears away what the last run left, if there was one */
void file_root_clean (FileRoot *self);
FileTempKind file_root_get_temp_kind (FileRoot *self); /* after file_root_get_work() */
/* for tests: as if the file system had no unnamed files */
void file_root_force_named (FileRoot *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FileRoot, file_root_unref)

/* a descriptor of a scope */
typedef int FileFd;
void file_fd_clear (FileFd *fd);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FileFd, file_fd_clear)

G_END_DECLS
