#include "storage/teesql-storage-child.h"
#include "base/teesql-domains.h"
#include "teesql-build.h"
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM      "teesql-storage-host"
#define SOCKET_FD    3
#define LEVELS_MAX   4 /* folders from a program of the build tree up to its root */
#define PATIENCE_MS  1000
#define P_PIDFD_TYPE ((idtype_t) 3) /* P_PIDFD, which C libraries name since 2.36 */

struct _TeesqlStorageChild
{
  pid_t pid;
  int pidfd;
  GSource *watch;
  TeesqlStorageExitFunc exited;
  gpointer user_data;
};

#define fail(error, ...) teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "storage-host-start", __VA_ARGS__)

static char *
find_in_build_tree (const char *executable)
{
  g_autofree char *folder = g_path_get_dirname (executable);

  for (guint i = 0; i < LEVELS_MAX; i++)
    {
      g_autofree char *mark = g_build_filename (folder, "meson-private", NULL);
      g_autofree char *above = g_path_get_dirname (folder);

      if (g_file_test (mark, G_FILE_TEST_IS_DIR))
        return g_build_filename (folder, "core", PROGRAM, NULL);
      g_free (folder);
      folder = g_steal_pointer (&above);
    }
  return NULL;
}

/* Never by an environment variable: what is started here gets the storage's secrets. */
static char *
find_program (GError **error)
{
  char executable[PATH_MAX] = { 0 };
  g_autofree char *path = NULL;

  if (readlink ("/proc/self/exe", executable, sizeof executable - 1) > 0)
    path = find_in_build_tree (executable);
  if (path == NULL)
    path = g_build_filename (TEESQL_HELPER_DIR, PROGRAM, NULL);
  if (access (path, X_OK) == 0)
    return g_steal_pointer (&path);
  fail (error, "%s: %s\nhint: it belongs to the installation", path, g_strerror (errno));
  return NULL;
}

/* Nothing of ours is in there. A sanitizer's leak search would need ptrace, which the host may not use. */
static const char *const environment[] = {
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "LANG=C.UTF-8",
#if TEESQL_SANITIZED
  "ASAN_OPTIONS=detect_leaks=0:abort_on_error=1",
  "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1",
#endif
  NULL,
};

static int
add_descriptors (posix_spawn_file_actions_t *actions, int socket)
{
  int failed = posix_spawn_file_actions_adddup2 (actions, socket, SOCKET_FD);

  if (failed == 0)
    failed = posix_spawn_file_actions_addopen (actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (failed == 0)
    failed = posix_spawn_file_actions_addopen (actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
#if !TEESQL_SANITIZED /* what the plugin writes there would stand in our log as if we had written it; a sanitizer's report is worth it */
  if (failed == 0)
    failed = posix_spawn_file_actions_addopen (actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
#endif
  return failed != 0 ? failed : posix_spawn_file_actions_addclosefrom_np (actions, SOCKET_FD + 1);
}

/* A session of its own: Ctrl-C at a tool is for the tool, which then closes the host's socket. */
static int
add_attributes (posix_spawnattr_t *attributes)
{
  sigset_t none;
  sigset_t all;
  int failed = 0;

  sigemptyset (&none);
  sigfillset (&all);
  failed = posix_spawnattr_setsigmask (attributes, &none);
  if (failed == 0)
    failed = posix_spawnattr_setsigdefault (attributes, &all);
  return failed != 0 ? failed : posix_spawnattr_setflags (attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
}

static int
spawn (const char *program, const char *instance, int socket, pid_t *out_pid)
{
  const char *const argv[] = { PROGRAM, instance, NULL };
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int failed = posix_spawn_file_actions_init (&actions);

  if (failed != 0)
    return failed;
  failed = posix_spawnattr_init (&attributes);
  if (failed == 0)
    {
      failed = add_descriptors (&actions, socket);
      if (failed == 0)
        failed = add_attributes (&attributes);
      if (failed == 0)
        failed = posix_spawn (out_pid, program, &actions, &attributes, (char *const *) argv, (char *const *) environment);
      posix_spawnattr_destroy (&attributes);
    }
  posix_spawn_file_actions_destroy (&actions);
  return failed;
}

static char *
describe_exit (const siginfo_t *info)
{
  if (info->si_code == CLD_EXITED)
    return g_strdup_printf ("exit status %d", info->si_status);
  return g_strdup_printf ("signal %d, %s", info->si_status, g_strsignal (info->si_status));
}

/* waitid() on the pidfd: no other child can be meant, whoever else waits in this process. */
static char *
reap (TeesqlStorageChild *self, int options)
{
  siginfo_t info = { 0 };
  int done = 0;

  do
    done = waitid (P_PIDFD_TYPE, (id_t) self->pidfd, &info, WEXITED | options);
  while (done < 0 && errno == EINTR);
  if (done == 0 && info.si_pid == 0)
    return NULL;
  self->pid = 0;
  return done == 0 ? describe_exit (&info) : g_strdup ("status unknown");
}

static gboolean
exited_cb (int fd, GIOCondition condition, gpointer user_data)
{
  TeesqlStorageChild *self = user_data;
  g_autofree char *status = reap (self, WNOHANG);

  if (status == NULL)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&self->watch, g_source_unref);
  self->exited (status, self->user_data);
  return G_SOURCE_REMOVE;
}

static TeesqlStorageChild *
child_new (pid_t pid, int pidfd, TeesqlStorageExitFunc exited, gpointer user_data)
{
  TeesqlStorageChild *self = g_new0 (TeesqlStorageChild, 1);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  self->pid = pid;
  self->pidfd = pidfd;
  self->exited = exited;
  self->user_data = user_data;
  self->watch = g_unix_fd_source_new (pidfd, G_IO_IN);
  g_source_set_callback (self->watch, G_SOURCE_FUNC (exited_cb), self, NULL);
  g_source_attach (self->watch, context);
  return self;
}

TeesqlStorageChild *
teesql_storage_child_spawn (const char *instance, int socket, TeesqlStorageExitFunc exited, gpointer user_data, GError **error)
{
  g_autofree char *program = find_program (error);
  pid_t pid = 0;
  int pidfd = -1;
  int failed = 0;

  if (program == NULL)
    return NULL;
  failed = spawn (program, instance, socket, &pid);
  if (failed != 0)
    {
      fail (error, "starting %s: %s", program, g_strerror (failed));
      return NULL;
    }
  pidfd = (int) syscall (SYS_pidfd_open, pid, 0);
  if (pidfd >= 0)
    return child_new (pid, pidfd, exited, user_data);
  fail (error, "watching %s: %s", program, g_strerror (errno));
  kill (pid, SIGKILL);
  while (waitpid (pid, NULL, 0) < 0 && errno == EINTR)
    ;
  return NULL;
}

pid_t
teesql_storage_child_get_pid (const TeesqlStorageChild *self)
{
  return self->pid;
}

void
teesql_storage_child_kill (TeesqlStorageChild *self)
{
  if (self->pid != 0)
    syscall (SYS_pidfd_send_signal, self->pidfd, SIGKILL, NULL, 0);
}

static void
child_free (TeesqlStorageChild *self)
{
  close (self->pidfd);
  g_free (self);
}

static gpointer
see_off (gpointer data)
{
  TeesqlStorageChild *self = data;
  struct pollfd gone = { .fd = self->pidfd, .events = POLLIN };

  if (poll (&gone, 1, PATIENCE_MS) <= 0)
    teesql_storage_child_kill (self);
  g_free (reap (self, 0));
  child_free (self);
  return NULL;
}

void
teesql_storage_child_release (TeesqlStorageChild *self)
{
  GThread *thread = NULL;

  if (self->watch != NULL)
    {
      g_source_destroy (self->watch);
      g_clear_pointer (&self->watch, g_source_unref);
    }
  if (self->pid == 0)
    {
      child_free (self);
      return;
    }
  thread = g_thread_try_new ("storage-host", see_off, self, NULL);
  if (thread != NULL)
    {
      g_thread_unref (thread);
      return;
    }
  teesql_storage_child_kill (self);
  g_free (reap (self, 0));
  child_free (self);
}
