#include "base/teesql-clock.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "teesql-build.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOVED_SECONDS    30
#define SAVE_INTERVAL_MS (5 * 60 * 1000)
#define FILE_HEADER      "teesql-clock 1\n"
#define FILE_MAX         ((gsize) 64)
/* 9999-12-31T23:59:59Z: what X.509 can say; anything later is no time */
#define TIME_MAX G_GINT64_CONSTANT (253402300799)

struct _TeesqlClock
{
  gatomicrefcount refs;
  TeesqlClockSource source;
  char *floor_file;

  GMutex mutex; /* everything below */
  gint64 floor_unix;
  gint64 anchor_unix;
  gint64 anchor_boot_ms;
  gint64 reported_offset; /* the departure that was last reported, so that one step is one report */
  gint64 saved_unix;      /* what the file holds */
  gint64 saved_boot_ms;
  gboolean saved_once;
  gboolean save_failed;

  GMutex save_mutex; /* one writer of the file */
};

G_DEFINE_BOXED_TYPE (TeesqlClock, teesql_clock, teesql_clock_ref, teesql_clock_unref)

static gint64
wall_unix (TeesqlClock *self)
{
  if (self->source.wall_unix != NULL)
    return self->source.wall_unix (self->source.user_data);
  return g_get_real_time () / G_USEC_PER_SEC;
}

static gint64
boot_ms (TeesqlClock *self)
{
  if (self->source.boot_ms != NULL)
    return self->source.boot_ms (self->source.user_data);
  return teesql_clock_boot_ms ();
}

/* Returns: bytes read, or -1 with errno. A FIFO must not hang the start, a link must not lead elsewhere. */
static gssize
read_small_file (const char *path, char *out, gsize size)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat st;
  gssize n = -1;

  if (fd < 0)
    return -1;
  if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
    n = read (fd, out, size);
  else
    errno = EINVAL;
  int saved_errno = errno;
  close (fd);
  errno = saved_errno;
  return n;
}

static gboolean
parse_floor (const char *text, gsize size, gint64 *out_floor)
{
  const gsize header = strlen (FILE_HEADER);
  g_autofree char *number = NULL;
  guint64 value = 0;

  /* the newline at the end shows that nothing is missing */
  if (size <= header + 1 || size >= FILE_MAX || memcmp (text, FILE_HEADER, header) != 0 || text[size - 1] != '\n')
    return FALSE;
  number = g_strndup (text + header, size - header - 1);
  if (strlen (number) != size - header - 1 || !g_ascii_string_to_unsigned (number, 10, 1, TIME_MAX, &value, NULL))
    return FALSE;
  *out_floor = (gint64) value;
  return TRUE;
}

/* A file that cannot be understood must not stop the start: whoever can damage it could as well remove it. */
static gboolean
load_floor (TeesqlClock *self, GError **error)
{
  char text[FILE_MAX];
  gint64 floor_unix = 0;
  gssize n = read_small_file (self->floor_file, text, sizeof text);

  if (n < 0 && errno == ENOENT)
    return TRUE;
  if (n < 0 && (errno == EACCES || errno == EPERM))
    {
      g_propagate_error (error,
                         teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_PERMISSION, "clock-floor-file", 0,
                                           "%s: cannot be read: %s\nhint: the file and its folder belong to the user of this program",
                                           self->floor_file, g_strerror (errno)));
      return FALSE;
    }
  if (n < 0 || !parse_floor (text, (gsize) n, &floor_unix))
    {
      teesql_log_warning ("clock", "%s: holds no time that was kept by an earlier run, ignored: the floor is the time of the build",
                          self->floor_file);
      return TRUE;
    }
  self->saved_unix = floor_unix;
  self->floor_unix = MAX (self->floor_unix, floor_unix);
  return TRUE;
}

TeesqlClock *
teesql_clock_new (const char *floor_file, const TeesqlClockSource *source, GError **error)
{
  g_autoptr (TeesqlClock) self = g_new0 (TeesqlClock, 1);

  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->mutex);
  g_mutex_init (&self->save_mutex);
  if (source != NULL)
    self->source = *source;
  self->floor_unix = TEESQL_BUILD_UNIX;
  self->anchor_unix = wall_unix (self);
  self->anchor_boot_ms = boot_ms (self);
  self->floor_file = g_strdup (floor_file);
  if (self->floor_file != NULL && !load_floor (self, error))
    {
      g_clear_pointer (&self->floor_file, g_free);
      return NULL;
    }
  return g_steal_pointer (&self);
}

TeesqlClock *
teesql_clock_ref (TeesqlClock *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

static gint64
now_locked (TeesqlClock *self)
{
  return self->anchor_unix + (boot_ms (self) - self->anchor_boot_ms) / 1000;
}

static gint64
keep_locked (TeesqlClock *self)
{
  return MIN (MAX (self->floor_unix, now_locked (self)), TIME_MAX);
}

/* Through a temporary file and a rename: a crash leaves the old number or the new one. */
static void
save (TeesqlClock *self)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) one_writer = g_mutex_locker_new (&self->save_mutex);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  gint64 value = 0;
  gboolean first_failure = FALSE;

  g_mutex_lock (&self->mutex);
  value = keep_locked (self);
  g_mutex_unlock (&self->mutex);
  text = g_strdup_printf (FILE_HEADER "%" G_GINT64_FORMAT "\n", value);
  gboolean ok =
      g_file_set_contents_full (self->floor_file, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, &error);

  g_mutex_lock (&self->mutex);
  if (ok)
    self->saved_unix = value;
  first_failure = !ok && !self->save_failed;
  self->save_failed = !ok;
  g_mutex_unlock (&self->mutex);
  if (first_failure)
    teesql_log_warning ("clock", "the highest time seen cannot be kept for the next start: %s", error->message);
}

static gpointer
save_in_thread (gpointer data)
{
  g_autoptr (TeesqlClock) self = data;

  save (self);
  return NULL;
}

/* fsync takes longer than a loop may wait, hence a thread; it ends by itself and holds a reference. */
static void
start_save (TeesqlClock *self)
{
  GThread *thread = g_thread_try_new ("clock-save", save_in_thread, teesql_clock_ref (self), NULL);

  if (thread != NULL)
    g_thread_unref (thread);
  else
    teesql_clock_unref (self);
}

void
teesql_clock_unref (TeesqlClock *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  if (self->floor_file != NULL && keep_locked (self) > self->saved_unix)
    save (self);
  g_mutex_clear (&self->mutex);
  g_mutex_clear (&self->save_mutex);
  g_free (self->floor_file);
  g_free (self);
}

static char *
format_unix (gint64 unix_seconds)
{
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (unix_seconds);

  return date != NULL ? g_date_time_format (date, "%Y-%m-%dT%H:%M:%SZ") : g_strdup_printf ("%" G_GINT64_FORMAT, unix_seconds);
}

gint64
teesql_clock_now (TeesqlClock *self, GError **error)
{
  gint64 now_unix = 0;
  gint64 floor_unix = 0;

  g_mutex_lock (&self->mutex);
  now_unix = now_locked (self);
  floor_unix = self->floor_unix;
  g_mutex_unlock (&self->mutex);
  if (now_unix >= floor_unix)
    return now_unix;

  g_autofree char *now_text = format_unix (now_unix);
  g_autofree char *floor_text = format_unix (floor_unix);
  g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "clock-behind", 0,
                                              "clock: it is %s, but it was %s already: nothing is verified in the past\n"
                                              "hint: set the clock of this machine; if it ran ahead before, remove %s",
                                              now_text, floor_text, self->floor_file != NULL ? self->floor_file : "the kept time"));
  return -1;
}

gint64
teesql_clock_get_floor (TeesqlClock *self)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  return self->floor_unix;
}

void
teesql_clock_raise_floor (TeesqlClock *self, gint64 unix_seconds)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->mutex);

  self->floor_unix = MAX (self->floor_unix, MIN (unix_seconds, TIME_MAX));
}

/* SR-27: a step back is reported and never followed; a step forward is both. Below the floor even a small step forward is
 * followed, or a clock set right within the tolerance would stay refused for ever. */
static gboolean
compare_locked (TeesqlClock *self)
{
  const gint64 now_unix = now_locked (self);
  const gint64 offset = wall_unix (self) - now_unix;
  const gboolean moved = offset - self->reported_offset > MOVED_SECONDS || offset - self->reported_offset < -MOVED_SECONDS;

  if (offset > MOVED_SECONDS || (offset > 0 && now_unix < self->floor_unix))
    {
      self->anchor_unix += offset;
      self->reported_offset = 0;
    }
  else if (moved)
    self->reported_offset = offset;
  return moved;
}

static gboolean
want_save_locked (TeesqlClock *self)
{
  const gint64 now_ms = boot_ms (self);

  if (self->floor_file == NULL)
    return FALSE;
  if (self->saved_once && self->floor_unix <= self->saved_unix && now_ms - self->saved_boot_ms < SAVE_INTERVAL_MS)
    return FALSE;
  /* a disk that refuses is asked at the interval, not at every call */
  if (self->save_failed && now_ms - self->saved_boot_ms < SAVE_INTERVAL_MS)
    return FALSE;
  self->saved_once = TRUE;
  self->saved_boot_ms = now_ms;
  return keep_locked (self) > self->saved_unix;
}

gboolean
teesql_clock_check (TeesqlClock *self)
{
  gboolean moved = FALSE;
  gboolean want_save = FALSE;

  g_mutex_lock (&self->mutex);
  moved = compare_locked (self);
  want_save = want_save_locked (self);
  g_mutex_unlock (&self->mutex);
  if (want_save)
    start_save (self);
  return moved;
}

gint64
teesql_clock_boot_ms (void)
{
  struct timespec ts = { 0 };

  clock_gettime (CLOCK_BOOTTIME, &ts);
  return (gint64) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
