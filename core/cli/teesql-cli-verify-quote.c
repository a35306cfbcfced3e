#include "cli/teesql-cli-evidence.h"
#include "cli/teesql-cli.h"

#include "base/teesql-clock.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "cli/teesql-cli-explain.h"
#include "cli/teesql-cli-plugin-folder.h"
#include "plugin/teesql-plugin-loader.h"
#include "ratls/teesql-ratls-attestation.h"
#include "ratls/teesql-ratls-certificate.h"

#include <glib/gstdio.h>
#include <gnutls/gnutls.h>
#include <unistd.h>

#define MAX_FILE     ((gsize) 1048576)
#define MAX_KEY_FILE ((gsize) 4096)

typedef struct
{
  char *collateral;
  char *trusted_root;
  char *policy;
  char *report_data;
  char *spki;
  char *verifier;
  gboolean explain; /* print the rules instead */
  gint64 at;
} Options;

static void
options_clear (Options *self)
{
  g_free (self->collateral);
  g_free (self->trusted_root);
  g_free (self->policy);
  g_free (self->report_data);
  g_free (self->spki);
  g_free (self->verifier);
}

/* --- a configuration of our own ------------------------------------------------------------------------------------ */

/* A value of a keyfile, as its scanner takes escapes away. */
static void
append_value (GString *out, const char *key, const char *value)
{
  g_string_append_printf (out, "%s = ", key);
  for (const char *p = value; *p != '\0'; p++)
    if (*p == '\\')
      g_string_append (out, "\\\\");
    else if (*p == ' ' && (p == value || p[1] == '\0'))
      g_string_append (out, "\\s");
    else
      g_string_append_c (out, *p);
  g_string_append_c (out, '\n');
}

static gboolean
is_overridden (const Options *options, const char *key)
{
  return (options->trusted_root != NULL && strcmp (key, "trusted-root") == 0) ||
         (options->collateral != NULL && (strcmp (key, "collateral-file") == 0 || strcmp (key, "cache-directory") == 0));
}

static void
append_verifier (GString *out, const TeesqlConfig *config, const char *name, const Options *options)
{
  g_autofree char *group = g_strconcat ("verifier:", name, NULL);
  g_autofree const char **keys = teesql_config_list_keys (config, group);
  const gboolean local = g_str_equal (name, "dcap"); /* the files of the command line are for this one */

  g_string_append_printf (out, "[%s]\n", group);
  for (guint i = 0; keys[i] != NULL; i++)
    if (!local || !is_overridden (options, keys[i]))
      append_value (out, keys[i], teesql_config_get_raw (config, group, keys[i]));
  if (local && options->trusted_root != NULL)
    append_value (out, "trusted-root", options->trusted_root);
  if (local && options->collateral != NULL)
    {
      append_value (out, "collateral-file", options->collateral);
      append_value (out, "cache-directory", "none");
    }
}

/* `--collateral` and `--trusted-root` are about local verification, whatever the file lists. */
static const char *const *
verifiers_of (const TeesqlConfig *config, const Options *options)
{
  static const char *const local[] = { "dcap", NULL };
  static const char *named[] = { NULL, NULL };

  if (g_strcmp0 (options->verifier, "all") == 0)
    return teesql_config_get_list (config, "teesql", "verifiers");
  named[0] = options->verifier;
  if (named[0] != NULL)
    return named;
  return options->collateral != NULL || options->trusted_root != NULL ? local : teesql_config_get_list (config, "teesql", "verifiers");
}

static TeesqlConfig *
make_config (const TeesqlCliGlobals *globals, const Options *options, GError **error)
{
  g_autoptr (TeesqlConfig) base = teesql_config_load (TEESQL_CONFIG_CLIENT, globals->config_path, error);
  g_autoptr (GString) text = g_string_new ("[teesql]\n");
  g_autofree char *plugin_path = NULL;
  g_autofree char *names = NULL;
  const char *const *verifiers = NULL;

  if (base == NULL)
    return NULL;
  verifiers = verifiers_of (base, options);
  names = g_strjoinv (";", (char **) verifiers);
  append_value (text, "verifiers", names);
  plugin_path = g_strjoinv (";", (char **) teesql_config_get_list (base, "teesql", "plugin-path"));
  if (plugin_path[0] != '\0')
    append_value (text, "plugin-path", plugin_path);
  for (guint i = 0; verifiers[i] != NULL; i++)
    append_verifier (text, base, verifiers[i], options);
  return teesql_config_load_text (TEESQL_CONFIG_CLIENT, "command line", text->str, text->len, error);
}

/* --- inputs -------------------------------------------------------------------------------------------------------- */

static gboolean
make_absolute (char **path, GError **error)
{
  char *absolute = NULL;

  if (*path == NULL)
    return TRUE;
  if (g_access (*path, R_OK) != 0)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "cannot read %s", *path);
      return FALSE;
    }
  absolute = g_canonicalize_filename (*path, NULL);
  g_free (*path);
  *path = absolute;
  return TRUE;
}

/* A quote as the hardware's software delivers it, or the attestation that holds one together with its event log. */
static TeesqlEvidence *
parse_evidence (GBytes *bytes, GBytes **out_report_data, GError **error)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  if (size > 0 && (data[0] == 0 || data[0] >= 0x80))
    return teesql_ratls_attestation_parse (data, size, out_report_data, error);
  teesql_evidence_builder_set_quote (builder, bytes);
  return teesql_evidence_builder_end (builder, error);
}

static gboolean
read_report_data (const char *hex, guint8 *out, GError **error)
{
  if (teesql_hex_decode_into (hex, -1, out, TEESQL_REPORT_DATA_SIZE, NULL))
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--report-data: expected 128 hex digits");
  return FALSE;
}

/* DER, or PEM as `openssl pkey -pubout` writes it */
static gboolean
read_spki (const char *path, guint8 *out, GError **error)
{
  g_autoptr (GBytes) bytes = teesql_cli_read_file (path, MAX_KEY_FILE, error);
  gnutls_datum_t pem = { NULL, 0 };
  gnutls_datum_t der = { NULL, 0 };
  gsize size = 0;

  if (bytes == NULL)
    return FALSE;
  pem.data = (unsigned char *) g_bytes_get_data (bytes, &size);
  pem.size = (unsigned int) size;
  if (gnutls_pem_base64_decode2 ("PUBLIC KEY", &pem, &der) >= 0)
    teesql_ratls_report_data (der.data, der.size, out);
  else
    teesql_ratls_report_data (pem.data, pem.size, out);
  gnutls_free (der.data);
  return TRUE;
}

static gboolean
read_expected (const Options *options, guint8 *out, gboolean *out_is_asked, GError **error)
{
  *out_is_asked = options->report_data != NULL || options->spki != NULL;
  if (options->report_data != NULL)
    return read_report_data (options->report_data, out, error);
  return options->spki == NULL || read_spki (options->spki, out, error);
}

static TeesqlPolicy *
read_policy (const char *path, GError **error)
{
  g_autoptr (TeesqlConfig) config = teesql_config_load (TEESQL_CONFIG_POLICY, path, error);
  g_autofree const char **names = config != NULL ? teesql_config_list_instances (config, "policy") : NULL;

  return names != NULL ? teesql_policy_new_from_config (config, names[0], error) : NULL; /* the kind has exactly one group */
}

static gboolean
read_now (gint64 at, gint64 *out_now, GError **error)
{
  g_autoptr (TeesqlClock) clock = NULL;

  *out_now = at;
  if (at >= 0)
    return TRUE;
  clock = teesql_clock_new (NULL, NULL, error);
  *out_now = clock != NULL ? teesql_clock_now (clock, error) : -1;
  return *out_now >= 0;
}

/* --- verification -------------------------------------------------------------------------------------------------- */

static void
created_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out = user_data;

  *out = g_object_ref (result);
}

static GPtrArray *
make_verifiers (TeesqlConfig *config, TeesqlPluginLoader *loader, GError **error)
{
  g_autoptr (GPtrArray) verifiers = g_ptr_array_new_with_free_func (g_object_unref);

  for (const char *const *name = teesql_config_get_list (config, "teesql", "verifiers"); *name != NULL; name++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      GObject *verifier = NULL;

      teesql_plugin_loader_create_async (loader, "verifier", *name, NULL, created_cb, &result);
      while (result == NULL)
        g_main_context_iteration (NULL, TRUE);
      verifier = teesql_plugin_loader_create_finish (loader, result, error);
      if (verifier == NULL)
        return NULL;
      g_ptr_array_add (verifiers, verifier);
    }
  return g_steal_pointer (&verifiers);
}

typedef struct
{
  GBytes *quote;
  TeesqlPolicy *policy; /* (nullable) */
  gint64 now;
  gboolean files_are_given; /* --collateral or --trusted-root */
  gboolean binding_is_asked;
  guint8 expected[TEESQL_REPORT_DATA_SIZE];
} Question;

/* An anchor or a bundle that was named on the command line, was read, and makes no sense proves nothing: exit code 1. The same in a
 * configuration is the operator's, and keeps us from answering. */
static gboolean
take_as_answer (const Question *question, const GError *error, TeesqlCliEvidence *result)
{
  if (!question->files_are_given || error->domain != TEESQL_VERIFIER_ERROR || error->code != TEESQL_ERROR_CONFIG)
    return FALSE;
  teesql_cli_evidence_refuse (result, teesql_error_get_reason (error), error->message);
  return TRUE;
}

static gboolean
answer (const Question *question, const TeesqlPanel *panel, TeesqlCliEvidence *result, GError **error)
{
  g_autoptr (GError) inner = NULL;
  g_autoptr (GBytes) report_data = NULL;
  g_autoptr (TeesqlEvidence) evidence = parse_evidence (question->quote, &report_data, &inner);

  if (evidence == NULL)
    teesql_cli_evidence_refuse (result, teesql_error_get_reason (inner), inner->message);
  else if (!teesql_cli_evidence_verify (result, panel, evidence, question->now, &inner) && !take_as_answer (question, inner, result))
    {
      g_propagate_error (error, g_steal_pointer (&inner));
      return FALSE;
    }
  teesql_cli_evidence_check_envelope (result, report_data);
  if (question->binding_is_asked)
    teesql_cli_evidence_check_binding (result, question->expected);
  if (question->policy != NULL)
    teesql_cli_evidence_check_policy (result, question->policy, question->now);
  return TRUE;
}

static void
print_result (const TeesqlCliGlobals *globals, const Options *options, const TeesqlCliEvidence *result)
{
  g_autoptr (JsonBuilder) builder = NULL;

  if (options->explain)
    {
      teesql_cli_explain_print (result, globals->json);
      return;
    }
  if (!globals->json)
    {
      teesql_cli_evidence_print_text (result);
      return;
    }
  builder = teesql_cli_json_new ();
  teesql_cli_evidence_add_members (result, builder);
  json_builder_end_object (builder);
  teesql_cli_print_json (builder);
}

static gboolean
make_answer (const TeesqlCliGlobals *globals, const Options *options, Question *question, TeesqlCliEvidence *result, GError **error)
{
  g_autoptr (TeesqlConfig) config = make_config (globals, options, error);
  g_autoptr (TeesqlPluginLoader) loader = config != NULL ? teesql_plugin_loader_new (config) : NULL;
  g_autoptr (GError) inner = NULL;
  g_autoptr (GPtrArray) verifiers = NULL;

  if (config == NULL)
    return FALSE;
  teesql_cli_add_plugin_folder (globals, loader);
  verifiers = make_verifiers (config, loader, &inner);
  if (verifiers != NULL)
    {
      g_autoptr (TeesqlPanel) panel =
          teesql_panel_new ((TeesqlVerifier *const *) verifiers->pdata, teesql_config_get_list (config, "teesql", "verifiers"),
                            verifiers->len, config, NULL);

      return answer (question, panel, result, error);
    }
  if (take_as_answer (question, inner, result))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&inner));
  return FALSE;
}

static void
question_clear (Question *self)
{
  g_clear_pointer (&self->quote, g_bytes_unref);
  g_clear_pointer (&self->policy, teesql_policy_unref);
}

static gboolean
make_question (const char *path, Options *options, Question *out, GError **error)
{
  out->quote = teesql_cli_read_file (path, MAX_FILE, error);
  if (out->quote == NULL || !make_absolute (&options->collateral, error) || !make_absolute (&options->trusted_root, error) ||
      !read_expected (options, out->expected, &out->binding_is_asked, error) || !read_now (options->at, &out->now, error))
    return FALSE;
  out->files_are_given = options->collateral != NULL || options->trusted_root != NULL;
  if (options->policy != NULL)
    out->policy = read_policy (options->policy, error);
  return options->policy == NULL || out->policy != NULL;
}

static int
verify (const TeesqlCliGlobals *globals, const char *path, Options *options)
{
  GError *error = NULL;
  Question question = { 0 };
  g_autoptr (TeesqlCliEvidence) result = teesql_cli_evidence_new ();
  int code = 0;

  if (!make_question (path, options, &question, &error) || !make_answer (globals, options, &question, result, &error))
    code = teesql_cli_fail (error);
  else
    {
      print_result (globals, options, result);
      code = result->exit_code;
    }
  question_clear (&question);
  return code;
}

static int
run_quote (const TeesqlCliGlobals *globals, int argc, char **argv, gboolean explain)
{
  Options options = { .at = -1, .explain = explain };
  GError *error = NULL;
  int code = 0;
  const GOptionEntry entries[] = {
    { "collateral", 0, 0, G_OPTION_ARG_FILENAME, &options.collateral, "Intel's signed collateral: a bundle, or a folder of service answers",
      "FILE|DIR" },
    { "at", 0, 0, G_OPTION_ARG_INT64, &options.at, "Verify at this time instead of now", "UNIX" },
    { "trusted-root", 0, 0, G_OPTION_ARG_FILENAME, &options.trusted_root, "Another root than Intel's", "PEM" },
    { "policy", 0, 0, G_OPTION_ARG_FILENAME, &options.policy, "Judge by this file with one [policy:NAME] group", "FILE" },
    { "report-data", 0, 0, G_OPTION_ARG_STRING, &options.report_data, "The report data must be these 64 bytes", "HEX" },
    { "verifier", 0, 0, G_OPTION_ARG_STRING, &options.verifier, "Ask this one only, dcap or ita, or all that the configuration lists",
      "NAME" },
    { "spki", 0, 0, G_OPTION_ARG_FILENAME, &options.spki, "The quote must be bound to this public key (DER or PEM)", "FILE" },
    G_OPTION_ENTRY_NULL,
  };

  if (!teesql_cli_parse (explain ? "policy explain --quote FILE --policy FILE" : "verify quote FILE",
                         "Verifies a TDX quote, or an attestation with its event log, and prints what it proves.\n"
                         "Exit code 0: verified, bound where that was asked, accepted where a policy was given.",
                         entries, &argc, &argv, &error))
    code = teesql_cli_fail (error);
  else if (argc != 2)
    code = teesql_cli_usage_error ("verify quote: one file is expected");
  else if (explain && options.policy == NULL)
    code = teesql_cli_usage_error ("policy explain: --policy FILE names the policy to explain");
  else if (options.report_data != NULL && options.spki != NULL)
    code = teesql_cli_usage_error ("verify quote: --report-data and --spki say the same thing in two ways");
  else
    code = verify (globals, argv[1], &options);
  options_clear (&options);
  return code;
}

int
teesql_cli_run_verify_quote (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  return run_quote (globals, argc, argv, FALSE);
}

int
teesql_cli_run_policy_explain_quote (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  return run_quote (globals, argc, argv, TRUE);
}
