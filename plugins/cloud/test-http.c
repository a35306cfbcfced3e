/* One attempt, every status an answer, and a bound on everything that comes. */
#include "cloud-http.h"
#include "test-store.h"

#include <string.h>

static char *
scripted (const TestRequest *request, guint number, gpointer user_data)
{
  return g_strdup (user_data);
}

static CloudRequest
request_new (guint timeout_ms)
{
  return (CloudRequest){ .what = "get x", .endpoint_option = "endpoint", .timeout_ms = timeout_ms };
}

static CloudAnswer *
send_full (SoupSession *session, const char *url, const CloudRequest *request, const char *method, GBytes *body, GCancellable *cancellable,
           GError **error)
{
  g_autoptr (SoupMessage) message = soup_message_new (method, url);
  g_autoptr (GAsyncResult) result = NULL;

  cloud_http_send_async (session, request, message, body, cancellable, test_keep, &result);
  return cloud_http_send_finish (session, test_wait (&result), error);
}

static CloudAnswer *
get (const char *url, const CloudRequest *request, GError **error)
{
  g_autoptr (SoupSession) session = cloud_session_new (NULL, 8);

  return send_full (session, url, request, "GET", NULL, NULL, error);
}

static void
check_body (const CloudAnswer *answer, const char *expected, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (expected, size);

  g_assert_true (g_bytes_equal (answer->body, bytes));
}

static void
test_statuses (void)
{
  static const guint statuses[] = { 200, 204, 301, 307, 401, 403, 404, 412, 500, 503 };

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    {
      g_autofree char *raw = test_answer (statuses[i], "Location: http://127.0.0.1:1/\r\nWWW-Authenticate: Basic realm=x\r\n",
                                          statuses[i] == 204 ? "" : "body");
      g_autoptr (TestStore) store = test_store_new (scripted, raw);
      CloudRequest request = request_new (5000);
      g_autoptr (GError) error = NULL;
      g_autoptr (CloudAnswer) answer = get (store->url, &request, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (answer->status, ==, statuses[i]);
      g_assert_cmpuint (g_bytes_get_size (answer->body), ==, statuses[i] == 204 ? 0 : 4);
      g_assert_cmpuint (test_store_count (store), ==, 1);
    }
}

typedef struct
{
  const char *path;
  const char *raw; /* NULL: closed without an answer */
  gboolean stream;
  GQuark (*domain) (void);
  int code;
  const char *reason;
  const char *hint;
} Mishap;

static const Mishap mishaps[] = {
  { "/http/closed without an answer", NULL, FALSE, teesql_storage_error_quark, TEESQL_ERROR_UNAVAILABLE, "store-truncated",
    "hint: if it always hangs up, it may want https:// in endpoint" },
  { "/http/body cut short", "HTTP/1.1 200 X\r\nContent-Length: 9\r\nConnection: close\r\n\r\nabc", FALSE, teesql_storage_error_quark,
    TEESQL_ERROR_UNAVAILABLE, "store-truncated" },
  { "/http/no HTTP at all", "SSH-2.0-x\r\n\r\nConnection: close", FALSE, teesql_storage_error_quark, TEESQL_ERROR_UNAVAILABLE,
    "store-http" },
  { "/http/never an answer", TEST_HANG, FALSE, g_io_error_quark, G_IO_ERROR_TIMED_OUT, "unspecified" },
};

static void
test_mishap (gconstpointer data)
{
  const Mishap *self = data;
  g_autoptr (TestStore) store = test_store_new (scripted, (gpointer) self->raw);
  CloudRequest request = request_new (300);
  g_autoptr (GError) error = NULL;

  g_assert_null (get (store->url, &request, &error));
  g_test_message ("%s", error->message);
  g_assert_error (error, self->domain (), self->code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, self->reason);
  g_assert_true (self->hint == NULL || strstr (error->message, self->hint) != NULL);
}

static void
test_oversize (void)
{
  g_autofree char *body = g_strnfill (100, 'a');
  g_autofree char *raw = test_answer (500, "", body);
  g_autoptr (TestStore) store = test_store_new (scripted, raw);

  for (guint secret = 0; secret < 2; secret++)
    {
      CloudRequest request = request_new (5000);
      g_autoptr (GError) error = NULL;

      request.secret = secret != 0;
      request.max_answer = 99;
      g_assert_null (get (store->url, &request, &error));
      g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "store-oversize");
      request.max_answer = 100;
      g_clear_error (&error);
      g_autoptr (CloudAnswer) answer = get (store->url, &request, &error);
      g_assert_no_error (error);
      check_body (answer, body, 100);
    }
}

static void
test_nobody (void)
{
  g_autofree char *url = NULL;
  CloudRequest request = request_new (5000);
  g_autoptr (GError) error = NULL;
  TestStore *store = test_store_new (scripted, NULL);

  url = g_strdup (store->url);
  test_store_free (store);
  request.endpoint_option = "sts-endpoint";
  g_assert_null (get (url, &request, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "store-unreachable");
  g_assert_nonnull (strstr (error->message, "\nhint: "));
  g_assert_nonnull (strstr (error->message, "sts-endpoint"));
}

static void
test_unknown_host (void)
{
  CloudRequest request = request_new (20000);
  g_autoptr (GError) error = NULL;

  g_assert_null (get ("http://store.invalid/", &request, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "store-unknown-host");
  g_assert_nonnull (strstr (error->message, "\nhint: the name comes from endpoint"));
}

static void
test_tls (void)
{
  g_autoptr (TestStore) store = test_store_new (scripted, NULL);
  g_autofree char *url = g_strdup_printf ("https://127.0.0.1:%u/", store->port);
  CloudRequest request = request_new (1000);
  g_autoptr (GError) error = NULL;

  g_assert_null (get (url, &request, &error));
  g_test_message ("%s", error->message);
  g_assert_true (error->domain == TEESQL_STORAGE_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
}

static gboolean
one_asked (gpointer data)
{
  return test_store_count (data) > 0;
}

static gboolean
turn (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

static void
test_cancelled (void)
{
  g_autoptr (TestStore) store = test_store_new (scripted, (gpointer) TEST_HANG);
  g_autoptr (SoupSession) session = cloud_session_new (NULL, 8);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", store->url);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  CloudRequest request = request_new (60000);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  guint id = g_timeout_add (10, turn, NULL);
  gint64 start = 0;

  cloud_http_send_async (session, &request, message, NULL, cancellable, test_keep, &result);
  test_until (one_asked, store);
  g_source_remove (id);
  start = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_assert_null (cloud_http_send_finish (session, test_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
}

static void
test_connections (void)
{
  g_autofree char *raw = test_answer (200, "", "ok");
  g_autoptr (TestStore) store = test_store_new (scripted, raw);
  g_autoptr (SoupSession) session = cloud_session_new (NULL, 8);
  g_autoptr (GBytes) body = g_bytes_new_take (g_strnfill (3 << 20, 'b'), 3 << 20);
  static const char *const methods[] = { "GET", "PUT", "POST", "DELETE", "PUT" };

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    {
      CloudRequest request = request_new (5000);
      gboolean with_body = methods[i][0] == 'P';
      g_autoptr (GError) error = NULL;
      g_autoptr (CloudAnswer) answer = send_full (session, store->url, &request, methods[i], with_body ? body : NULL, NULL, &error);
      g_autofree char *length = test_request_header (test_store_request (store, i), "Content-Length");

      g_assert_no_error (error);
      g_assert_cmpstr (length, ==, with_body ? "3145728" : NULL);
      g_assert_true (!with_body || g_bytes_equal (test_store_request (store, i)->body, body));
    }
  g_assert_cmpuint (store->n_connections, ==, 1);
  g_clear_object (&session);
}

/* The server looks at the head and says no: that answer is read, and the body was not sent. */
static void
test_refused_early (void)
{
  g_autofree char *raw = test_answer (503, "Retry-After: 3\r\nConnection: close\r\n", "slow down");
  g_autoptr (TestStore) store = test_store_new (scripted, NULL);
  g_autoptr (SoupSession) session = cloud_session_new (NULL, 8);
  g_autoptr (GBytes) body = g_bytes_new_take (g_strnfill (8 << 20, 'b'), 8 << 20);
  CloudRequest request = request_new (5000);
  g_autoptr (GError) error = NULL;

  store->refuse = raw;
  g_autoptr (CloudAnswer) answer = send_full (session, store->url, &request, "PUT", body, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (answer->status, ==, 503);
  check_body (answer, "slow down", 9);
}

/* ---- streams ---- */

static gssize
read_some (GInputStream *stream, guint8 *buffer, gsize size, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_input_stream_read_async (stream, buffer, size, G_PRIORITY_DEFAULT, NULL, test_keep, &result);
  return g_input_stream_read_finish (stream, test_wait (&result), error);
}

static gssize
read_all (GInputStream *stream, GError **error)
{
  guint8 buffer[1000];
  gssize total = 0;
  gssize n = 0;

  while ((n = read_some (stream, buffer, sizeof buffer, error)) > 0)
    total += n;
  return n < 0 ? -1 : total;
}

static GInputStream *
open_stream (SoupSession *session, TestStore *store, guint64 expected, guint timeout_ms)
{
  CloudRequest request = request_new (timeout_ms);
  g_autoptr (GError) error = NULL;
  g_autoptr (CloudAnswer) answer = NULL;

  request.stream = TRUE;
  answer = send_full (session, store->url, &request, "GET", NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (answer->body);
  return cloud_answer_take_stream (answer, &request, expected, NULL);
}

static void
test_stream (void)
{
  g_autofree char *body = g_strnfill (100000, 'x');
  g_autofree char *raw = test_answer (206, "", body);
  g_autoptr (TestStore) store = test_store_new (scripted, raw);
  g_autoptr (SoupSession) session = cloud_session_new (NULL, 8);

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GInputStream) stream = open_stream (session, store, 100000, 5000);
      g_autoptr (GError) error = NULL;

      g_assert_cmpint (read_all (stream, &error), ==, 100000);
      g_assert_no_error (error);
    }
  g_assert_cmpuint (store->n_connections, ==, 1);
  g_clear_object (&session);
}

static void
check_bad_stream (const char *raw, guint64 expected, GQuark domain, int code, const char *reason)
{
  g_autoptr (TestStore) store = test_store_new (scripted, (gpointer) raw);
  g_autoptr (SoupSession) session = cloud_session_new (NULL, 8);
  g_autoptr (GInputStream) stream = open_stream (session, store, expected, 300);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (read_all (stream, &error), ==, -1);
  g_assert_error (error, domain, code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
  g_clear_object (&stream);
  g_clear_object (&session);
}

static void
test_stream_cut (void)
{
  check_bad_stream ("HTTP/1.1 200 X\r\nContent-Length: 9\r\nConnection: close\r\n\r\nabc", 9, TEESQL_STORAGE_ERROR,
                    TEESQL_ERROR_UNAVAILABLE, "store-truncated");
  check_bad_stream ("HTTP/1.1 200 X\r\nContent-Length: 3\r\n\r\nabc", 9, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "store-truncated");
  check_bad_stream ("HTTP/1.1 200 X\r\nConnection: close\r\n\r\nabc", 9, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "store-truncated");
}

static void
test_stream_goes_on (void)
{
  check_bad_stream ("HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nabcdefghi", 8, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY,
                    "store-oversize");
}

static void
test_stream_stalls (void)
{
  check_bad_stream ("HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nabc", 9, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "unspecified");
}

/* Closing must neither read what is left nor hang on it. */
static void
test_stream_closed_early (void)
{
  g_autofree char *body = g_strnfill (64 << 20, 'x');
  g_autofree char *raw = test_answer (200, "", body);
  g_autoptr (TestStore) store = test_store_new (scripted, raw);
  g_autoptr (SoupSession) session = cloud_session_new (NULL, 8);

  for (guint async = 0; async < 2; async++)
    {
      g_autoptr (GInputStream) stream = open_stream (session, store, 64 << 20, 5000);
      g_autoptr (GAsyncResult) result = NULL;
      gint64 start = g_get_monotonic_time ();
      guint8 byte = 0;

      g_assert_cmpint (read_some (stream, &byte, 1, NULL), ==, 1);
      if (async != 0)
        {
          g_input_stream_close_async (stream, G_PRIORITY_DEFAULT, NULL, test_keep, &result);
          g_assert_true (g_input_stream_close_finish (stream, test_wait (&result), NULL));
        }
      g_clear_object (&stream);
      g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
    }
  g_clear_object (&session);
}

/* Who reads exactly what he wants and closes gives the connection back. */
static void
test_stream_closed_at_end (void)
{
  g_autofree char *raw = test_answer (200, "", "abc");
  g_autoptr (TestStore) store = test_store_new (scripted, raw);
  g_autoptr (SoupSession) session = cloud_session_new (NULL, 8);

  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (GInputStream) stream = open_stream (session, store, 3, 5000);
      g_autoptr (GAsyncResult) result = NULL;
      guint8 bytes[3];

      g_assert_cmpint (read_some (stream, bytes, 3, NULL), ==, 3);
      if (i % 2 == 0)
        {
          g_input_stream_close_async (stream, G_PRIORITY_DEFAULT, NULL, test_keep, &result);
          g_assert_true (g_input_stream_close_finish (stream, test_wait (&result), NULL));
        }
    }
  g_assert_cmpuint (store->n_connections, ==, 1);
  g_clear_object (&session);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* whoever asked one of these would find nobody */
  g_setenv ("http_proxy", "http://127.0.0.1:1", TRUE);
  g_setenv ("all_proxy", "http://127.0.0.1:1", TRUE);
  g_test_add_func ("/http/every status is an answer and none is followed", test_statuses);
  for (guint i = 0; i < G_N_ELEMENTS (mishaps); i++)
    g_test_add_data_func (mishaps[i].path, &mishaps[i], test_mishap);
  g_test_add_func ("/http/a body over the limit", test_oversize);
  g_test_add_func ("/http/nobody there", test_nobody);
  g_test_add_func ("/http/a name that does not resolve", test_unknown_host);
  g_test_add_func ("/http/TLS to who speaks none", test_tls);
  g_test_add_func ("/http/cancelled", test_cancelled);
  g_test_add_func ("/http/one connection for all methods", test_connections);
  g_test_add_func ("/http/refused before the body was sent", test_refused_early);
  g_test_add_func ("/stream/whole", test_stream);
  g_test_add_func ("/stream/cut short", test_stream_cut);
  g_test_add_func ("/stream/goes on", test_stream_goes_on);
  g_test_add_func ("/stream/stalls", test_stream_stalls);
  g_test_add_func ("/stream/closed early", test_stream_closed_early);
  g_test_add_func ("/stream/closed at its end", test_stream_closed_at_end);
  return g_test_run ();
}
