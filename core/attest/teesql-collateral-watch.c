#include "attest/teesql-collateral-watch.h"
#include "base/teesql-hex.h"

/* Models of platforms that verified under the root: there are not so many, and a root that invents them is the operator's own. */
#define PLATFORMS_MAX 4096

typedef struct
{
  gint64 issued_at;
  gint64 evaluation;
  gint64 revision;
} Seen;

struct _TeesqlCollateralWatch
{
  GHashTable *platforms; /* FMSPC and anchor in hex -> Seen */
};

TeesqlCollateralWatch *
teesql_collateral_watch_new (void)
{
  TeesqlCollateralWatch *self = g_new0 (TeesqlCollateralWatch, 1);

  self->platforms = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
teesql_collateral_watch_free (TeesqlCollateralWatch *self)
{
  g_hash_table_unref (self->platforms);
  g_free (self);
}

static char *
platform_key (TeesqlClaims *claims)
{
  gsize fmspc_size = 0;
  gsize anchor_size = 0;
  const guint8 *fmspc = teesql_claims_get_field (claims, TEESQL_FIELD_FMSPC, &fmspc_size);
  const guint8 *anchor = teesql_claims_get_field (claims, TEESQL_FIELD_TRUST_ANCHOR, &anchor_size);
  g_autofree char *fmspc_hex = fmspc != NULL ? teesql_hex_encode (fmspc, fmspc_size) : NULL;
  g_autofree char *anchor_hex = anchor != NULL ? teesql_hex_encode (anchor, anchor_size) : NULL;

  return g_strconcat (fmspc_hex != NULL ? fmspc_hex : "", "/", anchor_hex, NULL);
}

static gint64
number_or_zero (TeesqlClaims *claims, TeesqlNumber number)
{
  gint64 value = 0;

  return teesql_claims_get_number (claims, number, &value) ? value : 0;
}

gboolean
teesql_collateral_watch_note (TeesqlCollateralWatch *self, TeesqlClaims *claims)
{
  g_autofree char *key = platform_key (claims);
  gint64 revision = 0;
  /* a verifier without collateral of its own, such as one whose token is new each time, has no date that could be news */
  const gboolean dated = teesql_claims_get_number (claims, TEESQL_NUMBER_REVISION, &revision);
  const Seen now = { dated ? number_or_zero (claims, TEESQL_NUMBER_ISSUED_AT) : 0, number_or_zero (claims, TEESQL_NUMBER_TCB_EVALUATION),
                     revision };
  Seen *seen = g_hash_table_lookup (self->platforms, key);
  gboolean newer = FALSE;

  if (seen == NULL)
    {
      gboolean full = g_hash_table_size (self->platforms) >= PLATFORMS_MAX;

      /* Beginning anew counts as news once. Were it news for every platform that finds no place, sessions that are judged again for it
       * would be news again, without end. */
      if (full)
        g_hash_table_remove_all (self->platforms);
      g_hash_table_insert (self->platforms, g_steal_pointer (&key), g_memdup2 (&now, sizeof now));
      return full;
    }
  newer = now.issued_at > seen->issued_at || now.evaluation > seen->evaluation || now.revision > seen->revision;
  seen->issued_at = MAX (seen->issued_at, now.issued_at);
  seen->evaluation = MAX (seen->evaluation, now.evaluation);
  seen->revision = MAX (seen->revision, now.revision);
  return newer;
}
