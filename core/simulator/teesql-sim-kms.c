#include "simulator/teesql-sim-kms.h"
#include "base/teesql-hex.h"
#include <string.h>

#define KMS_SALT "RATLS" /* guest agent 4: one HKDF for everything */

/* 2024-01-01 to the end of 2049 */
#define NOT_BEFORE_UNIX ((gint64) 1704067200)
#define NOT_AFTER_UNIX  ((gint64) 2524607999)

#define OID_APP_ID        "1.3.6.1.4.1.62397.1.3"
#define OID_SPECIAL_USAGE "1.3.6.1.4.1.62397.1.4"

static TeesqlSimAuthority *
make_root_ca (const TeesqlSimPlatform *platform, GError **error)
{
  guint8 serial[20];
  const TeesqlSimTemplate template = {
    .common_name = "Dstack KMS CA (TeeSQL Simulator)",
    .organization = TEESQL_SIM_ORGANIZATION,
    .serial = serial,
    .not_before_unix = NOT_BEFORE_UNIX,
    .not_after_unix = NOT_AFTER_UNIX,
    .path_length = 1,
    .key_usage = GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN,
  };

  if (!teesql_sim_platform_derive_serial (platform, "serial/kms-root-ca", NULL, serial, error))
    return NULL;
  return teesql_sim_x509_make_authority (&template, teesql_sim_platform_derive_key (platform, "key/kms-root-ca", NULL, error), NULL, error);
}

/* a key that the KMS makes for the application out of its root key */
static TeesqlSecret *
derive_for_app (const TeesqlSecret *root, const guint8 app_id[TEESQL_SIM_APP_ID_SIZE], const char *label, GError **error)
{
  const TeesqlDigestPart info[] = { { app_id, TEESQL_SIM_APP_ID_SIZE }, { label, strlen (label) } };

  return teesql_sim_hkdf (root, KMS_SALT, info, G_N_ELEMENTS (info), error);
}

static TeesqlSimAuthority *
make_app_ca (const TeesqlSimKms *self, const TeesqlSimPlatform *platform, GError **error)
{
  g_autoptr (TeesqlSecret) scalar = derive_for_app (self->root_ca->key->scalar, self->app_id, "app-ca", error);
  g_autoptr (TeesqlSimKey) key = scalar != NULL ? teesql_sim_key_new (scalar, error) : NULL;
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  g_autofree char *app_id = teesql_hex_encode (self->app_id, sizeof self->app_id);
  guint8 serial[20];
  const TeesqlSimTemplate template = {
    .common_name = "Dstack App CA (TeeSQL Simulator)",
    .organization = TEESQL_SIM_ORGANIZATION,
    .serial = serial,
    .not_before_unix = NOT_BEFORE_UNIX,
    .not_after_unix = NOT_AFTER_UNIX,
    .path_length = 0,
    .key_usage = GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN,
  };

  if (key == NULL || !teesql_sim_platform_derive_serial (platform, "serial/app-ca", app_id, serial, error))
    return NULL;
  certificate = teesql_sim_x509_begin (&template, key, error);
  if (certificate == NULL || !teesql_sim_x509_add_wrapped (certificate, OID_APP_ID, self->app_id, sizeof self->app_id, error) ||
      !teesql_sim_x509_add_wrapped (certificate, OID_SPECIAL_USAGE, (const guint8 *) "app:ca", 6, error) ||
      !teesql_sim_x509_sign (certificate, self->root_ca, NULL, error))
    return NULL;
  return teesql_sim_authority_new (g_steal_pointer (&key), g_steal_pointer (&certificate));
}

/* the KMS root signs `dstack-kms-issued:` ‖ app id ‖ application public key */
static gboolean
sign_app_key (TeesqlSimKms *self, const TeesqlSecret *root, GError **error)
{
  g_autoptr (GByteArray) message = g_byte_array_new ();
  g_autoptr (GBytes) public_key = NULL;
  gsize size = 0;
  const guint8 *data;

  if (!teesql_sim_public_key (TEESQL_SIM_ALGORITHM_SECP256K1, self->app_key, &public_key, error))
    return FALSE;
  data = g_bytes_get_data (public_key, &size);
  g_byte_array_append (message, (const guint8 *) "dstack-kms-issued:", 18);
  g_byte_array_append (message, self->app_id, sizeof self->app_id);
  g_byte_array_append (message, data, (guint) size);
  return teesql_sim_sign_recoverable (root, message->data, message->len, self->app_key_signature, error);
}

TeesqlSimKms *
teesql_sim_kms_new (const TeesqlSimPlatform *platform, const TeesqlSimApp *app, GError **error)
{
  g_autoptr (TeesqlSimKms) self = g_new0 (TeesqlSimKms, 1);
  g_autoptr (TeesqlSecret) root = teesql_sim_platform_derive_secret (platform, "kms-root-k256", NULL, error);

  for (guint i = 0; i < sizeof self->app_id; i++)
    self->app_id[i] = app->app_id[i];
  if (root == NULL)
    return NULL;
  self->root_ca = make_root_ca (platform, error);
  if (self->root_ca == NULL)
    return NULL;
  self->app_ca = make_app_ca (self, platform, error);
  if (self->app_ca == NULL)
    return NULL;
  self->app_key = derive_for_app (root, self->app_id, "app-key", error);
  if (self->app_key == NULL || !sign_app_key (self, root, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
teesql_sim_kms_free (TeesqlSimKms *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->app_key, teesql_secret_unref);
  g_clear_pointer (&self->app_ca, teesql_sim_authority_free);
  g_clear_pointer (&self->root_ca, teesql_sim_authority_free);
  g_free (self);
}

TeesqlSecret *
teesql_sim_kms_derive (const TeesqlSecret *app_key, const char *path, GError **error)
{
  const TeesqlDigestPart info[] = { { path, strlen (path) } };

  return teesql_sim_hkdf (app_key, KMS_SALT, info, G_N_ELEMENTS (info), error);
}

gboolean
teesql_sim_kms_link_key (const TeesqlSimKms *self, const char *purpose, GBytes *public_key, guint8 out[TEESQL_SIM_RECOVERABLE_SIZE],
                         GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (public_key, &size);
  g_autofree char *hex = teesql_hex_encode (data, size);
  g_autofree char *message = g_strconcat (purpose, ":", hex, NULL);

  return teesql_sim_sign_recoverable (self->app_key, (const guint8 *) message, strlen (message), out, error);
}
