#include "storage/teesql-storage-client-private.h"

/* Slots go to those who wait in the order in which they came, one a turn of the loop, since giving one out may mean to copy it full. Where
 * all are taken and some lie filled with readers who do not read, those readers' bytes move to memory of our own: one idle reader must not
 * stop the rest. */

/* Parts stay in their slots for as long as the store takes to accept them. They get all slots they need or none, since parts that had some
 * each would wait for each other for ever; and never more than three quarters of all, so that small calls go on beside large uploads. */
#define PARTS_MAX (TEESQL_STORAGE_N_SLOTS / 4 * 3)

void
teesql_storage_client_collect (TeesqlStorageClient *self)
{
  guint64 returned = self->leased != 0 ? teesql_storage_lender_collect (self->lender) : 0;

  self->leased &= ~returned;
  for (guint64 rest = returned; rest != 0; rest &= rest - 1)
    teesql_storage_slots_give (self->slots, (guint32) __builtin_ctzll (rest));
  if (returned != 0)
    teesql_storage_client_serve (self);
}

guint
teesql_storage_client_count_free (TeesqlStorageClient *self)
{
  return teesql_storage_slots_count_free (self->slots) - self->n_reserved;
}

static gboolean
spill_one (TeesqlStorageClient *self)
{
  for (guint i = 0; i < self->streams->len; i++)
    {
      if (teesql_storage_client_stream_spill (self->streams->pdata[i]))
        return TRUE;
    }
  return FALSE;
}

static gboolean
find_slot (TeesqlStorageClient *self, TeesqlStorageCall *call, guint32 *out_slot)
{
  if (call->n_reserved > 0)
    {
      call->n_reserved--;
      self->n_reserved--;
    }
  else if (teesql_storage_client_count_free (self) == 0 && !spill_one (self))
    return FALSE;
  return teesql_storage_slots_take (self->slots, call->id, out_slot);
}

/* TRUE when a part got its reservation. */
static gboolean
serve_part (TeesqlStorageClient *self)
{
  TeesqlStorageCall *call = g_queue_peek_head (&self->parts);

  if (call == NULL || self->n_for_parts + call->n_slots > PARTS_MAX)
    return FALSE;
  while (teesql_storage_client_count_free (self) < call->n_slots)
    {
      if (!spill_one (self))
        return FALSE;
    }
  g_queue_pop_head (&self->parts);
  call->n_reserved = call->n_slots;
  self->n_reserved += call->n_slots;
  self->n_for_parts += call->n_slots;
  teesql_storage_call_wait_for_slot (call);
  return TRUE;
}

static gboolean
serve_line (TeesqlStorageClient *self)
{
  TeesqlStorageCall *call = g_queue_peek_head (&self->line);
  gboolean wants = call != NULL && teesql_storage_call_wants_slot (call);
  guint32 slot = 0;

  if (call == NULL || (wants && !find_slot (self, call, &slot)))
    return FALSE;
  g_queue_pop_head (&self->line);
  call->in_line = FALSE;
  if (wants)
    teesql_storage_call_use_slot (call, slot);
  return TRUE;
}

/* Who has a reservation does not wait behind those who have none. */
static gboolean
serve_reserved (TeesqlStorageClient *self)
{
  for (GList *link = self->line.head; link != NULL && self->n_reserved > 0; link = link->next)
    {
      TeesqlStorageCall *call = link->data;

      if (call->n_reserved == 0)
        continue;
      g_queue_unlink (&self->line, link);
      g_queue_push_head_link (&self->line, link);
      return serve_line (self);
    }
  return FALSE;
}

static gboolean
is_wanted (TeesqlStorageClient *self)
{
  return !g_queue_is_empty (&self->line) || !g_queue_is_empty (&self->parts);
}

static gboolean
serve_cb (gpointer user_data)
{
  TeesqlStorageClient *self = user_data;
  gboolean reserved = FALSE;

  teesql_storage_client_collect (self);
  reserved = serve_part (self);
  if (serve_line (self) || serve_reserved (self) || reserved)
    return G_SOURCE_CONTINUE;
  if (self->leased != 0 && is_wanted (self) && teesql_storage_lender_await (self->lender))
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&self->serving, g_source_unref);
  return G_SOURCE_REMOVE;
}

void
teesql_storage_call_wait_for_slots (TeesqlStorageCall *call)
{
  g_queue_push_tail (&call->client->parts, call);
  teesql_storage_client_serve (call->client);
}

void
teesql_storage_call_forget_slots (TeesqlStorageCall *call)
{
  TeesqlStorageClient *self = call->client;

  if (call->n_slots == 0)
    return;
  if (!g_queue_remove (&self->parts, call))
    self->n_for_parts -= call->n_slots;
  self->n_reserved -= call->n_reserved;
  call->n_slots = call->n_reserved = 0;
  teesql_storage_client_serve (self);
}

void
teesql_storage_client_serve (TeesqlStorageClient *self)
{
  if (self->serving != NULL || self->broken != NULL || !is_wanted (self))
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
