#pragma once
#include <gio/gio.h>
#include <teesql/teesql-secret.h>

#include "../dcap/dcap-trust.h"
#include "ita-claims.h"

G_BEGIN_DECLS

/**
 * ItaOptions:
 *
 * the first half as written, the second what ita_options_resolve() made of it
 */
typedef struct
{
  char *region;
  char *base_text;
  char *keys_text;
  char *issuer_text;
  TeesqlSecret *api_key;
  char **policy_ids;
  gboolean allow_rs256;
  guint max_token_age_ms;
  guint key_lifetime_ms;
  guint timeout_ms;
  char *proxy;
  char *ca_file;
  char *pinned_root_text;
  char *trusted_root;

  char *base_url; /* without a slash at its end */
  char *key_set_url;
  char *issuer;
  char *taint; /* (nullable): why it does not rest on Intel */
  guint8 pinned_root[32];
  gboolean has_pinned_root;
  DcapTrust trust;
  GTlsDatabase *ca;
} ItaOptions;

void ita_options_install (GObjectClass *klass);
gboolean ita_options_is_property (guint property_id);
void ita_options_set (ItaOptions *self, guint property_id, const GValue *value);
/**
 * ita_options_resolve:
 *
 * reads files, blocks. %TEESQL_ERROR_CONFIG with reasons `ita-region`, `ita-url`, `ita-api-key`, `ita-policy-ids`, `ita-proxy`,
 * `ita-ca-file`, `ita-pinned-root`, `trusted-root`.
 */
gboolean ita_options_resolve (ItaOptions *self, GError **error) TEESQL_MUST_USE;
void ita_options_clear (ItaOptions *self);

G_END_DECLS
