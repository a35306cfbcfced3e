#include "backup/teesql-tar.h"

#include "base/teesql-domains.h"
#include "tar-fixture.h"

#include <string.h>

/* ---- what a reader says ---- */

static gboolean
begin_cb (const TeesqlTarEntry *entry, gpointer user_data, GError **error)
{
  static const char kinds[] = { 'f', 'd', 'l' };

  g_string_append_printf (user_data, "%c:%s", kinds[entry->kind], entry->name);
  if (entry->link != NULL)
    g_string_append_printf (user_data, ">%s", entry->link);
  g_string_append_c (user_data, entry->kind == TEESQL_TAR_FILE ? '=' : ';');
  return TRUE;
}

static gboolean
data_cb (const guint8 *data, gsize size, gpointer user_data, GError **error)
{
  g_string_append_len (user_data, (const char *) data, (gssize) size);
  return TRUE;
}

static gboolean
end_cb (gpointer user_data, GError **error)
{
  g_string_append_c (user_data, ';');
  return TRUE;
}

static const TeesqlTarHandler handler = { begin_cb, data_cb, end_cb };

static gboolean
read_tar (const GByteArray *tar, gsize step, GString *said, GError **error)
{
  g_autoptr (TeesqlTarReader) reader = teesql_tar_reader_new (&handler, said);

  for (gsize at = 0; at < tar->len; at += step)
    if (!teesql_tar_reader_feed (reader, tar->data + at, MIN (step, tar->len - at), error))
      {
        g_assert_false (teesql_tar_reader_feed (reader, tar->data, 1, NULL));
        g_assert_false (teesql_tar_reader_finish (reader, NULL));
        return FALSE;
      }
  return teesql_tar_reader_finish (reader, error);
}

static void
expect_refused (const GByteArray *tar, const char *reason)
{
  static const gsize steps[] = { 1, 511, 512, 4096 };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (GString) said = g_string_new (NULL);
      g_autoptr (GError) error = NULL;

      g_assert_false (read_tar (tar, steps[i], said, &error));
      g_assert_error (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
    }
}

static GByteArray *
new_tar (void)
{
  return g_byte_array_new ();
}

/* An archive of one folder and one entry, refused for @reason. */
static void
expect_entry_refused (char flag, const char *name, const char *link, const char *content, const char *reason)
{
  g_autoptr (GByteArray) tar = new_tar ();

  tar_fixture_add (tar, '5', "base/", NULL, NULL);
  tar_fixture_add (tar, flag, name, link, content);
  tar_fixture_end (tar);
  expect_refused (tar, reason);
}

/* ---- what PostgreSQL writes ---- */

static void
test_good (void)
{
  static const gsize steps[] = { 1, 7, 511, 512, 513, 100000 };
  g_autoptr (GByteArray) tar = new_tar ();

  tar_fixture_add (tar, '0', "backup_label", NULL, "label");
  tar_fixture_add (tar, '5', "base/", NULL, NULL);
  tar_fixture_add (tar, '0', "base/empty", NULL, "");
  tar_fixture_add (tar, '5', "pg_tblspc/", NULL, NULL);
  tar_fixture_add (tar, '2', "pg_tblspc/16384/", "/srv/fast", NULL);
  tar_fixture_add (tar, '5', "pg_wal/", NULL, NULL);
  tar_fixture_add (tar, '5', "./pg_wal/summaries/", NULL, NULL);
  tar_fixture_add (tar, '0', "base/2619", NULL, "pages");
  tar_fixture_end (tar);
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (GString) said = g_string_new (NULL);
      GError *error = NULL;

      g_assert_true (read_tar (tar, steps[i], said, &error));
      g_assert_no_error (error);
      g_assert_cmpstr (said->str, ==,
                       "f:backup_label=label;d:base;f:base/empty=;d:pg_tblspc;l:pg_tblspc/16384>/srv/fast;"
                       "d:pg_wal;d:pg_wal/summaries;f:base/2619=pages;");
    }
}

static void
test_prefix (void)
{
  g_autoptr (GByteArray) tar = new_tar ();
  g_autoptr (GString) said = g_string_new (NULL);
  guint8 *header = NULL;

  tar_fixture_add (tar, '5', "base", NULL, NULL);
  header = tar_fixture_header (tar, '0', "file", NULL, 0);
  g_strlcpy ((char *) header + 345, "base", 155);
  tar_fixture_seal (header);
  tar_fixture_end (tar);
  g_assert_true (read_tar (tar, 512, said, NULL));
  g_assert_cmpstr (said->str, ==, "d:base;f:base/file=;");
}

static void
test_base256 (void)
{
  g_autoptr (GByteArray) tar = new_tar ();
  g_autoptr (GString) said = g_string_new (NULL);
  guint8 *header = tar_fixture_header (tar, '0', "file", NULL, 0);

  memset (header + 124, 0, 12);
  header[124] = 0x80;
  header[135] = 3;
  tar_fixture_seal (header);
  g_byte_array_append (tar, (const guint8 *) "abc", 3);
  tar_fixture_pad (tar);
  tar_fixture_end (tar);
  g_assert_true (read_tar (tar, 100, said, NULL));
  g_assert_cmpstr (said->str, ==, "f:file=abc;");
}

static gboolean
count_cb (const guint8 *data, gsize size, gpointer user_data, GError **error)
{
  *(guint64 *) user_data += size;
  return TRUE;
}

static gboolean
nothing_begin (const TeesqlTarEntry *entry, gpointer user_data, GError **error)
{
  return TRUE;
}

static gboolean
nothing_end (gpointer user_data, GError **error)
{
  return TRUE;
}

/* More than eleven octal digits can say */
static void
test_large (void)
{
  static const TeesqlTarHandler counting = { nothing_begin, count_cb, nothing_end };
  const guint64 size = ((guint64) 1 << 33) + 512;
  g_autoptr (GByteArray) tar = new_tar ();
  g_autofree guint8 *piece = g_malloc0 (1 << 20);
  guint64 counted = 0;
  guint8 *header = tar_fixture_header (tar, '0', "1234.1", NULL, 0);
  g_autoptr (TeesqlTarReader) reader = NULL;

  memset (header + 124, 0, 12);
  header[124] = 0x80;
  header[131] = 2;
  header[134] = 2;
  tar_fixture_seal (header);
  reader = teesql_tar_reader_new (&counting, &counted);
  g_assert_true (teesql_tar_reader_feed (reader, tar->data, tar->len, NULL));
  for (guint64 left = size; left > 0; left -= MIN (left, 1 << 20))
    g_assert_true (teesql_tar_reader_feed (reader, piece, (gsize) MIN (left, 1 << 20), NULL));
  g_assert_cmpuint (counted, ==, size);
  g_assert_true (teesql_tar_reader_feed (reader, piece, 1024, NULL));
  g_assert_true (teesql_tar_reader_finish (reader, NULL));
}

/* ---- attacks ---- */

static void
test_paths (void)
{
  static const char *const names[] = { "/etc/passwd",
                                       "../x",
                                       "base/../../x",
                                       "base/..",
                                       "..",
                                       "base//x",
                                       "./x",
                                       "./pg_wal/../x",
                                       "base/./x",
                                       "",
                                       "base/x\n",
                                       "base/\x7f"
                                       "x",
                                       "base/x/",
                                       "//",
                                       "." };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    expect_entry_refused ('0', names[i], NULL, "x", "tar-path");
  expect_entry_refused ('5', "../up/", NULL, NULL, "tar-path");
  expect_entry_refused ('5', "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/", NULL,
                        NULL, "tar-path"); /* deeper than anybody clears away */
  expect_entry_refused ('5', "base//", NULL, NULL, "tar-path");
  expect_entry_refused ('2', "../pg_tblspc/1/", "/srv", NULL, "tar-path");
}

static void
test_parents (void)
{
  expect_entry_refused ('0', "nowhere/x", NULL, "x", "tar-parent");
  expect_entry_refused ('5', "base/a/b/", NULL, NULL, "tar-parent");
}

static void
test_behind_link (void)
{
  g_autoptr (GByteArray) tar = new_tar ();

  tar_fixture_add (tar, '5', "pg_tblspc/", NULL, NULL);
  tar_fixture_add (tar, '2', "pg_tblspc/16384/", "/etc", NULL);
  tar_fixture_add (tar, '0', "pg_tblspc/16384/passwd", NULL, "x");
  tar_fixture_end (tar);
  expect_refused (tar, "tar-parent");
}

static void
test_links (void)
{
  expect_entry_refused ('2', "base/link/", "/etc", NULL, "tar-link");
  expect_entry_refused ('2', "pg_tblspc/../x/", "/etc", NULL, "tar-path");
  expect_entry_refused ('2', "pg_tblspc/16384x/", "/etc", NULL, "tar-link");
  expect_entry_refused ('2', "pg_tblspc/0/", "/etc", NULL, "tar-link");
  expect_entry_refused ('2', "pg_tblspc/16384/", "etc", NULL, "tar-link");
  expect_entry_refused ('2', "pg_tblspc/16384/", "", NULL, "tar-link");
  expect_entry_refused ('0', "base/x", "/etc/passwd", "x", "tar-link");
}

static void
test_kinds (void)
{
  static const char kinds[] = { '1', '3', '4', '6', '7', 'L', 'K', 'x', 'g', 'S', '\0', 'D' };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    expect_entry_refused (kinds[i], "base/x", NULL, NULL, "tar-kind");
}

static void
test_doubles (void)
{
  static const char pairs[][2] = { { '5', '5' }, { '5', '0' }, { '2', '5' }, { '2', '0' }, { '2', '2' } };

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (GByteArray) tar = new_tar ();

      tar_fixture_add (tar, '5', "pg_tblspc/", NULL, NULL);
      tar_fixture_add (tar, pairs[i][0], "pg_tblspc/16384", pairs[i][0] == '2' ? "/srv" : NULL, NULL);
      tar_fixture_add (tar, pairs[i][1], "pg_tblspc/16384", pairs[i][1] == '2' ? "/srv" : NULL, NULL);
      tar_fixture_end (tar);
      expect_refused (tar, "tar-double");
    }
}

static void
expect_spoilt (guint offset, const void *bytes, gsize size, gboolean seal, const char *reason)
{
  g_autoptr (GByteArray) tar = new_tar ();
  guint8 *header = tar_fixture_header (tar, '0', "file", NULL, 0);

  memcpy (header + offset, bytes, size);
  if (seal)
    tar_fixture_seal (header);
  tar_fixture_end (tar);
  expect_refused (tar, reason);
}

static void
test_fields (void)
{
  static const guint8 negative[12] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
  static const guint8 huge[12] = { 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
  static const guint8 wide[12] = { 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 };

  expect_spoilt (124, "x", 1, FALSE, "tar-checksum");
  expect_spoilt (148, "zzzzzz", 6, FALSE, "tar-checksum");
  expect_spoilt (257, "gnutar", 6, TRUE, "tar-magic");
  expect_spoilt (263, "  ", 2, TRUE, "tar-magic");
  expect_spoilt (124, "0000000000x", 11, TRUE, "tar-field");
  expect_spoilt (124, "            ", 12, TRUE, "tar-field");
  expect_spoilt (124, negative, 12, TRUE, "tar-field");
  expect_spoilt (124, wide, 12, TRUE, "tar-field");
  expect_spoilt (124, huge, 12, TRUE, "tar-size");
  expect_spoilt (10, "hidden", 6, TRUE, "tar-name"); /* behind the name's NUL */
  expect_spoilt (200, "x", 1, TRUE, "tar-field");    /* behind the NUL of the link */
}

static void
test_folder_with_size (void)
{
  g_autoptr (GByteArray) tar = new_tar ();

  tar_fixture_header (tar, '5', "base", NULL, 512);
  tar_fixture_end (tar);
  expect_refused (tar, "tar-size");
}

static void
test_truncated (void)
{
  g_autoptr (GByteArray) tar = new_tar ();

  tar_fixture_add (tar, '0', "file", NULL, "content");
  tar_fixture_end (tar);
  for (guint cut = 1; cut < tar->len; cut++)
    {
      g_autoptr (GByteArray) part = g_byte_array_new ();

      g_byte_array_append (part, tar->data, tar->len - cut);
      expect_refused (part, "tar-end");
    }
}

static void
test_behind_end (void)
{
  g_autoptr (GByteArray) tar = new_tar ();

  tar_fixture_add (tar, '0', "file", NULL, "content");
  tar_fixture_end (tar);
  tar_fixture_add (tar, '0', "late", NULL, "content");
  expect_refused (tar, "tar-end");
}

static void
test_padding (void)
{
  g_autoptr (GByteArray) tar = new_tar ();

  tar_fixture_add (tar, '0', "file", NULL, "content");
  tar->data[tar->len - 1] = 1;
  tar_fixture_end (tar);
  expect_refused (tar, "tar-padding");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tar/what PostgreSQL writes is read whatever the pieces", test_good);
  g_test_add_func ("/tar/a prefix stands before the name", test_prefix);
  g_test_add_func ("/tar/a size in base-256 is read", test_base256);
  g_test_add_func ("/tar/a file of over 8 GiB is read", test_large);
  g_test_add_func ("/tar/no name leads out", test_paths);
  g_test_add_func ("/tar/a file lies in a folder that was named before", test_parents);
  g_test_add_func ("/tar/nothing lies behind a link", test_behind_link);
  g_test_add_func ("/tar/only a tablespace is a link", test_links);
  g_test_add_func ("/tar/devices, pipes, hard links and extensions are refused", test_kinds);
  g_test_add_func ("/tar/a folder never changes into something else", test_doubles);
  g_test_add_func ("/tar/fields that make no sense are refused", test_fields);
  g_test_add_func ("/tar/a folder has no content", test_folder_with_size);
  g_test_add_func ("/tar/an archive cut at any byte is refused", test_truncated);
  g_test_add_func ("/tar/nothing stands behind the end", test_behind_end);
  g_test_add_func ("/tar/padding is zeros", test_padding);
  return g_test_run ();
}
