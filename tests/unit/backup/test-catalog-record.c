#include "base/teesql-domains.h"
#include "record-fixture.h"

static char *
text_of (const TeesqlCatalogRecord *record)
{
  g_autoptr (GBytes) json = teesql_catalog_record_to_json (record);

  return g_strndup (g_bytes_get_data (json, NULL), g_bytes_get_size (json));
}

static TeesqlCatalogRecord *
parse (const char *text, GError **error)
{
  g_autoptr (GBytes) json = g_bytes_new (text, strlen (text));

  return teesql_catalog_record_parse (json, error);
}

static void
assert_refused (const TeesqlCatalogRecord *record, const char *message)
{
  g_autofree char *text = text_of (record);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlCatalogRecord) again = parse (text, &error);

  g_assert_null (again);
  g_assert_error (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "catalog-record");
  if (strstr (error->message, message) == NULL)
    g_error ("“%s” is not in “%s”", message, error->message);
}

static void
the_spelling_is_the_documented_one (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_record ();
  g_autofree char *text = NULL;

  teesql_catalog_record_add_wal (record, 1, 0x1000000, 0x200000000, 1767225661);
  text = text_of (record);
  g_assert_cmpstr (
      text, ==,
      "{\"schema\":1,\"cluster_id\":\"c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1\",\"cluster\":\"orders\","
      "\"node\":\"orders-1\",\"lineage\":\"00000001-0123456789abcdef\",\"sequence\":1,"
      "\"previous\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"parent_lineage\":\"\","
      "\"parent_sequence\":0,\"parent_digest\":\"0000000000000000000000000000000000000000000000000000000000000000\","
      "\"written_unix\":1767225600,\"system_identifier\":\"7571234567890123456\",\"segment_size\":16777216,\"backups\":[],"
      "\"wal\":[{\"timeline\":1,\"start_lsn\":\"0/1000000\",\"end_lsn\":\"2/0\",\"end_unix\":1767225661}],"
      "\"epochs\":[{\"epoch\":0,\"check_value\":\"0102030405060708\",\"since_unix\":1767225600}]}");
}

static void
what_is_written_is_read (void)
{
  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (TeesqlCatalogRecord) record = fixture_random_record ((guint) g_test_rand_int_range (0, 30));
      g_autofree char *text = text_of (record);
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlCatalogRecord) again = parse (text, &error);
      g_autoptr (TeesqlCatalogRecord) copy = NULL;
      g_autofree char *second = NULL;

      g_assert_no_error (error);
      copy = teesql_catalog_record_copy (again);
      second = text_of (copy);
      g_assert_cmpstr (second, ==, text);
      g_assert_cmpuint (copy->backups->len, ==, record->backups->len);
    }
}

static void
odd_texts_survive (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_record ();
  TeesqlBackup *backup = fixture_backup (record, 1, 1, MIB, -1);
  TeesqlArchive *space = teesql_archive_new ("16384");
  TeesqlPiece piece = { .stored_size = 7 };
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlCatalogRecord) again = NULL;

  backup->label = g_strdup ("before “the” \"upgrade\" \\ \n\x01\x7f");
  space->tablespace = g_strdup ("/srv/täblespace\t1");
  g_array_append_val (space->pieces, piece);
  g_ptr_array_insert (backup->archives, 0, space);
  fixture_add (record, backup);
  text = text_of (record);
  again = parse (text, &error);
  g_assert_no_error (error);
  backup = g_ptr_array_index (again->backups, 0);
  g_assert_cmpstr (backup->label, ==, "before “the” \"upgrade\" \\ \n\x01\x7f");
  g_assert_cmpstr (((TeesqlArchive *) g_ptr_array_index (backup->archives, 0))->tablespace, ==, "/srv/täblespace\t1");
}

/* every change of a byte is either refused or reads back as other content in the one spelling: nothing is ignored */
static void
every_byte_counts (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_random_record (3);
  g_autofree char *text = text_of (record);
  gsize size = strlen (text);

  for (gsize i = 0; i < size; i++)
    for (guint bit = 0; bit < 8; bit++)
      {
        g_autoptr (TeesqlCatalogRecord) again = NULL;
        g_autofree char *second = NULL;

        text[i] = (char) (text[i] ^ (1 << bit));
        again = strlen (text) == size ? parse (text, NULL) : NULL;
        second = again != NULL ? text_of (again) : NULL;
        if (second != NULL)
          g_assert_cmpstr (second, ==, text);
        text[i] = (char) (text[i] ^ (1 << bit));
      }
}

static void
every_truncation_is_refused (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_random_record (2);
  g_autofree char *text = text_of (record);

  for (gsize i = strlen (text); i > 0; i--)
    {
      text[i - 1] = '\0';
      g_assert_null (parse (text, NULL));
    }
}

static void
other_spellings_are_refused (void)
{
  static const char *const changes[][2] = {
    { "\"schema\":1,", "" },
    { "\"schema\":1,", "\"schema\":2," },
    { "\"schema\":1,", "\"schema\":1,\"schema\":1," },
    { "\"schema\":1,", "\"schema\": 1," },
    { "\"cluster\":\"orders\",\"node\":\"orders-1\",", "\"node\":\"orders-1\",\"cluster\":\"orders\"," },
    { "\"cluster\":\"orders\",", "" },
    { "\"cluster\":\"orders\",", "\"cluster\":\"orders\",\"extra\":0," },
    { "\"cluster\":\"orders\",", "\"cluster\":\"orders\",\"cluster\":\"orders\"," },
    { "\"orders\"", "\"\\u006frders\"" },
    { "\"sequence\":1,", "\"sequence\":01," },
    { "\"sequence\":1,", "\"sequence\":1.0," },
    { "\"sequence\":1,", "\"sequence\":-1," },
    { "\"sequence\":1,", "\"sequence\":9007199254740992," },
    { "\"sequence\":1,", "\"sequence\":18446744073709551617," },
    { "\"7571234567890123456\"", "7571234567890123456" },
    { "\"7571234567890123456\"", "\"07571234567890123456\"" },
    { "\"7571234567890123456\"", "\"18446744073709551616\"" },
    { "\"7571234567890123456\"", "\"+7571234567890123456\"" },
    { "c1c1c1c1\",", "C1C1C1C1\"," },
    { "c1c1c1c1\",", "c1c1c1\"," },
    { "c1c1c1c1\",", "c1c1c1c1c1\"," },
    { "\"0/1000000\"", "\"0/01000000\"" },
    { "\"0/1000000\"", "\"00000000/1000000\"" },
    { "\"0/1000000\"", "\"0/1000000 \"" },
    { "\"2/0\"", "\"2/g\"" },
    { "\"timeline\":1", "\"timeline\":4294967296" },
    { "\"backups\":[]", "\"backups\":[" },
    { "\"backups\":[]", "\"backups\":[[[[[[[[[[[[[[[[[[[[]" },
    { "\"backups\":[]", "\"backups\":[{}]" },
    { "\"backups\":[]", "\"backups\":{}" },
    { "\"backups\":[]", "\"backups\":null" },
    { "\"check_value\":\"0102030405060708\"", "\"check_value\":\"\"" },
  };
  g_autoptr (TeesqlCatalogRecord) record = fixture_record ();
  g_autofree char *text = NULL;

  teesql_catalog_record_add_wal (record, 1, 0x1000000, 0x200000000, 1767225661);
  text = text_of (record);
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autoptr (GString) changed = g_string_new (text);
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlCatalogRecord) again = NULL;

      g_assert_cmpuint (g_string_replace (changed, changes[i][0], changes[i][1], 1), ==, 1);
      again = parse (changed->str, &error);
      if (again != NULL)
        g_error ("read although %s became %s", changes[i][0], changes[i][1]);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "catalog-record");
    }
}

static void
bytes_around_it_are_refused (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_record ();
  g_autofree char *text = text_of (record);
  static const char *const forms[] = { "%s\n", " %s", "%s{}", "\xef\xbb\xbf%s", "[%s]" };

  for (guint i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      g_autofree char *changed = g_strdup_printf (forms[i], text);

      g_assert_null (parse (changed, NULL));
    }
}

static void
places_that_make_no_sense_are_refused (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_record ();

  record->sequence = 2;
  assert_refused (record, "lacks a predecessor");
  record->sequence = 1;
  record->previous[31] = 1;
  assert_refused (record, "names a predecessor");
  record->previous[31] = 0;
  record->parent_sequence = 4;
  assert_refused (record, "without its lineage");
  record->parent_lineage = record->lineage;
  assert_refused (record, "cannot be the parent");
  record->parent_sequence = 0;
  memset (&record->parent_lineage, 0, sizeof record->parent_lineage);
  record->system_identifier = 0;
  assert_refused (record, "no system identifier");
  record->system_identifier = SYSTEM_ID;
  record->segment_size = 3u << 20;
  assert_refused (record, "WAL segments");
  record->segment_size = SEGMENT_SIZE;
  g_array_set_size (record->epochs, 0);
  assert_refused (record, "no key epoch");
}

static void
a_parent_lineage_is_older (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_record ();
  g_autofree char *text = NULL;
  g_autoptr (TeesqlCatalogRecord) again = NULL;
  g_autoptr (GError) error = NULL;
  guint32 generation = 0;

  g_assert_true (teesql_lineage_parse ("00000003-0123456789abcdef", -1, &record->lineage, &generation));
  g_assert_true (teesql_lineage_parse ("00000002-fedcba9876543210", -1, &record->parent_lineage, &generation));
  assert_refused (record, "without its record");
  record->parent_sequence = 17;
  record->parent_digest[0] = 1;
  text = text_of (record);
  again = parse (text, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (again->parent_sequence, ==, 17);
}

typedef void (*Damage) (TeesqlCatalogRecord *record);

static TeesqlBackup *
backup_at (TeesqlCatalogRecord *record, guint i)
{
  return g_ptr_array_index (record->backups, i);
}

static TeesqlArchive *
archive_at (TeesqlCatalogRecord *record, guint i, guint j)
{
  return g_ptr_array_index (backup_at (record, i)->archives, j);
}

static void
swap_backups (TeesqlCatalogRecord *record)
{
  gpointer first = record->backups->pdata[0];

  record->backups->pdata[0] = record->backups->pdata[1];
  record->backups->pdata[1] = first;
}

static void
same_ids (TeesqlCatalogRecord *record)
{
  memset (backup_at (record, 2)->id, 1, sizeof backup_at (record, 2)->id);
}

static void
unknown_parent (TeesqlCatalogRecord *record)
{
  memset (backup_at (record, 1)->parent_id, 0x77, sizeof backup_at (record, 1)->parent_id);
}

static void
own_parent (TeesqlCatalogRecord *record)
{
  memset (backup_at (record, 1)->parent_id, 2, sizeof backup_at (record, 1)->parent_id);
}

static void
younger_parent (TeesqlCatalogRecord *record)
{
  memset (backup_at (record, 1)->parent_id, 3, sizeof backup_at (record, 1)->parent_id);
}

static void
zero_id (TeesqlCatalogRecord *record)
{
  memset (backup_at (record, 2)->id, 0, sizeof backup_at (record, 2)->id);
}

static void
no_timeline (TeesqlCatalogRecord *record)
{
  backup_at (record, 0)->timeline = 0;
}

static void
ends_before_it_starts (TeesqlCatalogRecord *record)
{
  backup_at (record, 0)->stop_lsn = backup_at (record, 0)->start_lsn - 1;
}

static void
other_system (TeesqlCatalogRecord *record)
{
  backup_at (record, 0)->system_identifier++;
}

static void
unknown_epoch (TeesqlCatalogRecord *record)
{
  backup_at (record, 0)->epoch = 4;
}

static void
no_archives (TeesqlCatalogRecord *record)
{
  g_ptr_array_set_size (backup_at (record, 0)->archives, 0);
}

static void
no_manifest (TeesqlCatalogRecord *record)
{
  g_ptr_array_remove_index (backup_at (record, 0)->archives, 1);
}

static void
no_base (TeesqlCatalogRecord *record)
{
  g_ptr_array_remove_index (backup_at (record, 0)->archives, 0);
}

static void
name_that_climbs (TeesqlCatalogRecord *record)
{
  g_free (archive_at (record, 0, 0)->name);
  archive_at (record, 0, 0)->name = g_strdup ("../../x");
}

static void
empty_archive (TeesqlCatalogRecord *record)
{
  g_array_set_size (archive_at (record, 0, 0)->pieces, 0);
}

static void
empty_piece (TeesqlCatalogRecord *record)
{
  g_array_index (archive_at (record, 0, 0)->pieces, TeesqlPiece, 1).stored_size = 0;
}

static void
tablespace_of_base (TeesqlCatalogRecord *record)
{
  archive_at (record, 0, 0)->tablespace = g_strdup ("/srv");
}

static void
base_twice (TeesqlCatalogRecord *record)
{
  TeesqlArchive *again = teesql_archive_new ("base");

  g_array_append_val (again->pieces, g_array_index (archive_at (record, 0, 0)->pieces, TeesqlPiece, 0));
  g_ptr_array_insert (backup_at (record, 0)->archives, 0, again);
}

static void
overlapping_wal (TeesqlCatalogRecord *record)
{
  TeesqlWalRange range = { 1, 0x2000000, 0x5000000, 0 };

  g_array_append_val (record->wal, range);
}

static void
touching_wal (TeesqlCatalogRecord *record)
{
  TeesqlWalRange range = { 1, 0x3000000, 0x5000000, 0 };

  g_array_append_val (record->wal, range);
}

static void
empty_wal (TeesqlCatalogRecord *record)
{
  TeesqlWalRange range = { 2, 0x3000000, 0x3000000, 0 };

  g_array_append_val (record->wal, range);
}

static void
same_epochs (TeesqlCatalogRecord *record)
{
  TeesqlEpochEntry epoch = { 0, { 9 }, 0 };

  g_array_append_val (record->epochs, epoch);
}

static void
contents_that_make_no_sense_are_refused (void)
{
  static const struct
  {
    Damage damage;
    const char *message;
  } cases[] = {
    { swap_backups, "" },
    { same_ids, "stands twice" },
    { unknown_parent, "not among the older" },
    { own_parent, "not among the older" },
    { younger_parent, "not among the older" },
    { zero_id, "make no sense" },
    { no_timeline, "make no sense" },
    { ends_before_it_starts, "make no sense" },
    { other_system, "is of system" },
    { unknown_epoch, "epoch 4" },
    { no_archives, "without the archive" },
    { no_manifest, "an archive “base”" },
    { no_base, "without the archive" },
    { name_that_climbs, "../../x" },
    { empty_archive, "without an object" },
    { empty_piece, "no bytes" },
    { tablespace_of_base, "path of a tablespace" },
    { base_twice, "stands twice" },
    { overlapping_wal, "not in its place" },
    { touching_wal, "not in its place" },
    { empty_wal, "is empty" },
    { same_epochs, "not ascending" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (TeesqlCatalogRecord) record = fixture_record ();

      fixture_add (record, fixture_backup (record, 1, 1, 10 * MIB, -1));
      fixture_add (record, fixture_backup (record, 2, 1, 20 * MIB, 0));
      fixture_add (record, fixture_backup (record, 3, 2, 15 * MIB, -1));
      teesql_catalog_record_add_wal (record, 1, 0x1000000, 0x3000000, 1767225661);
      g_assert_true (teesql_catalog_record_check (record, NULL));
      cases[i].damage (record);
      assert_refused (record, cases[i].message);
    }
}

static void
too_large_is_refused_before_it_is_read (void)
{
  g_autofree char *blanks = g_strnfill (TEESQL_CATALOG_RECORD_MAX + 1, ' ');
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (blanks, &error));
  g_assert_nonnull (strstr (error->message, "over 16 MiB"));
}

static void
names_are_typed_in_part (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_record ();
  TeesqlBackup *first = fixture_backup (record, 0xab, 1, 10 * MIB, -1);
  TeesqlBackup *second = NULL;
  g_autofree char *name = teesql_backup_dup_name (first);
  static const char *const refused[] = { "aba", "", "2026", "abababacab", "20260101T000011F" };

  g_assert_null (teesql_catalog_record_find_named (record, "latest", NULL));
  fixture_add (record, first);
  second = fixture_backup (record, 0xac, 1, 20 * MIB, 0);
  fixture_add (record, second);
  g_assert_cmpstr (name, ==, "20260101T000010F-abababab");
  g_assert_true (teesql_catalog_record_find_named (record, "latest", NULL) == second);
  g_assert_true (teesql_catalog_record_find_named (record, name, NULL) == first);
  g_assert_true (teesql_catalog_record_find_named (record, "20260101T000020", NULL) == second);
  g_assert_true (teesql_catalog_record_find_named (record, "acac", NULL) == second);
  g_assert_true (teesql_catalog_record_find_named (record, "abababababababababababababababab", NULL) == first);
  g_assert_true (teesql_catalog_record_find (record, first->id) == first);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++)
    g_assert_null (teesql_catalog_record_find_named (record, refused[i], NULL));
}

/* against a plain set of segments */
static void
wal_ranges_are_the_set_that_was_added (void)
{
  for (guint round = 0; round < 300; round++)
    {
      g_autoptr (TeesqlCatalogRecord) record = fixture_record ();
      gboolean there[3][64] = { 0 };

      for (guint i = 0; i < 25; i++)
        {
          guint timeline = (guint) g_test_rand_int_range (1, 3);
          guint start = (guint) g_test_rand_int_range (1, 60);
          guint end = start + (guint) g_test_rand_int_range (0, 4);

          teesql_catalog_record_add_wal (record, timeline, start * MIB, end * MIB, i);
          for (guint k = start; k < end; k++)
            there[timeline][k] = TRUE;
        }
      g_assert_true (teesql_catalog_record_check (record, NULL));
      for (guint timeline = 1; timeline < 3; timeline++)
        for (guint k = 1; k < 63; k++)
          {
            guint64 end = 0;
            guint last = k;

            while (there[timeline][last])
              last++;
            g_assert_cmpint (teesql_catalog_record_covers (record, timeline, k * MIB, &end), ==, there[timeline][k]);
            if (there[timeline][k])
              g_assert_cmpuint (end, ==, last * MIB);
          }
    }
}

static void
the_newest_end_keeps_its_time (void)
{
  g_autoptr (TeesqlCatalogRecord) record = fixture_record ();

  teesql_catalog_record_add_wal (record, 1, 1 * MIB, 5 * MIB, 100);
  teesql_catalog_record_add_wal (record, 1, 2 * MIB, 3 * MIB, 200);
  g_assert_cmpint (g_array_index (record->wal, TeesqlWalRange, 0).end_unix, ==, 100);
  teesql_catalog_record_add_wal (record, 1, 5 * MIB, 6 * MIB, 300);
  g_assert_cmpint (g_array_index (record->wal, TeesqlWalRange, 0).end_unix, ==, 300);
  g_assert_cmpuint (record->wal->len, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/backup/catalog-record/the-spelling-is-the-documented-one", the_spelling_is_the_documented_one);
  g_test_add_func ("/backup/catalog-record/what-is-written-is-read", what_is_written_is_read);
  g_test_add_func ("/backup/catalog-record/odd-texts-survive", odd_texts_survive);
  g_test_add_func ("/backup/catalog-record/every-byte-counts", every_byte_counts);
  g_test_add_func ("/backup/catalog-record/every-truncation-is-refused", every_truncation_is_refused);
  g_test_add_func ("/backup/catalog-record/other-spellings-are-refused", other_spellings_are_refused);
  g_test_add_func ("/backup/catalog-record/bytes-around-it-are-refused", bytes_around_it_are_refused);
  g_test_add_func ("/backup/catalog-record/places-that-make-no-sense-are-refused", places_that_make_no_sense_are_refused);
  g_test_add_func ("/backup/catalog-record/a-parent-lineage-is-older", a_parent_lineage_is_older);
  g_test_add_func ("/backup/catalog-record/contents-that-make-no-sense-are-refused", contents_that_make_no_sense_are_refused);
  g_test_add_func ("/backup/catalog-record/too-large-is-refused-before-it-is-read", too_large_is_refused_before_it_is_read);
  g_test_add_func ("/backup/catalog-record/names-are-typed-in-part", names_are_typed_in_part);
  g_test_add_func ("/backup/catalog-record/wal-ranges-are-the-set-that-was-added", wal_ranges_are_the_set_that_was_added);
  g_test_add_func ("/backup/catalog-record/the-newest-end-keeps-its-time", the_newest_end_keeps_its_time);
  return g_test_run ();
}
