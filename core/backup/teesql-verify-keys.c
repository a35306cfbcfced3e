#include "backup/teesql-catalog-recovery.h"
#include "backup/teesql-verify-private.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"

#include <string.h>

/* What lies below `keys/`. Anybody can seal something to a public key, so an object is genuine when it is the one that this node stored;
 * and one that is gone is missed only on the day when nothing else is left. */

static gboolean
check_key (TeesqlVerifyRun *run, const char *name, const char *expected, GError **error)
{
  GError *problem = NULL;
  g_autoptr (GBytes) there = NULL;
  guint8 digest[TEESQL_SHA256_SIZE];
  g_autofree char *found = NULL;

  run->report->n_objects++;
  there = teesql_store_get (teesql_repository_get_store (run->repository), name, TEESQL_RECOVERY_OBJECT_MAX, run->cancellable, &problem);
  if (there == NULL)
    return teesql_verify_take (run, name, problem, error);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, g_bytes_get_data (there, NULL), g_bytes_get_size (there));
  found = teesql_hex_encode (digest, sizeof digest);
  if (strcmp (found, expected) != 0)
    teesql_verify_find (run, TEESQL_VERIFY_DAMAGE, "object-substituted", name, "it is not the key that this node stored there");
  run->report->n_bytes += g_bytes_get_size (there);
  return TRUE;
}

gboolean
teesql_verify_keys (TeesqlVerifyRun *run, GError **error)
{
  g_autoptr (GList) names = g_list_sort (g_hash_table_get_keys (run->keys), (GCompareFunc) strcmp);

  for (GList *at = names; at != NULL; at = at->next)
    {
      guint32 epoch = 0;
      g_autofree char *recipient = NULL;

      if (!teesql_recovery_parse_name (teesql_repository_get_cluster_id (run->repository), at->data, &epoch, &recipient))
        continue; /* of the cluster that this node was before */
      if (!check_key (run, at->data, g_hash_table_lookup (run->keys, at->data), error))
        return FALSE;
    }
  return TRUE;
}
