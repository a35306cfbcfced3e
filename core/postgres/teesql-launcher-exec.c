/* From the launcher to a program of PostgreSQL: another user, an environment of our making, no descriptor but the three. */
#include "postgres/teesql-launcher-private.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATUS_NOT_RUN 127 /* as a shell */

static void G_GNUC_NORETURN
give_up (const char *what)
{
  dprintf (STDERR_FILENO, "FATAL:  teesql-launcher: %s: %s\n", what, strerror (errno));
  _exit (STATUS_NOT_RUN);
}

/* A change of user takes them from root; from anybody else they have to be taken. */
static void
drop_capabilities (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

  prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (syscall (SYS_capset, &header, none) != 0)
    give_up ("capset");
}

void
teesql_launcher_become (const TeesqlManagedPlace *place)
{
  if (place->switches)
    {
      if (setgroups (0, NULL) != 0 || setresgid (place->gid, place->gid, place->gid) != 0 ||
          setresuid (place->uid, place->uid, place->uid) != 0)
        give_up ("cannot become PostgreSQL's user");
      drop_capabilities ();
      if (setuid (0) == 0)
        give_up ("root can be had again");
    }
  if (geteuid () == 0 || getegid () == 0)
    {
      errno = EPERM;
      give_up ("PostgreSQL never runs as root");
    }
  prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
  umask (077);
}

static void
keep_three_descriptors (int in, int out, int log)
{
  int null = open ("/dev/null", O_RDWR);

  if (null < 0 || dup2 (in >= 0 ? in : null, STDIN_FILENO) < 0 || dup2 (out >= 0 ? out : null, STDOUT_FILENO) < 0 ||
      dup2 (log, STDERR_FILENO) < 0)
    give_up ("descriptors");
  if (close_range (STDERR_FILENO + 1, ~0u, 0) != 0)
    give_up ("close_range");
}

static void
reset_signals (void)
{
  sigset_t none;

  sigemptyset (&none);
  for (int number = 1; number < NSIG; number++)
    signal (number, SIG_DFL); /* the two that cannot be set refuse, which is right */
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* @in: -1 for nothing. The first argument is replaced by the whole path, by which PostgreSQL's programs find each other. */
static void G_GNUC_NORETURN
run_program (const TeesqlManagedPlace *place, const char *name, const char *const *arguments, int in, int out, int log)
{
  g_autofree char *path = g_build_filename (place->bin_directory, name, NULL);
  static const char *const environment[] = {
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "LC_ALL=C",
    "TZ=UTC",
    "HOME=/nonexistent",
    /* whatever keeps the daemon from the kernel's killer of processes is for the postmaster, not for its backends */
    "PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj",
    "PG_OOM_ADJUST_VALUE=0",
    NULL,
  };

  g_autoptr (GPtrArray) words = g_ptr_array_new ();

  g_ptr_array_add (words, path);
  for (guint i = 1; arguments[i - 1] != NULL; i++)
    g_ptr_array_add (words, (gpointer) arguments[i]);
  keep_three_descriptors (in, out, log);
  reset_signals ();
  if (chdir ("/") != 0)
    give_up ("/");
  if (!teesql_launcher_filter ())
    give_up ("seccomp");
  execve (path, (char *const *) words->pdata, (char *const *) environment);
  give_up (path);
}

/* -- PostgreSQL ------------------------------------------------------------------------------------------------- */

/* What no file and no ALTER SYSTEM may say otherwise: the command line wins over both. */
static const char *const fixed_settings[] = {
  "listen_addresses=",
  "unix_socket_group=",
  "unix_socket_permissions=0777", /* the folder decides */
  "bonjour=off",
  "ssl=off",
  "password_encryption=scram-sha-256",
  "wal_level=replica",
  "summarize_wal=on",
  "archive_mode=off",
  "archive_command=",
  "archive_library=",
  "archive_cleanup_command=",
  "recovery_end_command=",
  "fsync=on",
  "full_page_writes=on",
  "restart_after_crash=on",
  "allow_alter_system=off",
  "shared_preload_libraries=",
  "session_preload_libraries=",
  "local_preload_libraries=",
  "dynamic_library_path=$libdir",
  "logging_collector=off",
  "log_destination=stderr",
  "log_line_prefix=[%p] ",
  "lc_messages=C",
  "event_source=PostgreSQL",
};

static void
add_setting (GPtrArray *arguments, char *setting)
{
  g_ptr_array_add (arguments, (gpointer) "-c");
  g_ptr_array_add (arguments, setting);
}

/* A list of folders: in quotes, which a comma or a blank in the name then does not end. */
static char *
dup_quoted (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "\"", -1);
  g_autofree char *doubled = g_strjoinv ("\"\"", parts);

  return g_strdup_printf ("\"%s\"", doubled);
}

static GPtrArray *
list_server_arguments (const TeesqlManagedPlace *place)
{
  GPtrArray *arguments = g_ptr_array_new ();
  g_autofree char *sockets = dup_quoted (place->socket_directory);
  static const char *const files[] = { "data_directory=%s", "config_file=%s/postgresql.conf", "hba_file=%s/pg_hba.conf",
                                       "ident_file=%s/pg_ident.conf" };

  g_ptr_array_add (arguments, (gpointer) "postgres");
  g_ptr_array_add (arguments, (gpointer) "-D");
  g_ptr_array_add (arguments, place->data_directory);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      const char *equals = strchr (files[i], '=');
      g_autofree char *name = g_strndup (files[i], (gsize) (equals - files[i]));
      add_setting (arguments, g_strconcat (name, "=", place->data_directory, equals + strlen ("=%s"), NULL));
    }
  add_setting (arguments, g_strdup_printf ("unix_socket_directories=%s", sockets));
  add_setting (arguments, g_strdup_printf ("port=%u", place->port));
  for (guint i = 0; i < G_N_ELEMENTS (fixed_settings); i++)
    add_setting (arguments, (char *) fixed_settings[i]);
  g_ptr_array_add (arguments, NULL);
  return arguments;
}

void
teesql_launcher_exec_server (const TeesqlManagedPlace *place, int log)
{
  pid_t launcher = getppid ();
  GPtrArray *arguments = list_server_arguments (place);

  setsid ();
  teesql_launcher_become (place);
  /* should the launcher die first: a fast shutdown */
  prctl (PR_SET_PDEATHSIG, SIGINT, 0, 0, 0);
  if (getppid () != launcher)
    _exit (STATUS_NOT_RUN);
  run_program (place, "postgres", (const char *const *) arguments->pdata, -1, log, log);
}

/* -- initdb ----------------------------------------------------------------------------------------------------- */

/* PostgreSQL's user cannot open again what another user made, and `--pwfile` opens: so the password changes into a pipe that this
 * user makes. It is far below what a pipe holds. */
static int
repipe_password (int from)
{
  char buffer[1024];
  int ends[2] = { -1, -1 };
  gsize size = 0;
  gssize n = 0;
  gboolean good = FALSE;

  while (size < sizeof buffer && (n = read (from, buffer + size, sizeof buffer - size)) > 0)
    size += (gsize) n;
  good = n == 0 && size > 0 && pipe2 (ends, O_CLOEXEC) == 0 && write (ends[1], buffer, size) == (gssize) size;
  explicit_bzero (buffer, sizeof buffer);
  if (!good)
    give_up ("the password did not come");
  close (ends[1]);
  close (from);
  return ends[0];
}

void
teesql_launcher_exec_initdb (const TeesqlLaunchStep *step)
{
  g_autofree char *user = g_strdup_printf ("--username=%s", step->place->admin_user);
  g_autofree char *folder = g_strdup_printf ("--pgdata=%s", step->place->staging);
  const char *const arguments[] = { "initdb",
                                    folder,
                                    user,
                                    "--pwfile=/dev/stdin",
                                    "--auth=scram-sha-256",
                                    "--data-checksums",
                                    "--encoding=UTF8",
                                    "--locale-provider=builtin",
                                    "--builtin-locale=C.UTF-8",
                                    "--locale=C",
                                    "--no-instructions",
                                    NULL };

  run_program (step->place, "initdb", arguments, repipe_password (step->attached), -1, step->log);
}

/* -- The version ------------------------------------------------------------------------------------------------ */

gboolean
teesql_launcher_read_version (const TeesqlManagedPlace *place, char *out, gsize size)
{
  const char *const arguments[] = { "postgres", "--version", NULL };
  int ends[2] = { -1, -1 };
  gsize used = 0;
  gssize n = 0;
  pid_t child = -1;

  if (pipe2 (ends, O_CLOEXEC) != 0)
    return FALSE;
  child = fork ();
  if (child == 0)
    run_program (place, "postgres", arguments, -1, ends[1], STDERR_FILENO);
  close (ends[1]);
  while (child > 0 && used + 1 < size && (n = read (ends[0], out + used, size - 1 - used)) > 0)
    used += (gsize) n;
  close (ends[0]);
  out[used] = '\0';
  g_strchomp (out);
  return teesql_launcher_wait (child) == 0;
}
