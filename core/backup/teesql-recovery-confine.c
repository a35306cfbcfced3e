#include "backup/teesql-recovery-confine.h"

#include "base/teesql-domains.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* WAL names the folder of a tablespace that was made behind the backup by its path, and replay writes there: where the old cluster still
 * has its files, into those. So a recovery may write to what the restore has laid out and nowhere else. */

#define FS_TRUNCATE  (1ull << 14) /* ABI 3; headers may be older than the kernel */
#define ABI_REFER    2            /* before it nothing could be renamed from one folder to another */
#define ABI_TRUNCATE 3

#define FILE_RIGHTS (LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
#define TREE_RIGHTS                                                                                                                        \
  (FILE_RIGHTS | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                               \
   LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |               \
   LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

#define fail(error, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "recovery-confinement", __VA_ARGS__)

static guint64
handled_by (int abi)
{
  return abi >= ABI_TRUNCATE ? TREE_RIGHTS : TREE_RIGHTS & ~FS_TRUNCATE;
}

static gboolean
allow (int rules, guint64 handled, const char *path, GError **error)
{
  struct landlock_path_beneath_attr rule = { .allowed_access = handled };
  struct stat info;

  rule.parent_fd = open (path, O_PATH | O_CLOEXEC);
  if (rule.parent_fd >= 0 && fstat (rule.parent_fd, &info) == 0)
    {
      if (!S_ISDIR (info.st_mode))
        rule.allowed_access &= FILE_RIGHTS;
      if (syscall (SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0)
        {
          close (rule.parent_fd);
          return TRUE;
        }
    }
  fail (error, "Landlock, %s: %s", path, g_strerror (errno));
  if (rule.parent_fd >= 0)
    close (rule.parent_fd);
  return FALSE;
}

static gboolean
fill (int rules, guint64 handled, const char *const *folders, GError **error)
{
  if (!allow (rules, handled, "/dev/null", error)) /* of shells */
    return FALSE;
  for (; *folders != NULL; folders++)
    if (!allow (rules, handled, *folders, error))
      return FALSE;
  return TRUE;
}

gboolean
teesql_recovery_confine_new (const char *const *folders, int *out_rules, GError **error)
{
  int abi = (int) syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  struct landlock_ruleset_attr attributes = { .handled_access_fs = handled_by (abi) };
  int rules = -1;

  *out_rules = -1;
  if (abi < ABI_REFER)
    return TRUE;
  rules = (int) syscall (SYS_landlock_create_ruleset, &attributes, sizeof attributes.handled_access_fs, 0);
  if (rules < 0)
    return fail (error, "Landlock: %s", g_strerror (errno));
  if (fill (rules, attributes.handled_access_fs, folders, error))
    *out_rules = rules;
  else
    close (rules);
  return *out_rules >= 0;
}
