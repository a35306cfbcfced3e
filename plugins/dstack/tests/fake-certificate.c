#include "fake-certificate.h"
#include "dstack/dstack-json.h"
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <string.h>

#define CHECK(call) g_assert_cmpint ((call), >=, 0)

static gnutls_x509_privkey_t
new_key (gnutls_ecc_curve_t curve)
{
  gnutls_x509_privkey_t key = NULL;

  CHECK (gnutls_x509_privkey_init (&key));
  CHECK (gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (curve), 0));
  return key;
}

static void
append (GString *json, gnutls_datum_t *pem)
{
  g_autofree char *text = g_strndup ((const char *) pem->data, pem->size);

  dstack_json_write_string (json, text);
  gnutls_free (pem->data);
}

static gnutls_datum_t
make_leaf (FakeLeaf kind, gnutls_x509_privkey_t key, gint64 not_before_unix, gint64 not_after_unix)
{
  static const guint8 evidence[] = { 0x04, 0x03, 1, 2, 3 };
  static const guint8 serial[] = { 1 };
  gnutls_datum_t pem = { NULL, 0 };
  gnutls_x509_crt_t leaf = NULL;

  CHECK (gnutls_x509_crt_init (&leaf));
  CHECK (gnutls_x509_crt_set_version (leaf, 3));
  CHECK (gnutls_x509_crt_set_serial (leaf, serial, sizeof serial));
  CHECK (gnutls_x509_crt_set_dn (leaf, "CN=test", NULL));
  CHECK (gnutls_x509_crt_set_key (leaf, key));
  CHECK (gnutls_x509_crt_set_activation_time (leaf, not_before_unix));
  CHECK (gnutls_x509_crt_set_expiration_time (leaf, kind == FAKE_LEAF_OLD ? not_before_unix : not_after_unix));
  CHECK (gnutls_x509_crt_set_key_purpose_oid (leaf, GNUTLS_KP_TLS_WWW_SERVER, 0));
  if (kind != FAKE_LEAF_NO_CLIENT_USAGE)
    CHECK (gnutls_x509_crt_set_key_purpose_oid (leaf, GNUTLS_KP_TLS_WWW_CLIENT, 0));
  if (kind != FAKE_LEAF_NO_EVIDENCE)
    CHECK (gnutls_x509_crt_set_extension_by_oid (leaf, "1.3.6.1.4.1.62397.1.8", evidence, sizeof evidence, 0));
  CHECK (gnutls_x509_crt_sign2 (leaf, leaf, key, GNUTLS_DIG_SHA256, 0));
  CHECK (gnutls_x509_crt_export2 (leaf, GNUTLS_X509_FMT_PEM, &pem));
  gnutls_x509_crt_deinit (leaf);
  return pem;
}

char *
fake_tls_key_json (FakeLeaf kind, guint n_chain, gint64 not_before_unix, gint64 not_after_unix)
{
  gnutls_x509_privkey_t key = new_key (kind == FAKE_LEAF_P384 ? GNUTLS_ECC_CURVE_SECP384R1 : GNUTLS_ECC_CURVE_SECP256R1);
  gnutls_x509_privkey_t shown = kind == FAKE_LEAF_OTHER_KEY ? new_key (GNUTLS_ECC_CURVE_SECP256R1) : key;
  GString *json = g_string_new ("{\"key\":");
  gnutls_datum_t pem = { NULL, 0 };

  CHECK (gnutls_x509_privkey_export2_pkcs8 (shown, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem));
  append (json, &pem);
  g_string_append (json, ",\"certificate_chain\":[");
  for (guint i = 0; i < n_chain; i++)
    {
      pem = make_leaf (kind, key, not_before_unix, not_after_unix);
      if (i > 0)
        g_string_append_c (json, ',');
      append (json, &pem);
    }
  g_string_append (json, "]}");
  if (shown != key)
    gnutls_x509_privkey_deinit (shown);
  gnutls_x509_privkey_deinit (key);
  return g_string_free (json, FALSE);
}
