#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "cli/teesql-cli-client.h"
#include "cli/teesql-cli-evidence.h"
#include "cli/teesql-cli-explain.h"
#include "cli/teesql-dial-once.h"
#include "cli/teesql-target.h"
#include "ratls/teesql-ratls-certificate.h"
#include <teesql/teesql-error.h>

/* --- what its certificate shows ------------------------------------------------------------------------------------ */

static gboolean
judge_peer (TeesqlCliClient *client, const TeesqlRatlsPeer *peer, TeesqlCliEvidence *result, GError **error)
{
  g_autoptr (TeesqlPanel) panel = teesql_panel_new ((TeesqlVerifier *const *) client->verifiers->pdata, (const char *const *) client->names,
                                                    client->verifiers->len, client->config, NULL);
  g_autoptr (TeesqlPolicy) policy = teesql_policy_new_from_config (client->config, "server", error);
  guint8 expected[TEESQL_REPORT_DATA_SIZE];
  gsize size = 0;
  const guint8 *spki = g_bytes_get_data (peer->spki, &size);
  gint64 now_unix = policy != NULL ? teesql_clock_now (client->clock, error) : -1;

  if (now_unix < 0 || !teesql_cli_evidence_verify (result, panel, peer->evidence, now_unix, error))
    return FALSE;
  result->legacy = peer->legacy;
  teesql_cli_evidence_check_envelope (result, peer->envelope_report_data);
  teesql_ratls_report_data (spki, size, expected);
  teesql_cli_evidence_check_binding (result, expected);
  teesql_cli_evidence_check_policy (result, policy, now_unix);
  return TRUE;
}

static gboolean
judge_leaf (TeesqlCliClient *client, GBytes *leaf, TeesqlCliEvidence *result, char **out_spki_sha256, GError **error)
{
  g_autoptr (GError) inner = NULL;
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (leaf, &size);
  g_autoptr (TeesqlRatlsPeer) peer = teesql_ratls_peer_parse (data, size, &inner);
  guint8 digest[TEESQL_SHA256_SIZE];

  if (peer == NULL)
    {
      teesql_cli_evidence_refuse (result, teesql_error_get_reason (inner), inner->message);
      return TRUE;
    }
  data = g_bytes_get_data (peer->spki, &size);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, data, size);
  *out_spki_sha256 = teesql_hex_encode (digest, sizeof digest);
  return judge_peer (client, peer, result, error);
}

/* --- printing ------------------------------------------------------------------------------------------------------ */

typedef struct
{
  char *peer;
  char *spki_sha256; /* (nullable) */
  const char *tls;
  const TeesqlCliEvidence *evidence;
} Report;

static void
print_json (const Report *report)
{
  g_autoptr (JsonBuilder) builder = teesql_cli_json_new ();

  teesql_cli_json_text (builder, "peer", report->peer);
  teesql_cli_json_text (builder, "tls", report->tls);
  teesql_cli_json_text (builder, "spki_sha256", report->spki_sha256);
  json_builder_set_member_name (builder, "evidence");
  json_builder_begin_object (builder);
  teesql_cli_evidence_add_members (report->evidence, builder);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  teesql_cli_print_json (builder);
}

static void
print_text (const Report *report)
{
  g_print ("%-14s %s\n%-14s %s\n%-14s %s\n", "peer", report->peer, "TLS", report->tls, "key (SHA-256)",
           report->spki_sha256 != NULL ? report->spki_sha256 : "none");
  teesql_cli_evidence_print_text (report->evidence);
}

/* --- the verb ------------------------------------------------------------------------------------------------------ */

/* What the handshake refused beyond the evidence, a name or a date, is a refusal too. */
static void
take_dial_error (const GError *error, TeesqlCliEvidence *result)
{
  if (error != NULL && result->reason == NULL)
    teesql_cli_evidence_refuse (result, teesql_error_get_reason (error), error->message);
}

static int
verify (const TeesqlCliGlobals *globals, const char *argument, const char *only, gboolean explain, GError **error)
{
  g_autoptr (TeesqlCliClient) client = teesql_cli_client_new_judged_by (globals, only, error);
  g_autoptr (TeesqlTarget) target = NULL;
  g_autoptr (TeesqlDialOutcome) outcome = NULL;
  g_autoptr (TeesqlCliEvidence) result = teesql_cli_evidence_new ();
  g_autoptr (GError) dial_error = NULL;
  Report report = { .evidence = result };

  if (client != NULL)
    target = teesql_target_new (argument, g_getenv ("DATABASE_URL"), client->config, error);
  if (target == NULL || !teesql_cli_client_start (client, error))
    return TEESQL_EXIT_REFUSED;
  outcome = teesql_dial_once (client, target, &dial_error);
  if (outcome->leaf == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&dial_error));
      return TEESQL_EXIT_UNREACHABLE;
    }
  if (!judge_leaf (client, outcome->leaf, result, &report.spki_sha256, error))
    return TEESQL_EXIT_REFUSED;
  take_dial_error (dial_error, result);
  report.peer = g_strdup_printf (strchr (target->host, ':') != NULL ? "[%s]:%u" : "%s:%u", target->host, target->port);
  report.tls = outcome->tls;
  if (explain)
    teesql_cli_explain_print (result, globals->json);
  else if (globals->json)
    print_json (&report);
  else
    print_text (&report);
  g_free (report.peer);
  g_free (report.spki_sha256);
  return result->exit_code;
}

static int
run_server (const TeesqlCliGlobals *globals, int argc, char **argv, gboolean explain)
{
  g_autofree char *only = NULL;
  const GOptionEntry entries[] = {
    { "verifier", 0, 0, G_OPTION_ARG_STRING, &only, "Ask this one only, dcap or ita, or all that the configuration lists", "NAME" },
    G_OPTION_ENTRY_NULL,
  };
  GError *error = NULL;
  int code = 0;

  if (!teesql_cli_parse (explain ? "policy explain [--quote FILE --policy FILE | TARGET]" : "verify server [TARGET]",
                         "Meets a teesqld and prints what its evidence proves and what [policy:server] says to it.\n"
                         "TARGET is HOST:PORT, a postgresql:// URI or key/value text; else DATABASE_URL, else [connect] server.\n"
                         "Exit code 0: verified, bound to the key it holds, accepted.",
                         entries, &argc, &argv, &error))
    return teesql_cli_fail (error);
  if (argc > 2)
    return teesql_cli_usage_error ("verify server: one target at most");
  code = verify (globals, argc > 1 ? argv[1] : NULL, only, explain, &error);
  return error != NULL ? teesql_cli_fail (error) : code;
}

int
teesql_cli_run_verify_server (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  return run_server (globals, argc, argv, FALSE);
}

int
teesql_cli_run_policy_explain_server (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  return run_server (globals, argc, argv, TRUE);
}
