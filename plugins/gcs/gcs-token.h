#pragma once
#include "../cloud/cloud-tokens.h"
#include "gcs-key.h"
#include <libsoup/soup.h>

G_BEGIN_DECLS

/**
 * GcsTokenOptions:
 * @key: (nullable) (transfer full): a service account; %NULL asks the metadata server of the machine
 * @endpoint: where tokens are: the whole URL for a service account, the base of the metadata server otherwise
 */
typedef struct
{
  SoupSession *session;
  GcsKey *key;
  const char *endpoint;
  const char *endpoint_option;
  guint timeout_ms;
} GcsTokenOptions;

/* Tokens are #TeesqlSecret. */
CloudTokens *gcs_tokens_new (const GcsTokenOptions *options) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
