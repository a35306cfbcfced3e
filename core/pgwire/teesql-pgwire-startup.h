#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

#define TEESQL_STARTUP_MAX_SIZE ((gsize) 10000) /* PostgreSQL's own MAX_STARTUP_PACKET_LENGTH */

typedef enum {
  TEESQL_STARTUP_NEED_MORE,
  TEESQL_STARTUP_SSL_REQUEST,
  TEESQL_STARTUP_GSSENC_REQUEST,
  TEESQL_STARTUP_CANCEL_REQUEST,
  TEESQL_STARTUP_MESSAGE,
  TEESQL_STARTUP_TLS, /* first byte 0x16: a ClientHello, nothing consumed */
} TeesqlStartupKind;

/**
 * TeesqlStartupParameter:
 *
 * borrowed from the packet
 */
typedef struct {
  const char *name;
  const char *value;
} TeesqlStartupParameter;

#define TEESQL_STARTUP_MAX_PARAMETERS 64

/**
 * TeesqlStartup:
 * @size: bytes of the packet, to be consumed
 * @protocol_minor: of a 3.x startup message
 * @cancel_key: of a cancel request, 4..256 bytes, and its process id
 */
typedef struct {
  TeesqlStartupKind kind;
  gsize size;
  guint protocol_minor;
  guint32 cancel_pid;
  const guint8 *cancel_key;
  gsize cancel_key_size;
  const char *user;        /* never NULL in a message */
  const char *database;    /* defaults to user */
  gboolean replication;    /* `replication` asked for; value in the parameters */
  TeesqlStartupParameter parameters[TEESQL_STARTUP_MAX_PARAMETERS];
  guint n_parameters;
  guint n_unknown_options; /* `_pq_.` options, to be named in NegotiateProtocolVersion */
} TeesqlStartup;

/**
 * teesql_startup_parse:
 *
 * one packet from the front of @data; pure. A length over %TEESQL_STARTUP_MAX_SIZE is refused from its first four bytes.
 *
 * Returns: %FALSE with MALFORMED or UNSUPPORTED in #TEESQL_PROTOCOL_ERROR; reasons `startup-length`, `startup-version`, `startup-malformed`,
 *   `startup-no-user`, `startup-duplicate`
 */
gboolean teesql_startup_parse (const guint8 *data, gsize size, TeesqlStartup *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
const char *teesql_startup_get_parameter (const TeesqlStartup *self, const char *name); /* (nullable) */

G_END_DECLS
