#include "test-authority.h"

#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "sdk/teesql-quote.h"
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>

enum
{
  KEY_TOKEN,
  KEY_CA,
  KEY_ROOT,
  KEY_STRANGER,
  N_KEYS
};

static gnutls_x509_privkey_t keys[N_KEYS];
static gnutls_x509_crt_t certificates[3];
static const char *const names[] = { "Token Signing", "Authority Signing CA", "Authority Root CA" };

static void
ok (int code)
{
  if (code < 0)
    g_error ("gnutls: %s", gnutls_strerror (code));
}

static gnutls_x509_privkey_t
key (guint number)
{
  const gboolean rsa = number == KEY_TOKEN || number == KEY_STRANGER;

  if (keys[number] == NULL)
    {
      ok (gnutls_x509_privkey_init (&keys[number]));
      ok (gnutls_x509_privkey_generate (keys[number], rsa ? GNUTLS_PK_RSA : GNUTLS_PK_ECDSA,
                                        rsa ? 2048 : GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0));
    }
  return keys[number];
}

static gnutls_x509_crt_t
certificate (guint number)
{
  const guint issuer = MIN (number + 1, 2);
  const guint8 serial = (guint8) (number + 1);
  gnutls_x509_crt_t crt = NULL;

  if (certificates[number] != NULL)
    return certificates[number];
  ok (gnutls_x509_crt_init (&crt));
  ok (gnutls_x509_crt_set_version (crt, 3));
  ok (gnutls_x509_crt_set_serial (crt, &serial, 1));
  ok (gnutls_x509_crt_set_dn_by_oid (crt, GNUTLS_OID_X520_COMMON_NAME, 0, names[number], (unsigned int) strlen (names[number])));
  ok (gnutls_x509_crt_set_activation_time (crt, 1600000000));
  ok (gnutls_x509_crt_set_expiration_time (crt, 1900000000));
  ok (gnutls_x509_crt_set_key (crt, key (number)));
  ok (gnutls_x509_crt_set_basic_constraints (crt, number > 0, -1));
  if (number > 0)
    ok (gnutls_x509_crt_set_key_usage (crt, GNUTLS_KEY_KEY_CERT_SIGN));
  if (number == 2)
    {
      ok (gnutls_x509_crt_sign2 (crt, crt, key (number), GNUTLS_DIG_SHA256, 0));
    }
  else
    ok (gnutls_x509_crt_sign2 (crt, certificate (issuer), key (issuer), GNUTLS_DIG_SHA256, 0));
  certificates[number] = crt;
  return crt;
}

void
test_authority_free (void)
{
  for (guint i = 0; i < N_KEYS; i++)
    g_clear_pointer (&keys[i], gnutls_x509_privkey_deinit);
  for (guint i = 0; i < G_N_ELEMENTS (certificates); i++)
    g_clear_pointer (&certificates[i], gnutls_x509_crt_deinit);
}

char *
test_base64url (const guint8 *data, gsize size)
{
  char *text = g_base64_encode (data, size);

  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  text[strcspn (text, "=")] = '\0';
  return text;
}

char *
test_authority_header (void)
{
  return g_strdup ("{\"alg\":\"PS384\",\"kid\":\"key-0\",\"typ\":\"JWT\"}");
}

static char *
field (const TeesqlQuote *quote, TeesqlField number)
{
  gsize size = 0;
  const guint8 *data = teesql_quote_get_field (quote, number, &size);

  return teesql_hex_encode (data, size);
}

static void
add (GString *out, const TeesqlQuote *quote, const char *name, TeesqlField number)
{
  g_autofree char *hex = field (quote, number);

  g_string_append_printf (out, ",\"%s\":\"%s\"", name, hex);
}

static char *
tdx_claims (const TeesqlQuote *quote)
{
  static const struct
  {
    const char *name;
    TeesqlField number;
  } rows[] = {
    { "tdx_mrtd", TEESQL_FIELD_MRTD },
    { "tdx_rtmr0", TEESQL_FIELD_RTMR0 },
    { "tdx_rtmr1", TEESQL_FIELD_RTMR1 },
    { "tdx_rtmr2", TEESQL_FIELD_RTMR2 },
    { "tdx_rtmr3", TEESQL_FIELD_RTMR3 },
    { "tdx_mrseam", TEESQL_FIELD_MRSEAM },
    { "tdx_mrsignerseam", TEESQL_FIELD_MRSIGNERSEAM },
    { "tdx_mrconfigid", TEESQL_FIELD_MRCONFIGID },
    { "tdx_mrowner", TEESQL_FIELD_MROWNER },
    { "tdx_mrownerconfig", TEESQL_FIELD_MROWNERCONFIG },
    { "tdx_report_data", TEESQL_FIELD_REPORT_DATA },
    { "tdx_tee_tcb_svn", TEESQL_FIELD_TEE_TCB_SVN },
    { "tdx_td_attributes", TEESQL_FIELD_TD_ATTRIBUTES },
    { "tdx_xfam", TEESQL_FIELD_XFAM },
    { "tdx_seam_attributes", TEESQL_FIELD_SEAM_ATTRIBUTES },
  };
  GString *out = g_string_new ("\"attester_type\":\"TDX\",\"attester_tcb_status\":\"UpToDate\","
                               "\"attester_tcb_date\":\"2025-08-13T00:00:00Z\",\"attester_advisory_ids\":[\"INTEL-SA-00837\"],"
                               "\"dbgstat\":\"disabled\"");
  gsize size = 0;
  const guint8 *svn = teesql_quote_get_field (quote, TEESQL_FIELD_TEE_TCB_SVN, &size);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    add (out, quote, rows[i].name, rows[i].number);
  g_string_append_printf (out, ",\"tdx_seamsvn\":%d,\"tdx_is_debuggable\":false,\"tdx_td_attributes_debug\":false", svn[1] * 256 + svn[0]);
  g_string_append (out, ",\"tdx_td_attributes_septve_disable\":true");
  return g_string_free (out, FALSE);
}

char *
test_authority_claims (GBytes *bytes, gint64 now, gboolean nested)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  TeesqlQuote quote;
  g_autofree char *tdx = NULL;
  g_autofree char *common = g_strdup_printf ("\"iss\":\"" TEST_ISSUER "\",\"iat\":%" G_GINT64_FORMAT ",\"nbf\":%" G_GINT64_FORMAT
                                             ",\"exp\":%" G_GINT64_FORMAT ",\"policy_ids_matched\":null",
                                             now, now, now + 300);

  g_assert_true (teesql_quote_parse (data, size, &quote, NULL));
  tdx = tdx_claims (&quote);
  if (!nested)
    return g_strdup_printf ("{\"ver\":\"1.0.0\",%s,%s}", common, tdx);
  return g_strdup_printf ("{\"ver\":\"2.0.0\",%s,\"tdx\":{%s,\"tdx_is_migratable\":false,\"tdx_collateral\":{\"fmspc\":\"00a06d080000\","
                          "\"tcbevaluationdatanumber\":18}}}",
                          common, tdx);
}

static char *
hmac (const char *text)
{
  guint8 out[TEESQL_SHA256_SIZE];
  const TeesqlDigestPart part = { text, strlen (text) };
  gnutls_datum_t pem = { NULL, 0 };

  ok (gnutls_x509_crt_export2 (certificate (0), GNUTLS_X509_FMT_PEM, &pem));
  teesql_hmac_sha256 (out, pem.data, pem.size, &part, 1);
  gnutls_free (pem.data);
  return test_base64url (out, sizeof out);
}

static char *
rsa (const char *text, TestSign sign)
{
  gnutls_privkey_t private_key = NULL;
  const gnutls_datum_t data = { (unsigned char *) text, (unsigned int) strlen (text) };
  gnutls_datum_t signature = { NULL, 0 };
  char *encoded = NULL;

  ok (gnutls_privkey_init (&private_key));
  ok (gnutls_privkey_import_x509 (private_key, key (sign == TEST_SIGN_STRANGER ? KEY_STRANGER : KEY_TOKEN), 0));
  ok (gnutls_privkey_sign_data2 (private_key, sign == TEST_SIGN_RS256 ? GNUTLS_SIGN_RSA_SHA256 : GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, 0, &data,
                                 &signature));
  encoded = test_base64url (signature.data, signature.size);
  gnutls_free (signature.data);
  gnutls_privkey_deinit (private_key);
  return encoded;
}

char *
test_authority_sign (const char *header, const char *claims, TestSign sign)
{
  g_autofree char *first = test_base64url ((const guint8 *) header, strlen (header));
  g_autofree char *second = test_base64url ((const guint8 *) claims, strlen (claims));
  g_autofree char *text = g_strconcat (first, ".", second, NULL);
  g_autofree char *signature = sign == TEST_SIGN_HS256 ? hmac (text) : rsa (text, sign);

  return g_strconcat (text, ".", signature, NULL);
}

static char *
certificate_text (guint number)
{
  gnutls_datum_t der = { NULL, 0 };
  char *text = NULL;

  ok (gnutls_x509_crt_export2 (certificate (number), GNUTLS_X509_FMT_DER, &der));
  text = g_base64_encode (der.data, der.size);
  gnutls_free (der.data);
  return text;
}

void
test_authority_root_digest (guint8 out[32])
{
  gnutls_datum_t der = { NULL, 0 };

  ok (gnutls_x509_crt_export2 (certificate (2), GNUTLS_X509_FMT_DER, &der));
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, out, der.data, der.size);
  gnutls_free (der.data);
}

char *
test_authority_key (const char *kid, const char *exponent, const char *chain)
{
  gnutls_datum_t n = { NULL, 0 };
  gnutls_datum_t e = { NULL, 0 };
  g_autofree char *modulus = NULL;
  g_autofree char *own_exponent = NULL;
  g_autoptr (GString) x5c = g_string_new (NULL);

  ok (gnutls_x509_crt_get_pk_rsa_raw (certificate (0), &n, &e));
  modulus = test_base64url (n.data, n.size);
  own_exponent = test_base64url (e.data, e.size);
  gnutls_free (n.data);
  gnutls_free (e.data);
  for (; *chain != '\0'; chain++)
    {
      g_autofree char *text = certificate_text (*chain == 'l' ? 0 : *chain == 'c' ? 1 : 2);

      g_string_append_printf (x5c, "%s\"%s\"", x5c->len > 0 ? "," : "", text);
    }
  return g_strdup_printf ("{\"kty\":\"RSA\",\"kid\":\"%s\",\"alg\":\"PS384\",\"n\":\"%s\",\"e\":\"%s\",\"x5c\":[%s]}", kid, modulus,
                          exponent != NULL ? exponent : own_exponent, x5c->str);
}

char *
test_authority_key_set (const char *kid)
{
  g_autofree char *text = test_authority_key (kid, NULL, "lcr");

  return g_strdup_printf ("{\"keys\":[%s]}", text);
}

/* A number of that size; what number does not matter. */
static gnutls_datum_t
number (gsize size)
{
  gnutls_datum_t out = { gnutls_malloc (size), (unsigned int) size };

  memset (out.data, 0x5b, size);
  return out;
}

static char *
costly_certificate (gsize modulus, gsize exponent)
{
  gnutls_datum_t n = number (modulus);
  gnutls_datum_t e = number (exponent);
  gnutls_datum_t der = { NULL, 0 };
  gnutls_pubkey_t public_key = NULL;
  gnutls_x509_crt_t crt = NULL;
  char *text = NULL;
  const guint8 serial = 9;

  ok (gnutls_pubkey_init (&public_key));
  ok (gnutls_pubkey_import_rsa_raw (public_key, &n, &e));
  ok (gnutls_x509_crt_init (&crt));
  ok (gnutls_x509_crt_set_version (crt, 3));
  ok (gnutls_x509_crt_set_serial (crt, &serial, 1));
  ok (gnutls_x509_crt_set_dn_by_oid (crt, GNUTLS_OID_X520_COMMON_NAME, 0, names[1], (unsigned int) strlen (names[1])));
  ok (gnutls_x509_crt_set_activation_time (crt, 1600000000));
  ok (gnutls_x509_crt_set_expiration_time (crt, 1900000000));
  ok (gnutls_x509_crt_set_pubkey (crt, public_key));
  ok (gnutls_x509_crt_set_basic_constraints (crt, 1, -1));
  ok (gnutls_x509_crt_sign2 (crt, certificate (2), key (KEY_ROOT), GNUTLS_DIG_SHA256, 0));
  ok (gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_DER, &der));
  text = g_base64_encode (der.data, der.size);
  gnutls_free (der.data);
  gnutls_free (n.data);
  gnutls_free (e.data);
  gnutls_x509_crt_deinit (crt);
  gnutls_pubkey_deinit (public_key);
  return text;
}

char *
test_authority_costly_key_set (const char *kid, gsize modulus, gsize exponent)
{
  g_autofree char *set = test_authority_key_set (kid);
  g_autofree char *honest = certificate_text (1);
  g_autofree char *costly = costly_certificate (modulus, exponent);

  return test_replace (set, honest, costly);
}

char *
test_replace (const char *text, const char *from, const char *to)
{
  const char *place = strstr (text, from);

  if (place == NULL)
    g_error ("%s is not in %s", from, text);
  return g_strdup_printf ("%.*s%s%s", (int) (place - text), text, to, place + strlen (from));
}
