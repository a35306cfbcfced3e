#include "cli/teesql-cli-restore.h"

#include "backup/teesql-catalog-io.h"
#include "base/teesql-domains.h"
#include "cli/teesql-cli-daemon.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_##code, reason, __VA_ARGS__)

/* ---- what is known, and whose files ---- */

static void
add_known (TeesqlCliRestore *self, guint32 timeline, guint64 lsn)
{
  TeesqlRestoreKnown known = { timeline, lsn };

  if (lsn > 0)
    g_array_append_val (self->known, known);
}

/* The chain between them is broken, and that was accepted. What remains is the one record that this node stored: another one in its place
 * is a fork, whatever was accepted. */
static gboolean
check_record (TeesqlCliRepository *repository, GCancellable *cancellable, GError **error)
{
  const TeesqlHead *head = &repository->head;
  g_auto (TeesqlLoadedRecord) loaded = { 0 };
  g_autoptr (GError) problem = NULL;

  if (!teesql_catalog_load (repository->repository, &head->lineage, head->sequence, &loaded, cancellable, &problem))
    {
      if (teesql_catalog_is_damage (problem))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  return memcmp (loaded.digest, head->digest, sizeof loaded.digest) == 0 ||
         fail (error, REFUSED, "repository-forked",
               "record %" G_GUINT64_FORMAT " of lineage %s is not the one this node stored: neither history extends the other\n"
               "hint: --lineage restores what is there, if it is what you want",
               head->sequence, head->lineage.text);
}

/* Of a broken catalog the reader says what a restore can do about it. */
static gboolean
open_repository (TeesqlCliRepository *repository, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_auto (GStrv) lines = NULL;

  if (teesql_cli_repository_open (repository, cancellable, &problem))
    return TRUE;
  if (repository->options.accept_broken || g_strcmp0 (teesql_error_get_reason (problem), "catalog-broken") != 0)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  lines = g_strsplit (problem->message, "\n", 2);
  return fail (error, REFUSED, "catalog-broken",
               "%s\nhint: bring that object back; --accept-broken-catalog restores by the newest record that is genuine, and "
               "docs/restore.md says what nobody can prove then",
               lines[0]);
}

/* SR-19: what this node remembers of its repository, beside what it offers. Who names a lineage has decided. */
static gboolean
check_head (TeesqlCliRestore *self, GCancellable *cancellable, GError **error)
{
  TeesqlCliRepository *repository = self->repository;
  const TeesqlLineage *found = teesql_catalog_get_lineage (repository->catalog);
  TeesqlHead offered;

  if (!repository->has_head || repository->options.lineage != NULL)
    return TRUE;
  teesql_catalog_get_head (repository->catalog, &offered);
  if (strcmp (found->text, repository->head.lineage.text) == 0)
    {
      add_known (self, repository->head.timeline, repository->head.lsn);
      if (self->accept_older || repository->head.sequence == 0)
        return TRUE;
      if (offered.sequence >= repository->head.sequence && repository->problems->len > 0)
        return check_record (repository, cancellable, error);
      if (offered.sequence >= repository->head.sequence)
        return teesql_catalog_check_known (repository->catalog, &repository->head, cancellable, error);
      return fail (error, REFUSED, "repository-behind",
                   "the repository's newest record is %" G_GUINT64_FORMAT ", and this node knows of %" G_GUINT64_FORMAT
                   ": storage was rolled back\nhint: --accept-older restores what is there",
                   offered.sequence, repository->head.sequence);
    }
  if (teesql_lineage_get_generation (found) > teesql_lineage_get_generation (&repository->head.lineage) || self->accept_older)
    return TRUE;
  return fail (error, REFUSED, "repository-behind",
               "the repository offers lineage %s, and this node knows of %s: storage was rolled back, or lost it\n"
               "hint: --accept-older or --lineage restores what is there",
               found->text, repository->head.lineage.text);
}

/* root makes the files for PostgreSQL's user; anybody else for himself. */
static gboolean
find_owner (const TeesqlConfig *config, guint *out_uid, guint *out_gid, GError **error)
{
  const char *user = teesql_config_get_string (config, "postgresql", "user");
  const struct passwd *entry = NULL;

  *out_uid = G_MAXUINT;
  *out_gid = G_MAXUINT;
  if (geteuid () != 0)
    return TRUE;
  entry = getpwnam (user);
  if (entry == NULL)
    return fail (error, CONFIG, "postgres-user", "there is no user %s\nhint: name PostgreSQL's in [postgresql] user", user);
  *out_uid = entry->pw_uid;
  *out_gid = entry->pw_gid;
  return TRUE;
}

static char *
dup_socket (const TeesqlConfig *config)
{
  return g_build_filename (teesql_config_get_string (config, "teesql", "runtime-directory"), "wal.sock", NULL);
}

static char *
dup_fetch_command (const TeesqlConfig *config)
{
  g_autofree char *program = teesql_recovery_find_program ();
  g_autofree char *socket = dup_socket (config);

  return teesql_recovery_dup_command (program, socket);
}

/* ---- the work ---- */

static const char *
bin_directory (const TeesqlCliRestore *self)
{
  return self->bin_directory != NULL ? self->bin_directory
                                     : teesql_config_get_string (self->repository->config, "postgresql", "bin-directory");
}

static gboolean
run_restore (TeesqlCliRestore *self, TeesqlRestoreOptions *options, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->repository->catalog);
  g_autofree char *command = dup_fetch_command (self->repository->config);

  if (self->backup != NULL && (options->backup = teesql_catalog_record_find_named (record, self->backup, error)) == NULL)
    return FALSE;
  options->fetch_command = command;
  self->report = teesql_restore_run (options, cancellable, error);
  return self->report != NULL;
}

/* SR-21: what the restored cluster writes goes under a new lineage. */
static gboolean
adopt (TeesqlCliRestore *self, GError **error)
{
  if (self->no_adopt)
    return TRUE;
  self->adopted = teesql_cli_repository_adopt (self->repository, &self->report->head, error);
  if (!self->adopted)
    g_prefix_error (error, "%s is restored, but the state directory does not know: ", self->directory);
  return self->adopted;
}

static gboolean
work (gpointer user_data, GCancellable *cancellable, GError **error)
{
  TeesqlCliRestore *self = user_data;
  TeesqlRestoreOptions options = {
    .directory = self->directory,
    .target = self->target,
    .target_text = self->target_text,
    .target_timeline = (guint32) self->target_timeline,
    .target_inclusive = !self->exclusive,
    .accept_older = self->accept_older,
    .tablespace_map = (const char *const *) self->tablespaces,
    .threads = (guint) self->threads,
    .dry_run = self->dry_run,
    .verify_only = self->verify_only,
    .read_wal = !self->recover && !self->no_read_wal,
    .recover = self->recover,
    .progress = teesql_cli_restore_progress,
    .progress_data = self,
  };

  if (!open_repository (self->repository, cancellable, error) || !check_head (self, cancellable, error) ||
      (!self->no_adopt && !self->verify_only && !teesql_cli_repository_check_adopt (self->repository, error)) ||
      !find_owner (self->repository->config, &options.uid, &options.gid, error))
    return FALSE;
  options.catalog = self->repository->catalog;
  options.known = self->known;
  options.bin_directory = bin_directory (self);
  if (self->threads == 0 && !teesql_config_is_auto (self->repository->config, "backup", "threads"))
    options.threads = (guint) teesql_config_get_integer (self->repository->config, "backup", "threads");
  if (!run_restore (self, &options, cancellable, error))
    return FALSE;
  if (self->dry_run || self->verify_only)
    return TRUE;
  return adopt (self, error);
}

/* ---- the command line ---- */

static void
restore_clear (TeesqlCliRestore *self)
{
  g_free (self->directory);
  g_free (self->to);
  g_free (self->to_time);
  g_free (self->to_lsn);
  g_free (self->to_name);
  g_free (self->backup);
  g_free (self->known_lsn);
  g_clear_pointer (&self->known, g_array_unref);
  g_free (self->bin_directory);
  g_strfreev (self->tablespaces);
  g_clear_pointer (&self->report, teesql_restore_report_free);
  g_clear_pointer (&self->repository, teesql_cli_repository_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TeesqlCliRestore, restore_clear)

/* Returns: NULL, or what is wrong */
static const char *
take_target (TeesqlCliRestore *self)
{
  const struct
  {
    const char *text;
    TeesqlRestoreTarget target;
  } targets[] = { { self->to_time, TEESQL_RESTORE_TIME }, { self->to_lsn, TEESQL_RESTORE_LSN }, { self->to_name, TEESQL_RESTORE_NAME } };
  guint n = self->to != NULL ? 1 : 0;

  if (g_strcmp0 (self->to, "immediate") == 0)
    self->target = TEESQL_RESTORE_IMMEDIATE;
  else if (self->to != NULL && strcmp (self->to, "latest") != 0)
    return "--to takes latest or immediate";
  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    if (targets[i].text != NULL)
      {
        self->target = targets[i].target;
        self->target_text = targets[i].text;
        n++;
      }
  if (self->exclusive && self->target_text == NULL)
    return "--exclusive needs a target";
  return n > 1 ? "one target is expected" : NULL;
}

static const char *
check_options (TeesqlCliRestore *self, int argc)
{
  const char *problem = take_target (self);

  if (problem != NULL)
    return problem;
  if (argc > 1)
    return "no arguments are expected";
  if (self->directory == NULL && !self->verify_only)
    return "--target-directory DIR is missing";
  if (self->dry_run && self->verify_only)
    return "--dry-run and --verify-only exclude each other";
  if (self->recover && (self->dry_run || self->verify_only))
    return "--recover needs a restore";
  if (self->no_read_wal && (self->recover || self->verify_only))
    return "--no-read-wal excludes --recover and --verify-only, which read it";
  if (self->target_timeline < 0 || self->threads < 0 || self->threads > 64)
    return "--target-timeline and --threads take small numbers";
  if (self->known_lsn != NULL && !teesql_lsn_parse (self->known_lsn, &self->known_position))
    return "--known-lsn takes a position such as 0/16B3748";
  if (self->known_timeline < 0 || (self->known_timeline > 0 && self->known_lsn == NULL))
    return "--known-timeline takes a number, and needs --known-lsn";
  return NULL;
}

static gboolean
parse (TeesqlCliRestore *self, TeesqlCliRepositoryOptions *repository, int *argc, char ***argv, GError **error)
{
  const GOptionEntry entries[] = {
    { "storage", 0, 0, G_OPTION_ARG_STRING, &repository->storage, "Which of several storages", "NAME" },
    { "target-directory", 0, 0, G_OPTION_ARG_FILENAME, &self->directory, "Empty, or not there yet; becomes the data directory", "DIR" },
    { "to", 0, 0, G_OPTION_ARG_STRING, &self->to, "latest (default), or immediate: the end of the backup", "WHAT" },
    { "to-time", 0, 0, G_OPTION_ARG_STRING, &self->to_time, "An instant, with its zone: '2026-03-01 12:00:00+00'", "TIME" },
    { "to-lsn", 0, 0, G_OPTION_ARG_STRING, &self->to_lsn, "A position in WAL: 0/16B3748", "LSN" },
    { "to-name", 0, 0, G_OPTION_ARG_STRING, &self->to_name, "A point of pg_create_restore_point()", "NAME" },
    { "exclusive", 0, 0, G_OPTION_ARG_NONE, &self->exclusive, "Stop just before the target", NULL },
    { "backup", 0, 0, G_OPTION_ARG_STRING, &self->backup, "Begin with this one: its name, its id or a beginning of either", "ID" },
    { "target-timeline", 0, 0, G_OPTION_ARG_INT, &self->target_timeline, "Follow this one, not the newest", "N" },
    { "lineage", 0, 0, G_OPTION_ARG_STRING, &repository->lineage, "Restore from this one, not the newest", "LINEAGE" },
    { "cluster-id", 0, 0, G_OPTION_ARG_STRING, &repository->cluster_id, "Which of several clusters of a repository", "HEX" },
    { "recovery-key", 0, 0, G_OPTION_ARG_FILENAME, &repository->recovery_key, "An offline private key, in place of the KMS", "PEM" },
    { "known-lsn", 0, 0, G_OPTION_ARG_STRING, &self->known_lsn, "Newest position known to be archived; an older repository is refused",
      "LSN" },
    { "known-timeline", 0, 0, G_OPTION_ARG_INT, &self->known_timeline, "Timeline of that position", "N" },
    { "accept-older", 0, 0, G_OPTION_ARG_NONE, &self->accept_older, "Restore although newer WAL is known to have been there", NULL },
    { "accept-broken-catalog", 0, 0, G_OPTION_ARG_NONE, &repository->accept_broken,
      "Restore by the newest genuine record although others are missing or damaged", NULL },
    { "no-adopt", 0, 0, G_OPTION_ARG_NONE, &self->no_adopt, "A copy to look at: teesqld of this configuration goes on as before", NULL },
    { "recover", 0, 0, G_OPTION_ARG_NONE, &self->recover, "Run the recovery too, so that the cluster can just be started", NULL },
    { "no-read-wal", 0, 0, G_OPTION_ARG_NONE, &self->no_read_wal, "Without --recover: only look whether WAL is there, do not read it",
      NULL },
    { "dry-run", 0, 0, G_OPTION_ARG_NONE, &self->dry_run, "Say what would be done", NULL },
    { "verify-only", 0, 0, G_OPTION_ARG_NONE, &self->verify_only, "Read and verify every byte, write nothing", NULL },
    { "tablespace", 0, 0, G_OPTION_ARG_STRING_ARRAY, &self->tablespaces, "Put a tablespace elsewhere; may be repeated", "OLD=NEW" },
    { "threads", 0, 0, G_OPTION_ARG_INT, &self->threads, "Openers and decompressors (as [backup] threads)", "N" },
    { "bin-directory", 0, 0, G_OPTION_ARG_FILENAME, &self->bin_directory, "PostgreSQL's programs (as [postgresql] bin-directory)", "DIR" },
    G_OPTION_ENTRY_NULL,
  };

  return teesql_cli_parse ("restore --target-directory DIR",
                           "Makes a data directory out of a backup, all of it verified. teesqld need not run.", entries, argc, argv, error);
}

int
teesql_cli_run_restore (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  g_auto (TeesqlCliRestore) self = { .globals = globals, .begun_us = g_get_monotonic_time () };
  g_auto (TeesqlCliRepositoryOptions) repository = { 0 };
  GError *error = NULL;
  const char *problem = NULL;
  gboolean ok = FALSE;

  if (!parse (&self, &repository, &argc, &argv, &error))
    return teesql_cli_fail (error);
  problem = check_options (&self, argc);
  if (problem != NULL)
    return teesql_cli_usage_error ("restore: %s", problem);
  if (self.directory != NULL)
    {
      g_autofree char *absolute = g_canonicalize_filename (self.directory, NULL);

      g_free (self.directory);
      self.directory = g_steal_pointer (&absolute);
    }
  self.known = g_array_new (FALSE, FALSE, sizeof (TeesqlRestoreKnown));
  add_known (&self, (guint32) self.known_timeline, self.known_position);
  self.repository = teesql_cli_repository_new (globals, &repository, &error);
  if (self.repository == NULL)
    return teesql_cli_fail (error);
  ok = teesql_cli_run_blocking (work, &self, &error);
  teesql_cli_end_progress ();
  if (ok)
    {
      teesql_cli_restore_print (&self);
      return TEESQL_EXIT_OK;
    }
  if (globals->json)
    teesql_cli_restore_print_failure (&self, error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      teesql_cli_print_error (error);
      g_error_free (error);
      return TEESQL_EXIT_REFUSED;
    }
  return teesql_cli_fail (error);
}
