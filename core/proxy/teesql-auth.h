#pragma once
#include "attest/teesql-verdict.h"
#include "pgwire/teesql-pgwire-message.h"
#include "proxy/teesql-proxy-settings.h"

G_BEGIN_DECLS

#define TEESQL_AUTH_MAX_MESSAGE ((gsize) 2048 + 256) /* a SCRAM message, its mechanism and lengths */

/**
 * TeesqlAuth:
 *
 * authentication of one client: bytes in, bytes out, no socket. It can only be made from an accepted verdict, and what comes after it
 * only from one that succeeded: no path leads around attestation.
 */
typedef struct _TeesqlAuth TeesqlAuth;

typedef enum
{
  TEESQL_AUTH_MORE,      /* send @out, wait for the next message */
  TEESQL_AUTH_DERIVE,    /* run teesql_auth_derive() on a pool, then teesql_auth_conclude() */
  TEESQL_AUTH_SUCCEEDED, /* @out is the end of the exchange, without AuthenticationOk */
  TEESQL_AUTH_FAILED,    /* wrong secret, unknown role, broken exchange: one generic answer, after the delay */
} TeesqlAuthStep;

/**
 * TeesqlAuthOptions:
 * @verdict: about the peer
 * @decoys: the key that decoys of unknown roles are derived from
 * @end_point: (nullable): tls-server-end-point of the certificate that the client saw: PLUS is offered
 *
 * Borrowed for the call, referenced where kept.
 */
typedef struct
{
  TeesqlVerdict *verdict;
  TeesqlProxySettings *settings;
  TeesqlSecret *decoys;
  const char *user;
  GBytes *end_point;
} TeesqlAuthOptions;

/**
 * teesql_auth_new:
 *
 * Returns: (transfer full) (nullable): %NULL with REFUSED `not-attested` in #TEESQL_PROTOCOL_ERROR unless the verdict accepts
 */
TeesqlAuth *teesql_auth_new (const TeesqlAuthOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlAuth *teesql_auth_ref (TeesqlAuth *self);
void teesql_auth_unref (TeesqlAuth *self);
void teesql_auth_begin (TeesqlAuth *self, GByteArray *out);
/**
 * teesql_auth_take:
 * @message: of type `p`
 * @error: why, for the log; the client is not told
 */
TeesqlAuthStep teesql_auth_take (TeesqlAuth *self, TeesqlMessage *message, GByteArray *out, GError **error);
void teesql_auth_derive (TeesqlAuth *self); /* (any thread) blocks for the rounds; nobody else may use @self meanwhile */
TeesqlAuthStep teesql_auth_conclude (TeesqlAuth *self, GError **error);
/**
 * teesql_auth_get_role:
 *
 * Returns: (transfer none) (nullable): what was proved; %NULL unless it succeeded
 */
const TeesqlProxyRole *teesql_auth_get_role (const TeesqlAuth *self);
const char *teesql_auth_describe_method (const TeesqlAuth *self); /* `scram-sha-256-plus` */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlAuth, teesql_auth_unref)
G_END_DECLS
