/* The head file. The MAC is repaired first, or nothing would ever come behind it. */
#include "backup/teesql-head.h"
#include "base/teesql-digest.h"

#define SLOT_DISTANCE ((gsize) 4096)
#define BODY_SIZE     ((gsize) 480)
#define LABEL         "teesql-head-v1"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static const guint8 key_bytes[32] = "the key of the fuzzed head file";

static void
repair (guint8 *slot)
{
  const TeesqlDigestPart parts[] = { { LABEL, strlen (LABEL) }, { slot, BODY_SIZE } };

  teesql_hmac_sha256 (slot + BODY_SIZE, key_bytes, sizeof key_bytes, parts, G_N_ELEMENTS (parts));
}

/* Input: two bodies, one behind the other; what is missing is zeros. An odd size gives the bytes as they are. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (TeesqlSecret) key = teesql_secret_new (key_bytes, sizeof key_bytes, NULL);
  g_autofree guint8 *file = g_malloc0 (2 * SLOT_DISTANCE);
  TeesqlHead head;

  if (size % 2 == 1)
    {
      (void) !teesql_head_parse (data, size, key, &head, NULL);
      return 0;
    }
  for (gsize i = 0; i < MIN (size, 2 * BODY_SIZE); i++)
    file[(i / BODY_SIZE) * SLOT_DISTANCE + i % BODY_SIZE] = data[i];
  repair (file);
  if (size > BODY_SIZE)
    repair (file + SLOT_DISTANCE);
  if (teesql_head_parse (file, 2 * SLOT_DISTANCE, key, &head, NULL) && head.n_noted > TEESQL_HEAD_NOTED_MAX)
    g_error ("more noted ranges than there is room for");
  return 0;
}
