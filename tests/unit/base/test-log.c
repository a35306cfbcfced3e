#include "base/teesql-log.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* stderr goes into a pipe while @func runs; a message must arrive as one write, so the pipe is one for packets (O_DIRECT). */
typedef struct
{
  int saved;
  int reader;
} Capture;

static Capture
capture_begin (void)
{
  Capture self = { .saved = dup (STDERR_FILENO) };
  int ends[2];

  g_assert_cmpint (pipe2 (ends, O_DIRECT | O_NONBLOCK), ==, 0);
  g_assert_cmpint (dup2 (ends[1], STDERR_FILENO), ==, STDERR_FILENO);
  close (ends[1]);
  self.reader = ends[0];
  return self;
}

/* The one packet that was written, and nothing behind it. */
static char *
capture_end (Capture *self)
{
  char data[65536];
  char more = 0;
  ssize_t n = read (self->reader, data, sizeof data - 1);

  g_assert_cmpint (n, >, 0);
  g_assert_cmpint (read (self->reader, &more, 1), <, 0);
  data[n] = '\0';
  g_assert_cmpint (dup2 (self->saved, STDERR_FILENO), ==, STDERR_FILENO);
  close (self->saved);
  close (self->reader);
  return g_strdup (data);
}

static void
a_text_line_carries_time_area_and_context (void)
{
  const TeesqlLogContext context = { "c17", "192.0.2.1:4711", "handshake" };
  Capture capture = capture_begin ();
  g_autofree char *line = NULL;

  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_TEXT);
  teesql_log (TEESQL_LOG_WARNING, &context, "proxy", "closed after %d bytes", 5);
  line = capture_end (&capture);
  g_assert_true (
      g_regex_match_simple ("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z teesqld\\[\\d+\\] warning proxy: closed after 5 bytes "
                            "connection=\"c17\" peer=\"192.0.2.1:4711\" phase=\"handshake\"\n$",
                            line, 0, 0));
}

static void
control_bytes_cannot_forge_a_line (void)
{
  Capture capture = capture_begin ();
  g_autofree char *line = NULL;

  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_TEXT);
  teesql_log_info ("proxy", "user %s", "a\nteesqld error x: b\r\x1b[2J\x7f\xff\xc3\xa9\xe2\x80\xae\xe2\x80\xa8\xc2\x85");
  line = capture_end (&capture);
  g_assert_true (g_str_has_suffix (line, "user a\\nteesqld error x: b\\x0d\\x1b[2J\\x7f\\xff\xc3\xa9\\u{202e}\\u{2028}\\u{85}\n"));
  g_assert_true (strchr (line, '\n') == line + strlen (line) - 1);
}

static void
a_value_cannot_end_its_quotes (void)
{
  const TeesqlLogContext context = { "c1", "\" phase=\"relay", NULL };
  Capture capture = capture_begin ();
  g_autofree char *line = NULL;

  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_TEXT);
  teesql_log (TEESQL_LOG_INFO, &context, "proxy", "x");
  line = capture_end (&capture);
  g_assert_nonnull (strstr (line, "peer=\"\\x22 phase=\\x22relay\"\n"));
}

static void
a_hint_stays_on_the_line (void)
{
  Capture capture = capture_begin ();
  g_autofree char *line = NULL;

  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_TEXT);
  teesql_log_error ("config", "%s", "no such file\nhint: make one");
  line = capture_end (&capture);
  g_assert_true (g_str_has_suffix (line, "config: no such file (hint: make one)\n"));
}

static void
a_taint_is_on_every_later_line (void)
{
  Capture capture = capture_begin ();
  g_autofree char *line = NULL;

  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_TEXT);
  teesql_log_set_taint ("external trust: simulator");
  teesql_log_info ("proxy", "x");
  line = capture_end (&capture);
  teesql_log_set_taint (NULL);
  g_assert_true (g_str_has_suffix (line, "proxy: x taint=\"external trust: simulator\"\n"));
}

static void
json_is_one_object_with_escapes (void)
{
  const TeesqlLogContext context = { "c1", NULL, "startup" };
  Capture capture = capture_begin ();
  g_autofree char *line = NULL;

  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_JSON);
  teesql_log (TEESQL_LOG_INFO, &context, "proxy", "%s", "a \"b\" \\ \n\x01\xff\xf0\x9f\x98\x80\xf3\xa0\x80\x81");
  line = capture_end (&capture);
  g_assert_true (g_str_has_prefix (line, "{\"schema\":1,\"time\":\""));
  g_assert_nonnull (strstr (line, ",\"level\":\"info\",\"area\":\"proxy\","));
  g_assert_nonnull (strstr (line, "\"message\":\"a \\\"b\\\" \\\\ \\n\\u0001\\\\xff\xf0\x9f\x98\x80\\udb40\\udc01\""));
  g_assert_true (g_str_has_suffix (line, "\"connection\":\"c1\",\"phase\":\"startup\"}\n"));
}

static void
levels_filter (void)
{
  Capture capture = capture_begin ();
  g_autofree char *line = NULL;

  teesql_log_setup ("teesqld", TEESQL_LOG_WARNING, TEESQL_LOG_FORMAT_TEXT);
  g_assert_false (teesql_log_is_enabled (TEESQL_LOG_INFO));
  teesql_log_info ("a", "not this");
  teesql_log_debug ("a", "nor this");
  teesql_log_error ("a", "but this");
  line = capture_end (&capture);
  g_assert_true (g_str_has_suffix (line, "error a: but this\n"));
}

static void
an_endless_message_is_cut (void)
{
  g_autofree char *endless = g_strnfill (40000, 'x');
  Capture capture = capture_begin ();
  char data[65536];
  gsize total = 0;
  ssize_t n = 0;

  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_TEXT);
  teesql_log_info ("a", "%s", endless);
  while ((n = read (capture.reader, data, sizeof data)) > 0) /* more than a packet of the pipe: 4096 bytes each */
    total += (gsize) n;
  g_assert_cmpint (dup2 (capture.saved, STDERR_FILENO), ==, STDERR_FILENO);
  close (capture.saved);
  close (capture.reader);
  g_assert_cmpuint (total, >, 16384);
  g_assert_cmpuint (total, <, 16384 + 200);
}

static void
messages_of_libraries_take_the_same_road (void)
{
  Capture capture = capture_begin ();
  g_autofree char *line = NULL;

  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_TEXT);
  g_log_structured ("some-library", G_LOG_LEVEL_MESSAGE, "MESSAGE", "two\nlines");
  line = capture_end (&capture);
  g_assert_true (g_str_has_suffix (line, "info some-library: two\\nlines\n"));
}

typedef struct
{
  char *folder;
  char *path;
  int fd;
} Journal;

static Journal
journal_start (void)
{
  Journal self = { .folder = g_dir_make_tmp ("teesql-log-XXXXXX", NULL) };
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  self.path = g_build_filename (self.folder, "socket", NULL);
  g_strlcpy (address.sun_path, self.path, sizeof address.sun_path);
  self.fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (self.fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_JOURNAL);
  g_assert_true (teesql_log_use_journal_socket (self.path));
  return self;
}

static void
journal_stop (Journal *self)
{
  close (self->fd);
  unlink (self->path);
  rmdir (self->folder);
  g_free (self->path);
  g_free (self->folder);
}

/* FIELD, newline, size as u64 little-endian, value, newline */
static void
assert_field (const char *data, gsize size, const char *name, const char *value)
{
  g_autoptr (GString) expected = g_string_new (name);
  guint64 length = GUINT64_TO_LE ((guint64) strlen (value));

  g_string_append_c (expected, '\n');
  g_string_append_len (expected, (const char *) &length, sizeof length);
  g_string_append_printf (expected, "%s\n", value);
  g_assert_nonnull (memmem (data, size, expected->str, expected->len));
}

static void
the_journal_gets_fields (void)
{
  const TeesqlLogContext context = { "c17", "192.0.2.1:4711\nPRIORITY=0", "handshake" };
  Journal journal = journal_start ();
  char data[8192];
  ssize_t n = 0;

  teesql_log (TEESQL_LOG_WARNING, &context, "proxy", "refused\nMESSAGE=forged");
  n = recv (journal.fd, data, sizeof data, 0);
  g_assert_cmpint (n, >, 0);
  assert_field (data, (gsize) n, "MESSAGE", "refused\\nMESSAGE=forged");
  assert_field (data, (gsize) n, "TEESQL_AREA", "proxy");
  assert_field (data, (gsize) n, "TEESQL_CONNECTION", "c17");
  assert_field (data, (gsize) n, "TEESQL_PEER", "192.0.2.1:4711\\nPRIORITY=0");
  assert_field (data, (gsize) n, "TEESQL_PHASE", "handshake");
  assert_field (data, (gsize) n, "SYSLOG_IDENTIFIER", "teesqld");
  g_assert_nonnull (memmem (data, (gsize) n, "PRIORITY=4\n", 11));
  journal_stop (&journal);
}

static void
without_a_journal_lines_go_to_stderr_with_their_level (void)
{
  Journal journal = journal_start ();
  Capture capture = { 0 };
  g_autofree char *line = NULL;

  journal_stop (&journal);
  capture = capture_begin ();
  teesql_log_error ("proxy", "nobody listens");
  line = capture_end (&capture);
  g_assert_true (g_str_has_prefix (line, "<3>"));
  g_assert_true (g_str_has_suffix (line, "proxy: nobody listens\n"));
}

static void
auto_knows_the_journal_by_device_and_inode (void)
{
  g_autofree char *stream = NULL;
  g_autofree char *line = NULL;
  Capture capture = capture_begin ();
  struct stat info = { 0 };

  g_assert_cmpint (fstat (STDERR_FILENO, &info), ==, 0);
  stream = g_strdup_printf ("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, (guint64) info.st_dev, (guint64) info.st_ino);
  g_setenv ("JOURNAL_STREAM", stream, TRUE);
  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_AUTO);
  teesql_log_use_journal_socket ("/nonexistent/socket"); /* so that it must fall back, with the prefix that tells the format */
  teesql_log_info ("a", "b");
  line = capture_end (&capture);
  g_assert_true (g_str_has_prefix (line, "<6>"));
  g_clear_pointer (&line, g_free);

  g_setenv ("JOURNAL_STREAM", "1:1", TRUE);
  capture = capture_begin ();
  teesql_log_setup ("teesqld", TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_AUTO);
  teesql_log_info ("a", "b");
  line = capture_end (&capture);
  g_assert_false (g_str_has_prefix (line, "<"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log/a text line carries time area and context", a_text_line_carries_time_area_and_context);
  g_test_add_func ("/log/control bytes cannot forge a line", control_bytes_cannot_forge_a_line);
  g_test_add_func ("/log/a value cannot end its quotes", a_value_cannot_end_its_quotes);
  g_test_add_func ("/log/a hint stays on the line", a_hint_stays_on_the_line);
  g_test_add_func ("/log/a taint is on every later line", a_taint_is_on_every_later_line);
  g_test_add_func ("/log/json is one object with escapes", json_is_one_object_with_escapes);
  g_test_add_func ("/log/levels filter", levels_filter);
  g_test_add_func ("/log/an endless message is cut", an_endless_message_is_cut);
  g_test_add_func ("/log/messages of libraries take the same road", messages_of_libraries_take_the_same_road);
  g_test_add_func ("/log/the journal gets fields", the_journal_gets_fields);
  g_test_add_func ("/log/without a journal lines go to stderr with their level", without_a_journal_lines_go_to_stderr_with_their_level);
  g_test_add_func ("/log/auto knows the journal by device and inode", auto_knows_the_journal_by_device_and_inode);
  return g_test_run ();
}
