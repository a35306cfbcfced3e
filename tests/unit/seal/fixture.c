#include "fixture.h"
#include "base/teesql-domains.h"

const TeesqlSealContext fixture_context = { .system_identifier = 7300000000000000001,
                                            .timeline = 3,
                                            .backup_id = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
                                            .name = "v1/base/one.00000" };

TeesqlEpochKeys *
fixture_keys (guint8 kms_first, guint8 cluster_first, guint32 epochs)
{
  g_autoptr (GError) error = NULL;
  guint8 kms[32];
  guint8 cluster[TEESQL_CLUSTER_ID_SIZE];
  TeesqlEpochKeys *keys = NULL;

  for (guint8 i = 0; i < 32; i++)
    {
      kms[i] = (guint8) (kms_first + i);
      cluster[i] = (guint8) (cluster_first + i);
    }
  g_autoptr (TeesqlSecret) key = teesql_secret_new (kms, sizeof kms, &error);
  g_assert_no_error (error);
  keys = teesql_epoch_keys_new (cluster);
  for (guint32 epoch = 0; epoch < epochs; epoch++)
    g_assert_true (teesql_epoch_keys_add_kms (keys, epoch, key, NULL));
  return keys;
}

GBytes *
fixture_pattern (gsize size)
{
  guint8 *data = g_malloc (MAX (size, 1));

  for (gsize i = 0; i < size; i++)
    data[i] = (guint8) (i + i / 251);
  return g_bytes_new_take (data, size);
}

GBytes *
fixture_seal (const TeesqlSealContext *context, TeesqlEpochKeys *keys, guint32 epoch, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) plain = fixture_pattern (size);
  GBytes *sealed = teesql_seal_bytes (context, keys, epoch, plain, &error);

  g_assert_no_error (error);
  return sealed;
}

GBytes *
fixture_flip (GBytes *bytes, gsize offset, guint8 bits)
{
  gsize size = g_bytes_get_size (bytes);
  guint8 *copy = g_memdup2 (g_bytes_get_data (bytes, NULL), size);

  g_assert_cmpuint (offset, <, size);
  copy[offset] ^= bits;
  return g_bytes_new_take (copy, size);
}

GBytes *
fixture_join (GBytes *a, gsize a_size, GBytes *b, gsize b_offset)
{
  GByteArray *joined = g_byte_array_new ();

  g_byte_array_append (joined, g_bytes_get_data (a, NULL), (guint) a_size);
  if (b != NULL)
    g_byte_array_append (joined, (const guint8 *) g_bytes_get_data (b, NULL) + b_offset, (guint) (g_bytes_get_size (b) - b_offset));
  return g_byte_array_free_to_bytes (joined);
}

void
fixture_assert_error (GError **error, TeesqlError code, const char *reason)
{
  g_assert_error (*error, TEESQL_BACKUP_ERROR, (int) code);
  g_assert_cmpstr (teesql_error_get_reason (*error), ==, reason);
  g_clear_error (error);
}

void
fixture_assert_refused (const TeesqlSealContext *expected, TeesqlEpochKeys *keys, GBytes *sealed, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) plain = teesql_unseal_bytes (expected, keys, sealed, &error);

  g_assert_null (plain);
  fixture_assert_error (&error, code, reason);
}
