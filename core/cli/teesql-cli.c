#include "cli/teesql-cli.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "teesql-build.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

/* --- options ------------------------------------------------------------------------------------------------------- */

static gboolean usage (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
usage (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, text);
  return FALSE;
}

/* `--config FILE` and `--config=FILE`. *index moves on where the value is the next word. */
static gboolean
take_value (int argc, char **argv, int *index, const char *option, const char **out, gboolean *out_is_it, GError **error)
{
  gsize size = strlen (option);
  const char *word = argv[*index];

  *out_is_it = strncmp (word, option, size) == 0 && (word[size] == '\0' || word[size] == '=');
  if (!*out_is_it)
    return TRUE;
  if (word[size] == '=')
    *out = word + size + 1;
  else if (*index + 1 < argc)
    *out = argv[++*index];
  else
    return usage (error, "%s needs a value", option);
  return TRUE;
}

static gboolean
take_flag (const char *word, TeesqlCliGlobals *out)
{
  const struct
  {
    const char *word;
    gboolean *flag;
  } flags[] = { { "--json", &out->json }, { "--quiet", &out->quiet }, { "--verbose", &out->verbose } };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    if (strcmp (word, flags[i].word) == 0)
      {
        *flags[i].flag = TRUE;
        return TRUE;
      }
  if (strcmp (word, "--version") == 0)
    {
      g_print ("teesql %s\n", TEESQL_VERSION);
      exit (TEESQL_EXIT_OK);
    }
  return FALSE;
}

gboolean
teesql_cli_split_globals (int *argc, char **argv, TeesqlCliGlobals *out, GError **error)
{
  int n_kept = 1;
  int i = 1;

  for (; i < *argc && strcmp (argv[i], "--") != 0; i++)
    {
      gboolean is_config = FALSE;
      gboolean is_plugins = FALSE;

      if (!take_value (*argc, argv, &i, "--config", &out->config_path, &is_config, error))
        return FALSE;
      if (!is_config && !take_value (*argc, argv, &i, "--plugin-path", &out->plugin_path, &is_plugins, error))
        return FALSE;
      if (!is_config && !is_plugins && !take_flag (argv[i], out))
        argv[n_kept++] = argv[i];
    }
  for (; i < *argc; i++)
    argv[n_kept++] = argv[i];
  argv[n_kept] = NULL;
  *argc = n_kept;
  return TRUE;
}

gboolean
teesql_cli_parse (const char *usage_text, const char *summary, const GOptionEntry *entries, int *argc, char ***argv, GError **error)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autofree char *program = g_strconcat ("teesql ", usage_text, NULL);

  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context,
                                    "Everywhere: --config FILE, --plugin-path DIR, --json, --quiet, --verbose, --version. See teesql(1).");
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, NULL);
  g_set_prgname (program);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  g_set_prgname ("teesql");
  return TRUE;
}

/* --- verbs --------------------------------------------------------------------------------------------------------- */

void
teesql_cli_print_commands (const TeesqlCliCommand *commands, guint n_commands, const char *prefix)
{
  g_print ("Usage: teesql [--config FILE] [--plugin-path DIR] [--json] [--quiet] [--verbose] %sCOMMAND …\n\n", prefix);
  for (guint i = 0; i < n_commands; i++)
    g_print ("  %-11s %s\n", commands[i].name, commands[i].summary);
  g_print ("\n`teesql %sCOMMAND --help` says more, and teesql(1) everything.\n", prefix);
}

int
teesql_cli_dispatch (const TeesqlCliCommand *commands, guint n_commands, const char *prefix, const TeesqlCliGlobals *globals, int argc,
                     char **argv)
{
  if (argc < 2)
    {
      teesql_cli_print_commands (commands, n_commands, prefix);
      return TEESQL_EXIT_USAGE;
    }
  if (strcmp (argv[1], "--help") == 0)
    {
      teesql_cli_print_commands (commands, n_commands, prefix);
      return TEESQL_EXIT_OK;
    }
  for (guint i = 0; i < n_commands; i++)
    if (strcmp (argv[1], commands[i].name) == 0)
      return commands[i].run (globals, argc - 1, argv + 1);
  return teesql_cli_usage_error ("there is no command %s%s\nhint: teesql %s--help lists them", prefix, argv[1], prefix);
}

/* --- errors -------------------------------------------------------------------------------------------------------- */

void
teesql_cli_print_error (const GError *error)
{
  g_printerr ("teesql: %s\n", error->message);
}

static gboolean
is_unreachable (const GError *error)
{
  static const int io_codes[] = { G_IO_ERROR_TIMED_OUT,           G_IO_ERROR_CONNECTION_REFUSED, G_IO_ERROR_HOST_UNREACHABLE,
                                  G_IO_ERROR_NETWORK_UNREACHABLE, G_IO_ERROR_HOST_NOT_FOUND,     G_IO_ERROR_CONNECTION_CLOSED };

  for (guint i = 0; error->domain == G_IO_ERROR && i < G_N_ELEMENTS (io_codes); i++)
    if (error->code == io_codes[i])
      return TRUE;
  if (error->domain == G_RESOLVER_ERROR)
    return TRUE;
  if (strcmp (teesql_error_get_reason (error), "unspecified") == 0)
    return FALSE;
  return error->code == TEESQL_ERROR_UNAVAILABLE || error->code == TEESQL_ERROR_THROTTLED;
}

int
teesql_cli_exit_code (const GError *error)
{
  if (is_unreachable (error))
    return TEESQL_EXIT_UNREACHABLE;
  if (error->domain == TEESQL_CONFIG_ERROR || error->domain == TEESQL_PLUGIN_ERROR || error->domain == G_OPTION_ERROR ||
      error->domain == G_FILE_ERROR || error->domain == G_IO_ERROR)
    return TEESQL_EXIT_USAGE;
  if (strcmp (teesql_error_get_reason (error), "unspecified") != 0 && error->code == TEESQL_ERROR_CONFIG)
    return TEESQL_EXIT_USAGE;
  return TEESQL_EXIT_REFUSED;
}

int
teesql_cli_fail (GError *error)
{
  int code = teesql_cli_exit_code (error);

  teesql_cli_print_error (error);
  g_error_free (error);
  return code;
}

int
teesql_cli_usage_error (const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_printerr ("teesql: %s\n", text);
  return TEESQL_EXIT_USAGE;
}

/* --- JSON ---------------------------------------------------------------------------------------------------------- */

JsonBuilder *
teesql_cli_json_new (void)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "schema");
  json_builder_add_int_value (builder, TEESQL_CLI_SCHEMA);
  return builder;
}

static void
print_root (JsonNode *root)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autofree char *text = NULL;

  json_generator_set_root (generator, root);
  text = json_generator_to_data (generator, NULL);
  /* not g_print(): JSON is UTF-8 whatever the locale says */
  fputs (text, stdout);
  putchar ('\n');
}

void
teesql_cli_print_json (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);

  print_root (root);
}

void
teesql_cli_print_object (JsonObject *object)
{
  g_autoptr (JsonNode) root = json_node_alloc ();

  json_node_init_object (root, object);
  json_object_set_int_member (object, "schema", TEESQL_CLI_SCHEMA);
  print_root (root);
}

void
teesql_cli_json_text (JsonBuilder *builder, const char *name, const char *text)
{
  json_builder_set_member_name (builder, name);
  if (text != NULL)
    json_builder_add_string_value (builder, text);
  else
    json_builder_add_null_value (builder);
}

void
teesql_cli_json_hex (JsonBuilder *builder, const char *name, const guint8 *data, gsize size)
{
  g_autofree char *hex = data != NULL ? teesql_hex_encode (data, size) : NULL;

  teesql_cli_json_text (builder, name, hex);
}

void
teesql_cli_json_list (JsonBuilder *builder, const char *name, const char *const *items)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (; items != NULL && *items != NULL; items++)
    json_builder_add_string_value (builder, *items);
  json_builder_end_array (builder);
}

/* --- files --------------------------------------------------------------------------------------------------------- */

static gboolean
write_all (int fd, const guint8 *data, gsize size)
{
  while (size > 0)
    {
      gssize n = write (fd, data, size);

      if (n < 0 && errno != EINTR)
        return FALSE;
      if (n > 0)
        {
          data += n;
          size -= (gsize) n;
        }
    }
  return fsync (fd) == 0 || errno == EINVAL || errno == EROFS; /* pipes and the like cannot be synced */
}

gboolean
teesql_cli_write_private (const char *path, const guint8 *data, gsize size, GError **error)
{
  int fd = g_open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  int saved = errno;
  gboolean done = FALSE;

  if (fd >= 0)
    {
      done = write_all (fd, data, size);
      saved = errno;
      if (close (fd) != 0 && done)
        {
          done = FALSE;
          saved = errno;
        }
      if (!done)
        g_unlink (path);
    }
  if (!done)
    g_set_error (error, G_FILE_ERROR, (int) g_file_error_from_errno (saved), "cannot write %s: %s%s", path, g_strerror (saved),
                 saved == EEXIST ? "\nhint: a file is never overwritten, name another or remove it" : "");
  return done;
}

GBytes *
teesql_cli_read_file (const char *path, gsize max, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_commandline_arg (path);
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, error);
  g_autofree guint8 *data = NULL;
  gsize size = 0;

  if (stream == NULL)
    return NULL;
  data = g_malloc (max + 1);
  if (!g_input_stream_read_all (G_INPUT_STREAM (stream), data, max + 1, &size, NULL, error))
    return NULL;
  if (size > max)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s is larger than %" G_GSIZE_FORMAT " bytes", path, max);
      return NULL;
    }
  return g_bytes_new_take (g_realloc (g_steal_pointer (&data), size + 1), size);
}
