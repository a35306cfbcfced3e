#include "http/teesql-http-head.h"
#include <string.h>

static TeesqlHttpHeadResult
parse (const char *text, gsize size, TeesqlHttpHead *head, gsize *consumed)
{
  g_autofree guint8 *exact = size > 0 ? g_memdup2 (text, size) : g_malloc (1); /* so that a byte too far is seen */

  return teesql_http_head_parse (exact, size, head, consumed);
}

static void
refuse_bytes (const char *text, gsize size, guint status, const char *reason)
{
  g_auto (TeesqlHttpHead) head = { 0 };
  gsize consumed = 0;

  g_assert_cmpint (parse (text, size, &head, &consumed), ==, TEESQL_HTTP_HEAD_REFUSED);
  g_assert_cmpuint (head.status, ==, status);
  g_assert_cmpstr (head.reason, ==, reason);
}

static void
refuse (const char *text, guint status, const char *reason)
{
  refuse_bytes (text, strlen (text), status, reason);
}

static void
accept (const char *text, const char *path, const char *query, gboolean head_only, gboolean keep_alive)
{
  g_auto (TeesqlHttpHead) head = { 0 };
  gsize consumed = 0;

  g_assert_cmpint (parse (text, strlen (text), &head, &consumed), ==, TEESQL_HTTP_HEAD_COMPLETE);
  g_assert_cmpuint (consumed, ==, strlen (text));
  g_assert_cmpstr (head.path, ==, path);
  g_assert_cmpstr (head.query, ==, query);
  g_assert_cmpint (head.head_only, ==, head_only);
  g_assert_cmpint (head.keep_alive, ==, keep_alive);
}

static void
good_requests_are_read (void)
{
  accept ("GET /health HTTP/1.1\r\nHost: a\r\n\r\n", "/health", NULL, FALSE, TRUE);
  accept ("HEAD / HTTP/1.1\r\nhOST:\r\n\r\n", "/", NULL, TRUE, TRUE);
  accept ("GET /attestation?nonce=00ff&a=?b HTTP/1.1\r\nHost: a\r\n\r\n", "/attestation", "nonce=00ff&a=?b", FALSE, TRUE);
  accept ("GET /? HTTP/1.1\r\nHost: a\r\n\r\n", "/", "", FALSE, TRUE);
  accept ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Foo , CLOSE\r\n\r\n", "/", NULL, FALSE, FALSE);
  accept ("GET / HTTP/1.0\r\n\r\n", "/", NULL, FALSE, FALSE);
  accept ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "/", NULL, FALSE, TRUE);
  accept ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \t0 \r\nX: \xc3\xa9\t\r\n\r\n", "/", NULL, FALSE, TRUE);
}

static void
every_beginning_is_incomplete (void)
{
  const char *text = "GET /health?a=b HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n";

  for (gsize size = 0; size < strlen (text); size++)
    {
      g_auto (TeesqlHttpHead) head = { 0 };
      gsize consumed = 99;

      g_assert_cmpint (parse (text, size, &head, &consumed), ==, TEESQL_HTTP_HEAD_INCOMPLETE);
      g_assert_null (head.path);
      g_assert_cmpuint (consumed, ==, 99);
    }
}

static void
the_next_request_is_left_alone (void)
{
  const char *text = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n";
  g_auto (TeesqlHttpHead) head = { 0 };
  gsize consumed = 0;

  g_assert_cmpint (parse (text, strlen (text), &head, &consumed), ==, TEESQL_HTTP_HEAD_COMPLETE);
  g_assert_cmpstr (text + consumed, ==, "GET /b HTTP/1.1\r\n");
}

static void
bad_request_lines_are_refused (void)
{
  refuse ("\r\n", 400, "bad-request-line");
  refuse (" GET / HTTP/1.1\r\n", 400, "bad-request-line");
  refuse ("GET\r\n", 400, "bad-request-line");
  refuse ("GET  / HTTP/1.1\r\n", 400, "bad-target");
  refuse ("GET / HTTP/1.1 \r\n", 400, "bad-version");
  refuse ("GET / HTTP/2.0\r\n", 400, "bad-version");
  refuse ("GET / http/1.1\r\n", 400, "bad-version");
  refuse ("GET /\r\n", 400, "bad-target");
  refuse ("GET health HTTP/1.1\r\n", 400, "bad-target");
  refuse ("GET http://a/health HTTP/1.1\r\n", 400, "bad-target");
  refuse ("GET * HTTP/1.1\r\n", 400, "bad-target");
  refuse ("GET /a#b HTTP/1.1\r\n", 400, "bad-target");
  refuse ("GET /\xc3\xa9 HTTP/1.1\r\n", 400, "bad-target");
  refuse ("GET /\x01 HTTP/1.1\r\n", 400, "bad-target");
  refuse ("get / HTTP/1.1\r\n", 405, "method-not-allowed");
  refuse ("POST / HTTP/1.1\r\n", 405, "method-not-allowed");
  refuse ("HEADER / HTTP/1.1\r\n", 405, "method-not-allowed");
  refuse ("G(T / HTTP/1.1\r\n", 400, "bad-request-line");
  refuse_bytes ("GET /\0 HTTP/1.1\r\n", 17, 400, "bad-target");
  refuse ("\x16\x03\x01\x02\x01\x01\x01\x0a", 400, "bad-line-end"); /* a TLS client */
}

static void
lines_end_in_crlf_and_nothing_else (void)
{
  refuse ("GET / HTTP/1.1\nHost: a\n\n", 400, "bad-line-end");
  refuse ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400, "bad-line-end");
  refuse ("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400, "bad-line-end");
  refuse ("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400, "bad-line-end");
}

static void
bad_fields_are_refused (void)
{
  refuse ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "bad-field");
  refuse ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400, "bad-field");
  refuse ("GET / HTTP/1.1\r\nHost\r\n\r\n", 400, "bad-field");
  refuse ("GET / HTTP/1.1\r\n: a\r\n\r\n", 400, "bad-field");
  refuse ("GET / HTTP/1.1\r\nHost: a\x01\r\n\r\n", 400, "bad-field");
  refuse ("GET / HTTP/1.1\r\nHost: a\x7f\r\n\r\n", 400, "bad-field");
  refuse_bytes ("GET / HTTP/1.1\r\nHost: \0\r\n\r\n", 27, 400, "bad-field");
}

static void
a_host_is_there_once (void)
{
  refuse ("GET / HTTP/1.1\r\n\r\n", 400, "bad-host");
  refuse ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "bad-host");
  refuse ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad-host");
}

static void
whatever_could_announce_a_body_is_refused (void)
{
  refuse ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 400, "body-not-allowed");
  refuse ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n", 400, "body-not-allowed");
  refuse ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n", 400, "body-not-allowed");
  refuse ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400, "body-not-allowed");
  refuse ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400, "body-not-allowed");
  refuse ("GET / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n", 400, "body-not-allowed");
}

static void
sizes_are_bounded (void)
{
  g_autofree char *target = g_strnfill (TEESQL_HTTP_TARGET_MAX, 'a');
  g_autofree char *long_target = g_strdup_printf ("GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", target);
  g_autofree char *endless = g_strnfill (TEESQL_HTTP_HEAD_MAX, 'a');
  g_autofree char *endless_line = g_strdup_printf ("GET /%s", endless);
  g_autofree char *large_field = g_strdup_printf ("GET / HTTP/1.1\r\nHost: a\r\nX: %s", endless);
  g_autoptr (GString) many = g_string_new ("GET / HTTP/1.1\r\nHost: a\r\n");

  refuse (long_target, 414, "target-too-long");
  refuse (endless_line, 414, "target-too-long");
  refuse (large_field, 431, "head-too-large");
  for (guint i = 0; i < TEESQL_HTTP_FIELDS_MAX; i++)
    g_string_append (many, "X: y\r\n");
  g_string_append (many, "\r\n");
  refuse (many->str, 431, "too-many-fields");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/head/good requests are read", good_requests_are_read);
  g_test_add_func ("/head/every beginning is incomplete", every_beginning_is_incomplete);
  g_test_add_func ("/head/the next request is left alone", the_next_request_is_left_alone);
  g_test_add_func ("/head/bad request lines are refused", bad_request_lines_are_refused);
  g_test_add_func ("/head/lines end in CRLF and nothing else", lines_end_in_crlf_and_nothing_else);
  g_test_add_func ("/head/bad fields are refused", bad_fields_are_refused);
  g_test_add_func ("/head/a host is there once", a_host_is_there_once);
  g_test_add_func ("/head/whatever could announce a body is refused", whatever_could_announce_a_body_is_refused);
  g_test_add_func ("/head/sizes are bounded", sizes_are_bounded);
  return g_test_run ();
}
