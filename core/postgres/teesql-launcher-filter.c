/* What PostgreSQL cannot ask of the kernel. It has the data in plaintext, so it has no network: who wants them comes through the proxy. And
 * whatever is loaded into it gets no further than its own processes, though it should share our user. */
#include "postgres/teesql-launcher-private.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBER       ((guint32) offsetof (struct seccomp_data, nr))
#define ARCHITECTURE ((guint32) offsetof (struct seccomp_data, arch))
#define FIRST_WORD   ((guint32) offsetof (struct seccomp_data, args))
#define REFUSE(what) (SECCOMP_RET_ERRNO | ((what) &SECCOMP_RET_DATA))
#define OTHER_ABI    0x40000000u /* x32 numbers would pass by the list */

/* Other processes, other namespaces, keys, and the ring that opens sockets without socket (). PostgreSQL asks for none of them. */
static const guint32 refused[] = {
  SYS_ptrace,
  SYS_process_vm_readv,
  SYS_process_vm_writev,
  SYS_kcmp,
  SYS_pidfd_getfd,
  SYS_io_uring_setup,
  SYS_io_uring_enter,
  SYS_io_uring_register,
  SYS_bpf,
  SYS_perf_event_open,
  SYS_userfaultfd,
  SYS_unshare,
  SYS_setns,
  SYS_mount,
  SYS_umount2,
  SYS_pivot_root,
  SYS_chroot,
  SYS_add_key,
  SYS_request_key,
  SYS_keyctl,
};

#define N_HEAD 7
#define N_TAIL 6

static void
add (struct sock_filter *program, guint *n, guint16 code, guint8 yes, guint8 no, guint32 word)
{
  program[(*n)++] = (struct sock_filter){ code, yes, no, word };
}

gboolean
teesql_launcher_filter (void)
{
#ifdef __x86_64__
  struct sock_filter program[N_HEAD + 2 * G_N_ELEMENTS (refused) + N_TAIL];
  struct sock_fprog whole = { .filter = program };
  guint n = 0;

  add (program, &n, BPF_LD | BPF_W | BPF_ABS, 0, 0, ARCHITECTURE);
  add (program, &n, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
  add (program, &n, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
  add (program, &n, BPF_LD | BPF_W | BPF_ABS, 0, 0, NUMBER);
  add (program, &n, BPF_JMP | BPF_JGE | BPF_K, 0, 1, OTHER_ABI);
  add (program, &n, BPF_RET | BPF_K, 0, 0, REFUSE (ENOSYS));
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      add (program, &n, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, refused[i]);
      add (program, &n, BPF_RET | BPF_K, 0, 0, REFUSE (EPERM));
    }
  add (program, &n, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, SYS_socket);
  add (program, &n, BPF_LD | BPF_W | BPF_ABS, 0, 0, FIRST_WORD);
  add (program, &n, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, AF_UNIX);
  add (program, &n, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AF_NETLINK); /* getifaddrs () of the host-based rules */
  add (program, &n, BPF_RET | BPF_K, 0, 0, REFUSE (EAFNOSUPPORT));
  add (program, &n, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
  whole.len = (unsigned short) n;
  return prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole, 0, 0) == 0;
#else
  return TRUE; /* guests are x86-64; elsewhere it is tried out only */
#endif
}
