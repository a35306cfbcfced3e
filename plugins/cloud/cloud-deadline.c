#include "cloud-deadline.h"

struct _CloudDeadline
{
  GCancellable *inner;
  GCancellable *outer;
  gulong outer_id;
  GSource *timer;
  guint timeout_ms;
  gboolean passed;
};

static gboolean
timer_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  g_source_set_ready_time (source, -1);
  return callback (user_data);
}

static GSourceFuncs timer_funcs = { NULL, NULL, timer_dispatch, NULL };

static gboolean
passed_cb (gpointer user_data)
{
  CloudDeadline *self = user_data;

  self->passed = TRUE;
  g_cancellable_cancel (self->inner);
  return G_SOURCE_CONTINUE;
}

static void
outer_cancelled_cb (GCancellable *outer, gpointer user_data)
{
  g_cancellable_cancel (user_data);
}

CloudDeadline *
cloud_deadline_new (guint timeout_ms, GCancellable *outer)
{
  CloudDeadline *self = g_new0 (CloudDeadline, 1);

  self->inner = g_cancellable_new ();
  self->timeout_ms = timeout_ms;
  self->timer = g_source_new (&timer_funcs, sizeof (GSource));
  g_source_set_static_name (self->timer, "cloud deadline");
  g_source_set_callback (self->timer, passed_cb, self, NULL);
  cloud_deadline_extend (self);
  g_source_attach (self->timer, g_main_context_get_thread_default ());
  if (outer != NULL)
    {
      self->outer = g_object_ref (outer);
      self->outer_id = g_cancellable_connect (outer, G_CALLBACK (outer_cancelled_cb), g_object_ref (self->inner), g_object_unref);
    }
  return self;
}

void
cloud_deadline_free (CloudDeadline *self)
{
  if (self->outer != NULL)
    g_cancellable_disconnect (self->outer, self->outer_id);
  g_clear_object (&self->outer);
  g_source_destroy (self->timer);
  g_source_unref (self->timer);
  g_object_unref (self->inner);
  g_free (self);
}

GCancellable *
cloud_deadline_get_cancellable (CloudDeadline *self)
{
  return self->inner;
}

void
cloud_deadline_extend (CloudDeadline *self)
{
  g_source_set_ready_time (self->timer, g_get_monotonic_time () + (gint64) self->timeout_ms * 1000);
}

GError *
cloud_deadline_judge (CloudDeadline *self, const char *what)
{
  if (g_cancellable_is_cancelled (self->outer))
    return g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "%s: cancelled", what);
  if (self->passed)
    return g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "%s: nothing moved for %u ms, see timeout", what, self->timeout_ms);
  return NULL;
}
