#include "storage/teesql-storage-arena.h"
#include "base/teesql-domains.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS_SIZE (TEESQL_STORAGE_N_SLOTS * TEESQL_STORAGE_SLOT_SIZE)
#define SIZE       (SLOTS_SIZE + TEESQL_STORAGE_N_RUNS * TEESQL_STORAGE_RUN_SIZE)
#define SEALS      (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

#define fail(error, ...) teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "storage-memory", __VA_ARGS__)

struct _TeesqlStorageSlots
{
  guint32 owner[TEESQL_STORAGE_N_SLOTS]; /* call, 0 while free */
  guint n_free;
};

static gboolean
map (TeesqlStorageArena *out, int fd, GError **error)
{
  void *slots = mmap (NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

  if (slots == MAP_FAILED)
    return fail (error, "mapping shared memory: %s", g_strerror (errno));
  *out = (TeesqlStorageArena){ .fd = fd, .slots = slots };
  return TRUE;
}

gboolean
teesql_storage_arena_make (TeesqlStorageArena *out, GError **error)
{
  int fd = memfd_create ("teesql-storage", MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x8u /* MFD_NOEXEC_SEAL, Linux 6.3 */);

  if (fd < 0 && errno == EINVAL)
    fd = memfd_create ("teesql-storage", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0)
    return fail (error, "shared memory: %s", g_strerror (errno));
  if (ftruncate (fd, (off_t) SIZE) == 0 && fcntl (fd, F_ADD_SEALS, SEALS) == 0)
    {
      if (map (out, fd, error))
        return TRUE;
    }
  else
    fail (error, "sealing the size of shared memory: %s", g_strerror (errno));
  close (fd);
  return FALSE;
}

gboolean
teesql_storage_arena_adopt (TeesqlStorageArena *out, int fd, GError **error)
{
  struct stat info = { 0 };

  if (fstat (fd, &info) < 0 || (gsize) info.st_size != SIZE || (fcntl (fd, F_GET_SEALS) & SEALS) != SEALS)
    {
      close (fd);
      return fail (error, "the shared memory has not the size or the seals that belong to it");
    }
  if (map (out, fd, error))
    return TRUE;
  close (fd);
  return FALSE;
}

gboolean
teesql_storage_arena_dup (TeesqlStorageArena *out, const TeesqlStorageArena *self)
{
  if (!map (out, self->fd, NULL))
    return FALSE;
  out->fd = -1;
  return TRUE;
}

guint8 *
teesql_storage_arena_get (const TeesqlStorageArena *self, guint32 slot)
{
  g_assert (slot < TEESQL_STORAGE_N_SLOTS);

  return self->slots + slot * TEESQL_STORAGE_SLOT_SIZE;
}

gsize
teesql_storage_arena_run_offset (guint32 run)
{
  g_assert (run < TEESQL_STORAGE_N_RUNS);

  return SLOTS_SIZE + run * TEESQL_STORAGE_RUN_SIZE;
}

void
teesql_storage_arena_clear (TeesqlStorageArena *self)
{
  if (self->slots == NULL)
    return;
  munmap (self->slots, SIZE);
  if (self->fd >= 0)
    close (self->fd);
  self->slots = NULL;
}

TeesqlStorageSlots *
teesql_storage_slots_new (void)
{
  TeesqlStorageSlots *self = g_new0 (TeesqlStorageSlots, 1);

  self->n_free = TEESQL_STORAGE_N_SLOTS;
  return self;
}

void
teesql_storage_slots_free (TeesqlStorageSlots *self)
{
  g_free (self);
}

/* The first free one, so that a store that is little used touches little memory. */
gboolean
teesql_storage_slots_take (TeesqlStorageSlots *self, guint32 call, guint32 *out_slot)
{
  for (guint32 i = 0; self->n_free > 0 && i < TEESQL_STORAGE_N_SLOTS; i++)
    {
      if (self->owner[i] != 0)
        continue;
      self->owner[i] = call;
      self->n_free--;
      *out_slot = i;
      return TRUE;
    }
  return FALSE;
}

gboolean
teesql_storage_slots_belongs (TeesqlStorageSlots *self, guint32 slot, guint32 call)
{
  return slot < TEESQL_STORAGE_N_SLOTS && self->owner[slot] == call && call != 0;
}

void
teesql_storage_slots_give (TeesqlStorageSlots *self, guint32 slot)
{
  g_assert (slot < TEESQL_STORAGE_N_SLOTS && self->owner[slot] != 0);

  self->owner[slot] = 0;
  self->n_free++;
}

void
teesql_storage_slots_give_all (TeesqlStorageSlots *self, guint32 call)
{
  for (guint32 i = 0; i < TEESQL_STORAGE_N_SLOTS; i++)
    {
      if (teesql_storage_slots_belongs (self, i, call))
        teesql_storage_slots_give (self, i);
    }
}

guint
teesql_storage_slots_count (TeesqlStorageSlots *self, guint32 call)
{
  guint n = 0;

  for (guint32 i = 0; i < TEESQL_STORAGE_N_SLOTS; i++)
    n += self->owner[i] == call;
  return n;
}

guint
teesql_storage_slots_count_free (TeesqlStorageSlots *self)
{
  return self->n_free;
}
