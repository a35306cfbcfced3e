#include "storage/teesql-storage-client-private.h"

/* Slots go to those who wait in the order in which they came, one a turn of the loop, since giving one out may mean to copy it full. Where
 * all are taken and some lie filled with readers who do not read, those readers' bytes move to memory of our own: one idle reader must not
 * stop the rest. */

static gboolean
find_slot (TeesqlStorageClient *self, guint32 call, guint32 *out_slot)
{
  if (teesql_storage_slots_take (self->slots, call, out_slot))
    return TRUE;
  for (guint i = 0; i < self->streams->len; i++)
    {
      if (teesql_storage_client_stream_spill (self->streams->pdata[i]))
        return teesql_storage_slots_take (self->slots, call, out_slot);
    }
  return FALSE;
}

static gboolean
serve_cb (gpointer user_data)
{
  TeesqlStorageClient *self = user_data;
  TeesqlStorageCall *call = g_queue_peek_head (&self->line);
  guint32 slot = 0;

  if (call != NULL && (!teesql_storage_call_wants_slot (call) || find_slot (self, call->id, &slot)))
    {
      g_queue_pop_head (&self->line);
      call->in_line = FALSE;
      if (teesql_storage_call_wants_slot (call))
        teesql_storage_call_use_slot (call, slot);
      return G_SOURCE_CONTINUE;
    }
  g_clear_pointer (&self->serving, g_source_unref);
  return G_SOURCE_REMOVE;
}

void
teesql_storage_client_serve (TeesqlStorageClient *self)
{
  if (self->serving != NULL || self->broken != NULL || g_queue_is_empty (&self->line))
    return;
  self->serving = g_idle_source_new ();
  g_source_set_priority (self->serving, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->serving, serve_cb, self, NULL);
  g_source_attach (self->serving, self->context);
}

void
teesql_storage_call_wait_for_slot (TeesqlStorageCall *call)
{
  if (!call->in_line)
    g_queue_push_tail (&call->client->line, call);
  call->in_line = TRUE;
  teesql_storage_client_serve (call->client);
}

void
teesql_storage_client_give_slot (TeesqlStorageClient *self, guint32 slot)
{
  teesql_storage_slots_give (self->slots, slot);
  teesql_storage_client_serve (self);
}
