#include "postgres/teesql-launcher-private.h"
#include "postgres/teesql-data-directory.h"
#include "postgres/teesql-postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASS         (S_IXGRP | S_IXOTH)
#define MAX_SETTINGS (64 * 1024)

/* -- Answers ---------------------------------------------------------------------------------------------------- */

static int
answer (const TeesqlLaunchStep *step, TeesqlLaunchMessage *message)
{
  message->serial = step->serial;
  return teesql_launch_message_send (step->socket, message, -1) ? 0 : 1;
}

static int G_GNUC_PRINTF (4, 5) fail (const TeesqlLaunchStep *step, TeesqlLaunchVerb verb, const char *reason, const char *format, ...)
{
  TeesqlLaunchMessage message = { .verb = verb, .state = TEESQL_DATA_REFUSED };
  va_list args;

  va_start (args, format);
  g_vsnprintf (message.text, sizeof message.text, format, args);
  va_end (args);
  g_strlcpy (message.reason, reason, sizeof message.reason);
  return answer (step, &message);
}

/* -- As whom ---------------------------------------------------------------------------------------------------- */

int
teesql_launcher_wait (pid_t child)
{
  int status = 0;

  while (child > 0 && waitpid (child, &status, 0) < 0)
    if (errno != EINTR)
      return 255;
  if (child <= 0)
    return 255;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

typedef int (*Body) (const TeesqlLaunchStep *step);

static int
run_body (const TeesqlLaunchStep *step, gboolean as_user, Body body)
{
  pid_t child = fork ();

  if (child != 0)
    return teesql_launcher_wait (child);
  if (as_user)
    teesql_launcher_become (step->place);
  prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  _exit (body (step));
}

/* -- The folder that the data directory stands in --------------------------------------------------------------- */

static const char *
judge_ancestor (const TeesqlManagedPlace *place, const struct stat *st, gboolean *out_as_user)
{
  if (st->st_uid == place->uid && place->switches)
    *out_as_user = TRUE;
  else if (st->st_uid != 0 && st->st_uid != geteuid ())
    return "it belongs to somebody else";
  return (st->st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st->st_mode & S_ISVTX) == 0 ? "others may write in it" : NULL;
}

/* Names in it change hands between two users, so it must belong to one of them and be writable by nobody else. *out_as_user: it, or a
 * folder above it, is PostgreSQL's, and then only that user touches it: it could have been exchanged for a link. */
static const char *
find_parent_owner (const TeesqlManagedPlace *place, gboolean *out_as_user)
{
  g_autofree char *parent = g_path_get_dirname (place->data_directory);
  g_autofree char *at = realpath (parent, NULL);
  const char *why = NULL;
  struct stat st;

  *out_as_user = FALSE;
  if (at == NULL || stat (at, &st) != 0)
    return g_strerror (errno);
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return "others may write in it";
  for (char *slash = at + strlen (at); why == NULL && slash != NULL; slash = strrchr (at, '/'))
    {
      *slash = '\0';
      if (stat (at[0] != '\0' ? at : "/", &st) != 0)
        return g_strerror (errno);
      why = judge_ancestor (place, &st, out_as_user);
    }
  return why;
}

static int
fail_parent (const TeesqlLaunchStep *step, TeesqlLaunchVerb verb, const char *why)
{
  g_autofree char *parent = g_path_get_dirname (step->place->data_directory);

  return fail (step, verb, "data-directory-parent",
               "%s, where the data directory is to stand: %s\nhint: make it, owned by root or PostgreSQL's user, mode 0755 or stricter",
               parent, why);
}

static int
body_empty_staging (const TeesqlLaunchStep *step)
{
  return teesql_data_directory_empty (step->place->staging) ? 0 : errno;
}

static int
body_remove_staging (const TeesqlLaunchStep *step)
{
  return rmdir (step->place->staging) == 0 ? 0 : errno;
}

/* What a run that was killed has left; only ever this name, which nobody else can have made. */
static void
remove_leftovers (const TeesqlLaunchStep *step, gboolean as_user)
{
  struct stat st;

  if (lstat (step->place->staging, &st) != 0)
    return;
  (void) run_body (step, TRUE, body_empty_staging);
  (void) run_body (step, as_user, body_remove_staging);
}

static int
body_make_staging (const TeesqlLaunchStep *step)
{
  const TeesqlManagedPlace *place = step->place;
  int folder = -1;
  int result = 0;

  if (mkdir (place->staging, 0700) != 0)
    return errno;
  folder = open (place->staging, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0 || (place->switches && geteuid () != place->uid && fchown (folder, place->uid, place->gid) != 0))
    result = errno;
  if (folder >= 0)
    close (folder);
  return result;
}

/* One step for everybody who looks: an empty folder or none, then a complete cluster. */
static int
body_put_in_place (const TeesqlLaunchStep *step)
{
  g_autofree char *parent = g_path_get_dirname (step->place->data_directory);
  int folder = open (parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int result = folder < 0 || rename (step->place->staging, step->place->data_directory) != 0 || fsync (folder) != 0 ? errno : 0;

  if (folder >= 0)
    close (folder);
  return result;
}

/* -- Folders between the two users ------------------------------------------------------------------------------ */

static gboolean
lies_in (const char *path, const char *folder)
{
  gsize length = strlen (folder);

  return strncmp (path, folder, length) == 0 && path[length] == '/';
}

/* PostgreSQL's user passes through our folders to its own and can list nothing there. The group passes too: whoever is in it, as root
 * mostly is in its own, would else be kept out by it. */
static void
let_pass (const TeesqlManagedPlace *place, const char *ours, const char *theirs)
{
  struct stat st;

  if (place->switches && lies_in (theirs, ours) && lstat (ours, &st) == 0 && S_ISDIR (st.st_mode) &&
      (st.st_uid == geteuid () || st.st_uid == 0) && (st.st_mode & PASS) != PASS)
    (void) chmod (ours, (st.st_mode & 07777) | PASS);
}

/* Who may pass it may try passwords at the server: the two users, and root. */
static int
make_socket_folder (const TeesqlManagedPlace *place)
{
  int folder = -1;
  int result = 0;

  if (mkdir (place->socket_directory, 0750) != 0)
    return errno == EEXIST ? 0 : errno;
  folder = open (place->socket_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0 || fchmod (folder, 0750) != 0 || (place->switches && fchown (folder, place->uid, getegid ()) != 0))
    result = errno;
  if (folder >= 0)
    close (folder);
  return result;
}

static const char *
check_socket_folder (const TeesqlManagedPlace *place)
{
  struct stat st;

  if (stat (place->socket_directory, &st) != 0 || access (place->socket_directory, W_OK | X_OK) != 0)
    return g_strerror (errno);
  return (st.st_mode & S_IWOTH) != 0 ? "everybody may write in it, and stand in the server's place" : NULL;
}

/* -- Judging ---------------------------------------------------------------------------------------------------- */

static int
judge_programs (const TeesqlLaunchStep *step)
{
  g_autofree char *expected = g_strdup_printf ("postgres (PostgreSQL) %d.", TEESQL_POSTGRES_MAJOR);
  char version[128] = "";

  if (teesql_launcher_read_version (step->place, version, sizeof version) && g_str_has_prefix (version, expected))
    return -1;
  return fail (step, TEESQL_LAUNCH_JUDGED, "postgres-programs",
               "%s/postgres: it says “%s”, expected PostgreSQL %d\nhint: [postgresql] bin-directory", step->place->bin_directory, version,
               TEESQL_POSTGRES_MAJOR);
}

static int
body_judge (const TeesqlLaunchStep *step)
{
  const TeesqlManagedPlace *place = step->place;
  const char *sockets = check_socket_folder (place);
  g_autofree char *socket = g_strdup_printf ("%s/.s.PGSQL.%u", place->socket_directory, place->port);
  TeesqlLaunchMessage message = { .verb = TEESQL_LAUNCH_JUDGED };
  TeesqlDataJudgement found;
  int answered = judge_programs (step);

  if (answered >= 0)
    return answered;
  if (sockets != NULL)
    return fail (step, TEESQL_LAUNCH_JUDGED, "postgres-socket-directory",
                 "%s: %s\nhint: [postgresql] host is a folder of PostgreSQL's user, or one that is not there yet", place->socket_directory,
                 sockets);
  teesql_data_directory_judge (place->data_directory, place->uid, &found);
  if (found.state == TEESQL_DATA_CLUSTER)
    teesql_data_directory_forget_server (place->data_directory, socket);
  message.state = found.state;
  message.flags = found.flags;
  message.identifier = found.system_identifier;
  message.number = found.pid;
  g_strlcpy (message.reason, found.reason != NULL ? found.reason : "", sizeof message.reason);
  g_strlcpy (message.text, found.message, sizeof message.text);
  return answer (step, &message);
}

int
teesql_launcher_judge (const TeesqlLaunchStep *step)
{
  const TeesqlManagedPlace *place = step->place;
  gboolean as_user = FALSE;
  const char *parent = NULL;
  int error_number = 0;

  let_pass (place, place->state_directory, place->data_directory);
  let_pass (place, place->runtime_directory, place->socket_directory);
  error_number = make_socket_folder (place);
  if (error_number != 0)
    return fail (step, TEESQL_LAUNCH_JUDGED, "postgres-socket-directory", "%s: %s\nhint: [postgresql] host", place->socket_directory,
                 g_strerror (error_number));
  parent = find_parent_owner (place, &as_user);
  if (parent == NULL)
    remove_leftovers (step, as_user);
  return run_body (step, TRUE, body_judge);
}

/* -- initdb ----------------------------------------------------------------------------------------------------- */

static int
body_initdb (const TeesqlLaunchStep *step)
{
  teesql_launcher_exec_initdb (step);
}

static int
fail_errno (const TeesqlLaunchStep *step, const char *reason, const char *path, int error_number)
{
  return fail (step, TEESQL_LAUNCH_DONE, reason, "%s: %s", path, g_strerror (error_number));
}

int
teesql_launcher_initdb (const TeesqlLaunchStep *step)
{
  gboolean as_user = FALSE;
  const char *parent = find_parent_owner (step->place, &as_user);
  TeesqlLaunchMessage done = { .verb = TEESQL_LAUNCH_DONE };
  int result = 0;

  if (parent != NULL)
    return fail_parent (step, TEESQL_LAUNCH_DONE, parent);
  remove_leftovers (step, as_user);
  result = run_body (step, as_user, body_make_staging);
  if (result != 0)
    return fail_errno (step, "initdb-failed", step->place->staging, result);
  result = run_body (step, TRUE, body_initdb);
  if (result != 0)
    {
      remove_leftovers (step, as_user);
      return fail (step, TEESQL_LAUNCH_DONE, "initdb-failed", "initdb ended with status %d", result);
    }
  result = run_body (step, as_user, body_put_in_place);
  if (result != 0)
    return fail_errno (step, "initdb-failed", step->place->data_directory, result);
  return answer (step, &done);
}

/* -- Configuration files ---------------------------------------------------------------------------------------- */

static const char hba_text[] = "# written by teesqld at every start: clients come through it, and it comes through the socket\n"
                               "local all         all scram-sha-256\n"
                               "local replication all scram-sha-256\n";
static const char ident_text[] = "# written by teesqld at every start: no system user stands for a role\n";

/* Complete or as it was: a new file, synced, takes the place of the old one. */
static gboolean
write_file (int folder, const char *name, const char *text, gsize size)
{
  g_autofree char *temporary = g_strconcat (".", name, ".teesql-new", NULL);
  int fd = -1;
  gboolean good = FALSE;

  (void) unlinkat (folder, temporary, 0);
  fd = openat (folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return FALSE;
  good = write (fd, text, size) == (gssize) size && fsync (fd) == 0;
  close (fd);
  return good && renameat (folder, temporary, folder, name) == 0;
}

static gssize
read_settings (int fd, char *out, gsize size)
{
  gsize used = 0;
  gssize n = 0;

  while (used < size && (n = pread (fd, out + used, size - used, (off_t) used)) > 0)
    used += (gsize) n;
  return n < 0 || used == size ? -1 : (gssize) used;
}

static int
body_configure (const TeesqlLaunchStep *step)
{
  g_autofree char *text = g_malloc (MAX_SETTINGS);
  gssize size = read_settings (step->attached, text, MAX_SETTINGS);
  int folder = open (step->place->data_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  TeesqlLaunchMessage done = { .verb = TEESQL_LAUNCH_DONE };
  gboolean good = FALSE;

  errno = size < 0 ? EMSGSIZE : errno;
  good = size >= 0 && folder >= 0 && write_file (folder, "postgresql.conf", text, (gsize) size) &&
         write_file (folder, "pg_hba.conf", hba_text, strlen (hba_text)) &&
         write_file (folder, "pg_ident.conf", ident_text, strlen (ident_text)) && fsync (folder) == 0;
  if (!good)
    return fail_errno (step, errno == ENOSPC || errno == EDQUOT ? "disk-full" : "postgres-configuration", step->place->data_directory,
                       errno);
  return answer (step, &done);
}

int
teesql_launcher_configure (const TeesqlLaunchStep *step)
{
  return run_body (step, TRUE, body_configure);
}
