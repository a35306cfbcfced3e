/* Everything a storage can do to an object. */
#include "fixture.h"

#define MIB     TEESQL_SEAL_SEGMENT_SIZE
#define SEGMENT (MIB + TEESQL_SEAL_TAG_SIZE)

typedef struct
{
  TeesqlEpochKeys *keys;
  GBytes *sealed; /* 3 segments, the last of 100 bytes */
  gsize header;
} Object;

static Object
three_segments (const TeesqlSealContext *context, guint32 epoch)
{
  TeesqlEpochKeys *keys = fixture_keys (0, 0x40, 3);

  return (Object){ keys, fixture_seal (context, keys, epoch, 2 * MIB + 100), 140 + strlen (context->name) };
}

static void
object_clear (Object *o)
{
  teesql_epoch_keys_unref (o->keys);
  g_bytes_unref (o->sealed);
}

static void
assert_refused (Object *o, GBytes *changed, TeesqlError code, const char *reason)
{
  fixture_assert_refused (&fixture_context, o->keys, changed, code, reason);
}

static void
each_header_field_has_its_reason (void)
{
  static const struct
  {
    const char *field;
    gsize offset;
    guint8 bits;
    TeesqlError code;
    const char *reason;
  } rows[] = {
    { "magic", 0, 1, TEESQL_ERROR_MALFORMED, "seal-magic" },
    { "magic", 6, 0x80, TEESQL_ERROR_MALFORMED, "seal-magic" },
    { "version", 7, 3, TEESQL_ERROR_MALFORMED, "seal-version" },
    { "simulated", 8, 1, TEESQL_ERROR_REFUSED, "seal-simulated" },
    { "unknown flag", 8, 2, TEESQL_ERROR_MALFORMED, "seal-flags" },
    { "segment size", 9, 1, TEESQL_ERROR_MALFORMED, "seal-segment-size" },
    { "an epoch that is not here", 10, 0x80, TEESQL_ERROR_NOT_FOUND, "key-epoch-absent" },
    { "another epoch that is here", 13, 1, TEESQL_ERROR_REFUSED, "seal-commitment" },
    { "salt", 14, 1, TEESQL_ERROR_REFUSED, "seal-commitment" },
    { "salt", 45, 0x10, TEESQL_ERROR_REFUSED, "seal-commitment" },
    { "commitment", 46, 1, TEESQL_ERROR_REFUSED, "seal-commitment" },
    { "commitment", 77, 0x80, TEESQL_ERROR_REFUSED, "seal-commitment" },
    { "cluster id", 78, 1, TEESQL_ERROR_REFUSED, "seal-context" },
    { "system identifier", 110, 1, TEESQL_ERROR_REFUSED, "seal-context" },
    { "timeline", 121, 1, TEESQL_ERROR_REFUSED, "seal-context" },
    { "backup id", 137, 1, TEESQL_ERROR_REFUSED, "seal-context" },
    { "name length, too much", 138, 0x80, TEESQL_ERROR_MALFORMED, "seal-name" },
    { "name length, one less", 139, 0x01, TEESQL_ERROR_REFUSED, "seal-context" },
    { "name", 140, 1, TEESQL_ERROR_REFUSED, "seal-context" },
    { "name, not a name", 140, 0x80, TEESQL_ERROR_MALFORMED, "seal-name" },
  };
  Object o = three_segments (&fixture_context, 0);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GBytes) changed = fixture_flip (o.sealed, rows[i].offset, rows[i].bits);

      g_test_message ("%s", rows[i].field);
      assert_refused (&o, changed, rows[i].code, rows[i].reason);
    }
  object_clear (&o);
}

static void
every_bit_of_a_small_object (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  g_autoptr (GBytes) sealed = fixture_seal (&fixture_context, keys, 0, 50);

  for (gsize i = 0; i < 8 * g_bytes_get_size (sealed); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) changed = fixture_flip (sealed, i / 8, (guint8) (1u << (i % 8)));
      g_autoptr (GBytes) plain = teesql_unseal_bytes (&fixture_context, keys, changed, &error);

      g_assert_null (plain);
      g_assert_nonnull (error);
    }
}

static void
truncated_at_each_length (void)
{
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
  g_autoptr (GBytes) sealed = fixture_seal (&fixture_context, keys, 0, 50);
  gsize header = 140 + strlen (fixture_context.name);

  for (gsize size = 0; size < g_bytes_get_size (sealed); size++)
    {
      g_autoptr (GBytes) cut = fixture_join (sealed, size, NULL, 0);
      gboolean shaped = size >= header + 16;

      fixture_assert_refused (&fixture_context, keys, cut, shaped ? TEESQL_ERROR_INTEGRITY : TEESQL_ERROR_MALFORMED,
                              shaped          ? "seal-tag"
                              : size < header ? "seal-truncated"
                                              : "seal-size");
    }
}

static void
cut_at_a_segment (void)
{
  Object o = three_segments (&fixture_context, 0);

  for (guint segments = 1; segments <= 2; segments++)
    {
      g_autoptr (GBytes) cut = fixture_join (o.sealed, o.header + segments * SEGMENT, NULL, 0);

      assert_refused (&o, cut, TEESQL_ERROR_INTEGRITY, "seal-tag");
    }
  object_clear (&o);
}

/* the object with segments of @order, each a segment number of @from */
static GBytes *
arranged (Object *o, GBytes *from, const char *order)
{
  GByteArray *out = g_byte_array_new ();
  const guint8 *data = g_bytes_get_data (from, NULL);
  const guint8 *head = g_bytes_get_data (o->sealed, NULL);

  g_byte_array_append (out, head, (guint) o->header);
  for (; *order != '\0'; order++)
    {
      gsize offset = o->header + (gsize) (*order - '0') * SEGMENT;

      g_byte_array_append (out, data + offset, (guint) MIN (SEGMENT, g_bytes_get_size (from) - offset));
    }
  return g_byte_array_free_to_bytes (out);
}

static void
swapped_and_doubled_segments (void)
{
  const char *orders[] = { "102", "002", "112", "02", "12", "0012", "0112", "0122", "010", "2", "1", "01", "0" };
  Object o = three_segments (&fixture_context, 0);

  for (guint i = 0; i < G_N_ELEMENTS (orders); i++)
    {
      g_autoptr (GBytes) changed = arranged (&o, o.sealed, orders[i]);
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) plain = teesql_unseal_bytes (&fixture_context, o.keys, changed, &error);

      g_test_message ("%s", orders[i]);
      g_assert_null (plain);
      g_assert_true (strcmp (teesql_error_get_reason (error), "seal-tag") == 0);
    }
  g_autoptr (GBytes) same = arranged (&o, o.sealed, "012");
  g_assert_true (g_bytes_equal (same, o.sealed));
  object_clear (&o);
}

/* another object of the same place, cluster and name: a splice that only the salt tells apart */
static void
segments_of_another_object (void)
{
  Object o = three_segments (&fixture_context, 0);
  g_autoptr (GBytes) twin = fixture_seal (&fixture_context, o.keys, 0, 2 * MIB + 100);

  for (guint segment = 0; segment < 3; segment++)
    {
      gsize offset = o.header + segment * SEGMENT;
      g_autoptr (GBytes) head = fixture_join (o.sealed, offset, twin, offset);

      assert_refused (&o, head, TEESQL_ERROR_INTEGRITY, "seal-tag");
    }
  object_clear (&o);
}

static void
something_appended (void)
{
  Object o = three_segments (&fixture_context, 0);
  g_autoptr (GBytes) longer = fixture_join (o.sealed, g_bytes_get_size (o.sealed), o.sealed, g_bytes_get_size (o.sealed) - 1);
  g_autoptr (GBytes) twice = fixture_join (o.sealed, g_bytes_get_size (o.sealed), o.sealed, o.header);

  assert_refused (&o, longer, TEESQL_ERROR_INTEGRITY, "seal-tag");
  assert_refused (&o, twice, TEESQL_ERROR_INTEGRITY, "seal-tag");
  object_clear (&o);
}

static void
another_place_is_another_object (void)
{
  TeesqlSealContext others[5] = { fixture_context, fixture_context, fixture_context, fixture_context, fixture_context };
  const char *reasons[5] = { "seal-context", "seal-context", "seal-context", "seal-context", "seal-simulated" };

  others[0].system_identifier++;
  others[1].timeline++;
  others[2].backup_id[15]++;
  others[3].name = "v1/base/one.00001";
  others[4].simulated = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 1);
      g_autoptr (GBytes) there = fixture_seal (&others[i], keys, 0, 100);
      g_autoptr (GBytes) here = fixture_seal (&fixture_context, keys, 0, 100);

      fixture_assert_refused (&fixture_context, keys, there, TEESQL_ERROR_REFUSED, reasons[i]);
      fixture_assert_refused (&others[i], keys, here, TEESQL_ERROR_REFUSED, reasons[i]);
    }
}

/* the header rewritten to the place where it is offered: then the keys are others */
static void
a_forged_header_has_other_keys (void)
{
  TeesqlSealContext other = fixture_context;
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 2);

  other.timeline++;
  for (gsize offset = 110; offset < 140; offset++)
    {
      TeesqlSealContext expected = fixture_context;
      g_autoptr (GBytes) sealed = fixture_seal (&fixture_context, keys, 0, 100);
      g_autoptr (GBytes) forged = fixture_flip (sealed, offset, 1);

      if (offset < 118)
        expected.system_identifier ^= G_GUINT64_CONSTANT (1) << (8 * (117 - offset));
      else if (offset < 122)
        expected.timeline ^= 1u << (8 * (121 - offset));
      else if (offset < 138)
        expected.backup_id[offset - 122] ^= 1;
      else
        continue;
      fixture_assert_refused (&expected, keys, forged, TEESQL_ERROR_REFUSED, "seal-commitment");
    }
}

static void
another_cluster_or_kms (void)
{
  g_autoptr (TeesqlEpochKeys) ours = fixture_keys (0, 0x40, 1);
  g_autoptr (TeesqlEpochKeys) cluster = fixture_keys (0, 0x41, 1);
  g_autoptr (TeesqlEpochKeys) kms = fixture_keys (1, 0x40, 1);
  g_autoptr (GBytes) sealed = fixture_seal (&fixture_context, ours, 0, 100);

  fixture_assert_refused (&fixture_context, cluster, sealed, TEESQL_ERROR_REFUSED, "seal-context");
  fixture_assert_refused (&fixture_context, kms, sealed, TEESQL_ERROR_REFUSED, "seal-commitment");
}

static void
an_epoch_that_is_not_here (void)
{
  g_autoptr (TeesqlEpochKeys) three = fixture_keys (0, 0x40, 3);
  g_autoptr (TeesqlEpochKeys) one = fixture_keys (0, 0x40, 1);
  g_autoptr (GBytes) sealed = fixture_seal (&fixture_context, three, 2, 100);

  fixture_assert_refused (&fixture_context, one, sealed, TEESQL_ERROR_NOT_FOUND, "key-epoch-absent");
}

typedef struct
{
  TeesqlSealReader *reader;
  const guint8 *body;
  guint8 *out;
} Opening;

static gboolean
is_zero (const guint8 *data, gsize size)
{
  for (gsize i = 0; i < size; i++)
    {
      if (data[i] != 0)
        return FALSE;
    }
  return TRUE;
}

/* refused, and nothing of it is left in the buffer */
static void
assert_not_opened (Opening *x, guint32 index, gboolean last, gsize offset, gsize size, TeesqlError code, const char *reason)
{
  GError *error = NULL;
  gsize plain = size > TEESQL_SEAL_TAG_SIZE ? size - TEESQL_SEAL_TAG_SIZE : 0;

  for (gsize i = 0; i < plain; i++)
    x->out[i] = 0xaa;
  g_assert_false (teesql_seal_reader_open (x->reader, index, last, x->body + offset, size, x->out, &error));
  fixture_assert_error (&error, code, reason);
  g_assert_true (is_zero (x->out, plain));
}

static void
the_last_flag_and_the_place_are_in_the_tag (void)
{
  Object o = three_segments (&fixture_context, 0);
  gsize parsed = 0;
  const guint8 *data = g_bytes_get_data (o.sealed, NULL);
  Opening x = { teesql_seal_reader_new (&fixture_context, o.keys, data, g_bytes_get_size (o.sealed), &parsed, NULL), data + o.header,
                g_malloc (2 * MIB) };

  g_assert_cmpuint (parsed, ==, o.header);
  assert_not_opened (&x, 0, TRUE, 0, SEGMENT, TEESQL_ERROR_INTEGRITY, "seal-tag");
  assert_not_opened (&x, 1, TRUE, SEGMENT, SEGMENT, TEESQL_ERROR_INTEGRITY, "seal-tag");
  assert_not_opened (&x, 0, FALSE, SEGMENT, SEGMENT, TEESQL_ERROR_INTEGRITY, "seal-tag");
  assert_not_opened (&x, 65535, FALSE, SEGMENT, SEGMENT, TEESQL_ERROR_INTEGRITY, "seal-tag");
  assert_not_opened (&x, 3, TRUE, 2 * SEGMENT, 116, TEESQL_ERROR_INTEGRITY, "seal-tag");
  assert_not_opened (&x, 2, FALSE, 2 * SEGMENT, 116, TEESQL_ERROR_MALFORMED, "seal-size");
  assert_not_opened (&x, 2, TRUE, 2 * SEGMENT, 16, TEESQL_ERROR_MALFORMED, "seal-size");
  assert_not_opened (&x, 2, TRUE, 2 * SEGMENT, 15, TEESQL_ERROR_MALFORMED, "seal-size");
  assert_not_opened (&x, 65536, TRUE, 2 * SEGMENT, 116, TEESQL_ERROR_MALFORMED, "seal-size");
  assert_not_opened (&x, 0, FALSE, 0, SEGMENT + 1, TEESQL_ERROR_MALFORMED, "seal-size");
  g_assert_true (teesql_seal_reader_open (x.reader, 2, TRUE, x.body + 2 * SEGMENT, 116, x.out, NULL));
  teesql_seal_reader_free (x.reader);
  g_free (x.out);
  object_clear (&o);
}

static void
a_failed_segment_leaves_nothing (void)
{
  Object o = three_segments (&fixture_context, 0);
  g_autoptr (GBytes) changed = fixture_flip (o.sealed, o.header + SEGMENT - 1, 1);
  gsize parsed = 0;
  const guint8 *data = g_bytes_get_data (changed, NULL);
  Opening x = { teesql_seal_reader_new (&fixture_context, o.keys, data, g_bytes_get_size (changed), &parsed, NULL), data + o.header,
                g_malloc (MIB) };

  assert_not_opened (&x, 0, FALSE, 0, SEGMENT, TEESQL_ERROR_INTEGRITY, "seal-tag");
  teesql_seal_reader_free (x.reader);
  g_free (x.out);
  object_clear (&o);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seal/tamper/each-header-field-has-its-reason", each_header_field_has_its_reason);
  g_test_add_func ("/seal/tamper/every-bit-of-a-small-object", every_bit_of_a_small_object);
  g_test_add_func ("/seal/tamper/truncated-at-each-length", truncated_at_each_length);
  g_test_add_func ("/seal/tamper/cut-at-a-segment", cut_at_a_segment);
  g_test_add_func ("/seal/tamper/swapped-and-doubled-segments", swapped_and_doubled_segments);
  g_test_add_func ("/seal/tamper/segments-of-another-object", segments_of_another_object);
  g_test_add_func ("/seal/tamper/something-appended", something_appended);
  g_test_add_func ("/seal/tamper/another-place-is-another-object", another_place_is_another_object);
  g_test_add_func ("/seal/tamper/a-forged-header-has-other-keys", a_forged_header_has_other_keys);
  g_test_add_func ("/seal/tamper/another-cluster-or-kms", another_cluster_or_kms);
  g_test_add_func ("/seal/tamper/an-epoch-that-is-not-here", an_epoch_that_is_not_here);
  g_test_add_func ("/seal/tamper/the-last-flag-and-the-place-are-in-the-tag", the_last_flag_and_the_place_are_in_the_tag);
  g_test_add_func ("/seal/tamper/a-failed-segment-leaves-nothing", a_failed_segment_leaves_nothing);
  return g_test_run ();
}
