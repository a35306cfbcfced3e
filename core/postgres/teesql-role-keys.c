#include "postgres/teesql-role-keys.h"
#include "base/teesql-domains.h"
#include <string.h>

typedef struct
{
  guint8 salt[TEESQL_SCRAM_MAX_SALT];
  gsize salt_size;
  guint iterations;
  TeesqlSecret *keys; /* NULL: free */
} CachedKeys;

typedef struct
{
  TeesqlSecret *password;
  CachedKeys cached[TEESQL_ROLE_KEYS_MAX_SALTS];
  guint next; /* place that is given up next */
} RoleEntry;

struct _TeesqlRoleKeys
{
  gatomicrefcount references;
  GMutex lock;
  GHashTable *roles; /* name -> RoleEntry, under the lock */
};

G_DEFINE_BOXED_TYPE (TeesqlRoleKeys, teesql_role_keys, teesql_role_keys_ref, teesql_role_keys_unref)

static void
role_entry_free (gpointer data)
{
  RoleEntry *entry = data;

  for (guint i = 0; i < TEESQL_ROLE_KEYS_MAX_SALTS; i++)
    g_clear_pointer (&entry->cached[i].keys, teesql_secret_unref);
  g_clear_pointer (&entry->password, teesql_secret_unref);
  g_free (entry);
}

TeesqlRoleKeys *
teesql_role_keys_new (void)
{
  TeesqlRoleKeys *self = g_new0 (TeesqlRoleKeys, 1);

  g_atomic_ref_count_init (&self->references);
  g_mutex_init (&self->lock);
  self->roles = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, role_entry_free);
  return self;
}

TeesqlRoleKeys *
teesql_role_keys_ref (TeesqlRoleKeys *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
teesql_role_keys_unref (TeesqlRoleKeys *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  g_hash_table_unref (self->roles);
  g_mutex_clear (&self->lock);
  g_free (self);
}

gboolean
teesql_role_keys_add (TeesqlRoleKeys *self, const char *role, TeesqlSecret *password, GError **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  RoleEntry *entry = g_hash_table_lookup (self->roles, role);

  if (entry != NULL && teesql_secret_equal (entry->password, password))
    return TRUE;
  if (entry == NULL && g_hash_table_size (self->roles) >= TEESQL_ROLE_KEYS_MAX_ROLES)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_NO_SPACE, "role-keys-full", 0,
                                                  "role %s: there are %d roles already", role, TEESQL_ROLE_KEYS_MAX_ROLES));
      return FALSE;
    }
  entry = g_new0 (RoleEntry, 1);
  entry->password = teesql_secret_ref (password);
  g_hash_table_replace (self->roles, g_strdup (role), entry);
  return TRUE;
}

gboolean
teesql_role_keys_has (TeesqlRoleKeys *self, const char *role)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return g_hash_table_contains (self->roles, role);
}

static CachedKeys *
role_entry_find (RoleEntry *entry, const guint8 *salt, gsize salt_size, guint iterations)
{
  for (guint i = 0; i < TEESQL_ROLE_KEYS_MAX_SALTS; i++)
    {
      CachedKeys *cached = &entry->cached[i];

      if (cached->keys != NULL && cached->iterations == iterations && cached->salt_size == salt_size &&
          memcmp (cached->salt, salt, salt_size) == 0)
        return cached;
    }
  return NULL;
}

TeesqlSecret *
teesql_role_keys_lookup (TeesqlRoleKeys *self, const char *role, const guint8 *salt, gsize salt_size, guint iterations)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  RoleEntry *entry = g_hash_table_lookup (self->roles, role);
  CachedKeys *cached = entry != NULL ? role_entry_find (entry, salt, salt_size, iterations) : NULL;

  return cached != NULL ? teesql_secret_ref (cached->keys) : NULL;
}

static TeesqlSecret *
role_keys_ref_password (TeesqlRoleKeys *self, const char *role)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  RoleEntry *entry = g_hash_table_lookup (self->roles, role);

  return entry != NULL ? teesql_secret_ref (entry->password) : NULL;
}

/* unless another password, or another thread's same keys, came in between */
static void
role_keys_store (TeesqlRoleKeys *self, const char *role, TeesqlSecret *password, const guint8 *salt, gsize salt_size, guint iterations,
                 TeesqlSecret *keys)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  RoleEntry *entry = g_hash_table_lookup (self->roles, role);
  CachedKeys *place = NULL;

  if (entry == NULL || entry->password != password || role_entry_find (entry, salt, salt_size, iterations) != NULL)
    return;
  place = &entry->cached[entry->next];
  entry->next = (entry->next + 1) % TEESQL_ROLE_KEYS_MAX_SALTS;
  g_clear_pointer (&place->keys, teesql_secret_unref);
  for (gsize i = 0; i < salt_size; i++)
    place->salt[i] = salt[i];
  place->salt_size = salt_size;
  place->iterations = iterations;
  place->keys = teesql_secret_ref (keys);
}

TeesqlSecret *
teesql_role_keys_get (TeesqlRoleKeys *self, const char *role, const guint8 *salt, gsize salt_size, guint iterations, GError **error)
{
  TeesqlSecret *keys = NULL;
  g_autoptr (TeesqlSecret) password = NULL;

  g_return_val_if_fail (salt_size > 0 && salt_size <= TEESQL_SCRAM_MAX_SALT, NULL);

  keys = teesql_role_keys_lookup (self, role, salt, salt_size, iterations);
  if (keys != NULL)
    return keys;
  password = role_keys_ref_password (self, role);
  if (password == NULL)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_NOT_FOUND, "role-unknown", 0,
                                                  "there is no password for role %s", role));
      return NULL;
    }
  keys = teesql_scram_keys_new (password, salt, salt_size, iterations, error);
  if (keys != NULL)
    role_keys_store (self, role, password, salt, salt_size, iterations, keys);
  return keys;
}
