#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

/**
 * S3Credentials:
 * @key: `AWS4` and the secret access key: what the first step of the signature is keyed with
 * @session_token: (nullable): of credentials that end
 *
 * refcounted, immutable.
 */
typedef struct
{
  char *access_key_id;
  TeesqlSecret *key;
  TeesqlSecret *session_token;
} S3Credentials;

/* Reason `s3-credentials`, %TEESQL_ERROR_CONFIG, where the parts are no such thing */
S3Credentials *s3_credentials_new (const char *access_key_id, TeesqlSecret *secret_access_key, TeesqlSecret *session_token, GError **error)
    TEESQL_MUST_USE;
S3Credentials *s3_credentials_ref (S3Credentials *self);
void s3_credentials_unref (S3Credentials *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (S3Credentials, s3_credentials_unref)
G_END_DECLS
