#include "postgres/teesql-backend.h"
#include "base/teesql-domains.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

struct _TeesqlBackend
{
  gatomicrefcount references;
  union
  {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } address;
  socklen_t address_size;
  char *description;
  TeesqlRoleKeys *role_keys;
};

G_DEFINE_BOXED_TYPE (TeesqlBackend, teesql_backend, teesql_backend_ref, teesql_backend_unref)

static gboolean
backend_set_local (TeesqlBackend *self, const char *folder, guint16 port)
{
  self->description = g_strdup_printf ("%s/.s.PGSQL.%u", folder, port);
  if (g_strlcpy (self->address.local.sun_path, self->description, sizeof self->address.local.sun_path) >=
      sizeof self->address.local.sun_path)
    return FALSE;
  self->address.local.sun_family = AF_UNIX;
  self->address_size = sizeof self->address.local;
  return TRUE;
}

/* What the design promises about plaintext holds only where the bytes stay on this machine. */
static gboolean
backend_set_loopback (TeesqlBackend *self, const char *host, guint16 port)
{
  if (inet_pton (AF_INET, host, &self->address.v4.sin_addr) == 1)
    {
      self->address.v4.sin_family = AF_INET;
      self->address.v4.sin_port = htons (port);
      self->address_size = sizeof self->address.v4;
      self->description = g_strdup_printf ("%s:%u", host, port);
      return ntohl (self->address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
  if (inet_pton (AF_INET6, host, &self->address.v6.sin6_addr) == 1)
    {
      self->address.v6.sin6_family = AF_INET6;
      self->address.v6.sin6_port = htons (port);
      self->address_size = sizeof self->address.v6;
      self->description = g_strdup_printf ("[%s]:%u", host, port);
      return IN6_IS_ADDR_LOOPBACK (&self->address.v6.sin6_addr);
    }
  return FALSE;
}

TeesqlBackend *
teesql_backend_new (const TeesqlConfig *config, TeesqlRoleKeys *role_keys, GError **error)
{
  g_autoptr (TeesqlBackend) self = g_new0 (TeesqlBackend, 1);
  const char *host = teesql_config_get_string (config, "postgresql", "host");
  gint64 port = teesql_config_get_integer (config, "postgresql", "port");
  gboolean usable = FALSE;

  g_atomic_ref_count_init (&self->references);
  self->role_keys = teesql_role_keys_ref (role_keys);
  if (host != NULL && port > 0 && port <= G_MAXUINT16)
    usable = g_path_is_absolute (host) ? backend_set_local (self, host, (guint16) port) : backend_set_loopback (self, host, (guint16) port);
  if (!usable)
    {
      g_autofree char *where = teesql_config_describe (config, "postgresql", "host");

      g_propagate_error (error, teesql_error_new (TEESQL_POSTGRES_ERROR, TEESQL_ERROR_CONFIG, "postgres-host", 0,
                                                  "%s: '%s' is neither a folder for sockets nor a loopback address\n"
                                                  "hint: write a path under 90 bytes, 127.0.0.1 or ::1",
                                                  where, host != NULL ? host : ""));
      return NULL;
    }
  return g_steal_pointer (&self);
}

TeesqlBackend *
teesql_backend_ref (TeesqlBackend *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
teesql_backend_unref (TeesqlBackend *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  teesql_role_keys_unref (self->role_keys);
  g_free (self->description);
  g_free (self);
}

const struct sockaddr *
teesql_backend_get_sockaddr (const TeesqlBackend *self, socklen_t *out_size)
{
  *out_size = self->address_size;
  return &self->address.any;
}

gboolean
teesql_backend_is_local (const TeesqlBackend *self)
{
  return self->address.any.sa_family == AF_UNIX;
}

const char *
teesql_backend_describe (const TeesqlBackend *self)
{
  return self->description;
}

TeesqlRoleKeys *
teesql_backend_get_role_keys (const TeesqlBackend *self)
{
  return self->role_keys;
}
