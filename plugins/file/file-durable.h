#pragma once
#include "file-error.h"

G_BEGIN_DECLS

/**
 * FileDurable:
 *
 * the folders whose own names are known to be durable, up to the root: what is put into one of them needs a sync of that folder alone. A
 * folder is known as long as it is the same one: its descriptor is kept, so that no other gets its inode number. Safe to use from several
 * threads.
 */
typedef struct _FileDurable FileDurable;

FileDurable *file_durable_new (void);
void file_durable_free (FileDurable *self);
gboolean file_durable_knows (FileDurable *self, const char *folder, int fd);
/* @fd: (transfer full): of @folder */
void file_durable_add (FileDurable *self, const char *folder, int fd);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FileDurable, file_durable_free)

G_END_DECLS
