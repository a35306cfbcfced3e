#pragma once
#include "dcap-item.h"
#include "dcap-platform.h"

G_BEGIN_DECLS

/**
 * DcapPccsOptions:
 * @base_url: of Intel's service or of a PCCS
 * @root_crl_url: (nullable): %NULL chooses by @base_url
 * @ca: (nullable): authority for https
 */
typedef struct
{
  const char *base_url;
  const char *root_crl_url;
  GTlsDatabase *ca;
  gboolean early;
  guint timeout_ms;
} DcapPccsOptions;

/**
 * DcapPccs:
 *
 * client of Intel's provisioning certification service, version 4, and of caches of it. One thread.
 */
typedef struct _DcapPccs DcapPccs;

/* Reason `collateral-url`. */
DcapPccs *dcap_pccs_new (const DcapPccsOptions *options, GError **error) TEESQL_MUST_USE;
void dcap_pccs_free (DcapPccs *self);
/* where an item comes from, for messages and tests */
char *dcap_pccs_item_url (const DcapPccs *self, DcapItemKind kind, const DcapPlatform *platform);
/* One attempt. Errors: those of dcap_http_get_async(). What arrived is for dcap_item_new_from_response(), in a worker. */
void dcap_pccs_fetch_async (DcapPccs *self, DcapItemKind kind, const DcapPlatform *platform, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);
/* @out_chain: (transfer full) (nullable) */
GBytes *dcap_pccs_fetch_finish (GAsyncResult *result, GBytes **out_chain, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapPccs, dcap_pccs_free)
G_END_DECLS
