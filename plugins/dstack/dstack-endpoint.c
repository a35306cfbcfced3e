#include "dstack-endpoint.h"
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define SIMULATOR_VARIABLE "DSTACK_SIMULATOR_ENDPOINT"
#define DEFAULT_SOCKET     "/var/run/dstack.sock"

static const char *const known_sockets[] = { DEFAULT_SOCKET, "/run/dstack.sock", "/var/run/dstack/dstack.sock", "/run/dstack/dstack.sock" };
static const char *const tdx_devices[] = { "/dev/tdx_guest", "/sys/kernel/config/tsm/report" };

static gboolean
path_exists (const char *path)
{
  return access (path, F_OK) == 0;
}

static const DstackSurroundings this_machine = { g_getenv, path_exists };

void
dstack_endpoint_free (DstackEndpoint *self)
{
  g_clear_object (&self->address);
  g_free (self->path);
  g_free (self->host);
  g_free (self->taint);
  g_free (self->name);
  g_free (self);
}

static DstackEndpoint *
new_unix (const char *path, GQuark domain, GError **error)
{
  DstackEndpoint *self = NULL;

  if (path[0] != '/' || strlen (path) >= sizeof ((struct sockaddr_un *) NULL)->sun_path)
    {
      g_propagate_error (error,
                         teesql_error_new (domain, TEESQL_ERROR_CONFIG, "agent-endpoint", 0,
                                           "endpoint %s: neither auto, an absolute path of at most 107 bytes, nor an http:// URL", path));
      return NULL;
    }
  self = g_new0 (DstackEndpoint, 1);
  self->address = G_SOCKET_CONNECTABLE (g_unix_socket_address_new (path));
  self->path = g_strdup ("");
  self->host = g_strdup ("dstack");
  self->name = g_strdup (path);
  return self;
}

/* both go into the head of requests */
static gboolean
is_graphic (const char *text)
{
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isgraph (*p))
      return FALSE;
  return TRUE;
}

static DstackEndpoint *
new_http (const char *url, GQuark domain, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED_PATH, NULL);
  DstackEndpoint *self = NULL;
  guint16 port = 0;

  if (uri == NULL || g_strcmp0 (g_uri_get_scheme (uri), "http") != 0 || g_uri_get_host (uri) == NULL || g_uri_get_host (uri)[0] == '\0' ||
      g_uri_get_userinfo (uri) != NULL || g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL ||
      !is_graphic (g_uri_get_host (uri)) || !is_graphic (g_uri_get_path (uri)))
    {
      g_propagate_error (error, teesql_error_new (domain, TEESQL_ERROR_CONFIG, "agent-endpoint", 0,
                                                  "endpoint %s: not of the form http://HOST[:PORT][/PATH]", url));
      return NULL;
    }
  port = g_uri_get_port (uri) > 0 ? (guint16) g_uri_get_port (uri) : 80;
  self = g_new0 (DstackEndpoint, 1);
  self->address = g_network_address_new (g_uri_get_host (uri), port);
  self->path = g_strdup (g_uri_get_path (uri));
  if (g_str_has_suffix (self->path, "/"))
    self->path[strlen (self->path) - 1] = '\0';
  self->host = g_strdup_printf (strchr (g_uri_get_host (uri), ':') != NULL ? "[%s]:%u" : "%s:%u", g_uri_get_host (uri), port);
  self->name = g_strdup (url);
  self->taint = g_strdup_printf ("agent over %s", url);
  return self;
}

static DstackEndpoint *
new_named (const char *endpoint, GQuark domain, GError **error)
{
  if (strstr (endpoint, "://") != NULL)
    return new_http (endpoint, domain, error);
  return new_unix (endpoint, domain, error);
}

/* Whoever sets this variable in a real guest would own every key and every verdict. */
static DstackEndpoint *
new_simulator (const char *endpoint, const DstackSurroundings *surroundings, GQuark domain, GError **error)
{
  DstackEndpoint *self = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (tdx_devices); i++)
    if (surroundings->exists (tdx_devices[i]))
      {
        g_propagate_error (error, teesql_error_new (domain, TEESQL_ERROR_CONFIG, "simulator-beside-tdx", 0,
                                                    SIMULATOR_VARIABLE " is set, but this is a real TDX guest (%s exists)\n"
                                                                       "hint: remove the variable, or write endpoint in the configuration",
                                                    tdx_devices[i]));
        return NULL;
      }
  self = new_named (endpoint, domain, error);
  if (self != NULL)
    {
      g_free (self->taint);
      self->taint = g_strdup_printf ("simulator at %s (" SIMULATOR_VARIABLE ")", endpoint);
    }
  return self;
}

DstackEndpoint *
dstack_endpoint_new (const char *configured, const DstackSurroundings *surroundings, GQuark domain, GError **error)
{
  const char *simulator = NULL;

  if (surroundings == NULL)
    surroundings = &this_machine;
  if (g_strcmp0 (configured, "auto") != 0)
    return new_named (configured, domain, error);
  /* set but empty is an endpoint to the SDKs and a slip to everybody else: unset */
  simulator = surroundings->get_environment (SIMULATOR_VARIABLE);
  if (simulator != NULL && simulator[0] != '\0')
    return new_simulator (simulator, surroundings, domain, error);
  for (guint i = 0; i < G_N_ELEMENTS (known_sockets); i++)
    if (surroundings->exists (known_sockets[i]))
      return new_unix (known_sockets[i], domain, error);
  g_propagate_error (error, teesql_error_new (domain, TEESQL_ERROR_UNAVAILABLE, "agent-absent", 0,
                                              "guest agent: no socket at " DEFAULT_SOCKET " nor at the other known places\n"
                                              "hint: outside a dstack guest start teesql-simulator and write its socket as endpoint"));
  return NULL;
}
