#pragma once
#include "simulator/teesql-sim-state.h"
#include <libsoup/soup.h>

G_BEGIN_DECLS

/* What agent and PCCS share: a server with limits, answers, and the ways of not answering. */

#define TEESQL_SIM_MAX_BODY     ((gsize) 1048576)
#define TEESQL_SIM_MAX_REQUESTS 128 /* at a time, of one server */

SoupServer *teesql_sim_http_new (void) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_sim_http_listen_unix (SoupServer *server, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_http_listen_tcp:
 * @address: `ADDR:PORT`, port 0 for any free one
 * @loopback_only: refuse anything else
 *
 * Returns: (transfer full) (nullable): `http://ADDR:PORT` with the port it got
 */
char *teesql_sim_http_listen_tcp (SoupServer *server, const char *address, gboolean loopback_only, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_unix_socket_new:
 *
 * Returns: (transfer full) (nullable): a socket of mode 0600 at @path, bound and listening; what an earlier run left there is removed
 */
GSocket *teesql_sim_unix_socket_new (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_http_misbehave:
 *
 * Returns: %TRUE when this request gets no proper answer
 */
gboolean teesql_sim_http_misbehave (SoupServerMessage *message, const TeesqlSimTransportFaults *faults);
/* delays an answer that is already set */
void teesql_sim_http_delay (SoupServerMessage *message, const TeesqlSimTransportFaults *faults);
void teesql_sim_http_reply (SoupServerMessage *message, guint status, const char *content_type, GBytes *body);
/* takes @json and wipes it when it was sent */
void teesql_sim_http_reply_json (SoupServerMessage *message, guint status, char *json);
void teesql_sim_http_reply_error (SoupServerMessage *message, guint status, const char *text);

G_END_DECLS
