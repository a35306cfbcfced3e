#include "storage/teesql-store-call.h"

TeesqlStoreRequest *
teesql_store_request_new (const TeesqlStoreMethod *method, const char *name)
{
  TeesqlStoreRequest *self = g_new0 (TeesqlStoreRequest, 1);

  g_atomic_ref_count_init (&self->refs);
  self->method = method;
  self->name = g_strdup (name);
  return self;
}

TeesqlStoreRequest *
teesql_store_request_ref (TeesqlStoreRequest *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_store_request_unref (TeesqlStoreRequest *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_free (self->name);
  g_free (self->id);
  g_strfreev (self->tags);
  g_clear_pointer (&self->bytes, g_bytes_unref);
  g_clear_object (&self->content);
  g_clear_pointer (&self->stream, teesql_store_stream_unref);
  g_clear_pointer (&self->buffer, teesql_store_buffer_unref);
  g_free (self);
}

void
teesql_store_answer_clear (TeesqlStoreAnswer *self)
{
  g_clear_pointer (&self->info, teesql_object_info_unref);
  g_clear_pointer (&self->page, teesql_object_page_unref);
  g_clear_pointer (&self->text, g_free);
  g_clear_pointer (&self->stream, teesql_store_stream_unref);
  g_clear_pointer (&self->lease, teesql_storage_lease_free);
  self->n_read = 0;
  self->ended = FALSE;
}
