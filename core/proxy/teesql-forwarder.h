#pragma once
#include "attest/teesql-attest-service.h"
#include "config/teesql-config.h"
#include "reactor/teesql-tls-credentials.h"

G_BEGIN_DECLS

/**
 * TeesqlForwarder:
 *
 * the client's end of `teesql connect`: takes plain PostgreSQL connections on a socket of this machine and carries each to a
 * `teesqld` over attested TLS. Authentication stays between application and server, unless a secret is configured: then the forwarder
 * logs in itself, by SCRAM with channel binding. Made, listened and stopped on one thread; sessions live on its workers.
 */
#define TEESQL_TYPE_FORWARDER (teesql_forwarder_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlForwarder, teesql_forwarder, TEESQL, FORWARDER, GObject)

/**
 * TeesqlForwarderOptions:
 * @server_name: (nullable): as in #TeesqlDialOptions
 * @secret: (nullable): log in with it
 * @role: (nullable): as this role, whoever the application says it is; only with @secret
 *
 * Borrowed for the call.
 */
typedef struct
{
  TeesqlAttestService *attest;
  const char *host;
  guint16 port;
  const char *server_name;
  guint connect_timeout_ms;
  guint max_sessions;
  guint workers;
  TeesqlSecret *secret;
  const char *role;
} TeesqlForwarderOptions;

TeesqlForwarder *teesql_forwarder_new (const TeesqlForwarderOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_forwarder_listen_unix:
 * @directory: made with mode 0700 where it is missing; refused where others may write
 *
 * `DIRECTORY/.s.PGSQL.5432`, mode 0600. One that a killed forwarder left behind is replaced, one that answers is not (`address-in-use`).
 */
gboolean teesql_forwarder_listen_unix (TeesqlForwarder *self, const char *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_forwarder_listen_tcp:
 * @address_port: loopback, `127.0.0.1:PORT` or `[::1]:PORT`; port 0: any free one
 *
 * refused together with a secret: whoever reaches the port would be logged in
 */
gboolean teesql_forwarder_listen_tcp (TeesqlForwarder *self, const char *address_port, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* What a driver is given: folder of the socket or address, and the port. */
const char *teesql_forwarder_get_host (TeesqlForwarder *self);
guint16 teesql_forwarder_get_port (TeesqlForwarder *self);
/**
 * teesql_forwarder_stop:
 *
 * closes the listener, removes the socket, ends every session, joins the workers
 */
void teesql_forwarder_stop (TeesqlForwarder *self);

G_END_DECLS
