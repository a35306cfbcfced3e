#include "pgwire/teesql-pgwire-startup.h"
#include "pgwire/teesql-pgwire-message.h"
#include "base/teesql-domains.h"
#include "test-bytes.h"

#define PROTOCOL_3 196608u

/* length, code, then @size bytes of @body */
static GByteArray *
packet (guint32 code, const void *body, gsize size)
{
  GByteArray *out = g_byte_array_new ();
  guint32 header[] = { GUINT32_TO_BE ((guint32) size + 8), GUINT32_TO_BE (code) };

  g_byte_array_append (out, (const guint8 *) header, sizeof header);
  g_byte_array_append (out, body, (guint) size);
  return out;
}

static void
assert_refused (const void *data, gsize size, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;
  TeesqlStartup startup = { .size = 4711 };

  g_assert_false (teesql_startup_parse (data, size, &startup, &error));
  g_assert_error (error, TEESQL_PROTOCOL_ERROR, (int) code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
  g_assert_cmpuint (startup.size, ==, 4711); /* left alone */
}

static void
assert_packet_refused (guint32 code, const void *body, gsize size, TeesqlError expected, const char *reason)
{
  g_autoptr (GByteArray) bytes = packet (code, body, size);

  assert_refused (bytes->data, bytes->len, expected, reason);
}

#define assert_message_refused(body, reason) assert_packet_refused (PROTOCOL_3, body, sizeof (body), TEESQL_ERROR_MALFORMED, reason)

static void
test_reads_message (void)
{
  static const char *const pairs[] = { "user", "alice", "database", "orders", "application_name", "psql", NULL };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  TeesqlStartup startup;

  teesql_message_startup (bytes, pairs);
  g_byte_array_append (bytes, (const guint8 *) "more", 4);
  g_assert_true (teesql_startup_parse (bytes->data, bytes->len, &startup, &error));
  g_assert_no_error (error);
  g_assert_cmpint (startup.kind, ==, TEESQL_STARTUP_MESSAGE);
  g_assert_cmpuint (startup.size, ==, bytes->len - 4);
  g_assert_cmpuint (startup.protocol_minor, ==, 0);
  g_assert_cmpstr (startup.user, ==, "alice");
  g_assert_cmpstr (startup.database, ==, "orders");
  g_assert_false (startup.replication);
  g_assert_cmpuint (startup.n_parameters, ==, 3);
  g_assert_cmpuint (startup.n_unknown_options, ==, 0);
  g_assert_cmpstr (teesql_startup_get_parameter (&startup, "application_name"), ==, "psql");
  g_assert_null (teesql_startup_get_parameter (&startup, "options"));
}

static void
test_waits_for_every_byte (void)
{
  static const char *const pairs[] = { "user", "alice", NULL };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  teesql_message_startup (bytes, pairs);
  for (gsize size = 0; size < bytes->len; size++)
    {
      g_autofree guint8 *exact = g_memdup2 (bytes->data, size);
      g_autoptr (GError) error = NULL;
      TeesqlStartup startup;

      g_assert_true (teesql_startup_parse (exact, size, &startup, &error));
      g_assert_no_error (error);
      g_assert_cmpint (startup.kind, ==, TEESQL_STARTUP_NEED_MORE);
      g_assert_cmpuint (startup.size, ==, 0);
    }
}

static void
test_database_defaults_to_user (void)
{
  static const char with_empty[] = "user\0alice\0database\0\0";
  g_autoptr (GByteArray) bytes = packet (PROTOCOL_3, with_empty, sizeof with_empty);
  TeesqlStartup startup;

  g_assert_true (teesql_startup_parse (bytes->data, bytes->len, &startup, NULL));
  g_assert_cmpstr (startup.database, ==, "alice");
}

static void
test_tells_requests_apart (void)
{
  static const struct
  {
    guint32 code;
    TeesqlStartupKind kind;
  } requests[] = { { 80877103, TEESQL_STARTUP_SSL_REQUEST }, { 80877104, TEESQL_STARTUP_GSSENC_REQUEST } };

  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      g_autoptr (GByteArray) bytes = packet (requests[i].code, "", 0);
      TeesqlStartup startup;

      g_assert_true (teesql_startup_parse (bytes->data, bytes->len, &startup, NULL));
      g_assert_cmpint (startup.kind, ==, requests[i].kind);
      g_assert_cmpuint (startup.size, ==, 8);
      assert_packet_refused (requests[i].code, "x", 1, TEESQL_ERROR_MALFORMED, "startup-malformed");
    }
}

static void
test_leaves_bytes_behind_request (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  TeesqlStartup startup;

  /* the injection trap: the caller sees that more than the packet is there */
  teesql_message_ssl_request (bytes);
  g_byte_array_append (bytes, (const guint8 *) "injected", 8);
  g_assert_true (teesql_startup_parse (bytes->data, bytes->len, &startup, NULL));
  g_assert_cmpint (startup.kind, ==, TEESQL_STARTUP_SSL_REQUEST);
  g_assert_cmpuint (startup.size, ==, 8);
}

static void
test_reads_cancel (void)
{
  static const gsize sizes[] = { 4, 32, 256 };
  guint8 key[4 + 257]; /* the last length is a process id and one byte too many */

  for (guint i = 0; i < sizeof key; i++)
    key[i] = (guint8) i;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();
      TeesqlStartup startup;

      teesql_message_cancel (bytes, 0x01020304, key, sizes[i]);
      g_assert_true (teesql_startup_parse (bytes->data, bytes->len, &startup, NULL));
      g_assert_cmpint (startup.kind, ==, TEESQL_STARTUP_CANCEL_REQUEST);
      g_assert_cmphex (startup.cancel_pid, ==, 0x01020304);
      assert_bytes (startup.cancel_key, startup.cancel_key_size, key, sizes[i]);
    }
  assert_packet_refused (80877102, key, 2, TEESQL_ERROR_MALFORMED, "startup-malformed");
  assert_packet_refused (80877102, key, 7, TEESQL_ERROR_MALFORMED, "startup-malformed");
  assert_packet_refused (80877102, key, 4 + 257, TEESQL_ERROR_MALFORMED, "startup-malformed");
}

static void
test_sees_tls (void)
{
  TeesqlStartup startup;

  g_assert_true (teesql_startup_parse ((const guint8 *) "\x16", 1, &startup, NULL));
  g_assert_cmpint (startup.kind, ==, TEESQL_STARTUP_TLS);
  g_assert_cmpuint (startup.size, ==, 0);
}

static void
test_refuses_lengths_early (void)
{
  static const guint8 small[] = { 0, 0, 0, 7 };
  static const guint8 large[] = { 0, 0, 0x27, 0x11 }; /* 10001 */
  static const guint8 largest[] = { 0, 0, 0x27, 0x10 };
  TeesqlStartup startup;

  assert_refused (small, sizeof small, TEESQL_ERROR_MALFORMED, "startup-length");
  assert_refused (large, sizeof large, TEESQL_ERROR_MALFORMED, "startup-length");
  assert_refused ("G", 1, TEESQL_ERROR_MALFORMED, "startup-length");
  assert_refused ("GET / HTTP/1.1", 14, TEESQL_ERROR_MALFORMED, "startup-length");
  g_assert_true (teesql_startup_parse (largest, sizeof largest, &startup, NULL));
  g_assert_cmpint (startup.kind, ==, TEESQL_STARTUP_NEED_MORE);
}

static void
test_refuses_other_versions (void)
{
  static const char body[] = "user\0alice\0";
  g_autoptr (GByteArray) grease = packet (PROTOCOL_3 + 9999, body, sizeof body);
  TeesqlStartup startup;

  assert_packet_refused (2 << 16, body, sizeof body, TEESQL_ERROR_UNSUPPORTED, "startup-version");
  assert_packet_refused (4 << 16, body, sizeof body, TEESQL_ERROR_UNSUPPORTED, "startup-version");
  assert_packet_refused (80877105, body, sizeof body, TEESQL_ERROR_UNSUPPORTED, "startup-version");
  g_assert_true (teesql_startup_parse (grease->data, grease->len, &startup, NULL));
  g_assert_cmpuint (startup.protocol_minor, ==, 9999);
}

static void
test_refuses_malformed (void)
{
  static const char unended_name[] = { 'u', 's', 'e', 'r' };
  static const char unended_value[] = { 'u', 's', 'e', 'r', 0, 'a' };
  static const char no_value[] = { 'u', 's', 'e', 'r', 0 };
  static const char no_terminator[] = { 'u', 's', 'e', 'r', 0, 'a', 0 };
  static const char trailing[] = "user\0a\0\0hidden\0value\0";

  assert_message_refused (unended_name, "startup-malformed");
  assert_message_refused (unended_value, "startup-malformed");
  assert_message_refused (no_value, "startup-malformed");
  assert_message_refused (no_terminator, "startup-malformed");
  assert_message_refused (trailing, "startup-malformed");
}

static void
test_refuses_missing_user (void)
{
  static const char none[] = "database\0orders\0";
  static const char empty[] = "user\0\0database\0orders\0";
  static const char nothing[] = "";

  assert_message_refused (none, "startup-no-user");
  assert_message_refused (empty, "startup-no-user");
  assert_message_refused (nothing, "startup-no-user");
}

static void
test_refuses_duplicates (void)
{
  static const char user[] = "user\0alice\0user\0postgres\0";
  static const char other[] = "user\0alice\0options\0-c a=b\0options\0-c c=d\0";

  assert_message_refused (user, "startup-duplicate");
  assert_message_refused (other, "startup-duplicate");
}

static void
test_bounds_parameters (void)
{
  for (guint n = TEESQL_STARTUP_MAX_PARAMETERS; n <= TEESQL_STARTUP_MAX_PARAMETERS + 1; n++)
    {
      g_autoptr (GString) body = g_string_new (NULL);
      g_autoptr (GByteArray) bytes = NULL;
      TeesqlStartup startup;

      g_string_append_len (body, "user\0a\0", 7);
      for (guint i = 1; i < n; i++)
        {
          g_string_append_printf (body, "p%u", i);
          g_string_append_len (body, "\0v\0", 3);
        }
      g_string_append_c (body, '\0');
      bytes = packet (PROTOCOL_3, body->str, body->len);
      if (n > TEESQL_STARTUP_MAX_PARAMETERS)
        assert_refused (bytes->data, bytes->len, TEESQL_ERROR_MALFORMED, "startup-malformed");
      else
        g_assert_true (teesql_startup_parse (bytes->data, bytes->len, &startup, NULL));
    }
}

static void
test_counts_unknown_options (void)
{
  static const char body[] = "user\0a\0_pq_.one\0x\0_pq_.two\0y\0";
  g_autoptr (GByteArray) bytes = packet (PROTOCOL_3 + 2, body, sizeof body);
  TeesqlStartup startup;

  g_assert_true (teesql_startup_parse (bytes->data, bytes->len, &startup, NULL));
  g_assert_cmpuint (startup.n_unknown_options, ==, 2);
  g_assert_cmpuint (startup.protocol_minor, ==, 2);
}

static void
test_sees_replication (void)
{
  static const struct
  {
    const char *value;
    gboolean wanted;
  } cases[] = { { "true", TRUE },  { "database", TRUE }, { "1", TRUE },    { "tr", TRUE },  { "", TRUE },
                { "maybe", TRUE }, { "false", FALSE },   { "OFF", FALSE }, { "no", FALSE }, { "0", FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const char *const pairs[] = { "user", "a", "replication", cases[i].value, NULL };
      g_autoptr (GByteArray) bytes = g_byte_array_new ();
      TeesqlStartup startup;

      teesql_message_startup (bytes, pairs);
      g_assert_true (teesql_startup_parse (bytes->data, bytes->len, &startup, NULL));
      g_assert_cmpint (startup.replication, ==, cases[i].wanted);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pgwire/startup/reads-a-message", test_reads_message);
  g_test_add_func ("/pgwire/startup/waits-for-every-byte", test_waits_for_every_byte);
  g_test_add_func ("/pgwire/startup/database-defaults-to-user", test_database_defaults_to_user);
  g_test_add_func ("/pgwire/startup/tells-requests-apart", test_tells_requests_apart);
  g_test_add_func ("/pgwire/startup/leaves-bytes-behind-a-request", test_leaves_bytes_behind_request);
  g_test_add_func ("/pgwire/startup/reads-a-cancel-request", test_reads_cancel);
  g_test_add_func ("/pgwire/startup/sees-tls-from-one-byte", test_sees_tls);
  g_test_add_func ("/pgwire/startup/refuses-lengths-early", test_refuses_lengths_early);
  g_test_add_func ("/pgwire/startup/refuses-other-versions", test_refuses_other_versions);
  g_test_add_func ("/pgwire/startup/refuses-malformed-packets", test_refuses_malformed);
  g_test_add_func ("/pgwire/startup/refuses-a-missing-user", test_refuses_missing_user);
  g_test_add_func ("/pgwire/startup/refuses-duplicates", test_refuses_duplicates);
  g_test_add_func ("/pgwire/startup/bounds-the-number-of-parameters", test_bounds_parameters);
  g_test_add_func ("/pgwire/startup/counts-unknown-options", test_counts_unknown_options);
  g_test_add_func ("/pgwire/startup/sees-a-wish-to-replicate", test_sees_replication);
  return g_test_run ();
}
