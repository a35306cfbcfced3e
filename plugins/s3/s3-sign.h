#pragma once
#include "s3-credentials.h"

G_BEGIN_DECLS

/* AWS Signature Version 4, as pure functions. S3 differs from other services: the path is encoded once and not normalised. */

#define S3_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

typedef struct
{
  const char *name;
  const char *value;
} S3Pair;

/**
 * S3Signing:
 * @path: encoded
 * @query: of s3_sign_query()
 * @headers: all that are signed, names in lower case, ascending by name, values without blanks at their ends
 * @payload: SHA-256 of the body, lower hex
 * @timestamp: `20150830T123600Z`
 */
typedef struct
{
  const char *method;
  const char *path;
  const char *query;
  const S3Pair *headers;
  gsize n_headers;
  const char *payload;
  const char *region;
  const char *service;
  const char *timestamp;
} S3Signing;

/* Encoded and sorted; a pair without value keeps its `=`. */
char *s3_sign_query (const S3Pair *pairs, gsize n_pairs) TEESQL_MUST_USE;
char *s3_sign_canonical_request (const S3Signing *self) TEESQL_MUST_USE;
char *s3_sign_string_to_sign (const S3Signing *self) TEESQL_MUST_USE;
/* The value of the Authorization header. */
char *s3_sign_authorization (const S3Signing *self, const S3Credentials *credentials) TEESQL_MUST_USE;
char *s3_sign_timestamp (gint64 unix_seconds) TEESQL_MUST_USE;
char *s3_sign_sha256 (const void *data, gsize size) TEESQL_MUST_USE; /* lower hex */

G_END_DECLS
