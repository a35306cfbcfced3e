#pragma once
#include "s3-answers.h"

G_BEGIN_DECLS

/**
 * S3Refusal:
 * @what: `put wal/1`
 * @status: of the answer
 * @problem: what its body says
 * @retry_after_ms: 0 when it does not say
 * @region_header: (nullable): x-amz-bucket-region
 * @conditional: the request had a condition, so that 409 is about it
 * @renewable: credentials end and can be had anew
 */
typedef struct
{
  const char *what;
  guint status;
  const S3Problem *problem;
  guint retry_after_ms;
  const char *region_header;
  gboolean conditional;
  gboolean renewable;
} S3Refusal;

/* What a refusal means to core, and which option to look at. A pure function. */
GError *s3_error_new (const S3Refusal *refusal) TEESQL_MUST_USE;
/* Whether these credentials are good for nothing any more. */
gboolean s3_error_is_about_credentials (const S3Problem *problem) TEESQL_MUST_USE;

G_END_DECLS
