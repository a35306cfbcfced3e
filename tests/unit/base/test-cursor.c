#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"

static const guint8 bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static void
assert_refused (gboolean succeeded, GError **error, const char *reason)
{
  g_assert_false (succeeded);
  g_assert_error (*error, TEESQL_PARSE_ERROR, (int) TEESQL_ERROR_MALFORMED);
  g_assert_cmpstr (teesql_error_get_reason (*error), ==, reason);
  g_clear_error (error);
}

static void
integers_are_read_in_both_orders (void)
{
  TeesqlCursor cursor;
  guint8 a = 0;
  guint16 b = 0;
  guint32 c = 0;
  guint64 d = 0;

  teesql_cursor_init (&cursor, "numbers", bytes, sizeof bytes);
  g_assert_true (teesql_cursor_u8 (&cursor, "a", &a, NULL) && teesql_cursor_u16_le (&cursor, "b", &b, NULL));
  g_assert_true (teesql_cursor_u32_le (&cursor, "c", &c, NULL) && teesql_cursor_u64_le (&cursor, "d", &d, NULL));
  g_assert_cmphex (a, ==, 0x01);
  g_assert_cmphex (b, ==, 0x0302);
  g_assert_cmphex (c, ==, 0x07060504);
  g_assert_cmphex (d, ==, G_GUINT64_CONSTANT (0x0f0e0d0c0b0a0908));
  g_assert_true (teesql_cursor_expect_end (&cursor, NULL));
  cursor.pos = 1;
  g_assert_true (teesql_cursor_u16_be (&cursor, "b", &b, NULL) && teesql_cursor_u32_be (&cursor, "c", &c, NULL));
  g_assert_true (teesql_cursor_u64_be (&cursor, "d", &d, NULL));
  g_assert_cmphex (b, ==, 0x0203);
  g_assert_cmphex (c, ==, 0x04050607);
  g_assert_cmphex (d, ==, G_GUINT64_CONSTANT (0x08090a0b0c0d0e0f));
}

static void
a_short_read_changes_nothing (void)
{
  g_autoptr (GError) error = NULL;
  TeesqlCursor cursor;
  guint32 value = 77;
  const guint8 *taken = bytes + 3;

  teesql_cursor_init (&cursor, "packet", bytes, 3);
  assert_refused (teesql_cursor_u32_be (&cursor, "length", &value, &error), &error, "truncated");
  assert_refused (teesql_cursor_take (&cursor, "body", G_MAXSIZE, &taken, &error), &error, "truncated");
  assert_refused (teesql_cursor_skip (&cursor, "body", 4, &error), &error, "truncated");
  g_assert_cmpuint (value, ==, 77);
  g_assert_true (taken == bytes + 3);
  g_assert_cmpuint (cursor.pos, ==, 0);
  g_assert_cmpuint (teesql_cursor_remaining (&cursor), ==, 3);
}

static void
messages_name_structure_field_and_offset (void)
{
  g_autoptr (GError) error = NULL;
  TeesqlCursor cursor;
  guint32 value = 0;

  teesql_cursor_init (&cursor, "startup packet", bytes, 5);
  g_assert_true (teesql_cursor_skip (&cursor, "tag", 2, NULL));
  g_assert_false (teesql_cursor_u32_be (&cursor, "length", &value, &error));
  g_assert_cmpstr (error->message, ==, "startup packet, offset 2: length needs 4 bytes, 3 are left");
}

static void
a_sub_cursor_cannot_see_beyond_its_bytes (void)
{
  g_autoptr (GError) error = NULL;
  TeesqlCursor cursor;
  TeesqlCursor sub;
  guint8 value = 0;

  teesql_cursor_init (&cursor, "outer", bytes, sizeof bytes);
  g_assert_true (teesql_cursor_sub (&cursor, "inner", 2, &sub, NULL));
  g_assert_true (teesql_cursor_skip (&sub, "both", 2, NULL));
  assert_refused (teesql_cursor_u8 (&sub, "more", &value, &error), &error, "truncated");
  g_assert_cmpuint (*teesql_cursor_peek (&cursor), ==, 3);
  assert_refused (teesql_cursor_expect_end (&cursor, &error), &error, "trailing-bytes");
}

static void
a_string_ends_within_its_bound (void)
{
  static const guint8 text[] = { 'a', 'b', 0, 'c', 'd', 'e' };
  g_autoptr (GError) error = NULL;
  TeesqlCursor cursor;
  const char *value = NULL;

  teesql_cursor_init (&cursor, "text", text, sizeof text);
  assert_refused (teesql_cursor_c_string (&cursor, "name", 2, &value, &error), &error, "unterminated");
  g_assert_null (value);
  g_assert_true (teesql_cursor_c_string (&cursor, "name", 3, &value, NULL));
  g_assert_cmpstr (value, ==, "ab");
  assert_refused (teesql_cursor_c_string (&cursor, "rest", 100, &value, &error), &error, "unterminated");
  g_assert_cmpuint (cursor.pos, ==, 3);
}

static void
no_bytes_at_all_are_read_safely (void)
{
  g_autoptr (GError) error = NULL;
  TeesqlCursor cursor;
  guint8 out[1] = { 9 };

  teesql_cursor_init (&cursor, "nothing", NULL, 0);
  g_assert_true (teesql_cursor_copy (&cursor, "zero bytes", out, 0, NULL));
  g_assert_nonnull (teesql_cursor_peek (&cursor));
  g_assert_true (teesql_cursor_expect_end (&cursor, NULL));
  assert_refused (teesql_cursor_copy (&cursor, "one byte", out, 1, &error), &error, "truncated");
  g_assert_cmpuint (out[0], ==, 9);
}

static void
a_copy_of_the_cursor_is_a_try (void)
{
  TeesqlCursor cursor;
  TeesqlCursor attempt;

  teesql_cursor_init (&cursor, "packet", bytes, 4);
  attempt = cursor;
  g_assert_true (teesql_cursor_skip (&attempt, "all", 4, NULL));
  g_assert_cmpuint (cursor.pos, ==, 0);
  cursor = attempt;
  g_assert_true (teesql_cursor_expect_end (&cursor, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cursor/integers are read in both orders", integers_are_read_in_both_orders);
  g_test_add_func ("/cursor/a short read changes nothing", a_short_read_changes_nothing);
  g_test_add_func ("/cursor/messages name structure field and offset", messages_name_structure_field_and_offset);
  g_test_add_func ("/cursor/a sub cursor cannot see beyond its bytes", a_sub_cursor_cannot_see_beyond_its_bytes);
  g_test_add_func ("/cursor/a string ends within its bound", a_string_ends_within_its_bound);
  g_test_add_func ("/cursor/no bytes at all are read safely", no_bytes_at_all_are_read_safely);
  g_test_add_func ("/cursor/a copy of the cursor is a try", a_copy_of_the_cursor_is_a_try);
  return g_test_run ();
}
