#include "fake-storage.h"
#include "fake-stream.h"

#include <string.h>

typedef struct
{
  char *method;
  FakeFault fault;
  guint64 argument;
} Plan;

typedef struct
{
  char *name;
  GPtrArray *parts; /* GBytes by number - 1 */
} Upload;

struct _FakeStorage
{
  GObject parent_instance;
  TeesqlStorageFeatures features;
  FakeFlaw flaw;
  GMutex lock;
  GHashTable *objects; /* name -> GBytes */
  GHashTable *uploads; /* id -> Upload */
  GHashTable *counts;  /* method -> number */
  GQueue plans;
  GPtrArray *deaf;
  GPtrArray *held; /* tasks of parts */
  guint hold;
  guint n_parts;
  guint max_parts;
  guint n_ids;
  guint64 n_read;
  gint64 last_call_us;
};

static void fake_storage_iface_init (TeesqlStorageInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FakeStorage, fake_storage, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, fake_storage_iface_init))

/* ---- faults ---- */

static Plan *
next_plan (FakeStorage *self, const char *method)
{
  Plan *found = NULL;

  g_mutex_lock (&self->lock);
  g_hash_table_insert (self->counts, g_strdup (method),
                       GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, method)) + 1));
  self->last_call_us = g_get_monotonic_time ();
  for (GList *link = self->plans.head; link != NULL && found == NULL; link = link->next)
    if (strcmp (((Plan *) link->data)->method, method) == 0)
      {
        found = link->data;
        g_queue_delete_link (&self->plans, link);
      }
  g_mutex_unlock (&self->lock);
  return found;
}

static void
plan_free (gpointer data)
{
  Plan *plan = data;

  if (plan == NULL)
    return;
  g_free (plan->method);
  g_free (plan);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Plan, plan_free)

static GError *
unavailable (void)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "not-served", 0, "not served");
}

static gboolean
hang_cb (GCancellable *cancellable, gpointer data)
{
  g_task_return_new_error (data, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
  return G_SOURCE_REMOVE;
}

static void
hang (GTask *task)
{
  g_autoptr (GSource) source = g_cancellable_source_new (g_task_get_cancellable (task));

  g_source_set_callback (source, G_SOURCE_FUNC (hang_cb), g_object_ref (task), g_object_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
}

static gboolean
die_cb (gpointer data)
{
  g_autoptr (GError) why = teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE, "storage-host-died", 0, "it died");

  g_signal_emit_by_name (data, "broken", why);
  return G_SOURCE_REMOVE;
}

static void
die (FakeStorage *self)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, die_cb, g_object_ref (self), g_object_unref);
  g_source_attach (source, g_main_context_get_thread_default ());
}

/* %TRUE: the task has been answered, or never will be, without the thing being done */
static gboolean
fail_first (FakeStorage *self, const Plan *plan, GTask *task)
{
  if (plan == NULL)
    return FALSE;
  if (plan->fault == FAKE_NOT_DONE || plan->fault == FAKE_DIE)
    g_task_return_error (task, unavailable ());
  else if (plan->fault == FAKE_THROTTLED)
    g_task_return_error (task,
                         teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_THROTTLED, "slow-down", (guint) plan->argument, "slow"));
  else if (plan->fault == FAKE_REFUSED)
    g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION, "forbidden", 0, "forbidden"));
  else if (plan->fault == FAKE_CORRUPT)
    g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "checksum", 0, "other bytes"));
  else if (plan->fault == FAKE_HANG)
    hang (task);
  else if (plan->fault == FAKE_DEAF)
    {
      g_mutex_lock (&self->lock);
      g_ptr_array_add (self->deaf, g_object_ref (task));
      g_mutex_unlock (&self->lock);
    }
  else
    return FALSE;
  if (plan->fault == FAKE_DIE)
    die (self);
  return TRUE;
}

static GError *
not_found (const char *what)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND, "no-such-object", 0, "there is no %s", what);
}

static gboolean
is (const Plan *plan, FakeFault fault)
{
  return plan != NULL && plan->fault == fault;
}

/* ---- the slots ---- */

static TeesqlStorageFeatures
get_features (TeesqlStorage *storage)
{
  return FAKE_STORAGE (storage)->features;
}

/* (transfer full) task or error */
static void
store (FakeStorage *self, GTask *task, const char *name, GBytes *bytes, TeesqlStoragePutFlags flags, const Plan *plan)
{
  gboolean there = FALSE;
  gsize size = g_bytes_get_size (bytes);

  if (self->flaw == FAKE_NO_CONDITION)
    flags = TEESQL_STORAGE_PUT_NONE;
  g_mutex_lock (&self->lock);
  there = g_hash_table_contains (self->objects, name);
  if (there && self->flaw == FAKE_NEVER_REPLACES)
    size = g_bytes_get_size (bytes);
  else if (!there || (flags & TEESQL_STORAGE_PUT_IF_ABSENT) == 0)
    g_hash_table_insert (self->objects, g_strdup (name), g_bytes_ref (bytes));
  g_mutex_unlock (&self->lock);
  if (there && (flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0)
    g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS, "object-exists", 0, "%s is there", name));
  else if (is (plan, FAKE_ANSWER_LOST))
    g_task_return_error (task, unavailable ());
  else
    g_task_return_pointer (task, teesql_object_info_new (name, is (plan, FAKE_WRONG_SIZE) ? size + 1 : size, -1, NULL),
                           (GDestroyNotify) teesql_object_info_unref);
}

typedef struct
{
  char *name;
  TeesqlStoragePutFlags flags;
  GByteArray *bytes;
  Plan *plan;
} Put;

static void
put_free (gpointer data)
{
  Put *put = data;

  g_free (put->name);
  g_byte_array_unref (put->bytes);
  plan_free (put->plan);
  g_free (put);
}

static void
show_early (FakeStorage *self, const Put *put)
{
  g_autoptr (GBytes) bytes = NULL;

  if (self->flaw != FAKE_SHOWS_EARLY && self->flaw != FAKE_KEEPS_PARTS)
    return;
  bytes = g_bytes_new (put->bytes->data, put->bytes->len);
  fake_storage_set (self, put->name, bytes);
}

/* what shows early goes again when the content fails, unless it is kept */
static void
hide_again (FakeStorage *self, const Put *put)
{
  if (self->flaw != FAKE_SHOWS_EARLY)
    return;
  g_mutex_lock (&self->lock);
  g_hash_table_remove (self->objects, put->name);
  g_mutex_unlock (&self->lock);
}

static void put_chunk_cb (GObject *source, GAsyncResult *result, gpointer user_data);

static void
read_content (GTask *task, GInputStream *content)
{
  FakeStorage *self = g_task_get_source_object (task);
  GCancellable *cancellable = self->flaw == FAKE_IGNORES_CANCEL ? NULL : g_task_get_cancellable (task);

  g_input_stream_read_bytes_async (content, 1 << 18, G_PRIORITY_DEFAULT, cancellable, put_chunk_cb, g_object_ref (task));
}

static void
put_chunk_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Put *put = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GBytes) chunk = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);

  if (chunk == NULL)
    {
      hide_again (g_task_get_source_object (task), put);
      g_task_return_error (task, error);
    }
  else if (g_bytes_get_size (chunk) > 0)
    {
      g_byte_array_append (put->bytes, g_bytes_get_data (chunk, NULL), (guint) g_bytes_get_size (chunk));
      show_early (g_task_get_source_object (task), put);
      if (is (put->plan, FAKE_BREAK) && put->bytes->len > put->plan->argument)
        g_task_return_error (task, unavailable ());
      else
        read_content (task, G_INPUT_STREAM (source));
    }
  else
    {
      g_autoptr (GBytes) bytes = g_bytes_new (put->bytes->data, put->bytes->len);

      store (g_task_get_source_object (task), task, put->name, bytes, put->flags, put->plan);
    }
}

static void
put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  Plan *plan = next_plan (FAKE_STORAGE (storage), "put");
  Put *put = g_new0 (Put, 1);

  put->name = g_strdup (name);
  put->flags = flags;
  put->bytes = g_byte_array_new ();
  put->plan = plan;
  g_task_set_task_data (task, put, put_free);
  if (!fail_first (FAKE_STORAGE (storage), plan, task))
    read_content (task, content);
}

static gpointer
pointer_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static TeesqlObjectInfo *
info_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static char *
text_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static gboolean
boolean_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static GInputStream *
get_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static TeesqlObjectPage *
list_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

static void
get_async (TeesqlStorage *storage, const char *name, guint64 offset, guint64 length, GCancellable *cancellable,
           GAsyncReadyCallback callback, gpointer user_data)
{
  FakeStorage *self = FAKE_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (Plan) plan = next_plan (self, "get");
  g_autoptr (GBytes) bytes = fake_storage_peek (self, name);
  guint64 size = bytes != NULL ? g_bytes_get_size (bytes) : 0;
  g_autoptr (GBytes) range = NULL;
  GInputStream *stream = NULL;

  if (fail_first (self, plan, task))
    return;
  if (bytes == NULL)
    g_task_return_error (task, not_found (name));
  else if (offset > size || (offset == size && size > 0) ||
           (length != G_MAXUINT64 && length > size - offset)) /* at the end is no range here, as in S3 */
    g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "range", 0, "no such range"));
  else
    {
      if (is (plan, FAKE_CUT))
        length = MIN (length, plan->argument);
      length = MIN (length, size - offset);
      if (self->flaw == FAKE_WRONG_RANGE && offset > 0 && offset + length < size)
        offset++;
      range = g_bytes_new_from_bytes (bytes, (gsize) offset, (gsize) length);
      stream = fake_stream_new (range, is (plan, FAKE_BREAK) ? (gsize) plan->argument : G_MAXSIZE, &self->lock, &self->n_read);
      g_object_set_data_full (G_OBJECT (stream), "storage", g_object_ref (self), g_object_unref);
      g_task_return_pointer (task, stream, g_object_unref);
    }
}

static guint
hash_folded (gconstpointer name)
{
  g_autofree char *folded = g_ascii_strdown (name, -1);

  return g_str_hash (folded);
}

static gboolean
equal_folded (gconstpointer a, gconstpointer b)
{
  return g_ascii_strcasecmp (a, b) == 0;
}

static int
compare_infos (gconstpointer a, gconstpointer b)
{
  return strcmp (teesql_object_info_get_name (*(TeesqlObjectInfo *const *) a),
                 teesql_object_info_get_name (*(TeesqlObjectInfo *const *) b));
}

static void
list_async (TeesqlStorage *storage, const char *prefix, const char *token, guint max, GCancellable *cancellable,
            GAsyncReadyCallback callback, gpointer user_data)
{
  FakeStorage *self = FAKE_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (Plan) plan = next_plan (self, "list");
  g_autoptr (GPtrArray) infos = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref);
  const char *next = NULL;
  GHashTableIter iter;
  gpointer name = NULL;
  gpointer bytes = NULL;

  if (fail_first (self, plan, task))
    return;
  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, &name, &bytes))
    if (g_str_has_prefix (name, prefix) && (token == NULL || is (plan, FAKE_CORRUPT) || strcmp (name, token) > 0))
      g_ptr_array_add (infos, teesql_object_info_new (name, g_bytes_get_size (bytes), -1, NULL));
  g_mutex_unlock (&self->lock);
  g_ptr_array_sort (infos, compare_infos);
  if (self->flaw == FAKE_SKIPS_NAMES && token != NULL && infos->len > 0)
    g_ptr_array_remove_index (infos, 0);
  max = MIN (max, 7); /* small pages, so that few objects make many */
  if (infos->len > max)
    {
      g_ptr_array_set_size (infos, (int) max);
      next = teesql_object_info_get_name (infos->pdata[max - 1]);
    }
  if (is (plan, FAKE_CUT)) /* the same objects again, behind another token */
    next = token == NULL ? "0" : "00";
  g_task_return_pointer (task, teesql_object_page_new (infos, next), (GDestroyNotify) teesql_object_page_unref);
}

static void
stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (Plan) plan = next_plan (FAKE_STORAGE (storage), "stat");
  g_autoptr (GBytes) bytes = fake_storage_peek (FAKE_STORAGE (storage), name);

  if (fail_first (FAKE_STORAGE (storage), plan, task))
    return;
  if (bytes == NULL)
    g_task_return_error (task, not_found (name));
  else
    g_task_return_pointer (task, teesql_object_info_new (name, g_bytes_get_size (bytes), -1, NULL),
                           (GDestroyNotify) teesql_object_info_unref);
}

static void
remove_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  FakeStorage *self = FAKE_STORAGE (storage);
  g_autoptr (Plan) plan = next_plan (self, "remove");

  if (fail_first (self, plan, task))
    return;
  g_mutex_lock (&self->lock);
  if (self->flaw != FAKE_NEVER_REMOVES)
    g_hash_table_remove (self->objects, name);
  g_mutex_unlock (&self->lock);
  if (is (plan, FAKE_ANSWER_LOST))
    g_task_return_error (task, unavailable ());
  else
    g_task_return_boolean (task, TRUE);
}

static void
upload_begin_async (TeesqlStorage *storage, const char *name, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  FakeStorage *self = FAKE_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (Plan) plan = next_plan (self, "upload_begin");
  Upload *upload = NULL;
  char *id = NULL;

  if (fail_first (self, plan, task) || g_task_return_error_if_cancelled (task))
    return;
  g_task_set_check_cancellable (task, FALSE); /* an upload that is made is told of */
  upload = g_new0 (Upload, 1);
  upload->name = g_strdup (name);
  upload->parts = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_mutex_lock (&self->lock);
  id = g_strdup_printf ("id-%u", ++self->n_ids);
  g_hash_table_insert (self->uploads, g_strdup (id), upload);
  g_mutex_unlock (&self->lock);
  g_task_return_pointer (task, id, g_free);
}

static gboolean
keep_part (FakeStorage *self, const char *id, guint number, GBytes *bytes)
{
  Upload *upload = g_hash_table_lookup (self->uploads, id);

  if (upload == NULL)
    return FALSE;
  if (self->flaw == FAKE_SHUFFLES_PARTS)
    number = upload->parts->len + 1;
  if (upload->parts->len < number)
    g_ptr_array_set_size (upload->parts, (int) number);
  if (upload->parts->pdata[number - 1] != NULL)
    g_bytes_unref (upload->parts->pdata[number - 1]);
  upload->parts->pdata[number - 1] = g_bytes_new (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  return TRUE;
}

static void
answer_parts (FakeStorage *self)
{
  if (self->held->len < self->hold)
    return;
  self->hold = 0;
  for (guint i = 0; i < self->held->len; i++)
    {
      g_autoptr (GTask) task = self->held->pdata[i];

      g_task_return_pointer (task, g_strdup ("tag"), g_free);
      self->n_parts--;
    }
  g_ptr_array_set_size (self->held, 0);
}

static void
upload_part_async (TeesqlStorage *storage, const char *name, const char *upload_id, guint number, GBytes *bytes, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  FakeStorage *self = FAKE_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (Plan) plan = next_plan (self, "upload_part");
  gboolean kept = FALSE;

  if (fail_first (self, plan, task))
    return;
  g_mutex_lock (&self->lock);
  if (is (plan, FAKE_FORGET))
    g_hash_table_remove (self->uploads, upload_id);
  kept = keep_part (self, upload_id, number, bytes);
  g_mutex_unlock (&self->lock);
  if (!kept)
    g_task_return_error (task, not_found (upload_id));
  else if (is (plan, FAKE_ANSWER_LOST))
    g_task_return_error (task, unavailable ());
  else
    {
      g_ptr_array_add (self->held, g_object_ref (task));
      self->n_parts++;
      self->max_parts = MAX (self->max_parts, self->n_parts);
      answer_parts (self);
    }
}

static void
upload_commit_async (TeesqlStorage *storage, const char *name, const char *upload_id, const char *const *tags, TeesqlStoragePutFlags flags,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  FakeStorage *self = FAKE_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (Plan) plan = next_plan (self, "upload_commit");
  g_autoptr (GByteArray) whole = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  Upload *upload = NULL;

  if (fail_first (self, plan, task))
    return;
  g_mutex_lock (&self->lock);
  if (is (plan, FAKE_FORGET))
    g_hash_table_remove (self->uploads, upload_id);
  upload = g_hash_table_lookup (self->uploads, upload_id);
  for (guint i = 0; upload != NULL && i < upload->parts->len; i++)
    g_byte_array_append (whole, g_bytes_get_data (upload->parts->pdata[i], NULL), (guint) g_bytes_get_size (upload->parts->pdata[i]));
  g_mutex_unlock (&self->lock);
  if (upload == NULL)
    {
      g_task_return_error (task, not_found (upload_id));
      return;
    }
  bytes = g_bytes_new (whole->data, whole->len);
  store (self, task, name, bytes, flags, plan);
  if (g_task_had_error (task) && !is (plan, FAKE_ANSWER_LOST))
    return;
  g_mutex_lock (&self->lock);
  g_hash_table_remove (self->uploads, upload_id);
  g_mutex_unlock (&self->lock);
}

static void
upload_abort_async (TeesqlStorage *storage, const char *name, const char *upload_id, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  FakeStorage *self = FAKE_STORAGE (storage);
  g_autoptr (GTask) task = g_task_new (storage, cancellable, callback, user_data);
  g_autoptr (Plan) plan = next_plan (self, "upload_abort");

  g_mutex_lock (&self->lock);
  if (self->flaw != FAKE_KEEPS_UPLOADS)
    g_hash_table_remove (self->uploads, upload_id);
  g_mutex_unlock (&self->lock);
  g_task_return_boolean (task, TRUE);
}

static void
fake_storage_iface_init (TeesqlStorageInterface *iface)
{
  iface->get_features = get_features;
  iface->put_async = put_async;
  iface->put_finish = info_finish;
  iface->get_async = get_async;
  iface->get_finish = get_finish;
  iface->list_async = list_async;
  iface->list_finish = list_finish;
  iface->stat_async = stat_async;
  iface->stat_finish = info_finish;
  iface->remove_async = remove_async;
  iface->remove_finish = boolean_finish;
  iface->upload_begin_async = upload_begin_async;
  iface->upload_begin_finish = text_finish;
  iface->upload_part_async = upload_part_async;
  iface->upload_part_finish = text_finish;
  iface->upload_commit_async = upload_commit_async;
  iface->upload_commit_finish = info_finish;
  iface->upload_abort_async = upload_abort_async;
  iface->upload_abort_finish = boolean_finish;
}

/* ---- the object ---- */

static void
upload_free (gpointer data)
{
  Upload *upload = data;

  g_free (upload->name);
  g_ptr_array_unref (upload->parts);
  g_free (upload);
}

static void
fake_storage_finalize (GObject *object)
{
  FakeStorage *self = FAKE_STORAGE (object);

  g_queue_clear_full (&self->plans, plan_free);
  g_hash_table_unref (self->objects);
  g_hash_table_unref (self->uploads);
  g_hash_table_unref (self->counts);
  g_ptr_array_unref (self->deaf);
  g_ptr_array_unref (self->held);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (fake_storage_parent_class)->finalize (object);
}

static void
fake_storage_class_init (FakeStorageClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_storage_finalize;
  g_signal_new ("broken", FAKE_TYPE_STORAGE, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_ERROR);
}

static void
fake_storage_init (FakeStorage *self)
{
  g_mutex_init (&self->lock);
  g_queue_init (&self->plans);
  self->objects = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  self->uploads = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, upload_free);
  self->counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->deaf = g_ptr_array_new ();
  self->held = g_ptr_array_new ();
}

FakeStorage *
fake_storage_new (TeesqlStorageFeatures features)
{
  FakeStorage *self = g_object_new (FAKE_TYPE_STORAGE, NULL);

  self->features = features;
  return self;
}

void
fake_storage_plan (FakeStorage *self, const char *method, FakeFault fault, guint64 argument)
{
  Plan *plan = g_new0 (Plan, 1);

  plan->method = g_strdup (method);
  plan->fault = fault;
  plan->argument = argument;
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->plans, plan);
  g_mutex_unlock (&self->lock);
}

void
fake_storage_set_flaw (FakeStorage *self, FakeFlaw flaw)
{
  self->flaw = flaw;
  if (flaw != FAKE_FOLDS_CASE)
    return;
  g_hash_table_unref (self->objects);
  self->objects = g_hash_table_new_full (hash_folded, equal_folded, g_free, (GDestroyNotify) g_bytes_unref);
}

guint
fake_storage_count (FakeStorage *self, const char *method)
{
  guint count = 0;

  g_mutex_lock (&self->lock);
  count = GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, method));
  g_mutex_unlock (&self->lock);
  return count;
}

guint
fake_storage_max_parts (FakeStorage *self)
{
  return self->max_parts;
}

guint64
fake_storage_n_read (FakeStorage *self)
{
  guint64 n = 0;

  g_mutex_lock (&self->lock);
  n = self->n_read;
  g_mutex_unlock (&self->lock);
  return n;
}

guint
fake_storage_n_uploads (FakeStorage *self)
{
  guint n = 0;

  g_mutex_lock (&self->lock);
  n = g_hash_table_size (self->uploads);
  g_mutex_unlock (&self->lock);
  return n;
}

GBytes *
fake_storage_peek (FakeStorage *self, const char *name)
{
  GBytes *bytes = NULL;

  g_mutex_lock (&self->lock);
  bytes = g_hash_table_lookup (self->objects, name);
  if (bytes != NULL)
    g_bytes_ref (bytes);
  g_mutex_unlock (&self->lock);
  return bytes;
}

void
fake_storage_set (FakeStorage *self, const char *name, GBytes *bytes)
{
  g_mutex_lock (&self->lock);
  g_hash_table_insert (self->objects, g_strdup (name), g_bytes_ref (bytes));
  g_mutex_unlock (&self->lock);
}

void
fake_storage_hold_parts (FakeStorage *self, guint n)
{
  self->hold = n;
}

void
fake_storage_release_deaf (FakeStorage *self)
{
  g_autoptr (GPtrArray) deaf = g_ptr_array_new_with_free_func (g_object_unref);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->deaf->len; i++)
    g_ptr_array_add (deaf, self->deaf->pdata[i]);
  g_ptr_array_set_size (self->deaf, 0);
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < deaf->len; i++)
    g_task_return_error (deaf->pdata[i], unavailable ());
}

gint64
fake_storage_last_call_us (FakeStorage *self)
{
  gint64 at = 0;

  g_mutex_lock (&self->lock);
  at = self->last_call_us;
  g_mutex_unlock (&self->lock);
  return at;
}
