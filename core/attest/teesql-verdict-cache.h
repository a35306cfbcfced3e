#pragma once
#include "attest/teesql-verdict.h"
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TeesqlVerdictKey:
 * @leaf: SHA-256 of the certificate
 *
 * all that a verdict depends on; what else a verdict ends by is a date. Members are fixed bytes without padding, so that keys compare as
 * memory.
 */
typedef struct
{
  guint8 leaf[32];
  guint8 policy[32];
  guint8 config[48];
  guint64 direction;
  guint64 generation; /* of collateral and time */
} TeesqlVerdictKey;

/**
 * TeesqlVerdictCache:
 *
 * accepted verdicts until they end; least recently used go first. Thread safe: one mutex, held for a lookup and no longer.
 */
typedef struct _TeesqlVerdictCache TeesqlVerdictCache;

TeesqlVerdictCache *teesql_verdict_cache_new (guint capacity) G_GNUC_WARN_UNUSED_RESULT;
void teesql_verdict_cache_free (TeesqlVerdictCache *self);
/* (nullable) (transfer full): at @now_unix, of a clock that never goes back */
TeesqlVerdict *teesql_verdict_cache_lookup (TeesqlVerdictCache *self, const TeesqlVerdictKey *key, gint64 now_unix)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_verdict_cache_insert:
 * @ends_unix: the first second at which it holds no more
 *
 * refused verdicts are not kept: a peer that was repaired must not wait, and strangers must not fill it
 */
void teesql_verdict_cache_insert (TeesqlVerdictCache *self, const TeesqlVerdictKey *key, TeesqlVerdict *verdict, gint64 ends_unix);
void teesql_verdict_cache_clear (TeesqlVerdictCache *self);
guint teesql_verdict_cache_get_size (TeesqlVerdictCache *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlVerdictCache, teesql_verdict_cache_free)
G_END_DECLS
