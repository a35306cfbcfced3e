#pragma once
#include "proxy/teesql-admission.h"
#include "proxy/teesql-cancel-table.h"
#include "proxy/teesql-key-pool.h"
#include "proxy/teesql-proxy-settings.h"
#include "proxy/teesql-proxy.h"
#include "reactor/teesql-stream.h"

G_BEGIN_DECLS

typedef struct _TeesqlProxyHome TeesqlProxyHome;
typedef struct _TeesqlProxyListener TeesqlProxyListener;
typedef struct _TeesqlSession TeesqlSession;

/**
 * TeesqlProxyShared:
 *
 * what all workers of a proxy look at. @mutex guards @settings and @backend; the rest is fixed or atomic.
 */
typedef struct
{
  GMainContext *context; /* the main one */
  TeesqlAttestService *attest;
  TeesqlStatus *status;
  TeesqlSecret *roles_key;
  TeesqlAdmission *admission;
  TeesqlCancelTable *cancels;
  TeesqlKeyPool *pool;
  TeesqlMemory memory;
  gsize published_memory; /* under @mutex */
  GMutex mutex;
  TeesqlProxySettings *settings;
  TeesqlBackend *backend;
  guint judge_generation;               /* atomic: a verdict of an earlier one is asked for again */
  guint draining;                       /* atomic */
  guint n_sessions;                     /* atomic: connections of any state */
  guint64 last_id;                      /* of a connection; under @mutex */
  void (*emptied) (gpointer user_data); /* (any thread) the last connection of a draining proxy is gone */
  gpointer user_data;
} TeesqlProxyShared;

TeesqlProxySettings *teesql_proxy_shared_ref_settings (TeesqlProxyShared *self);
TeesqlBackend *teesql_proxy_shared_ref_backend (TeesqlProxyShared *self); /* (nullable) */
guint64 teesql_proxy_shared_next_id (TeesqlProxyShared *self);

/**
 * TeesqlProxyHome:
 *
 * a worker's own part: its listeners, its sessions, and the credentials it made last. Touched on that worker only.
 */
struct _TeesqlProxyHome
{
  TeesqlProxyShared *shared;
  TeesqlWorker *worker;
  GPtrArray *listeners; /* TeesqlProxyListener */
  GQueue sessions;      /* TeesqlSession, by their links */
  GHashTable *calls;    /* TeesqlJudgeCall under way */
  gboolean started;
  TeesqlTlsCredentials *credentials;
  TeesqlTimer publisher; /* of byte counts */
  gboolean began;        /* a session, since the publisher ran */
  gboolean burst;        /* sessions began since memory was given back */
  TeesqlTimer drain;
  guint log_tokens; /* lines about strangers that this second may still see */
  gint64 log_second;
  guint n_unlogged;
};

TeesqlProxyHome *teesql_proxy_home_new (TeesqlProxyShared *shared, guint index, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_proxy_home_free (TeesqlProxyHome *self);
/**
 * teesql_proxy_home_ref_credentials:
 *
 * Returns: (transfer full) (nullable): of the identity that is valid now; %NULL where there is none and no handshake may be made
 */
TeesqlTlsCredentials *teesql_proxy_home_ref_credentials (TeesqlProxyHome *self) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_proxy_home_may_log:
 *
 * strangers decide how often they fail: their lines are counted and, above a rate, left out
 */
gboolean teesql_proxy_home_may_log (TeesqlProxyHome *self);
void teesql_proxy_home_publish_soon (TeesqlProxyHome *self); /* there is a session whose bytes count */
/* Posted to the worker by the proxy. */
void teesql_proxy_home_drain (gpointer home);
void teesql_proxy_home_judge_again (gpointer home);
void teesql_proxy_home_close (gpointer home);

/**
 * teesql_proxy_listener_new:
 * @fd: listening and non-blocking; owned
 * @exclusive: shared with other workers, of which one is to wake up
 */
TeesqlProxyListener *teesql_proxy_listener_new (TeesqlProxyHome *home, int fd, gboolean exclusive);
void teesql_proxy_listener_start (TeesqlProxyListener *self); /* on the worker */
void teesql_proxy_listener_free (TeesqlProxyListener *self);
/**
 * teesql_proxy_bind:
 * @text: ADDR:PORT, IPv6 in brackets
 * @port: not 0: instead of the text's
 *
 * Returns: a listening socket with SO_REUSEPORT, or -1
 */
int teesql_proxy_bind (const char *text, guint16 port, GError **error);
guint16 teesql_proxy_get_bound_port (int fd);

G_END_DECLS
