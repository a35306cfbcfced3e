#include "storage/teesql-storage-check-private.h"

/* Cancellation of every call, at once and after a while: it ends within a second, and what it may have done is done whole. */

static const guint delays_ms[] = { 0, 1, 5, 20, 100 };

typedef struct
{
  GCancellable *cancellable;
  guint delay_ms;
  GMutex lock;
  GCond changed;
  gboolean over;
  gint64 cancelled_us;
} Alarm;

static gpointer
alarm_run (gpointer data)
{
  Alarm *self = data;
  gint64 until_us = g_get_monotonic_time () + (gint64) self->delay_ms * 1000;

  g_mutex_lock (&self->lock);
  while (!self->over && g_get_monotonic_time () < until_us)
    g_cond_wait_until (&self->changed, &self->lock, until_us);
  self->cancelled_us = g_get_monotonic_time ();
  g_mutex_unlock (&self->lock);
  g_cancellable_cancel (self->cancellable);
  return NULL;
}

/* One attempt of @request that is cancelled after @delay_ms. *out_error: %NULL when it was faster. */
static gboolean
ask_cancelled (Check *self, TeesqlStoreRequest *request, guint delay_ms, TeesqlStoreAnswer *out, GError **out_error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Alarm alarm = { .cancellable = cancellable, .delay_ms = delay_ms };
  GThread *thread = NULL;
  gint64 ended_us = 0;
  gboolean well = FALSE;

  g_mutex_init (&alarm.lock);
  g_cond_init (&alarm.changed);
  thread = g_thread_new ("cancel", alarm_run, &alarm);
  well = teesql_store_ask_once (self->store, request, G_MAXINT64, cancellable, out, out_error);
  ended_us = g_get_monotonic_time ();
  g_mutex_lock (&alarm.lock);
  alarm.over = TRUE;
  g_cond_broadcast (&alarm.changed);
  g_mutex_unlock (&alarm.lock);
  g_thread_join (thread);
  g_cond_clear (&alarm.changed);
  g_mutex_clear (&alarm.lock);
  /* the store leaves a call behind after 800 ms: that alone would hide a storage that does not stop */
  if (ended_us - alarm.cancelled_us > CHECK_CANCEL_US * 7 / 10)
    return check_differs (self, "a cancelled call ends within a second", "%s took %u ms", request->method->name,
                          (guint) ((ended_us - alarm.cancelled_us) / 1000));
  if (!well && !g_error_matches (*out_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return check_failed (self, "a cancelled call says CANCELLED", g_steal_pointer (out_error));
  return TRUE;
}

/* Absent, or there as a whole: nothing in between. A store may end a request of which we have hung up, so an object may still appear after
 * we looked. */
static gboolean
expect_absent_or_whole (Check *self, const char *name, GBytes *bytes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectInfo) info = teesql_store_stat (self->store, name, self->cancellable, &error);

  if (g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    {
      g_clear_error (&error);
      info = teesql_store_stat (self->store, name, self->cancellable, &error);
      if (g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
        return TRUE;
    }
  if (info == NULL)
    return check_failed (self, "stat answers after a cancelled call", g_steal_pointer (&error));
  return check_expect_content (self, name, bytes);
}

gboolean
check_cancel_put (Check *self)
{
  for (gsize i = 0; i < G_N_ELEMENTS (delays_ms); i++)
    {
      g_autofree char *tail = g_strdup_printf ("%u", delays_ms[i]);
      g_autofree char *name = check_name (self, tail);
      g_autoptr (GBytes) bytes = check_bytes (CHECK_PART, (guint) i);
      g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_put, name);
      g_auto (TeesqlStoreAnswer) answer = { 0 };
      g_autoptr (GError) error = NULL;

      request->bytes = g_bytes_ref (bytes);
      if (!ask_cancelled (self, request, delays_ms[i], &answer, &error))
        return FALSE;
      if (error == NULL ? !check_expect_content (self, name, bytes) : !expect_absent_or_whole (self, name, bytes))
        return FALSE;
    }
  return TRUE;
}

/* A stream that is cancelled in the middle, and one that is let go without having been read. */
static gboolean
cancel_read (Check *self, const char *name, guint delay_ms)
{
  g_autoptr (TeesqlStoreRequest) get = teesql_store_request_new (&teesql_store_method_get, name);
  g_autoptr (TeesqlStoreRequest) read = teesql_store_request_new (&teesql_store_method_read, name);
  g_autoptr (TeesqlStorePool) pool = teesql_store_pool_new (CHECK_PART, 1);
  g_auto (TeesqlStoreAnswer) opened = { 0 };
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;

  get->length = G_MAXUINT64;
  if (!teesql_store_ask (self->store, get, self->cancellable, &opened, NULL, &error))
    return check_failed (self, "get gives a stream", g_steal_pointer (&error));
  read->stream = teesql_store_stream_ref (opened.stream);
  read->buffer = teesql_store_pool_take (pool);
  return ask_cancelled (self, read, delay_ms, &answer, &error);
}

static gboolean
cancel_method (Check *self, const TeesqlStoreMethod *method, const char *name, guint delay_ms)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (method, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;

  request->length = G_MAXUINT64;
  request->number = TEESQL_STORAGE_PAGE_MAX;
  return ask_cancelled (self, request, delay_ms, &answer, &error);
}

gboolean
check_cancel_calls (Check *self)
{
  g_autofree char *name = check_name (self, "o");
  g_autofree char *other = check_name (self, "p");
  g_autoptr (GBytes) bytes = check_bytes (CHECK_PART, 1);

  if (!check_expect_put (self, name, bytes))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (delays_ms); i++)
    if (!cancel_method (self, &teesql_store_method_get, name, delays_ms[i]) || !cancel_read (self, name, delays_ms[i]) ||
        !cancel_method (self, &teesql_store_method_list, self->prefix, delays_ms[i]) ||
        !cancel_method (self, &teesql_store_method_stat, name, delays_ms[i]) ||
        !cancel_method (self, &teesql_store_method_remove, other, delays_ms[i]))
      return FALSE;
  return check_expect_content (self, name, bytes);
}

/* ---- uploads ---- */

static gboolean
cancel_begin (Check *self, const char *name, guint delay_ms)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_begin, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;

  if (!ask_cancelled (self, request, delay_ms, &answer, &error))
    return FALSE;
  if (answer.text != NULL && !check_abort (self, name, answer.text, &error))
    return check_failed (self, "upload_abort succeeds", g_steal_pointer (&error));
  return TRUE;
}

/* A part that is cancelled, then sent again: the upload is as good as before. */
static gboolean
cancel_part (Check *self, const char *name, const char *id, GBytes *bytes, guint delay_ms, char **out_tag)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_part, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;

  request->id = g_strdup (id);
  request->number = 1;
  request->bytes = g_bytes_ref (bytes);
  if (!ask_cancelled (self, request, delay_ms, &answer, &error))
    return FALSE;
  g_clear_error (&error);
  *out_tag = check_part (self, name, id, 1, bytes, &error);
  return *out_tag != NULL || check_failed (self, "a part that was cancelled can be sent again", g_steal_pointer (&error));
}

static gboolean
cancel_commit (Check *self, const char *name, const char *id, const char *tag, GBytes *bytes, guint delay_ms)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_commit, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;

  request->id = g_strdup (id);
  request->tags = g_new0 (char *, 2);
  request->tags[0] = g_strdup (tag);
  if (!ask_cancelled (self, request, delay_ms, &answer, &error))
    return FALSE;
  if (error == NULL ? !check_expect_content (self, name, bytes) : !expect_absent_or_whole (self, name, bytes))
    return FALSE;
  request->method = &teesql_store_method_upload_abort;
  g_clear_error (&error);
  teesql_store_answer_clear (&answer);
  return ask_cancelled (self, request, delay_ms, &answer, &error);
}

gboolean
check_cancel_upload (Check *self)
{
  g_autoptr (GBytes) bytes = check_bytes (CHECK_PART, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (delays_ms); i++)
    {
      g_autofree char *tail = g_strdup_printf ("%u", delays_ms[i]);
      g_autofree char *name = check_name (self, tail);
      g_autofree char *id = NULL;
      g_autofree char *tag = NULL;
      GError *error = NULL;

      if (!cancel_begin (self, name, delays_ms[i]))
        return FALSE;
      id = check_begin (self, name, TEESQL_STORAGE_PUT_NONE, &error);
      if (id == NULL)
        return check_failed (self, "upload_begin gives an id", error);
      if (!cancel_part (self, name, id, bytes, delays_ms[i], &tag) || !cancel_commit (self, name, id, tag, bytes, delays_ms[i]))
        return FALSE;
      if (!check_abort (self, name, id, &error))
        return check_failed (self, "upload_abort succeeds", error);
    }
  return TRUE;
}
