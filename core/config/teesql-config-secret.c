/* References to secrets: the file says where, this reads it into locked memory. */
#include "base/teesql-domains.h"
#include "base/teesql-environment.h"
#include "base/teesql-locked-memory.h"
#include "config/teesql-config-value.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static TeesqlSecret *G_GNUC_PRINTF (3, 4) refuse (GError **error, const char *reason, const char *format, ...)
{
  va_list args;
  g_autofree char *message = NULL;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, reason, 0, "%s", message));
  return NULL;
}

/* systemd gives a credential to a user by an access list, whose mask shows as read permission of the group. */
static gboolean
check_secret_file (const char *path, int fd, mode_t allowed, GError **error)
{
  struct stat st;
  const char *wrong = NULL;

  if (fstat (fd, &st) != 0)
    wrong = g_strerror (errno);
  else if (!S_ISREG (st.st_mode))
    wrong = "not a regular file";
  else if (st.st_nlink != 1)
    wrong = "has a second link, so another name can reach it";
  else if (st.st_uid != 0 && st.st_uid != geteuid ())
    wrong = "belongs to neither root nor this user";
  else if ((st.st_mode & 07777u & ~allowed) != 0)
    wrong = "others may open it\nhint: chmod 0600";
  if (wrong != NULL)
    refuse (error, "secret-file", "%s: %s", path, wrong);
  return wrong == NULL;
}

/* Fills locked memory up to @capacity; *out_size tells how much came. */
static gboolean
read_locked (const char *path, int fd, guint8 *data, gsize capacity, gsize *out_size, GError **error)
{
  gsize size = 0;

  while (size < capacity)
    {
      gssize n = read (fd, data + size, capacity - size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          refuse (error, "secret-file", "%s: %s", path, g_strerror (errno));
          return FALSE;
        }
      if (n == 0)
        break;
      size += (gsize) n;
    }
  *out_size = size;
  return TRUE;
}

static TeesqlSecret *
secret_from_fd (const char *path, int fd, GError **error)
{
  gsize capacity = TEESQL_SECRET_MAX_SIZE + 1;
  guint8 *data = teesql_locked_alloc (capacity, error);
  TeesqlSecret *secret = NULL;
  gsize size = 0;

  if (data == NULL)
    return NULL;
  if (read_locked (path, fd, data, capacity, &size, error))
    {
      if (size > 0 && size < capacity && data[size - 1] == '\n')
        size--;
      if (size == 0)
        refuse (error, "secret-empty", "%s: empty", path);
      else if (size > TEESQL_SECRET_MAX_SIZE)
        refuse (error, "secret-size", "%s: larger than %" G_GSIZE_FORMAT " bytes", path, TEESQL_SECRET_MAX_SIZE);
      else
        secret = teesql_secret_new (data, size, error);
    }
  teesql_locked_free (data, capacity);
  return secret;
}

static TeesqlSecret *
secret_from_file (const char *path, mode_t allowed, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
  TeesqlSecret *secret = NULL;

  if (fd < 0)
    return refuse (error, "secret-file", "%s: %s", path, errno == ELOOP ? "a link, expected the file itself" : g_strerror (errno));
  if (check_secret_file (path, fd, allowed, error))
    secret = secret_from_fd (path, fd, error);
  close (fd);
  return secret;
}

static TeesqlSecret *
secret_from_credential (const char *name, GError **error)
{
  const char *folder = g_getenv ("CREDENTIALS_DIRECTORY");
  g_autofree char *path = NULL;

  if (folder == NULL || folder[0] != '/')
    return refuse (error, "secret-credential",
                   "credential:%s: this program was started without credentials\nhint: LoadCredential=%s:… in the unit", name, name);
  path = g_build_filename (folder, name, NULL);
  return secret_from_file (path, 0640, error);
}

/* A unit's environment is readable over D-Bus by every user, so systemd's own services use credentials instead. */
static gboolean
started_by_systemd (void)
{
  g_auto (GStrv) caller = teesql_environment_get_caller ();
  const char *pid = caller != NULL ? g_environ_getenv (caller, "SYSTEMD_EXEC_PID") : NULL;
  g_autofree char *own = g_strdup_printf ("%d", (int) getpid ());

  return g_strcmp0 (pid, own) == 0 || (g_getenv ("INVOCATION_ID") != NULL && getppid () == 1);
}

/* Taken variables are gone, and a reload resolves again: what was taken once is kept here, in locked memory. */
static GMutex taken_lock;
static GHashTable *taken;

static TeesqlSecret *
take_variable (const char *name, GError **error)
{
  char *value = teesql_environment_take (name);
  gsize size = value != NULL ? strlen (value) : 0;
  TeesqlSecret *secret = NULL;

  if (value == NULL || size == 0)
    refuse (error, "secret-env", "env:%s: not set", name);
  else
    secret = teesql_secret_new ((const guint8 *) value, size, error);
  teesql_wipe (value, size);
  g_free (value);
  if (secret != NULL)
    g_hash_table_insert (taken, g_strdup (name), teesql_secret_ref (secret));
  return secret;
}

static TeesqlSecret *
secret_from_env (const char *name, GError **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = NULL;
  TeesqlSecret *secret = NULL;

  if (started_by_systemd ())
    return refuse (error, "secret-env",
                   "env:%s: not for a service of systemd, whose environment everybody can read\nhint: use credential:%s", name, name);
  locker = g_mutex_locker_new (&taken_lock);
  if (taken == NULL)
    taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) teesql_secret_unref);
  secret = g_hash_table_lookup (taken, name);
  return secret != NULL ? teesql_secret_ref (secret) : take_variable (name, error);
}

TeesqlSecret *
teesql_config_resolve_secret (const char *reference, GError **error)
{
  const char *place = strchr (reference, ':');

  if (!teesql_config_check_reference (reference, TRUE, error))
    return NULL;
  place++;
  if (g_str_has_prefix (reference, "file:"))
    return secret_from_file (place, 0600, error);
  if (g_str_has_prefix (reference, "credential:"))
    return secret_from_credential (place, error);
  if (g_str_has_prefix (reference, "env:"))
    return secret_from_env (place, error);
  return refuse (error, "secret-kms", "%s: a key of the KMS cannot be read here", reference);
}
