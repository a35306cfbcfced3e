#include "simulator/teesql-sim-x509.h"
#include "simulator/teesql-sim-der.h"
#include <gnutls/crypto.h>
#include <string.h>

TeesqlSimAuthority *
teesql_sim_authority_new (TeesqlSimKey *key, gnutls_x509_crt_t certificate)
{
  TeesqlSimAuthority *self = g_new0 (TeesqlSimAuthority, 1);

  self->key = key;
  self->certificate = certificate;
  return self;
}

void
teesql_sim_authority_free (TeesqlSimAuthority *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->key, teesql_sim_key_free);
  g_clear_pointer (&self->certificate, gnutls_x509_crt_deinit);
  g_free (self);
}

void
teesql_sim_x509_key_id (const TeesqlSimKey *key, guint8 out[20])
{
  const guint8 uncompressed = 0x04;
  g_autoptr (GChecksum) sha1 = g_checksum_new (G_CHECKSUM_SHA1);
  gsize size = 20;

  g_checksum_update (sha1, &uncompressed, 1);
  g_checksum_update (sha1, key->point, sizeof key->point);
  g_checksum_get_digest (sha1, out, &size);
}

static int
set_names (gnutls_x509_crt_t certificate, const TeesqlSimTemplate *template)
{
  int code = 0;

  if (template->organization != NULL)
    code = gnutls_x509_crt_set_dn_by_oid (certificate, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, template->organization,
                                          (unsigned) strlen (template->organization));
  if (code == 0 && template->common_name[0] != '\0')
    code = gnutls_x509_crt_set_dn_by_oid (certificate, GNUTLS_OID_X520_COMMON_NAME, 0, template->common_name,
                                          (unsigned) strlen (template->common_name));
  return code;
}

static int
set_serial (gnutls_x509_crt_t certificate, const guint8 *given)
{
  guint8 serial[20] = { 0 };
  int code = 0;

  if (given != NULL)
    return gnutls_x509_crt_set_serial (certificate, given, sizeof serial);
  code = gnutls_rnd (GNUTLS_RND_NONCE, serial, sizeof serial);
  serial[0] = (guint8) ((serial[0] & 0x7f) | 0x40); /* positive, and always 20 bytes */
  return code == 0 ? gnutls_x509_crt_set_serial (certificate, serial, sizeof serial) : code;
}

static int
set_public_key (gnutls_x509_crt_t certificate, const TeesqlSimKey *key)
{
  g_auto (gnutls_pubkey_t) public_key = NULL;
  guint8 key_id[20];
  int code = gnutls_pubkey_init (&public_key);

  if (code == 0)
    code = gnutls_pubkey_import_privkey (public_key, key->privkey, 0, 0);
  if (code == 0)
    code = gnutls_x509_crt_set_pubkey (certificate, public_key);
  teesql_sim_x509_key_id (key, key_id);
  return code == 0 ? gnutls_x509_crt_set_subject_key_id (certificate, key_id, sizeof key_id) : code;
}

gnutls_x509_crt_t
teesql_sim_x509_begin (const TeesqlSimTemplate *template, const TeesqlSimKey *subject_key, GError **error)
{
  g_auto (gnutls_x509_crt_t) certificate = NULL;
  gboolean ca = template->path_length >= 0;
  int code = gnutls_x509_crt_init (&certificate);

  if (code == 0)
    code = gnutls_x509_crt_set_version (certificate, 3);
  if (code == 0)
    code = set_serial (certificate, template->serial);
  if (code == 0)
    code = set_names (certificate, template);
  if (code == 0)
    code = gnutls_x509_crt_set_activation_time (certificate, (time_t) template->not_before_unix);
  if (code == 0)
    code = gnutls_x509_crt_set_expiration_time (certificate, (time_t) template->not_after_unix);
  if (code == 0)
    code = set_public_key (certificate, subject_key);
  if (code == 0)
    code = gnutls_x509_crt_set_basic_constraints (certificate, ca ? 1 : 0, ca ? template->path_length : -1);
  if (code == 0)
    code = gnutls_x509_crt_set_key_usage (certificate, template->key_usage);
  if (code != 0)
    {
      teesql_sim_gnutls_failed (code, "filling in a certificate", error);
      return NULL;
    }
  return g_steal_pointer (&certificate);
}

gboolean
teesql_sim_x509_sign (gnutls_x509_crt_t certificate, const TeesqlSimAuthority *issuer, const TeesqlSimKey *self_key, GError **error)
{
  const TeesqlSimKey *key = issuer != NULL ? issuer->key : self_key;
  guint8 key_id[20];
  int code;

  teesql_sim_x509_key_id (key, key_id);
  code = gnutls_x509_crt_set_authority_key_id (certificate, key_id, sizeof key_id);
  if (code == 0)
    code = gnutls_x509_crt_privkey_sign (certificate, issuer != NULL ? issuer->certificate : certificate, key->privkey, GNUTLS_DIG_SHA256,
                                         GNUTLS_PRIVKEY_FLAG_REPRODUCIBLE);
  return code == 0 || teesql_sim_gnutls_failed (code, "signing a certificate", error);
}

TeesqlSimAuthority *
teesql_sim_x509_make_authority (const TeesqlSimTemplate *template, TeesqlSimKey *key, const TeesqlSimAuthority *issuer, GError **error)
{
  g_autoptr (TeesqlSimKey) owned = key;
  g_auto (gnutls_x509_crt_t) certificate = NULL;

  if (owned == NULL)
    return NULL; /* the caller's derivation has set the error */
  certificate = teesql_sim_x509_begin (template, owned, error);
  if (certificate == NULL || !teesql_sim_x509_sign (certificate, issuer, owned, error))
    return NULL;
  return teesql_sim_authority_new (g_steal_pointer (&owned), g_steal_pointer (&certificate));
}

gboolean
teesql_sim_x509_add_wrapped (gnutls_x509_crt_t certificate, const char *oid, const guint8 *payload, gsize size, GError **error)
{
  g_autoptr (GByteArray) wrapped = g_byte_array_new ();
  int code;

  teesql_sim_der_add (wrapped, TEESQL_SIM_DER_OCTET_STRING, payload, size);
  code = gnutls_x509_crt_set_extension_by_oid (certificate, oid, wrapped->data, wrapped->len, 0);
  return code == 0 || teesql_sim_gnutls_failed (code, "adding an extension", error);
}

static gnutls_datum_t export(gnutls_x509_crt_t certificate, gnutls_x509_crt_fmt_t format)
{
  gnutls_datum_t out = { NULL, 0 };
  int code = gnutls_x509_crt_export2 (certificate, format, &out);

  g_assert (code == 0); /* it was signed by us a moment ago: only memory can fail */
  return out;
}

char *
teesql_sim_x509_get_pem (gnutls_x509_crt_t certificate)
{
  gnutls_datum_t pem = export(certificate, GNUTLS_X509_FMT_PEM);
  char *text = g_strndup ((const char *) pem.data, pem.size);

  gnutls_free (pem.data);
  return text;
}

GBytes *
teesql_sim_x509_get_der (gnutls_x509_crt_t certificate)
{
  gnutls_datum_t der = export(certificate, GNUTLS_X509_FMT_DER);
  GBytes *bytes = g_bytes_new (der.data, der.size);

  gnutls_free (der.data);
  return bytes;
}

char *
teesql_sim_authority_get_pem (const TeesqlSimAuthority *self)
{
  return teesql_sim_x509_get_pem (self->certificate);
}
