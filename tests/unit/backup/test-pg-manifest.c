#include "backup/teesql-pg-manifest.h"

#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"

#include <string.h>

#define HEAD "{ \"PostgreSQL-Backup-Manifest-Version\": 2,\n\"System-Identifier\": 7398121212121212121,\n\"Files\": [\n"
#define FILE1                                                                                                                              \
  "{ \"Path\": \"backup_label\", \"Size\": 227, \"Last-Modified\": \"2026-03-01 12:00:00 GMT\", \"Checksum-Algorithm\": \"CRC32C\", "      \
  "\"Checksum\": \"e5a14f08\" }"
#define FILE2                                                                                                                              \
  "{ \"Path\": \"base/5/2619\", \"Size\": 0, \"Last-Modified\": \"2026-03-01 12:00:00 GMT\", \"Checksum-Algorithm\": \"CRC32C\", "         \
  "\"Checksum\": \"00000000\" }"
#define FILE3                                                                                                                              \
  "{ \"Encoded-Path\": \"62ff\", \"Size\": 3, \"Last-Modified\": \"2026-03-01 12:00:00 GMT\", \"Checksum-Algorithm\": \"CRC32C\", "        \
  "\"Checksum\": \"01020304\" }"
#define RANGE "{ \"Timeline\": 1, \"Start-LSN\": \"0/2000028\", \"End-LSN\": \"0/2000100\" }"
#define WAL   "\n],\n\"WAL-Ranges\": [\n"
#define TAIL  "\n],\n"
#define GOOD  HEAD FILE1 ",\n" FILE2 ",\n" FILE3 WAL RANGE TAIL

static char *
sign (const char *text)
{
  guint8 digest[TEESQL_SHA256_SIZE];
  g_autofree char *hex = NULL;

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, text, strlen (text));
  hex = teesql_hex_encode (digest, sizeof digest);
  return g_strconcat (text, "\"Manifest-Checksum\": \"", hex, "\"}\n", NULL);
}

static TeesqlPgManifest *
parse (const char *text, gsize size, gsize step, GError **error)
{
  g_autoptr (TeesqlPgManifest) manifest = teesql_pg_manifest_new ();

  for (gsize at = 0; at < size; at += step)
    if (!teesql_pg_manifest_feed (manifest, (const guint8 *) text + at, MIN (step, size - at), error))
      return NULL;
  return teesql_pg_manifest_finish (manifest, error) ? g_steal_pointer (&manifest) : NULL;
}

static TeesqlPgManifest *
parse_good (void)
{
  g_autofree char *text = sign (GOOD);
  TeesqlPgManifest *manifest = parse (text, strlen (text), 4096, NULL);

  g_assert_nonnull (manifest);
  return manifest;
}

static void
expect_refused (const char *text, gsize size, const char *reason)
{
  static const gsize steps[] = { 1, 100, 100000 };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (parse (text, size, steps[i], &error));
      g_assert_nonnull (error);
      if (reason != NULL)
        g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
    }
}

static void
expect_signed_refused (const char *text, const char *reason)
{
  g_autofree char *whole = sign (text);

  expect_refused (whole, strlen (whole), reason);
}

static void
test_good (void)
{
  g_autofree char *text = sign (GOOD);

  for (gsize step = 1; step < 300; step += 13)
    {
      GError *error = NULL;
      g_autoptr (TeesqlPgManifest) manifest = parse (text, strlen (text), step, &error);
      const TeesqlPgManifestRange *range = NULL;
      TeesqlPgManifestFile *file = NULL;

      g_assert_no_error (error);
      g_assert_cmpuint (teesql_pg_manifest_get_n_files (manifest), ==, 3);
      g_assert_cmpuint (teesql_pg_manifest_get_bytes (manifest), ==, 230);
      g_assert_cmpuint (teesql_pg_manifest_get_system_identifier (manifest), ==, G_GUINT64_CONSTANT (7398121212121212121));
      g_assert_cmpuint (teesql_pg_manifest_get_wal (manifest)->len, ==, 1);
      range = &g_array_index (teesql_pg_manifest_get_wal (manifest), TeesqlPgManifestRange, 0);
      g_assert_cmpuint (range->timeline, ==, 1);
      g_assert_cmpuint (range->start_lsn, ==, 0x2000028);
      g_assert_cmpuint (range->end_lsn, ==, 0x2000100);
      file = teesql_pg_manifest_claim (manifest, "backup_label", 227, &error);
      g_assert_no_error (error);
      g_assert_true (teesql_pg_manifest_check (file, 0x084fa1e5, &error)); /* the bytes as memory has them */
      g_assert_no_error (error);
    }
}

static void
test_claims (void)
{
  g_autoptr (TeesqlPgManifest) manifest = parse_good ();
  TeesqlPgManifestFile *file = NULL;
  static const struct
  {
    const char *name;
    guint64 size;
    const char *reason;
  } wrong[] = { { "base/5/9999", 0, "manifest-extra" }, { "backup_label", 228, "manifest-size" }, { "base/5/2619", 0, "manifest-double" } };

  file = teesql_pg_manifest_claim (manifest, "base/5/2619", 0, NULL);
  g_assert_nonnull (file);
  g_assert_true (teesql_pg_manifest_check (file, 0, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (teesql_pg_manifest_claim (manifest, wrong[i].name, wrong[i].size, &error));
      g_assert_error (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, wrong[i].reason);
    }
}

static void
test_wrong_content (void)
{
  g_autoptr (TeesqlPgManifest) manifest = parse_good ();
  TeesqlPgManifestFile *file = teesql_pg_manifest_claim (manifest, "b\xff", 3, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (file);
  g_assert_false (teesql_pg_manifest_check (file, 0x04030200, &error));
  g_assert_error (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "manifest-checksum");
}

static void
test_missing (void)
{
  g_autoptr (TeesqlPgManifest) manifest = parse_good ();
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (teesql_pg_manifest_claim (manifest, "backup_label", 227, NULL));
  g_assert_nonnull (teesql_pg_manifest_claim (manifest, "b\xff", 3, NULL));
  g_assert_false (teesql_pg_manifest_check_complete (manifest, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "manifest-missing");
  g_assert_nonnull (strstr (error->message, "base/5/2619"));
  g_assert_nonnull (teesql_pg_manifest_claim (manifest, "base/5/2619", 0, NULL));
  g_assert_true (teesql_pg_manifest_check_complete (manifest, NULL));
}

static void
test_flips (void)
{
  g_autofree char *text = sign (GOOD);
  gsize size = strlen (text);

  for (gsize i = 0; i < size; i++)
    {
      g_autofree char *flipped = g_memdup2 (text, size);

      flipped[i] ^= 1;
      g_assert_null (parse (flipped, size, 512, NULL));
    }
}

static void
test_truncated (void)
{
  g_autofree char *text = sign (GOOD);

  for (gsize size = 0; size < strlen (text); size++)
    g_assert_null (parse (text, size, 512, NULL));
}

static void
test_wrong_checksum (void)
{
  g_autofree char *text = sign (GOOD);
  char *digit = strstr (text, "Manifest-Checksum") + strlen ("Manifest-Checksum\": \"");

  *digit = *digit == '0' ? '1' : '0';
  expect_refused (text, strlen (text), "pg-manifest-checksum");
}

static void
test_malformed (void)
{
  static const char *const texts[] = {
    "{ \"PostgreSQL-Backup-Manifest-Version\": x,\n",
    HEAD FILE1 ",\n" FILE1 WAL RANGE TAIL,                      /* twice */
    HEAD FILE1 WAL RANGE TAIL "\"Other\": 1,\n",                /* a member too many */
    HEAD "{ \"Path\": \"x\", \"Size\": 1 }" WAL RANGE TAIL,     /* no checksum */
    HEAD "{ \"Path\": \"x\", \"Path\": \"y\" }" WAL RANGE TAIL, /* two paths */
    HEAD "{ \"Path\": \"x\", \"Size\": -1, \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"00000000\" }" WAL RANGE TAIL,
    HEAD "{ \"Path\": \"x\", \"Size\": 1, \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"0000\" }" WAL RANGE TAIL,
    HEAD "{ \"Encoded-Path\": \"6100\", \"Size\": 1, \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"00000000\" }" WAL RANGE TAIL,
    HEAD FILE1 WAL "{ \"Timeline\": 0, \"Start-LSN\": \"0/1\", \"End-LSN\": \"0/2\" }" TAIL,
    HEAD FILE1 WAL "{ \"Timeline\": 1, \"Start-LSN\": \"0/3\", \"End-LSN\": \"0/2\" }" TAIL,
    HEAD FILE1 WAL "{ \"Timeline\": 1, \"Start-LSN\": \"0/3\" }" TAIL,
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    expect_signed_refused (texts[i], NULL);
  expect_signed_refused ("{ \"PostgreSQL-Backup-Manifest-Version\": 3,\n", "pg-manifest-version");
  expect_signed_refused (HEAD "{ \"Path\": \"x\", \"Size\": 1, \"Checksum-Algorithm\": \"SHA256\", \"Checksum\": \"00\" }" WAL RANGE TAIL,
                         "pg-manifest-algorithm");
}

static void
test_behind (void)
{
  g_autofree char *text = sign (GOOD);
  g_autofree char *longer = g_strconcat (text, "\n", NULL);

  expect_refused (longer, strlen (longer), "pg-manifest");
}

static void
test_long_line (void)
{
  g_autofree char *name = g_strnfill (TEESQL_PG_MANIFEST_LINE_MAX, 'x');
  g_autofree char *text = g_strconcat (HEAD, "{ \"Path\": \"", name, NULL);

  expect_refused (text, strlen (text), "pg-manifest");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pg-manifest/what PostgreSQL writes is read whatever the pieces", test_good);
  g_test_add_func ("/pg-manifest/a file is claimed once, by name and size", test_claims);
  g_test_add_func ("/pg-manifest/other content is found", test_wrong_content);
  g_test_add_func ("/pg-manifest/a file that does not come is named", test_missing);
  g_test_add_func ("/pg-manifest/every flipped bit is found", test_flips);
  g_test_add_func ("/pg-manifest/a manifest cut at any byte is refused", test_truncated);
  g_test_add_func ("/pg-manifest/its checksum is checked", test_wrong_checksum);
  g_test_add_func ("/pg-manifest/lines that PostgreSQL does not write are refused", test_malformed);
  g_test_add_func ("/pg-manifest/nothing stands behind its end", test_behind);
  g_test_add_func ("/pg-manifest/a line is bounded", test_long_line);
  return g_test_run ();
}
