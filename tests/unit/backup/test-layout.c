#include "backup/teesql-layout.h"
#include <teesql/teesql-storage.h>

#define CLUSTER "v1/404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f/"
#define LINEAGE "0000002a-0123456789abcdef"
#define MIB     (1024u * 1024)

static void
cluster_id (guint8 out[TEESQL_CLUSTER_ID_SIZE])
{
  for (guint8 i = 0; i < TEESQL_CLUSTER_ID_SIZE; i++)
    out[i] = (guint8) (0x40 + i);
}

static void
assert_name (char *name, const char *expected)
{
  g_assert_cmpstr (name, ==, expected);
  g_assert_true (teesql_storage_name_is_valid (name) || g_str_has_suffix (name, "/"));
  g_free (name);
}

static void
names_are_the_documented_ones (void)
{
  guint8 id[TEESQL_CLUSTER_ID_SIZE];
  const guint8 backup[16] = { 0x3f, 0x9a, 0x0c, 0x21 };
  TeesqlLineage lineage;

  cluster_id (id);
  g_assert_true (teesql_lineage_parse (LINEAGE, -1, &lineage, NULL));
  assert_name (teesql_layout_cluster (id), CLUSTER);
  assert_name (teesql_layout_catalog (id, &lineage, 0x1234), CLUSTER LINEAGE "/catalog/0000000000001234");
  assert_name (teesql_layout_catalog (id, &lineage, G_MAXUINT64), CLUSTER LINEAGE "/catalog/ffffffffffffffff");
  assert_name (teesql_layout_piece (id, &lineage, backup, "base", 7), CLUSTER LINEAGE "/base/3f9a0c21000000000000000000000000/base.00007");
  assert_name (teesql_layout_piece (id, &lineage, backup, "16401", 123456),
               CLUSTER LINEAGE "/base/3f9a0c21000000000000000000000000/16401.123456");
  assert_name (teesql_layout_segment (id, &lineage, 0xab, "000000AB000000010000002A"),
               CLUSTER LINEAGE "/wal/000000AB/000000AB000000010000002A");
  assert_name (teesql_layout_partial (id, &lineage, 1, "00000001000000010000002A", 0xff, 0x1000000),
               CLUSTER LINEAGE "/wal/00000001/00000001000000010000002A.000000ff-01000000");
  assert_name (teesql_layout_history (id, &lineage, 11), CLUSTER LINEAGE "/wal/0000000B.history");
  assert_name (teesql_layout_epoch (id, 3, "0011223344556677"), CLUSTER "keys/00000003.0011223344556677");
}

static void
lineages_are_drawn_apart (void)
{
  TeesqlLineage one;
  TeesqlLineage two;
  TeesqlLineage back;
  guint32 generation = 0;

  g_assert_true (teesql_lineage_new (0xdeadbeef, &one, NULL));
  g_assert_true (teesql_lineage_new (0xdeadbeef, &two, NULL));
  g_assert_cmpstr (one.text, !=, two.text);
  g_assert_true (g_str_has_prefix (one.text, "deadbeef-"));
  g_assert_true (teesql_lineage_parse (one.text, -1, &back, &generation));
  g_assert_cmpstr (back.text, ==, one.text);
  g_assert_cmpuint (generation, ==, 0xdeadbeef);
  g_assert_cmpuint (teesql_lineage_get_generation (&back), ==, 0xdeadbeef);
}

static void
lineages_that_are_none (void)
{
  const char *texts[] = { "",
                          "0000002a",
                          "0000002a-0123456789abcde",
                          "0000002a-0123456789abcdef0",
                          "0000002A-0123456789abcdef",
                          "0000002a-0123456789ABCDEF",
                          "0000002a_0123456789abcdef",
                          "0000002g-0123456789abcdef",
                          " 000002a-0123456789abcdef",
                          "+000002a-0123456789abcdef" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      TeesqlLineage lineage = { .text = "before" };

      g_assert_false (teesql_lineage_parse (texts[i], -1, &lineage, NULL));
      g_assert_cmpstr (lineage.text, ==, "before");
    }
  TeesqlLineage lineage;
  g_assert_true (teesql_lineage_parse (LINEAGE "/catalog/", TEESQL_LINEAGE_SIZE - 1, &lineage, NULL));
  g_assert_cmpstr (lineage.text, ==, LINEAGE);
}

static void
segments_there_and_back (void)
{
  static const struct
  {
    guint64 lsn;
    guint32 size;
    const char *name;
    guint64 start;
  } rows[] = {
    { 0, 16 * MIB, "000000070000000000000000", 0 },
    { 0xffffff, 16 * MIB, "000000070000000000000000", 0 },
    { 0x1000000, 16 * MIB, "000000070000000000000001", 0x1000000 },
    { 0x2aff000123, 16 * MIB, "000000070000002A000000FF", 0x2aff000000 },
    { 0x2affffffff, MIB, "000000070000002A00000FFF", 0x2afff00000 },
    { 0x2affffffff, 1024 * MIB, "000000070000002A00000003", 0x2ac0000000 },
    { G_MAXUINT64, 64 * MIB, "00000007FFFFFFFF0000003F", 0xfffffffffc000000 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *name = teesql_wal_segment_name (7, rows[i].lsn, rows[i].size);
      guint32 timeline = 0;
      guint64 start = 1;

      g_assert_cmpstr (name, ==, rows[i].name);
      g_assert_true (teesql_wal_segment_parse (name, rows[i].size, &timeline, &start));
      g_assert_cmpuint (timeline, ==, 7);
      g_assert_cmpuint (start, ==, rows[i].start);
    }
}

static void
segments_that_are_none (void)
{
  const char *names[] = { "",
                          "00000001000000000000000",
                          "0000000100000000000000010",
                          "00000001000000000000010a",
                          "00000001000000000000000G",
                          "000000000000000000000001", /* there is no timeline 0 */
                          "000000010000000000000100", /* 256 segments of 16 MiB to an id */
                          "00000002.history" };
  guint32 timeline = 0;
  guint64 start = 0;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_false (teesql_wal_segment_parse (names[i], 16 * MIB, &timeline, &start));
  g_assert_false (teesql_wal_segment_parse ("000000010000000000000001", 0, &timeline, &start));
  g_assert_false (teesql_wal_segment_parse ("000000010000000000000001", 3 * MIB, &timeline, &start));
  g_assert_false (teesql_wal_segment_parse ("000000010000000000000001", 1u << 31, &timeline, &start));
}

static void
lsn_there_and_back (void)
{
  const guint64 lsns[] = { 0, 1, 0x16b3748, 0x2a00000000, G_MAXUINT64 };
  const char *texts[] = { "0/0", "0/1", "0/16B3748", "2A/0", "FFFFFFFF/FFFFFFFF" };
  const char *none[] = { "", "/", "1", "1/", "/1", "0/123456789", "123456789/0", "0/1 ", " 0/1", "0/1/2", "0x1/2", "-1/2", "0/g" };

  for (guint i = 0; i < G_N_ELEMENTS (lsns); i++)
    {
      g_autofree char *text = teesql_lsn_to_string (lsns[i]);
      guint64 back = 42;

      g_assert_cmpstr (text, ==, texts[i]);
      g_assert_true (teesql_lsn_parse (text, &back));
      g_assert_cmpuint (back, ==, lsns[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (none); i++)
    {
      guint64 lsn = 42;

      g_assert_false (teesql_lsn_parse (none[i], &lsn));
      g_assert_cmpuint (lsn, ==, 42);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backup/layout/names-are-the-documented-ones", names_are_the_documented_ones);
  g_test_add_func ("/backup/layout/lineages-are-drawn-apart", lineages_are_drawn_apart);
  g_test_add_func ("/backup/layout/lineages-that-are-none", lineages_that_are_none);
  g_test_add_func ("/backup/layout/segments-there-and-back", segments_there_and_back);
  g_test_add_func ("/backup/layout/segments-that-are-none", segments_that_are_none);
  g_test_add_func ("/backup/layout/lsn-there-and-back", lsn_there_and_back);
  return g_test_run ();
}
