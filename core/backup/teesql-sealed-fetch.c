/* The first stage of a sealed source. */
#include "backup/teesql-sealed-source-private.h"
#include "base/teesql-domains.h"
#include <string.h>

#define READ_AHEAD ((gsize) 16 * 1024 * 1024)
#define SEALED_MAX (TEESQL_SEAL_SEGMENT_SIZE + TEESQL_SEAL_TAG_SIZE)

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)

/* One piece on its way: what was read to find the header's end, and what is left of its size in the catalog. */
typedef struct
{
  TeesqlSealedSource *source;
  const TeesqlPiece *piece;
  guint number;
  const char *name;
  guint8 head[TEESQL_SEAL_HEADER_MAX];
  gsize head_size;
  gsize head_taken;
  guint64 left; /* not yet taken, of head and store */
} Fetch;

static gboolean
wrong_size (Fetch *fetch, const char *what, GError **error)
{
  return fail (error, TEESQL_ERROR_INTEGRITY, "piece-size", "%s: it %s %" G_GUINT64_FORMAT " bytes, which the catalog says it has",
               fetch->name, what, fetch->piece->stored_size);
}

static gboolean
read_exactly (Fetch *fetch, guint8 *out, gsize size, GError **error)
{
  gsize n = 0;

  if (size > 0 && !teesql_store_reader_read (fetch->source->store_reader, out, size, &n, error))
    return FALSE;
  return n == size || wrong_size (fetch, "ends before", error);
}

/* The object's name is known, but not that this is the object: its header may be longer. */
static gboolean
read_head (Fetch *fetch, GError **error)
{
  fetch->head_size = (gsize) MIN (sizeof fetch->head, fetch->piece->stored_size);
  fetch->left = fetch->piece->stored_size;
  return read_exactly (fetch, fetch->head, fetch->head_size, error);
}

static gboolean
take (Fetch *fetch, guint8 *out, gsize size, GError **error)
{
  gsize from_head = MIN (size, fetch->head_size - fetch->head_taken);

  if (from_head > 0)
    memcpy (out, fetch->head + fetch->head_taken, from_head);
  fetch->head_taken += from_head;
  fetch->left -= size;
  return read_exactly (fetch, out + from_head, size - from_head, error);
}

static gboolean
open_header (Fetch *fetch, GError **error)
{
  TeesqlSealedSource *self = fetch->source;
  TeesqlSealContext context = { .system_identifier = self->id.system_identifier,
                                .timeline = self->id.timeline,
                                .simulated = teesql_repository_is_simulated (self->repository),
                                .name = fetch->name };
  gsize header = 0;
  guint64 plain = 0;

  memcpy (context.backup_id, self->id.backup_id, sizeof context.backup_id);
  self->piece_reader =
      teesql_seal_reader_new (&context, teesql_repository_get_keys (self->repository), fetch->head, fetch->head_size, &header, error);
  if (self->piece_reader == NULL)
    return FALSE;
  if (memcmp (teesql_seal_reader_get_commitment (self->piece_reader), fetch->piece->commitment, TEESQL_SEAL_COMMITMENT_SIZE) != 0)
    return fail (error, TEESQL_ERROR_REFUSED, "piece-commitment",
                 "%s: a valid object of that name, but not the one that the catalog names: it was exchanged for one of another run",
                 fetch->name);
  fetch->head_taken = header;
  fetch->left -= header;
  return teesql_seal_plain_size (header, fetch->piece->stored_size, &plain, error);
}

/* lock not held; %NULL when stopped */
static TeesqlSourceSegment *
wait_slot (TeesqlSealedSource *self)
{
  TeesqlSourceSegment *segment = teesql_sealed_source_segment (self, self->fetched);
  gboolean going_on = TRUE;

  g_mutex_lock (&self->pipeline.lock);
  going_on = !self->pipeline.stopped;
  while (going_on && self->fetched - self->to_join == self->n_segments)
    going_on = teesql_pipeline_wait (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  if (going_on && segment->data == NULL)
    segment->data = g_malloc (SEALED_MAX);
  return going_on ? segment : NULL;
}

/* An object that goes on behind its end is not the one that was stored, even if all that the catalog names is in it. */
static gboolean
check_end (Fetch *fetch, GError **error)
{
  guint8 more = 0;
  gsize n = 0;

  if (!teesql_store_reader_read (fetch->source->store_reader, &more, 1, &n, error))
    return FALSE;
  return n == 0 || wrong_size (fetch, "goes on after", error);
}

/* %FALSE without an error: stopped */
static gboolean
fetch_segment (Fetch *fetch, guint32 index, GError **error)
{
  TeesqlSealedSource *self = fetch->source;
  TeesqlSourceSegment *segment = wait_slot (self);
  gsize size = (gsize) MIN (fetch->left, SEALED_MAX);

  if (segment == NULL || !take (fetch, segment->data, size, error))
    return FALSE;
  segment->reader = self->piece_reader;
  segment->piece = fetch->number;
  segment->index = index;
  segment->last = fetch->left == 0;
  segment->size = size;
  segment->opened = FALSE;
  if (segment->last && !check_end (fetch, error))
    return FALSE;
  if (segment->last)
    self->piece_reader = NULL; /* it goes with its last segment */
  g_mutex_lock (&self->pipeline.lock);
  self->fetched++;
  teesql_pipeline_changed (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  return TRUE;
}

static gboolean
fetch_piece (TeesqlSealedSource *self, guint number, GError **error)
{
  g_autofree char *name = teesql_sealed_source_piece_name (self, number);
  Fetch fetch = { .source = self, .piece = &g_array_index (self->pieces, TeesqlPiece, number), .number = number, .name = name };

  self->store_reader = teesql_store_reader_new (teesql_repository_get_store (self->repository), name, 0, G_MAXUINT64, READ_AHEAD,
                                                self->pipeline.cancellable, error);
  if (self->store_reader == NULL || !read_head (&fetch, error) || !open_header (&fetch, error))
    return FALSE;
  for (guint32 index = 0; fetch.left > 0; index++)
    if (!fetch_segment (&fetch, index, error))
      return FALSE;
  g_clear_pointer (&self->store_reader, teesql_store_reader_free);
  return TRUE;
}

gpointer
teesql_sealed_source_fetch (gpointer data)
{
  TeesqlSealedSource *self = data;
  GError *error = NULL;

  for (guint number = 0; number < self->pieces->len; number++)
    if (!fetch_piece (self, number, &error))
      break;
  if (error != NULL)
    teesql_pipeline_fail (&self->pipeline, error);
  return NULL;
}
