#include "storage/teesql-storage-confine.h"
#include "base/teesql-domains.h"
#include "teesql-build.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USER          "teesql-storage"
#define OTHER_USER    "nobody"
#define NOBODY        65534
#define N_FILES_MAX   1024
#define DATA_MAX      ((rlim_t) 1 << 30)
#define MEMLOCK_MAX   ((rlim_t) 8 << 20)
#define N_DESCRIPTORS 3

#define fail(error, ...) teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "storage-confinement", __VA_ARGS__)

/* ---- who we are ---- */

static gboolean
drop_capabilities (GError **error)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

  prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return syscall (SYS_capset, &header, none) == 0 || fail (error, "dropping capabilities: %s", g_strerror (errno));
}

static gboolean
change_user (GError **error)
{
  const struct passwd *user = NULL;
  uid_t uid = NOBODY;
  gid_t gid = NOBODY;

  if (geteuid () != 0 && getuid () != 0)
    return TRUE;
  user = getpwnam (USER);
  if (user == NULL)
    user = getpwnam (OTHER_USER);
  if (user != NULL)
    {
      uid = user->pw_uid;
      gid = user->pw_gid;
    }
  if (uid == 0 || setgroups (0, NULL) < 0 || setresgid (gid, gid, gid) < 0 || setresuid (uid, uid, uid) < 0)
    return fail (error, "becoming user %u: %s", (guint) uid, g_strerror (errno));
  return setuid (0) < 0 || fail (error, "root came back after it was dropped");
}

/* ---- what we have ---- */

static int
compare_numbers (gconstpointer a, gconstpointer b)
{
  return *(const int *) a - *(const int *) b;
}

static gboolean
close_rest (const int keep[N_DESCRIPTORS], GError **error)
{
  int sorted[N_DESCRIPTORS] = { keep[0], keep[1], keep[2] };
  guint first = STDERR_FILENO + 1;

  qsort (sorted, N_DESCRIPTORS, sizeof sorted[0], compare_numbers);
  for (guint i = 0; i < N_DESCRIPTORS; i++)
    {
      if (sorted[i] < STDERR_FILENO + 1)
        return fail (error, "descriptor %d is one of the standard ones", sorted[i]);
      if ((guint) sorted[i] > first && close_range (first, (guint) sorted[i] - 1, 0) < 0)
        return fail (error, "closing what was inherited: %s", g_strerror (errno));
      first = (guint) sorted[i] + 1;
    }
  return close_range (first, ~0u, 0) == 0 || fail (error, "closing what was inherited: %s", g_strerror (errno));
}

static gboolean
limit (int resource, rlim_t most, GError **error)
{
  struct rlimit limits = { 0 };

  if (getrlimit ((__rlimit_resource_t) resource, &limits) < 0)
    return fail (error, "limit %d: %s", resource, g_strerror (errno));
  limits.rlim_max = MIN (limits.rlim_max, most);
  limits.rlim_cur = limits.rlim_max;
  return setrlimit ((__rlimit_resource_t) resource, &limits) == 0 || fail (error, "limit %d: %s", resource, g_strerror (errno));
}

/* RLIMIT_DATA counts private writable memory, so a plugin that takes all it can get meets its own end and not the machine's. */
static gboolean
set_limits (GError **error)
{
#if !TEESQL_SANITIZED /* a sanitizer's shadow is larger than any limit */
  if (!limit (RLIMIT_DATA, DATA_MAX, error))
    return FALSE;
#endif
  return limit (RLIMIT_CORE, 0, error) && limit (RLIMIT_NOFILE, N_FILES_MAX, error) && limit (RLIMIT_MEMLOCK, MEMLOCK_MAX, error);
}

gboolean
teesql_storage_confine (const TeesqlStorageSandbox *sandbox, int socket, int module, int arena, guint *out_degradation, GError **error)
{
  const int keep[N_DESCRIPTORS] = { socket, module, arena };

  if (!change_user (error) || !drop_capabilities (error) || !close_rest (keep, error) || !set_limits (error))
    return FALSE;
  /* changing the user has reset both; the daemon's death is also ours, whatever the plugin does about the socket */
  prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return fail (error, "no_new_privs: %s", g_strerror (errno));
  return teesql_storage_landlock (sandbox, out_degradation, error) && teesql_storage_filter (sandbox->ports->len > 0, error);
}
