#include "storage/teesql-storage-host-private.h"

/* A get: the plugin's stream is read into the slots that the daemon gave for it, one after the other. */

static void
closed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_input_stream_close_finish (G_INPUT_STREAM (source), result, NULL);
  g_object_unref (source);
}

/* Not by the last unref, which would close it on this loop. */
static void
close_stream (TeesqlStorageHostCall *call)
{
  GInputStream *stream = g_steal_pointer (&call->stream);

  if (stream != NULL)
    g_input_stream_close_async (stream, G_PRIORITY_DEFAULT, NULL, closed_cb, NULL);
}

static void
fail (TeesqlStorageHostCall *call, GError *error)
{
  close_stream (call);
  teesql_storage_host_call_fail (call, error);
}

static void
end (TeesqlStorageHostCall *call)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_DONE };

  close_stream (call);
  teesql_storage_host_call_finish (call, &message);
}

static void
send_data (TeesqlStorageHostCall *call, gsize n)
{
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_DATA, .slot = call->slot, .length = (guint32) n };

  if (call->left != G_MAXUINT64)
    call->left -= n;
  teesql_storage_host_call_send (call, &message);
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TeesqlStorageHostCall *call = user_data;
  GError *error = NULL;
  gsize n = 0;
  gboolean good = g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &n, &error);

  call->reading = FALSE;
  if (n > 0 && n <= call->left)
    send_data (call, n);
  if (!good)
    fail (call, error);
  else if (n < call->wanted)
    end (call);
  else
    teesql_storage_host_get_pump (call);
}

/* Nothing may come behind the range; the wrapper around the plugin's stream makes an error of it. */
static void
probe_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TeesqlStorageHostCall *call = user_data;
  GError *error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  call->reading = FALSE;
  if (n < 0)
    fail (call, error);
  else
    end (call);
}

void
teesql_storage_host_get_pump (TeesqlStorageHostCall *call)
{
  if (call->stream == NULL || call->reading)
    return;
  if (call->left == 0)
    {
      call->reading = TRUE;
      g_input_stream_read_async (call->stream, &call->probe, 1, G_PRIORITY_DEFAULT, call->cancellable, probe_cb, call);
      return;
    }
  if (g_queue_is_empty (&call->credits))
    return;
  call->slot = GPOINTER_TO_UINT (g_queue_pop_head (&call->credits));
  call->reading = TRUE;
  call->wanted = (gsize) MIN (call->left, TEESQL_STORAGE_SLOT_SIZE);
  g_input_stream_read_all_async (call->stream, teesql_storage_arena_get (&call->host->arena, call->slot), call->wanted, G_PRIORITY_DEFAULT,
                                 call->cancellable, read_cb, call);
}

static void
opened_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  TeesqlStorageHostCall *call = user_data;
  TeesqlStorageMessage message = { .type = TEESQL_STORAGE_OPENED };
  GError *error = NULL;

  call->stream = teesql_storage_get_finish (TEESQL_STORAGE (source), result, &error);
  if (call->stream == NULL)
    {
      fail (call, error);
      return;
    }
  if (g_cancellable_set_error_if_cancelled (call->cancellable, &error))
    {
      fail (call, error);
      return;
    }
  teesql_storage_host_call_send (call, &message);
  teesql_storage_host_get_pump (call);
}

void
teesql_storage_host_get_start (TeesqlStorageHostCall *call, guint64 offset, guint64 length)
{
  call->left = length;
  call->asked = TRUE;
  teesql_storage_get_async (call->host->storage, call->name, offset, length, call->cancellable, opened_cb, call);
}

/* While the plugin is at work its own answer comes; a stream that waits for a slot has nobody to answer but us. */
void
teesql_storage_host_get_cancel (TeesqlStorageHostCall *call)
{
  if (call->stream != NULL && !call->reading)
    fail (call, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
}
