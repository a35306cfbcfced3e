#include "base/teesql-crc32c.h"
#include "gcs-answers.h"
#include "gcs-key.h"
#include "gcs-scan.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <json-glib/json-glib.h>
#include <string.h>

static TeesqlSecret *
scan (const char *json, const char *name, GError **error)
{
  return gcs_scan_text ((const guint8 *) json, strlen (json), name, error);
}

static void
assert_scan (const char *json, const char *name, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) found = scan (json, name, &error);
  gsize size = 0;
  const guint8 *data = NULL;

  g_assert_no_error (error);
  data = teesql_secret_peek (found, &size);
  g_assert_cmpmem (data, (int) size, expected, (int) strlen (expected));
}

static void
test_scan_reads (void)
{
  assert_scan ("{\"a\":\"x\"}", "a", "x");
  assert_scan (" {\n\"n\" : 12, \"a\" : \"x\\ny\\\"z\\\\\\/\\u0041\" ,\"t\":true}\n", "a", "x\ny\"z\\/A");
  assert_scan ("{\"ab\":\"no\",\"a\":\"yes\",\"abc\":\"no\"}", "a", "yes");
}

static void
test_scan_refuses (void)
{
  static const char *const wrong[] = {
    "",
    "[]",
    "{",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":\"x",
    "{\"a\":\"x\"",
    "{\"a\":\"x\"} x",
    "{\"b\":1}",
    "{\"a\":1}",
    "{\"a\":\"\"}",
    "{\"a\":{}}",
    "{\"a\":\"\\u00e9\"}",
    "{\"a\":\"\\u0000\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"x\",\"a\":\"y\"}",
    "{\"a\":\"x\" \"b\":1}",
    "{a:1}",
    "{\"a\":\"x\n\"}",
    "{\"a\":[\"x\"]}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlSecret) found = scan (wrong[i], "a", &error);

      g_assert_null (found);
      g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "gcs-json");
    }
}

static void
test_scan_numbers (void)
{
  static const char good[] = "{\"expires_in\":3599,\"access_token\":\"t\"}";
  static const char *const wrong[] = { "{\"expires_in\":-1}", "{\"expires_in\":1e3}", "{\"expires_in\":\"3599\"}",
                                       "{\"expires_in\":99999999999}" };
  guint64 number = 0;

  g_assert_true (gcs_scan_number ((const guint8 *) good, strlen (good), "expires_in", &number, NULL));
  g_assert_cmpuint (number, ==, 3599);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    g_assert_false (gcs_scan_number ((const guint8 *) wrong[i], strlen (wrong[i]), "expires_in", &number, NULL));
}

/* ---- service accounts ---- */

static char *
make_pem (gnutls_privkey_t *out_key)
{
  gnutls_x509_privkey_t key = NULL;
  gnutls_datum_t pem = { NULL, 0 };
  char *text = NULL;

  g_assert_cmpint (gnutls_x509_privkey_init (&key), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_generate (key, GNUTLS_PK_RSA, 2048, 0), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem), ==, 0);
  text = g_strndup ((const char *) pem.data, pem.size);
  gnutls_free (pem.data);
  g_assert_cmpint (gnutls_privkey_init (out_key), ==, 0);
  g_assert_cmpint (gnutls_privkey_import_x509 (*out_key, key, GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE), ==, 0);
  return text;
}

static TeesqlSecret *
make_key_file (const char *pem)
{
  g_auto (GStrv) lines = g_strsplit (pem, "\n", -1);
  g_autofree char *escaped = g_strjoinv ("\\n", lines);
  g_autofree char *json =
      g_strdup_printf ("{\n  \"type\": \"service_account\",\n  \"client_email\": \"backup@orders.iam.gserviceaccount.com\",\n"
                       "  \"private_key_id\": \"0123abcd\",\n  \"private_key\": \"%s\",\n"
                       "  \"token_uri\": \"https://oauth2.googleapis.com/token\"\n}\n",
                       escaped);
  g_autoptr (GError) error = NULL;
  TeesqlSecret *secret = teesql_secret_new ((const guint8 *) json, strlen (json), &error);

  g_assert_no_error (error);
  return secret;
}

static GBytes *
from_base64url (const char *text)
{
  g_autoptr (GString) plain = g_string_new (text);
  gsize size = 0;
  guint8 *data = NULL;

  g_strdelimit (plain->str, "-", '+');
  g_strdelimit (plain->str, "_", '/');
  while (plain->len % 4 != 0)
    g_string_append_c (plain, '=');
  data = g_base64_decode (plain->str, &size);
  return g_bytes_new_take (data, size);
}

static void
verify_signature (gnutls_privkey_t private_key, const char *signed_text, const char *signature)
{
  gnutls_pubkey_t key = NULL;
  g_autoptr (GBytes) raw = from_base64url (signature);
  gsize size = 0;
  const gnutls_datum_t message = { (guint8 *) signed_text, (guint) strlen (signed_text) };
  gnutls_datum_t sig = { NULL, 0 };

  sig.data = (guint8 *) g_bytes_get_data (raw, &size);
  sig.size = (guint) size;
  g_assert_cmpint (gnutls_pubkey_init (&key), ==, 0);
  g_assert_cmpint (gnutls_pubkey_import_privkey (key, private_key, 0, 0), ==, 0);
  g_assert_cmpint (gnutls_pubkey_verify_data2 (key, GNUTLS_SIGN_RSA_SHA256, 0, &message, &sig), >=, 0);
  gnutls_pubkey_deinit (key);
}

static void
test_assertion (void)
{
  g_autoptr (GError) error = NULL;
  gnutls_privkey_t private_key = NULL;
  g_autofree char *pem = make_pem (&private_key);
  g_autoptr (TeesqlSecret) json = make_key_file (pem);
  g_autoptr (GcsKey) key = gcs_key_new (json, &error);
  g_autofree char *assertion = NULL;
  g_auto (GStrv) parts = NULL;
  g_autofree char *signed_text = NULL;
  g_autoptr (GBytes) claims = NULL;
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (key->email, ==, "backup@orders.iam.gserviceaccount.com");
  g_assert_cmpstr (key->token_uri, ==, "https://oauth2.googleapis.com/token");
  assertion = gcs_key_make_assertion (key, "https://a/token", 1000, &error);
  g_assert_no_error (error);
  parts = g_strsplit (assertion, ".", -1);
  g_assert_cmpuint (g_strv_length (parts), ==, 3);
  signed_text = g_strconcat (parts[0], ".", parts[1], NULL);
  verify_signature (private_key, signed_text, parts[2]);
  claims = from_base64url (parts[1]);
  text = g_strndup (g_bytes_get_data (claims, NULL), g_bytes_get_size (claims));
  g_assert_cmpstr (text, ==,
                   "{\"iss\":\"backup@orders.iam.gserviceaccount.com\",\"scope\":\"https://www.googleapis.com/auth/devstorage.read_write\","
                   "\"aud\":\"https://a/token\",\"iat\":1000,\"exp\":4600}");
  gnutls_privkey_deinit (private_key);
}

static void
test_no_service_account (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) json = teesql_secret_new ((const guint8 *) "{\"type\":\"authorized_user\"}", 26, NULL);

  g_assert_null (gcs_key_new (json, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG);
  g_assert_nonnull (strstr (error->message, "\nhint: "));
}

/* ---- answers ---- */

static GBytes *
bytes_of (const char *text)
{
  return g_bytes_new (text, strlen (text));
}

static void
test_object (void)
{
  g_autoptr (GBytes) body =
      bytes_of ("{\"name\":\"p/a\",\"size\":\"9\",\"crc32c\":\"4waSgw==\",\"generation\":\"17\",\"updated\":\"2026-03-01T00:00:00.123Z\"}");
  g_auto (GcsObject) object = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (gcs_answer_read_object (body, &object, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (object.size, ==, 9);
  g_assert_cmphex (object.crc32c, ==, teesql_crc32c (0, (const guint8 *) "123456789", 9));
  g_assert_cmpstr (object.generation, ==, "17");
  g_assert_cmpint (object.updated_unix, ==, 1772323200);
}

static void
test_object_refused (void)
{
  static const char *const wrong[] = {
    "",
    "{}",
    "[]",
    "{\"size\":9,\"crc32c\":\"4waSgw==\",\"generation\":\"17\"}",
    "{\"size\":\"-9\",\"crc32c\":\"4waSgw==\",\"generation\":\"17\"}",
    "{\"size\":\"9\",\"crc32c\":\"4waS\",\"generation\":\"17\"}",
    "{\"size\":\"9\",\"crc32c\":\"4waSgw==\",\"generation\":\"x\"}",
    "{\"size\":\"9\",\"crc32c\":\"4waSgw==\",\"generation\":\"123456789012345678901\"}",
    "{\"size\":\"9\",\"crc32c\":\"4waSgw==\",\"generation\":\"17\"",
    "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]],\"size\":\"9\",\"crc32c\":\"4waSgw==\",\"generation\":\"17\"}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GBytes) body = bytes_of (wrong[i]);
      g_autoptr (GError) error = NULL;
      g_auto (GcsObject) object = { 0 };

      g_assert_false (gcs_answer_read_object (body, &object, &error));
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "gcs-json");
    }
}

static TeesqlObjectPage *
list (const char *text, const char *after, guint max, GError **error)
{
  g_autoptr (GBytes) body = bytes_of (text);

  return gcs_answer_read_list (body, "p/", after, max, error);
}

static void
test_list (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectPage) page = list (
      "{\"items\":[{\"name\":\"p/a\",\"size\":\"1\"},{\"name\":\"p/a/b\",\"size\":\"2\"},{\"name\":\"p/~parts/x/00001\",\"size\":\"3\"}],"
      "\"nextPageToken\":\"tok\"}",
      NULL, 10, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (teesql_object_page_get_n_objects (page), ==, 2);
  g_assert_cmpstr (teesql_object_info_get_name (teesql_object_page_get_object (page, 1)), ==, "a/b");
  g_assert_cmpstr (teesql_object_page_get_next_token (page), ==, "p/~parts/x/00001|tok");
}

static void
test_list_refused (void)
{
  static const char *const wrong[] = {
    "{\"items\":[{\"name\":\"q/a\",\"size\":\"1\"}]}",
    "{\"items\":[{\"name\":\"p/b\",\"size\":\"1\"},{\"name\":\"p/a\",\"size\":\"1\"}]}",
    "{\"items\":[{\"name\":\"p/b\",\"size\":\"1\"},{\"name\":\"p/b\",\"size\":\"1\"}]}",
    "{\"items\":[{\"name\":\"p/b\"}]}",
    "{\"items\":[7]}",
    "{\"items\":[{\"name\":\"p/A\",\"size\":\"1\"}]}",
    "{\"items\":[{\"name\":\"p/b\",\"size\":\"1\"},{\"name\":\"p/c\",\"size\":\"1\"},{\"name\":\"p/d\",\"size\":\"1\"}]}",
    "{\"nextPageToken\":\"\"}",
    "{\"nextPageToken\":\"a\\nb\"}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlObjectPage) page = list (wrong[i], "p/Z", 2, &error);

      g_assert_null (page);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "gcs-json");
    }
}

static void
test_problem (void)
{
  g_autoptr (GBytes) body = bytes_of ("{\"error\":{\"code\":403,\"message\":\"no\",\"errors\":[{\"reason\":\"forbidden\"}]}}");
  g_autoptr (GBytes) html = bytes_of ("<html>");
  g_autofree char *reason = NULL;
  g_autofree char *message = NULL;

  gcs_answer_read_problem (html, &reason, &message);
  g_assert_cmpstr (reason, ==, "");
  g_assert_cmpstr (message, ==, "");
  g_clear_pointer (&reason, g_free);
  g_clear_pointer (&message, g_free);
  gcs_answer_read_problem (body, &reason, &message);
  g_assert_cmpstr (reason, ==, "forbidden");
  g_assert_cmpstr (message, ==, "no");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gcs/scan/reads a member and its escapes", test_scan_reads);
  g_test_add_func ("/gcs/scan/refuses what is no flat object", test_scan_refuses);
  g_test_add_func ("/gcs/scan/numbers have no sign and no exponent", test_scan_numbers);
  g_test_add_func ("/gcs/key/an assertion is signed and says what it should", test_assertion);
  g_test_add_func ("/gcs/key/another kind of key is named", test_no_service_account);
  g_test_add_func ("/gcs/answers/an object", test_object);
  g_test_add_func ("/gcs/answers/what is no object is refused", test_object_refused);
  g_test_add_func ("/gcs/answers/a page leaves out parts of uploads", test_list);
  g_test_add_func ("/gcs/answers/a page that lies is refused", test_list_refused);
  g_test_add_func ("/gcs/answers/a problem, or none", test_problem);
  return g_test_run ();
}
