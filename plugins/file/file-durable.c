#include "file-durable.h"

#include <sys/stat.h>
#include <unistd.h>

#define N_MAX 128 /* descriptors; a repository writes into a few folders at a time */

struct _FileDurable
{
  GMutex lock;
  GHashTable *folders; /* path -> descriptor */
};

static void
close_kept (gpointer fd)
{
  close (GPOINTER_TO_INT (fd));
}

FileDurable *
file_durable_new (void)
{
  FileDurable *self = g_new0 (FileDurable, 1);

  g_mutex_init (&self->lock);
  self->folders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, close_kept);
  return self;
}

void
file_durable_free (FileDurable *self)
{
  g_hash_table_unref (self->folders);
  g_mutex_clear (&self->lock);
  g_free (self);
}

static gboolean
is_same (int a, int b)
{
  struct stat first;
  struct stat second;

  return fstat (a, &first) == 0 && fstat (b, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

gboolean
file_durable_knows (FileDurable *self, const char *folder, int fd)
{
  gpointer kept = NULL;
  gboolean known = FALSE;

  g_mutex_lock (&self->lock);
  known = g_hash_table_lookup_extended (self->folders, folder, NULL, &kept) && is_same (GPOINTER_TO_INT (kept), fd);
  g_mutex_unlock (&self->lock);
  return known;
}

void
file_durable_add (FileDurable *self, const char *folder, int fd)
{
  g_mutex_lock (&self->lock);
  if (g_hash_table_size (self->folders) >= N_MAX)
    g_hash_table_remove_all (self->folders); /* those in use come back at the price of one sync each */
  g_hash_table_replace (self->folders, g_strdup (folder), GINT_TO_POINTER (fd));
  g_mutex_unlock (&self->lock);
}
