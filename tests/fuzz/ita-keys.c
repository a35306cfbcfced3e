/* A Trust Authority's key set: what anybody who stands at its address may answer. */
#include "ita/ita-keys.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (ItaKeys) keys = ita_keys_parse (bytes, NULL);
  const ItaKey *key = keys != NULL ? ita_keys_find (keys, "key-0", NULL) : NULL;

  /* whatever gets through is a key that a signature can be checked with */
  if (key != NULL)
    g_assert_true (key->leaf != NULL && g_bytes_get_size (key->modulus) >= 256 && key->not_before <= G_MAXINT64);
  return 0;
}
