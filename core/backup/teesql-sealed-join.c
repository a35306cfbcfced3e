/* The middle stage of a sealed source: borders of segments know nothing of frames. */
#include "backup/teesql-sealed-source-private.h"
#include "base/teesql-domains.h"
#include <string.h>

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)

/* The frame that is being put together; %NULL when stopped. Lock not held. */
static TeesqlSourceFrame *
wait_frame_slot (TeesqlSealedSource *self)
{
  TeesqlSourceFrame *frame = teesql_sealed_source_frame (self, self->joined);
  gboolean going_on = TRUE;

  g_mutex_lock (&self->pipeline.lock);
  going_on = !self->pipeline.stopped;
  while (going_on && self->joined - self->to_read == self->n_frames)
    going_on = teesql_pipeline_wait (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  if (going_on && frame->frame == NULL)
    frame->frame = g_malloc (self->frame_capacity);
  return going_on ? frame : NULL;
}

static void
hand_over (TeesqlSealedSource *self, TeesqlSourceFrame *frame, gsize frame_size, gsize content_size)
{
  g_mutex_lock (&self->pipeline.lock);
  frame->frame_size = frame_size;
  frame->content_size = content_size;
  frame->decompressed = FALSE;
  self->joined++;
  teesql_pipeline_changed (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  self->frame_filled = 0;
}

/* Appends what @data can give to the frame, and hands it over if that completes it. What was appended behind its end is given back:
 * @out_used says how much of @data is in frames now. %FALSE without an error: stopped */
static gboolean
add_to_frame (TeesqlSealedSource *self, const guint8 *data, gsize size, gsize *out_used, GError **error)
{
  TeesqlSourceFrame *frame = wait_frame_slot (self);
  gsize before = self->frame_filled;
  gsize n = MIN (size, self->frame_capacity - before);
  gsize frame_size = 0;
  gsize content = 0;

  if (frame == NULL)
    return FALSE;
  memcpy (frame->frame + before, data, n);
  self->frame_filled += n;
  *out_used = n;
  if (!teesql_frame_measure (frame->frame, self->frame_filled, TEESQL_PIPELINE_CHUNK, &frame_size, &content, error))
    return FALSE;
  if (frame_size == 0 && self->frame_filled == self->frame_capacity)
    return fail (error, TEESQL_ERROR_INTEGRITY, "frame-size", "compressed frame: larger than %" G_GSIZE_FORMAT " bytes",
                 self->frame_capacity);
  if (frame_size == 0)
    return TRUE;
  if (content == 0)
    return fail (error, TEESQL_ERROR_INTEGRITY, "frame-size", "compressed frame: empty, expected 1 byte of content or more");
  /* bytes of earlier calls were not enough for a frame, so it ends within @data */
  *out_used = frame_size - before;
  hand_over (self, frame, frame_size, content);
  return TRUE;
}

static gboolean
join_segment (TeesqlSealedSource *self, const TeesqlSourceSegment *segment, GError **error)
{
  gsize size = segment->size - TEESQL_SEAL_TAG_SIZE;
  gsize used = 0;

  for (gsize done = 0; done < size; done += used)
    if (!add_to_frame (self, segment->data + done, size - done, &used, error))
      return FALSE;
  if (segment->last && self->frame_filled > 0)
    return fail (error, TEESQL_ERROR_INTEGRITY, "frame-truncated", "compressed frame: it goes on behind the end of the piece");
  return TRUE;
}

/* The next segment in order, once it is open; %NULL when stopped. */
static TeesqlSourceSegment *
wait_segment (TeesqlSealedSource *self)
{
  TeesqlSourceSegment *segment = teesql_sealed_source_segment (self, self->to_join);
  gboolean going_on = TRUE;

  g_mutex_lock (&self->pipeline.lock);
  going_on = !self->pipeline.stopped;
  while (going_on && !(self->to_join < self->fetched && segment->opened))
    going_on = teesql_pipeline_wait (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  return going_on ? segment : NULL;
}

/* %FALSE without an error: stopped */
static gboolean
join_next (TeesqlSealedSource *self, gboolean *out_last, GError **error)
{
  TeesqlSourceSegment *segment = wait_segment (self);

  if (segment == NULL)
    return FALSE;
  if (!join_segment (self, segment, error))
    {
      if (error != NULL && *error != NULL)
        g_prefix_error (error, "%s.%05u: ", self->base_name, segment->piece);
      return FALSE;
    }
  *out_last = segment->last;
  if (segment->last)
    g_clear_pointer (&segment->reader, teesql_seal_reader_free);
  g_mutex_lock (&self->pipeline.lock);
  self->to_join++;
  teesql_pipeline_changed (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  return TRUE;
}

static gboolean
join_piece (TeesqlSealedSource *self, GError **error)
{
  gboolean last = FALSE;

  while (!last)
    if (!join_next (self, &last, error))
      return FALSE;
  return TRUE;
}

gpointer
teesql_sealed_source_join (gpointer data)
{
  TeesqlSealedSource *self = data;
  GError *error = NULL;
  gboolean going_on = TRUE;

  for (guint number = 0; going_on && number < self->pieces->len; number++)
    going_on = join_piece (self, &error);
  if (error != NULL)
    teesql_pipeline_fail (&self->pipeline, error);
  g_mutex_lock (&self->pipeline.lock);
  self->all_joined = going_on;
  teesql_pipeline_changed (&self->pipeline);
  g_mutex_unlock (&self->pipeline.lock);
  return NULL;
}
