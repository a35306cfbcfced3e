#pragma once
#include "proxy/teesql-proxy-private.h"

G_BEGIN_DECLS

/* One connection of a client, from accept to the last byte (docs/sessions.md). Only on its own worker. */
void teesql_session_start (TeesqlProxyHome *home, int fd, const struct sockaddr *peer, socklen_t peer_size); /* @fd is owned */
/**
 * teesql_session_close:
 * @reason: static, for the log
 *
 * at once and without a word; the one place where a session ends
 */
void teesql_session_close (TeesqlSession *self, const char *reason);
void teesql_session_drain (TeesqlSession *self);     /* closes what has not begun */
void teesql_session_shut_down (TeesqlSession *self); /* ends what has: cancels, and says 57P01 */
void teesql_session_judge_again (TeesqlSession *self);
void teesql_session_publish (TeesqlSession *self);
void teesql_session_abandon_call (gpointer call); /* main context: its worker is gone */

G_END_DECLS
