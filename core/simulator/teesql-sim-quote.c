#include "simulator/teesql-sim-quote.h"
#include <string.h>

#define TEE_TYPE_TDX         ((guint32) 0x00000081)
#define KEY_TYPE_ECDSA_P256  2
#define BODY_TD_1_0          2
#define BODY_TD_1_5          3
#define CERTIFICATION_REPORT 6 /* QE report with its own certification data */
#define CERTIFICATION_CHAIN  5 /* PEM chain, ends with NUL */
#define QE_AUTH_DATA_SIZE    32
#define AGENT_PADDING        70 /* zero bytes seen behind real quotes */

static const char *const version_names[] = {
  [TEESQL_SIM_QUOTE_4] = "4",
  [TEESQL_SIM_QUOTE_5] = "5",
  [TEESQL_SIM_QUOTE_5_1] = "5.1",
};

gboolean
teesql_sim_quote_version_parse (const char *text, TeesqlSimQuoteVersion *out_version, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (version_names); i++)
    if (strcmp (text, version_names[i]) == 0)
      {
        *out_version = (TeesqlSimQuoteVersion) i;
        return TRUE;
      }
  g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-quote-version", 0,
                                              "quote-version: `%s`, expected 4, 5 or 5.1", text));
  return FALSE;
}

const char *
teesql_sim_quote_version_to_string (TeesqlSimQuoteVersion version)
{
  return version_names[version];
}

static void
put (GByteArray *out, const guint8 *data, gsize size)
{
  g_byte_array_append (out, data, (guint) size);
}

static void
put_zeros (GByteArray *out, guint n)
{
  guint start = out->len;

  g_byte_array_set_size (out, start + n);
  memset (out->data + start, 0, n);
}

static void
put_u16 (GByteArray *out, guint16 value)
{
  const guint8 bytes[2] = { (guint8) value, (guint8) (value >> 8) };

  put (out, bytes, sizeof bytes);
}

static void
put_u32 (GByteArray *out, guint32 value)
{
  put_u16 (out, (guint16) value);
  put_u16 (out, (guint16) (value >> 16));
}

static gboolean
put_header (GByteArray *out, const TeesqlSimPlatform *platform, const TeesqlSimMachine *machine, const TeesqlSimQuoteRequest *request,
            GError **error)
{
  static const guint8 qe_vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
  guint8 qe_id[16];

  if (!teesql_sim_platform_derive (platform, "qe-id", machine->name, qe_id, sizeof qe_id, error))
    return FALSE;
  put_u16 (out, request->version == TEESQL_SIM_QUOTE_4 ? 4 : 5);
  put_u16 (out, KEY_TYPE_ECDSA_P256);
  put_u32 (out, TEE_TYPE_TDX);
  put_zeros (out, 4);
  put (out, qe_vendor, sizeof qe_vendor);
  put (out, qe_id, sizeof qe_id);
  put_zeros (out, 4);
  if (request->version != TEESQL_SIM_QUOTE_4)
    {
      put_u16 (out, request->version == TEESQL_SIM_QUOTE_5_1 ? BODY_TD_1_5 : BODY_TD_1_0);
      put_u32 (out, request->version == TEESQL_SIM_QUOTE_5_1 ? 648 : 584);
    }
  return TRUE;
}

static void
put_body (GByteArray *out, const TeesqlSimPlatform *platform, const TeesqlSimMachine *machine, const TeesqlSimQuoteRequest *request)
{
  /* SEPT_VE_DISABLE, as dstack sets it; bit 0 is DEBUG */
  const guint8 attributes[8] = { request->debug ? 0x01 : 0x00, 0, 0, 0x10, 0, 0, 0, 0 };
  static const guint8 xfam[8] = { 0xe7, 0x02, 0x06, 0, 0, 0, 0, 0 };
  guint8 svn[TEESQL_SIM_TCB_COMPONENTS];

  teesql_sim_tcb_get_tee_svn (request->status, svn);
  put (out, svn, sizeof svn);
  put (out, platform->mr_seam, sizeof platform->mr_seam);
  put_zeros (out, 48 + 8); /* MRSIGNERSEAM and SEAMATTRIBUTES of a production module */
  put (out, attributes, sizeof attributes);
  put (out, xfam, sizeof xfam);
  put (out, machine->mr_td, sizeof machine->mr_td);
  put (out, machine->mr_config_id, sizeof machine->mr_config_id);
  put_zeros (out, 48 + 48); /* MROWNER, MROWNERCONFIG */
  put (out, machine->rtmr[0], sizeof machine->rtmr);
  put (out, request->report_data, TEESQL_REPORT_DATA_SIZE);
  if (request->version == TEESQL_SIM_QUOTE_5_1)
    {
      teesql_sim_tcb_get_tee_svn2 (svn);
      put (out, svn, sizeof svn);
      put_zeros (out, 48); /* MRSERVICETD */
    }
}

/* the quoting enclave's own report: it vouches for the attestation key by its hash */
static GByteArray *
make_qe_report (const TeesqlSimPlatform *platform, const TeesqlSimQuoteRequest *request, const guint8 binding[32])
{
  static const guint8 attributes[16] = { 0x15, 0, 0, 0, 0, 0, 0, 0, 0xe7, 0, 0, 0, 0, 0, 0, 0 };
  GByteArray *report = g_byte_array_new ();
  guint8 cpu_svn[TEESQL_SIM_TCB_COMPONENTS];
  guint8 mr_enclave[32];
  const TeesqlDigestPart parts[] = { { "teesql-simulator/qe", 19 }, { platform->qe_mrsigner, sizeof platform->qe_mrsigner } };

  teesql_digest (TEESQL_DIGEST_SHA256, mr_enclave, parts, G_N_ELEMENTS (parts));
  teesql_sim_tcb_get_sgx_components (request->status, cpu_svn);
  put (report, cpu_svn, sizeof cpu_svn);
  put_zeros (report, 4 + 28); /* MISCSELECT, reserved */
  put (report, attributes, sizeof attributes);
  put (report, mr_enclave, sizeof mr_enclave);
  put_zeros (report, 32);
  put (report, platform->qe_mrsigner, sizeof platform->qe_mrsigner);
  put_zeros (report, 96);
  put_u16 (report, TEESQL_SIM_QE_ISVPRODID);
  put_u16 (report, TEESQL_SIM_QE_ISVSVN);
  put_zeros (report, 60);
  put (report, binding, 32);
  put_zeros (report, 32);
  g_assert (report->len == 384);
  return report;
}

static gboolean
put_certification (GByteArray *out, const TeesqlSimPlatform *platform, const TeesqlSimKey *attestation_key,
                   const TeesqlSimQuoteRequest *request, GError **error)
{
  guint8 auth_data[QE_AUTH_DATA_SIZE];
  guint8 binding[32];
  guint8 signature[64];
  const TeesqlDigestPart parts[] = { { attestation_key->point, sizeof attestation_key->point }, { auth_data, sizeof auth_data } };
  g_autoptr (GByteArray) report = NULL;
  guint32 chain_size = (guint32) strlen (request->pck_chain) + 1;

  for (guint i = 0; i < sizeof auth_data; i++)
    auth_data[i] = (guint8) i; /* what Intel's QE puts there */
  teesql_digest (TEESQL_DIGEST_SHA256, binding, parts, G_N_ELEMENTS (parts));
  report = make_qe_report (platform, request, binding);
  if (!teesql_sim_key_sign_raw (request->pck->key, report->data, report->len, signature, error))
    return FALSE;
  put_u16 (out, CERTIFICATION_REPORT);
  put_u32 (out, 384 + 64 + 2 + QE_AUTH_DATA_SIZE + 2 + 4 + chain_size);
  put (out, report->data, report->len);
  put (out, signature, sizeof signature);
  put_u16 (out, QE_AUTH_DATA_SIZE);
  put (out, auth_data, sizeof auth_data);
  put_u16 (out, CERTIFICATION_CHAIN);
  put_u32 (out, chain_size);
  put (out, (const guint8 *) request->pck_chain, chain_size);
  return TRUE;
}

GBytes *
teesql_sim_quote_new (const TeesqlSimPlatform *platform, const TeesqlSimMachine *machine, const TeesqlSimQuoteRequest *request,
                      GError **error)
{
  g_autoptr (TeesqlSimKey) attestation_key = teesql_sim_platform_derive_key (platform, "key/attestation", machine->name, error);
  g_autoptr (GByteArray) quote = g_byte_array_new ();
  g_autoptr (GByteArray) auth = g_byte_array_new ();
  guint8 signature[64];

  if (attestation_key == NULL || !put_header (quote, platform, machine, request, error))
    return NULL;
  put_body (quote, platform, machine, request);
  if (!teesql_sim_key_sign_raw (attestation_key, quote->data, quote->len, signature, error))
    return NULL;
  put (auth, signature, sizeof signature);
  put (auth, attestation_key->point, sizeof attestation_key->point);
  if (!put_certification (auth, platform, attestation_key, request, error))
    return NULL;
  put_u32 (quote, auth->len);
  put (quote, auth->data, auth->len);
  put_zeros (quote, AGENT_PADDING);
  return g_byte_array_free_to_bytes (g_steal_pointer (&quote));
}
