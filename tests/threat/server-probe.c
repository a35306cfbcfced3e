/* Loaded into PostgreSQL by LOAD: its constructor runs as any C function would. It tries what must not work, for the targets in
 * PATH.targets (one `KIND TARGET` a line), and writes `KIND TARGET: errno` to PATH.result; errno 0 is a success of the attack. */
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int
try_connect (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int result = 0;

  if (fd < 0 || strlen (path) >= sizeof address.sun_path)
    return fd < 0 ? errno : ENAMETOOLONG;
  memmove (address.sun_path, path, strlen (path));
  result = connect (fd, (struct sockaddr *) &address, sizeof address) == 0 ? 0 : errno;
  close (fd);
  return result;
}

static int
try_outward (const char *text)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  char host[32] = "";
  const char *colon = strchr (text, ':');
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int result = 0;

  if (fd < 0)
    return errno;
  memmove (host, text, (size_t) (colon - text));
  address.sin_port = htons ((unsigned short) strtol (colon + 1, NULL, 10));
  inet_pton (AF_INET, host, &address.sin_addr);
  result = connect (fd, (struct sockaddr *) &address, sizeof address) == 0 ? 0 : errno;
  close (fd);
  return result;
}

static int
try_open (const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

  if (fd < 0)
    return errno;
  close (fd);
  return 0;
}

static int
try_ptrace (const char *pid)
{
  return ptrace (PTRACE_SEIZE, (pid_t) strtol (pid, NULL, 10), NULL, NULL) == 0 ? 0 : errno;
}

static int
try_read_memory (const char *pid)
{
  char byte = 0;
  struct iovec ours = { &byte, 1 };
  struct iovec theirs = { (void *) &try_read_memory, 1 };

  return process_vm_readv ((pid_t) strtol (pid, NULL, 10), &ours, 1, &theirs, 1, 0) == 1 ? 0 : errno;
}

static int
try_take_descriptor (const char *pid)
{
  int pidfd = (int) syscall (SYS_pidfd_open, (pid_t) strtol (pid, NULL, 10), 0);
  int result = 0;

  if (pidfd < 0)
    return errno;
  result = syscall (SYS_pidfd_getfd, pidfd, 3, 0) >= 0 ? 0 : errno;
  close (pidfd);
  return result;
}

static int
try_signal (const char *pid)
{
  return kill ((pid_t) strtol (pid, NULL, 10), 0) == 0 ? 0 : errno;
}

static int
try_root (const char *unused)
{
  return setuid (0) == 0 ? 0 : errno;
}

static int
try_ring (const char *unused)
{
  char parameters[256] = { 0 };

  return syscall (SYS_io_uring_setup, 4, parameters) >= 0 ? 0 : errno;
}

/* Every descriptor that this process has: what it is, for the test to judge. */
static void
list_descriptors (FILE *out)
{
  DIR *dir = opendir ("/proc/self/fd");

  for (struct dirent *entry = dir != NULL ? readdir (dir) : NULL; entry != NULL; entry = readdir (dir))
    {
      char link[64] = "";
      char target[4096] = "";
      struct ucred peer = { 0 };
      socklen_t size = sizeof peer;

      if (entry->d_name[0] == '.' || strtol (entry->d_name, NULL, 10) == dirfd (dir))
        continue;
      snprintf (link, sizeof link, "/proc/self/fd/%.20s", entry->d_name);
      if (readlink (link, target, sizeof target - 1) < 0)
        continue;
      (void) getsockopt ((int) strtol (entry->d_name, NULL, 10), SOL_SOCKET, SO_PEERCRED, &peer, &size);
      fprintf (out, "descriptor %s %d\n", target, peer.pid);
    }
  if (dir != NULL)
    closedir (dir);
}

typedef struct
{
  const char *kind;
  int (*try) (const char *target);
} Attack;

static const Attack attacks[] = {
  { "connect", try_connect }, { "outward", try_outward },    { "open", try_open },
  { "ptrace", try_ptrace },   { "memory", try_read_memory }, { "descriptor", try_take_descriptor },
  { "signal", try_signal },   { "root", try_root },          { "ring", try_ring },
};

static void
run_line (const char *line, FILE *out)
{
  const char *space = strchr (line, ' ');

  for (size_t i = 0; space != NULL && i < sizeof attacks / sizeof attacks[0]; i++)
    if (strlen (attacks[i].kind) == (size_t) (space - line) && strncmp (attacks[i].kind, line, (size_t) (space - line)) == 0)
      fprintf (out, "%s: %d\n", line, attacks[i].try (space + 1));
}

static void __attribute__ ((constructor)) attack (void)
{
  Dl_info here = { 0 };
  char targets[4096] = "";
  char results[4096] = "";
  char line[4096] = "";
  FILE *in = NULL;
  FILE *out = NULL;

  if (dladdr ((void *) &attack, &here) == 0)
    return;
  snprintf (targets, sizeof targets, "%s.targets", here.dli_fname);
  snprintf (results, sizeof results, "%s.result", here.dli_fname);
  in = fopen (targets, "re");
  if (in == NULL)
    return;
  out = fopen (results, "we");
  if (out != NULL)
    list_descriptors (out);
  while (out != NULL && fgets (line, sizeof line, in) != NULL)
    {
      line[strcspn (line, "\n")] = '\0';
      run_line (line, out);
    }
  if (out != NULL)
    fclose (out);
  fclose (in);
}
