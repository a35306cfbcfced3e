#include "base/teesql-domains.h"
#include "storage/teesql-storage-confine.h"
#include "teesql-build.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface in full; the headers that we build with may be older than the kernel that we run on. */
#define FS_TRUNCATE     (1ull << 14) /* ABI 3 */
#define FS_IOCTL_DEV    (1ull << 15) /* ABI 5 */
#define NET_BIND_TCP    (1ull << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT  (1ull << 0) /* ABI 6 */
#define SCOPE_SIGNAL    (1ull << 1)
#define RULE_NET_PORT   2
#define ABI_NETWORK     4
#define DNS_PORT        53

typedef struct
{
  guint64 handled_access_fs;
  guint64 handled_access_net;
  guint64 scoped;
} RulesetAttributes;

typedef struct
{
  guint64 allowed_access;
  guint64 port;
} PortAttributes;

/* Rights that make sense for a file; a rule for a file with any other is refused. */
#define FILE_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Plain files and folders: no sockets, pipes, devices or links, and nothing is executed anywhere. */
#define WRITE_RIGHTS                                                                                                                       \
  (READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                          \
   LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)

/* What libraries read by themselves: code, certificates, time zones, name resolution. Mapping code needs no right to execute. */
static const char *const always_readable[] = {
  "/lib",
  "/lib64",
  "/usr/lib",
  "/usr/lib64",
  "/usr/local/lib",
  TEESQL_LIBDIR,
  "/etc/ld.so.cache",
  "/etc/resolv.conf",
  "/run/systemd/resolve",
  "/etc/hosts",
  "/etc/nsswitch.conf",
  "/etc/gai.conf",
  "/etc/host.conf",
  "/etc/services",
  "/etc/protocols",
  "/etc/ssl",
  "/etc/pki",
  "/etc/ca-certificates",
  "/etc/pkcs11",
  "/usr/share/ca-certificates",
  "/usr/local/share/ca-certificates",
  "/usr/share/p11-kit",
  "/usr/share/zoneinfo",
  "/etc/localtime",
  "/dev/urandom",
  "/dev/random",
  "/dev/zero",
  "/sys/devices/system/cpu",
};

#define fail(error, ...) teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "storage-confinement", __VA_ARGS__)

static int
get_abi (void)
{
  return (int) syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static guint64
handled_by (int abi)
{
  guint64 rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

  if (abi >= 2)
    rights |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3)
    rights |= FS_TRUNCATE;
  return abi >= 5 ? rights | FS_IOCTL_DEV : rights;
}

static int
create_ruleset (int abi)
{
  RulesetAttributes attributes = { .handled_access_fs = handled_by (abi) };
  gsize size = sizeof attributes.handled_access_fs;

  if (abi >= ABI_NETWORK)
    {
      attributes.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
      size += sizeof attributes.handled_access_net;
    }
  if (abi >= 6)
    {
      attributes.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
      size += sizeof attributes.scoped;
    }
  return (int) syscall (SYS_landlock_create_ruleset, &attributes, size, 0);
}

/* @fd: O_PATH of what stands for the rule */
static gboolean
allow (int ruleset, int abi, int fd, guint64 rights)
{
  struct landlock_path_beneath_attr rule = { .parent_fd = fd, .allowed_access = rights & handled_by (abi) };
  struct stat info = { 0 };

  if (fstat (fd, &info) < 0)
    return FALSE;
  if (!S_ISDIR (info.st_mode))
    rule.allowed_access &= FILE_RIGHTS;
  return syscall (SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

static gboolean
allow_standard (int ruleset, int abi, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (always_readable); i++)
    {
      int fd = open (always_readable[i], O_PATH | O_CLOEXEC);
      gboolean good = fd < 0 || allow (ruleset, abi, fd, READ_RIGHTS);

      if (fd >= 0)
        close (fd);
      if (!good)
        return fail (error, "Landlock, %s: %s", always_readable[i], g_strerror (errno));
    }
  return TRUE;
}

static gboolean
allow_null (int ruleset, int abi, GError **error)
{
  int fd = open ("/dev/null", O_PATH | O_CLOEXEC);
  gboolean good = fd < 0 || allow (ruleset, abi, fd, FILE_RIGHTS);

  if (fd >= 0)
    close (fd);
  return good || fail (error, "Landlock, /dev/null: %s", g_strerror (errno));
}

/* That a path cannot be used is better said now, with what to do about it, than by the first backup. */
static gboolean
check_path (const TeesqlStoragePath *path, GError **error)
{
  int mode = (path->flags & TEESQL_STORAGE_PATH_WRITE) != 0 ? R_OK | W_OK : R_OK;

  if (faccessat (AT_FDCWD, path->path, mode, AT_EACCESS) == 0)
    return TRUE;
  if (errno == ENOENT)
    return teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "storage-path",
                        "%s does not exist\nhint: mkdir -p %s, owned by user %u", path->path, path->path, (guint) geteuid ());
  return teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION, "storage-path",
                      "%s: %s, for user %u that the storage host runs as\nhint: chown it, and let that user through the folders above",
                      path->path, g_strerror (errno), (guint) geteuid ());
}

static gboolean
allow_declared (int ruleset, int abi, const TeesqlStoragePath *path, GError **error)
{
  gboolean writable = (path->flags & TEESQL_STORAGE_PATH_WRITE) != 0;
  int fd = open (path->path, O_PATH | O_CLOEXEC);
  gboolean good = fd >= 0 && allow (ruleset, abi, fd, writable ? WRITE_RIGHTS : READ_RIGHTS);

  if (!good)
    fail (error, "Landlock, %s: %s", path->path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  return good;
}

static gboolean
allow_port (int ruleset, guint16 port, GError **error)
{
  PortAttributes rule = { .allowed_access = NET_CONNECT_TCP, .port = port };

  return syscall (SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) == 0 ||
         fail (error, "Landlock, port %u: %s", port, g_strerror (errno));
}

static gboolean
allow_ports (int ruleset, const GArray *ports, GError **error)
{
  for (guint i = 0; i < ports->len; i++)
    {
      if (!allow_port (ruleset, g_array_index (ports, guint16, i), error))
        return FALSE;
    }
  return ports->len == 0 || allow_port (ruleset, DNS_PORT, error);
}

static gboolean
fill (int ruleset, int abi, const TeesqlStorageSandbox *sandbox, GError **error)
{
  if (!allow_standard (ruleset, abi, error) || !allow_null (ruleset, abi, error))
    return FALSE;
  for (guint i = 0; i < sandbox->paths->len; i++)
    {
      if (!allow_declared (ruleset, abi, sandbox->paths->pdata[i], error))
        return FALSE;
    }
  return abi < ABI_NETWORK || allow_ports (ruleset, sandbox->ports, error);
}

static gboolean
enforce (int abi, const TeesqlStorageSandbox *sandbox, GError **error)
{
  int ruleset = create_ruleset (abi);
  gboolean good = FALSE;

  if (ruleset < 0)
    return fail (error, "Landlock: %s", g_strerror (errno));
  good = fill (ruleset, abi, sandbox, error) &&
         (syscall (SYS_landlock_restrict_self, ruleset, 0) == 0 || fail (error, "Landlock: %s", g_strerror (errno)));
  close (ruleset);
  return good;
}

gboolean
teesql_storage_landlock (const TeesqlStorageSandbox *sandbox, guint *out_degradation, GError **error)
{
  int abi = get_abi ();

  for (guint i = 0; i < sandbox->paths->len; i++)
    {
      if (!check_path (sandbox->paths->pdata[i], error))
        return FALSE;
    }
  *out_degradation = TEESQL_STORAGE_CONFINED;
  if (abi < 1)
    *out_degradation = TEESQL_STORAGE_UNCONFINED_PATHS;
  else if (abi < ABI_NETWORK && sandbox->ports->len > 0) /* without ports the filter lets no socket be made at all */
    *out_degradation = TEESQL_STORAGE_UNCONFINED_PORTS;
  return abi < 1 || enforce (abi, sandbox, error);
}
