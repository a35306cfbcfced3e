#include "postgres/teesql-server-log.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  const char *line;
  TeesqlServerLine kind;
  TeesqlLogLevel level;
  const char *text;
} Example;

static void
test_severities (void)
{
  static const Example examples[] = {
    { "[42] LOG:  database system is ready", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_INFO, "database system is ready" },
    { "[42] ERROR:  division by zero", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_INFO, "division by zero" },
    { "[42] WARNING:  there is no transaction", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_WARNING, "there is no transaction" },
    { "[42] FATAL:  the database system is starting up", TEESQL_SERVER_LINE_FATAL, TEESQL_LOG_WARNING,
      "the database system is starting up" },
    { "[42] PANIC:  could not write", TEESQL_SERVER_LINE_PANIC, TEESQL_LOG_ERROR, "could not write" },
    { "initdb: error: no", TEESQL_SERVER_LINE_FATAL, TEESQL_LOG_ERROR, "no" },
    { "FATAL:  without our prefix", TEESQL_SERVER_LINE_FATAL, TEESQL_LOG_WARNING, "without our prefix" },
    { "[x] FATAL:  nobody's prefix", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_INFO, "[x] FATAL:  nobody's prefix" },
    { "[42 LOG:  ", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_INFO, "[42 LOG:  " },
    { "", TEESQL_SERVER_LINE_PLAIN, TEESQL_LOG_INFO, "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (examples); i++)
    {
      TeesqlLogLevel level = TEESQL_LOG_DEBUG;
      const char *text = NULL;

      g_assert_cmpint (teesql_server_log_classify (examples[i].line, &level, &text), ==, examples[i].kind);
      g_assert_cmpint (level, ==, examples[i].level);
      g_assert_cmpstr (text, ==, examples[i].text);
    }
}

static void
test_continued (void)
{
  TeesqlLogLevel level = TEESQL_LOG_ERROR;
  const char *text = NULL;

  g_assert_cmpint (teesql_server_log_classify ("[42] DETAIL:  more", &level, &text), ==, TEESQL_SERVER_LINE_MORE);
  g_assert_cmpint (teesql_server_log_classify ("\tand more", &level, &text), ==, TEESQL_SERVER_LINE_MORE);
  g_assert_cmpint (level, ==, TEESQL_LOG_ERROR);
}

typedef struct
{
  TeesqlServerLog *log;
  int end;
} Pipe;

static Pipe
open_pipe (void)
{
  int ends[2] = { -1, -1 };

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  g_assert_true (g_unix_set_fd_nonblocking (ends[0], TRUE, NULL));
  return (Pipe){ teesql_server_log_new (ends[0]), ends[1] };
}

static void
put (const Pipe *pipe, const char *text)
{
  g_assert_cmpint (write (pipe->end, text, strlen (text)), ==, (gssize) strlen (text));
}

static void
test_explains_an_end (void)
{
  Pipe pipe = open_pipe ();

  g_assert_null (teesql_server_log_get_problem (pipe.log));
  put (&pipe, "[1] LOG:  well\n[1] FATAL:  first\n[1] FAT");
  g_assert_cmpstr (teesql_server_log_get_problem (pipe.log), ==, "first");
  put (&pipe, "AL:  second\n");
  g_assert_cmpstr (teesql_server_log_get_problem (pipe.log), ==, "second");
  put (&pipe, "[1] PANIC:  worst\n[1] FATAL:  third\n");
  g_assert_cmpstr (teesql_server_log_get_problem (pipe.log), ==, "worst");
  teesql_server_log_forget (pipe.log);
  g_assert_null (teesql_server_log_get_problem (pipe.log));
  close (pipe.end);
  teesql_server_log_free (pipe.log);
}

static void
test_full_disk (void)
{
  Pipe pipe = open_pipe ();

  put (&pipe, "[1] ERROR:  could not extend file: No space left on ");
  g_assert_false (teesql_server_log_saw_full_disk (pipe.log));
  put (&pipe, "device\n");
  g_assert_true (teesql_server_log_saw_full_disk (pipe.log));
  teesql_server_log_forget (pipe.log);
  g_assert_false (teesql_server_log_saw_full_disk (pipe.log));
  close (pipe.end);
  teesql_server_log_free (pipe.log);
}

static void
test_bounded (void)
{
  Pipe pipe = open_pipe ();
  g_autofree char *rest = g_strnfill (3 * TEESQL_SERVER_LOG_MAX_LINE, 'x');

  put (&pipe, "[1] FATAL:  ");
  put (&pipe, rest);
  put (&pipe, "\n[1] LOG:  short again\n");
  g_assert_cmpuint (strlen (teesql_server_log_get_problem (pipe.log)), <=, TEESQL_SERVER_LOG_MAX_LINE);
  close (pipe.end);
  teesql_server_log_free (pipe.log);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  teesql_log_setup ("test", TEESQL_LOG_ERROR, TEESQL_LOG_FORMAT_TEXT);
  g_test_add_func ("/postgres/server-log/knows-the-severities", test_severities);
  g_test_add_func ("/postgres/server-log/a-second-line-belongs-to-the-first", test_continued);
  g_test_add_func ("/postgres/server-log/explains-an-end", test_explains_an_end);
  g_test_add_func ("/postgres/server-log/sees-a-full-disk", test_full_disk);
  g_test_add_func ("/postgres/server-log/lines-are-bounded", test_bounded);
  return g_test_run ();
}
