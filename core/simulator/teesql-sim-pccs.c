#include "simulator/teesql-sim-pccs.h"
#include "base/teesql-hex.h"
#include <string.h>

#define SGX "/sgx/certification/v4/"
#define TDX "/tdx/certification/v4/"

typedef struct
{
  const TeesqlSimCollateral *collateral;
  TeesqlSimState *state;
} Pccs;

typedef struct
{
  const Pccs *pccs;
  SoupServerMessage *message;
  GHashTable *query; /* (nullable) */
  gint64 now_unix;
} Request;

static const char *
get_parameter (const Request *request, const char *name)
{
  return request->query != NULL ? g_hash_table_lookup (request->query, name) : NULL;
}

static void
reply_status (const Request *request, guint status)
{
  g_autoptr (GBytes) body = g_bytes_new_static ("", 0);

  teesql_sim_http_reply (request->message, status, "text/plain", body);
}

static void
add_chain (const Request *request, const char *header, const TeesqlSimAuthority *issuer)
{
  g_autofree char *chain = teesql_sim_platform_get_chain (request->pccs->collateral->platform, issuer);
  g_autofree char *escaped = g_uri_escape_string (chain, NULL, FALSE);

  soup_message_headers_replace (soup_server_message_get_response_headers (request->message), header, escaped);
}

static void
reply_text (const Request *request, char *text, const GError *error, const char *header)
{
  g_autoptr (GBytes) body = NULL;

  if (text == NULL)
    {
      g_warning ("collateral: %s", error->message);
      reply_status (request, 500);
      return;
    }
  body = g_bytes_new_take (text, strlen (text));
  add_chain (request, header, request->pccs->collateral->platform->tcb_signing);
  teesql_sim_http_reply (request->message, 200, "application/json", body);
}

/* `update` or an evaluation number, never both. Returns: the HTTP status when it is not 200 */
static guint
read_update (const Request *request, gboolean *out_early)
{
  const char *update = get_parameter (request, "update");
  const char *number_text = get_parameter (request, "tcbEvaluationDataNumber");
  guint standard = teesql_sim_collateral_get_evaluation_number (request->pccs->collateral, FALSE);
  guint early = teesql_sim_collateral_get_evaluation_number (request->pccs->collateral, TRUE);
  guint64 number = 0;

  *out_early = update != NULL && strcmp (update, "early") == 0;
  if ((update != NULL && number_text != NULL) || (update != NULL && !*out_early && strcmp (update, "standard") != 0))
    return 400;
  if (number_text == NULL)
    return 200;
  if (!g_ascii_string_to_unsigned (number_text, 10, 1, 10000, &number, NULL))
    return 400;
  *out_early = number == early && early != standard;
  if (number == early || number == standard)
    return 200;
  return number < standard ? 410 : 404;
}

static void
serve_tcb (const Request *request)
{
  const char *fmspc = get_parameter (request, "fmspc");
  const TeesqlSimPlatform *platform = request->pccs->collateral->platform;
  g_autofree char *own = teesql_hex_encode (platform->fmspc, sizeof platform->fmspc);
  g_autoptr (GError) error = NULL;
  gboolean early = FALSE;
  guint status = read_update (request, &early);

  if (fmspc == NULL || strlen (fmspc) != 12 || strspn (fmspc, "0123456789abcdefABCDEF") != 12)
    status = 400;
  if (status == 200 && g_ascii_strcasecmp (fmspc, own) != 0)
    status = 404;
  if (status != 200)
    reply_status (request, status);
  else
    reply_text (request, teesql_sim_collateral_make_tcb_info (request->pccs->collateral, early, request->now_unix, &error), error,
                "TCB-Info-Issuer-Chain");
}

static void
serve_qe_identity (const Request *request)
{
  g_autoptr (GError) error = NULL;
  gboolean early = FALSE;
  guint status = read_update (request, &early);

  if (status != 200)
    reply_status (request, status);
  else
    reply_text (request, teesql_sim_collateral_make_qe_identity (request->pccs->collateral, early, request->now_unix, &error), error,
                "SGX-Enclave-Identity-Issuer-Chain");
}

static void
serve_evaluation_numbers (const Request *request)
{
  g_autoptr (GError) error = NULL;

  reply_text (request, teesql_sim_collateral_make_evaluation_numbers (request->pccs->collateral, request->now_unix, &error), error,
              "TCB-Evaluation-Data-Numbers-Issuer-Chain");
}

static GBytes *
make_crl (const Request *request, TeesqlSimCrl which)
{
  g_autoptr (GError) error = NULL;
  GBytes *der = teesql_sim_collateral_make_crl (request->pccs->collateral, which, request->now_unix, &error);

  if (der == NULL)
    {
      g_warning ("collateral: %s", error->message);
      reply_status (request, 500);
    }
  return der;
}

static GBytes *
der_to_pem (GBytes *der)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (der, &size);
  const gnutls_datum_t input = { (guint8 *) data, (unsigned) size };
  gnutls_datum_t pem = { NULL, 0 };
  GBytes *out;

  if (gnutls_pem_base64_encode2 ("X509 CRL", &input, &pem) != 0)
    return g_bytes_ref (der);
  out = g_bytes_new (pem.data, pem.size);
  gnutls_free (pem.data);
  return out;
}

static void
serve_pck_crl (const Request *request)
{
  const char *ca = get_parameter (request, "ca");
  const char *encoding = get_parameter (request, "encoding");
  gboolean processor = ca != NULL && strcmp (ca, "processor") == 0;
  gboolean der_wanted = encoding != NULL && strcmp (encoding, "der") == 0;
  const TeesqlSimPlatform *platform = request->pccs->collateral->platform;
  g_autoptr (GBytes) der = NULL;
  g_autoptr (GBytes) body = NULL;

  if (ca == NULL || (!processor && strcmp (ca, "platform") != 0) || (encoding != NULL && !der_wanted && strcmp (encoding, "pem") != 0))
    {
      reply_status (request, 400);
      return;
    }
  der = make_crl (request, processor ? TEESQL_SIM_CRL_PROCESSOR : TEESQL_SIM_CRL_PLATFORM);
  if (der == NULL)
    return;
  body = der_wanted ? g_bytes_ref (der) : der_to_pem (der);
  add_chain (request, "SGX-PCK-CRL-Issuer-Chain", processor ? platform->processor_ca : platform->platform_ca);
  teesql_sim_http_reply (request->message, 200, der_wanted ? "application/pkix-crl" : "application/x-pem-file", body);
}

/* a PCCS answers in hex, unlike Intel's own service */
static void
serve_root_crl (const Request *request)
{
  g_autoptr (GBytes) der = make_crl (request, TEESQL_SIM_CRL_ROOT);
  g_autoptr (GBytes) body = NULL;
  gsize size = 0;
  const guint8 *data;
  char *hex;

  if (der == NULL)
    return;
  data = g_bytes_get_data (der, &size);
  hex = teesql_hex_encode (data, size);
  body = g_bytes_new_take (hex, strlen (hex));
  teesql_sim_http_reply (request->message, 200, "text/plain", body);
}

static void
serve (const Request *request, const char *path)
{
  static const struct
  {
    const char *path;
    void (*serve) (const Request *request);
  } routes[] = {
    { SGX "pckcrl", serve_pck_crl },
    { SGX "rootcacrl", serve_root_crl },
    { TDX "tcb", serve_tcb },
    { TDX "qe/identity", serve_qe_identity },
    { TDX "tcbevaluationdatanumbers", serve_evaluation_numbers },
  };

  for (guint i = 0; i < G_N_ELEMENTS (routes); i++)
    if (strcmp (path, routes[i].path) == 0)
      {
        routes[i].serve (request);
        return;
      }
  reply_status (request, 404);
}

static void
request_cb (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
  const Pccs *pccs = user_data;
  const Request request = { pccs, message, query, g_get_real_time () / G_USEC_PER_SEC };

  pccs->state->pccs_calls++;
  if (teesql_sim_http_misbehave (message, &pccs->state->pccs))
    return;
  if (soup_server_message_get_method (message) != SOUP_METHOD_GET)
    reply_status (&request, 405);
  else
    serve (&request, path);
  teesql_sim_http_delay (message, &pccs->state->pccs);
}

void
teesql_sim_pccs_attach (SoupServer *server, const TeesqlSimCollateral *collateral, TeesqlSimState *state)
{
  Pccs *pccs = g_new0 (Pccs, 1);

  pccs->collateral = collateral;
  pccs->state = state;
  soup_server_add_handler (server, NULL, request_cb, pccs, g_free);
}
