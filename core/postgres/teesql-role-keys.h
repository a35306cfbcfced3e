#pragma once
#include "pgwire/teesql-scram.h"

G_BEGIN_DECLS

#define TEESQL_ROLE_KEYS_MAX_ROLES 256
#define TEESQL_ROLE_KEYS_MAX_SALTS 4 /* of one role: a foreign server that changes its salt each time gains no memory */

/**
 * TeesqlRoleKeys:
 *
 * PostgreSQL passwords of our roles, and the SCRAM keys made from them, so that a login costs no PBKDF2. Boxed, refcounted,
 * thread safe. Provisioning leaves it warm: the keys of each role's verifier are in it before the first login.
 */
typedef struct _TeesqlRoleKeys TeesqlRoleKeys;
#define TEESQL_TYPE_ROLE_KEYS (teesql_role_keys_get_type ())
GType teesql_role_keys_get_type (void);

TeesqlRoleKeys *teesql_role_keys_new (void) G_GNUC_WARN_UNUSED_RESULT;
TeesqlRoleKeys *teesql_role_keys_ref (TeesqlRoleKeys *self);
void teesql_role_keys_unref (TeesqlRoleKeys *self);
/**
 * teesql_role_keys_add:
 * @password: referenced; another one than before drops the keys made from it
 *
 * Returns: %FALSE with NO_SPACE, `role-keys-full` in #TEESQL_POSTGRES_ERROR
 */
gboolean teesql_role_keys_add (TeesqlRoleKeys *self, const char *role, TeesqlSecret *password, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_role_keys_has (TeesqlRoleKeys *self, const char *role) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_role_keys_lookup:
 *
 * Returns: (transfer full) (nullable): keys that are there already; never computes
 */
TeesqlSecret *teesql_role_keys_lookup (TeesqlRoleKeys *self, const char *role, const guint8 *salt, gsize salt_size, guint iterations) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_role_keys_get:
 *
 * the same, and makes them where they are missing: blocks for the rounds (0.5 ms for 4096), without holding the lock
 *
 * Returns: (transfer full) (nullable): %NULL with NOT_FOUND, `role-unknown`
 */
TeesqlSecret *teesql_role_keys_get (TeesqlRoleKeys *self, const char *role, const guint8 *salt, gsize salt_size, guint iterations, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRoleKeys, teesql_role_keys_unref)
G_END_DECLS
