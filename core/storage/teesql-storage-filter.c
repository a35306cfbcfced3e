#include "base/teesql-domains.h"
#include "storage/teesql-storage-confine.h"
#include "teesql-build.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* System calls of a storage plugin, by an allow-list. What is not there does not exist (ENOSYS), so that libraries take the way they have
 * for older kernels; what a library may try and must be told no gets EPERM or EACCES.
 *
 * Mapping memory executable stays possible, since the module and its libraries are mapped after this: native code needs no new code to be
 * hostile, and the boundary is what it may ask of the kernel. Landlock does not stop a connect () to a unix socket, which is why no such
 * socket can be made here. */

#define fail(error, ...) teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "storage-confinement", __VA_ARGS__)

/* clang-format off */
static const char *const allowed[] = {
  /* memory */
  "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "mlock", "mlock2", "munlock", "msync", "mincore", "membarrier",
  /* threads of this process, time, signals to oneself */
  "futex", "futex_waitv", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity", "sched_getattr", "sched_getparam",
  "sched_getscheduler", "set_tid_address", "exit", "exit_group", "restart_syscall", "gettid", "getpid", "getppid", "getuid", "geteuid",
  "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getpgrp", "getpgid", "getsid", "rt_sigaction", "rt_sigprocmask",
  "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "sigaltstack", "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep",
  "gettimeofday", "time", "times", "getrusage", "getcpu", "sysinfo", "uname", "getrandom", "getrlimit", "arch_prctl", "pause",
  /* waiting */
  "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_create", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd",
  "eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime", "pipe", "pipe2",
  /* descriptors and files; which ones is Landlock's */
  "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek", "close", "close_range",
  "dup", "dup2", "dup3", "open", "openat", "openat2", "creat", "stat", "lstat", "fstat", "newfstatat", "fstatat64", "statx", "statfs", "fstatfs",
  "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "getcwd", "chdir", "fchdir", "umask", "mkdir",
  "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "ftruncate", "fallocate",
  "fsync", "fdatasync", "sync_file_range", "syncfs", "fadvise64", "readahead", "copy_file_range", "sendfile", "splice", "flock", "fchmod",
  /* sockets that exist, and those that may be made below */
  "connect", "recvfrom", "recvmsg", "recvmmsg", "shutdown", "getsockname", "getpeername", "getsockopt", "setsockopt",
};

/* Refused in words that libraries understand. */
static const struct
{
  const char *name;
  int error;
} refused[] = {
  { "fork", EPERM }, { "vfork", EPERM }, { "execve", EPERM }, { "execveat", EPERM }, { "kill", EPERM }, { "tkill", EPERM },
  { "ptrace", EPERM }, { "process_vm_readv", EPERM }, { "process_vm_writev", EPERM }, { "pidfd_open", EPERM }, { "pidfd_getfd", EPERM },
  { "pidfd_send_signal", EPERM }, { "kcmp", EPERM }, { "bpf", EPERM }, { "perf_event_open", EPERM }, { "userfaultfd", EPERM },
  { "keyctl", EPERM }, { "add_key", EPERM }, { "request_key", EPERM }, { "mount", EPERM }, { "umount2", EPERM }, { "unshare", EPERM },
  { "setns", EPERM }, { "io_uring_setup", EPERM }, { "bind", EACCES }, { "listen", EACCES }, { "accept", EACCES }, { "accept4", EACCES },
  { "socketpair", EACCES }, { "shmget", EACCES }, { "shmat", EACCES }, { "mq_open", EACCES }, { "setpriority", EPERM },
  { "sched_setscheduler", EPERM }, { "sched_setparam", EPERM }, { "sched_setaffinity", EPERM }, { "ioprio_set", EPERM },
  { "setrlimit", EPERM }, { "clone3", ENOSYS },
  /* by path and without opening it: Landlock has no say (truncate: before Linux 6.2) over whatever this user owns anywhere */
  { "chmod", EPERM }, { "fchmodat", EPERM }, { "fchmodat2", EPERM }, { "truncate", EPERM }, { "utime", EPERM }, { "utimes", EPERM },
  { "futimesat", EPERM },
};
/* clang-format on */

/* Without F_SETOWN and its kind, which have the kernel send a signal to whom one likes. */
static const int fcntl_commands[] = {
  F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,     F_GETFL,      F_SETFL,     F_GETLK,
  F_SETLK, F_SETLKW,        F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_GET_SEALS,
};
static const unsigned long ioctl_requests[] = { FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TCGETS };
static const int prctl_options[] = { PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_CAPBSET_READ,
                                     0x53564d41 /* PR_SET_VMA: a name for it */ };

/* A name that this library or this processor does not know cannot be called by it either. */
static gboolean
add (scmp_filter_ctx filter, guint32 action, const char *name, unsigned n, const struct scmp_arg_cmp *arguments, GError **error)
{
  int number = seccomp_syscall_resolve_name (name);
  int failed = number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array (filter, action, number, n, arguments);

  return failed == 0 || fail (error, "seccomp, %s: %s", name, g_strerror (-failed));
}

static gboolean
allow_value (scmp_filter_ctx filter, const char *name, guint argument, guint32 value, GError **error)
{
  struct scmp_arg_cmp compare = SCMP_CMP32 (argument, SCMP_CMP_EQ, value);

  return add (filter, SCMP_ACT_ALLOW, name, 1, &compare, error);
}

static gboolean
add_lists (scmp_filter_ctx filter, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (allowed); i++)
    {
      if (!add (filter, SCMP_ACT_ALLOW, allowed[i], 0, NULL, error))
        return FALSE;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      if (refused[i].error != ENOSYS && !add (filter, SCMP_ACT_ERRNO ((guint32) refused[i].error), refused[i].name, 0, NULL, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
add_commands (scmp_filter_ctx filter, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (fcntl_commands); i++)
    {
      if (!allow_value (filter, "fcntl", 1, (guint32) fcntl_commands[i], error))
        return FALSE;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (ioctl_requests); i++)
    {
      if (!allow_value (filter, "ioctl", 1, (guint32) ioctl_requests[i], error))
        return FALSE;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (prctl_options); i++)
    {
      if (!allow_value (filter, "prctl", 0, (guint32) prctl_options[i], error))
        return FALSE;
    }
  return TRUE;
}

/* Threads and nothing else: a copy of the process would have no watcher, and would outlive the one that is killed. */
static gboolean
add_process (scmp_filter_ctx filter, GError **error)
{
  struct scmp_arg_cmp thread = SCMP_CMP64 (0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
  struct scmp_arg_cmp no_thread = SCMP_CMP64 (0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
  /* one's own limits may be read; those of another process of this user could be set */
  struct scmp_arg_cmp own_limits[] = { SCMP_CMP32 (0, SCMP_CMP_EQ, 0), SCMP_CMP64 (2, SCMP_CMP_EQ, 0) };

  return add (filter, SCMP_ACT_ALLOW, "clone", 1, &thread, error) && add (filter, SCMP_ACT_ERRNO (EPERM), "clone", 1, &no_thread, error) &&
         allow_value (filter, "tgkill", 0, (guint32) getpid (), error) && add (filter, SCMP_ACT_ALLOW, "prlimit64", 2, own_limits, error) &&
         /* GLib's thread pools copy their scheduling to new threads and complain aloud when they may not: it is said to be done */
         add (filter, SCMP_ACT_ERRNO (0), "sched_setattr", 0, NULL, error);
}

/* Landlock's ports are those of TCP by connect (). SCTP, multipath TCP and others connect beside it, and so does TCP whose first bytes
 * travel with the first packet: the call that sends them is never shown to it. */
static gboolean
add_sockets (scmp_filter_ctx filter, gboolean network, GError **error)
{
  static const int families[] = { AF_INET, AF_INET6 };
  static const int kinds[][2] = {
    { SOCK_STREAM, IPPROTO_IP }, { SOCK_STREAM, IPPROTO_TCP }, { SOCK_DGRAM, IPPROTO_IP }, { SOCK_DGRAM, IPPROTO_UDP }
  };

  for (gsize i = 0; network && i < G_N_ELEMENTS (families); i++)
    for (gsize j = 0; j < G_N_ELEMENTS (kinds); j++)
      {
        struct scmp_arg_cmp arguments[] = { SCMP_CMP32 (0, SCMP_CMP_EQ, (guint32) families[i]),
                                            SCMP_CMP32 (1, SCMP_CMP_MASKED_EQ, 0xf, (guint32) kinds[j][0]),
                                            SCMP_CMP32 (2, SCMP_CMP_EQ, (guint32) kinds[j][1]) };

        if (!add (filter, SCMP_ACT_ALLOW, "socket", 3, arguments, error))
          return FALSE;
      }
  return TRUE;
}

static gboolean
add_sending (scmp_filter_ctx filter, GError **error)
{
  static const struct
  {
    const char *name;
    guint flags; /* which argument */
  } calls[] = { { "sendto", 3 }, { "sendmsg", 2 }, { "sendmmsg", 3 } };

  for (gsize i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      struct scmp_arg_cmp connected = SCMP_CMP32 (calls[i].flags, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0);
      struct scmp_arg_cmp connecting = SCMP_CMP32 (calls[i].flags, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN);

      if (!add (filter, SCMP_ACT_ALLOW, calls[i].name, 1, &connected, error) ||
          !add (filter, SCMP_ACT_ERRNO (EACCES), calls[i].name, 1, &connecting, error))
        return FALSE;
    }
  return TRUE;
}

/* Times of a file that was opened, as futimens () sets them; by path they are refused like the rest. */
static gboolean
add_times (scmp_filter_ctx filter, GError **error)
{
  struct scmp_arg_cmp of_descriptor = SCMP_CMP64 (1, SCMP_CMP_EQ, 0);

  return add (filter, SCMP_ACT_ALLOW, "utimensat", 1, &of_descriptor, error);
}

/* ENOSYS would have a resolver believe in a kernel without sockets. */
static gboolean
refuse_sockets (scmp_filter_ctx filter, gboolean network, GError **error)
{
  for (int family = 0; network && family < AF_MAX; family++)
    {
      struct scmp_arg_cmp compare = SCMP_CMP32 (0, SCMP_CMP_EQ, (guint32) family);

      if (family != AF_INET && family != AF_INET6 && !add (filter, SCMP_ACT_ERRNO (EACCES), "socket", 1, &compare, error))
        return FALSE;
    }
  return network || add (filter, SCMP_ACT_ERRNO (EACCES), "socket", 0, NULL, error);
}

static gboolean
load (scmp_filter_ctx filter, gboolean network, GError **error)
{
  int failed = 0;

  /* a call of another architecture's table has other numbers: no list is meant for it */
  if (seccomp_attr_set (filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
      seccomp_attr_set (filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
    return fail (error, "seccomp: its library is too old");
  if (!add_lists (filter, error) || !add_commands (filter, error) || !add_process (filter, error) || !add_times (filter, error) ||
      !add_sending (filter, error) || !add_sockets (filter, network, error) || !refuse_sockets (filter, network, error))
    return FALSE;
  failed = seccomp_load (filter);
  return failed == 0 || fail (error, "seccomp: %s\nhint: a storage plugin runs behind a filter or not at all", g_strerror (-failed));
}

gboolean
teesql_storage_filter (gboolean network, GError **error)
{
  scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ERRNO (ENOSYS));
  gboolean good = FALSE;

  if (filter == NULL)
    return fail (error, "seccomp: no memory");
  good = load (filter, network, error);
  seccomp_release (filter);
  return good;
}
