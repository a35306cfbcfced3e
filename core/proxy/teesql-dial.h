#pragma once
#include "attest/teesql-attest-service.h"
#include "reactor/teesql-stream.h"

G_BEGIN_DECLS

/**
 * TeesqlDial:
 *
 * one way to a `teesqld`: name, TCP, TLS 1.3 with our identity, judgement of the server's evidence. What comes out is a stream over
 * which nothing was sent yet, together with an accepted verdict; there is no other way to get such a stream. Of one worker, on its thread.
 */
typedef struct _TeesqlDial TeesqlDial;

/**
 * TeesqlDialOptions:
 * @credentials: our identity, shown to the server
 * @server_name: (nullable): SNI, and a name that the certificate must carry; %NULL: the host as SNI, and it is checked only
 *   against certificates that carry names at all (evidence says who the server is, a name where it should be)
 *
 * Borrowed for the call.
 */
typedef struct
{
  TeesqlAttestService *attest;
  TeesqlTlsCredentials *credentials;
  const char *host;
  guint16 port;
  const char *server_name;
  guint timeout_ms;
  const TeesqlLogContext *log; /* (nullable) */
} TeesqlDialOptions;

/**
 * TeesqlDialResult:
 * @stream: (transfer full) (nullable): the callee takes it
 * @leaf: (transfer none): DER of the server's certificate
 * @verdict: (transfer none) (nullable): also for a server that was refused
 * @tls: what was negotiated, for people
 * @error: (nullable): exactly when @stream is %NULL. #TEESQL_ATTEST_ERROR REFUSED: the server; UNAVAILABLE in #TEESQL_PROTOCOL_ERROR:
 *   it cannot be reached
 */
typedef struct
{
  TeesqlStream *stream;
  GBytes *leaf;
  TeesqlVerdict *verdict;
  const char *tls;
  const GError *error;
} TeesqlDialResult;

typedef void (*TeesqlDialFunc) (TeesqlDialResult *result, gpointer user_data);

/**
 * teesql_dial_start:
 * @func: runs once, never from inside this call; the dial is gone afterwards
 */
TeesqlDial *teesql_dial_start (TeesqlWorker *worker, const TeesqlDialOptions *options, TeesqlDialFunc func, gpointer user_data);
void teesql_dial_cancel (TeesqlDial *self); /* @func does not run any more */

G_END_DECLS
