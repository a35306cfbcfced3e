#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

/**
 * GcsKey:
 *
 * what of a service account's JSON key is needed to ask for tokens. The private key stays in locked memory but for the time of a signature, when GnuTLS
 * holds a copy.
 */
typedef struct
{
  char *email;
  char *key_id;
  char *token_uri;
  TeesqlSecret *pem;
} GcsKey;

/* Reason `service-account`, %TEESQL_ERROR_CONFIG */
GcsKey *gcs_key_new (TeesqlSecret *json, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void gcs_key_free (GcsKey *self);
/**
 * gcs_key_make_assertion:
 * @audience: where it will be shown
 *
 * Returns: (transfer full): a JWT, RS256, good for an hour (RFC 7523). Blocks for the signature: a millisecond or two
 */
char *gcs_key_make_assertion (const GcsKey *self, const char *audience, gint64 now_unix, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GcsKey, gcs_key_free)
G_END_DECLS
