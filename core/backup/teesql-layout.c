#include "backup/teesql-layout.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#define GENERATION_DIGITS 8
#define RANDOM_DIGITS     16
#define WAL_NAME_DIGITS   24

/* Strict, unlike g_ascii_strtoull(): digits and nothing else. @upper says which letters are digits. */
static gboolean
parse_hex (const char *text, gsize digits, gboolean upper, guint64 *out)
{
  guint64 value = 0;

  for (gsize i = 0; i < digits; i++)
    {
      int digit = g_ascii_xdigit_value (text[i]);

      if (digit < 0 || (digit > 9 && (g_ascii_isupper (text[i]) != 0) != upper))
        return FALSE;
      value = value << 4 | (guint64) digit;
    }
  *out = value;
  return TRUE;
}

/* ---- lineages ---- */

gboolean
teesql_lineage_new (guint32 generation, TeesqlLineage *out, GError **error)
{
  guint8 random[RANDOM_DIGITS / 2];
  g_autofree char *hex = NULL;
  int code = gnutls_rnd (GNUTLS_RND_RANDOM, random, sizeof random);

  if (code != 0)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "seal-random", "drawing a lineage: %s", gnutls_strerror (code));
  hex = teesql_hex_encode (random, sizeof random);
  g_snprintf (out->text, sizeof out->text, "%08x-%s", generation, hex);
  return TRUE;
}

gboolean
teesql_lineage_parse (const char *text, gssize length, TeesqlLineage *out, guint32 *out_generation)
{
  gsize size = length < 0 ? strlen (text) : (gsize) length;
  guint64 generation = 0;
  guint64 random = 0;

  if (size != TEESQL_LINEAGE_SIZE - 1 || text[GENERATION_DIGITS] != '-' || !parse_hex (text, GENERATION_DIGITS, FALSE, &generation) ||
      !parse_hex (text + GENERATION_DIGITS + 1, RANDOM_DIGITS, FALSE, &random))
    return FALSE;
  memcpy (out->text, text, size); /* of exactly this size: just checked */
  out->text[size] = '\0';
  if (out_generation != NULL)
    *out_generation = (guint32) generation;
  return TRUE;
}

guint32
teesql_lineage_get_generation (const TeesqlLineage *self)
{
  guint64 generation = 0;

  g_return_val_if_fail (parse_hex (self->text, GENERATION_DIGITS, FALSE, &generation), 0);

  return (guint32) generation;
}

/* ---- names of objects ---- */

char *
teesql_layout_cluster (const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE])
{
  g_autofree char *hex = teesql_hex_encode (cluster_id, TEESQL_CLUSTER_ID_SIZE);

  return g_strdup_printf ("v1/%s/", hex);
}

static char *below_lineage (const guint8 *cluster_id, const TeesqlLineage *lineage, const char *format, ...) G_GNUC_PRINTF (3, 4);

static char *
below_lineage (const guint8 *cluster_id, const TeesqlLineage *lineage, const char *format, ...)
{
  g_autofree char *root = teesql_layout_cluster (cluster_id);
  g_autofree char *rest = NULL;
  va_list args;

  va_start (args, format);
  rest = g_strdup_vprintf (format, args);
  va_end (args);
  return g_strconcat (root, lineage->text, "/", rest, NULL);
}

char *
teesql_layout_catalog (const guint8 *cluster_id, const TeesqlLineage *lineage, guint64 sequence)
{
  return below_lineage (cluster_id, lineage, "catalog/%016" G_GINT64_MODIFIER "x", sequence);
}

char *
teesql_layout_piece (const guint8 *cluster_id, const TeesqlLineage *lineage, const guint8 backup_id[16], const char *archive, guint piece)
{
  g_autofree char *backup = teesql_hex_encode (backup_id, 16);

  return below_lineage (cluster_id, lineage, "base/%s/%s.%05u", backup, archive, piece);
}

char *
teesql_layout_segment (const guint8 *cluster_id, const TeesqlLineage *lineage, guint32 timeline, const char *segment)
{
  return below_lineage (cluster_id, lineage, "wal/%08X/%s", timeline, segment);
}

char *
teesql_layout_partial (const guint8 *cluster_id, const TeesqlLineage *lineage, guint32 timeline, const char *segment, guint32 from,
                       guint32 to)
{
  return below_lineage (cluster_id, lineage, "wal/%08X/%s.%08x-%08x", timeline, segment, from, to);
}

char *
teesql_layout_history (const guint8 *cluster_id, const TeesqlLineage *lineage, guint32 timeline)
{
  return below_lineage (cluster_id, lineage, "wal/%08X.history", timeline);
}

char *
teesql_layout_epoch (const guint8 *cluster_id, guint32 epoch, const char *recipient_id)
{
  g_autofree char *root = teesql_layout_cluster (cluster_id);

  return g_strdup_printf ("%skeys/%08x.%s", root, epoch, recipient_id);
}

/* ---- PostgreSQL's names ---- */

static gboolean
is_segment_size (guint32 size)
{
  /* what initdb --wal-segsize takes: powers of two from 1 MiB to 1 GiB */
  return size >= 1u << 20 && size <= 1u << 30 && (size & (size - 1)) == 0;
}

char *
teesql_wal_segment_name (guint32 timeline, guint64 lsn, guint32 segment_size)
{
  guint64 number = 0;
  guint64 per_id = 0;

  g_return_val_if_fail (is_segment_size (segment_size), NULL);

  number = lsn / segment_size;
  per_id = (G_GUINT64_CONSTANT (1) << 32) / segment_size;
  return g_strdup_printf ("%08X%08X%08X", timeline, (guint) (number / per_id), (guint) (number % per_id));
}

gboolean
teesql_wal_segment_parse (const char *name, guint32 segment_size, guint32 *out_timeline, guint64 *out_start_lsn)
{
  guint64 timeline = 0;
  guint64 id = 0;
  guint64 number = 0;

  if (!is_segment_size (segment_size) || strlen (name) != WAL_NAME_DIGITS || !parse_hex (name, 8, TRUE, &timeline) ||
      !parse_hex (name + 8, 8, TRUE, &id) || !parse_hex (name + 16, 8, TRUE, &number))
    return FALSE;
  /* one name for one segment: beyond that, number would spill into id */
  if (timeline == 0 || number >= (G_GUINT64_CONSTANT (1) << 32) / segment_size)
    return FALSE;
  *out_timeline = (guint32) timeline;
  *out_start_lsn = id << 32 | number * segment_size;
  return TRUE;
}

char *
teesql_lsn_to_string (guint64 lsn)
{
  return g_strdup_printf ("%X/%X", (guint) (lsn >> 32), (guint) lsn);
}

gboolean
teesql_lsn_parse (const char *text, guint64 *out_lsn)
{
  gsize high_digits = strspn (text, "0123456789abcdefABCDEF");
  const char *low = text + high_digits + 1;
  guint64 halves[2] = { 0, 0 };
  const char *parts[2] = { text, low };
  gsize digits[2] = { high_digits, 0 };

  if (high_digits == 0 || high_digits > 8 || text[high_digits] != '/')
    return FALSE;
  digits[1] = strspn (low, "0123456789abcdefABCDEF");
  if (digits[1] == 0 || digits[1] > 8 || low[digits[1]] != '\0')
    return FALSE;
  for (guint half = 0; half < 2; half++)
    for (gsize i = 0; i < digits[half]; i++)
      halves[half] = halves[half] << 4 | (guint64) g_ascii_xdigit_value (parts[half][i]);
  *out_lsn = halves[0] << 32 | halves[1];
  return TRUE;
}
