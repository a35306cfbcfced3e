#pragma once
#include "pgwire/teesql-pgwire-message.h"
#include "proxy/teesql-forwarder-private.h"

G_BEGIN_DECLS

/**
 * TeesqlForwarderLogin:
 *
 * the forwarder's own login with `[connect] secret`: SCRAM-SHA-256-PLUS, bound to the certificate whose evidence was judged. Keys are
 * computed once per salt and count, on a thread. Of one session, on its worker.
 */
typedef struct _TeesqlForwarderLogin TeesqlForwarderLogin;
typedef void (*TeesqlForwarderLoginFunc) (gpointer user_data);

/**
 * teesql_forwarder_login_new:
 * @leaf: DER of the server's certificate
 * @ready: runs when keys are there and the server may be read again
 */
TeesqlForwarderLogin *teesql_forwarder_login_new (TeesqlForwarderShared *shared, GBytes *leaf, TeesqlForwarderLoginFunc ready,
                                                  gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_forwarder_login_free (TeesqlForwarderLogin *self);
gboolean teesql_forwarder_login_is_busy (const TeesqlForwarderLogin *self);
/**
 * teesql_forwarder_login_take:
 * @data: the message as it came, to be passed on where it concerns the application
 * @out_settled: the server accepted (its AuthenticationOk was passed on) or refused (its error was)
 *
 * one message of the server
 */
gboolean teesql_forwarder_login_take (TeesqlForwarderLogin *self, const TeesqlMessage *message, const guint8 *data, TeesqlStream *client,
                                      TeesqlStream *server, gboolean *out_settled, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
