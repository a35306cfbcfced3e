#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

/* The derivation table (docs/keys.md): HKDF-SHA256, salt `teesql/v1`, info = u8 length ‖ label ‖ u16be length ‖ context. */
#define TEESQL_KEYS_PATH_SUPERUSER "pg/superuser"
#define TEESQL_KEYS_PATH_ROLES     "pg/roles"
#define TEESQL_KEYS_CHECK_SIZE     8

TeesqlSecret *teesql_keys_derive (TeesqlSecret *kms_key, const char *label, const guint8 *context, gsize context_size, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* 32 bytes */
TeesqlSecret *teesql_keys_password_form (TeesqlSecret *key, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* 64 lower hex, without NUL */
TeesqlSecret *teesql_keys_role_password (TeesqlSecret *roles_key, const char *role, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlSecret *teesql_keys_role_decoy (TeesqlSecret *roles_key, const char *role, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* 32 bytes */
void teesql_keys_check_value (TeesqlSecret *key, guint8 out[TEESQL_KEYS_CHECK_SIZE]); /* stored beside what a key made */

G_END_DECLS
