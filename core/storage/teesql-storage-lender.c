#include "storage/teesql-storage-lender.h"
#include <sys/mman.h>

#define SIZE (TEESQL_STORAGE_N_RUNS * TEESQL_STORAGE_RUN_SIZE)

struct _TeesqlStorageLender
{
  gatomicrefcount refs;
  guint8 *runs; /* a mapping of its own */
  GMutex lock;
  gboolean lent[TEESQL_STORAGE_N_RUNS];
};

TeesqlStorageLender *
teesql_storage_lender_new (const TeesqlStorageArena *arena)
{
  void *runs = mmap (NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, arena->fd, (off_t) teesql_storage_arena_run_offset (0));
  TeesqlStorageLender *self = NULL;

  if (runs == MAP_FAILED)
    return NULL;
  madvise (runs, SIZE, MADV_HUGEPAGE); /* fewer faults, where the kernel has some */
  self = g_new0 (TeesqlStorageLender, 1);
  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->lock);
  self->runs = runs;
  return self;
}

TeesqlStorageLender *
teesql_storage_lender_ref (TeesqlStorageLender *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_storage_lender_unref (TeesqlStorageLender *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  munmap (self->runs, SIZE);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* The first free one, so that who fills one part at a time touches the memory of one. */
guint8 *
teesql_storage_lender_take (TeesqlStorageLender *self)
{
  guint8 *run = NULL;

  g_mutex_lock (&self->lock);
  for (guint i = 0; run == NULL && i < TEESQL_STORAGE_N_RUNS; i++)
    {
      if (self->lent[i])
        continue;
      self->lent[i] = TRUE;
      run = self->runs + i * TEESQL_STORAGE_RUN_SIZE;
    }
  g_mutex_unlock (&self->lock);
  return run;
}

gboolean
teesql_storage_lender_find (const TeesqlStorageLender *self, const guint8 *data, gsize size, guint32 *out_run)
{
  gsize at = 0;

  if ((guintptr) data < (guintptr) self->runs || (guintptr) data >= (guintptr) self->runs + SIZE)
    return FALSE;
  at = (gsize) (data - self->runs);
  *out_run = (guint32) (at / TEESQL_STORAGE_RUN_SIZE);
  return at % TEESQL_STORAGE_RUN_SIZE == 0 && size <= TEESQL_STORAGE_RUN_SIZE;
}

void
teesql_storage_lender_give (TeesqlStorageLender *self, const guint8 *run)
{
  guint32 i = 0;

  g_return_if_fail (teesql_storage_lender_find (self, run, 0, &i));

  g_mutex_lock (&self->lock);
  g_assert (self->lent[i]);
  self->lent[i] = FALSE;
  g_mutex_unlock (&self->lock);
}
