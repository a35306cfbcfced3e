#include "simulator/teesql-sim-guest.h"
#include "base/teesql-hex.h"
#include "ratls/teesql-ratls-attestation.h"
#include "ratls/teesql-ratls-certificate.h"
#include <arpa/inet.h>
#include <string.h>

#define OID_APP_ID        "1.3.6.1.4.1.62397.1.3"
#define OID_SPECIAL_USAGE "1.3.6.1.4.1.62397.1.4"
#define OID_APP_INFO      "1.3.6.1.4.1.62397.1.9"

TeesqlSimGuest *
teesql_sim_guest_new (const TeesqlSimPlatform *platform, const TeesqlSimState *state, const char *machine, TeesqlSimApp *app,
                      GError **error)
{
  g_autoptr (TeesqlSimGuest) self = g_new0 (TeesqlSimGuest, 1);
  g_autoptr (GBytes) key_provider_id = NULL;

  self->platform = platform;
  self->state = state;
  self->app = app;
  self->kms = teesql_sim_kms_new (platform, app, error);
  if (self->kms == NULL)
    return NULL;
  key_provider_id = teesql_sim_key_get_spki (self->kms->root_ca->key);
  self->machine = teesql_sim_machine_new (platform, machine, app, key_provider_id, error);
  return self->machine != NULL ? g_steal_pointer (&self) : NULL;
}

void
teesql_sim_guest_free (TeesqlSimGuest *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->machine, teesql_sim_machine_free);
  g_clear_pointer (&self->kms, teesql_sim_kms_free);
  g_clear_pointer (&self->app, teesql_sim_app_free);
  g_free (self);
}

GBytes *
teesql_sim_guest_make_quote (const TeesqlSimGuest *self, guint8 report_data[TEESQL_REPORT_DATA_SIZE], GError **error)
{
  guint faults = self->state->faults;
  g_autoptr (TeesqlSimAuthority) pck = teesql_sim_platform_make_pck (self->platform, self->machine->name, self->state->tcb_status,
                                                                     (faults & TEESQL_SIM_FAULT_REVOKED_PCK) != 0, error);
  g_autofree char *leaf = NULL;
  g_autofree char *issuers = NULL;
  g_autofree char *chain = NULL;
  TeesqlSimQuoteRequest request = {
    .version = self->state->quote_version,
    .status = self->state->tcb_status,
    .pck = pck,
    .debug = (faults & TEESQL_SIM_FAULT_DEBUG_TD) != 0,
    .report_data = report_data,
  };

  if (pck == NULL)
    return NULL;
  if ((faults & TEESQL_SIM_FAULT_WRONG_BINDING) != 0)
    report_data[0] ^= 0xff;
  leaf = teesql_sim_authority_get_pem (pck);
  issuers = teesql_sim_platform_get_chain (self->platform, self->platform->platform_ca);
  chain = g_strconcat (leaf, issuers, NULL);
  request.pck_chain = chain;
  return teesql_sim_quote_new (self->platform, self->machine, &request, error);
}

GBytes *
teesql_sim_guest_make_attestation (const TeesqlSimGuest *self, const guint8 report_data[TEESQL_REPORT_DATA_SIZE], gboolean strip,
                                   GError **error)
{
  guint8 shown[TEESQL_REPORT_DATA_SIZE];
  g_autoptr (GBytes) quote = NULL;
  g_autoptr (TeesqlEvidence) evidence = NULL;

  for (guint i = 0; i < sizeof shown; i++)
    shown[i] = report_data[i];
  quote = teesql_sim_guest_make_quote (self, shown, error);
  if (quote == NULL)
    return NULL;
  evidence = teesql_sim_machine_make_evidence (self->machine, quote, error);
  return evidence != NULL ? teesql_ratls_attestation_write_v0 (evidence, shown, strip, error) : NULL;
}

static gboolean
add_alt_names (gnutls_x509_crt_t certificate, const char *const *names, GError **error)
{
  for (guint i = 0; names != NULL && names[i] != NULL; i++)
    {
      guint8 address[16];
      int code;

      if (inet_pton (AF_INET, names[i], address) == 1)
        code = gnutls_x509_crt_set_subject_alt_name (certificate, GNUTLS_SAN_IPADDRESS, address, 4, GNUTLS_FSAN_APPEND);
      else if (inet_pton (AF_INET6, names[i], address) == 1)
        code = gnutls_x509_crt_set_subject_alt_name (certificate, GNUTLS_SAN_IPADDRESS, address, 16, GNUTLS_FSAN_APPEND);
      else
        code = gnutls_x509_crt_set_subject_alt_name (certificate, GNUTLS_SAN_DNSNAME, names[i], (unsigned) strlen (names[i]),
                                                     GNUTLS_FSAN_APPEND);
      if (code != 0)
        return teesql_sim_gnutls_failed (code, "adding an alternative name", error);
    }
  return TRUE;
}

static gboolean
add_purposes (gnutls_x509_crt_t certificate, const TeesqlSimLeafRequest *request, GError **error)
{
  int code = 0;

  if (request->server_auth)
    code = gnutls_x509_crt_set_key_purpose_oid (certificate, GNUTLS_KP_TLS_WWW_SERVER, 0);
  if (code == 0 && request->client_auth)
    code = gnutls_x509_crt_set_key_purpose_oid (certificate, GNUTLS_KP_TLS_WWW_CLIENT, 0);
  return code == 0 || teesql_sim_gnutls_failed (code, "adding a key purpose", error);
}

static gboolean
add_evidence (const TeesqlSimGuest *self, gnutls_x509_crt_t certificate, const TeesqlSimKey *key, GError **error)
{
  g_autoptr (GBytes) spki = teesql_sim_key_get_spki (key);
  g_autoptr (GBytes) attestation = NULL;
  guint8 report_data[TEESQL_REPORT_DATA_SIZE];
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (spki, &size);

  teesql_ratls_report_data (data, size, report_data);
  attestation = teesql_sim_guest_make_attestation (self, report_data, TRUE, error);
  if (attestation == NULL)
    return FALSE;
  data = g_bytes_get_data (attestation, &size);
  return teesql_sim_x509_add_wrapped (certificate, TEESQL_RATLS_OID_ATTESTATION, data, size, error);
}

/* msgpack `bin`, of at most 64 KiB */
static void
add_bin (GByteArray *out, const void *data, gsize size)
{
  const guint8 short_head[2] = { 0xc4, (guint8) size };
  const guint8 long_head[3] = { 0xc5, (guint8) (size >> 8), (guint8) size };

  if (size < 256)
    g_byte_array_append (out, short_head, sizeof short_head);
  else
    g_byte_array_append (out, long_head, sizeof long_head);
  if (size > 0)
    g_byte_array_append (out, data, (guint) size);
}

/* RA-TLS profile 4 */
static gboolean
add_app_info (const TeesqlSimGuest *self, gnutls_x509_crt_t certificate, GError **error)
{
  static const guint8 array_of_9 = 0x99;
  static const guint8 nil = 0xc0;
  const TeesqlSimMachine *machine = self->machine;
  g_autoptr (GByteArray) out = g_byte_array_new ();
  guint8 device_id[32];

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, device_id, "", 0); /* the agent does not know the PPID */
  g_byte_array_append (out, &array_of_9, 1);
  add_bin (out, self->app->app_id, sizeof self->app->app_id);
  add_bin (out, self->app->compose_hash, sizeof self->app->compose_hash);
  add_bin (out, machine->instance_id, sizeof machine->instance_id);
  add_bin (out, device_id, sizeof device_id);
  add_bin (out, machine->mr_system, sizeof machine->mr_system);
  add_bin (out, machine->mr_aggregated, sizeof machine->mr_aggregated);
  add_bin (out, self->app->os_image_hash, sizeof self->app->os_image_hash);
  add_bin (out, machine->key_provider, strlen (machine->key_provider));
  g_byte_array_append (out, &nil, 1); /* no init scripts */
  return teesql_sim_x509_add_wrapped (certificate, OID_APP_INFO, out->data, out->len, error);
}

static gnutls_x509_crt_t
make_leaf (const TeesqlSimGuest *self, const TeesqlSimLeafRequest *request, const TeesqlSimKey *key, GError **error)
{
  const TeesqlSimTemplate template = {
    .common_name = request->subject,
    .not_before_unix = request->not_before_unix,
    .not_after_unix = request->not_after_unix,
    .path_length = -1,
    .key_usage = GNUTLS_KEY_DIGITAL_SIGNATURE,
  };
  g_auto (gnutls_x509_crt_t) leaf = teesql_sim_x509_begin (&template, key, error);

  if (leaf == NULL || !add_alt_names (leaf, request->alt_names, error) || !add_purposes (leaf, request, error) ||
      (request->ra_tls && !add_evidence (self, leaf, key, error)) ||
      !teesql_sim_x509_add_wrapped (leaf, OID_APP_ID, self->app->app_id, sizeof self->app->app_id, error) ||
      !teesql_sim_x509_add_wrapped (leaf, OID_SPECIAL_USAGE, (const guint8 *) "app:custom", 10, error) ||
      (request->with_app_info && !add_app_info (self, leaf, error)) || !teesql_sim_x509_sign (leaf, self->kms->app_ca, NULL, error))
    return NULL;
  return g_steal_pointer (&leaf);
}

char *
teesql_sim_guest_issue (const TeesqlSimGuest *self, const TeesqlSimLeafRequest *request, GStrv *out_chain, GError **error)
{
  g_autoptr (TeesqlSimKey) key = teesql_sim_key_generate (error);
  g_auto (gnutls_x509_crt_t) leaf = key != NULL ? make_leaf (self, request, key, error) : NULL;
  char *pem;
  GStrv chain;

  if (leaf == NULL)
    return NULL;
  pem = teesql_sim_key_export_pem (key, error);
  if (pem == NULL)
    return NULL;
  chain = g_new0 (char *, 4);
  chain[0] = teesql_sim_x509_get_pem (leaf);
  chain[1] = teesql_sim_authority_get_pem (self->kms->app_ca);
  chain[2] = teesql_sim_authority_get_pem (self->kms->root_ca);
  *out_chain = chain;
  return pem;
}

char *
teesql_sim_guest_get_key_provider (const TeesqlSimGuest *self)
{
  g_autoptr (GBytes) spki = teesql_sim_key_get_spki (self->kms->root_ca->key);
  g_autofree char *hex = NULL;
  guint8 digest[32];
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (spki, &size);

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, data, size);
  hex = teesql_hex_encode (digest, sizeof digest);
  return g_strconcat ("kms:", hex, NULL);
}
