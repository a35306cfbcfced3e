/* vectors.json comes from the Python implementation: each object is sealed here to the same bytes, and opened. */
#include "fixture.h"
#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "seal/teesql-recovery-private.h"
#include "seal/teesql-seal-private.h"
#include <json-glib/json-glib.h>

static JsonParser *
load (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "unit/seal/vectors.json", NULL);
  JsonParser *parser = json_parser_new_immutable ();

  g_assert_true (json_parser_load_from_file (parser, path, &error));
  g_assert_no_error (error);
  return parser;
}

static void
decode (JsonObject *row, const char *member, guint8 *out, gsize size)
{
  g_assert_true (teesql_hex_decode_into (json_object_get_string_member (row, member), -1, out, size, NULL));
}

static TeesqlEpochKeys *
keys_for (JsonObject *root, guint32 epoch)
{
  guint8 cluster[TEESQL_CLUSTER_ID_SIZE];
  g_autoptr (TeesqlSecret) kms = teesql_secret_new_from_hex (json_object_get_string_member (root, "kms_key"), -1, NULL);
  TeesqlEpochKeys *keys = NULL;

  decode (root, "cluster_id", cluster, sizeof cluster);
  keys = teesql_epoch_keys_new (cluster);
  g_assert_true (teesql_epoch_keys_add_kms (keys, epoch, kms, NULL));
  return keys;
}

static void
check_object (JsonObject *root, JsonObject *row)
{
  g_autoptr (GError) error = NULL;
  guint32 epoch = (guint32) json_object_get_int_member (row, "epoch");
  g_autoptr (TeesqlEpochKeys) keys = keys_for (root, epoch);
  TeesqlSealContext context = { .system_identifier = g_ascii_strtoull (json_object_get_string_member (row, "system_identifier"), NULL, 10),
                                .timeline = (guint32) json_object_get_int_member (row, "timeline"),
                                .simulated = json_object_get_boolean_member (row, "simulated"),
                                .name = json_object_get_string_member (row, "name") };
  guint8 salt[32];
  guint8 digest[32];
  g_autoptr (GBytes) plain = fixture_pattern ((gsize) json_object_get_int_member (row, "plain_size"));

  decode (row, "backup_id", context.backup_id, sizeof context.backup_id);
  decode (row, "salt", salt, sizeof salt);
  g_autoptr (TeesqlSealWriter) writer = teesql_seal_writer_new_with_salt (&context, keys, epoch, salt, &error);
  g_assert_no_error (error);
  g_autoptr (GBytes) sealed = teesql_seal_writer_seal_bytes (writer, plain, &error);
  g_assert_no_error (error);
  g_assert_cmpint (json_object_get_int_member (row, "sealed_size"), ==, (gint64) g_bytes_get_size (sealed));
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, g_bytes_get_data (sealed, NULL), g_bytes_get_size (sealed));
  g_autofree char *hex = teesql_hex_encode (digest, sizeof digest);
  g_assert_cmpstr (hex, ==, json_object_get_string_member (row, "sealed_sha256"));
  if (json_object_has_member (row, "sealed"))
    {
      /* from Python's bytes, not from ours */
      g_clear_pointer (&sealed, g_bytes_unref);
      sealed = teesql_hex_decode (json_object_get_string_member (row, "sealed"), -1, NULL);
    }
  g_autoptr (GBytes) opened = teesql_unseal_bytes (&context, keys, sealed, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (opened, plain));
}

static void
objects (void)
{
  g_autoptr (JsonParser) parser = load ();
  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  JsonArray *rows = json_object_get_array_member (root, "objects");

  g_assert_cmpuint (json_array_get_length (rows), >=, 10);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    check_object (root, json_array_get_object_element (rows, i));
}

static TeesqlSecret *
text_secret (JsonObject *row, const char *member)
{
  const char *text = json_object_get_string_member (row, member);

  return teesql_secret_new ((const guint8 *) text, strlen (text), NULL);
}

static void
check_opens (JsonObject *root, JsonObject *row, const char *form, GBytes *sealed)
{
  g_autoptr (GError) error = NULL;
  guint32 epoch = (guint32) json_object_get_int_member (row, "epoch");
  g_autoptr (TeesqlEpochKeys) expected = keys_for (root, epoch);
  g_autoptr (TeesqlEpochKeys) found = teesql_epoch_keys_new (teesql_epoch_keys_get_cluster_id (expected));
  g_autoptr (TeesqlSecret) pem = text_secret (row, form);

  g_assert_true (teesql_recovery_open (pem, sealed, json_object_get_boolean_member (row, "simulated"), found, &error));
  g_assert_no_error (error);
  g_autoptr (TeesqlSecret) a = teesql_epoch_keys_lookup (expected, epoch, NULL);
  g_autoptr (TeesqlSecret) b = teesql_epoch_keys_lookup (found, epoch, NULL);
  g_assert_true (teesql_secret_equal (a, b));
}

static void
check_recovery (JsonObject *root, JsonObject *row)
{
  g_autoptr (GError) error = NULL;
  guint32 epoch = (guint32) json_object_get_int_member (row, "epoch");
  g_autoptr (TeesqlEpochKeys) keys = keys_for (root, epoch);
  const char *public = json_object_get_string_member (row, "public");
  g_autoptr (TeesqlRecipient) recipient = teesql_recipient_new_from_pem (public, strlen (public), &error);
  g_autoptr (TeesqlSecret) ephemeral = teesql_secret_new_from_hex (json_object_get_string_member (row, "ephemeral"), -1, NULL);
  g_autoptr (GBytes) expected = teesql_hex_decode (json_object_get_string_member (row, "sealed"), -1, NULL);

  g_assert_no_error (error);
  g_assert_cmpstr (teesql_recipient_get_id (recipient), ==, json_object_get_string_member (row, "id"));
  g_autoptr (GBytes) sealed =
      teesql_recipient_seal_with (recipient, keys, epoch, json_object_get_boolean_member (row, "simulated"), ephemeral, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (sealed, expected));
  check_opens (root, row, "pkcs8", expected);
  check_opens (root, row, "sec1", expected);
}

static void
recovery (void)
{
  g_autoptr (JsonParser) parser = load ();
  JsonObject *root = json_node_get_object (json_parser_get_root (parser));
  JsonArray *rows = json_object_get_array_member (root, "recovery");

  g_assert_cmpuint (json_array_get_length (rows), >=, 3);
  for (guint i = 0; i < json_array_get_length (rows); i++)
    check_recovery (root, json_array_get_object_element (rows, i));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seal/vectors/objects", objects);
  g_test_add_func ("/seal/vectors/recovery", recovery);
  return g_test_run ();
}
