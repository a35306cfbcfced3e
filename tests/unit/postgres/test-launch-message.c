#include "postgres/teesql-launch-message.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static TeesqlLaunchMessage
sample (void)
{
  TeesqlLaunchMessage message = {
    .magic = TEESQL_LAUNCH_MAGIC, .verb = TEESQL_LAUNCH_JUDGED, .serial = 7, .number = -3, .identifier = 1u << 20
  };

  g_strlcpy (message.reason, "data-directory-foreign", sizeof message.reason);
  g_strlcpy (message.text, "what was found", sizeof message.text);
  return message;
}

static void
make_pair (int ends[2])
{
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), ==, 0);
}

static void
test_whole_messages_only (void)
{
  TeesqlLaunchMessage message = sample ();

  g_assert_true (teesql_launch_message_check (&message, sizeof message));
  g_assert_false (teesql_launch_message_check (&message, sizeof message - 1));
  g_assert_false (teesql_launch_message_check (&message, 0));
  message.magic ^= 1;
  g_assert_false (teesql_launch_message_check (&message, sizeof message));
}

static void
test_verbs_are_known (void)
{
  TeesqlLaunchMessage message = sample ();

  message.verb = 0;
  g_assert_false (teesql_launch_message_check (&message, sizeof message));
  message.verb = TEESQL_LAUNCH_N_VERBS;
  g_assert_false (teesql_launch_message_check (&message, sizeof message));
}

static void
test_texts_end (void)
{
  TeesqlLaunchMessage message = sample ();

  memset (message.reason, 'x', sizeof message.reason);
  g_assert_false (teesql_launch_message_check (&message, sizeof message));
  message = sample ();
  memset (message.text, 'x', sizeof message.text);
  g_assert_false (teesql_launch_message_check (&message, sizeof message));
}

static void
test_travels_with_a_descriptor (void)
{
  TeesqlLaunchMessage message = sample ();
  TeesqlLaunchMessage got = { 0 };
  int ends[2] = { -1, -1 };
  int pipe_ends[2] = { -1, -1 };
  int attached = -1;
  char byte = 0;

  make_pair (ends);
  g_assert_cmpint (pipe2 (pipe_ends, O_CLOEXEC), ==, 0);
  g_assert_true (teesql_launch_message_send (ends[0], &message, pipe_ends[0]));
  g_assert_cmpint (teesql_launch_message_receive (ends[1], &got, &attached), ==, TEESQL_LAUNCH_GOT);
  g_assert_cmpmem (&got, sizeof got, &message, sizeof message);
  g_assert_cmpint (attached, >=, 0);
  g_assert_cmpint (fcntl (attached, F_GETFD) & FD_CLOEXEC, !=, 0);
  g_assert_cmpint (write (pipe_ends[1], "a", 1), ==, 1);
  g_assert_cmpint (read (attached, &byte, 1), ==, 1);
  g_assert_cmpint (byte, ==, 'a');
  close (attached);
  g_assert_cmpint (teesql_launch_message_receive (ends[1], &got, &attached), ==, TEESQL_LAUNCH_NOTHING);
  close (pipe_ends[0]);
  close (pipe_ends[1]);
  close (ends[0]);
  g_assert_cmpint (teesql_launch_message_receive (ends[1], &got, &attached), ==, TEESQL_LAUNCH_GONE);
  close (ends[1]);
}

/* Too short, too long, or not ours: each is as if the other end had gone, and no descriptor stays open. */
static void
test_nonsense_is_an_end (void)
{
  static const gsize sizes[] = { 1, sizeof (TeesqlLaunchMessage) - 1, sizeof (TeesqlLaunchMessage) + 1 };
  guint8 bytes[sizeof (TeesqlLaunchMessage) + 1] = { 0 };
  TeesqlLaunchMessage good = sample ();
  TeesqlLaunchMessage got = { 0 };
  int attached = -1;

  memmove (bytes, &good, sizeof good);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      int ends[2] = { -1, -1 };

      make_pair (ends);
      g_assert_cmpint (send (ends[0], bytes, sizes[i], 0), ==, (gssize) sizes[i]);
      g_assert_cmpint (teesql_launch_message_receive (ends[1], &got, &attached), ==, TEESQL_LAUNCH_GONE);
      g_assert_cmpint (attached, ==, -1);
      close (ends[0]);
      close (ends[1]);
    }
}

static void
test_one_descriptor_is_kept (void)
{
  TeesqlLaunchMessage message = sample ();
  TeesqlLaunchMessage got = { 0 };
  int ends[2] = { -1, -1 };
  int attached = -1;
  int watched[2] = { -1, -1 };
  int sent[3];
  char control[CMSG_SPACE (sizeof sent)] __attribute__ ((aligned (8))) = { 0 };
  struct iovec part = { &message, sizeof message };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
  struct cmsghdr *rights = CMSG_FIRSTHDR (&header);
  char byte = 0;

  make_pair (ends);
  g_assert_cmpint (pipe2 (watched, O_CLOEXEC | O_NONBLOCK), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (sent); i++)
    sent[i] = watched[1];
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN (sizeof sent);
  memmove (CMSG_DATA (rights), sent, sizeof sent);
  g_assert_cmpint (sendmsg (ends[0], &header, 0), ==, (gssize) sizeof message);
  g_assert_cmpint (teesql_launch_message_receive (ends[1], &got, &attached), ==, TEESQL_LAUNCH_GOT);
  close (watched[1]);
  close (attached);
  g_assert_cmpint (read (watched[0], &byte, 1), ==, 0); /* every other copy is closed */
  close (watched[0]);
  close (ends[0]);
  close (ends[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/postgres/launch-message/only-whole-ones-are-taken", test_whole_messages_only);
  g_test_add_func ("/postgres/launch-message/verbs-are-known", test_verbs_are_known);
  g_test_add_func ("/postgres/launch-message/texts-end-within-their-fields", test_texts_end);
  g_test_add_func ("/postgres/launch-message/travels-with-a-descriptor", test_travels_with_a_descriptor);
  g_test_add_func ("/postgres/launch-message/nonsense-is-an-end", test_nonsense_is_an_end);
  g_test_add_func ("/postgres/launch-message/one-descriptor-is-kept", test_one_descriptor_is_kept);
  return g_test_run ();
}
