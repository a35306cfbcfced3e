#pragma once
#include "../cloud/cloud-http.h"
#include "../cloud/cloud-tokens.h"
#include "s3-options.h"

G_BEGIN_DECLS

/* Where credentials come from; what each asks is in s3-web-identity.c and s3-metadata.c. */

/* of #S3Credentials; what it needs of @options is copied */
CloudTokens *s3_identity_new (const S3Options *options, SoupSession *session) G_GNUC_WARN_UNUSED_RESULT;

/**
 * S3Identity:
 *
 * private to the three files
 */
typedef struct
{
  S3CredentialsKind kind;
  S3Credentials *fixed;
  SoupSession *session;
  char *role_arn;
  char *role_session_name;
  char *token_file;
  char *url; /* of STS, or of the metadata, without a slash at its end */
  guint timeout_ms;
} S3Identity;

/* a member of an answer, out of locked memory */
typedef TeesqlSecret *(*S3ScanFunc) (GBytes *answer, const char *member, GError **error);
/* @token_member: `SessionToken` of STS, `Token` of the metadata */
S3Credentials *s3_identity_read_answer (GBytes *answer, S3ScanFunc scan, const char *token_member, gint64 *out_lifetime_ms, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* Tasks that return #S3Credentials. */
void s3_web_identity_fetch_async (S3Identity *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void s3_metadata_fetch_async (S3Identity *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* Answers @task from an answer that carries credentials. */
void s3_identity_return (GTask *task, GBytes *answer, S3ScanFunc scan, const char *token_member);

G_END_DECLS
