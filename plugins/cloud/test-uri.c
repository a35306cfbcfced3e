/* Addresses and escapes: one form only. */
#include "cloud-error.h"
#include "cloud-uri.h"

#include <string.h>

static void
test_encode (void)
{
  static const char *const cases[][3] = {
    { "a/b c", "/", "a/b%20c" },
    { "a/b", NULL, "a%2Fb" },
    { "+!'()*", NULL, "%2B%21%27%28%29%2A" },
    { "A-Z_a.z~9", NULL, "A-Z_a.z~9" },
    { "\xc3\xa9=%", "/", "%C3%A9%3D%25" },
    { "//./..//", "/", "//./..//" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *encoded = cloud_percent_encode (cases[i][0], cases[i][1]);
      g_autofree char *decoded = cloud_percent_decode (encoded);

      g_assert_cmpstr (encoded, ==, cases[i][2]);
      g_assert_cmpstr (decoded, ==, cases[i][0]);
    }
}

static void
test_decode (void)
{
  g_autofree char *plus = cloud_percent_decode ("a+b%2f");

  g_assert_cmpstr (plus, ==, "a+b/");
  g_assert_null (cloud_percent_decode ("a%"));
  g_assert_null (cloud_percent_decode ("a%2"));
  g_assert_null (cloud_percent_decode ("%zz"));
  g_assert_null (cloud_percent_decode ("a%00b"));
}

static void
test_endpoint (void)
{
  static const struct
  {
    const char *text;
    gboolean https;
    const char *host;
    const char *authority;
    guint port;
  } good[] = {
    { "https://s3.example.org", TRUE, "s3.example.org", "s3.example.org", 443 },
    { "http://S3.Example.org/", FALSE, "s3.example.org", "s3.example.org", 80 },
    { "http://127.0.0.1:9026", FALSE, "127.0.0.1", "127.0.0.1:9026", 9026 },
    { "https://s3.example.org:443", TRUE, "s3.example.org", "s3.example.org", 443 },
    { "http://[::1]:8080", FALSE, "::1", "[::1]:8080", 8080 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_auto (CloudEndpoint) endpoint = { 0 };
      g_autoptr (GError) error = NULL;

      g_assert_true (cloud_endpoint_parse (good[i].text, "endpoint", &endpoint, &error));
      g_assert_no_error (error);
      g_assert_cmpint (endpoint.https, ==, good[i].https);
      g_assert_cmpstr (endpoint.host, ==, good[i].host);
      g_assert_cmpstr (endpoint.authority, ==, good[i].authority);
      g_assert_cmpuint (endpoint.port, ==, good[i].port);
    }
}

static void
test_endpoint_refused (void)
{
  static const char *const bad[] = { "",
                                     "s3.example.org",
                                     "ftp://x",
                                     "https://",
                                     "https:///x",
                                     "https://u@x",
                                     "https://u:p@x",
                                     "https://x/path",
                                     "https://x/?q",
                                     "https://x#f",
                                     "http://x:0",
                                     "http://x:99999",
                                     "http://a b" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_auto (CloudEndpoint) endpoint = { 0 };
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", bad[i]);
      g_assert_false (cloud_endpoint_parse (bad[i], "sts-endpoint", &endpoint, &error));
      g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
      g_assert_nonnull (strstr (error->message, "sts-endpoint"));
    }
}

static guint
retry_after (const char *text, const char *date, gint64 now)
{
  SoupMessageHeaders *headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_RESPONSE);
  guint ms = 0;

  if (text != NULL)
    soup_message_headers_append (headers, "Retry-After", text);
  if (date != NULL)
    soup_message_headers_append (headers, "Date", date);
  ms = cloud_retry_after_ms (headers, now);
  soup_message_headers_unref (headers);
  return ms;
}

static void
test_retry_after (void)
{
  g_assert_cmpuint (retry_after (NULL, NULL, 0), ==, 0);
  g_assert_cmpuint (retry_after ("7", NULL, 0), ==, 7000);
  g_assert_cmpuint (retry_after ("99999999", NULL, 0), ==, CLOUD_RETRY_AFTER_MAX_MS);
  g_assert_cmpuint (retry_after ("-1", NULL, 0), ==, 0);
  g_assert_cmpuint (retry_after ("soon", NULL, 0), ==, 0);
  g_assert_cmpuint (retry_after ("Thu, 01 Jan 1970 00:01:40 GMT", NULL, 40), ==, 60000);
  g_assert_cmpuint (retry_after ("Thu, 01 Jan 1970 00:01:40 GMT", "Thu, 01 Jan 1970 00:01:30 GMT", 5), ==, 10000);
  g_assert_cmpuint (retry_after ("Thu, 01 Jan 1970 00:00:10 GMT", NULL, 40), ==, 0);
}

static void
test_quote (void)
{
  g_autofree char *long_text = g_strnfill (5000, 'a');
  g_autofree char *cut = cloud_quote (long_text, -1);
  g_autofree char *odd = cloud_quote (" a\n\n\t b\x1b[31m\xff\0c", 15);

  g_assert_cmpuint (strlen (cut), ==, 200);
  g_assert_cmpstr (odd, ==, "a b?[31m??c");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cloud/percent-encoding has one form", test_encode);
  g_test_add_func ("/cloud/percent-decoding refuses what is none", test_decode);
  g_test_add_func ("/cloud/endpoints", test_endpoint);
  g_test_add_func ("/cloud/endpoints that are none", test_endpoint_refused);
  g_test_add_func ("/cloud/Retry-After as seconds and as date", test_retry_after);
  g_test_add_func ("/cloud/foreign text is quoted", test_quote);
  return g_test_run ();
}
