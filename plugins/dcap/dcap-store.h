#pragma once
#include "dcap-memory.h"
#include "dcap-verify.h"

G_BEGIN_DECLS

/**
 * DcapStoreOptions:
 * @directory: (nullable): where items survive a restart
 * @early: which of Intel's two sets; each has numbers of its own
 * @refresh_after_ms: ask again after, or at half of the remaining life if sooner
 */
typedef struct
{
  const char *directory;
  gboolean early;
  guint refresh_after_ms;
} DcapStoreOptions;

/**
 * DcapStore:
 *
 * the newest proved item of each kind, for each platform kind; in memory and on disk. It never goes back: an item with a lower
 * evaluation number, an earlier issue date or a lower CRL number than one proved before is refused. Files are proved
 * again when they are read, so who writes them gains nothing, except that deleting one forgets its numbers. Thread
 * safe, refcounted; calls may block on the disk.
 */
typedef struct _DcapStore DcapStore;

DcapStore *dcap_store_new (DcapMemory *memory, const DcapStoreOptions *options);
DcapStore *dcap_store_ref (DcapStore *self);
void dcap_store_unref (DcapStore *self);

/**
 * DcapStoreAnswer:
 * @facts: (transfer full): those that hold at the time asked, %NULL where there is none
 * @wanted: bit per kind: missing, or due to be fetched again
 */
typedef struct
{
  DcapFact *facts[DCAP_N_ITEMS];
  gboolean complete;
  guint wanted;
} DcapStoreAnswer;

void dcap_store_lookup (DcapStore *self, const DcapPlatform *platform, const DcapRules *rules, DcapStoreAnswer *out_answer);
void dcap_store_answer_clear (DcapStoreAnswer *self);
/**
 * dcap_store_accept:
 *
 * proves a fetched item and keeps it. Reasons: those of the item, and `-rollback`.
 */
gboolean dcap_store_accept (DcapStore *self, const DcapPlatform *platform, DcapItem *item, const DcapRules *rules, GError **error)
    TEESQL_MUST_USE;
/* after a fetch failed: leave these kinds alone for a while, as long as what we have holds */
void dcap_store_postpone (DcapStore *self, const DcapPlatform *platform, guint kinds, guint delay_ms);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapStore, dcap_store_unref)
G_END_DECLS
