#include "base/teesql-crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */
#define LANES      8

/* ---- without an instruction: eight bytes at a time from eight tables ---- */

static guint32 tables[LANES][256];

static void
make_tables (void)
{
  for (guint i = 0; i < 256; i++)
    {
      guint32 crc = i;

      for (guint bit = 0; bit < 8; bit++)
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
      tables[0][i] = crc;
    }
  for (guint lane = 1; lane < LANES; lane++)
    for (guint i = 0; i < 256; i++)
      tables[lane][i] = (tables[lane - 1][i] >> 8) ^ tables[0][tables[lane - 1][i] & 0xff];
}

static guint32
update_by_table (guint32 crc, const guint8 *data, gsize size)
{
  static gsize made = 0;

  if (g_once_init_enter (&made))
    {
      make_tables ();
      g_once_init_leave (&made, 1);
    }
  for (; size >= LANES; data += LANES, size -= LANES)
    {
      guint64 word = 0;

      memcpy (&word, data, LANES);
      word = GUINT64_FROM_LE (word) ^ crc;
      crc = 0;
      for (guint lane = 0; lane < LANES; lane++)
        crc ^= tables[LANES - 1 - lane][(word >> (8 * lane)) & 0xff];
    }
  for (; size > 0; data++, size--)
    crc = (crc >> 8) ^ tables[0][(crc ^ *data) & 0xff];
  return crc;
}

/* ---- with one ---- */

#if defined(__x86_64__)
__attribute__ ((target ("sse4.2"))) static guint32
update_by_instruction (guint32 crc, const guint8 *data, gsize size)
{
  guint64 state = crc;

  for (; size >= LANES; data += LANES, size -= LANES)
    {
      guint64 word = 0;

      memcpy (&word, data, LANES);
      state = __builtin_ia32_crc32di (state, word);
    }
  crc = (guint32) state;
  for (; size > 0; data++, size--)
    crc = __builtin_ia32_crc32qi (crc, *data);
  return crc;
}
#endif

guint32
teesql_crc32c (guint32 crc, const guint8 *data, gsize size)
{
#if defined(__x86_64__)
  if (__builtin_cpu_supports ("sse4.2"))
    return ~update_by_instruction (~crc, data, size);
#endif
  return teesql_crc32c_by_table (crc, data, size);
}

guint32
teesql_crc32c_by_table (guint32 crc, const guint8 *data, gsize size)
{
  return ~update_by_table (~crc, data, size);
}

/* ---- two sums into one ----
 *
 * What n zero bytes do to a sum is linear over GF(2): a 32 x 32 matrix, squared for twice as many. */

static guint32
matrix_times (const guint32 matrix[32], guint32 vector)
{
  guint32 sum = 0;

  for (guint i = 0; vector != 0; i++, vector >>= 1)
    if ((vector & 1) != 0)
      sum ^= matrix[i];
  return sum;
}

static void
matrix_square (guint32 matrix[32])
{
  guint32 square[32];

  for (guint i = 0; i < 32; i++)
    square[i] = matrix_times (matrix, matrix[i]);
  memcpy (matrix, square, sizeof square);
}

guint32
teesql_crc32c_combine (guint32 a, guint32 b, guint64 size_b)
{
  guint32 zeros[32] = { POLYNOMIAL };

  for (guint i = 1; i < 32; i++)
    zeros[i] = 1u << (i - 1); /* one zero bit */
  for (guint i = 0; i < 3; i++)
    matrix_square (zeros); /* one zero byte */
  for (; size_b != 0; size_b >>= 1)
    {
      if ((size_b & 1) != 0)
        a = matrix_times (zeros, a);
      matrix_square (zeros);
    }
  return a ^ b;
}
