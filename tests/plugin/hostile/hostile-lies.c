#include "hostile.h"
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- exhaustion ---- */

Loot
attack_memory (HostileStorage *self)
{
  gsize taken = 0;

  for (gsize size = (gsize) 64 << 20; taken < (gsize) 16 << 30; taken += size)
    {
      void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

      if (memory == MAP_FAILED)
        break;
      memset (memory, 1, size);
    }
  return (Loot){ taken > (gsize) 2 << 30, g_strdup_printf ("%" G_GSIZE_FORMAT " MiB", taken >> 20) };
}

Loot
attack_open_files (HostileStorage *self)
{
  guint n = 0;

  while (n < 100000 && dup (STDIN_FILENO) >= 0)
    n++;
  return (Loot){ n > 1024, g_strdup_printf ("%u descriptors", n) };
}

Loot
attack_crash (HostileStorage *self)
{
  volatile int *nowhere = NULL;

  *nowhere = 1;
  return hostile_judge (0);
}

Loot
attack_hang (HostileStorage *self)
{
  while (TRUE)
    pause ();
  return hostile_judge (0);
}

/* ---- lies over the socket ---- */

static gsize
put_frame (guint8 *out, guint8 type, guint32 call, const guint32 *numbers, gsize n_numbers)
{
  out[0] = type;
  for (gsize i = 0; i <= n_numbers; i++)
    {
      guint32 number = GUINT32_TO_BE (i == 0 ? call : numbers[i - 1]);

      memcpy (out + 1 + 4 * i, &number, sizeof number);
    }
  return 5 + 4 * n_numbers;
}

static Loot
lie (guint8 type, guint32 call, const guint32 *numbers, gsize n_numbers)
{
  guint8 frame[64];
  gsize size = put_frame (frame, type, call, numbers, n_numbers);

  return hostile_judge (send (SOCKET, frame, size, 0));
}

Loot
attack_lie_garbage (HostileStorage *self)
{
  guint8 garbage[4096];

  for (gsize i = 0; i < sizeof garbage; i++)
    garbage[i] = (guint8) (i * 251 + 13);
  return hostile_judge (send (SOCKET, garbage, sizeof garbage, 0));
}

Loot
attack_lie_empty (HostileStorage *self)
{
  return hostile_judge (send (SOCKET, "", 0, 0));
}

Loot
attack_lie_huge (HostileStorage *self)
{
  g_autofree char *much = g_malloc0 (100000);

  return hostile_judge (send (SOCKET, much, 100000, 0));
}

Loot
attack_lie_unknown_call (HostileStorage *self)
{
  return lie (71, 4711, NULL, 0); /* DONE */
}

/* the daemon's calls count from 1, and this is the answer to one that has its answer */
Loot
attack_lie_answer_twice (HostileStorage *self)
{
  return lie (71, 1, NULL, 0);
}

Loot
attack_lie_slot (HostileStorage *self)
{
  const guint32 numbers[] = { 63, 4096 };

  return lie (69, 1, numbers, 2); /* DATA */
}

Loot
attack_lie_ready_again (HostileStorage *self)
{
  const guint32 numbers[] = { 0 };

  return lie (64, 0, numbers, 1);
}

Loot
attack_lie_pong (HostileStorage *self)
{
  const guint32 numbers[] = { 0, 77 };

  return lie (65, 0, numbers, 2);
}

Loot
attack_lie_flood (HostileStorage *self)
{
  guint8 frame[64] = { 66,  0,   0,   0,   0, /* LOG, call 0 */ 0, 0, 0, 2, /* level */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 'x', 0, 'f',
                       'l', 'o', 'o', 'd', 0 };
  guint n = 0;

  while (n < 1000000 && send (SOCKET, frame, 26, 0) > 0)
    n++;
  return (Loot){ n >= 1000000, g_strdup_printf ("%u lines", n) };
}

/* descriptors that the daemon would have to hold */
Loot
attack_lie_descriptors (HostileStorage *self)
{
  union
  {
    char bytes[CMSG_SPACE (sizeof (int))];
    struct cmsghdr align;
  } control = { 0 };
  guint8 frame[64];
  struct iovec part = { frame, 0 };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  struct cmsghdr *rights = CMSG_FIRSTHDR (&header);
  static const guint8 line[] = { 66, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'x', 0, 'f', 'd', 0 };
  const int fd = STDIN_FILENO;
  long n = 0;

  memcpy (frame, line, sizeof line);
  part.iov_len = sizeof line;
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN (sizeof fd);
  memcpy (CMSG_DATA (rights), &fd, sizeof fd);
  while (n < 100 && sendmsg (SOCKET, &header, 0) >= 0)
    n++;
  return (Loot){ FALSE, g_strdup_printf ("%ld sent", n) };
}

Loot
attack_close_socket (HostileStorage *self)
{
  return hostile_judge (close (SOCKET));
}
