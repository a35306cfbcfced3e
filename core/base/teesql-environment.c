#include "base/teesql-environment.h"
#include "teesql-build.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* How the second run knows itself. The variable only names a descriptor; what counts is what stands behind it: a memfd that
 * nobody can write any more and that begins with the marker of *this* process (its id and start time outlive an exec, and nobody
 * else has both). Whoever can only set variables cannot make one. And even a perfect forgery gains nothing: the second run
 * goes through the allow-list again and stops when its environment is not exactly what the first run would have built. */
#define CARRIER    "TEESQL_CALLER_ENVIRONMENT_FD"
#define MEMFD_NAME "teesql-environment"
#define MAGIC      "teesql caller environment 1"
#define SEALS      (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define MAX_SIZE   ((gsize) 16 << 20) /* the kernel's own bound on arguments and environment is below */
#define SAFE_PATH  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

extern char **environ;

/* A name, or the beginning of one where it ends in `*`. */
static const char *const kept[] = {
  "HOME",
  "USER",
  "LOGNAME",
  "LANG",
  "LC_*",
  "TZ",
  "TERM",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "XDG_CACHE_HOME",
  "TMPDIR",
  "NO_COLOR",
  "NOTIFY_SOCKET",
  "WATCHDOG_*",
  "LISTEN_*",
  "CREDENTIALS_DIRECTORY",
  "INVOCATION_ID",
  "JOURNAL_STREAM",
  "STATE_DIRECTORY",
  "RUNTIME_DIRECTORY",
  "CACHE_DIRECTORY",
  "DATABASE_URL",
  "DSTACK_SIMULATOR_ENDPOINT",
  "TEESQL_*",
#if TEESQL_SANITIZED
  "ASAN_OPTIONS",
  "UBSAN_OPTIONS",
  "LSAN_OPTIONS",
#endif
};

/* What a dropped variable must look like to be worth the operator's attention. */
static const char *const telling[] = {
  "LD_*",           "GIO_*",      "GNUTLS_*", "SSLKEYLOGFILE", "PG*",          "*_proxy",       "*_PROXY",      "MALLOC_*", "G_*",
  "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH",  "NLSPATH",       "RES_OPTIONS",  "LOCALDOMAIN",   "HOSTALIASES",  "RESOLV_*", "OPENSSL_*",
  "SSL_CERT_*",     "P11_KIT_*",  "NETTLE_*", "DBUS_*",        "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
};

static struct
{
  GMutex lock;
  gboolean rebuilt;
  char *text; /* `NAME=VALUE\0` one after the other, in memory of its own; entries that were taken are all NUL */
  gsize size;
  gsize first; /* offset behind the marker */
  char **dropped;
} caller;

static void G_GNUC_NORETURN
die (const char *what)
{
  dprintf (STDERR_FILENO, "%s: cannot build a clean environment: %s: %s\n", program_invocation_short_name, what, strerror (errno));
  _exit (1);
}

static gboolean
name_matches (const char *pattern, const char *name, gsize length)
{
  gsize n = strlen (pattern);

  if (pattern[0] == '*')
    return length >= n - 1 && memcmp (name + length - (n - 1), pattern + 1, n - 1) == 0;
  if (pattern[n - 1] == '*')
    return length >= n - 1 && memcmp (name, pattern, n - 1) == 0;
  return length == n && memcmp (name, pattern, n) == 0;
}

static gboolean
name_is_in (const char *const *patterns, gsize n_patterns, const char *name, gsize length)
{
  for (gsize i = 0; i < n_patterns; i++)
    {
      if (name_matches (patterns[i], name, length))
        return TRUE;
    }
  return FALSE;
}

/* Length of the name of `NAME=VALUE`, 0 for what is none. */
static gsize
name_length (const char *entry)
{
  const char *equals = strchr (entry, '=');

  return equals != NULL ? (gsize) (equals - entry) : 0;
}

static gboolean
entry_has_name (const char *entry, const char *name, gsize length)
{
  return name_length (entry) == length && memcmp (entry, name, length) == 0;
}

static gboolean
entry_is_kept (const char *entry)
{
  gsize length = name_length (entry);

  return length > 0 && !entry_has_name (entry, CARRIER, strlen (CARRIER)) && name_is_in (kept, G_N_ELEMENTS (kept), entry, length);
}

/* Only the first of two entries counts for getenv(), so only the first may stay: the second would come back when the first goes. */
static gboolean
entry_is_first (char *const *entries, gsize index)
{
  gsize length = name_length (entries[index]);

  for (gsize i = 0; i < index; i++)
    {
      if (entry_has_name (entries[i], entries[index], length))
        return FALSE;
    }
  return TRUE;
}

static gsize
count_entries (char *const *entries)
{
  gsize n = 0;

  while (entries[n] != NULL)
    n++;
  return n;
}

static char **
build_environment (char *carrier)
{
  gsize n = 0;
  char **built = calloc (count_entries (environ) + 3, sizeof (char *));

  if (built == NULL)
    die ("memory");
  built[n++] = (char *) SAFE_PATH;
  built[n++] = carrier;
  for (gsize i = 0; environ[i] != NULL; i++)
    {
      if (entry_is_kept (environ[i]) && entry_is_first (environ, i))
        built[n++] = environ[i];
    }
  return built;
}

static gboolean
environment_is_clean (void)
{
  for (gsize i = 0; environ[i] != NULL; i++)
    {
      gboolean expected =
          strcmp (environ[i], SAFE_PATH) == 0 || entry_has_name (environ[i], CARRIER, strlen (CARRIER)) || entry_is_kept (environ[i]);

      if (!expected || !entry_is_first (environ, i))
        return FALSE;
    }
  return TRUE;
}

/* Start time in clock ticks, field 22 of proc_pid_stat(5); the command's name may hold blanks and brackets, hence the last `)`. */
static void
read_start_time (char *out, gsize size)
{
  char stat[1024] = { 0 };
  int fd = open ("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read (fd, stat, sizeof stat - 1) : -1;
  char *field = n > 0 ? strrchr (stat, ')') : NULL;

  if (fd >= 0)
    close (fd);
  for (int i = 2; i < 22 && field != NULL; i++)
    field = strchr (field + 1, ' ');
  if (field == NULL)
    die ("/proc/self/stat");
  field[1 + strcspn (field + 1, " \n")] = '\0';
  snprintf (out, size, "%s", field + 1);
}

static void
make_marker (char *out, gsize size)
{
  char start_time[32] = { 0 };

  read_start_time (start_time, sizeof start_time);
  snprintf (out, size, "%s %ld %s", MAGIC, (long) getpid (), start_time);
}

static void
write_all (int fd, const char *data, gsize size)
{
  while (size > 0)
    {
      ssize_t n = write (fd, data, size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        die ("writing it down");
      data += n;
      size -= (gsize) n;
    }
}

/* Whoever starts us with a closed stderr would have the next file we open written to by every message. */
static void
ensure_standard_descriptors (void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    {
      if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", O_RDWR) != fd)
        die ("/dev/null");
    }
}

static int
open_memfd (void)
{
  int fd = memfd_create (MEMFD_NAME, MFD_ALLOW_SEALING | 0x8u /* MFD_NOEXEC_SEAL, Linux 6.3 */);

  if (fd < 0 && errno == EINVAL)
    fd = memfd_create (MEMFD_NAME, MFD_ALLOW_SEALING);
  if (fd < 0)
    die ("memfd_create");
  return fd;
}

static void G_GNUC_NORETURN
run_again (char **argv)
{
  char marker[128] = { 0 };
  char carrier[64] = { 0 };
  int fd = open_memfd ();

  make_marker (marker, sizeof marker);
  write_all (fd, marker, strlen (marker) + 1);
  for (gsize i = 0; environ[i] != NULL; i++)
    {
      if (!entry_has_name (environ[i], CARRIER, strlen (CARRIER)))
        write_all (fd, environ[i], strlen (environ[i]) + 1);
    }
  if (fcntl (fd, F_ADD_SEALS, SEALS) < 0)
    die ("sealing");
  snprintf (carrier, sizeof carrier, CARRIER "=%d", fd);
  execve ("/proc/self/exe", argv, build_environment (carrier));
  die ("/proc/self/exe");
}

static int
parse_descriptor (const char *text)
{
  char *end = NULL;
  long value = 0;

  if (text == NULL || text[0] < '0' || text[0] > '9')
    return -1;
  errno = 0;
  value = strtol (text, &end, 10);
  return errno == 0 && *end == '\0' && value > STDERR_FILENO && value <= G_MAXINT ? (int) value : -1;
}

/* Pages of their own, which no core dump and no child gets. Locking them is a wish: a long environment may not fit the limit. */
static char *
read_aside (int fd, gsize size)
{
  gsize done = 0;
  char *text = mmap (NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (text == MAP_FAILED)
    die ("memory");
  madvise (text, size + 1, MADV_DONTDUMP);
  madvise (text, size + 1, MADV_WIPEONFORK);
  (void) mlock (text, size + 1);
  while (done < size)
    {
      ssize_t n = pread (fd, text + done, size - done, (off_t) done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        die ("reading it back");
      done += (gsize) n;
    }
  return text;
}

/* TRUE when @fd is the carrier that this very process made in its first run. */
static gboolean
adopt_carrier (int fd)
{
  char marker[128] = { 0 };
  off_t end = lseek (fd, 0, SEEK_END);
  int seals = fcntl (fd, F_GET_SEALS);
  gsize marker_size = 0;

  make_marker (marker, sizeof marker);
  marker_size = strlen (marker) + 1;
  if (seals < 0 || (seals & SEALS) != SEALS || end < (off_t) marker_size || (gsize) end > MAX_SIZE)
    return FALSE;
  caller.text = read_aside (fd, (gsize) end);
  caller.size = (gsize) end;
  if (memcmp (caller.text, marker, marker_size) != 0)
    {
      munmap (caller.text, caller.size + 1);
      caller.text = NULL;
      caller.size = 0;
      return FALSE;
    }
  caller.first = marker_size;
  return TRUE;
}

typedef gboolean (*EntryFunc) (char *entry, gpointer user_data);

/* Every entry that is still there, until @func says stop. */
static void
foreach_entry (EntryFunc func, gpointer user_data)
{
  for (gsize i = caller.first; i < caller.size; i += strlen (caller.text + i) + 1)
    {
      if (caller.text[i] != '\0' && func (caller.text + i, user_data))
        return;
    }
}

static gboolean
collect_dropped (char *entry, gpointer user_data)
{
  GPtrArray *names = user_data;
  gsize length = name_length (entry);
  g_autofree char *name = g_strndup (entry, length);

  if (length > 0 && !entry_is_kept (entry) && name_is_in (telling, G_N_ELEMENTS (telling), entry, length) &&
      !g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
    g_ptr_array_add (names, g_steal_pointer (&name));
  return FALSE;
}

static void
restore_program_name (char **argv)
{
  const char *slash = argv[0] != NULL ? strrchr (argv[0], '/') : NULL;
  const char *name = slash != NULL ? slash + 1 : argv[0];

  if (name != NULL && name[0] != '\0')
    prctl (PR_SET_NAME, name, 0, 0, 0); /* else ps and the journal would call us `exe` */
}

void
teesql_environment_rebuild (int argc, char **argv)
{
  int fd = parse_descriptor (getenv (CARRIER));
  GPtrArray *names = NULL;

  ensure_standard_descriptors ();
  if (fd < 0 || !adopt_carrier (fd))
    run_again (argv);
  if (!environment_is_clean ())
    {
      errno = EPROTO; /* never seen; running again could loop for ever */
      die ("the second run still has what the first one dropped");
    }
  close (fd);
  unsetenv (CARRIER);
  restore_program_name (argv);
  names = g_ptr_array_new ();
  foreach_entry (collect_dropped, names);
  g_ptr_array_add (names, NULL);
  caller.dropped = (char **) g_ptr_array_free (names, FALSE);
  caller.rebuilt = TRUE;
}

const char *const *
teesql_environment_get_dropped (void)
{
  static const char *const none[] = { NULL };

  return caller.dropped != NULL ? (const char *const *) caller.dropped : none;
}

static gboolean
collect_entry (char *entry, gpointer user_data)
{
  g_ptr_array_add (user_data, g_strdup (entry));
  return FALSE;
}

char **
teesql_environment_get_caller (void)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&caller.lock);
  GPtrArray *entries = NULL;

  if (!caller.rebuilt)
    return g_get_environ ();
  entries = g_ptr_array_new ();
  foreach_entry (collect_entry, entries);
  g_ptr_array_add (entries, NULL);
  return (char **) g_ptr_array_free (entries, FALSE);
}

typedef struct
{
  const char *name;
  char *value;
} Take;

/* The first one wins, as in getenv(); every one is wiped. */
static gboolean
take_entry (char *entry, gpointer user_data)
{
  Take *take = user_data;
  gsize length = strlen (take->name);

  if (!entry_has_name (entry, take->name, length))
    return FALSE;
  if (take->value == NULL)
    take->value = g_strdup (entry + length + 1);
  explicit_bzero (entry, strlen (entry));
  return FALSE;
}

/* Wiped where it stands, since /proc/PID/environ shows that memory, then forgotten. */
static void
take_from_environ (Take *take)
{
  gsize length = strlen (take->name);

  for (gsize i = 0; environ != NULL && environ[i] != NULL; i++)
    {
      if (!entry_has_name (environ[i], take->name, length))
        continue;
      if (take->value == NULL)
        take->value = g_strdup (environ[i] + length + 1);
      explicit_bzero (environ[i] + length + 1, strlen (environ[i] + length + 1));
    }
  unsetenv (take->name);
}

char *
teesql_environment_take (const char *name)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&caller.lock);
  Take take = { .name = name };

  g_return_val_if_fail (name != NULL && name[0] != '\0' && strchr (name, '=') == NULL, NULL);

  if (caller.rebuilt)
    foreach_entry (take_entry, &take);
  take_from_environ (&take);
  return take.value;
}
