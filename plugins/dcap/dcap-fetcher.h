#pragma once
#include "dcap-pccs.h"
#include "dcap-pool.h"
#include "dcap-store.h"

G_BEGIN_DECLS

/**
 * DcapFetcher:
 *
 * brings items into the store. Who asks for a kind of platform that is being fetched already waits for the same answers.
 * One thread.
 */
typedef struct _DcapFetcher DcapFetcher;

/* @pccs: (transfer full); @pool outlives the fetcher */
DcapFetcher *dcap_fetcher_new (DcapPccs *pccs, DcapStore *store, DcapPool *pool);
/* nobody may be waiting; what runs in the background is cancelled */
void dcap_fetcher_free (DcapFetcher *self);
/**
 * dcap_fetcher_fetch_async:
 * @kinds: bit per kind
 *
 * Returns when every item was fetched, proved and kept, or was not: then with the error of the first that failed. The store
 * may be richer all the same. The last one to cancel cancels the requests, and hears of it when they have ended.
 */
void dcap_fetcher_fetch_async (DcapFetcher *self, DcapPlatform *platform, guint kinds, const DcapRules *rules, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
gboolean dcap_fetcher_fetch_finish (GAsyncResult *result, GError **error);
/* the same for nobody in particular */
void dcap_fetcher_refresh (DcapFetcher *self, DcapPlatform *platform, guint kinds, const DcapRules *rules);

G_END_DECLS
