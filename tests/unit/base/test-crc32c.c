#include "base/teesql-crc32c.h"

#include <string.h>

/* RFC 3720, B.4, and the check value of the catalogue of CRCs */
static void
test_known_answers (void)
{
  guint8 bytes[32] = { 0 };

  g_assert_cmphex (teesql_crc32c (0, (const guint8 *) "123456789", 9), ==, 0xe3069283);
  g_assert_cmphex (teesql_crc32c_by_table (0, (const guint8 *) "123456789", 9), ==, 0xe3069283);
  g_assert_cmphex (teesql_crc32c (0, bytes, sizeof bytes), ==, 0x8a9136aa);
  memset (bytes, 0xff, sizeof bytes);
  g_assert_cmphex (teesql_crc32c (0, bytes, sizeof bytes), ==, 0x62a8ab43);
  for (guint8 i = 0; i < sizeof bytes; i++)
    bytes[i] = i;
  g_assert_cmphex (teesql_crc32c (0, bytes, sizeof bytes), ==, 0x46dd794e);
}

/* one bit at a time, as the definition says */
static guint32
slow (const guint8 *data, gsize size)
{
  guint32 crc = ~0u;

  for (gsize i = 0; i < size; i++)
    {
      crc ^= data[i];
      for (guint bit = 0; bit < 8; bit++)
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    }
  return ~crc;
}

static void
test_any_length_and_place (void)
{
  guint8 bytes[300];

  for (gsize i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) g_test_rand_int_range (0, 256);
  for (gsize from = 0; from < 9; from++)
    for (gsize size = 0; size + from <= sizeof bytes; size += 7)
      {
        guint32 expected = slow (bytes + from, size);

        g_assert_cmphex (teesql_crc32c (0, bytes + from, size), ==, expected);
        g_assert_cmphex (teesql_crc32c_by_table (0, bytes + from, size), ==, expected);
      }
}

static void
test_pieces_and_sums (void)
{
  guint8 bytes[1000];

  for (gsize i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) g_test_rand_int_range (0, 256);
  for (gsize cut = 0; cut <= sizeof bytes; cut += 111)
    {
      guint32 whole = slow (bytes, sizeof bytes);
      guint32 a = teesql_crc32c (0, bytes, cut);
      guint32 b = teesql_crc32c (0, bytes + cut, sizeof bytes - cut);

      g_assert_cmphex (teesql_crc32c (a, bytes + cut, sizeof bytes - cut), ==, whole);
      g_assert_cmphex (teesql_crc32c_by_table (a, bytes + cut, sizeof bytes - cut), ==, whole);
      g_assert_cmphex (teesql_crc32c_combine (a, b, sizeof bytes - cut), ==, whole);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/crc32c/known answers", test_known_answers);
  g_test_add_func ("/crc32c/any length at any place is what the definition says", test_any_length_and_place);
  g_test_add_func ("/crc32c/pieces and combined sums are the sum of the whole", test_pieces_and_sums);
  return g_test_run ();
}
