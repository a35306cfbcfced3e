#pragma once
#include <gio/gio.h>
#include <teesql/teesql-secret.h>

#include "../cloud/cloud-uri.h"
#include "s3-credentials.h"

G_BEGIN_DECLS

typedef enum
{
  S3_CREDENTIALS_STATIC,
  S3_CREDENTIALS_WEB_IDENTITY,
  S3_CREDENTIALS_METADATA,
} S3CredentialsKind;

typedef enum
{
  S3_CHECKSUM_SHA256, /* x-amz-checksum-sha256: the store verifies and keeps it */
  S3_CHECKSUM_MD5,    /* Content-MD5: the store verifies it */
  S3_CHECKSUM_NONE,   /* the signed x-amz-content-sha256 alone */
} S3Checksum;

/**
 * S3Options:
 *
 * the properties as they were set, then what they stand for. Texts `none` and `auto` are %NULL.
 */
typedef struct
{
  char *endpoint_text;
  char *region;
  char *bucket;
  char *prefix_text;
  char *storage_class;
  char *encryption;
  char *conditional_text;
  char *checksum_text;
  char *ca_file;
  char *credentials_text;
  char *access_key_id;
  char *role_arn;
  char *role_session_name;
  char *token_file;
  char *sts_endpoint_text;
  char *metadata_endpoint_text;
  TeesqlSecret *secret_access_key;
  TeesqlSecret *session_token;
  gboolean path_style;
  guint timeout_ms;
  guint max_connections;

  CloudEndpoint endpoint;
  CloudEndpoint sts_endpoint;
  CloudEndpoint metadata_endpoint;
  char *prefix; /* "" or with a slash behind it */
  gboolean conditional;
  S3Checksum checksum;
  S3CredentialsKind kind;
  S3Credentials *fixed; /* of kind static */
  GTlsDatabase *ca;
} S3Options;

void s3_options_install (GObjectClass *klass);
gboolean s3_options_is_property (guint property_id);
void s3_options_set (S3Options *self, guint property_id, const GValue *value);
/* Reads ca-file: blocks. %TEESQL_ERROR_CONFIG with the option's name as the reason. */
gboolean s3_options_resolve (S3Options *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void s3_options_clear (S3Options *self);

G_END_DECLS
