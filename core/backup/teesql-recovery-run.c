#include "backup/teesql-recovery-run.h"

#include "backup/teesql-layout.h"
#include "backup/teesql-recovery-confine.h"
#include "backup/teesql-recovery-end.h"
#include "backup/teesql-recovery-folder.h"
#include "backup/teesql-restore-child.h"
#include "backup/teesql-restore-settings.h"
#include "backup/teesql-timeline-history.h"
#include "base/teesql-domains.h"
#include "postgres/teesql-control-file.h"
#include "teesql-build.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM         "teesql-wal-fetch"
#define BUILD_MARK      "meson-private"
#define LEVELS_MAX      4 /* folders from a program of the build tree up to its root */
#define POLL_MS         50
#define LOG_MAX         ((gsize) 64 * 1024 * 1024)
#define TAIL_LINES      12u
#define STATUS_LINE     7 /* LOCK_FILE_LINE_PM_STATUS - 1 */
#define DB_SHUTDOWNED   1 /* catalog/pg_control.h */
#define LOG             "log"
#define TABLESPACES_MAX 65536u
/* of a folder that our rules keep closed, or that is not there */
#define TABLESPACE_HINT                                                                                                                    \
  "\nhint: a tablespace was made behind the backup, and WAL says where. For it to be made there again, let an empty folder of "            \
  "PostgreSQL's user stand there, and give --tablespace PATH=PATH; or restore to a moment before it, or from a later backup"

#define fail(error, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "recovery-failed", __VA_ARGS__)

typedef struct
{
  const TeesqlRecoveryOptions *options;
  GCancellable *cancellable;
  TeesqlRestoreOwner owner;
  TeesqlRestoreTree *cluster;
  TeesqlRecoveryFolder run;
  TeesqlWalServer *server;
  GSubprocess *postgres;
} Recovery;

/* ---- where things are ---- */

char *
teesql_recovery_find_program (void)
{
  char executable[PATH_MAX] = { 0 };
  g_autofree char *folder = NULL;

  if (readlink ("/proc/self/exe", executable, sizeof executable - 1) <= 0)
    return g_strdup (PROGRAM);
  folder = g_path_get_dirname (executable);
  for (guint i = 0; i < LEVELS_MAX; i++)
    {
      g_autofree char *mark = g_build_filename (folder, BUILD_MARK, NULL);
      g_autofree char *above = g_path_get_dirname (folder);

      if (g_file_test (mark, G_FILE_TEST_IS_DIR))
        return g_build_filename (folder, "core", "backup", PROGRAM, NULL);
      g_free (folder);
      folder = g_steal_pointer (&above);
    }
  g_free (folder);
  folder = g_path_get_dirname (executable);
  return g_build_filename (folder, PROGRAM, NULL);
}

static char *
double_percents (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "%", -1);

  return g_strjoinv ("%%", parts);
}

char *
teesql_recovery_dup_command (const char *fetch_program, const char *socket)
{
  g_autofree char *program = g_shell_quote (fetch_program);
  g_autofree char *path = g_shell_quote (socket);
  g_autofree char *program_safe = double_percents (program);
  g_autofree char *path_safe = double_percents (path);

  return g_strdup_printf ("%s --socket %s \"%%f\" \"%%p\"", program_safe, path_safe);
}

/* ---- preparing ---- */

static gboolean
make_run_folder (Recovery *self, GError **error)
{
  static const char hba[] = "local all all reject\n";

  return teesql_recovery_folder_open (&self->run, &self->owner, error) &&
         teesql_restore_tree_write_file (self->run.tree, "pg_hba.conf", hba, strlen (hba), error) &&
         teesql_restore_tree_write_file (self->run.tree, "pg_ident.conf", "", 0, error);
}

static gboolean
open_cluster (Recovery *self, GError **error)
{
  g_autoptr (GBytes) conf = NULL;
  g_autoptr (GError) local_error = NULL;

  self->cluster = teesql_restore_tree_open (NULL, self->options->directory, &self->owner, error);
  if (self->cluster == NULL)
    return FALSE;
  conf = teesql_restore_tree_read_file (self->cluster, "recovery.signal", 1024, &local_error);
  if (conf == NULL)
    return fail (error, "%s has no recovery to do%s%s", self->options->directory, local_error != NULL ? ": " : "",
                 local_error != NULL ? local_error->message : "");
  return TRUE;
}

/* Distributions keep postgresql.conf elsewhere, so it may not be in the backup. */
static gboolean
add_config_file (Recovery *self, GPtrArray *arguments, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GBytes) conf = teesql_restore_tree_read_file (self->cluster, "postgresql.conf", 16 * 1024 * 1024, &local_error);

  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  if (conf != NULL)
    return TRUE;
  g_ptr_array_add (arguments, g_strdup_printf ("-cconfig_file=%s/postgresql.conf", teesql_restore_tree_get_path (self->run.tree)));
  return teesql_restore_tree_write_file (self->run.tree, "postgresql.conf", "", 0, error);
}

/* Nobody logs in, nothing is sent anywhere, nothing runs that is not recovery. A command line wins over every file. */
static GPtrArray *
make_arguments (Recovery *self, GError **error)
{
  static const char *const fixed[] = { "-clisten_addresses=",
                                       "-cport=5432",
                                       "-cunix_socket_permissions=0700",
                                       "-cunix_socket_group=",
                                       "-chot_standby=off",
                                       "-clogging_collector=off",
                                       "-clog_destination=stderr",
                                       "-clc_messages=C",
                                       "-clog_min_messages=warning",
                                       "-clog_line_prefix=",
                                       "-cautovacuum=off",
                                       "-carchive_mode=off",
                                       "-cprimary_conninfo=",
                                       "-crecovery_end_command=",
                                       "-carchive_cleanup_command=",
                                       "-cexternal_pid_file=",
                                       "-cssl=off",
                                       "-cdynamic_shared_memory_type=mmap", /* in the cluster, and not in a folder of everybody's */
                                       "-crecovery_target_action=promote" };
  g_autoptr (GPtrArray) arguments = g_ptr_array_new_with_free_func (g_free);
  const char *run = teesql_restore_tree_get_path (self->run.tree);
  g_autofree char *socket = g_build_filename (run, "wal.sock", NULL);
  g_autofree char *found = self->options->fetch_program == NULL ? teesql_recovery_find_program () : NULL;
  g_autofree char *command = teesql_recovery_dup_command (found != NULL ? found : self->options->fetch_program, socket);

  g_ptr_array_add (arguments, g_strdup ("-D"));
  g_ptr_array_add (arguments, g_strdup (self->options->directory));
  g_ptr_array_add (arguments, g_strdup_printf ("-cdata_directory=%s", self->options->directory)); /* a file may name the old one */
  for (guint i = 0; i < G_N_ELEMENTS (fixed); i++)
    g_ptr_array_add (arguments, g_strdup (fixed[i]));
  g_ptr_array_add (arguments, g_strdup_printf ("-cunix_socket_directories=%s", run));
  g_ptr_array_add (arguments, g_strdup_printf ("-chba_file=%s/pg_hba.conf", run));
  g_ptr_array_add (arguments, g_strdup_printf ("-cident_file=%s/pg_ident.conf", run));
  g_ptr_array_add (arguments, g_strdup_printf ("-crestore_command=%s", command));
  if (!add_config_file (self, arguments, error))
    return NULL;
  g_ptr_array_add (arguments, NULL);
  self->server = teesql_wal_server_new (self->options->source, socket, self->owner.uid, error);
  return self->server != NULL ? g_steal_pointer (&arguments) : NULL;
}

/* A shell would say so, too, but not what to do. */
static gboolean
check_program (Recovery *self, GError **error)
{
  g_autofree char *found = self->options->fetch_program == NULL ? teesql_recovery_find_program () : NULL;
  const char *program = found != NULL ? found : self->options->fetch_program;

  return !g_path_is_absolute (program) || teesql_restore_owner_reads (&self->owner, program) ||
         fail (error, "PostgreSQL's user cannot run %s: %s\nhint: let it pass the folders above (chmod o+x), or install", program,
               g_strerror (errno));
}

/* Where the tablespaces of the backup are. */
static gboolean
add_links (Recovery *self, GPtrArray *folders, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (TeesqlRestoreTree) tree = teesql_restore_tree_open (self->cluster, "pg_tblspc", &self->owner, error);
  g_autoptr (GPtrArray) names = tree != NULL ? teesql_restore_tree_list (tree, TABLESPACES_MAX, error) : NULL;

  if (names == NULL)
    return FALSE;
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_build_filename (teesql_restore_tree_get_path (tree), names->pdata[i], NULL);
      g_autofree char *target = g_file_read_link (path, NULL);

      if (target != NULL)
        g_ptr_array_add (folders, g_steal_pointer (&target));
    }
  return TRUE;
}

static gboolean
make_rules (Recovery *self, int *out_rules, GError **error)
{
  g_autoptr (GPtrArray) folders = g_ptr_array_new_with_free_func (g_free);
  const GPtrArray *new = self->options->new_tablespaces;

  g_ptr_array_add (folders, g_strdup (self->options->directory));
  g_ptr_array_add (folders, g_strdup (teesql_restore_tree_get_path (self->run.tree)));
  if (!add_links (self, folders, error))
    return FALSE;
  for (guint i = 0; new != NULL &&i < new->len; i++)
    g_ptr_array_add (folders, g_strdup (new->pdata[i]));
  g_ptr_array_add (folders, NULL);
  return teesql_recovery_confine_new ((const char *const *) folders->pdata, out_rules, error);
}

static gboolean
spawn (Recovery *self, const GPtrArray *arguments, int rules, GError **error)
{
  int log = teesql_restore_tree_create (self->run.tree, LOG, error);

  if (log < 0)
    return FALSE;
  self->postgres = teesql_restore_child_spawn (self->options->bin_directory, "postgres", (const char *const *) arguments->pdata,
                                               &self->owner, SIGQUIT, rules, G_SUBPROCESS_FLAGS_STDOUT_SILENCE, log, error);
  if (self->postgres == NULL)
    g_prefix_error (error, "postgres: ");
  return self->postgres != NULL;
}

static gboolean
start (Recovery *self, GError **error)
{
  g_autoptr (GPtrArray) arguments = check_program (self, error) ? make_arguments (self, error) : NULL;
  int rules = -1;
  gboolean started = arguments != NULL && make_rules (self, &rules, error) && spawn (self, arguments, rules, error);

  if (rules >= 0)
    close (rules);
  return started;
}

/* ---- running ---- */

static gboolean
runs (const Recovery *self)
{
  return g_subprocess_get_identifier (self->postgres) != NULL;
}

static char *
read_log (Recovery *self)
{
  g_autoptr (GBytes) bytes = teesql_restore_tree_read_file (self->run.tree, LOG, LOG_MAX, NULL);

  return bytes != NULL ? g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)) : g_strdup ("");
}

static gboolean
is_about_tablespace (const char *log)
{
  return strstr (log, "WAL redo") != NULL && (strstr (log, "pg_tblspc/") != NULL || strstr (log, "for Tablespace/CREATE") != NULL);
}

/* The WAL that was missing says more than what the server made of it. */
static gboolean
fail_recovery (Recovery *self, GError **error)
{
  g_autoptr (GError) failure = teesql_wal_server_get_failure (self->server);
  g_autofree char *log = read_log (self);
  g_autofree char *tail = teesql_restore_child_dup_tail (log, TAIL_LINES);

  if (failure == NULL)
    return fail (error, "the server ended before it had recovered; its last words:\n%s%s", tail,
                 is_about_tablespace (tail) ? TABLESPACE_HINT : "");
  if (failure->domain != TEESQL_BACKUP_ERROR)
    return fail (error, "recovery stopped: %s; the server's last words:\n%s", failure->message, tail);
  return teesql_fail (error, TEESQL_BACKUP_ERROR, failure->code, teesql_error_get_reason (failure),
                      "recovery stopped: %s; the server's last words:\n%s", failure->message, tail);
}

static gboolean
pause_a_little (Recovery *self, GError **error)
{
  GPollFD fd = { 0 };
  gboolean has_fd = g_cancellable_make_pollfd (self->cancellable, &fd);

  g_poll (&fd, has_fd ? 1 : 0, POLL_MS);
  if (has_fd)
    g_cancellable_release_fd (self->cancellable);
  return !g_cancellable_set_error_if_cancelled (self->cancellable, error);
}

/* The postmaster writes `ready` when recovery is over; without hot_standby never before. */
static gboolean
is_ready (Recovery *self)
{
  g_autoptr (GBytes) bytes = teesql_restore_tree_read_file (self->cluster, "postmaster.pid", 4096, NULL);
  g_autofree char *text = bytes != NULL ? g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)) : NULL;
  g_auto (GStrv) lines = text != NULL ? g_strsplit (text, "\n", -1) : NULL;

  return lines != NULL && g_strv_length (lines) > STATUS_LINE && g_str_has_prefix (lines[STATUS_LINE], "ready");
}

static gboolean
wait_until_ready (Recovery *self, GError **error)
{
  while (!is_ready (self))
    {
      if (!runs (self))
        return fail_recovery (self, error);
      if (self->options->progress != NULL)
        self->options->progress ("recover", self->options->progress_data);
      if (!pause_a_little (self, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
stop (Recovery *self, GError **error)
{
  if (runs (self))
    g_subprocess_send_signal (self->postgres, SIGINT);
  if (!g_subprocess_wait (self->postgres, self->cancellable, error)) /* it writes a checkpoint first */
    return FALSE;
  return (g_subprocess_get_if_exited (self->postgres) && g_subprocess_get_exit_status (self->postgres) == 0) || fail_recovery (self, error);
}

/* ---- behind it ---- */

static gboolean
check_control (Recovery *self, TeesqlRecoveryReport *out, GError **error)
{
  g_autoptr (GBytes) bytes = teesql_restore_tree_read_file (self->cluster, "global/pg_control", TEESQL_CONTROL_FILE_SIZE, error);
  TeesqlControlFile control = { 0 };

  if (bytes == NULL || !teesql_control_file_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &control, error))
    return bytes != NULL || (error != NULL && *error != NULL) ? FALSE : fail (error, "the cluster has no control file");
  if (control.state != DB_SHUTDOWNED || control.timeline <= self->options->old_timeline)
    return fail (error, "the cluster is in state %u on timeline %u, expected to be shut down on one behind %u", control.state,
                 control.timeline, self->options->old_timeline);
  out->timeline = control.timeline;
  return TRUE;
}

/* The end of recovery is where the new timeline left the old one: the last line of its history. */
static gboolean
check_end (Recovery *self, TeesqlRecoveryReport *out, GError **error)
{
  const TeesqlRecoveryOptions *options = self->options;
  g_autofree char *name = g_strdup_printf ("pg_wal/%08X.history", out->timeline);
  g_autoptr (GBytes) bytes = teesql_restore_tree_read_file (self->cluster, name, TEESQL_TIMELINE_HISTORY_MAX, error);
  g_autoptr (GArray) history = NULL;

  if (bytes == NULL)
    return error != NULL && *error != NULL ? FALSE : fail (error, "the cluster has no %s", name);
  history = teesql_timeline_history_parse (out->timeline, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error);
  if (history == NULL)
    return FALSE;
  if (!teesql_timeline_history_find (history, options->old_timeline, &out->end_lsn) ||
      teesql_timeline_history_next (history, options->old_timeline, out->timeline) != out->timeline)
    return fail (error, "timeline %u, which recovery ended on, does not come from timeline %u", out->timeline, options->old_timeline);
  return options->end_lsn == 0 || teesql_recovery_end_check (options->source, options->old_timeline, options->segment_size, out->end_lsn,
                                                             options->end_lsn, self->cancellable, error);
}

static gboolean
clean_settings (Recovery *self, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GBytes) bytes = teesql_restore_tree_read_file (self->cluster, TEESQL_RESTORE_AUTO_CONF, 4 * 1024 * 1024, &local_error);
  g_autofree char *text = bytes != NULL ? g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)) : NULL;
  g_autofree char *edited = text != NULL ? teesql_restore_settings_end_recovery (text) : NULL;

  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  /* and postmaster.opts, where the folder has not yet its name */
  return (edited == NULL || teesql_restore_tree_replace_file (self->cluster, TEESQL_RESTORE_AUTO_CONF, edited, strlen (edited), error)) &&
         teesql_restore_tree_remove_file (self->cluster, "postmaster.opts", error);
}

static void
recovery_clear (Recovery *self)
{
  if (self->postgres != NULL && runs (self))
    {
      g_subprocess_send_signal (self->postgres, SIGQUIT); /* what it leaves is thrown away */
      if (!g_subprocess_wait (self->postgres, NULL, NULL))
        g_subprocess_force_exit (self->postgres);
    }
  g_clear_object (&self->postgres);
  g_clear_pointer (&self->server, teesql_wal_server_free);
  g_clear_pointer (&self->cluster, teesql_restore_tree_free);
  teesql_recovery_folder_close (&self->run);
}

gboolean
teesql_recovery_run (const TeesqlRecoveryOptions *options, TeesqlRecoveryReport *out, GCancellable *cancellable, GError **error)
{
  Recovery self = { .options = options, .cancellable = cancellable };
  TeesqlRecoveryReport report = { 0 };
  gboolean ok = teesql_restore_owner_init (&self.owner, options->uid, options->gid, error) && open_cluster (&self, error) &&
                make_run_folder (&self, error) && start (&self, error) && wait_until_ready (&self, error) && stop (&self, error) &&
                check_control (&self, &report, error) && check_end (&self, &report, error) && clean_settings (&self, error);

  if (ok)
    *out = report;
  recovery_clear (&self);
  return ok;
}
