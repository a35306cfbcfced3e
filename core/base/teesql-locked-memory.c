#include "base/teesql-locked-memory.h"
#include "teesql-build.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define SLOT_ALIGNMENT 16

/* One mapping: guard page, data pages, guard page. The data ends at the second guard, so that running over the end faults. */
typedef struct
{
  guint8 *mapping;
  gsize mapping_size;
  guint8 *pages;
  gsize pages_size;
} Layout;

static gsize
page_size (void)
{
  return (gsize) sysconf (_SC_PAGESIZE);
}

static gsize
round_up (gsize size, gsize unit)
{
  return (size + unit - 1) & ~(unit - 1);
}

static Layout
layout_of (guint8 *pages, gsize size)
{
  gsize page = page_size ();
  gsize pages_size = round_up (size, page);

  return (Layout){ .mapping = pages - page, .mapping_size = pages_size + 2 * page, .pages = pages, .pages_size = pages_size };
}

static gboolean
no_space (GError **error, const char *what, gsize size)
{
  struct rlimit limit = { 0 };
  int saved_errno = errno;

  getrlimit (RLIMIT_MEMLOCK, &limit);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
               "%s of %" G_GSIZE_FORMAT " bytes failed: %s (RLIMIT_MEMLOCK is %" G_GUINT64_FORMAT " bytes)\n"
               "hint: raise the limit, LimitMEMLOCK=infinity in the unit or ulimit -l unlimited in the shell",
               what, size, g_strerror (saved_errno), (guint64) limit.rlim_cur);
  return FALSE;
}

/* A forked child sees zeros (WIPEONFORK) rather than no page at all (DONTFORK), because it may well drop its reference to a
 * secret on its way to exec and must not crash there. */
static gboolean
protect_pages (const Layout *layout, GError **error)
{
  if (mprotect (layout->pages, layout->pages_size, PROT_READ | PROT_WRITE) < 0)
    return no_space (error, "mapping key memory", layout->pages_size);
  if (madvise (layout->pages, layout->pages_size, MADV_DONTDUMP) < 0)
    return no_space (error, "keeping key memory out of core dumps", layout->pages_size);
  if (madvise (layout->pages, layout->pages_size, MADV_WIPEONFORK) < 0 && madvise (layout->pages, layout->pages_size, MADV_DONTFORK) < 0)
    return no_space (error, "keeping key memory out of child processes", layout->pages_size);
  if (mlock (layout->pages, layout->pages_size) < 0)
    return no_space (error, "locking key memory", layout->pages_size);
  return TRUE;
}

guint8 *
teesql_locked_alloc (gsize size, GError **error)
{
  gsize page = page_size ();
  Layout layout = { 0 };
  guint8 *mapping = NULL;

  g_return_val_if_fail (size > 0 && size < G_MAXSSIZE / 2, NULL);

  mapping = mmap (NULL, round_up (size, page) + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED)
    {
      no_space (error, "mapping key memory", size);
      return NULL;
    }
  layout = layout_of (mapping + page, size);
  if (!protect_pages (&layout, error))
    {
      munmap (layout.mapping, layout.mapping_size);
      return NULL;
    }
  return layout.pages + layout.pages_size - round_up (size, SLOT_ALIGNMENT);
}

void
teesql_locked_free (guint8 *data, gsize size)
{
  gsize start_of_page = (gsize) data & ~(page_size () - 1);
  Layout layout = { 0 };

  if (data == NULL)
    return;
  layout = layout_of (data - ((gsize) data - start_of_page), size);
  teesql_wipe (layout.pages, layout.pages_size);
  munmap (layout.mapping, layout.mapping_size);
}

void
teesql_wipe (void *data, gsize size)
{
  if (size > 0)
    explicit_bzero (data, size);
}

/* With MCL_FUTURE under a finite limit every later mapping of the process fails once the limit is reached, long after start
 * and in whatever library asks next. So all of it is locked where the limit is infinite or can be made so, and nowhere else. */
static gboolean
lock_everything (void)
{
  struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
  struct rlimit limit = { 0 };

  if (setrlimit (RLIMIT_MEMLOCK, &unlimited) < 0 && (getrlimit (RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur != RLIM_INFINITY))
    return FALSE;
  return mlockall (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

void
teesql_process_harden (gboolean *out_locked)
{
  struct rlimit no_core = { 0, 0 };
  gboolean locked = FALSE;

#if !TEESQL_SANITIZED /* the leak checker attaches to its own process, which a process that is not dumpable refuses */
  prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  setrlimit (RLIMIT_CORE, &no_core);
  locked = lock_everything ();
  if (out_locked != NULL)
    *out_locked = locked;
}
