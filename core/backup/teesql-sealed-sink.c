#include "backup/teesql-frame.h"
#include "backup/teesql-sealed-sink-private.h"
#include <string.h>

#define PIECE_SIZE_DEFAULT ((guint64) 4 << 30)
#define PIECE_SIZE_MIN     ((guint64) 4096)

TeesqlSinkChunk *
teesql_sealed_sink_chunk (TeesqlSealedSink *self, guint64 number)
{
  return &self->chunks[number % self->n_chunks];
}

TeesqlSinkSegment *
teesql_sealed_sink_segment (TeesqlSealedSink *self, guint64 number)
{
  return &self->segments[number % self->n_segments];
}

/* ---- workers ---- */

static gboolean
compress_chunk (TeesqlSealedSink *self, TeesqlSinkChunk *chunk, TeesqlFrameWriter *frames, GError **error)
{
  if (chunk->frame == NULL)
    chunk->frame = g_malloc (self->frame_capacity);
  return teesql_frame_write (frames, chunk->content, chunk->size, chunk->frame, self->frame_capacity, &chunk->frame_size, error);
}

static gboolean
seal_segment (TeesqlSinkSegment *segment, GError **error)
{
  return teesql_seal_writer_seal (segment->writer, segment->index, segment->last, segment->data, segment->size, segment->data, error);
}

/* lock held, and given up meanwhile */
static void
work (TeesqlSealedSink *self, TeesqlSinkChunk *chunk, TeesqlSinkSegment *segment, TeesqlFrameWriter *frames)
{
  GError *error = NULL;
  gboolean well = FALSE;

  g_mutex_unlock (&self->pipeline.lock);
  well = segment != NULL ? seal_segment (segment, &error) : compress_chunk (self, chunk, frames, &error);
  if (!well)
    teesql_pipeline_fail (&self->pipeline, error);
  g_mutex_lock (&self->pipeline.lock);
  if (segment != NULL)
    segment->sealed = well;
  else
    chunk->compressed = well;
  teesql_pipeline_changed (&self->pipeline);
}

/* Sealing goes first: it is short, and makes room for what comes behind. */
static gpointer
work_until_stopped (gpointer data)
{
  TeesqlSealedSink *self = data;
  g_autoptr (TeesqlFrameWriter) frames = teesql_frame_writer_new (self->level);
  gboolean going_on = TRUE;

  g_mutex_lock (&self->pipeline.lock);
  while (going_on && !self->pipeline.stopped)
    {
      if (self->to_seal < self->cut)
        work (self, NULL, teesql_sealed_sink_segment (self, self->to_seal++), frames);
      else if (self->to_compress < self->filled)
        work (self, teesql_sealed_sink_chunk (self, self->to_compress++), NULL, frames);
      else
        going_on = teesql_pipeline_wait (&self->pipeline);
    }
  g_mutex_unlock (&self->pipeline.lock);
  return NULL;
}

/* ---- the writer ---- */

/* A frame never spans pieces, so even an incompressible chunk has to fit into one. */
static gsize
chunk_size_for (guint64 piece_size)
{
  gsize largest = (gsize) MIN (piece_size, TEESQL_PIPELINE_CHUNK);

  return MIN (TEESQL_PIPELINE_CHUNK, (gsize) MIN (piece_size - (teesql_frame_bound (largest) - largest), TEESQL_PIPELINE_CHUNK));
}

static void
begin_stages (TeesqlSealedSink *self)
{
  /* one for each worker, one that is filled, one that is joined; segments: as many as an incompressible chunk has, and one for each worker
   */
  self->n_chunks = self->threads + 2;
  self->n_segments = self->threads + 4;
  self->chunks = g_new0 (TeesqlSinkChunk, self->n_chunks);
  self->segments = g_new0 (TeesqlSinkSegment, self->n_segments);
  for (guint i = 0; i < self->threads; i++)
    teesql_pipeline_start (&self->pipeline, "teesql-seal", work_until_stopped, self);
  teesql_pipeline_start (&self->pipeline, "teesql-ship", teesql_sealed_sink_ship, self);
}

TeesqlSealedSink *
teesql_sealed_sink_new (const TeesqlSealedSinkOptions *options, GCancellable *cancellable, GError **error)
{
  TeesqlSealedSink *self = NULL;

  g_return_val_if_fail (options->base_name != NULL && options->piece_size <= TEESQL_SEAL_PLAIN_MAX, NULL);
  g_return_val_if_fail (options->piece_size == 0 || options->piece_size >= PIECE_SIZE_MIN, NULL);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  self = g_new0 (TeesqlSealedSink, 1);
  self->repository = g_object_ref (options->repository);
  self->base_name = g_strdup (options->base_name);
  self->id = options->id;
  self->level = options->level;
  self->threads = teesql_pipeline_threads (options->threads);
  self->piece_size = options->piece_size != 0 ? options->piece_size : PIECE_SIZE_DEFAULT;
  self->chunk_size = chunk_size_for (self->piece_size);
  self->frame_capacity = teesql_frame_bound (self->chunk_size);
  self->pieces = g_array_new (FALSE, FALSE, sizeof (TeesqlPiece));
  teesql_pipeline_init (&self->pipeline, cancellable);
  begin_stages (self);
  return self;
}

/* The chunk that is being filled; waits until its slot is free. */
static TeesqlSinkChunk *
wait_chunk (TeesqlSealedSink *self)
{
  TeesqlSinkChunk *chunk = teesql_sealed_sink_chunk (self, self->filled);
  gboolean going_on = TRUE;

  g_mutex_lock (&self->pipeline.lock);
  going_on = !self->pipeline.stopped;
  while (going_on && self->filled - self->to_join == self->n_chunks)
    going_on = teesql_pipeline_wait (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  if (going_on && chunk->content == NULL)
    chunk->content = g_malloc (self->chunk_size);
  return going_on ? chunk : NULL;
}

static void
hand_over (TeesqlSealedSink *self, TeesqlSinkChunk *chunk)
{
  g_mutex_lock (&self->pipeline.lock);
  chunk->size = self->chunk_filled;
  chunk->compressed = FALSE;
  self->filled++;
  teesql_pipeline_changed (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  self->chunk_filled = 0;
}

gboolean
teesql_sealed_sink_write (TeesqlSealedSink *self, const void *data, gsize size, GError **error)
{
  const guint8 *from = data;

  g_return_val_if_fail (self != NULL && !self->finishing, FALSE);

  for (gsize left = size; left > 0;)
    {
      /* only the first byte of a chunk can meet one that is in use */
      TeesqlSinkChunk *chunk = self->chunk_filled > 0 ? teesql_sealed_sink_chunk (self, self->filled) : wait_chunk (self);
      gsize n = MIN (left, self->chunk_size - self->chunk_filled);

      if (chunk == NULL)
        break;
      memcpy (chunk->content + self->chunk_filled, from, n);
      self->chunk_filled += n;
      from += n;
      left -= n;
      if (self->chunk_filled == self->chunk_size)
        hand_over (self, chunk);
    }
  self->plain_size += size;
  return teesql_pipeline_check (&self->pipeline, error);
}

gboolean
teesql_sealed_sink_finish (TeesqlSealedSink *self, GArray **out_pieces, guint64 *out_plain, GError **error)
{
  gboolean going_on = TRUE;

  g_return_val_if_fail (self != NULL && !self->finishing, FALSE);

  if (self->chunk_filled > 0)
    hand_over (self, teesql_sealed_sink_chunk (self, self->filled));
  g_mutex_lock (&self->pipeline.lock);
  self->finishing = TRUE;
  teesql_pipeline_changed (&self->pipeline);
  going_on = !self->pipeline.stopped;
  while (going_on && !self->finished)
    going_on = teesql_pipeline_wait (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  if (!teesql_pipeline_check (&self->pipeline, error))
    return FALSE;
  *out_pieces = g_array_ref (self->pieces);
  *out_plain = self->plain_size;
  return TRUE;
}

void
teesql_sealed_sink_free (TeesqlSealedSink *self)
{
  if (self == NULL)
    return;
  teesql_pipeline_end (&self->pipeline);
  g_clear_pointer (&self->upload, teesql_store_upload_free);
  g_clear_pointer (&self->writer, teesql_seal_writer_free);
  for (guint i = 0; i < self->n_chunks; i++)
    {
      g_free (self->chunks[i].content);
      g_free (self->chunks[i].frame);
    }
  for (guint i = 0; i < self->n_segments; i++)
    g_free (self->segments[i].data);
  g_free (self->chunks);
  g_free (self->segments);
  g_array_unref (self->pieces);
  teesql_pipeline_clear (&self->pipeline);
  g_object_unref (self->repository);
  g_free (self->piece_name);
  g_free (self->base_name);
  g_free (self);
}
