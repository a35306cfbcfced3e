/* Sealed objects: the header as it comes, and with its commitment repaired, which no mutation would ever hit; what lies behind it; and the
 * frames inside. Properties are asserted: a header has one form, sizes are a bijection, one changed bit is one refusal. */
#include "backup/teesql-frame.h"
#include "seal/teesql-seal-header.h"
#include "seal/teesql-seal-keys.h"
#include <string.h>

#define MAX_CONTENT ((gsize) 1024 * 1024)

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static TeesqlEpochKeys *
make_keys (const TeesqlSealHeader *header)
{
  static const guint8 bytes[32] = { 0x5e };
  g_autoptr (TeesqlSecret) key = teesql_secret_new (bytes, sizeof bytes, NULL);
  TeesqlEpochKeys *keys = teesql_epoch_keys_new (header->cluster_id);

  g_assert_true (teesql_epoch_keys_add (keys, header->epoch, key, NULL));
  return keys;
}

static TeesqlSealContext
context_of (const TeesqlSealHeader *header)
{
  TeesqlSealContext context = {
    .system_identifier = header->system_identifier, .timeline = header->timeline, .simulated = header->simulated, .name = header->name
  };

  memcpy (context.backup_id, header->backup_id, sizeof context.backup_id);
  return context;
}

static void
open_behind_header (TeesqlSealReader *reader, const guint8 *data, gsize size, gsize header_size)
{
  g_autoptr (GBytes) object = g_bytes_new_static (data, size);
  g_autoptr (GBytes) plain = teesql_seal_reader_open_bytes (reader, object, NULL);
  guint64 plain_size = 0;

  g_assert_null (plain); /* nobody guesses a tag */
  if (teesql_seal_plain_size (header_size, size, &plain_size, NULL))
    g_assert_cmpuint (teesql_seal_sealed_size (header_size, plain_size), ==, size);
}

static void
header (const guint8 *data, gsize size)
{
  TeesqlSealHeader parsed;
  TeesqlSealHeaderBytes encoded;
  TeesqlSealKeys derived = { 0 };
  gsize header_size = 0;

  if (!teesql_seal_header_parse (&parsed, data, size, &header_size, NULL))
    return;
  teesql_seal_header_encode (&parsed, &encoded);
  g_assert_cmpmem (encoded.data, (int) encoded.size, data, (int) header_size);

  g_autoptr (TeesqlEpochKeys) keys = make_keys (&parsed);
  g_autoptr (TeesqlSecret) key = teesql_epoch_keys_lookup (keys, parsed.epoch, NULL);
  const TeesqlSealContext context = context_of (&parsed);
  g_assert_true (teesql_seal_keys_init (&derived, key, encoded.data, encoded.size, NULL));
  memcpy (parsed.commitment, derived.commitment, sizeof parsed.commitment);
  teesql_seal_keys_clear (&derived);
  teesql_seal_header_encode (&parsed, &encoded);
  g_autoptr (TeesqlSealReader) reader = teesql_seal_reader_new (&context, keys, encoded.data, encoded.size, &header_size, NULL);
  g_assert_nonnull (reader);
  open_behind_header (reader, data, size, header_size);
}

/* the input as content, and as the place of one changed bit */
static void
content (const guint8 *data, gsize size)
{
  const TeesqlSealContext context = { .name = "fuzz" };
  static const TeesqlSealHeader any = { .epoch = 0 };
  g_autoptr (TeesqlEpochKeys) keys = make_keys (&any);
  g_autoptr (GBytes) plain = g_bytes_new_static (data, size);
  g_autoptr (GBytes) sealed = teesql_seal_bytes (&context, keys, 0, plain, NULL);
  g_autoptr (GBytes) opened = teesql_unseal_bytes (&context, keys, sealed, NULL);
  gsize sealed_size = g_bytes_get_size (sealed);
  guint8 *changed = g_memdup2 (g_bytes_get_data (sealed, NULL), sealed_size);
  g_autoptr (GBytes) bad = g_bytes_new_take (changed, sealed_size);
  gsize place = size >= 2 ? (gsize) (data[0] | data[1] << 8) : size;

  g_assert_true (g_bytes_equal (plain, opened));
  changed[place % sealed_size] ^= (guint8) (1u << (size % 8));
  g_autoptr (GBytes) refused = teesql_unseal_bytes (&context, keys, bad, NULL);
  g_assert_null (refused);
}

static void
frame (const guint8 *data, gsize size)
{
  g_autoptr (TeesqlFrameReader) reader = NULL;
  g_autofree guint8 *out = NULL;
  gsize frame_size = 0;
  gsize content_size = 0;

  if (!teesql_frame_measure (data, size, MAX_CONTENT, &frame_size, &content_size, NULL) || frame_size == 0)
    return;
  g_assert_cmpuint (frame_size, <=, size);
  g_assert_cmpuint (content_size, <=, MAX_CONTENT);
  reader = teesql_frame_reader_new ();
  out = g_malloc (MAX (content_size, 1));
  (void) !teesql_frame_read (reader, data, frame_size, out, content_size, NULL);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  header (data, size);
  content (data, size);
  frame (data, size);
  return 0;
}
