#include "storage/teesql-storage-host-part.h"
#include <string.h>
#include <sys/mman.h>

struct _TeesqlStoragePart
{
  gatomicrefcount ref_count; /* the call, and the bytes: which any thread of the plugin may let go */
  guint8 *memory;
  gsize size;
  gsize mapped; /* size, in whole slots */
  gsize got;
};

TeesqlStoragePart *
teesql_storage_part_new (gsize size)
{
  gsize mapped = (size + TEESQL_STORAGE_SLOT_SIZE - 1) / TEESQL_STORAGE_SLOT_SIZE * TEESQL_STORAGE_SLOT_SIZE;
  void *memory = mmap (NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TeesqlStoragePart *self = NULL;

  if (memory == MAP_FAILED)
    return NULL;
  self = g_new0 (TeesqlStoragePart, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->memory = memory;
  self->size = size;
  self->mapped = mapped;
  return self;
}

void
teesql_storage_part_unref (TeesqlStoragePart *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  munmap (self->memory, self->mapped);
  g_free (self);
}

gboolean
teesql_storage_part_add (TeesqlStoragePart *self, const TeesqlStorageArena *arena, guint32 slot, gsize length)
{
  void *mapped = NULL;

  if (length > self->size - self->got || self->got % TEESQL_STORAGE_SLOT_SIZE != 0 || slot >= TEESQL_STORAGE_N_SLOTS)
    return FALSE;
  mapped = mmap (self->memory + self->got, TEESQL_STORAGE_SLOT_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, arena->fd,
                 (off_t) (slot * TEESQL_STORAGE_SLOT_SIZE));
  if (mapped == MAP_FAILED)
    return FALSE;
  self->got += length;
  return TRUE;
}

gboolean
teesql_storage_part_is_complete (const TeesqlStoragePart *self)
{
  return self->got == self->size;
}

static void
bytes_gone (gpointer data)
{
  teesql_storage_part_unref (data);
}

GBytes *
teesql_storage_part_dup_bytes (TeesqlStoragePart *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return g_bytes_new_with_free_func (self->memory, self->size, bytes_gone, self);
}

gboolean
teesql_storage_part_is_kept (const TeesqlStoragePart *self)
{
  return !g_atomic_ref_count_compare ((gatomicrefcount *) &self->ref_count, 1);
}

/* Whoever reads meanwhile sees the same bytes before and after: the copy replaces the slots in one step. */
gboolean
teesql_storage_part_settle (TeesqlStoragePart *self)
{
  void *copy = mmap (NULL, self->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (copy == MAP_FAILED)
    return FALSE;
  memcpy (copy, self->memory, self->size);
  if (mprotect (copy, self->mapped, PROT_READ) == 0 &&
      mremap (copy, self->mapped, self->mapped, MREMAP_MAYMOVE | MREMAP_FIXED, self->memory) != MAP_FAILED)
    return TRUE;
  munmap (copy, self->mapped);
  return FALSE;
}
