#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "seal/teesql-epoch-keys.h"
#include <teesql/teesql-error.h>

static TeesqlSecret *
counting (guint8 first, gsize size)
{
  guint8 bytes[64];

  for (gsize i = 0; i < size; i++)
    bytes[i] = (guint8) (first + i);
  return teesql_secret_new (bytes, size, NULL);
}

static TeesqlEpochKeys *
empty_keys (void)
{
  guint8 cluster[TEESQL_CLUSTER_ID_SIZE];

  for (guint8 i = 0; i < sizeof cluster; i++)
    cluster[i] = (guint8) (0x40 + i);
  return teesql_epoch_keys_new (cluster);
}

static void
derived_as_documented (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEpochKeys) keys = empty_keys ();
  g_autoptr (TeesqlSecret) kms = counting (0, 32);
  g_autoptr (TeesqlSecret) key = NULL;
  g_autofree char *hex = NULL;

  g_assert_true (teesql_epoch_keys_add_kms (keys, 1, kms, &error));
  key = teesql_epoch_keys_lookup (keys, 1, &error);
  g_assert_no_error (error);
  hex = teesql_hex_encode (teesql_secret_peek (key, NULL), teesql_secret_get_size (key));
  g_assert_cmpstr (hex, ==, "b8ffb0c4d3c4316ec3e995db81dc0360150a3147b56e2681e2a898cd44400df2"); /* docs/keys.md */
}

static void
paths (void)
{
  g_autofree char *first = teesql_epoch_keys_dup_path (0);
  g_autofree char *second = teesql_epoch_keys_dup_path (1);
  g_autofree char *last = teesql_epoch_keys_dup_path (G_MAXUINT32);

  g_assert_cmpstr (first, ==, "backup/encryption");
  g_assert_cmpstr (second, ==, "backup/encryption/1");
  g_assert_cmpstr (last, ==, "backup/encryption/4294967295");
}

static void
newest_is_the_highest (void)
{
  g_autoptr (TeesqlEpochKeys) keys = empty_keys ();
  g_autoptr (TeesqlSecret) key = counting (0, 32);

  g_assert_cmpuint (teesql_epoch_keys_get_newest (keys), ==, 0);
  g_assert_true (teesql_epoch_keys_add (keys, 5, key, NULL));
  g_assert_true (teesql_epoch_keys_add (keys, 2, key, NULL));
  g_assert_cmpuint (teesql_epoch_keys_get_newest (keys), ==, 5);
}

static void
an_absent_epoch_says_where_it_is (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEpochKeys) keys = empty_keys ();

  g_assert_null (teesql_epoch_keys_lookup (keys, 3, &error));
  g_assert_error (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "key-epoch-absent");
  g_assert_nonnull (strstr (error->message, "\nhint: "));
  g_assert_nonnull (strstr (error->message, "backup/encryption/3"));
}

static void
another_key_for_an_epoch_is_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEpochKeys) keys = empty_keys ();
  g_autoptr (TeesqlSecret) one = counting (0, 32);
  g_autoptr (TeesqlSecret) other = counting (1, 32);
  g_autoptr (TeesqlSecret) kept = NULL;
  guint8 before[8];
  guint8 after[8];

  g_assert_true (teesql_epoch_keys_add_kms (keys, 0, one, NULL));
  g_assert_true (teesql_epoch_keys_add_kms (keys, 0, one, NULL));
  g_assert_true (teesql_epoch_keys_check_value (keys, 0, before, NULL));
  g_assert_false (teesql_epoch_keys_add_kms (keys, 0, other, &error));
  g_assert_error (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "kms-key-changed");
  g_assert_true (teesql_epoch_keys_check_value (keys, 0, after, NULL));
  g_assert_cmpmem (before, sizeof before, after, sizeof after);
}

static void
keys_have_32_bytes (void)
{
  for (gsize size = 16; size <= 64; size += 16)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlEpochKeys) keys = empty_keys ();
      g_autoptr (TeesqlSecret) key = counting (0, size);

      g_assert_cmpint (teesql_epoch_keys_add_kms (keys, 0, key, &error), ==, size == 32);
      if (size != 32)
        g_assert_cmpstr (teesql_error_get_reason (error), ==, "kms-key-size");
      g_clear_error (&error);
      g_assert_cmpint (teesql_epoch_keys_add (keys, 1, key, &error), ==, size == 32);
      if (size != 32)
        g_assert_cmpstr (teesql_error_get_reason (error), ==, "epoch-key-size");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seal/epoch-keys/derived-as-documented", derived_as_documented);
  g_test_add_func ("/seal/epoch-keys/paths-of-the-kms", paths);
  g_test_add_func ("/seal/epoch-keys/newest-is-the-highest", newest_is_the_highest);
  g_test_add_func ("/seal/epoch-keys/an-absent-epoch-says-where-it-is", an_absent_epoch_says_where_it_is);
  g_test_add_func ("/seal/epoch-keys/another-key-for-an-epoch-is-refused", another_key_for_an_epoch_is_refused);
  g_test_add_func ("/seal/epoch-keys/keys-have-32-bytes", keys_have_32_bytes);
  return g_test_run ();
}
