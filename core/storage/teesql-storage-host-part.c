#include "storage/teesql-storage-host-part.h"
#include <string.h>
#include <sys/mman.h>

struct _TeesqlStoragePart
{
  GMutex lock;
  gboolean held;             /* bytes are about */
  GSource *waits;            /* (nullable): for them to be let go */
  gatomicrefcount ref_count; /* the call, and the bytes: which any thread of the plugin may let go */
  guint8 *memory;
  gsize size;
  gsize mapped; /* size, in whole slots */
  gsize got;
  gboolean settled;
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
  g_mutex_init (&self->lock);
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
  g_mutex_clear (&self->lock);
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

/* A run's mapping is worth keeping, since the same ones come again and again: but not one that somebody still looks at, for whom it may
 * have to be settled, nor one that was. */
static void
drop_used (TeesqlStoragePart **kept)
{
  TeesqlStoragePart *part = *kept;

  if (part == NULL || (!part->settled && g_atomic_ref_count_compare (&part->ref_count, 1)))
    return;
  g_clear_pointer (kept, teesql_storage_part_unref);
}

static TeesqlStoragePart *
map_run (const TeesqlStorageArena *arena, guint32 run)
{
  g_autoptr (TeesqlStoragePart) self = teesql_storage_part_new (TEESQL_STORAGE_RUN_SIZE);

  if (self == NULL || mmap (self->memory, self->mapped, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, arena->fd,
                            (off_t) teesql_storage_arena_run_offset (run)) == MAP_FAILED)
    return NULL;
  return g_steal_pointer (&self);
}

TeesqlStoragePart *
teesql_storage_part_new_for_run (TeesqlStoragePart **kept, const TeesqlStorageArena *arena, guint32 run, gsize size)
{
  drop_used (&kept[run]);
  if (kept[run] == NULL)
    kept[run] = map_run (arena, run);
  if (kept[run] == NULL)
    return NULL;
  kept[run]->size = kept[run]->got = size;
  g_atomic_ref_count_inc (&kept[run]->ref_count);
  return kept[run];
}

/* On any thread of the plugin's. */
static void
bytes_gone (gpointer data)
{
  TeesqlStoragePart *self = data;

  g_mutex_lock (&self->lock);
  self->held = FALSE;
  if (self->waits != NULL)
    g_source_attach (self->waits, NULL);
  g_clear_pointer (&self->waits, g_source_unref);
  g_mutex_unlock (&self->lock);
  teesql_storage_part_unref (self);
}

GBytes *
teesql_storage_part_dup_bytes (TeesqlStoragePart *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  self->held = TRUE;
  return g_bytes_new_with_free_func (self->memory, self->size, bytes_gone, self);
}

gboolean
teesql_storage_part_wait (TeesqlStoragePart *self, GSource *source)
{
  gboolean held = FALSE;

  g_mutex_lock (&self->lock);
  held = self->held;
  if (held)
    self->waits = g_source_ref (source);
  g_mutex_unlock (&self->lock);
  return held;
}

gboolean
teesql_storage_part_stop_waiting (TeesqlStoragePart *self, GSource *source)
{
  gboolean held = FALSE;

  g_mutex_lock (&self->lock);
  held = self->held;
  g_clear_pointer (&self->waits, g_source_unref);
  g_source_destroy (source);
  g_mutex_unlock (&self->lock);
  return held;
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
    {
      self->settled = TRUE;
      return TRUE;
    }
  munmap (copy, self->mapped);
  return FALSE;
}
