#include "postgres/teesql-launch-message.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ATTACHED 4 /* room for what is not expected, so that it can be closed */

typedef union
{
  struct cmsghdr align;
  char bytes[CMSG_SPACE (sizeof (int) * MAX_ATTACHED)];
} Control;

gboolean
teesql_launch_message_check (const TeesqlLaunchMessage *message, gsize size)
{
  return size == sizeof *message && message->magic == TEESQL_LAUNCH_MAGIC && message->verb > 0 && message->verb < TEESQL_LAUNCH_N_VERBS &&
         memchr (message->reason, '\0', sizeof message->reason) != NULL && memchr (message->text, '\0', sizeof message->text) != NULL;
}

/* The pair's queue holds many more messages than are ever under way; waiting a moment for room is no wait in practice. */
static gboolean
wait_for_room (int socket)
{
  struct pollfd poll_fd = { .fd = socket, .events = POLLOUT };

  return poll (&poll_fd, 1, 1000) > 0;
}

gboolean
teesql_launch_message_send (int socket, const TeesqlLaunchMessage *message, int attached)
{
  TeesqlLaunchMessage copy = *message;
  struct iovec bytes = { &copy, sizeof copy };
  Control control = { 0 };
  struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };
  gssize n = 0;

  copy.magic = TEESQL_LAUNCH_MAGIC;
  if (attached >= 0)
    {
      struct cmsghdr *part = NULL;

      header.msg_control = control.bytes;
      header.msg_controllen = CMSG_SPACE (sizeof (int));
      part = CMSG_FIRSTHDR (&header);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN (sizeof (int));
      memcpy (CMSG_DATA (part), &attached, sizeof attached);
    }
  do
    n = sendmsg (socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_room (socket))));
  return n == (gssize) sizeof copy;
}

/* One descriptor is kept; all others are closed. */
static int
take_attached (struct msghdr *header)
{
  int kept = -1;

  for (struct cmsghdr *part = CMSG_FIRSTHDR (header); part != NULL; part = CMSG_NXTHDR (header, part))
    {
      gsize n = part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS ? (part->cmsg_len - CMSG_LEN (0)) / sizeof (int) : 0;

      for (gsize i = 0; i < n; i++)
        {
          int fd = -1;

          memcpy (&fd, CMSG_DATA (part) + i * sizeof fd, sizeof fd);
          if (kept < 0)
            kept = fd;
          else
            close (fd);
        }
    }
  return kept;
}

TeesqlLaunchReceived
teesql_launch_message_receive (int socket, TeesqlLaunchMessage *out, int *out_attached)
{
  TeesqlLaunchMessage message = { 0 };
  struct iovec bytes = { &message, sizeof message };
  Control control = { 0 };
  struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
  gssize n = 0;

  do
    n = recvmsg (socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN)
    return TEESQL_LAUNCH_NOTHING;
  *out_attached = n > 0 ? take_attached (&header) : -1;
  if (n > 0 && (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && teesql_launch_message_check (&message, (gsize) n))
    {
      *out = message;
      return TEESQL_LAUNCH_GOT;
    }
  if (*out_attached >= 0)
    close (*out_attached);
  *out_attached = -1;
  return TEESQL_LAUNCH_GONE;
}
