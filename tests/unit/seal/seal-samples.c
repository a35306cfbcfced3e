/* seal-samples FOLDER EPOCH-KEY-HEX PUBLIC-PEM: objects sealed by this implementation, for the other one to open. */
#include "fixture.h"
#include "base/teesql-hex.h"
#include "seal/teesql-recovery.h"

static void
store (const char *folder, const char *name, GBytes *bytes)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (bytes == NULL || !g_file_set_contents (path, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes), &error))
    g_error ("%s: %s", path, error != NULL ? error->message : "nothing was sealed");
}

int
main (int argc, char **argv)
{
  const gsize sizes[] = { 0, 1, 1000, TEESQL_SEAL_SEGMENT_SIZE, TEESQL_SEAL_SEGMENT_SIZE + 1, 3 * TEESQL_SEAL_SEGMENT_SIZE };
  g_autoptr (TeesqlEpochKeys) keys = fixture_keys (0, 0x40, 0);
  g_autoptr (TeesqlSecret) key = NULL;
  g_autoptr (TeesqlRecipient) recipient = NULL;
  g_autoptr (GBytes) recovery = NULL;
  g_autofree char *pem = NULL;
  gsize pem_size = 0;

  if (argc != 4 || !g_file_get_contents (argv[3], &pem, &pem_size, NULL))
    return 2;
  key = teesql_secret_new_from_hex (argv[2], -1, NULL);
  g_assert_true (teesql_epoch_keys_add (keys, 5, key, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *name = g_strdup_printf ("sample.%" G_GSIZE_FORMAT, sizes[i]);
      const TeesqlSealContext context = {
        .system_identifier = G_MAXUINT64 - 1, .timeline = 7, .backup_id = { 0xb1 }, .simulated = i % 2 != 0, .name = name
      };
      g_autoptr (GBytes) sealed = fixture_seal (&context, keys, 5, sizes[i]);

      store (argv[1], name, sealed);
    }
  recipient = teesql_recipient_new_from_pem (pem, pem_size, NULL);
  recovery = recipient != NULL ? teesql_recipient_seal (recipient, keys, 5, FALSE, NULL) : NULL;
  store (argv[1], "recovery", recovery);
  return 0;
}
