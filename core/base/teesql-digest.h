#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

#define TEESQL_SHA256_SIZE 32
#define TEESQL_SHA384_SIZE 48
#define TEESQL_SHA512_SIZE 64

typedef enum { TEESQL_DIGEST_SHA256, TEESQL_DIGEST_SHA384, TEESQL_DIGEST_SHA512 } TeesqlDigestKind;

/**
 * TeesqlDigestPart:
 *
 * one piece of the message: digests here are always over a concatenation, spelled at the place of use.
 */
typedef struct {
  const void *data;
  gsize size;
} TeesqlDigestPart;

/* @out has the size of @kind. These cannot fail: the algorithms are built into GnuTLS. */
TEESQL_API void teesql_digest (TeesqlDigestKind kind, guint8 *out, const TeesqlDigestPart *parts, guint n_parts);
TEESQL_API void teesql_digest_bytes (TeesqlDigestKind kind, guint8 *out, const void *data, gsize size);
TEESQL_API void teesql_hmac_sha256 (guint8 out[TEESQL_SHA256_SIZE], const guint8 *key, gsize key_size, const TeesqlDigestPart *parts, guint n_parts);
/**
 * teesql_hkdf_sha256:
 *
 * RFC 5869, extract and expand, @size at most 255 * 32 bytes
 */
TEESQL_API void teesql_hkdf_sha256 (const guint8 *ikm, gsize ikm_size, const guint8 *salt, gsize salt_size, const guint8 *info,
                                    gsize info_size, guint8 *out, gsize size);

G_END_DECLS
