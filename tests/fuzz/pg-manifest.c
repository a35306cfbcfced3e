/* The first byte chooses the size of the pieces; `@` in place of the checksum's digits stands for the right one, so that the fuzzer gets
 * to what lies behind it. */
#include "backup/teesql-pg-manifest.h"
#include "base/teesql-digest.h"
#include "base/teesql-hex.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

#define MARK "\n\"Manifest-Checksum\": \"@"

static GString *
sign (const guint8 *data, gsize size)
{
  GString *text = g_string_new_len ((const char *) data, (gssize) size);
  const char *mark = g_strstr_len (text->str, (gssize) text->len, MARK);

  if (mark != NULL)
    {
      gsize signed_size = (gsize) (mark - text->str) + 1;
      guint8 digest[TEESQL_SHA256_SIZE];
      g_autofree char *hex = NULL;

      teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, text->str, signed_size);
      hex = teesql_hex_encode (digest, sizeof digest);
      g_string_erase (text, (gssize) (signed_size + strlen (MARK) - 2), 1);
      g_string_insert (text, (gssize) (signed_size + strlen (MARK) - 2), hex);
    }
  return text;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (TeesqlPgManifest) manifest = teesql_pg_manifest_new ();
  g_autoptr (GString) text = size > 1 ? sign (data + 1, size - 1) : g_string_new (NULL);
  gsize step = size > 0 ? 1 + (gsize) data[0] * 5 : 1;
  gboolean ok = TRUE;

  for (gsize at = 0; at < text->len && ok; at += step)
    ok = teesql_pg_manifest_feed (manifest, (const guint8 *) text->str + at, MIN (step, text->len - at), NULL);
  if (!ok || !teesql_pg_manifest_finish (manifest, NULL))
    return 0;
  g_assert_cmpuint (teesql_pg_manifest_get_system_identifier (manifest), !=, 0);
  g_assert_true (teesql_pg_manifest_get_n_files (manifest) == 0 || !teesql_pg_manifest_check_complete (manifest, NULL));
  g_assert_null (teesql_pg_manifest_claim (manifest, "not/in/it", G_MAXUINT64, NULL));
  return 0;
}
