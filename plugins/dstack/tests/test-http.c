/* The parser of answers, without a socket. */
#include "dstack/dstack-http-parser.h"
#include "base/teesql-domains.h"
#include <string.h>

/* Feeds @text in pieces of @step bytes. */
static gboolean
feed (const char *text, gsize size, gsize step, DstackHttpParser *parser, GError **error)
{
  for (gsize i = 0; i < size; i += step)
    {
      const gsize n = MIN (step, size - i);
      g_autofree guint8 *exact = g_memdup2 (text + i, n);

      if (!dstack_http_parser_feed (parser, exact, n, error))
        return FALSE;
    }
  return TRUE;
}

static void
assert_body (const char *text, guint status, const char *expected)
{
  for (gsize step = 1; step <= strlen (text); step++)
    {
      g_auto (DstackBuffer) body = { 0 };
      g_autoptr (GError) error = NULL;
      DstackHttpParser parser;

      dstack_buffer_init (&body, 64, step % 2 == 0);
      dstack_http_parser_init (&parser, &body);
      g_assert_true (feed (text, strlen (text), step, &parser, &error));
      g_assert_no_error (error);
      g_assert_true (dstack_http_parser_is_done (&parser));
      g_assert_cmpuint (parser.status, ==, status);
      g_assert_cmpuint (body.size, ==, strlen (expected));
      g_assert_true (body.size == 0 || memcmp (body.data, expected, body.size) == 0);
    }
}

static void
test_content_length (void)
{
  assert_body ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, "{}");
  assert_body ("HTTP/1.0 400 Bad Request\r\nx: y:z\r\nCONTENT-LENGTH:   2  \r\n\r\n{}", 400, "{}");
  assert_body ("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", 200, "");
}

static void
test_chunks (void)
{
  assert_body ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\nA;x=y\r\n\":1       \r\n1\r\n}\r\n0\r\n\r\n", 200,
               "{\"a\":1       }");
  assert_body ("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n", 200, "");
}

static void
test_early_end (void)
{
  static const char *const texts[] = {
    "",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_auto (DstackBuffer) body = { 0 };
      g_autoptr (GError) error = NULL;
      DstackHttpParser parser;

      dstack_buffer_init (&body, 64, FALSE);
      dstack_http_parser_init (&parser, &body);
      g_assert_true (feed (texts[i], strlen (texts[i]), 5, &parser, &error));
      g_assert_no_error (error);
      g_assert_false (dstack_http_parser_is_done (&parser));
    }
}

static void
assert_refused (const char *text, gsize size, const char *reason)
{
  g_auto (DstackBuffer) body = { 0 };
  g_autoptr (GError) error = NULL;
  DstackHttpParser parser;

  dstack_buffer_init (&body, 64, FALSE);
  dstack_http_parser_init (&parser, &body);
  g_assert_false (feed (text, size, 7, &parser, &error));
  g_assert_error (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_refusals (void)
{
  static const char *const texts[] = {
    "HTTP/2 200 OK\r\n",
    "ICY 200 OK\r\n",
    "HTTP/1.1 099 OK\r\n",
    "HTTP/1.1 100 Continue\r\n",
    "HTTP/1.1 2000 OK\r\n",
    "HTTP/1.1 200 OK\n",
    "HTTP/1.1 200 O\rK\r\n",
    "HTTP/1.1 200 OK\r\n: x\r\n",
    "HTTP/1.1 200 OK\r\nContent Length: 2\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length\r\n",
    "HTTP/1.1 200 OK\r\n folded\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n",
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000001\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    assert_refused (texts[i], strlen (texts[i]), "agent-http");
  assert_refused ("HTTP/1.1 200 OK\0\r\n", 18, "agent-http");
}

static void
test_bounds (void)
{
  g_autofree char *line = g_strnfill (3000, 'x');
  g_autofree char *long_line = g_strconcat ("HTTP/1.1 200 OK\r\nx: ", line, "\r\n", NULL);
  g_autoptr (GString) head = g_string_new ("HTTP/1.1 200 OK\r\n");

  assert_refused (long_line, strlen (long_line), "agent-http");
  while (head->len < 9000)
    g_string_append (head, "x: y\r\n");
  assert_refused (head->str, head->len, "agent-http");
  assert_refused ("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n", 37, "agent-answer-size");
  g_string_assign (head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (guint i = 0; i < 65; i++)
    g_string_append (head, "1\r\nx\r\n");
  assert_refused (head->str, head->len, "agent-answer-size");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dstack/http/takes-a-body-of-announced-length", test_content_length);
  g_test_add_func ("/dstack/http/takes-chunks", test_chunks);
  g_test_add_func ("/dstack/http/is-not-done-before-the-end", test_early_end);
  g_test_add_func ("/dstack/http/refuses-what-no-agent-sends", test_refusals);
  g_test_add_func ("/dstack/http/refuses-what-is-too-large", test_bounds);
  return g_test_run ();
}
