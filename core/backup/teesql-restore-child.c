#include "backup/teesql-restore-child.h"

#include "base/teesql-domains.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STATUS_NO_RIGHTS 126
#define TAIL_LINES       8u

typedef struct
{
  TeesqlRestoreOwner owner;
  int stop_signal;
  int rules;
} Setup;

/* Between fork and exec of a process with threads: system calls only, not glibc's, which would speak to threads that are not here. */
static void
become_owner (gpointer user_data)
{
  const Setup *setup = user_data;
  long uid = (long) setup->owner.uid;
  long gid = (long) setup->owner.gid;
  gboolean ok = TRUE;

  if (teesql_restore_owner_differs (&setup->owner))
    ok =
        syscall (SYS_setgroups, 0, NULL) == 0 && syscall (SYS_setresgid, gid, gid, gid) == 0 && syscall (SYS_setresuid, uid, uid, uid) == 0;
  if (!ok || geteuid () == 0 || prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      (setup->rules >= 0 && syscall (SYS_landlock_restrict_self, setup->rules, 0) != 0))
    _exit (STATUS_NO_RIGHTS);
  umask (077);
  prctl (PR_SET_PDEATHSIG, setup->stop_signal, 0, 0, 0);
}

GSubprocess *
teesql_restore_child_spawn (const char *bin_directory, const char *program, const char *const *arguments, const TeesqlRestoreOwner *owner,
                            int stop_signal, int rules, GSubprocessFlags flags, int err_fd, GError **error)
{
  static char *environment[] = { (char *) "PATH=/usr/bin:/bin", (char *) "LC_ALL=C", (char *) "TZ=UTC", (char *) "HOME=/", NULL };
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (flags);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree char *path = g_build_filename (bin_directory, program, NULL);
  Setup setup = { *owner, stop_signal, rules };

  g_ptr_array_add (argv, path);
  for (; *arguments != NULL; arguments++)
    g_ptr_array_add (argv, (gpointer) *arguments);
  g_ptr_array_add (argv, NULL);
  g_subprocess_launcher_set_environ (launcher, environment);
  g_subprocess_launcher_set_cwd (launcher, "/");
  if (err_fd >= 0)
    g_subprocess_launcher_take_stderr_fd (launcher, err_fd);
  g_subprocess_launcher_set_child_setup (launcher, become_owner, &setup, NULL); /* used before this returns */
  return g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, error);
}

char *
teesql_restore_child_dup_tail (const char *text, guint lines)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  const char *from = NULL;
  gsize size = 0;

  g_strchomp (valid);
  size = strlen (valid);
  for (from = valid + size; from > valid && lines > 0; from--)
    if (from[-1] == '\n' && --lines == 0)
      break;
  return g_strdup (from);
}

static gboolean
fail_program (GError **error, const char *program, GSubprocess *process, const char *said)
{
  g_autofree char *tail = teesql_restore_child_dup_tail (said != NULL ? said : "", TAIL_LINES);
  g_autofree char *end = g_subprocess_get_if_exited (process) ? g_strdup_printf ("ended with %d", g_subprocess_get_exit_status (process))
                                                              : g_strdup ("was killed");

  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "restore-program", "%s %s: %s", program, end, tail);
}

gboolean
teesql_restore_child_run (const char *bin_directory, const char *program, const char *const *arguments, const TeesqlRestoreOwner *owner,
                          GCancellable *cancellable, GError **error)
{
  g_autoptr (GSubprocess) process =
      teesql_restore_child_spawn (bin_directory, program, arguments, owner, SIGKILL, -1,
                                  G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, -1, error);
  g_autoptr (GBytes) out = NULL;
  g_autofree char *said = NULL;

  if (process == NULL)
    {
      g_prefix_error (error, "%s: ", program);
      return FALSE;
    }
  if (!g_subprocess_communicate (process, NULL, cancellable, &out, NULL, error))
    {
      g_subprocess_force_exit (process);
      if (!g_subprocess_wait (process, NULL, NULL))
        g_prefix_error (error, "%s: ", program);
      return FALSE;
    }
  if (g_subprocess_get_successful (process))
    return TRUE;
  said = out != NULL ? g_strndup (g_bytes_get_data (out, NULL), g_bytes_get_size (out)) : NULL;
  return fail_program (error, program, process, said);
}
