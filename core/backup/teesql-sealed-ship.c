/* The last stage of a sealed sink. */
#include "backup/teesql-sealed-sink-private.h"
#include "base/teesql-domains.h"
#include <string.h>

#define PARTS_AT_ONCE 3 /* 8 MiB each: what keeps a distant store busy, within the memory that a backup may have */

/* ---- pieces ---- */

static gboolean
begin_piece (TeesqlSealedSink *self, GError **error)
{
  TeesqlSealContext context = { .system_identifier = self->id.system_identifier,
                                .timeline = self->id.timeline,
                                .simulated = teesql_repository_is_simulated (self->repository) };
  const guint8 *header = NULL;
  gsize size = 0;

  g_free (self->piece_name);
  self->piece_name = g_strdup_printf ("%s.%05u", self->base_name, self->pieces->len);
  context.name = self->piece_name;
  memcpy (context.backup_id, self->id.backup_id, sizeof context.backup_id);
  self->writer = teesql_seal_writer_new (&context, teesql_repository_get_keys (self->repository),
                                         teesql_repository_get_epoch (self->repository), error);
  if (self->writer == NULL)
    return FALSE;
  self->next_index = 0;
  self->piece_filled = 0;
  self->upload = teesql_store_upload_new (teesql_repository_get_store (self->repository), self->piece_name, TEESQL_STORAGE_PUT_NONE,
                                          PARTS_AT_ONCE, self->pipeline.cancellable, error);
  header = teesql_seal_writer_get_header (self->writer, &size);
  return self->upload != NULL && teesql_store_upload_write (self->upload, header, size, error);
}

static gboolean
commit_piece (TeesqlSealedSink *self, GError **error)
{
  TeesqlPiece piece;
  guint64 expected = 0;
  gsize header = 0;

  teesql_seal_writer_get_header (self->writer, &header);
  expected = teesql_seal_sealed_size (header, self->piece_filled);
  if (!teesql_store_upload_commit (self->upload, &piece.stored_size, error))
    return FALSE;
  if (piece.stored_size != expected)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, "piece-size",
                        "%s: %" G_GUINT64_FORMAT " bytes were stored, expected %" G_GUINT64_FORMAT, self->piece_name, piece.stored_size,
                        expected);
  memcpy (piece.commitment, teesql_seal_writer_get_commitment (self->writer), sizeof piece.commitment);
  g_array_append_val (self->pieces, piece);
  g_clear_pointer (&self->upload, teesql_store_upload_free);
  g_clear_pointer (&self->writer, teesql_seal_writer_free);
  return TRUE;
}

/* ---- segments ---- */

/* Sends the oldest segment, and waits for it to be sealed. %FALSE without an error: stopped */
static gboolean
send_oldest (TeesqlSealedSink *self, GError **error)
{
  TeesqlSinkSegment *segment = teesql_sealed_sink_segment (self, self->to_send);
  gboolean going_on = TRUE;

  g_mutex_lock (&self->pipeline.lock);
  going_on = !self->pipeline.stopped;
  while (going_on && !segment->sealed)
    going_on = teesql_pipeline_wait (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  if (!going_on || !teesql_store_upload_write (self->upload, segment->data, segment->size + TEESQL_SEAL_TAG_SIZE, error))
    return FALSE;
  self->to_send++; /* only this thread looks at it */
  return TRUE;
}

/* A free slot for the next segment. */
static gboolean
take_segment (TeesqlSealedSink *self, GError **error)
{
  if (self->cut - self->to_send == self->n_segments && !send_oldest (self, error))
    return FALSE;
  self->current = teesql_sealed_sink_segment (self, self->cut);
  self->current->size = 0;
  self->current->sealed = FALSE;
  if (self->current->data == NULL)
    self->current->data = g_malloc (TEESQL_SEAL_SEGMENT_SIZE + TEESQL_SEAL_TAG_SIZE);
  return TRUE;
}

static void
release_segment (TeesqlSealedSink *self, gboolean last)
{
  TeesqlSinkSegment *segment = g_steal_pointer (&self->current);

  segment->writer = self->writer;
  segment->index = self->next_index++;
  segment->last = last;
  g_mutex_lock (&self->pipeline.lock);
  self->cut++;
  teesql_pipeline_changed (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
}

static gboolean
end_piece (TeesqlSealedSink *self, GError **error)
{
  if (self->current == NULL && !take_segment (self, error)) /* an empty object has one segment too */
    return FALSE;
  release_segment (self, TRUE);
  while (self->to_send < self->cut)
    if (!send_oldest (self, error))
      return FALSE;
  return commit_piece (self, error);
}

static gboolean
append (TeesqlSealedSink *self, const guint8 *data, gsize size, GError **error)
{
  while (size > 0)
    {
      gsize n = 0;

      if (self->current != NULL && self->current->size == TEESQL_SEAL_SEGMENT_SIZE)
        release_segment (self, FALSE);
      if (self->current == NULL && !take_segment (self, error))
        return FALSE;
      n = MIN (size, TEESQL_SEAL_SEGMENT_SIZE - self->current->size);
      memcpy (self->current->data + self->current->size, data, n);
      self->current->size += n;
      self->piece_filled += n;
      data += n;
      size -= n;
    }
  return TRUE;
}

/* ---- the thread ---- */

static gboolean
join_frame (TeesqlSealedSink *self, const TeesqlSinkChunk *chunk, GError **error)
{
  if (self->writer != NULL && chunk->frame_size > self->piece_size - self->piece_filled && !end_piece (self, error))
    return FALSE;
  if (self->writer == NULL && !begin_piece (self, error))
    return FALSE;
  return append (self, chunk->frame, chunk->frame_size, error);
}

typedef enum
{
  STEP_STOPPED,
  STEP_SEND,
  STEP_JOIN,
  STEP_FINISH,
} Step;

/* lock held. What is sealed goes out first, so that the store always has something to do. */
static gboolean
find_step (TeesqlSealedSink *self, Step *out_step)
{
  if (self->pipeline.stopped)
    *out_step = STEP_STOPPED;
  else if (self->to_send < self->cut && teesql_sealed_sink_segment (self, self->to_send)->sealed)
    *out_step = STEP_SEND;
  else if (self->to_join < self->filled && teesql_sealed_sink_chunk (self, self->to_join)->compressed)
    *out_step = STEP_JOIN;
  else if (self->finishing && self->to_join == self->filled)
    *out_step = STEP_FINISH;
  else
    return FALSE;
  return TRUE;
}

static Step
wait_step (TeesqlSealedSink *self)
{
  Step step = STEP_STOPPED;

  g_mutex_lock (&self->pipeline.lock);
  while (!find_step (self, &step))
    teesql_pipeline_wait (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  return step;
}

static gboolean
join_next (TeesqlSealedSink *self, GError **error)
{
  if (!join_frame (self, teesql_sealed_sink_chunk (self, self->to_join), error))
    return FALSE;
  g_mutex_lock (&self->pipeline.lock);
  self->to_join++;
  teesql_pipeline_changed (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  return TRUE;
}

static gboolean
finish (TeesqlSealedSink *self, GError **error)
{
  if (self->writer == NULL && !begin_piece (self, error))
    return FALSE;
  if (!end_piece (self, error))
    return FALSE;
  g_mutex_lock (&self->pipeline.lock);
  self->finished = TRUE;
  teesql_pipeline_changed (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  return TRUE;
}

gpointer
teesql_sealed_sink_ship (gpointer data)
{
  TeesqlSealedSink *self = data;
  GError *error = NULL;
  gboolean going_on = TRUE;

  while (going_on && !self->finished)
    switch (wait_step (self))
      {
      case STEP_STOPPED:
        going_on = FALSE;
        break;
      case STEP_SEND:
        going_on = send_oldest (self, &error);
        break;
      case STEP_JOIN:
        going_on = join_next (self, &error);
        break;
      case STEP_FINISH:
        going_on = finish (self, &error);
        break;
      }
  if (error != NULL)
    teesql_pipeline_fail (&self->pipeline, error);
  return NULL;
}
