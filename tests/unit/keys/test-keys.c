#include "base/teesql-hex.h"
#include "keys/teesql-keys.h"
#include <teesql/teesql-error.h>

#define INPUT_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* The rows of docs/keys.md. */
static const struct
{
  const char *label;
  const char *context_hex;
  const char *key;
} rows[] = {
  { "role-password", "74656573716c5f72656164", "496676d174649f78e9f1c50d344cb14362ace2dec4b089567cea16ef6004284a" },
  { "role-password", "74656573716c5f726561647772697465", "c2461be8e1904535c8adea8f0c391ac7c802fb0c9e8234beb2bacc08a6c18431" },
  { "role-decoy", "74656573716c5f72656164", "d8a51aabbb62291a92e62848da5ac5aebc1235b7ef75072959648c37466d3c5a" },
  { "luks-passphrase", "6f72646572732d31", "78f17661ed24100feaafcc1bb1b015769fd2a57b4fe273ee0fa19ae89e481bb1" },
  { "luks-header-mac", "6f72646572732d31", "5ac6c750bea4e38b4d8a38de3f1f4c53c23658c0b7dfa4b6f5fbe9c17436ae70" },
  { "backup-epoch", "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f00000001",
    "b8ffb0c4d3c4316ec3e995db81dc0360150a3147b56e2681e2a898cd44400df2" },
  { "head-mac", "", "2602ef5a16f3ae758c2912a38bff1b52c10c90059d68fdd1b7c464ad9b8dc9b6" },
};

static TeesqlSecret *
input_key (void)
{
  g_autoptr (GError) error = NULL;
  TeesqlSecret *key = teesql_secret_new_from_hex (INPUT_KEY, -1, &error);

  g_assert_no_error (error);
  return key;
}

static void
assert_bytes (TeesqlSecret *secret, const char *expected_hex)
{
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (secret, &size);
  g_autofree char *hex = teesql_hex_encode (data, size);

  g_assert_cmpstr (hex, ==, expected_hex);
}

static void
assert_text (TeesqlSecret *secret, const char *expected)
{
  gsize size = 0;
  const char *text = (const char *) teesql_secret_peek (secret, &size);

  g_assert_cmpmem (text, (int) size, expected, (int) strlen (expected));
}

static void
known_answers (void)
{
  g_autoptr (TeesqlSecret) input = input_key ();

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) context = teesql_hex_decode (rows[i].context_hex, -1, NULL);
      gsize size = 0;
      const guint8 *data = g_bytes_get_data (context, &size);
      g_autoptr (TeesqlSecret) key = teesql_keys_derive (input, rows[i].label, data, size, &error);

      g_assert_no_error (error);
      assert_bytes (key, rows[i].key);
    }
}

static void
role_passwords_are_hex_text (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) input = input_key ();
  g_autoptr (TeesqlSecret) read = teesql_keys_role_password (input, "teesql_read", &error);
  g_autoptr (TeesqlSecret) decoy = teesql_keys_role_decoy (input, "teesql_read", &error);
  g_autoptr (TeesqlSecret) all = teesql_secret_new_from_hex ("0123456789abcdef", -1, &error);
  g_autoptr (TeesqlSecret) text = teesql_keys_password_form (all, &error);

  g_assert_no_error (error);
  assert_text (read, rows[0].key);
  assert_bytes (decoy, rows[2].key);
  assert_text (text, "0123456789abcdef");
}

static void
lengths_separate_label_and_context (void)
{
  g_autoptr (TeesqlSecret) input = input_key ();
  g_autoptr (TeesqlSecret) a = teesql_keys_derive (input, "ab", (const guint8 *) "c", 1, NULL);
  g_autoptr (TeesqlSecret) b = teesql_keys_derive (input, "a", (const guint8 *) "bc", 2, NULL);

  g_assert_false (teesql_secret_equal (a, b));
}

static void
too_long_a_context_is_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) input = input_key ();
  g_autofree guint8 *context = g_malloc0 (65536);
  g_autoptr (TeesqlSecret) fits = teesql_keys_derive (input, "object-key", context, 65535, &error);
  g_autoptr (TeesqlSecret) key = NULL;

  g_assert_no_error (error);
  g_assert_nonnull (fits);
  key = teesql_keys_derive (input, "object-key", context, 65536, &error);
  g_assert_null (key);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "key-context");
}

static void
check_value (void)
{
  g_autoptr (TeesqlSecret) input = input_key ();
  guint8 value[TEESQL_KEYS_CHECK_SIZE];
  g_autofree char *hex = NULL;

  teesql_keys_check_value (input, value);
  hex = teesql_hex_encode (value, sizeof value);
  g_assert_cmpstr (hex, ==, "e23c498abf13552d");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/keys/derivation-gives-the-documented-answers", known_answers);
  g_test_add_func ("/keys/role-passwords-are-hex-text", role_passwords_are_hex_text);
  g_test_add_func ("/keys/lengths-separate-label-and-context", lengths_separate_label_and_context);
  g_test_add_func ("/keys/too-long-a-context-is-refused", too_long_a_context_is_refused);
  g_test_add_func ("/keys/check-value-is-the-documented-one", check_value);
  return g_test_run ();
}
