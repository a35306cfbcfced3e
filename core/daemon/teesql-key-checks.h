#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

/**
 * teesql_key_checks_compare:
 * @state_directory: where `key-checks` lies, one line per path: the path and the key's check value in hex
 *
 * compares a key of the KMS with what an earlier start got, and notes it when this is the first time. Roles in the database have passwords
 * made from these keys: to go on with others would look like corruption, or lock everybody out. A file that cannot be read as
 * what it claims to be is replaced, with a warning: it protects against mistakes, not against who can write it.
 *
 * Returns: %FALSE with INTEGRITY `kms-key-changed` in #TEESQL_KMS_ERROR
 */
gboolean teesql_key_checks_compare (const char *state_directory, const char *path, TeesqlSecret *key, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
