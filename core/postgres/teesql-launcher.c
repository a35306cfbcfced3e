#include "postgres/teesql-launcher.h"
#include "base/teesql-domains.h"
#include "postgres/teesql-data-directory.h"
#include "postgres/teesql-launcher-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL_AFTER_MS 10000 /* an immediate shutdown takes no longer than the disk */
#define LEFTOVERS_MS  3000  /* for what a killed postmaster leaves to end by itself: the startup process can take a minute */

typedef enum
{
  STOP_NOT,
  STOP_SMART,
  STOP_FAST,
  STOP_IMMEDIATE,
  STOP_KILL,
} StopStage;

typedef struct
{
  const TeesqlManagedPlace *place;
  int socket;
  int log;
  int signals;
  int lock; /* -1 until it is ours */
  pid_t parent;
  pid_t server;
  pid_t step;
  guint32 step_serial;
  StopStage stop;
  gint64 deadline_ms; /* of the stage, or of the end; 0: none */
  gboolean orphaned;
} Launcher;

static gint64
now_ms (void)
{
  return g_get_monotonic_time () / 1000;
}

static void
say (Launcher *self, TeesqlLaunchVerb verb, guint32 serial, gint32 number, const char *reason, const char *text)
{
  TeesqlLaunchMessage message = { .verb = verb, .serial = serial, .number = number };

  g_strlcpy (message.reason, reason, sizeof message.reason);
  g_strlcpy (message.text, text, sizeof message.text);
  if (!self->orphaned)
    (void) teesql_launch_message_send (self->socket, &message, -1);
}

/* -- Stopping --------------------------------------------------------------------------------------------------- */

static void
enter_stop (Launcher *self, StopStage stage)
{
  static const int numbers[] = { 0, SIGTERM, SIGINT, SIGQUIT, SIGKILL };

  if (self->server == 0 || stage <= self->stop)
    return;
  self->stop = stage;
  self->deadline_ms = now_ms () + (stage < STOP_IMMEDIATE ? (gint64) self->place->stop_timeout_ms : KILL_AFTER_MS);
  (void) kill (self->server, numbers[stage]);
}

static void
stop_as_asked (Launcher *self, gint32 mode)
{
  if (mode == TEESQL_LAUNCH_STOP_SMART)
    enter_stop (self, STOP_SMART);
  else
    enter_stop (self, mode == TEESQL_LAUNCH_STOP_IMMEDIATE ? STOP_IMMEDIATE : STOP_FAST);
}

static pid_t
read_parent (int proc, const char *pid)
{
  g_autofree char *path = g_strdup_printf ("%s/stat", pid);
  char text[512] = "";
  const char *end = NULL;
  int fd = openat (proc, path, O_RDONLY | O_CLOEXEC);
  gssize n = fd >= 0 ? read (fd, text, sizeof text - 1) : -1;

  if (fd >= 0)
    close (fd);
  /* the command's name may hold anything, hence the last bracket; then the state, then the parent (proc_pid_stat(5)) */
  end = n > 0 ? strrchr (text, ')') : NULL;
  return end != NULL && strlen (end) > 4 ? (pid_t) g_ascii_strtoll (end + 4, NULL, 10) : 0;
}

static void
kill_children_of (pid_t launcher, pid_t but)
{
  DIR *dir = opendir ("/proc");

  for (struct dirent *entry = dir != NULL ? readdir (dir) : NULL; entry != NULL; entry = readdir (dir))
    {
      pid_t pid = g_ascii_isdigit (entry->d_name[0]) ? (pid_t) g_ascii_strtoll (entry->d_name, NULL, 10) : 0;

      if (pid > 1 && pid != but && pid != getpid () && read_parent (dirfd (dir), entry->d_name) == launcher)
        (void) kill (pid, SIGKILL);
    }
  if (dir != NULL)
    closedir (dir);
}

/* Without a postmaster they serve nobody, and their shared memory keeps the next one from starting. They are ours since it died, but only
 * their own user need see them (hidepid). */
static void
kill_leftovers (Launcher *self)
{
  pid_t launcher = getpid ();

  if (fork () != 0)
    return;
  teesql_launcher_become (self->place);
  kill_children_of (launcher, self->step);
  _exit (0);
}

static void
check_deadline (Launcher *self)
{
  if (self->deadline_ms == 0 || now_ms () < self->deadline_ms)
    return;
  self->deadline_ms = self->orphaned ? now_ms () + LEFTOVERS_MS : 0;
  if (self->server == 0)
    kill_leftovers (self);
  else if (self->stop != STOP_NOT && self->stop < STOP_KILL)
    enter_stop (self, self->stop + 1);
  else if (self->stop == STOP_KILL)
    self->deadline_ms = now_ms () + KILL_AFTER_MS;
}

/* teesqld is gone: the server ends in order, whatever was being made is given up. */
static void
become_orphan (Launcher *self)
{
  if (self->orphaned)
    return;
  self->orphaned = TRUE;
  close (self->socket);
  self->socket = -1;
  if (self->step != 0)
    (void) kill (self->step, SIGKILL);
  if (self->server == 0)
    self->deadline_ms = now_ms () + LEFTOVERS_MS;
  enter_stop (self, STOP_FAST);
}

/* -- Children --------------------------------------------------------------------------------------------------- */

static void
child_ended (Launcher *self, pid_t pid, int status)
{
  if (pid == self->server)
    {
      self->server = 0;
      self->stop = STOP_NOT;
      self->deadline_ms = now_ms () + LEFTOVERS_MS;
      say (self, TEESQL_LAUNCH_EXITED, 0, status, "", "");
    }
  else if (pid == self->step)
    {
      self->step = 0;
      if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
        say (self, TEESQL_LAUNCH_DONE, self->step_serial, 0, "postgres-launcher", "a step of the launcher ended without an answer");
    }
}

/* Returns: FALSE when there is no child any more, those of the server included, which come to us when it dies */
static gboolean
reap (Launcher *self)
{
  for (;;)
    {
      int status = 0;
      pid_t pid = waitpid (-1, &status, WNOHANG);

      if (pid > 0)
        child_ended (self, pid, status);
      else if (pid == 0)
        return TRUE;
      else if (errno != EINTR)
        return FALSE;
    }
}

static void
begin_step (Launcher *self, const TeesqlLaunchMessage *message, int attached, TeesqlLaunchStepFunc func)
{
  const TeesqlLaunchStep step = { self->place, self->socket, attached, self->log, message->serial };
  pid_t child = self->step == 0 ? fork () : -1;

  if (child < 0)
    say (self, TEESQL_LAUNCH_DONE, message->serial, 0, "postgres-launcher", "the launcher cannot begin another step");
  else if (child == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
      _exit (func (&step));
    }
  else
    {
      self->step = child;
      self->step_serial = message->serial;
    }
}

/* Held from the first look at the data until the last process of PostgreSQL is gone: the next teesqld waits for that. */
static gboolean
take_lock (Launcher *self)
{
  g_autofree char *path = g_build_filename (self->place->runtime_directory, "postgresql.lock", NULL);
  int fd = -1;

  if (self->lock >= 0)
    return TRUE;
  fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) == 0)
    {
      self->lock = fd;
      return TRUE;
    }
  if (fd >= 0)
    close (fd);
  return FALSE;
}

static void
judge (Launcher *self, const TeesqlLaunchMessage *message)
{
  TeesqlLaunchMessage busy = { .verb = TEESQL_LAUNCH_JUDGED, .serial = message->serial, .state = TEESQL_DATA_RUNNING };

  if (take_lock (self))
    {
      begin_step (self, message, -1, teesql_launcher_judge);
      return;
    }
  g_strlcpy (busy.reason, "data-directory-in-use", sizeof busy.reason);
  g_snprintf (busy.text, sizeof busy.text, "%s: the PostgreSQL of an earlier teesqld is still being stopped", self->place->data_directory);
  (void) teesql_launch_message_send (self->socket, &busy, -1);
}

static void
start_server (Launcher *self, guint32 serial)
{
  pid_t child = self->server == 0 && self->lock >= 0 ? fork () : -1;

  if (child == 0)
    teesql_launcher_exec_server (self->place, self->log);
  if (child > 0)
    {
      self->server = child;
      self->stop = STOP_NOT;
      self->deadline_ms = 0;
    }
  say (self, TEESQL_LAUNCH_STARTED, serial, child > 0 ? child : 0, child > 0 ? "" : "postgres-launcher",
       child > 0 ? "" : "the launcher cannot start PostgreSQL");
}

/* -- The loop --------------------------------------------------------------------------------------------------- */

static void
obey (Launcher *self, const TeesqlLaunchMessage *message, int attached)
{
  switch ((TeesqlLaunchVerb) message->verb)
    {
    case TEESQL_LAUNCH_JUDGE:
      judge (self, message);
      break;
    case TEESQL_LAUNCH_INITDB:
      begin_step (self, message, attached, teesql_launcher_initdb);
      break;
    case TEESQL_LAUNCH_CONFIGURE:
      begin_step (self, message, attached, teesql_launcher_configure);
      break;
    case TEESQL_LAUNCH_START:
      start_server (self, message->serial);
      break;
    case TEESQL_LAUNCH_RELOAD:
      if (self->server != 0)
        (void) kill (self->server, SIGHUP);
      break;
    case TEESQL_LAUNCH_STOP:
      stop_as_asked (self, message->number);
      break;
    case TEESQL_LAUNCH_JUDGED:
    case TEESQL_LAUNCH_DONE:
    case TEESQL_LAUNCH_STARTED:
    case TEESQL_LAUNCH_EXITED:
    case TEESQL_LAUNCH_N_VERBS:
    default:
      become_orphan (self); /* nobody who is in order says that to us */
      break;
    }
}

static void
listen_once (Launcher *self)
{
  TeesqlLaunchMessage message = { 0 };
  int attached = -1;

  switch (teesql_launch_message_receive (self->socket, &message, &attached))
    {
    case TEESQL_LAUNCH_GOT:
      obey (self, &message, attached);
      if (attached >= 0)
        close (attached);
      break;
    case TEESQL_LAUNCH_NOTHING:
      break;
    case TEESQL_LAUNCH_GONE:
    default:
      become_orphan (self);
      break;
    }
}

static void
read_signals (Launcher *self)
{
  struct signalfd_siginfo info;

  while (read (self->signals, &info, sizeof info) == (gssize) sizeof info)
    if (info.ssi_signo == SIGUSR1 && getppid () != self->parent)
      become_orphan (self);
}

static int
poll_timeout (const Launcher *self)
{
  gint64 left = self->deadline_ms - now_ms ();

  return self->deadline_ms == 0 ? -1 : (int) CLAMP (left, 0, G_MAXINT);
}

static void G_GNUC_NORETURN
live (Launcher *self)
{
  for (;;)
    {
      struct pollfd waits[] = { { .fd = self->signals, .events = POLLIN }, { .fd = -1 } };

      if (!reap (self) && self->orphaned)
        _exit (0);
      /* a step may have answered and not ended: the next question waits for that */
      waits[1].fd = self->socket;
      waits[1].events = self->step == 0 ? POLLIN : 0;
      (void) poll (waits, G_N_ELEMENTS (waits), poll_timeout (self));
      read_signals (self);
      if (self->socket >= 0 && (waits[1].revents & (POLLHUP | POLLERR)) != 0)
        become_orphan (self);
      else if (self->socket >= 0 && (waits[1].revents & POLLIN) != 0)
        listen_once (self);
      check_deadline (self);
    }
}

/* -- Birth ------------------------------------------------------------------------------------------------------ */

/* A service manager or a terminal signals everybody; who stops PostgreSQL, and when, is teesqld's to say. */
static int
open_signals (void)
{
  static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE };
  sigset_t wanted;

  for (guint i = 0; i < G_N_ELEMENTS (ignored); i++)
    signal (ignored[i], SIG_IGN);
  sigemptyset (&wanted);
  sigaddset (&wanted, SIGCHLD);
  sigaddset (&wanted, SIGUSR1);
  sigprocmask (SIG_BLOCK, &wanted, NULL);
  return signalfd (-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Sockets that a service manager passed, and whatever else was open, belong to teesqld. */
static void
keep_descriptors (Launcher *self)
{
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  int socket = fcntl (self->socket, F_DUPFD_CLOEXEC, 100);
  int log = fcntl (self->log, F_DUPFD_CLOEXEC, 101);

  if (null < 0 || socket < 0 || log < 0 || dup2 (null, STDIN_FILENO) < 0 || dup2 (log, STDOUT_FILENO) < 0 ||
      dup2 (log, STDERR_FILENO) < 0 || dup3 (socket, 3, O_CLOEXEC) < 0 || dup3 (log, 4, O_CLOEXEC) < 0 || close_range (5, ~0u, 0) != 0)
    _exit (1);
  self->socket = 3;
  self->log = 4;
}

static void G_GNUC_NORETURN
launcher_main (const TeesqlManagedPlace *place, int socket, int log, pid_t parent)
{
  Launcher self = { .place = place, .socket = socket, .log = log, .lock = -1, .parent = parent };

  prctl (PR_SET_NAME, "teesql-launcher", 0, 0, 0);
  prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  setsid ();
  keep_descriptors (&self);
  self.signals = open_signals ();
  /* the closed socket says it too, unless somebody else holds the other end */
  prctl (PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
  if (self.signals < 0 || chdir ("/") != 0 || getppid () != parent)
    _exit (1);
  umask (077);
  live (&self);
}

static guint
count_threads (void)
{
  DIR *dir = opendir ("/proc/self/task");
  guint n = 0;

  for (struct dirent *entry = dir != NULL ? readdir (dir) : NULL; entry != NULL; entry = readdir (dir))
    n += g_ascii_isdigit (entry->d_name[0]) ? 1 : 0;
  if (dir != NULL)
    closedir (dir);
  return n;
}

gboolean
teesql_launcher_fork (const TeesqlManagedPlace *place, TeesqlLauncherEnds *out_ends, GError **error)
{
  int sockets[2] = { -1, -1 };
  int log[2] = { -1, -1 };
  pid_t parent = getpid ();
  pid_t child = -1;

  if (count_threads () == 1 && socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0 && pipe2 (log, O_CLOEXEC) == 0)
    child = fork ();
  if (child == 0)
    launcher_main (place, sockets[1], log[1], parent);
  if (sockets[1] >= 0)
    close (sockets[1]);
  if (log[1] >= 0)
    close (log[1]);
  if (child < 0)
    {
      if (sockets[0] >= 0)
        close (sockets[0]);
      if (log[0] >= 0)
        close (log[0]);
      return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_FAILED, "postgres-launcher",
                          "the launcher of PostgreSQL cannot be started: %s", g_strerror (errno));
    }
  (void) fcntl (log[0], F_SETFL, O_NONBLOCK);
  *out_ends = (TeesqlLauncherEnds){ sockets[0], log[0] };
  return TRUE;
}
