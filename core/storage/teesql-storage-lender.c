#include "storage/teesql-storage-lender.h"
#include <sys/mman.h>

#define SIZE (TEESQL_STORAGE_N_RUNS * TEESQL_STORAGE_RUN_SIZE)

G_STATIC_ASSERT (TEESQL_STORAGE_N_SLOTS <= 64); /* bits */

struct _TeesqlStorageLender
{
  gatomicrefcount refs;
  TeesqlStorageArena arena; /* a mapping of its own */
  guint8 *runs;
  GMutex lock;
  gboolean lent[TEESQL_STORAGE_N_RUNS];
  guint64 returned; /* slots, by bits */
  gboolean awaited;
  GMainContext *context; /* (nullable) */
  GSourceFunc func;
  gpointer user_data;
  GSource *telling;
};

TeesqlStorageLender *
teesql_storage_lender_new (const TeesqlStorageArena *arena)
{
  TeesqlStorageLender *self = g_new0 (TeesqlStorageLender, 1);

  if (!teesql_storage_arena_dup (&self->arena, arena))
    {
      g_free (self);
      return NULL;
    }
  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->lock);
  self->runs = self->arena.slots + teesql_storage_arena_run_offset (0);
  madvise (self->runs, SIZE, MADV_HUGEPAGE); /* fewer faults, where the kernel has some */
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
  teesql_storage_arena_clear (&self->arena);
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

/* ---- slots ---- */

TeesqlStorageLease *
teesql_storage_lease_new (TeesqlStorageLender *lender, guint32 slot, gsize size)
{
  TeesqlStorageLease *self = g_new0 (TeesqlStorageLease, 1);

  g_assert (size <= TEESQL_STORAGE_SLOT_SIZE);

  self->lender = teesql_storage_lender_ref (lender);
  self->slot = slot;
  self->data = teesql_storage_arena_get (&lender->arena, slot);
  self->size = size;
  return self;
}

/* lock held */
static void
drop_telling (TeesqlStorageLender *self)
{
  if (self->telling == NULL)
    return;
  g_source_destroy (self->telling);
  g_clear_pointer (&self->telling, g_source_unref);
}

/* lock held */
static void
tell (TeesqlStorageLender *self)
{
  if (!self->awaited || self->context == NULL)
    return;
  self->awaited = FALSE;
  drop_telling (self); /* one that is still to come tells no more than this, and would be forgotten at the end */
  self->telling = g_idle_source_new ();
  g_source_set_priority (self->telling, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->telling, self->func, self->user_data, NULL);
  g_source_attach (self->telling, self->context);
}

void
teesql_storage_lease_free (TeesqlStorageLease *self)
{
  TeesqlStorageLender *lender = self->lender;

  g_mutex_lock (&lender->lock);
  lender->returned |= (guint64) 1 << self->slot;
  tell (lender);
  g_mutex_unlock (&lender->lock);
  teesql_storage_lender_unref (lender);
  g_free (self);
}

void
teesql_storage_lender_watch (TeesqlStorageLender *self, GMainContext *context, GSourceFunc func, gpointer user_data)
{
  g_mutex_lock (&self->lock);
  self->context = g_main_context_ref (context);
  self->func = func;
  self->user_data = user_data;
  g_mutex_unlock (&self->lock);
}

void
teesql_storage_lender_unwatch (TeesqlStorageLender *self)
{
  g_mutex_lock (&self->lock);
  drop_telling (self);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_mutex_unlock (&self->lock);
}

guint64
teesql_storage_lender_collect (TeesqlStorageLender *self)
{
  guint64 returned = 0;

  g_mutex_lock (&self->lock);
  returned = self->returned;
  self->returned = 0;
  g_mutex_unlock (&self->lock);
  return returned;
}

gboolean
teesql_storage_lender_await (TeesqlStorageLender *self)
{
  gboolean some = FALSE;

  g_mutex_lock (&self->lock);
  some = self->returned != 0;
  self->awaited = !some;
  g_mutex_unlock (&self->lock);
  return some;
}
