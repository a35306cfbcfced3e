#pragma once
#include <gio/gio.h>

#include "dcap-trust.h"

G_BEGIN_DECLS

/**
 * DcapOptions:
 *
 * the properties as they were set, then what they stand for. Words `none`, `auto` and `intel` are %NULL after dcap_options_resolve().
 */
typedef struct
{
  char *trusted_root;
  char *collateral_url;
  char *root_crl_url;
  char *collateral_ca;
  char *collateral_file;
  char *tcb_update;
  char *cache_directory;
  guint fetch_timeout_ms;
  guint refresh_after_ms;
  guint future_issue_date_ms;

  DcapTrust trust;
  GTlsDatabase *ca;
  gboolean early;
} DcapOptions;

void dcap_options_install (GObjectClass *klass);
void dcap_options_set (DcapOptions *self, guint property_id, const GValue *value);
gboolean dcap_options_is_property (guint property_id);
/* Reads the files the options name: blocks. Reasons: `trusted-root`, `collateral-ca`, `tcb-update`. */
gboolean dcap_options_resolve (DcapOptions *self, GError **error) TEESQL_MUST_USE;
void dcap_options_clear (DcapOptions *self);

G_END_DECLS
