#include "backup/teesql-base-backup-message.h"
#include "backup/teesql-pg-session-server.h"
#include "backup/teesql-wal-stream.h"
#include "base/teesql-domains.h"

#define TEXT(text) ((const guint8 *) (text)), (sizeof (text) - 1)

static void
assert_malformed (GError **error, const char *reason)
{
  g_assert_error (*error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
  g_assert_cmpstr (teesql_error_get_reason (*error), ==, reason);
  g_clear_error (error);
}

/* -- WAL -------------------------------------------------------------------------------------------------------- */

static void
test_wal_data (void)
{
  static const char message[] = "w\0\0\0\1\0\0\0\2\0\0\0\1\0\0\0\x40\0\0\0\0\0\0\0\0payload";
  TeesqlWalMessage out;
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_wal_message_parse (TEXT (message), &out, &error));
  g_assert_no_error (error);
  g_assert_cmpint (out.kind, ==, TEESQL_WAL_MESSAGE_DATA);
  g_assert_cmphex (out.start_lsn, ==, G_GUINT64_CONSTANT (0x100000002));
  g_assert_cmphex (out.server_lsn, ==, G_GUINT64_CONSTANT (0x100000040));
  g_assert_cmpmem (out.data, (int) out.size, "payload", 7);
}

static void
test_wal_keepalive (void)
{
  static const char message[] = "k\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\1";
  TeesqlWalMessage out;
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_wal_message_parse (TEXT (message), &out, &error));
  g_assert_cmpint (out.kind, ==, TEESQL_WAL_MESSAGE_KEEPALIVE);
  g_assert_true (out.reply_wanted);
  g_assert_cmphex (out.server_lsn, ==, 5);
  g_assert_null (out.data);
}

static void
test_wal_cut_anywhere (void)
{
  static const char message[] = "k\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\1";
  TeesqlWalMessage out = { .server_lsn = 77 };
  g_autoptr (GError) error = NULL;

  for (gsize size = 0; size < sizeof message - 1; size++)
    {
      g_assert_false (teesql_wal_message_parse ((const guint8 *) message, size, &out, &error));
      assert_malformed (&error, "truncated");
    }
  g_assert_cmphex (out.server_lsn, ==, 77);
}

static void
test_wal_refused (void)
{
  TeesqlWalMessage out;
  g_autoptr (GError) error = NULL;

  g_assert_false (teesql_wal_message_parse (TEXT ("x"), &out, &error));
  assert_malformed (&error, "replication-message");
  g_assert_false (teesql_wal_message_parse (TEXT ("k\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\1!"), &out, &error));
  assert_malformed (&error, "trailing-bytes");
  g_assert_false (teesql_wal_message_parse (TEXT ("w\377\377\377\377\377\377\377\377\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0wraps"), &out, &error));
  assert_malformed (&error, "wal-position");
}

static void
test_wal_status (void)
{
  guint8 out[TEESQL_WAL_STATUS_SIZE];
  static const guint8 expected[TEESQL_WAL_STATUS_SIZE] = { 'r', 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3,
                                                           0,   0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 0 };

  teesql_wal_status_write (G_GUINT64_CONSTANT (0x100000002), 3, G_GINT64_CONSTANT (946684800000005), out);
  g_assert_cmpmem (out, sizeof out, expected, sizeof expected);
}

/* -- Base backup ------------------------------------------------------------------------------------------------ */

static void
test_base_archive (void)
{
  TeesqlBaseBackupMessage out;
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_base_backup_message_parse (TEXT ("n16384.tar\0/srv/fast\0"), &out, &error));
  g_assert_cmpint (out.kind, ==, TEESQL_BASE_BACKUP_ARCHIVE);
  g_assert_cmpstr (out.name, ==, "16384.tar");
  g_assert_cmpstr (out.tablespace, ==, "/srv/fast");
  g_assert_false (teesql_base_backup_message_parse (TEXT ("n16384.tar\0/srv/fast"), &out, &error));
  assert_malformed (&error, "unterminated");
  g_assert_false (teesql_base_backup_message_parse (TEXT ("nbase.tar\0\0more"), &out, &error));
  assert_malformed (&error, "trailing-bytes");
}

static void
test_base_rest (void)
{
  TeesqlBaseBackupMessage out;
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_base_backup_message_parse (TEXT ("dbytes"), &out, &error));
  g_assert_cmpmem (out.data, (int) out.size, "bytes", 5);
  g_assert_true (teesql_base_backup_message_parse (TEXT ("d"), &out, &error));
  g_assert_cmpuint (out.size, ==, 0);
  g_assert_true (teesql_base_backup_message_parse (TEXT ("m"), &out, &error));
  g_assert_cmpint (out.kind, ==, TEESQL_BASE_BACKUP_MANIFEST);
  g_assert_true (teesql_base_backup_message_parse (TEXT ("p\0\0\0\0\0\1\0\0"), &out, &error));
  g_assert_cmpuint (out.done, ==, 65536);
  g_assert_false (teesql_base_backup_message_parse (TEXT (""), &out, &error));
  assert_malformed (&error, "truncated");
  g_assert_false (teesql_base_backup_message_parse (TEXT ("q"), &out, &error));
  assert_malformed (&error, "replication-message");
}

/* What the server says becomes part of an object's name. */
static void
test_archive_names (void)
{
  static const char *const refused[] = {
    "",          "base",          ".tar",     "0.tar",     "016384.tar",      "16384",  "a.tar",
    "../16.tar", "16384.tar.zst", "16/8.tar", "base.tar ", "12345678901.tar", "-1.tar", "manifest.tar"
  };
  g_autofree char *base = teesql_base_backup_archive_name ("base.tar");
  g_autofree char *oid = teesql_base_backup_archive_name ("4294967295.tar");

  g_assert_cmpstr (base, ==, "base");
  g_assert_cmpstr (oid, ==, "4294967295");
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    g_assert_null (teesql_base_backup_archive_name (refused[i]));
}

/* -- Settings and quoting --------------------------------------------------------------------------------------- */

static void
test_settings (void)
{
  guint64 value = 0;

  g_assert_true (teesql_pg_parse_size ("16MB", &value));
  g_assert_cmpuint (value, ==, 16 * 1024 * 1024);
  g_assert_true (teesql_pg_parse_size ("1GB", &value));
  g_assert_cmpuint (value, ==, 1024 * 1024 * 1024);
  g_assert_true (teesql_pg_parse_duration ("1min", &value));
  g_assert_cmpuint (value, ==, 60000);
  g_assert_true (teesql_pg_parse_duration ("500ms", &value));
  g_assert_cmpuint (value, ==, 500);
  g_assert_true (teesql_pg_parse_duration ("0", &value));
  g_assert_cmpuint (value, ==, 0);
  g_assert_false (teesql_pg_parse_size ("MB", &value));
  g_assert_false (teesql_pg_parse_size ("16mb", &value));
  g_assert_false (teesql_pg_parse_size ("-1", &value));
  g_assert_false (teesql_pg_parse_duration ("1 min", &value));
}

static void
test_quoting (void)
{
  g_autofree char *label = teesql_pg_quote_literal ("it's\nLABEL: \\");
  g_autofree char *name = teesql_pg_quote_name ("a\"b");

  g_assert_cmpstr (label, ==, "'it''s LABEL: \\'");
  g_assert_cmpstr (name, ==, "\"a\"\"b\"");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/replication-message/wal data is taken apart", test_wal_data);
  g_test_add_func ("/replication-message/a keepalive says whether it wants an answer", test_wal_keepalive);
  g_test_add_func ("/replication-message/a message cut anywhere is refused and leaves no trace", test_wal_cut_anywhere);
  g_test_add_func ("/replication-message/unknown kinds, trailing bytes and positions that wrap are refused", test_wal_refused);
  g_test_add_func ("/replication-message/a status has PostgreSQL's epoch and its order of fields", test_wal_status);
  g_test_add_func ("/replication-message/an archive is announced by name and tablespace", test_base_archive);
  g_test_add_func ("/replication-message/data, manifest and progress are told apart", test_base_rest);
  g_test_add_func ("/replication-message/only names that an archive can have become names of objects", test_archive_names);
  g_test_add_func ("/replication-message/sizes and durations are read as SHOW writes them", test_settings);
  g_test_add_func ("/replication-message/quotes are doubled and control characters leave a label", test_quoting);
  return g_test_run ();
}
