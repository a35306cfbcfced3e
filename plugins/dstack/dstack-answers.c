#include "dstack-answers.h"
#include "dstack-event-log.h"
#include "dstack-pem.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include <teesql/teesql-kms.h>
#include <gnutls/x509.h>
#include <string.h>

#define CHAIN_MAX       10
#define CERTIFICATE_MAX ((gsize) 65536)
#define CONFIG_MAX      ((gsize) 65536)
#define INFO_TEXT_MAX   ((gsize) 1024)
#define OID_ATTESTATION "1.3.6.1.4.1.62397.1.8"
#define OID_QUOTE       "1.3.6.1.4.1.62397.1.1"

static gboolean
refuse (GError **error, const char *reason, const char *message)
{
  g_propagate_error (error, teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_REFUSED, reason, 0, "answer of the agent: %s", message));
  return FALSE;
}

TeesqlSecret *
dstack_answer_key (const guint8 *body, gsize size, GError **error)
{
  DstackJsonValue object;
  DstackJsonValue key;

  if (!dstack_json_parse (body, size, &object, error) || !dstack_json_member (&object, "key", DSTACK_JSON_STRING, NULL, &key, error))
    return NULL;
  if (key.size != 2 * TEESQL_KMS_KEY_SIZE)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_REFUSED, "kms-key-size", 0,
                                                  "answer of the agent: key of %" G_GSIZE_FORMAT " hex digits, %d expected", key.size,
                                                  2 * TEESQL_KMS_KEY_SIZE));
      return NULL;
    }
  for (gsize i = 0; i < key.size; i++)
    if (!g_ascii_isxdigit (key.text[i]))
      return refuse (error, "kms-key-size", "the key is no hex"), NULL;
  return teesql_secret_new_from_hex ((const char *) key.text, (gssize) key.size, error);
}

static TeesqlSecret *
tls_key (const DstackJsonValue *object, GError **error)
{
  g_auto (DstackBuffer) text = { 0 };
  g_auto (DstackBuffer) der = { 0 };
  DstackJsonValue key;

  dstack_buffer_init (&text, TEESQL_SECRET_MAX_SIZE, TRUE);
  dstack_buffer_init (&der, TEESQL_SECRET_MAX_SIZE, TRUE);
  if (!dstack_json_member (object, "key", DSTACK_JSON_STRING, NULL, &key, error) || !dstack_json_unescape (&key, &text, error) ||
      !dstack_pem_decode (text.data, text.size, "PRIVATE KEY", &der, error))
    return NULL;
  return teesql_secret_new (der.data, der.size, error);
}

static GBytes *
certificate (const DstackJsonValue *item, GError **error)
{
  g_auto (DstackBuffer) text = { 0 };
  g_auto (DstackBuffer) der = { 0 };

  if (item->kind != DSTACK_JSON_STRING)
    return refuse (error, "tls-chain", "a certificate of the chain is no text"), NULL;
  dstack_buffer_init (&text, 2 * CERTIFICATE_MAX, FALSE);
  dstack_buffer_init (&der, CERTIFICATE_MAX, FALSE);
  if (!dstack_json_unescape (item, &text, error) || !dstack_pem_decode (text.data, text.size, "CERTIFICATE", &der, error))
    return NULL;
  return g_bytes_new (der.data, der.size);
}

/* Returns: (element-type GBytes) */
static GPtrArray *
tls_chain (const DstackJsonValue *object, GError **error)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_autoptr (GError) local_error = NULL;
  DstackJsonValue array;
  DstackJsonValue item;
  DstackJsonIter iter;

  if (!dstack_json_member (object, "certificate_chain", DSTACK_JSON_ARRAY, NULL, &array, error) ||
      !dstack_json_iter_init (&iter, &array, error))
    return NULL;
  while (dstack_json_iter_next (&iter, NULL, &item, &local_error))
    {
      GBytes *der = chain->len < CHAIN_MAX ? certificate (&item, error) : NULL;

      if (chain->len >= CHAIN_MAX)
        refuse (error, "tls-chain", "a chain of more than ten certificates");
      if (der == NULL)
        return NULL;
      g_ptr_array_add (chain, der);
    }
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  if (chain->len == 0)
    return refuse (error, "tls-chain", "an empty certificate chain"), NULL;
  return g_steal_pointer (&chain);
}

static gboolean
has_extension (gnutls_x509_crt_t leaf, const char *oid)
{
  gnutls_datum_t value = { NULL, 0 };
  unsigned critical = 0;
  const gboolean found = gnutls_x509_crt_get_extension_by_oid2 (leaf, oid, 0, &value, &critical) >= 0 && value.size > 0;

  gnutls_free (value.data);
  return found;
}

static gboolean
has_usage (gnutls_x509_crt_t leaf, const char *wanted)
{
  for (unsigned i = 0; i < 16; i++)
    {
      char oid[128] = "";
      size_t size = sizeof oid;

      if (gnutls_x509_crt_get_key_purpose_oid (leaf, i, oid, &size, NULL) < 0)
        return FALSE;
      if (g_str_equal (oid, wanted))
        return TRUE;
    }
  return FALSE;
}

static gboolean
check_usage (gnutls_x509_crt_t leaf, const TeesqlTlsRequest *request, GError **error)
{
  if ((request->usage & TEESQL_TLS_USAGE_SERVER) != 0 && !has_usage (leaf, GNUTLS_KP_TLS_WWW_SERVER))
    return refuse (error, "tls-leaf-usage", "the leaf is not for servers, which was asked for");
  if ((request->usage & TEESQL_TLS_USAGE_CLIENT) != 0 && !has_usage (leaf, GNUTLS_KP_TLS_WWW_CLIENT))
    return refuse (error, "tls-leaf-usage", "the leaf is not for clients, which was asked for");
  return TRUE;
}

static gboolean
check_leaf (gnutls_x509_crt_t leaf, const TeesqlTlsRequest *request, GError **error)
{
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  unsigned bits = 0;

  if (gnutls_x509_crt_get_pk_algorithm (leaf, &bits) != GNUTLS_PK_ECDSA || gnutls_x509_crt_get_pk_ecc_raw (leaf, &curve, NULL, NULL) < 0 ||
      curve != GNUTLS_ECC_CURVE_SECP256R1)
    return refuse (error, "tls-leaf-key", "the leaf's key is not on P-256");
  /* an agent may ignore the dates asked for; core compares those of the leaf with its clock */
  if (gnutls_x509_crt_get_activation_time (leaf) >= request->not_after_unix ||
      gnutls_x509_crt_get_expiration_time (leaf) <= request->not_before_unix)
    return refuse (error, "tls-leaf-dates", "the leaf is not valid in the time asked for");
  if (!has_extension (leaf, OID_ATTESTATION) && !has_extension (leaf, OID_QUOTE))
    return refuse (error, "tls-leaf-evidence", "the leaf carries no evidence, which was asked for");
  return check_usage (leaf, request, error);
}

static gboolean
check_leaf_der (GBytes *der, const TeesqlTlsRequest *request, GError **error)
{
  const gnutls_datum_t datum = { (guint8 *) g_bytes_get_data (der, NULL), (unsigned) g_bytes_get_size (der) };
  gnutls_x509_crt_t leaf = NULL;
  gboolean ok = FALSE;

  if (gnutls_x509_crt_init (&leaf) < 0)
    return refuse (error, "tls-leaf", "out of memory");
  if (gnutls_x509_crt_import (leaf, &datum, GNUTLS_X509_FMT_DER) < 0)
    refuse (error, "tls-leaf", "the leaf is no certificate");
  else
    ok = check_leaf (leaf, request, error);
  gnutls_x509_crt_deinit (leaf);
  return ok;
}

TeesqlTlsIdentity *
dstack_answer_tls_identity (const guint8 *body, gsize size, const TeesqlTlsRequest *request, GError **error)
{
  g_autoptr (TeesqlSecret) key = NULL;
  g_autoptr (GPtrArray) chain = NULL;
  DstackJsonValue object;

  if (!dstack_json_parse (body, size, &object, error))
    return NULL;
  chain = tls_chain (&object, error);
  if (chain == NULL || !check_leaf_der (chain->pdata[0], request, error))
    return NULL;
  key = tls_key (&object, error);
  if (key == NULL)
    return NULL;
  return teesql_tls_identity_new (key, (GBytes *const *) chain->pdata, chain->len, error);
}

static GBytes *
member_hex (const DstackJsonValue *object, const char *name, gsize max, GError **error)
{
  DstackJsonValue value;

  if (!dstack_json_member (object, name, DSTACK_JSON_STRING, NULL, &value, error))
    return NULL;
  return dstack_json_hex (&value, max, error);
}

/* Returns: (nullable): %NULL without an error when the member is absent or empty */
static char *
member_text (const DstackJsonValue *object, const char *name, gsize max, GError **error)
{
  DstackJsonValue value;
  gboolean found = FALSE;

  if (!dstack_json_member (object, name, DSTACK_JSON_STRING, &found, &value, error) || !found || value.size == 0)
    return NULL;
  return dstack_json_dup_text (&value, max, error);
}

static gboolean
add_quote (const DstackJsonValue *object, const guint8 *report_data, TeesqlEvidenceBuilder *builder, GError **error)
{
  g_autoptr (GBytes) quote = member_hex (object, "quote", TEESQL_EVIDENCE_MAX_QUOTE, error);
  g_autoptr (GBytes) echoed = quote != NULL ? member_hex (object, "report_data", TEESQL_REPORT_DATA_SIZE, error) : NULL;

  if (echoed == NULL)
    return FALSE;
  if (g_bytes_get_size (quote) == 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_UNSUPPORTED, "no-tdx-quote", 0,
                                                  "answer of the agent: no TDX quote: this platform is another one"));
      return FALSE;
    }
  if (g_bytes_get_size (echoed) != TEESQL_REPORT_DATA_SIZE ||
      memcmp (g_bytes_get_data (echoed, NULL), report_data, TEESQL_REPORT_DATA_SIZE) != 0)
    return refuse (error, "agent-report-data", "a quote over other report data than was asked for");
  teesql_evidence_builder_set_quote (builder, quote);
  return TRUE;
}

static gboolean
add_event_log (const DstackJsonValue *object, TeesqlEvidenceBuilder *builder, GError **error)
{
  g_auto (DstackBuffer) text = { 0 };
  DstackJsonValue value;
  gboolean found = FALSE;

  if (!dstack_json_member (object, "event_log", DSTACK_JSON_STRING, &found, &value, error))
    return FALSE;
  if (!found || value.size == 0)
    return TRUE;
  dstack_buffer_init (&text, TEESQL_EVIDENCE_MAX_LOG, FALSE);
  return dstack_json_unescape (&value, &text, error) && dstack_event_log_parse (text.data, text.size, builder, error);
}

TeesqlEvidence *
dstack_answer_quote (const guint8 *body, gsize size, const guint8 *report_data, GError **error)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (GError) local_error = NULL;
  g_autofree char *config = NULL;
  DstackJsonValue object;

  if (!dstack_json_parse (body, size, &object, error) || !add_quote (&object, report_data, builder, error) ||
      !add_event_log (&object, builder, error))
    return NULL;
  config = member_text (&object, "vm_config", CONFIG_MAX, &local_error);
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  if (config != NULL)
    teesql_evidence_builder_set_platform_config (builder, config);
  return teesql_evidence_builder_end (builder, error);
}

/* `name:SHA-256 of the id`, as policies write it; the agent gives JSON text inside JSON */
static char *
key_provider (const DstackJsonValue *info)
{
  g_autofree char *text = member_text (info, "key_provider_info", 16 * INFO_TEXT_MAX, NULL);
  g_autofree char *name = NULL;
  g_autoptr (GBytes) id = NULL;
  guint8 digest[TEESQL_SHA256_SIZE];
  DstackJsonValue object;

  if (text == NULL || !dstack_json_parse ((const guint8 *) text, strlen (text), &object, NULL))
    return NULL;
  name = member_text (&object, "name", INFO_TEXT_MAX, NULL);
  id = member_hex (&object, "id", 8 * INFO_TEXT_MAX, NULL);
  if (name == NULL || id == NULL || g_bytes_get_size (id) == 0)
    return g_steal_pointer (&name);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, g_bytes_get_data (id, NULL), g_bytes_get_size (id));
  g_autofree char *hex = teesql_hex_encode (digest, sizeof digest);
  return g_strdup_printf ("%s:%s", name, hex);
}

GVariant *
dstack_answer_info (const guint8 *body, gsize size, const char *version, GError **error)
{
  static const char *const names[] = { "app_id", "instance_id", "compose_hash", "app_name", "os_image_hash" };
  g_autoptr (GVariantDict) dict = g_variant_dict_new (NULL);
  g_autofree char *provider = NULL;
  DstackJsonValue object;

  if (!dstack_json_parse (body, size, &object, error))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) local_error = NULL;
      g_autofree char *text = member_text (&object, names[i], INFO_TEXT_MAX, &local_error);

      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return NULL;
        }
      if (text != NULL)
        g_variant_dict_insert (dict, names[i], "s", text);
    }
  provider = key_provider (&object);
  if (provider != NULL)
    g_variant_dict_insert (dict, "key_provider", "s", provider);
  if (version != NULL)
    g_variant_dict_insert (dict, "agent_version", "s", version);
  return g_variant_ref_sink (g_variant_dict_end (dict));
}
