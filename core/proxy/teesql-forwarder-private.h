#pragma once
#include "proxy/teesql-forwarder.h"
#include "reactor/teesql-stream.h"

G_BEGIN_DECLS

/**
 * TeesqlForwarderShared:
 *
 * what all sessions of a forwarder read: settings, the identity as credentials, the keys of our own login. Its lock is held for
 * pointer swaps only. Outlives every session.
 */
typedef struct
{
  TeesqlAttestService *attest;
  char *host;
  guint16 port;
  char *server_name;
  guint connect_timeout_ms;
  guint max_sessions;
  TeesqlSecret *secret; /* (nullable) */
  char *role;           /* (nullable) */
  TeesqlMemory memory;
  gint n_sessions; /* atomic */
  gint next_id;    /* atomic */
  GMutex lock;
  TeesqlTlsIdentity *identity;
  TeesqlTlsCredentials *credentials; /* made from @identity */
  GBytes *keys_salt;
  guint keys_iterations;
  TeesqlSecret *keys; /* of @secret under that salt and count */
} TeesqlForwarderShared;

TeesqlTlsCredentials *teesql_forwarder_shared_ref_credentials (TeesqlForwarderShared *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlSecret *teesql_forwarder_shared_ref_keys (TeesqlForwarderShared *self, const guint8 *salt, gsize salt_size, guint iterations)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_forwarder_shared_set_keys (TeesqlForwarderShared *self, const guint8 *salt, gsize salt_size, guint iterations,
                                       TeesqlSecret *keys);

/**
 * TeesqlForwarderSession:
 *
 * one application's connection, on one worker. Frees itself when it ends and takes itself out of the queue it was put in.
 */
typedef struct _TeesqlForwarderSession TeesqlForwarderSession;
void teesql_forwarder_session_start (TeesqlForwarderShared *shared, TeesqlWorker *worker, int fd, GQueue *sessions);
void teesql_forwarder_session_end (TeesqlForwarderSession *self);

G_END_DECLS
