#include "cli/teesql-cli-plugin-folder.h"
#include "cli/teesql-cli.h"

#include "base/teesql-domains.h"
#include "config/teesql-config-scanner.h"
#include "storage/teesql-storage-check.h"

#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* `teesql plugin check --storage NAME`: the contract suite against a storage, run as production runs it. */

#define CALL_TIMEOUT_MS   (60 * 1000)
#define RETRY_DEADLINE_MS (2 * 60 * 1000)
#define PROBE_DEADLINE_MS (10 * 1000)
#define PROBE_NAME        "teesql-check-probe"
#define PROGRESS_EVERY_US ((gint64) 100 * 1000)

/* ---- the configuration: only one group is needed ---- */

static char *
read_text (const char *path, gsize *out_size, GError **error)
{
  g_autoptr (GBytes) bytes = teesql_cli_read_file (path, TEESQL_CONFIG_MAX_FILE, error);
  gsize size = 0;
  gconstpointer data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;

  *out_size = size;
  return bytes != NULL ? g_strndup (data, size) : NULL;
}

/* The lines of @group stay where they are, so that messages name them; @out_folders: what [teesql] says of plugins. */
static GString *
cut_out (const char *text, gsize size, const char *group, char **out_folders)
{
  g_autoptr (TeesqlConfigFindings) findings = teesql_config_findings_new ();
  g_autoptr (GPtrArray) entries = teesql_config_scan ("", 0, (const guint8 *) text, size, findings);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *cut = g_string_new (NULL);
  guint n_lines = g_strv_length (lines);
  guint line = 1;

  for (guint i = 0; i < entries->len; i++)
    {
      const TeesqlConfigEntry *entry = entries->pdata[i];

      if (strcmp (entry->group, "teesql") == 0 && g_strcmp0 (entry->key, "plugin-path") == 0)
        {
          g_free (*out_folders);
          *out_folders = g_strdup (entry->text);
        }
      if (strcmp (entry->group, group) != 0 || entry->line > n_lines)
        continue;
      for (; line < entry->line; line++)
        g_string_append_c (cut, '\n');
      g_string_append_printf (cut, "%s\n", lines[entry->line - 1]);
      line++;
    }
  return cut;
}

static TeesqlConfig *
load_group (const TeesqlCliGlobals *globals, const char *instance, GError **error)
{
  g_autofree char *group = g_strdup_printf ("storage:%s", instance);
  g_autofree char *folders = NULL;
  g_autofree char *first = globals->plugin_path != NULL ? g_canonicalize_filename (globals->plugin_path, NULL) : NULL;
  g_autofree char *text = NULL;
  g_autofree char *name = NULL;
  g_autoptr (GString) cut = NULL;
  gsize size = 0;

  if (globals->config_path == NULL)
    text = g_strdup ("");
  else
    text = read_text (globals->config_path, &size, error);
  if (text == NULL)
    return NULL;
  cut = cut_out (text, size, group, &folders);
  if (strstr (cut->str, group) == NULL)
    g_string_append_printf (cut, "[%s]\nplugin = %s\n", group, instance); /* nothing needs to be said */
  g_string_append_printf (cut, "[backup]\nstorages = %s\n[teesql]\ncluster = check\n", instance);
  if (first != NULL || folders != NULL)
    g_string_append_printf (cut, "plugin-path = %s%s%s\n", first != NULL ? first : "", first != NULL && folders != NULL ? ";" : "",
                            folders != NULL ? folders : "");
  name = g_path_get_basename (globals->config_path != NULL ? globals->config_path : "(no file)");
  return teesql_config_load_text (TEESQL_CONFIG_DAEMON, name, cut->str, cut->len, error);
}

/* The storages of a configuration that need not be whole. */
static GPtrArray *
list_storages (const char *path)
{
  g_autoptr (TeesqlConfigFindings) findings = teesql_config_findings_new ();
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) entries = NULL;
  g_autofree char *text = NULL;
  gsize size = 0;

  if (path == NULL || (text = read_text (path, &size, NULL)) == NULL)
    return names;
  entries = teesql_config_scan ("", 0, (const guint8 *) text, size, findings);
  for (guint i = 0; i < entries->len; i++)
    {
      const char *group = ((const TeesqlConfigEntry *) entries->pdata[i])->group;
      const char *name = g_str_has_prefix (group, "storage:") ? group + strlen ("storage:") : NULL;

      if (name != NULL && !g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
        g_ptr_array_add (names, g_strdup (name));
    }
  return names;
}

/* @error: (inout): that there is no such module says little to whoever has mistyped the name of a storage */
static void
explain_unknown (const char *path, const char *instance, GError **error)
{
  g_autoptr (GPtrArray) names = list_storages (path);
  g_autofree char *known = NULL;

  if (g_strcmp0 (teesql_error_get_reason (*error), "plugin-not-found") != 0 ||
      g_ptr_array_find_with_equal_func (names, instance, g_str_equal, NULL))
    return;
  g_ptr_array_add (names, NULL);
  known = g_strjoinv (", ", (char **) names->pdata);
  g_clear_error (error);
  if (path == NULL)
    *error = teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "unknown-storage", 0,
                               "there is no storage %s, nor a module of that name\nhint: --config names the file with [storage:%s]; "
                               "teesql plugin list has the modules",
                               instance, instance);
  else
    *error = teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "unknown-storage", 0,
                               "there is no [storage:%s] in %s, nor a module of that name\nhint: the storages there are: %s", instance,
                               path, known[0] != '\0' ? known : "none");
}

static gboolean
has_storage (TeesqlConfig *config, const char *instance)
{
  g_autofree const char **names = teesql_config_list_instances (config, "storage");

  return g_strv_contains (names, instance);
}

/* A whole configuration counts with its drop-ins; one that is not whole counts as far as it speaks of the storage. */
static TeesqlConfig *
load (const TeesqlCliGlobals *globals, const char *instance, GError **error)
{
  g_autoptr (TeesqlConfig) config =
      globals->plugin_path == NULL ? teesql_config_load (TEESQL_CONFIG_DAEMON, globals->config_path, NULL) : NULL;

  return config != NULL && has_storage (config, instance) ? g_steal_pointer (&config) : load_group (globals, instance, error);
}

/* ---- telling ---- */

typedef struct
{
  const TeesqlCliGlobals *globals;
  JsonBuilder *builder;
  gboolean terminal;
  gint64 told_us;
  guint counts[3];
} Telling;

static const char *const words[] = { "passed", "failed", "skipped" };

static void
wipe_line (const Telling *self)
{
  if (self->terminal)
    g_printerr ("\r\033[K");
}

static void
tell_progress (const char *name, guint64 done, guint64 total, gpointer user_data)
{
  Telling *self = user_data;
  gint64 now_us = g_get_monotonic_time ();

  if (!self->terminal || now_us - self->told_us < PROGRESS_EVERY_US)
    return;
  self->told_us = now_us;
  if (total > 0)
    g_printerr ("\r\033[K%-18s %3u %%", name, (guint) (100 * done / total));
  else
    g_printerr ("\r\033[K%-18s ...", name);
}

static void
tell_result_text (Telling *self, const TeesqlStorageCheckResult *result)
{
  wipe_line (self);
  if (result->status == TEESQL_STORAGE_CHECK_PASSED && self->globals->quiet)
    return;
  g_print ("%-7s %-18s %7u ms  %s\n", words[result->status], result->name, result->duration_ms, result->title);
  if (result->status == TEESQL_STORAGE_CHECK_FAILED)
    g_print ("        expected: %s\n        found:    %s\n", result->expected, result->found);
  else if (result->status == TEESQL_STORAGE_CHECK_SKIPPED)
    g_print ("        it does not claim %s\n", result->expected);
}

static void
tell_result (const TeesqlStorageCheckResult *result, gpointer user_data)
{
  Telling *self = user_data;

  self->counts[result->status]++;
  if (!self->globals->json)
    {
      tell_result_text (self, result);
      return;
    }
  wipe_line (self);
  json_builder_begin_object (self->builder);
  teesql_cli_json_text (self->builder, "name", result->name);
  teesql_cli_json_text (self->builder, "title", result->title);
  teesql_cli_json_text (self->builder, "status", words[result->status]);
  teesql_cli_json_text (self->builder, "expected", result->expected);
  teesql_cli_json_text (self->builder, "found", result->found);
  json_builder_set_member_name (self->builder, "duration_ms");
  json_builder_add_int_value (self->builder, result->duration_ms);
  json_builder_end_object (self->builder);
}

static void
tell_end (Telling *self, const char *instance, gboolean passed, const GError *error)
{
  wipe_line (self);
  if (!self->globals->json)
    {
      if (error == NULL && !self->globals->quiet)
        g_print ("%u passed, %u failed, %u skipped\n", self->counts[0], self->counts[1], self->counts[2]);
      return;
    }
  json_builder_end_array (self->builder);
  teesql_cli_json_text (self->builder, "storage", instance);
  json_builder_set_member_name (self->builder, "passed");
  json_builder_add_boolean_value (self->builder, passed);
  teesql_cli_json_text (self->builder, "reason", error != NULL ? teesql_error_get_reason (error) : NULL);
  teesql_cli_json_text (self->builder, "message", error != NULL ? error->message : NULL);
  json_builder_end_object (self->builder);
  teesql_cli_print_json (self->builder);
}

/* ---- running ---- */

typedef struct
{
  GMainLoop *loop;
  GCancellable *cancellable;
  TeesqlStore *store;
  TeesqlStorageCheckOptions options;
  gboolean passed;
  gboolean ran;
  GError *error;
} Run;

static gboolean
done_cb (gpointer data)
{
  g_main_loop_quit (((Run *) data)->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
ignore_object (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  return FALSE; /* that was all */
}

/* Whether there is anybody to hold to a contract: without, every check would wait for its own deadline. A listing asks for what a missing
 * object could hide (the bucket), and its refusal has a body that says why. */
static gboolean
is_there (Run *self)
{
  g_autoptr (GError) error = NULL;

  teesql_store_set_retry_deadline (self->store, PROBE_DEADLINE_MS);
  if (!teesql_store_list (self->store, PROBE_NAME, 1, ignore_object, NULL, self->cancellable, &error))
    g_prefix_error (&error, "before the first check: ");
  teesql_store_set_retry_deadline (self->store, RETRY_DEADLINE_MS);
  if (!g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE) &&
      !g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION) &&
      !g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG))
    return TRUE; /* whatever else is wrong with its answer, the checks say so */
  g_propagate_error (&self->error, g_steal_pointer (&error));
  return FALSE;
}

static gpointer
run_thread (gpointer data)
{
  Run *self = data;

  self->ran = is_there (self) && teesql_storage_check_run (self->store, &self->options, self->cancellable, &self->passed, &self->error);
  g_idle_add (done_cb, self);
  return NULL;
}

/* Told to stop, it still takes away what it made. */
static gboolean
signal_cb (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_CONTINUE;
}

static void
run_all (Run *self)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  guint interrupted = g_unix_signal_add (SIGINT, signal_cb, self->cancellable);
  guint terminated = g_unix_signal_add (SIGTERM, signal_cb, self->cancellable);
  GThread *thread = NULL;

  self->loop = loop;
  thread = g_thread_new ("check", run_thread, self);
  g_main_loop_run (loop);
  g_thread_join (thread);
  g_source_remove (interrupted);
  g_source_remove (terminated);
}

/* @error: (transfer full) */
static int
exit_code (const TeesqlCliGlobals *globals, GError *error)
{
  int code = g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? TEESQL_EXIT_REFUSED : teesql_cli_exit_code (error);

  if (!globals->json)
    teesql_cli_print_error (error);
  g_error_free (error);
  return code;
}

static int
check (const TeesqlCliGlobals *globals, const char *instance, TeesqlConfig *config, TeesqlStorageCheckOptions *options)
{
  g_autoptr (JsonBuilder) builder = globals->json ? teesql_cli_json_new () : NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Telling telling = { .globals = globals, .builder = builder, .terminal = !globals->quiet && isatty (STDERR_FILENO) };
  TeesqlStoreOptions store_options = {
    .config = config, .instance = instance, .call_timeout_ms = CALL_TIMEOUT_MS, .retry_deadline_ms = RETRY_DEADLINE_MS
  };
  g_autoptr (TeesqlStore) store = teesql_store_new (&store_options);
  Run run = { .cancellable = cancellable, .store = store, .options = *options };

  if (builder != NULL)
    {
      json_builder_set_member_name (builder, "checks");
      json_builder_begin_array (builder);
    }
  run.options.result = tell_result;
  run.options.progress = tell_progress;
  run.options.user_data = &telling;
  run_all (&run);
  if (run.error != NULL)
    explain_unknown (globals->config_path, instance, &run.error);
  tell_end (&telling, instance, run.ran && run.passed, run.error);
  teesql_store_close (store);
  if (run.ran)
    return run.passed ? TEESQL_EXIT_OK : TEESQL_EXIT_REFUSED;
  return exit_code (globals, run.error);
}

int
teesql_cli_run_plugin_check (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  g_autofree char *instance = NULL;
  g_auto (GStrv) only = NULL;
  int n_names = 0;
  gboolean quick = FALSE;
  TeesqlStorageCheckOptions options = { 0 };
  GError *error = NULL;
  g_autoptr (TeesqlConfig) config = NULL;
  const GOptionEntry entries[] = {
    { "storage", 0, 0, G_OPTION_ARG_STRING, &instance, "The storage, [storage:NAME] of the configuration, or a module without options",
      "NAME" },
    { "names", 0, 0, G_OPTION_ARG_INT, &n_names, "Objects that the listing check makes (10000; 500 with --quick)", "N" },
    { "quick", 0, 0, G_OPTION_ARG_NONE, &quick, "Fewer sizes, names and rounds", NULL },
    { "only", 0, 0, G_OPTION_ARG_STRING_ARRAY, &only, "Run only this check; may be repeated", "CHECK" },
    G_OPTION_ENTRY_NULL,
  };

  if (!teesql_cli_parse ("plugin check --storage NAME",
                         "Holds a storage to its contract. Objects are made below a random prefix and taken away again.", entries, &argc,
                         &argv, &error))
    return teesql_cli_fail (error);
  if (argc > 1 || instance == NULL)
    return teesql_cli_usage_error ("plugin check: %s", argc > 1 ? "no arguments are expected" : "--storage NAME is missing");
  if (n_names < 0 || n_names > 1000000)
    return teesql_cli_usage_error ("plugin check: --names takes 1 to 1000000");
  for (guint i = 0; only != NULL && only[i] != NULL; i++)
    if (!g_strv_contains (teesql_storage_check_list (), only[i]))
      return teesql_cli_usage_error ("plugin check: there is no check %s", only[i]);
  config = load (globals, instance, &error);
  if (config == NULL)
    return teesql_cli_fail (error);
  options.n_names = (guint) n_names;
  options.quick = quick;
  options.only = (const char *const *) only;
  return check (globals, instance, config, &options);
}
