#include "gcs-key.h"

#include "base/teesql-domains.h"
#include "gcs-scan.h"

#include <gnutls/abstract.h>
#include <string.h>

#define SCOPE  "https://www.googleapis.com/auth/devstorage.read_write"
#define LIFE_S 3600

void
gcs_key_free (GcsKey *self)
{
  g_free (self->email);
  g_free (self->key_id);
  g_free (self->token_uri);
  g_clear_pointer (&self->pem, teesql_secret_unref);
  g_free (self);
}

GcsKey *
gcs_key_new (TeesqlSecret *json, GError **error)
{
  g_autoptr (GcsKey) self = g_new0 (GcsKey, 1);
  g_autoptr (GError) problem = NULL;
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (json, &size);

  self->email = gcs_scan_public (data, size, "client_email", &problem);
  if (problem == NULL)
    self->key_id = gcs_scan_public (data, size, "private_key_id", &problem);
  if (problem == NULL)
    self->token_uri = gcs_scan_public (data, size, "token_uri", &problem);
  if (problem == NULL)
    self->pem = gcs_scan_text (data, size, "private_key", &problem);
  if (problem == NULL)
    return g_steal_pointer (&self);
  g_propagate_error (error,
                     teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "service-account", 0,
                                       "service-account: %s\nhint: it takes the JSON key of a service account, as Google hands it out",
                                       problem->message));
  return NULL;
}

/* ---- RFC 7515 ---- */

static char *
to_base64url (const guint8 *data, gsize size)
{
  char *text = g_base64_encode (data, size);
  gsize length = strcspn (text, "=");

  text[length] = '\0';
  g_strdelimit (text, "+", '-');
  return g_strdelimit (text, "/", '_');
}

static char *
part_of (const char *json)
{
  return to_base64url ((const guint8 *) json, strlen (json));
}

static int
sign_with (gnutls_privkey_t key, TeesqlSecret *pem, const char *text, gnutls_datum_t *out)
{
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (pem, &size);
  const gnutls_datum_t pem_datum = { (guint8 *) data, (guint) size };
  const gnutls_datum_t message = { (guint8 *) text, (guint) strlen (text) };
  int result = gnutls_privkey_import_x509_raw (key, &pem_datum, GNUTLS_X509_FMT_PEM, NULL, 0);

  if (result == 0 && gnutls_privkey_get_pk_algorithm (key, NULL) != GNUTLS_PK_RSA)
    return GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM;
  return result < 0 ? result : gnutls_privkey_sign_data2 (key, GNUTLS_SIGN_RSA_SHA256, 0, &message, out);
}

static char *
sign (TeesqlSecret *pem, const char *text, GError **error)
{
  gnutls_privkey_t key = NULL;
  gnutls_datum_t signature = { NULL, 0 };
  char *encoded = NULL;
  int result = gnutls_privkey_init (&key);

  if (result == 0)
    {
      result = sign_with (key, pem, text, &signature);
      gnutls_privkey_deinit (key);
    }
  if (result < 0)
    teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "service-account", "service-account: its private key does not sign: %s",
                 gnutls_strerror (result));
  else
    encoded = to_base64url (signature.data, signature.size);
  gnutls_free (signature.data);
  return encoded;
}

char *
gcs_key_make_assertion (const GcsKey *self, const char *audience, gint64 now_unix, GError **error)
{
  g_autofree char *header = g_strdup_printf ("{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", self->key_id);
  g_autofree char *claims =
      g_strdup_printf ("{\"iss\":\"%s\",\"scope\":\"" SCOPE "\",\"aud\":\"%s\",\"iat\":%" G_GINT64_FORMAT ",\"exp\":%" G_GINT64_FORMAT "}",
                       self->email, audience, now_unix, now_unix + LIFE_S);
  g_autofree char *header_part = part_of (header);
  g_autofree char *claims_part = part_of (claims);
  g_autofree char *text = g_strconcat (header_part, ".", claims_part, NULL);
  g_autofree char *signature = sign (self->pem, text, error);

  return signature != NULL ? g_strconcat (text, ".", signature, NULL) : NULL;
}
