#include "backup/teesql-sealed-source-private.h"

TeesqlSourceSegment *
teesql_sealed_source_segment (TeesqlSealedSource *self, guint64 number)
{
  return &self->segments[number % self->n_segments];
}

TeesqlSourceFrame *
teesql_sealed_source_frame (TeesqlSealedSource *self, guint64 number)
{
  return &self->frames[number % self->n_frames];
}

char *
teesql_sealed_source_piece_name (TeesqlSealedSource *self, guint piece)
{
  return g_strdup_printf ("%s.%05u", self->base_name, piece);
}

/* ---- workers ---- */

static gboolean
open_segment (TeesqlSourceSegment *segment, GError **error)
{
  return teesql_seal_reader_open (segment->reader, segment->index, segment->last, segment->data, segment->size, segment->data, error);
}

static gboolean
decompress_frame (TeesqlSourceFrame *frame, TeesqlFrameReader *frames, GError **error)
{
  if (frame->content == NULL)
    frame->content = g_malloc (TEESQL_PIPELINE_CHUNK);
  return teesql_frame_read (frames, frame->frame, frame->frame_size, frame->content, frame->content_size, error);
}

/* lock held, and given up meanwhile */
static void
work (TeesqlSealedSource *self, TeesqlSourceSegment *segment, TeesqlSourceFrame *frame, TeesqlFrameReader *frames)
{
  GError *error = NULL;
  gboolean well = FALSE;

  g_mutex_unlock (&self->pipeline.lock);
  well = segment != NULL ? open_segment (segment, &error) : decompress_frame (frame, frames, &error);
  if (!well)
    {
      g_prefix_error (&error, "%s: ", self->base_name);
      teesql_pipeline_fail (&self->pipeline, error);
    }
  g_mutex_lock (&self->pipeline.lock);
  if (segment != NULL)
    segment->opened = well;
  else
    frame->decompressed = well;
  teesql_pipeline_changed (&self->pipeline);
}

/* Opening goes first: it is short, and what comes behind waits for it. */
static gpointer
work_until_stopped (gpointer data)
{
  TeesqlSealedSource *self = data;
  g_autoptr (TeesqlFrameReader) frames = teesql_frame_reader_new ();
  gboolean going_on = TRUE;

  g_mutex_lock (&self->pipeline.lock);
  while (going_on && !self->pipeline.stopped)
    {
      if (self->to_open < self->fetched)
        work (self, teesql_sealed_source_segment (self, self->to_open++), NULL, frames);
      else if (self->to_decompress < self->joined)
        work (self, NULL, teesql_sealed_source_frame (self, self->to_decompress++), frames);
      else
        going_on = teesql_pipeline_wait (&self->pipeline);
    }
  g_mutex_unlock (&self->pipeline.lock);
  return NULL;
}

/* ---- the reader ---- */

static void
begin_stages (TeesqlSealedSource *self)
{
  /* one for each worker, one that is lent to the reader, one that is put together */
  self->n_frames = self->threads + 2;
  self->n_segments = self->threads + 3;
  self->segments = g_new0 (TeesqlSourceSegment, self->n_segments);
  self->frames = g_new0 (TeesqlSourceFrame, self->n_frames);
  teesql_pipeline_start (&self->pipeline, "teesql-fetch", teesql_sealed_source_fetch, self);
  teesql_pipeline_start (&self->pipeline, "teesql-join", teesql_sealed_source_join, self);
  for (guint i = 0; i < self->threads; i++)
    teesql_pipeline_start (&self->pipeline, "teesql-unseal", work_until_stopped, self);
}

TeesqlSealedSource *
teesql_sealed_source_new (const TeesqlSealedSinkOptions *options, const GArray *pieces, GCancellable *cancellable, GError **error)
{
  TeesqlSealedSource *self = NULL;

  g_return_val_if_fail (options->base_name != NULL && pieces != NULL, NULL);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  self = g_new0 (TeesqlSealedSource, 1);
  self->repository = g_object_ref (options->repository);
  self->base_name = g_strdup (options->base_name);
  self->id = options->id;
  self->threads = teesql_pipeline_threads (options->threads);
  self->pieces = g_array_sized_new (FALSE, FALSE, sizeof (TeesqlPiece), pieces->len);
  if (pieces->len > 0)
    g_array_append_vals (self->pieces, pieces->data, pieces->len);
  self->frame_capacity = teesql_frame_bound (TEESQL_PIPELINE_CHUNK);
  teesql_pipeline_init (&self->pipeline, cancellable);
  begin_stages (self);
  return self;
}

/* lock held. Gives the frame back that was lent, and waits for the next; %NULL at the end and when stopped. */
static TeesqlSourceFrame *
wait_frame (TeesqlSealedSource *self)
{
  TeesqlSourceFrame *frame = NULL;
  gboolean going_on = !self->pipeline.stopped;

  if (self->lent)
    {
      self->lent = FALSE;
      self->to_read++;
      teesql_pipeline_changed (&self->pipeline);
    }
  frame = teesql_sealed_source_frame (self, self->to_read);
  while (going_on && !(self->to_read < self->joined ? frame->decompressed : self->all_joined))
    going_on = teesql_pipeline_wait (&self->pipeline);
  return going_on && self->to_read < self->joined ? frame : NULL;
}

gboolean
teesql_sealed_source_read (TeesqlSealedSource *self, const guint8 **out_data, gsize *out_size, GError **error)
{
  TeesqlSourceFrame *frame = NULL;

  g_return_val_if_fail (self != NULL, FALSE);

  g_mutex_lock (&self->pipeline.lock);
  frame = wait_frame (self);
  self->lent = frame != NULL;
  g_mutex_unlock (&self->pipeline.lock);
  if (!teesql_pipeline_check (&self->pipeline, error))
    return FALSE;
  *out_data = frame != NULL ? frame->content : (const guint8 *) "";
  *out_size = frame != NULL ? frame->content_size : 0;
  return TRUE;
}

/* Each piece's reader belongs to its last segment; those of pieces that were not finished are found by the others. */
static void
free_readers (TeesqlSealedSource *self)
{
  for (guint64 number = self->to_join; number < self->fetched; number++)
    {
      TeesqlSourceSegment *segment = teesql_sealed_source_segment (self, number);

      if (segment->last)
        teesql_seal_reader_free (segment->reader);
    }
  teesql_seal_reader_free (self->piece_reader);
}

void
teesql_sealed_source_free (TeesqlSealedSource *self)
{
  if (self == NULL)
    return;
  teesql_pipeline_end (&self->pipeline);
  g_clear_pointer (&self->store_reader, teesql_store_reader_free);
  free_readers (self);
  for (guint i = 0; i < self->n_segments; i++)
    g_free (self->segments[i].data);
  for (guint i = 0; i < self->n_frames; i++)
    {
      g_free (self->frames[i].frame);
      g_free (self->frames[i].content);
    }
  g_free (self->segments);
  g_free (self->frames);
  g_array_unref (self->pieces);
  teesql_pipeline_clear (&self->pipeline);
  g_object_unref (self->repository);
  g_free (self->base_name);
  g_free (self);
}
