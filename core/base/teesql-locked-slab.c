#include "base/teesql-locked-slab.h"
#include "base/teesql-locked-memory.h"

#if defined __SANITIZE_ADDRESS__
#define SLAB_POISON 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SLAB_POISON 1
#endif
#endif
#ifdef SLAB_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(data, size)   ((void) (data), (void) (size))
#define ASAN_UNPOISON_MEMORY_REGION(data, size) ((void) (data), (void) (size))
#endif

#define SLAB_SIZE ((gsize) 4096)

/* The smallest class holds one key or password (32 bytes, or 64 hex digits), the largest a PKCS#8 key: four to a slab. */
static const gsize class_sizes[] = { 64, 256, 1024 };

typedef struct
{
  guint8 *memory;
  guint class_index;
  guint64 used; /* one bit a slot: 4096 / 64 slots at the most */
} Slab;

static GMutex lock;
static GHashTable *slabs;                              /* memory -> Slab, for freeing */
static GPtrArray *partial[G_N_ELEMENTS (class_sizes)]; /* those with a free slot */

static guint
n_slots (const Slab *slab)
{
  return (guint) (SLAB_SIZE / class_sizes[slab->class_index]);
}

static guint64
all_used (const Slab *slab)
{
  return n_slots (slab) == 64 ? G_MAXUINT64 : (G_GUINT64_CONSTANT (1) << n_slots (slab)) - 1;
}

static guint
class_for (gsize size)
{
  guint i = 0;

  while (i < G_N_ELEMENTS (class_sizes) && class_sizes[i] < size)
    i++;
  return i;
}

static void
ensure_tables (void)
{
  if (slabs != NULL)
    return;
  slabs = g_hash_table_new (NULL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (class_sizes); i++)
    partial[i] = g_ptr_array_new ();
}

static Slab *
slab_new (guint class_index, GError **error)
{
  Slab *slab = NULL;
  guint8 *memory = teesql_locked_alloc (SLAB_SIZE, error);

  if (memory == NULL)
    return NULL;
  ASAN_POISON_MEMORY_REGION (memory, SLAB_SIZE);
  slab = g_new0 (Slab, 1);
  slab->memory = memory;
  slab->class_index = class_index;
  g_hash_table_insert (slabs, memory, slab);
  g_ptr_array_add (partial[class_index], slab);
  return slab;
}

static void
slab_free (Slab *slab)
{
  g_hash_table_remove (slabs, slab->memory);
  g_ptr_array_remove_fast (partial[slab->class_index], slab);
  ASAN_UNPOISON_MEMORY_REGION (slab->memory, SLAB_SIZE);
  teesql_locked_free (slab->memory, SLAB_SIZE);
  g_free (slab);
}

static guint8 *
slab_take_slot (Slab *slab, gsize size)
{
  guint slot = 0;
  guint8 *data = NULL;

  while ((slab->used >> slot & 1) != 0)
    slot++;
  slab->used |= G_GUINT64_CONSTANT (1) << slot;
  if (slab->used == all_used (slab))
    g_ptr_array_remove_fast (partial[slab->class_index], slab);
  data = slab->memory + slot * class_sizes[slab->class_index];
  ASAN_UNPOISON_MEMORY_REGION (data, size);
  return data;
}

guint8 *
teesql_locked_slab_alloc (gsize size, GError **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = NULL;
  guint class_index = class_for (size);
  Slab *slab = NULL;

  if (class_index == G_N_ELEMENTS (class_sizes))
    return teesql_locked_alloc (size, error);
  locker = g_mutex_locker_new (&lock);
  ensure_tables ();
  slab = partial[class_index]->len > 0 ? g_ptr_array_index (partial[class_index], 0) : slab_new (class_index, error);
  return slab != NULL ? slab_take_slot (slab, size) : NULL;
}

void
teesql_locked_slab_free (guint8 *data, gsize size)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = NULL;
  gsize offset = 0;
  Slab *slab = NULL;

  if (class_for (size) == G_N_ELEMENTS (class_sizes))
    {
      teesql_locked_free (data, size);
      return;
    }
  teesql_wipe (data, size);
  locker = g_mutex_locker_new (&lock);
  offset = (gsize) data % SLAB_SIZE;
  slab = g_hash_table_lookup (slabs, data - offset);
  g_assert (slab != NULL);
  ASAN_POISON_MEMORY_REGION (data, class_sizes[slab->class_index]);
  if (slab->used == all_used (slab))
    g_ptr_array_add (partial[slab->class_index], slab);
  slab->used &= ~(G_GUINT64_CONSTANT (1) << (offset / class_sizes[slab->class_index]));
  if (slab->used == 0)
    slab_free (slab);
}
