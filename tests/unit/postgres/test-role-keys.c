#include "postgres/teesql-role-keys.h"
#include "base/teesql-domains.h"
#include <string.h>

#define SALT_SIZE 16
#define ROUNDS    4096

static TeesqlSecret *
secret (const char *text)
{
  return teesql_secret_new ((const guint8 *) text, strlen (text), NULL);
}

static TeesqlRoleKeys *
keys_with (const char *role, const char *password)
{
  TeesqlRoleKeys *keys = teesql_role_keys_new ();
  g_autoptr (TeesqlSecret) text = secret (password);
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_role_keys_add (keys, role, text, &error));
  g_assert_no_error (error);
  return keys;
}

static void
test_computes_once (void)
{
  static const guint8 salt[SALT_SIZE] = { 1 };
  g_autoptr (TeesqlRoleKeys) keys = keys_with ("reader", "pencil");
  g_autoptr (TeesqlSecret) password = secret ("pencil");
  g_autoptr (TeesqlSecret) expected = teesql_scram_keys_new (password, salt, SALT_SIZE, ROUNDS, NULL);
  g_autoptr (TeesqlSecret) first = NULL;
  g_autoptr (TeesqlSecret) second = NULL;
  g_autoptr (TeesqlSecret) found = NULL;

  g_assert_null (teesql_role_keys_lookup (keys, "reader", salt, SALT_SIZE, ROUNDS));
  first = teesql_role_keys_get (keys, "reader", salt, SALT_SIZE, ROUNDS, NULL);
  second = teesql_role_keys_get (keys, "reader", salt, SALT_SIZE, ROUNDS, NULL);
  found = teesql_role_keys_lookup (keys, "reader", salt, SALT_SIZE, ROUNDS);
  g_assert_true (teesql_secret_equal (first, expected));
  g_assert_true (first == second && first == found); /* the same object */
}

static void
test_tells_apart (void)
{
  static const guint8 salt[SALT_SIZE] = { 1 };
  static const guint8 other[SALT_SIZE] = { 2 };
  g_autoptr (TeesqlRoleKeys) keys = keys_with ("reader", "pencil");
  g_autoptr (TeesqlSecret) found = teesql_role_keys_get (keys, "reader", salt, SALT_SIZE, ROUNDS, NULL);

  g_assert_nonnull (found);
  g_assert_null (teesql_role_keys_lookup (keys, "reader", other, SALT_SIZE, ROUNDS));
  g_assert_null (teesql_role_keys_lookup (keys, "reader", salt, SALT_SIZE - 1, ROUNDS));
  g_assert_null (teesql_role_keys_lookup (keys, "reader", salt, SALT_SIZE, ROUNDS + 1));
  g_assert_null (teesql_role_keys_lookup (keys, "writer", salt, SALT_SIZE, ROUNDS));
}

static void
test_unknown_role (void)
{
  static const guint8 salt[SALT_SIZE] = { 1 };
  g_autoptr (TeesqlRoleKeys) keys = keys_with ("reader", "pencil");
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_role_keys_has (keys, "reader"));
  g_assert_false (teesql_role_keys_has (keys, "writer"));
  g_assert_null (teesql_role_keys_get (keys, "writer", salt, SALT_SIZE, ROUNDS, &error));
  g_assert_error (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_NOT_FOUND);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "role-unknown");
}

static void
test_new_password (void)
{
  static const guint8 salt[SALT_SIZE] = { 1 };
  g_autoptr (TeesqlRoleKeys) keys = keys_with ("reader", "pencil");
  g_autoptr (TeesqlSecret) before = teesql_role_keys_get (keys, "reader", salt, SALT_SIZE, ROUNDS, NULL);
  g_autoptr (TeesqlSecret) same = secret ("pencil");
  g_autoptr (TeesqlSecret) other = secret ("crayon");
  g_autoptr (TeesqlSecret) kept = NULL;
  g_autoptr (TeesqlSecret) after = NULL;

  g_assert_true (teesql_role_keys_add (keys, "reader", same, NULL));
  kept = teesql_role_keys_lookup (keys, "reader", salt, SALT_SIZE, ROUNDS);
  g_assert_true (kept == before);
  g_assert_true (teesql_role_keys_add (keys, "reader", other, NULL));
  g_assert_null (teesql_role_keys_lookup (keys, "reader", salt, SALT_SIZE, ROUNDS));
  after = teesql_role_keys_get (keys, "reader", salt, SALT_SIZE, ROUNDS, NULL);
  g_assert_false (teesql_secret_equal (before, after));
}

static void
test_bounded_salts (void)
{
  g_autoptr (TeesqlRoleKeys) keys = keys_with ("reader", "pencil");
  guint kept = 0;

  for (guint8 i = 0; i < 3 * TEESQL_ROLE_KEYS_MAX_SALTS; i++)
    {
      const guint8 salt[SALT_SIZE] = { i };
      g_autoptr (TeesqlSecret) made = teesql_role_keys_get (keys, "reader", salt, SALT_SIZE, ROUNDS, NULL);

      g_assert_nonnull (made);
    }
  for (guint8 i = 0; i < 3 * TEESQL_ROLE_KEYS_MAX_SALTS; i++)
    {
      const guint8 salt[SALT_SIZE] = { i };
      g_autoptr (TeesqlSecret) found = teesql_role_keys_lookup (keys, "reader", salt, SALT_SIZE, ROUNDS);

      g_assert_cmpint (found != NULL, ==, i >= 2 * TEESQL_ROLE_KEYS_MAX_SALTS); /* the newest */
      kept += found != NULL;
    }
  g_assert_cmpuint (kept, ==, TEESQL_ROLE_KEYS_MAX_SALTS);
}

static void
test_bounded_roles (void)
{
  g_autoptr (TeesqlRoleKeys) keys = teesql_role_keys_new ();
  g_autoptr (TeesqlSecret) password = secret ("pencil");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < TEESQL_ROLE_KEYS_MAX_ROLES; i++)
    {
      g_autofree char *role = g_strdup_printf ("role%u", i);

      g_assert_true (teesql_role_keys_add (keys, role, password, NULL));
    }
  g_assert_true (teesql_role_keys_add (keys, "role7", password, NULL));
  g_assert_false (teesql_role_keys_add (keys, "one more", password, &error));
  g_assert_error (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_NO_SPACE);
}

static gpointer
hammer (gpointer data)
{
  TeesqlRoleKeys *keys = data;

  for (guint8 i = 0; i < 40; i++)
    {
      const guint8 salt[SALT_SIZE] = { i % 6 };
      g_autoptr (TeesqlSecret) password = secret (i % 8 == 0 ? "pencil" : "crayon");
      g_autoptr (TeesqlSecret) made = NULL;

      g_assert_true (teesql_role_keys_add (keys, "reader", password, NULL));
      made = teesql_role_keys_get (keys, "reader", salt, SALT_SIZE, ROUNDS, NULL);
      g_assert_cmpuint (teesql_secret_get_size (made), ==, 64);
    }
  return NULL;
}

static void
test_threads (void)
{
  g_autoptr (TeesqlRoleKeys) keys = keys_with ("reader", "pencil");
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("hammer", hammer, keys);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/postgres/role-keys/compute-once", test_computes_once);
  g_test_add_func ("/postgres/role-keys/tell-salts-rounds-and-roles-apart", test_tells_apart);
  g_test_add_func ("/postgres/role-keys/refuse-an-unknown-role", test_unknown_role);
  g_test_add_func ("/postgres/role-keys/a-new-password-drops-old-keys", test_new_password);
  g_test_add_func ("/postgres/role-keys/keep-the-newest-salts-only", test_bounded_salts);
  g_test_add_func ("/postgres/role-keys/bound-the-number-of-roles", test_bounded_roles);
  g_test_add_func ("/postgres/role-keys/serve-several-threads", test_threads);
  return g_test_run ();
}
