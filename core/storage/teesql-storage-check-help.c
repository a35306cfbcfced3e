#include "storage/teesql-storage-check-private.h"

#include <string.h>

/* ---- saying ---- */

gboolean
check_differs (Check *self, const char *expected, const char *found_format, ...)
{
  va_list args;

  va_start (args, found_format);
  g_mutex_lock (&self->lock);
  if (self->expected == NULL)
    {
      self->expected = g_strdup (expected);
      self->found = g_strdup_vprintf (found_format, args);
    }
  g_mutex_unlock (&self->lock);
  va_end (args);
  return FALSE;
}

gboolean
check_failed (Check *self, const char *expected, GError *error)
{
  check_differs (self, expected, "%s (%s, code %d, reason %s)", error->message, g_quark_to_string (error->domain), error->code,
                 teesql_error_get_reason (error));
  g_error_free (error);
  return FALSE;
}

void
check_progress (Check *self, guint64 done, guint64 total)
{
  if (self->options->progress == NULL)
    return;
  g_mutex_lock (&self->lock);
  self->options->progress (self->name, done, total, self->options->user_data);
  g_mutex_unlock (&self->lock);
}

/* ---- asking ---- */

char *
check_name (Check *self, const char *tail)
{
  return g_strconcat (self->prefix, self->name, "/", tail, NULL);
}

GBytes *
check_bytes (gsize size, guint seed)
{
  guint8 *data = g_malloc (size + 4);
  guint32 state = seed * 2654435761u + 1u;

  for (gsize i = 0; i < size; i++)
    {
      state = state * 1664525u + 1013904223u;
      data[i] = (guint8) (state >> 24);
    }
  return g_bytes_new_take (data, size);
}

gboolean
check_put (Check *self, const char *name, GBytes *bytes, TeesqlStoragePutFlags flags, GError **error)
{
  return teesql_store_put (self->store, name, bytes, flags, self->cancellable, error);
}

gboolean
check_put_stream (Check *self, const char *name, GInputStream *content, gint64 size, GCancellable *cancellable, TeesqlObjectInfo **out_info,
                  GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_put, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  request->content = g_object_ref (content);
  request->last_move_us = check_stream_last_move_us;
  request->size = size;
  if (!teesql_store_ask_once (self->store, request, G_MAXINT64, cancellable, &answer, error))
    return FALSE;
  if (out_info != NULL)
    *out_info = g_steal_pointer (&answer.info);
  return TRUE;
}

static gboolean
append_some (Check *self, TeesqlStoreStream *stream, TeesqlStorePool *pool, GByteArray *bytes, gboolean *out_end, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_read, NULL);
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  request->stream = teesql_store_stream_ref (stream);
  request->buffer = teesql_store_pool_take (pool);
  if (!teesql_store_ask_once (self->store, request, G_MAXINT64, self->cancellable, &answer, error))
    return FALSE;
  g_byte_array_append (bytes, request->buffer->data, (guint) answer.n_read);
  *out_end = answer.n_read < request->buffer->capacity;
  return TRUE;
}

GBytes *
check_get (Check *self, const char *name, guint64 offset, guint64 length, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_get, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  g_autoptr (TeesqlStorePool) pool = teesql_store_pool_new (CHECK_MIB, 1);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  gboolean end = FALSE;

  request->offset = offset;
  request->length = length;
  if (!teesql_store_ask (self->store, request, self->cancellable, &answer, NULL, error))
    return NULL;
  while (!end)
    if (!append_some (self, answer.stream, pool, bytes, &end, error))
      return NULL;
  return g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
}

char *
check_begin (Check *self, const char *name, TeesqlStoragePutFlags flags, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_begin, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  request->flags = flags;
  return teesql_store_ask (self->store, request, self->cancellable, &answer, NULL, error) ? g_steal_pointer (&answer.text) : NULL;
}

char *
check_part (Check *self, const char *name, const char *id, guint number, GBytes *bytes, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_part, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  request->id = g_strdup (id);
  request->number = number;
  request->bytes = g_bytes_ref (bytes);
  return teesql_store_ask (self->store, request, self->cancellable, &answer, NULL, error) ? g_steal_pointer (&answer.text) : NULL;
}

gboolean
check_commit (Check *self, const char *name, const char *id, const char *const *tags, TeesqlStoragePutFlags flags, guint64 *out_size,
              GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_commit, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  request->id = g_strdup (id);
  request->tags = g_strdupv ((char **) tags);
  request->flags = flags;
  if (!teesql_store_ask (self->store, request, self->cancellable, &answer, NULL, error))
    return FALSE;
  if (out_size != NULL)
    *out_size = teesql_object_info_get_size (answer.info);
  return TRUE;
}

gboolean
check_abort (Check *self, const char *name, const char *id, GError **error)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_upload_abort, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };

  request->id = g_strdup (id);
  return teesql_store_ask (self->store, request, self->cancellable, &answer, NULL, error);
}

/* ---- expecting ---- */

gboolean
check_expect_put (Check *self, const char *name, GBytes *bytes)
{
  GError *error = NULL;

  if (check_put (self, name, bytes, TEESQL_STORAGE_PUT_NONE, &error))
    return TRUE;
  return check_failed (self, "an object is stored", error);
}

/* where the first difference is, for people */
static gsize
first_difference (GBytes *a, GBytes *b)
{
  gsize size_a = 0;
  gsize size_b = 0;
  const guint8 *x = g_bytes_get_data (a, &size_a);
  const guint8 *y = g_bytes_get_data (b, &size_b);
  gsize i = 0;

  while (i < MIN (size_a, size_b) && x[i] == y[i])
    i++;
  return i;
}

gboolean
check_expect_content (Check *self, const char *name, GBytes *bytes)
{
  GError *error = NULL;
  g_autoptr (TeesqlObjectInfo) info = teesql_store_stat (self->store, name, self->cancellable, &error);
  g_autoptr (GBytes) found = NULL;

  if (info == NULL)
    return check_failed (self, "stat knows an object that was stored", error);
  if (teesql_object_info_get_size (info) != g_bytes_get_size (bytes))
    return check_differs (self, "stat gives the size that was stored", "%s: %" G_GUINT64_FORMAT " bytes, stored were %" G_GSIZE_FORMAT,
                          name, teesql_object_info_get_size (info), g_bytes_get_size (bytes));
  found = check_get (self, name, 0, G_MAXUINT64, &error);
  if (found == NULL)
    return check_failed (self, "get gives an object that was stored", error);
  if (g_bytes_equal (found, bytes))
    return TRUE;
  return check_differs (self, "get gives the bytes that were stored",
                        "%s: %" G_GSIZE_FORMAT " bytes, stored were %" G_GSIZE_FORMAT "; they differ from offset %" G_GSIZE_FORMAT " on",
                        name, g_bytes_get_size (found), g_bytes_get_size (bytes), first_difference (found, bytes));
}

gboolean
check_expect_error (Check *self, const char *what, GError *error, GQuark domain, int code)
{
  if (error == NULL)
    return check_differs (self, what, "success");
  if (!g_error_matches (error, domain, code))
    return check_failed (self, what, error);
  g_error_free (error);
  return TRUE;
}

/* Of all names that begin like this one, it would be the first. */
static gboolean
expect_not_listed (Check *self, const char *name)
{
  g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_list, name);
  g_auto (TeesqlStoreAnswer) answer = { 0 };
  GError *error = NULL;

  request->number = 1;
  if (!teesql_store_ask (self->store, request, self->cancellable, &answer, NULL, &error))
    return check_failed (self, "list gives a page", error);
  if (teesql_object_page_get_n_objects (answer.page) == 0 ||
      strcmp (teesql_object_info_get_name (teesql_object_page_get_object (answer.page, 0)), name) != 0)
    return TRUE;
  return check_differs (self, "an absent object is not listed", "%s is", name);
}

gboolean
check_expect_absent (Check *self, const char *name)
{
  GError *error = NULL;
  g_autoptr (TeesqlObjectInfo) info = teesql_store_stat (self->store, name, self->cancellable, &error);
  g_autoptr (GBytes) bytes = NULL;

  if (!check_expect_error (self, "stat of an absent object is NOT_FOUND", error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    return FALSE;
  error = NULL;
  bytes = check_get (self, name, 0, G_MAXUINT64, &error);
  if (!check_expect_error (self, "get of an absent object is NOT_FOUND", error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    return FALSE;
  return expect_not_listed (self, name);
}

typedef struct
{
  Check *check;
  const char *prefix;
  GPtrArray *expected;
  guint at;
  char *last;
} Listing;

static gboolean
compare_page (Listing *self, const TeesqlObjectPage *page)
{
  for (guint i = 0; i < teesql_object_page_get_n_objects (page); i++)
    {
      const char *name = teesql_object_info_get_name (teesql_object_page_get_object (page, i));
      const char *expected = self->at < self->expected->len ? self->expected->pdata[self->at] : NULL;

      if (g_strcmp0 (name, expected) != 0)
        return check_differs (self->check, "list gives every name that begins with the prefix, once, ascending by bytes",
                              "\"%s\" as number %u below \"%s\", where \"%s\" was expected", name, self->at + 1, self->prefix,
                              expected != NULL ? expected : "nothing");
      self->at++;
    }
  return TRUE;
}

gboolean
check_expect_names (Check *self, const char *prefix, guint page, GPtrArray *sorted_names)
{
  Listing listing = { self, prefix, sorted_names, 0, NULL };
  g_autofree char *token = NULL;

  do
    {
      g_autoptr (TeesqlStoreRequest) request = teesql_store_request_new (&teesql_store_method_list, prefix);
      g_auto (TeesqlStoreAnswer) answer = { 0 };
      GError *error = NULL;

      request->id = g_strdup (token);
      request->number = page;
      if (!teesql_store_ask (self->store, request, self->cancellable, &answer, NULL, &error))
        return check_failed (self, "list gives a page", error);
      if (!compare_page (&listing, answer.page))
        return FALSE;
      g_free (token);
      token = g_strdup (teesql_object_page_get_next_token (answer.page));
    }
  while (token != NULL);
  if (listing.at == sorted_names->len)
    return TRUE;
  return check_differs (self, "list gives every name that begins with the prefix, once, ascending by bytes",
                        "%u names below \"%s\", expected %u; the first that is missing is \"%s\"", listing.at, prefix, sorted_names->len,
                        (const char *) sorted_names->pdata[listing.at]);
}

/* ---- at once ---- */

typedef struct
{
  Check *check;
  guint index;
  CheckPart func;
  gpointer data;
} Part;

static gpointer
part_run (gpointer data)
{
  Part *self = data;

  return GINT_TO_POINTER (self->func (self->check, self->index, self->data));
}

gboolean
check_in_parallel (Check *self, guint n, CheckPart func, gpointer data)
{
  g_autofree Part *parts = g_new (Part, n);
  g_autofree GThread **threads = g_new (GThread *, n);
  gboolean well = TRUE;

  for (guint i = 0; i < n; i++)
    {
      parts[i] = (Part){ self, i, func, data };
      threads[i] = g_thread_new ("check", part_run, &parts[i]);
    }
  for (guint i = 0; i < n; i++)
    well = GPOINTER_TO_INT (g_thread_join (threads[i])) && well;
  return well;
}
