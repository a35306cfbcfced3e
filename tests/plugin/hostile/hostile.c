/* A storage that tries what it must not succeed in. `stat` of an object named after an attack runs it in the host; the answer's size is 1
 * when it got something, and its tag says what, or how it was refused. */
#include "hostile.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static void hostile_storage_iface_init (TeesqlStorageInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (HostileStorage, hostile_storage, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, hostile_storage_iface_init))

enum
{
  PROP_TARGET = 1,
  PROP_PORT,
  PROP_AT_START,
  PROP_FOLDER,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

Loot
hostile_judge (long result)
{
  Loot loot = { result >= 0, NULL };

  loot.text = result >= 0 ? g_strdup_printf ("returned %ld", result) : g_strdup_printf ("errno %s", strerrorname_np (errno));
  return loot;
}

static Loot
read_file (const char *path)
{
  char buffer[64] = { 0 };
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd >= 0 ? pread (fd, buffer, sizeof buffer - 1, 0) : -1;
  Loot loot = hostile_judge (fd);

  if (n > 0)
    {
      g_free (loot.text);
      loot.text = g_strdup_printf ("read %ld bytes", (long) n);
    }
  if (fd >= 0)
    close (fd);
  return loot;
}

static Loot
read_of_parent (const char *file)
{
  char path[64];

  snprintf (path, sizeof path, "/proc/%d/%s", (int) getppid (), file);
  return read_file (path);
}

static Loot
attack_parent_mem (HostileStorage *self)
{
  return read_of_parent ("mem");
}

static Loot
attack_parent_environ (HostileStorage *self)
{
  return read_of_parent ("environ");
}

static Loot
attack_parent_maps (HostileStorage *self)
{
  return read_of_parent ("maps");
}

static Loot
attack_parent_descriptors (HostileStorage *self)
{
  return read_of_parent ("fd/1");
}

static Loot
attack_own_environ (HostileStorage *self)
{
  return read_file ("/proc/self/environ");
}

static Loot
attack_read_target (HostileStorage *self)
{
  return read_file (self->target);
}

static Loot
attack_write_target (HostileStorage *self)
{
  return hostile_judge (open (self->target, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static Loot
attack_remove_target (HostileStorage *self)
{
  return hostile_judge (unlink (self->target));
}

static Loot
attack_list_target (HostileStorage *self)
{
  return hostile_judge (open (self->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* out of the declared folder by a link that lies in it */
static Loot
attack_link_out (HostileStorage *self)
{
  g_autofree char *path = g_build_filename (self->folder, "out", NULL);

  if (symlink (self->target, path) < 0)
    return hostile_judge (-1);
  return read_file (path);
}

static Loot
attack_hard_link_in (HostileStorage *self)
{
  g_autofree char *path = g_build_filename (self->folder, "in", NULL);

  return hostile_judge (link (self->target, path));
}

static Loot
attack_declared (HostileStorage *self)
{
  g_autofree char *path = g_build_filename (self->folder, "object", NULL);

  return hostile_judge (open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static Loot
attack_process_vm_readv (HostileStorage *self)
{
  char buffer[8];
  struct iovec here = { buffer, sizeof buffer };
  struct iovec there = { (void *) 0x400000, sizeof buffer };

  return hostile_judge (process_vm_readv (getppid (), &here, 1, &there, 1, 0));
}

static Loot
attack_ptrace (HostileStorage *self)
{
  return hostile_judge (ptrace (PTRACE_ATTACH, getppid (), NULL, NULL));
}

static Loot
attack_ptrace_me (HostileStorage *self)
{
  return hostile_judge (ptrace (PTRACE_TRACEME, 0, NULL, NULL));
}

static Loot
attack_fork (HostileStorage *self)
{
  pid_t pid = fork ();

  if (pid == 0)
    _exit (0);
  return hostile_judge (pid);
}

static Loot
attack_raw_fork (HostileStorage *self)
{
  long pid = syscall (SYS_clone, SIGCHLD, 0, 0, 0, 0);

  if (pid == 0)
    _exit (0);
  return hostile_judge (pid);
}

static Loot
attack_clone3 (HostileStorage *self)
{
  guint64 arguments[11] = { 0 };
  long pid = 0;

  arguments[4] = SIGCHLD;
  pid = syscall (SYS_clone3, arguments, sizeof arguments);
  if (pid == 0)
    _exit (0);
  return hostile_judge (pid);
}

static Loot
attack_exec (HostileStorage *self)
{
  char *argv[] = { (char *) "true", NULL };

  return hostile_judge (execve ("/bin/true", argv, NULL));
}

static Loot
attack_exec_memory (HostileStorage *self)
{
  char *argv[] = { (char *) "true", NULL };

  for (int fd = SOCKET; fd < 16; fd++) /* one of them is our own module */
    {
      if (syscall (SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH) == 0)
        return hostile_judge (0);
    }
  return hostile_judge (-1);
}

static Loot
connect_tcp (HostileStorage *self, int type)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_port = htons ((guint16) self->port),
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = socket (AF_INET, type, 0);
  Loot loot = hostile_judge (fd < 0 ? -1 : connect (fd, (struct sockaddr *) &address, sizeof address));

  if (fd >= 0)
    close (fd);
  return loot;
}

static Loot
attack_connect (HostileStorage *self)
{
  return connect_tcp (self, SOCK_STREAM);
}

static Loot
attack_listen (HostileStorage *self)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = socket (AF_INET, SOCK_STREAM, 0);

  if (fd < 0 || bind (fd, (struct sockaddr *) &address, sizeof address) < 0)
    return hostile_judge (-1);
  return hostile_judge (listen (fd, 1));
}

static Loot
attack_raw_socket (HostileStorage *self)
{
  return hostile_judge (socket (AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static Loot
attack_packet_socket (HostileStorage *self)
{
  return hostile_judge (socket (AF_PACKET, SOCK_RAW, 0));
}

static Loot
attack_netlink (HostileStorage *self)
{
  return hostile_judge (socket (AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static Loot
attack_vsock (HostileStorage *self)
{
  return hostile_judge (socket (AF_VSOCK, SOCK_STREAM, 0));
}

static Loot
connect_unix (const char *name, gboolean abstract)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  g_strlcpy (address.sun_path + (abstract ? 1 : 0), name, sizeof address.sun_path - 1);
  if (fd < 0) /* perhaps the one we have can be made to */
    return hostile_judge (connect (SOCKET, (struct sockaddr *) &address, sizeof address));
  return hostile_judge (
      connect (fd, (struct sockaddr *) &address, (socklen_t) (offsetof (struct sockaddr_un, sun_path) + strlen (name) + 1)));
}

static Loot
attack_unix (HostileStorage *self)
{
  return connect_unix (self->target, FALSE);
}

static Loot
attack_abstract (HostileStorage *self)
{
  return connect_unix (self->target, TRUE);
}

static Loot
attack_socketpair (HostileStorage *self)
{
  int ends[2];

  return hostile_judge (socketpair (AF_UNIX, SOCK_STREAM, 0, ends));
}

static Loot
attack_kill (HostileStorage *self)
{
  return hostile_judge (kill (getppid (), SIGKILL));
}

static Loot
attack_kill_all (HostileStorage *self)
{
  return hostile_judge (kill (-1, SIGKILL));
}

static Loot
attack_tgkill (HostileStorage *self)
{
  return hostile_judge (syscall (SYS_tgkill, getppid (), getppid (), SIGKILL));
}

static Loot
attack_sigqueue (HostileStorage *self)
{
  union sigval value = { 0 };

  return hostile_judge (sigqueue (getppid (), SIGKILL, value));
}

static Loot
attack_pidfd (HostileStorage *self)
{
  return hostile_judge (syscall (SYS_pidfd_open, getppid (), 0));
}

/* the kernel signals the owner of a descriptor when there is something to read */
static Loot
attack_setown (HostileStorage *self)
{
  return hostile_judge (fcntl (SOCKET, F_SETOWN, getppid ()));
}

static Loot
attack_setown_ioctl (HostileStorage *self)
{
  int pid = getppid ();

  return hostile_judge (ioctl (SOCKET, FIOSETOWN, &pid));
}

static Loot
attack_prlimit (HostileStorage *self)
{
  struct rlimit none = { 0, 0 };

  return hostile_judge (prlimit (getppid (), RLIMIT_NOFILE, &none, NULL));
}

static Loot
attack_raise_limit (HostileStorage *self)
{
  struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

  return hostile_judge (setrlimit (RLIMIT_DATA, &all));
}

static Loot
attack_priority (HostileStorage *self)
{
  return hostile_judge (setpriority (PRIO_PROCESS, (id_t) getppid (), 19));
}

/* the filter says that this one was done; it was not */
static Loot
attack_schedule (HostileStorage *self)
{
  struct
  {
    guint32 size, policy;
    guint64 flags;
    gint32 nice;
    guint32 priority;
    guint64 runtime, deadline, period;
  } wanted = { sizeof wanted, SCHED_IDLE, 0, 0, 0, 0, 0, 0 };

  syscall (SYS_sched_setattr, getppid (), &wanted, 0);
  return hostile_judge (sched_getscheduler (getppid ()) == SCHED_IDLE ? 0 : -1);
}

static Loot
attack_no_death_signal (HostileStorage *self)
{
  return hostile_judge (prctl (PR_SET_PDEATHSIG, 0));
}

static Loot
attack_dumpable (HostileStorage *self)
{
  return hostile_judge (prctl (PR_SET_DUMPABLE, 1));
}

static Loot
attack_shared_memory (HostileStorage *self)
{
  return hostile_judge (shmget (0x7ee5, 4096, IPC_CREAT | 0600));
}

static Loot
attack_posix_shared_memory (HostileStorage *self)
{
  return hostile_judge (open ("/dev/shm", O_RDONLY | O_DIRECTORY));
}

static Loot
attack_io_uring (HostileStorage *self)
{
  char parameters[256] = { 0 };

  return hostile_judge (syscall (SYS_io_uring_setup, 1, parameters));
}

static Loot
attack_keyring (HostileStorage *self)
{
  return hostile_judge (syscall (SYS_keyctl, 0 /* get id */, -4 /* user keyring */, 0));
}

static Loot
attack_namespace (HostileStorage *self)
{
  return hostile_judge (syscall (SYS_unshare, 0x10000000 /* CLONE_NEWUSER */));
}

static Loot
attack_userfaultfd (HostileStorage *self)
{
  return hostile_judge (syscall (SYS_userfaultfd, 0));
}

static Loot
attack_bpf (HostileStorage *self)
{
  return hostile_judge (syscall (SYS_bpf, 0, NULL, 0));
}

static Loot
attack_perf (HostileStorage *self)
{
  return hostile_judge (syscall (SYS_perf_event_open, NULL, getppid (), -1, -1, 0));
}

static Loot
attack_become_root (HostileStorage *self)
{
  return hostile_judge (geteuid () == 0 || setuid (0) == 0 ? 0 : -1);
}

static Loot
attack_environment (HostileStorage *self)
{
  extern char **environ;
  guint n = 0;

  while (environ != NULL && environ[n] != NULL)
    n++;
  return (Loot){ n > 2, g_strdup_printf ("%u variables", n) };
}

/* memory that the daemon reads from: cut off under it, it would die of SIGBUS */
static Loot
attack_shrink (HostileStorage *self)
{
  for (int fd = SOCKET + 1; fd < 16; fd++)
    {
      if (ftruncate (fd, 0) == 0)
        return hostile_judge (0);
    }
  return hostile_judge (-1);
}

static Loot
attack_descriptors (HostileStorage *self)
{
  struct stat info;
  guint n = 0;

  for (int fd = 0; fd < 4096; fd++)
    {
      if (fstat (fd, &info) == 0 && !S_ISCHR (info.st_mode))
        n++;
    }
  return (Loot){ n > 8, g_strdup_printf ("%u descriptors", n) }; /* socket, module, memory, and what a main loop has */
}

static Loot
attack_stderr (HostileStorage *self)
{
  static const char line[] = "2026-01-01T00:00:00.000Z teesqld[1] info policy: everything is fine, says the plugin\n";

  return hostile_judge (write (STDERR_FILENO, line, sizeof line - 1) > 0 && isatty (STDERR_FILENO) ? 0 : -1);
}

static const struct
{
  const char *name;
  Loot (*func) (HostileStorage *self);
} attacks[] = {
  { "parent-mem", attack_parent_mem },
  { "parent-environ", attack_parent_environ },
  { "parent-maps", attack_parent_maps },
  { "parent-descriptors", attack_parent_descriptors },
  { "own-environ", attack_own_environ },
  { "read-target", attack_read_target },
  { "write-target", attack_write_target },
  { "remove-target", attack_remove_target },
  { "list-target", attack_list_target },
  { "link-out", attack_link_out },
  { "hard-link-in", attack_hard_link_in },
  { "declared", attack_declared },
  { "process-vm-readv", attack_process_vm_readv },
  { "ptrace", attack_ptrace },
  { "ptrace-me", attack_ptrace_me },
  { "fork", attack_fork },
  { "raw-fork", attack_raw_fork },
  { "clone3", attack_clone3 },
  { "exec", attack_exec },
  { "exec-memory", attack_exec_memory },
  { "connect", attack_connect },
  { "listen", attack_listen },
  { "raw-socket", attack_raw_socket },
  { "packet-socket", attack_packet_socket },
  { "netlink", attack_netlink },
  { "vsock", attack_vsock },
  { "unix", attack_unix },
  { "abstract", attack_abstract },
  { "socketpair", attack_socketpair },
  { "kill", attack_kill },
  { "kill-all", attack_kill_all },
  { "tgkill", attack_tgkill },
  { "sigqueue", attack_sigqueue },
  { "pidfd", attack_pidfd },
  { "setown", attack_setown },
  { "setown-ioctl", attack_setown_ioctl },
  { "prlimit", attack_prlimit },
  { "raise-limit", attack_raise_limit },
  { "priority", attack_priority },
  { "schedule", attack_schedule },
  { "no-death-signal", attack_no_death_signal },
  { "dumpable", attack_dumpable },
  { "shared-memory", attack_shared_memory },
  { "posix-shared-memory", attack_posix_shared_memory },
  { "io-uring", attack_io_uring },
  { "keyring", attack_keyring },
  { "namespace", attack_namespace },
  { "userfaultfd", attack_userfaultfd },
  { "bpf", attack_bpf },
  { "perf", attack_perf },
  { "become-root", attack_become_root },
  { "environment", attack_environment },
  { "shrink", attack_shrink },
  { "descriptors", attack_descriptors },
  { "stderr", attack_stderr },
  { "memory", attack_memory },
  { "open-files", attack_open_files },
  { "mptcp", attack_mptcp },
  { "sctp", attack_sctp },
  { "ping-socket", attack_ping_socket },
  { "udplite", attack_udplite },
  { "fast-open", attack_fast_open },
  { "fast-open-message", attack_fast_open_message },
  { "chmod-target", attack_chmod_target },
  { "truncate-target", attack_truncate_target },
  { "touch-target", attack_touch_target },
  { "crash", attack_crash },
  { "hang", attack_hang },
  { "lie-garbage", attack_lie_garbage },
  { "lie-empty", attack_lie_empty },
  { "lie-huge", attack_lie_huge },
  { "lie-unknown-call", attack_lie_unknown_call },
  { "lie-answer-twice", attack_lie_answer_twice },
  { "lie-slot", attack_lie_slot },
  { "lie-ready-again", attack_lie_ready_again },
  { "lie-pong", attack_lie_pong },
  { "lie-flood", attack_lie_flood },
  { "lie-descriptors", attack_lie_descriptors },
  { "close-socket", attack_close_socket },
};

static gboolean
run (HostileStorage *self, const char *name, Loot *out)
{
  for (gsize i = 0; i < G_N_ELEMENTS (attacks); i++)
    {
      if (strcmp (attacks[i].name, name) != 0)
        continue;
      errno = 0;
      *out = attacks[i].func (self);
      return TRUE;
    }
  return FALSE;
}

static void
stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  HostileStorage *self = HOSTILE_STORAGE (storage);
  GTask *task = g_task_new (storage, cancellable, callback, user_data);
  Loot loot = { FALSE, NULL };

  g_task_set_check_cancellable (task, FALSE);
  if (strcmp (name, "never-answer") == 0)
    {
      g_ptr_array_add (self->silent, task);
      return;
    }
  if (strcmp (name, "alive") == 0)
    loot = (Loot){ TRUE, g_strdup ("yes") };
  else if (!run (self, name, &loot))
    g_error ("there is no attack %s", name);
  g_task_return_pointer (task, teesql_object_info_new (name, loot.got, -1, loot.text), (GDestroyNotify) teesql_object_info_unref);
  g_free (loot.text);
  g_object_unref (task);
}

static TeesqlObjectInfo *
stat_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
hostile_storage_iface_init (TeesqlStorageInterface *iface)
{
  iface->stat_async = stat_async;
  iface->stat_finish = stat_finish;
}

static void
hostile_storage_constructed (GObject *object)
{
  HostileStorage *self = HOSTILE_STORAGE (object);
  Loot loot = { FALSE, NULL };

  G_OBJECT_CLASS (hostile_storage_parent_class)->constructed (object);
  if (self->at_start != NULL && run (self, self->at_start, &loot))
    g_free (loot.text);
}

static void
hostile_storage_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  HostileStorage *self = HOSTILE_STORAGE (object);

  (void) pspec;
  if (id == PROP_TARGET)
    self->target = g_value_dup_string (value);
  else if (id == PROP_PORT)
    self->port = g_value_get_uint (value);
  else if (id == PROP_AT_START)
    self->at_start = g_value_dup_string (value);
  else
    self->folder = g_value_dup_string (value);
}

#define FLAGS (G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)

static void
hostile_storage_class_init (HostileStorageClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = hostile_storage_set_property;
  object_class->constructed = hostile_storage_constructed;
  props[PROP_TARGET] = g_param_spec_string ("target", NULL, "What to reach for", NULL, FLAGS);
  props[PROP_PORT] = g_param_spec_uint ("port", NULL, "Port of 127.0.0.1", 0, 65535, 0, FLAGS);
  props[PROP_AT_START] = g_param_spec_string ("at-start", NULL, "Attack before the start is over", NULL, FLAGS);
  props[PROP_FOLDER] = g_param_spec_string ("folder", NULL, "Declared folder", NULL, FLAGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
hostile_storage_init (HostileStorage *self)
{
  self->silent = g_ptr_array_new ();
}

TEESQL_PLUGIN_DEFINE ("hostile", "6.6.6", TEESQL_PROVIDES_STORAGE (hostile_storage_get_type))
