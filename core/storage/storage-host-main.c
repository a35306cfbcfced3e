#include "base/teesql-environment.h"
#include "base/teesql-locked-memory.h"
#include "storage/teesql-storage-host.h"
#include "teesql-build.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET     3
#define EXIT_USAGE 2

static gboolean
is_socket_pair (int fd)
{
  int domain = 0;
  int type = 0;
  socklen_t size = sizeof domain;

  if (getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_UNIX)
    return FALSE;
  size = sizeof type;
  return getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* Before the process gets a hard shell, which closes its own files in /proc: where memory runs out, this one goes first. */
static void
offer_to_go_first (void)
{
  int fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

  if (fd < 0)
    return;
  if (write (fd, "1000", 4) < 0)
    perror ("teesql-storage-host: /proc/self/oom_score_adj");
  close (fd);
}

int
main (int argc, char **argv)
{
  teesql_environment_rebuild (argc, argv);
  if (argc == 2 && strcmp (argv[1], "--version") == 0)
    {
      printf ("teesql-storage-host %s\n", TEESQL_VERSION);
      return 0;
    }
  if (argc != 2 || argv[1][0] == '-' || !is_socket_pair (SOCKET))
    {
      fprintf (stderr, "teesql-storage-host: teesqld and teesql start this program, nobody else does; see teesql-storage-host(8)\n");
      return EXIT_USAGE;
    }
  clearenv (); /* the plugin gets none */
  setenv ("PATH", "/usr/bin:/bin", 1);
  setenv ("LANG", "C.UTF-8", 1);
  offer_to_go_first ();
  teesql_process_harden (NULL);
  munlockall (); /* what the plugin allocates is not ours to pin; secrets lock their own pages */
  umask (077);
  signal (SIGPIPE, SIG_IGN);
  fcntl (SOCKET, F_SETFD, FD_CLOEXEC);
  return teesql_storage_host_run (SOCKET);
}
