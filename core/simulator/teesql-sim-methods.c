#include "base/teesql-hex.h"
#include "base/teesql-locked-memory.h"
#include "simulator/teesql-sim-agent.h"
#include "simulator/teesql-sim-json.h"
#include "teesql-build.h"
#include <string.h>

#define MAX_PATH           ((gsize) 4096)
#define MAX_ALT_NAMES      64
#define DEFAULT_NOT_BEFORE ((gint64) 157766400) /* 1975-01-01, what the agent's library puts there */
#define DEFAULT_LIFE       ((gint64) 3650 * 86400)
#define MAX_UNIX           ((guint64) 253402300799) /* the last second that a certificate can name */

static gboolean
refuse (GError **error, const char *text)
{
  g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_MALFORMED, "simulator-request", 0, "%s", text));
  return FALSE;
}

/* --- GetTlsKey */

static gboolean
read_leaf_dates (JsonObject *request, TeesqlSimLeafRequest *leaf, GError **error)
{
  gboolean has_start = FALSE;
  gboolean has_end = FALSE;
  guint64 start = 0;
  guint64 end = 0;

  if (!teesql_sim_json_get_unsigned (request, "not_before", &has_start, &start, error) ||
      !teesql_sim_json_get_unsigned (request, "not_after", &has_end, &end, error))
    return FALSE;
  if (start > MAX_UNIX || end > MAX_UNIX)
    return refuse (error, "not_before and not_after are Unix seconds");
  leaf->not_before_unix = has_start ? (gint64) start : DEFAULT_NOT_BEFORE;
  leaf->not_after_unix = has_end ? (gint64) end : g_get_real_time () / G_USEC_PER_SEC + DEFAULT_LIFE;
  if (leaf->not_before_unix >= leaf->not_after_unix)
    return refuse (error, "not_before must be earlier than not_after");
  return TRUE;
}

static gboolean
read_leaf_request (JsonObject *request, TeesqlSimLeafRequest *leaf, GStrv *out_alt_names, GError **error)
{
  if (!teesql_sim_json_get_string (request, "subject", &leaf->subject, error) ||
      !teesql_sim_json_get_strings (request, "alt_names", out_alt_names, error) ||
      !teesql_sim_json_get_boolean (request, "usage_ra_tls", &leaf->ra_tls, error) ||
      !teesql_sim_json_get_boolean (request, "usage_server_auth", &leaf->server_auth, error) ||
      !teesql_sim_json_get_boolean (request, "usage_client_auth", &leaf->client_auth, error) ||
      !teesql_sim_json_get_boolean (request, "with_app_info", &leaf->with_app_info, error) || !read_leaf_dates (request, leaf, error))
    return FALSE;
  leaf->alt_names = (const char *const *) *out_alt_names;
  if (strlen (leaf->subject) > 64 || g_strv_length (*out_alt_names) > MAX_ALT_NAMES)
    return refuse (error, "subject or alt_names are too long");
  for (guint i = 0; (*out_alt_names)[i] != NULL; i++)
    if ((*out_alt_names)[i][0] == '\0' || strlen ((*out_alt_names)[i]) > 253 || !g_str_is_ascii ((*out_alt_names)[i]))
      return refuse (error, "alt_names holds what is no DNS name");
  return TRUE;
}

/* PEM as a JSON string: the line ends are all that needs escaping */
static char *
quote_pem (const char *pem)
{
  g_auto (GStrv) lines = g_strsplit (pem, "\n", -1);
  g_autofree char *joined = g_strjoinv ("\\n", lines);
  char *quoted = g_strconcat ("\"", joined, "\"", NULL);

  for (guint i = 0; lines[i] != NULL; i++)
    teesql_wipe (lines[i], strlen (lines[i]));
  teesql_wipe (joined, strlen (joined));
  return quoted;
}

static char *
method_get_tls_key (const TeesqlSimGuest *guest, JsonObject *request, GError **error)
{
  TeesqlSimLeafRequest leaf = { 0 };
  g_auto (GStrv) alt_names = NULL;
  g_auto (GStrv) chain = NULL;
  g_autofree char *pem = NULL;
  g_autofree char *key = NULL;
  g_autoptr (GString) certificates = g_string_new (NULL);
  char *answer;

  if (!read_leaf_request (request, &leaf, &alt_names, error))
    return NULL;
  pem = teesql_sim_guest_issue (guest, &leaf, &chain, error);
  if (pem == NULL)
    return NULL;
  for (guint i = 0; chain[i] != NULL; i++)
    {
      g_autofree char *quoted = quote_pem (chain[i]);

      g_string_append_printf (certificates, "%s%s", i > 0 ? "," : "", quoted);
    }
  key = quote_pem (pem);
  answer = g_strdup_printf ("{\"key\":%s,\"certificate_chain\":[%s]}", key, certificates->str);
  teesql_wipe (key, strlen (key));
  teesql_wipe (pem, strlen (pem));
  return answer;
}

/* --- keys */

static gboolean
parse_algorithm (const char *text, gboolean for_signing, TeesqlSimAlgorithm *out_algorithm, GError **error)
{
  if (strcmp (text, "ed25519") == 0)
    *out_algorithm = TEESQL_SIM_ALGORITHM_ED25519;
  else if (strcmp (text, "secp256k1") == 0 || strcmp (text, "k256") == 0 || (text[0] == '\0' && !for_signing))
    *out_algorithm = TEESQL_SIM_ALGORITHM_SECP256K1;
  else if (strcmp (text, "secp256k1_prehashed") == 0 && for_signing)
    *out_algorithm = TEESQL_SIM_ALGORITHM_SECP256K1_PREHASHED;
  else
    return refuse (error, "Unsupported algorithm");
  return TRUE;
}

static char *
method_get_key (const TeesqlSimGuest *guest, JsonObject *request, GError **error)
{
  const char *path;
  const char *purpose;
  const char *name;
  TeesqlSimAlgorithm algorithm;
  g_autoptr (TeesqlSecret) key = NULL;
  g_autoptr (GBytes) public_key = NULL;
  g_autofree char *link = NULL;
  g_autofree char *root_link = NULL;
  g_autofree char *hex = NULL;
  guint8 signature[TEESQL_SIM_RECOVERABLE_SIZE];
  char *answer;

  if (!teesql_sim_json_get_string (request, "path", &path, error) || !teesql_sim_json_get_string (request, "purpose", &purpose, error) ||
      !teesql_sim_json_get_string (request, "algorithm", &name, error) || !parse_algorithm (name, FALSE, &algorithm, error))
    return NULL;
  if (strlen (path) > MAX_PATH || strlen (purpose) > MAX_PATH)
    {
      refuse (error, "path or purpose is too long");
      return NULL;
    }
  key = teesql_sim_kms_derive (guest->kms->app_key, path, error);
  if (key == NULL || !teesql_sim_public_key (algorithm, key, &public_key, error) ||
      !teesql_sim_kms_link_key (guest->kms, purpose, public_key, signature, error))
    return NULL;
  hex = teesql_hex_encode (teesql_secret_peek (key, NULL), 32);
  link = teesql_hex_encode (signature, sizeof signature);
  root_link = teesql_hex_encode (guest->kms->app_key_signature, TEESQL_SIM_RECOVERABLE_SIZE);
  answer = g_strdup_printf ("{\"key\":\"%s\",\"signature_chain\":[\"%s\",\"%s\"]}", hex, link, root_link);
  teesql_wipe (hex, strlen (hex));
  return answer;
}

static void
add_hex_bytes (JsonBuilder *builder, const char *name, GBytes *bytes)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  teesql_sim_json_add_hex (builder, name, data, size);
}

static void
add_hex_element (JsonBuilder *builder, const guint8 *data, gsize size)
{
  g_autofree char *hex = teesql_hex_encode (data, size);

  json_builder_add_string_value (builder, hex);
}

/* guest agent 4: the signing key is GetKey (path `vms`, purpose `signing`) */
static char *
method_sign (const TeesqlSimGuest *guest, JsonObject *request, GError **error)
{
  const char *name;
  TeesqlSimAlgorithm algorithm;
  g_autoptr (GBytes) data = NULL;
  g_autoptr (TeesqlSecret) key = NULL;
  g_autoptr (GBytes) public_key = NULL;
  g_autoptr (JsonBuilder) builder = NULL;
  guint8 signature[64];
  guint8 link[TEESQL_SIM_RECOVERABLE_SIZE];

  if (!teesql_sim_json_get_string (request, "algorithm", &name, error) || !parse_algorithm (name, TRUE, &algorithm, error) ||
      !teesql_sim_json_get_bytes (request, "data", &data, error))
    return NULL;
  key = teesql_sim_kms_derive (guest->kms->app_key, "vms", error);
  if (key == NULL || !teesql_sim_public_key (algorithm, key, &public_key, error) ||
      !teesql_sim_sign (algorithm, key, data, signature, error) ||
      !teesql_sim_kms_link_key (guest->kms, "signing", public_key, link, error))
    return NULL;
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  teesql_sim_json_add_hex (builder, "signature", signature, sizeof signature);
  json_builder_set_member_name (builder, "signature_chain");
  json_builder_begin_array (builder);
  add_hex_element (builder, signature, sizeof signature);
  add_hex_element (builder, link, sizeof link);
  add_hex_element (builder, guest->kms->app_key_signature, TEESQL_SIM_RECOVERABLE_SIZE);
  json_builder_end_array (builder);
  add_hex_bytes (builder, "public_key", public_key);
  json_builder_end_object (builder);
  return teesql_sim_json_end (builder, FALSE);
}

static char *
method_verify (const TeesqlSimGuest *guest, JsonObject *request, GError **error)
{
  const char *name;
  TeesqlSimAlgorithm algorithm;
  g_autoptr (GBytes) data = NULL;
  g_autoptr (GBytes) signature = NULL;
  g_autoptr (GBytes) public_key = NULL;
  gboolean valid = FALSE;

  if (!teesql_sim_json_get_string (request, "algorithm", &name, error) || !parse_algorithm (name, TRUE, &algorithm, error) ||
      !teesql_sim_json_get_bytes (request, "data", &data, error) || !teesql_sim_json_get_bytes (request, "signature", &signature, error) ||
      !teesql_sim_json_get_bytes (request, "public_key", &public_key, error) ||
      !teesql_sim_verify (algorithm, data, signature, public_key, &valid, error))
    return NULL;
  return g_strdup (valid ? "{\"valid\":true}" : "{\"valid\":false}");
}

/* --- quotes */

static gboolean
read_report_data (JsonObject *request, guint8 out[TEESQL_REPORT_DATA_SIZE], GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  gsize size = 0;
  const guint8 *data;

  if (!teesql_sim_json_get_bytes (request, "report_data", &bytes, error))
    return FALSE;
  data = g_bytes_get_data (bytes, &size);
  if (size > TEESQL_REPORT_DATA_SIZE)
    return refuse (error, "Report data is too long");
  for (gsize i = 0; i < TEESQL_REPORT_DATA_SIZE; i++)
    out[i] = i < size ? data[i] : 0;
  return TRUE;
}

static char *
make_event_log (const TeesqlSimGuest *guest)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  teesql_sim_machine_add_event_log (guest->machine, builder);
  return teesql_sim_json_end (builder, FALSE);
}

static char *
method_get_quote (const TeesqlSimGuest *guest, JsonObject *request, GError **error)
{
  g_autoptr (GBytes) quote = NULL;
  g_autoptr (JsonBuilder) builder = NULL;
  g_autofree char *event_log = NULL;
  guint8 report_data[TEESQL_REPORT_DATA_SIZE];

  if (!read_report_data (request, report_data, error))
    return NULL;
  quote = teesql_sim_guest_make_quote (guest, report_data, error);
  if (quote == NULL)
    return NULL;
  event_log = make_event_log (guest);
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  add_hex_bytes (builder, "quote", quote);
  teesql_sim_json_add_string (builder, "event_log", event_log);
  teesql_sim_json_add_hex (builder, "report_data", report_data, sizeof report_data);
  teesql_sim_json_add_string (builder, "vm_config", guest->machine->vm_config);
  json_builder_end_object (builder);
  return teesql_sim_json_end (builder, FALSE);
}

static char *
method_attest (const TeesqlSimGuest *guest, JsonObject *request, GError **error)
{
  g_autoptr (GBytes) attestation = NULL;
  g_autofree char *hex = NULL;
  guint8 report_data[TEESQL_REPORT_DATA_SIZE];
  gsize size = 0;
  const guint8 *data;

  if (!read_report_data (request, report_data, error))
    return NULL;
  attestation = teesql_sim_guest_make_attestation (guest, report_data, FALSE, error);
  if (attestation == NULL)
    return NULL;
  data = g_bytes_get_data (attestation, &size);
  hex = teesql_hex_encode (data, size);
  return g_strdup_printf ("{\"attestation\":\"%s\"}", hex);
}

/* --- descriptions */

static void
add_identity (JsonBuilder *builder, const TeesqlSimGuest *guest)
{
  guint8 device_id[32];

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, device_id, "", 0); /* the agent does not know the PPID */
  teesql_sim_json_add_hex (builder, "mr_aggregated", guest->machine->mr_aggregated, 32);
  teesql_sim_json_add_hex (builder, "os_image_hash", guest->app->os_image_hash, 32);
  teesql_sim_json_add_hex (builder, "compose_hash", guest->app->compose_hash, 32);
  teesql_sim_json_add_hex (builder, "device_id", device_id, sizeof device_id);
}

static char *
make_tcb_info (const TeesqlSimGuest *guest)
{
  static const char *const names[TEESQL_SIM_N_RTMR] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3" };
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  teesql_sim_json_add_hex (builder, "mrtd", guest->machine->mr_td, 48);
  for (guint i = 0; i < TEESQL_SIM_N_RTMR; i++)
    teesql_sim_json_add_hex (builder, names[i], guest->machine->rtmr[i], 48);
  add_identity (builder, guest);
  json_builder_set_member_name (builder, "event_log");
  teesql_sim_machine_add_event_log (guest->machine, builder);
  teesql_sim_json_add_string (builder, "app_compose", guest->app->app_compose);
  json_builder_end_object (builder);
  return teesql_sim_json_end (builder, TRUE);
}

static char *
make_demo_certificate (const TeesqlSimGuest *guest, GError **error)
{
  const TeesqlSimLeafRequest leaf = {
    .subject = "demo-cert",
    .client_auth = TRUE,
    .not_before_unix = DEFAULT_NOT_BEFORE,
    .not_after_unix = g_get_real_time () / G_USEC_PER_SEC + DEFAULT_LIFE,
  };
  g_auto (GStrv) chain = NULL;
  g_autofree char *pem = teesql_sim_guest_issue (guest, &leaf, &chain, error);

  if (pem == NULL)
    return NULL;
  teesql_wipe (pem, strlen (pem));
  return g_strjoinv ("\n", chain);
}

static char *
method_info (const TeesqlSimGuest *guest, JsonObject *request, GError **error)
{
  g_autofree char *app_cert = make_demo_certificate (guest, error);
  g_autofree char *tcb_info = NULL;
  g_autoptr (JsonBuilder) builder = NULL;

  if (app_cert == NULL)
    return NULL;
  tcb_info = make_tcb_info (guest);
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  teesql_sim_json_add_hex (builder, "app_id", guest->app->app_id, sizeof guest->app->app_id);
  teesql_sim_json_add_hex (builder, "instance_id", guest->machine->instance_id, sizeof guest->machine->instance_id);
  teesql_sim_json_add_string (builder, "app_cert", app_cert);
  teesql_sim_json_add_string (builder, "tcb_info", tcb_info);
  teesql_sim_json_add_string (builder, "app_name", guest->app->name);
  add_identity (builder, guest);
  teesql_sim_json_add_string (builder, "key_provider_info", guest->machine->key_provider);
  teesql_sim_json_add_string (builder, "vm_config", guest->machine->vm_config);
  teesql_sim_json_add_string (builder, "cloud_vendor", "TeeSQL");
  teesql_sim_json_add_string (builder, "cloud_product", "teesql-simulator");
  teesql_sim_json_add_boolean (builder, "simulator", TRUE); /* SR-7: no agent of a real machine has it */
  json_builder_end_object (builder);
  return teesql_sim_json_end (builder, FALSE);
}

static char *
method_version (const TeesqlSimGuest *guest, JsonObject *request, GError **error)
{
  return g_strdup ("{\"version\":\"0.6.0\",\"rev\":\"teesql-simulator-" TEESQL_VERSION "\",\"simulator\":true}");
}

static char *
method_gpu_info (const TeesqlSimGuest *guest, JsonObject *request, GError **error)
{
  return g_strdup ("{\"attestation\":\"\"}");
}

TeesqlSimMethod
teesql_sim_agent_find_method (const char *name)
{
  static const struct
  {
    const char *name;
    TeesqlSimMethod method;
  } methods[] = {
    { "GetTlsKey", method_get_tls_key },
    { "GetKey", method_get_key },
    { "GetQuote", method_get_quote },
    { "Attest", method_attest },
    { "Info", method_info },
    { "Version", method_version },
    { "Sign", method_sign },
    { "Verify", method_verify },
    { "GpuInfo", method_gpu_info },
  };

  for (guint i = 0; i < G_N_ELEMENTS (methods); i++)
    if (strcmp (name, methods[i].name) == 0)
      return methods[i].method;
  return NULL;
}
