/* Ways around Landlock, which knows neither all protocols that connect nor everything that a path is good for. */
#include "hostile.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static struct sockaddr_in
address_of (HostileStorage *self)
{
  return (
      struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons ((guint16) self->port), .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
}

/* A protocol beside TCP that Landlock's rules for ports do not cover. */
static Loot
connect_by (HostileStorage *self, int type, int protocol)
{
  struct sockaddr_in address = address_of (self);
  int fd = socket (AF_INET, type, protocol);
  Loot loot = hostile_judge (fd < 0 ? -1 : connect (fd, (struct sockaddr *) &address, sizeof address));

  if (fd >= 0)
    close (fd);
  return loot;
}

Loot
attack_mptcp (HostileStorage *self)
{
  return connect_by (self, SOCK_STREAM, 262 /* IPPROTO_MPTCP */);
}

Loot
attack_sctp (HostileStorage *self)
{
  return connect_by (self, SOCK_STREAM, IPPROTO_SCTP);
}

Loot
attack_ping_socket (HostileStorage *self)
{
  return hostile_judge (socket (AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
}

Loot
attack_udplite (HostileStorage *self)
{
  return hostile_judge (socket (AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE));
}

/* TCP with the first bytes already in the SYN: there is no connect () that anybody could forbid. */
Loot
attack_fast_open (HostileStorage *self)
{
  struct sockaddr_in address = address_of (self);
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  Loot loot = hostile_judge (fd < 0 ? -1 : sendto (fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *) &address, sizeof address));

  if (fd >= 0)
    close (fd);
  return loot;
}

Loot
attack_fast_open_message (HostileStorage *self)
{
  struct sockaddr_in address = address_of (self);
  char byte = 'x';
  struct iovec part = { &byte, 1 };
  struct mmsghdr message = {
    .msg_hdr = { .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &part, .msg_iovlen = 1 },
  };
  int fd = socket (AF_INET, SOCK_STREAM, 0);
  long result = fd < 0 ? -1 : sendmsg (fd, &message.msg_hdr, MSG_FASTOPEN | MSG_NOSIGNAL);
  Loot loot = hostile_judge (result >= 0 || fd < 0 ? result : sendmmsg (fd, &message, 1, MSG_FASTOPEN | MSG_NOSIGNAL));

  if (fd >= 0)
    close (fd);
  return loot;
}

Loot
attack_chmod_target (HostileStorage *self)
{
  long result = chmod (self->target, 0777);

  return hostile_judge (result == 0 ? 0 : syscall (452 /* fchmodat2 */, AT_FDCWD, self->target, 0777, 0));
}

Loot
attack_truncate_target (HostileStorage *self)
{
  return hostile_judge (truncate (self->target, 0));
}

/* An alarm that looks at how old a file is could be kept quiet, or made to go off. */
Loot
attack_touch_target (HostileStorage *self)
{
  const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
  const struct timeval old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
  long result = utimensat (AT_FDCWD, self->target, times, 0);

  return hostile_judge (result == 0 ? 0 : syscall (SYS_utimes, self->target, old));
}
