#include "pgwire/teesql-pgwire-message.h"
#include "base/teesql-domains.h"
#include "test-bytes.h"

static TeesqlCursor
body_of (const void *data, gsize size)
{
  TeesqlCursor cursor;

  teesql_cursor_init (&cursor, "test body", data, size);
  return cursor;
}

/* The whole of @bytes is one message of @type. */
static TeesqlMessage
framed (const GByteArray *bytes, char type)
{
  g_autoptr (GError) error = NULL;
  gboolean complete = FALSE;
  TeesqlMessage message = { 0 };

  g_assert_true (teesql_message_frame (bytes->data, bytes->len, 1 << 20, &message, &complete, &error));
  g_assert_no_error (error);
  g_assert_true (complete);
  g_assert_cmpint (message.type, ==, type);
  g_assert_cmpuint (message.size, ==, bytes->len);
  return message;
}

static void
assert_malformed (GError *error)
{
  g_assert_error (error, TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_MALFORMED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "message-malformed");
}

static void
test_frames_when_complete (void)
{
  static const guint8 data[] = { 'Z', 0, 0, 0, 5, 'I', 'Q' };

  for (gsize size = 0; size <= sizeof data; size++)
    {
      g_autofree guint8 *exact = g_memdup2 (data, size);
      TeesqlMessage message = { .type = '?' };
      gboolean complete = FALSE;

      g_assert_true (teesql_message_frame (exact, size, 64, &message, &complete, NULL));
      g_assert_cmpint (complete, ==, size >= 6);
      g_assert_cmpint (message.type, ==, complete ? 'Z' : '?');
      if (complete)
        {
          g_assert_cmpuint (message.size, ==, 6);
          g_assert_cmpuint (teesql_cursor_remaining (&message.body), ==, 1);
        }
    }
}

static void
test_refuses_lengths (void)
{
  static const guint8 lengths[][5] = { { 'p', 0, 0, 0, 3 }, { 'p', 0, 0, 0, 0 }, { 'p', 0xff, 0xff, 0xff, 0xff }, { 'p', 0, 0, 0, 64 } };

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autoptr (GError) error = NULL;
      TeesqlMessage message;
      gboolean complete = FALSE;

      g_assert_false (teesql_message_frame (lengths[i], 5, 64, &message, &complete, &error));
      g_assert_error (error, TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_MALFORMED);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "message-length");
    }
}

static void
test_error_comes_back (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  TeesqlErrorFields fields;
  TeesqlMessage message;

  teesql_message_error (bytes, "FATAL", "28P01", "password authentication failed", NULL, "look here");
  message = framed (bytes, 'E');
  g_assert_true (teesql_message_parse_error (&message.body, &fields, &error));
  g_assert_cmpstr (fields.severity, ==, "FATAL");
  g_assert_cmpstr (fields.sqlstate, ==, "28P01");
  g_assert_cmpstr (fields.message, ==, "password authentication failed");
  g_assert_null (fields.detail);
  g_assert_cmpstr (fields.hint, ==, "look here");
}

static void
test_error_text_is_bounded (void)
{
  g_autofree char *text = g_strnfill (5000, 'x');
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  TeesqlErrorFields fields;
  TeesqlMessage message;

  /* a character that the cut falls into, and one that never was valid */
  text[1022] = '\xe2', text[1023] = '\x82', text[1024] = '\xac';
  text[10] = '\xff';
  teesql_message_error (bytes, "FATAL", "XX000", text, NULL, NULL);
  message = framed (bytes, 'E');
  g_assert_true (teesql_message_parse_error (&message.body, &fields, NULL));
  g_assert_true (g_utf8_validate (fields.message, -1, NULL));
  g_assert_cmpuint (strlen (fields.message), <, 1100);
}

static void
test_error_prefers_untranslated_severity (void)
{
  static const char body[] = "SFATAL (traduit)\0VFATAL\0C57P03\0Mle message\0Zunknown\0";
  TeesqlCursor cursor = body_of (body, sizeof body);
  TeesqlErrorFields fields;

  g_assert_true (teesql_message_parse_error (&cursor, &fields, NULL));
  g_assert_cmpstr (fields.severity, ==, "FATAL");
}

static void
test_refuses_malformed_errors (void)
{
  static const struct
  {
    const char *data;
    gsize size;
  } cases[] = { { "", 0 },
                { "SFATAL\0C28P01\0Mtext", 19 },
                { "SFATAL\0C28P01\0Mtext\0", 20 },
                { "SFATAL\0C28P01\0Mtext\0\0x", 22 },
                { "SFATAL\0C28P01\0", 15 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree guint8 *exact = g_memdup2 (cases[i].data, cases[i].size);
      TeesqlCursor cursor = body_of (exact, cases[i].size);
      g_autoptr (GError) error = NULL;
      TeesqlErrorFields fields;

      g_assert_false (teesql_message_parse_error (&cursor, &fields, &error));
      assert_malformed (error);
    }
}

static void
assert_offer (gboolean plus)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  TeesqlMessage message;
  TeesqlCursor data;
  guint32 kind = 0;
  gboolean has_scram = FALSE;
  gboolean has_plus = FALSE;

  teesql_message_authentication_sasl (bytes, plus);
  message = framed (bytes, 'R');
  g_assert_true (teesql_message_parse_authentication (&message.body, &kind, &data, NULL));
  g_assert_cmpuint (kind, ==, TEESQL_AUTHENTICATION_SASL);
  g_assert_true (teesql_message_parse_mechanisms (&data, &has_scram, &has_plus, NULL));
  g_assert_true (has_scram);
  g_assert_cmpint (has_plus, ==, plus);
}

static void
test_offers_mechanisms (void)
{
  static const guint8 plain[] = "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0";
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  assert_offer (FALSE);
  assert_offer (TRUE);
  teesql_message_authentication_sasl (bytes, FALSE);
  assert_bytes (bytes->data, bytes->len, plain, sizeof plain);
}

static void
test_refuses_malformed_mechanisms (void)
{
  static const struct
  {
    const char *data;
    gsize size;
  } cases[] = { { "", 0 },
                { "\0", 1 },
                { "SCRAM-SHA-256", 13 },
                { "SCRAM-SHA-256\0", 14 },
                { "SCRAM-SHA-256\0\0x", 16 },
                { "a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0a\0\0", 37 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TeesqlCursor cursor = body_of (cases[i].data, cases[i].size);
      g_autoptr (GError) error = NULL;
      gboolean scram = FALSE;
      gboolean plus = FALSE;

      g_assert_false (teesql_message_parse_mechanisms (&cursor, &scram, &plus, &error));
      assert_malformed (error);
    }
}

static void
assert_authentication (GByteArray *bytes, guint32 expected, const char *data)
{
  TeesqlMessage message = framed (bytes, 'R');
  TeesqlCursor rest;
  guint32 kind = G_MAXUINT32;

  g_assert_true (teesql_message_parse_authentication (&message.body, &kind, &rest, NULL));
  g_assert_cmpuint (kind, ==, expected);
  assert_bytes (teesql_cursor_peek (&rest), teesql_cursor_remaining (&rest), data, strlen (data));
  g_byte_array_set_size (bytes, 0);
}

static void
test_authentication_requests (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  teesql_message_authentication_ok (bytes);
  assert_authentication (bytes, TEESQL_AUTHENTICATION_OK, "");
  teesql_message_authentication_cleartext (bytes);
  assert_authentication (bytes, TEESQL_AUTHENTICATION_CLEARTEXT, "");
  teesql_message_authentication_sasl_continue (bytes, "r=a,s=b", 7);
  assert_authentication (bytes, TEESQL_AUTHENTICATION_SASL_CONTINUE, "r=a,s=b");
  teesql_message_authentication_sasl_final (bytes, "v=c", 3);
  assert_authentication (bytes, TEESQL_AUTHENTICATION_SASL_FINAL, "v=c");
}

static void
test_refuses_data_behind_ok (void)
{
  static const guint8 body[] = { 0, 0, 0, 0, 'x' };
  g_autoptr (GError) error = NULL;
  TeesqlCursor cursor = body_of (body, sizeof body);
  TeesqlCursor rest;
  guint32 kind = 0;

  g_assert_false (teesql_message_parse_authentication (&cursor, &kind, &rest, &error));
  assert_malformed (error);
}

static void
test_sasl_initial_comes_back (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  const char *mechanism = NULL;
  const char *data = NULL;
  gsize size = 0;
  TeesqlMessage message;

  teesql_message_sasl_initial (bytes, "SCRAM-SHA-256", "n,,n=,r=abc", 11);
  message = framed (bytes, 'p');
  g_assert_true (teesql_message_parse_sasl_initial (&message.body, &mechanism, &data, &size, NULL));
  g_assert_cmpstr (mechanism, ==, "SCRAM-SHA-256");
  assert_bytes (data, size, "n,,n=,r=abc", 11);
}

static void
test_refuses_malformed_sasl_initial (void)
{
  static const struct
  {
    const char *data;
    gsize size;
  } cases[] = { { "SCRAM-SHA-256", 13 },
                { "SCRAM-SHA-256\0\0\0", 16 },
                { "SCRAM-SHA-256\0\xff\xff\xff\xff", 18 },
                { "SCRAM-SHA-256\0\0\0\0\5abc", 21 },
                { "SCRAM-SHA-256\0\0\0\0\2abc", 21 },
                { "SCRAM-SHA-256\0\x7f\xff\xff\xff"
                  "abc",
                  21 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree guint8 *exact = g_memdup2 (cases[i].data, cases[i].size);
      TeesqlCursor cursor = body_of (exact, cases[i].size);
      g_autoptr (GError) error = NULL;
      const char *mechanism = NULL;
      const char *data = NULL;
      gsize size = 0;

      g_assert_false (teesql_message_parse_sasl_initial (&cursor, &mechanism, &data, &size, &error));
      assert_malformed (error);
      g_assert_null (data);
    }
}

static void
test_password_comes_back (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  const guint8 *password = NULL;
  gsize size = 0;
  TeesqlMessage message;

  teesql_message_password (bytes, (const guint8 *) "pencil", 6);
  message = framed (bytes, 'p');
  g_assert_true (teesql_message_parse_password (&message.body, &password, &size, NULL));
  assert_bytes (password, size, "pencil", 6);
}

static void
test_refuses_malformed_passwords (void)
{
  static const struct
  {
    const char *data;
    gsize size;
  } cases[] = { { "", 0 }, { "pencil", 6 }, { "pencil\0x", 8 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TeesqlCursor cursor = body_of (cases[i].data, cases[i].size);
      g_autoptr (GError) error = NULL;
      const guint8 *password = NULL;
      gsize size = 0;

      g_assert_false (teesql_message_parse_password (&cursor, &password, &size, &error));
      assert_malformed (error);
    }
}

static void
test_backend_key_comes_back (void)
{
  static const guint8 key[] = { 1, 2, 3, 4 };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  const guint8 *found = NULL;
  guint32 pid = 0;
  gsize size = 0;
  TeesqlCursor cut;
  TeesqlMessage message;

  teesql_message_backend_key (bytes, 77, key, sizeof key);
  message = framed (bytes, 'K');
  cut = body_of (teesql_cursor_peek (&message.body), 7);
  g_assert_true (teesql_message_parse_backend_key (&message.body, &pid, &found, &size, NULL));
  g_assert_cmpuint (pid, ==, 77);
  assert_bytes (found, size, key, sizeof key);
  g_assert_false (teesql_message_parse_backend_key (&cut, &pid, &found, &size, NULL));
}

static void
test_negotiates_version (void)
{
  static const char *const names[] = { "_pq_.one", "_pq_.two", NULL };
  static const guint8 expected[] = "v\0\0\0\x1e\0\3\0\0\0\0\0\2_pq_.one\0_pq_.two";
  static const guint8 none[] = { 'v', 0, 0, 0, 12, 0, 3, 0, 0, 0, 0, 0, 0 };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  teesql_message_negotiate_version (bytes, 0, names);
  assert_bytes (bytes->data, bytes->len, expected, sizeof expected);
  g_byte_array_set_size (bytes, 0);
  teesql_message_negotiate_version (bytes, 0, NULL);
  assert_bytes (bytes->data, bytes->len, none, sizeof none);
}

static void
test_builders_append (void)
{
  static const guint8 expected[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0, 'p', 0, 0, 0, 7, 'a', 'b', 'c' };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  teesql_message_authentication_ok (bytes);
  teesql_message_sasl_response (bytes, "abc", 3);
  assert_bytes (bytes->data, bytes->len, expected, sizeof expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pgwire/message/frames-when-complete", test_frames_when_complete);
  g_test_add_func ("/pgwire/message/refuses-impossible-lengths", test_refuses_lengths);
  g_test_add_func ("/pgwire/message/an-error-comes-back", test_error_comes_back);
  g_test_add_func ("/pgwire/message/error-text-is-bounded-and-utf8", test_error_text_is_bounded);
  g_test_add_func ("/pgwire/message/error-severity-is-the-untranslated-one", test_error_prefers_untranslated_severity);
  g_test_add_func ("/pgwire/message/refuses-malformed-errors", test_refuses_malformed_errors);
  g_test_add_func ("/pgwire/message/offers-mechanisms", test_offers_mechanisms);
  g_test_add_func ("/pgwire/message/refuses-malformed-mechanism-lists", test_refuses_malformed_mechanisms);
  g_test_add_func ("/pgwire/message/authentication-requests-come-back", test_authentication_requests);
  g_test_add_func ("/pgwire/message/refuses-data-behind-authentication-ok", test_refuses_data_behind_ok);
  g_test_add_func ("/pgwire/message/sasl-initial-response-comes-back", test_sasl_initial_comes_back);
  g_test_add_func ("/pgwire/message/refuses-malformed-sasl-initial-responses", test_refuses_malformed_sasl_initial);
  g_test_add_func ("/pgwire/message/a-password-comes-back", test_password_comes_back);
  g_test_add_func ("/pgwire/message/refuses-malformed-passwords", test_refuses_malformed_passwords);
  g_test_add_func ("/pgwire/message/a-backend-key-comes-back", test_backend_key_comes_back);
  g_test_add_func ("/pgwire/message/negotiates-the-version", test_negotiates_version);
  g_test_add_func ("/pgwire/message/builders-append", test_builders_append);
  return g_test_run ();
}
