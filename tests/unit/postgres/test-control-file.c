#include "base/teesql-domains.h"
#include "postgres/teesql-control-file.h"

#include <string.h>

#define FIELDS 292 /* what is used; zeros behind it */

/* The beginning of global/pg_control that initdb 17.11 wrote with --data-checksums; pg_controldata says system identifier
 * 7711157993824267417, state `shut down`, TimeLineID 1, data page checksum version 1. */
static const char made_by_initdb[] = "mSzPBFeJA2ukBgAAiXkQDAEAAAAAAAAAV4kDawAAAABoe3MBAAAAAGh7cwEAAAAAAQAAAAEAAAABAAAAAQAAAOMCAAAAAAAATDUA"
                                     "AAEAAAAAAAAA2wIAAAEAAAABAAAAAQAAAAAAAABXiQNrAAAAAAAAAAAAAAAAAAAAAAAAAADoAwAAAAAAAAAAAAAAAAAAAAAAAAAA"
                                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAZAAAAAgAAAAKAAAAAAAAAEAAAAAAAAAACAAAAAAAAACH1jJBACAAAAAAAgAA"
                                     "IAAAAAAAAUAAAAAgAAAAzAcAAAAIAAABAAAAAQAAACzT/emX5BF+LrTDGhbv+Im2hKN6F3APVs+XQuAPqW6Jamv4BQ==";

static guint8 *
sample (void)
{
  gsize size = 0;
  g_autofree guchar *bytes = g_base64_decode (made_by_initdb, &size);
  guint8 *data = g_malloc0 (TEESQL_CONTROL_FILE_SIZE);

  g_assert_cmpuint (size, ==, FIELDS);
  memmove (data, bytes, size);
  return data;
}

static void
test_reads (void)
{
  g_autofree guint8 *data = sample ();
  g_autoptr (GError) error = NULL;
  TeesqlControlFile control = { 0 };

  g_assert_true (teesql_control_file_parse (data, TEESQL_CONTROL_FILE_SIZE, &control, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (control.system_identifier, ==, 7711157993824267417u);
  g_assert_cmpuint (control.state, ==, 1);
  g_assert_cmpuint (control.timeline, ==, 1);
  g_assert_cmpuint (control.checksum_version, ==, 1);
}

static void
assert_broken (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  TeesqlControlFile control = { .timeline = 42 };

  g_assert_false (teesql_control_file_parse (data, size, &control, &error));
  g_assert_error (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_INTEGRITY);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "control-file");
  g_assert_cmpuint (control.timeline, ==, 42);
}

static void
test_every_bit (void)
{
  g_autofree guint8 *data = sample ();

  for (guint bit = 0; bit < FIELDS * 8; bit++)
    {
      data[bit / 8] = (guint8) (data[bit / 8] ^ 1u << bit % 8);
      assert_broken (data, TEESQL_CONTROL_FILE_SIZE);
      data[bit / 8] = (guint8) (data[bit / 8] ^ 1u << bit % 8);
    }
}

static void
test_sizes (void)
{
  g_autofree guint8 *data = sample ();
  g_autofree guint8 *more = g_malloc0 (TEESQL_CONTROL_FILE_SIZE + 1);

  memmove (more, data, TEESQL_CONTROL_FILE_SIZE);
  assert_broken (data, 0);
  assert_broken (data, FIELDS);
  assert_broken (data, TEESQL_CONTROL_FILE_SIZE - 1);
  assert_broken (more, TEESQL_CONTROL_FILE_SIZE + 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/postgres/control-file/reads-what-initdb-wrote", test_reads);
  g_test_add_func ("/postgres/control-file/every-flipped-bit-is-noticed", test_every_bit);
  g_test_add_func ("/postgres/control-file/only-the-whole-file", test_sizes);
  return g_test_run ();
}
