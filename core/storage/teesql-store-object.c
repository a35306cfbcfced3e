#include "storage/teesql-store-call.h"

#include <string.h>

/* Whole objects: put, get, stat, remove, list. */

#define READ_SIZE       ((gsize) 256 * 1024)
#define EMPTY_PAGES_MAX 1000 /* in a row: a store may have deleted much, but not for ever */

/* ---- get ---- */

typedef struct
{
  TeesqlStore *store;
  TeesqlStoreStream *stream;
  TeesqlStorePool *pool;
  GByteArray *bytes;
  gsize max_size;
} Fetch;

/* %TRUE: *out_end says whether there may be more */
static gboolean
fetch_some (Fetch *self, gint64 until_us, GCancellable *cancellable, gboolean *out_end, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_read, NULL);
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  request->stream = teesql_store_stream_ref (self->stream);
  request->buffer = teesql_store_pool_take (self->pool);
  if (!teesql_store_ask_once (self->store, request, until_us, cancellable, &answer, error))
    return FALSE;
  if (answer.n_read > self->max_size - self->bytes->len)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED, "object-too-large", 0,
                                                  "the object is larger than %" G_GSIZE_FORMAT " bytes", self->max_size));
      return FALSE;
    }
  g_byte_array_append (self->bytes, request->buffer->data, (guint) answer.n_read);
  *out_end = answer.n_read < request->buffer->capacity;
  return TRUE;
}

/* One attempt from the first byte on. */
static GBytes *
fetch_once (TeesqlStore *store, TeesqlStoreRequest *request, gsize max_size, gint64 until_us, GCancellable *cancellable, GError **error)
{
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  g_autoptr (TeesqlStorePool) pool = NULL;
  g_autoptr (GByteArray) bytes = NULL;
  gboolean end = FALSE;
  Fetch fetch = { .store = store, .max_size = max_size };

  if (!teesql_store_ask_once (store, request, until_us, cancellable, &answer, error))
    return NULL;
  pool = teesql_store_pool_new (READ_SIZE, 1);
  bytes = g_byte_array_new ();
  fetch.stream = answer.stream;
  fetch.pool = pool;
  fetch.bytes = bytes;
  while (!end)
    if (!fetch_some (&fetch, until_us, cancellable, &end, error))
      return NULL;
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

static GBytes *
fetch (TeesqlStore *self, const char *name, guint64 offset, guint64 length, gsize max_size, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_get, name);
  TeesqlStorageRetry retry;

  request->offset = offset;
  request->length = length;
  teesql_storage_retry_init (&retry, g_get_monotonic_time (), teesql_store_get_retry_deadline (self));
  while (TRUE)
    {
      GError *failure = NULL;
      GBytes *bytes = fetch_once (self, request, max_size, retry.deadline_us, cancellable, &failure);

      if (bytes != NULL || g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
        teesql_store_note_problem (self, NULL);
      if (bytes != NULL)
        return bytes;
      if (!teesql_store_back_off (self, &retry, failure, TRUE, cancellable, error))
        return NULL;
    }
}

void
teesql_store_name_error (GError **error, const char *name)
{
  if (error != NULL && *error != NULL && strstr ((*error)->message, name) == NULL)
    g_prefix_error (error, "%s: ", name);
}

GBytes *
teesql_store_get (TeesqlStore *self, const char *name, gsize max_size, GCancellable *cancellable, GError **error)
{
  GBytes *bytes = NULL;

  g_return_val_if_fail (TEESQL_IS_STORE (self) && name != NULL, NULL);
  g_return_val_if_fail (max_size <= G_MAXUINT32 - READ_SIZE, NULL);

  bytes = fetch (self, name, 0, G_MAXUINT64, max_size, cancellable, error);
  if (bytes == NULL)
    teesql_store_name_error (error, name);
  return bytes;
}

gboolean
teesql_store_is_stored (TeesqlStore *self, const char *name, guint64 size, guint64 offset, GBytes *content, GCancellable *cancellable,
                        gboolean *out_ours, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autoptr (TeesqlObjectInfo) info = teesql_store_stat (self, name, cancellable, &failure);
  g_autoptr (GBytes) bytes = NULL;
  gsize content_size = g_bytes_get_size (content);

  *out_ours = FALSE;
  if (info != NULL && teesql_object_info_get_size (info) == size)
    {
      *out_ours = content_size == 0;
      bytes = content_size > 0 ? fetch (self, name, offset, content_size, content_size, cancellable, &failure) : NULL;
      *out_ours = *out_ours || (bytes != NULL && g_bytes_equal (bytes, content));
    }
  if (failure == NULL || g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failure));
  return FALSE;
}

/* ---- put ---- */

gboolean
teesql_store_put (TeesqlStore *self, const char *name, GBytes *content, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                  GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = NULL;
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  GError *failure = NULL;
  gboolean lost = FALSE;
  gboolean ours = FALSE;

  g_return_val_if_fail (TEESQL_IS_STORE (self) && name != NULL && content != NULL, FALSE);

  request = teesql_store_request_new (&teesql_store_method_put, name);
  request->bytes = g_bytes_ref (content);
  request->flags = flags;
  if (teesql_store_ask (self, request, cancellable, &answer, &lost, &failure))
    return TRUE;
  /* the object that is in the way may be the one whose answer was lost */
  if (lost && g_error_matches (failure, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS) &&
      !teesql_store_is_stored (self, name, g_bytes_get_size (content), 0, content, cancellable, &ours, error))
    {
      g_error_free (failure);
      return FALSE;
    }
  if (ours)
    g_error_free (failure);
  else
    {
      teesql_store_name_error (&failure, name);
      g_propagate_error (error, failure);
    }
  return ours;
}

/* ---- stat and remove ---- */

TeesqlObjectInfo *
teesql_store_stat (TeesqlStore *self, const char *name, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = NULL;
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  g_return_val_if_fail (TEESQL_IS_STORE (self) && name != NULL, NULL);

  request = teesql_store_request_new (&teesql_store_method_stat, name);
  if (!teesql_store_ask (self, request, cancellable, &answer, NULL, error))
    {
      teesql_store_name_error (error, name);
      return NULL;
    }
  return g_steal_pointer (&answer.info);
}

gboolean
teesql_store_remove (TeesqlStore *self, const char *name, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = NULL;
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  g_return_val_if_fail (TEESQL_IS_STORE (self) && name != NULL, FALSE);

  request = teesql_store_request_new (&teesql_store_method_remove, name);
  if (teesql_store_ask (self, request, cancellable, &answer, NULL, error))
    return TRUE;
  teesql_store_name_error (error, name);
  return FALSE;
}

/* ---- list ---- */

typedef struct
{
  TeesqlStore *store;
  const char *prefix;
  char *token;
  char *last;
  guint64 n_left;
  guint n_empty;
  TeesqlStoreListFunc func;
  gpointer user_data;
  gboolean ended;
} Listing;

static gboolean
refuse_list (const Listing *self, const char *reason, const char *problem, GError **error)
{
  g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_REFUSED, reason, 0, "listing of \"%s\": %s behind \"%s\"",
                                              self->prefix, problem, self->last != NULL ? self->last : ""));
  return FALSE;
}

static gboolean
list_object (Listing *self, TeesqlObjectInfo *info, GError **error)
{
  const char *name = teesql_object_info_get_name (info);
  GError *failure = NULL;

  if (self->last != NULL && strcmp (self->last, name) >= 0)
    return refuse_list (self, "list-order", "the store goes back", error);
  if (self->n_left == 0)
    return refuse_list (self, "list-too-long", "the store names more objects than there can be", error);
  self->n_left--;
  g_free (self->last);
  self->last = g_strdup (name);
  if (self->func (info, self->user_data, &failure))
    return TRUE;
  self->ended = failure == NULL;
  if (failure != NULL)
    g_propagate_error (error, failure);
  return self->ended;
}

static gboolean
list_page (Listing *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_list, self->prefix);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  guint n = 0;

  request->id = g_strdup (self->token);
  request->number = TEESQL_STORAGE_PAGE_MAX;
  if (!teesql_store_ask (self->store, request, cancellable, &answer, NULL, error))
    {
      g_prefix_error (error, "listing of \"%s\": ", self->prefix);
      return FALSE;
    }
  n = teesql_object_page_get_n_objects (answer.page);
  self->n_empty = n == 0 ? self->n_empty + 1 : 0;
  if (self->n_empty > EMPTY_PAGES_MAX)
    return refuse_list (self, "list-too-long", "the store gives one empty page after the other", error);
  for (guint i = 0; i < n && !self->ended; i++)
    if (!list_object (self, teesql_object_page_get_object (answer.page, i), error))
      return FALSE;
  g_free (self->token);
  self->token = g_strdup (teesql_object_page_get_next_token (answer.page));
  self->ended = self->ended || self->token == NULL;
  return TRUE;
}

gboolean
teesql_store_list (TeesqlStore *self, const char *prefix, guint64 max_objects, TeesqlStoreListFunc func, gpointer user_data,
                   GCancellable *cancellable, GError **error)
{
  Listing listing = { .store = self, .prefix = prefix, .n_left = max_objects, .func = func, .user_data = user_data };
  gboolean well = TRUE;

  g_return_val_if_fail (TEESQL_IS_STORE (self) && prefix != NULL && func != NULL, FALSE);

  while (well && !listing.ended)
    well = list_page (&listing, cancellable, error);
  g_free (listing.token);
  g_free (listing.last);
  return well;
}
