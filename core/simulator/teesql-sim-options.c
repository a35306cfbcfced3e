#include "simulator/teesql-sim-options.h"
#include "base/teesql-domains.h"
#include "config/teesql-config.h"
#include <string.h>

#define GROUP "simulator"

typedef enum
{
  OPTION_PLATFORM_SEED,
  OPTION_MACHINE,
  OPTION_APP,
  OPTION_LISTEN,
  OPTION_HTTP_LISTEN,
  OPTION_PCCS_LISTEN,
  OPTION_WRITE_ROOT,
  OPTION_QUOTE_VERSION,
  OPTION_TCB_STATUS,
  OPTION_MISBEHAVE,
  OPTION_CONTROL_SOCKET,
  N_OPTIONS,
} Option;

/* @fallback: what a silent file means; %NULL where the key is required or switches something on */
static const struct
{
  const char *name;
  const char *argument;
  const char *help;
  const char *fallback;
} options[N_OPTIONS] = {
  [OPTION_PLATFORM_SEED] = { "platform-seed", "REFERENCE", "64 hex digits that everything follows from: file:/…, credential:NAME, env:NAME",
                             NULL },
  [OPTION_MACHINE] = { "machine", "NAME", "this machine", NULL },
  [OPTION_APP] = { "app", "FILE", "application description", NULL },
  [OPTION_LISTEN] = { "listen", "SOCKET", "guest agent", NULL },
  [OPTION_HTTP_LISTEN] = { "http-listen", "ADDR:PORT", "guest agent over HTTP, loopback only", NULL },
  [OPTION_PCCS_LISTEN] = { "pccs-listen", "ADDR:PORT", "collateral; port 0 takes a free one", NULL },
  [OPTION_WRITE_ROOT] = { "write-root", "FILE", "write the root certificate there", NULL },
  [OPTION_QUOTE_VERSION] = { "quote-version", "4|5|5.1", "layout of quotes", "4" },
  [OPTION_TCB_STATUS] = { "tcb-status", "STATUS", "what the machine's firmware is", "UpToDate" },
  [OPTION_MISBEHAVE] = { "misbehave", "LIST", "words with ; between them, or none", NULL },
  [OPTION_CONTROL_SOCKET] = { "control-socket", "SOCKET", "changes the last three while running", NULL },
};

struct _TeesqlSimOptions
{
  char *values[N_OPTIONS];
  char *config_path;
  gboolean version;
  TeesqlConfig *config;
  TeesqlSecret *seed;
  GStrv misbehave;
};

void
teesql_sim_options_free (TeesqlSimOptions *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < N_OPTIONS; i++)
    g_free (self->values[i]);
  g_free (self->config_path);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_clear_pointer (&self->seed, teesql_secret_unref);
  g_strfreev (self->misbehave);
  g_free (self);
}

TeesqlSimOptions *
teesql_sim_options_parse (int *argc, char ***argv, GError **error)
{
  g_autoptr (TeesqlSimOptions) self = g_new0 (TeesqlSimOptions, 1);
  g_autoptr (GOptionContext) context = g_option_context_new ("[init DIR | describe]");
  GOptionEntry entries[N_OPTIONS + 3] = { 0 };
  guint n = 0;

  for (; n < N_OPTIONS; n++)
    entries[n] = (GOptionEntry){ options[n].name, 0, 0, G_OPTION_ARG_STRING, &self->values[n], options[n].help, options[n].argument };
  entries[n++] =
      (GOptionEntry){ "config", 0, 0, G_OPTION_ARG_FILENAME, &self->config_path, "file with the same names in [simulator]", "FILE" };
  entries[n] = (GOptionEntry){ "version", 0, 0, G_OPTION_ARG_NONE, &self->version, "print the version", NULL };
  g_option_context_set_summary (
      context, "A software TDX platform with a guest agent and its collateral. Its evidence is complete, and worth nothing\n"
               "outside tests: whoever has the seed makes it.");
  g_option_context_add_main_entries (context, entries, NULL);
  return g_option_context_parse (context, argc, argv, error) ? g_steal_pointer (&self) : NULL;
}

gboolean
teesql_sim_options_wants_version (const TeesqlSimOptions *self)
{
  return self->version;
}

static gboolean
fail (GError **error, Option option, const char *what)
{
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "simulator-option", 0, "%s: %s",
                                              options[option].name, what));
  return FALSE;
}

/* (nullable): flag, then file, then default; %NULL for `none` */
static const char *
get (const TeesqlSimOptions *self, Option option)
{
  const char *value = self->values[option];

  if (value == NULL && self->config != NULL && teesql_config_is_set (self->config, GROUP, options[option].name))
    value = teesql_config_get_string (self->config, GROUP, options[option].name);
  if (value == NULL)
    value = options[option].fallback;
  return value == NULL || strcmp (value, "none") == 0 ? NULL : value;
}

static GStrv
get_misbehave (const TeesqlSimOptions *self)
{
  if (self->values[OPTION_MISBEHAVE] != NULL)
    return g_strsplit (self->values[OPTION_MISBEHAVE], ";", -1);
  if (self->config != NULL)
    return g_strdupv ((char **) teesql_config_get_list (self->config, GROUP, "misbehave"));
  return g_new0 (char *, 1);
}

/* the value is 64 hex digits, as `init` writes them */
static gboolean
read_seed (TeesqlSimOptions *self, const char *reference, GError **error)
{
  g_autoptr (TeesqlSecret) text = teesql_config_resolve_secret (reference, error);
  gsize size = 0;
  const guint8 *hex;

  if (text == NULL)
    return FALSE;
  hex = teesql_secret_peek (text, &size);
  self->seed = teesql_secret_new_from_hex ((const char *) hex, (gssize) size, NULL);
  if (self->seed == NULL || teesql_secret_get_size (self->seed) != 32)
    return fail (error, OPTION_PLATFORM_SEED, "expected 64 hex digits\nhint: `teesql-simulator init DIR` draws a seed");
  return TRUE;
}

gboolean
teesql_sim_options_get_settings (TeesqlSimOptions *self, gboolean for_serving, TeesqlSimulatorSettings *out_settings, GError **error)
{
  static const Option required[] = { OPTION_PLATFORM_SEED, OPTION_MACHINE, OPTION_APP, OPTION_LISTEN };

  if (self->config_path != NULL)
    {
      self->config = teesql_config_load (TEESQL_CONFIG_SIMULATOR, self->config_path, error);
      if (self->config == NULL)
        return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (required); i++)
    if (get (self, required[i]) == NULL && (required[i] != OPTION_LISTEN || (for_serving && get (self, OPTION_HTTP_LISTEN) == NULL)))
      return fail (error, required[i], "it is required");
  if (!read_seed (self, get (self, OPTION_PLATFORM_SEED), error))
    return FALSE;
  self->misbehave = get_misbehave (self);
  *out_settings = (TeesqlSimulatorSettings){
    .platform_seed = self->seed,
    .machine = get (self, OPTION_MACHINE),
    .app = get (self, OPTION_APP),
    .listen = get (self, OPTION_LISTEN),
    .http_listen = get (self, OPTION_HTTP_LISTEN),
    .pccs_listen = get (self, OPTION_PCCS_LISTEN),
    .write_root = get (self, OPTION_WRITE_ROOT),
    .control_socket = get (self, OPTION_CONTROL_SOCKET),
    .quote_version = get (self, OPTION_QUOTE_VERSION),
    .tcb_status = get (self, OPTION_TCB_STATUS),
    .misbehave = (const char *const *) self->misbehave,
  };
  return TRUE;
}
