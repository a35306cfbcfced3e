#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * DcapPool:
 *
 * a few threads for work that would keep the main loop waiting. Signature checks of strangers never take more cores than these.
 */
typedef struct _DcapPool DcapPool;

/* in a worker: reads and writes what it was given, nothing else */
typedef void (*DcapPoolWork) (gpointer data);
/* back in the context that asked */
typedef void (*DcapPoolDone) (gpointer data);

DcapPool *dcap_pool_new (guint max_threads);
/* nothing may be running */
void dcap_pool_free (DcapPool *self);
/* @data is the caller's; it lives until @done */
void dcap_pool_run (DcapPool *self, DcapPoolWork work, DcapPoolDone done, gpointer data);

G_END_DECLS
