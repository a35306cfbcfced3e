/* A storage in memory, as somebody outside would write one: the public headers are all it knows. */
#include <string.h>
#include <teesql/teesql.h>

#define EXAMPLE_TYPE_STORAGE (example_storage_get_type ())
G_DECLARE_FINAL_TYPE (ExampleStorage, example_storage, EXAMPLE, STORAGE, GObject)

#define CHUNK 65536

typedef struct
{
  char *name;
  GHashTable *parts; /* number -> GBytes */
} Upload;

struct _ExampleStorage
{
  GObject parent_instance;
  guint64 max_object;
  GTree *objects;      /* name -> GBytes, in order of names */
  GHashTable *uploads; /* id -> Upload */
  guint n_uploads;
};

static void example_storage_iface_init (TeesqlStorageInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (ExampleStorage, example_storage, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, example_storage_iface_init))

enum
{
  PROP_MAX_OBJECT = 1,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

static void
upload_free (gpointer data)
{
  Upload *upload = data;

  g_free (upload->name);
  g_hash_table_unref (upload->parts);
  g_free (upload);
}

static GError *
not_found (const char *name)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND, "no-such-object", 0, "there is no object %s", name);
}

static TeesqlObjectInfo *
store (ExampleStorage *self, const char *name, GBytes *bytes, TeesqlStoragePutFlags flags, GError **error)
{
  if ((flags & TEESQL_STORAGE_PUT_IF_ABSENT) != 0 && g_tree_lookup (self->objects, name) != NULL)
    {
      g_propagate_error (error,
                         teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS, "object-exists", 0, "%s is there already", name));
      return NULL;
    }
  g_tree_insert (self->objects, g_strdup (name), g_bytes_ref (bytes));
  return teesql_object_info_new (name, g_bytes_get_size (bytes), -1, NULL);
}

static void
return_info (GTask *task, TeesqlObjectInfo *info, GError *error)
{
  if (info != NULL)
    g_task_return_pointer (task, info, (GDestroyNotify) teesql_object_info_unref);
  else
    g_task_return_error (task, error);
}

static gpointer
pointer_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
boolean_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  (void) storage;
  return g_task_propagate_boolean (G_TASK (result), error);
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

/* ---- put: reads chunk after chunk, shows the object at the end ---- */

typedef struct
{
  char *name;
  GInputStream *content;
  TeesqlStoragePutFlags flags;
  GByteArray *bytes;
} Put;

static void
put_free (gpointer data)
{
  Put *put = data;

  g_free (put->name);
  g_object_unref (put->content);
  g_byte_array_unref (put->bytes);
  g_free (put);
}

static void
put_chunk_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  ExampleStorage *self = g_task_get_source_object (task);
  Put *put = g_task_get_task_data (task);
  GError *error = NULL;
  GBytes *chunk = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);

  if (chunk != NULL && g_bytes_get_size (chunk) > 0 && put->bytes->len + g_bytes_get_size (chunk) <= self->max_object)
    {
      g_byte_array_append (put->bytes, g_bytes_get_data (chunk, NULL), (guint) g_bytes_get_size (chunk));
      g_bytes_unref (chunk);
      g_input_stream_read_bytes_async (put->content, CHUNK, G_PRIORITY_DEFAULT, g_task_get_cancellable (task), put_chunk_cb, task);
      return;
    }
  if (chunk != NULL && g_bytes_get_size (chunk) > 0)
    {
      error =
          teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_NO_SPACE, "object-too-large", 0, "%s is larger than max-object", put->name);
      return_info (task, NULL, error);
    }
  else if (chunk != NULL)
    {
      GBytes *bytes = g_bytes_new (put->bytes->data, put->bytes->len);
      TeesqlObjectInfo *info = store (self, put->name, bytes, put->flags, &error);

      return_info (task, info, error);
      g_bytes_unref (bytes);
    }
  else
    return_info (task, NULL, error);
  if (chunk != NULL)
    g_bytes_unref (chunk);
  g_object_unref (task);
}

static void
put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (storage, cancellable, callback, user_data);
  Put *put = g_new0 (Put, 1);

  (void) size;
  put->name = g_strdup (name);
  put->content = g_object_ref (content);
  put->flags = flags;
  put->bytes = g_byte_array_new ();
  g_task_set_task_data (task, put, put_free);
  g_input_stream_read_bytes_async (content, CHUNK, G_PRIORITY_DEFAULT, cancellable, put_chunk_cb, task);
}

/* ---- get ---- */

static void
get_async (TeesqlStorage *storage, const char *name, guint64 offset, guint64 length, GCancellable *cancellable,
           GAsyncReadyCallback callback, gpointer user_data)
{
  ExampleStorage *self = EXAMPLE_STORAGE (storage);
  GTask *task = g_task_new (storage, cancellable, callback, user_data);
  GBytes *bytes = g_tree_lookup (self->objects, name);
  guint64 size = bytes != NULL ? g_bytes_get_size (bytes) : 0;

  if (bytes == NULL)
    g_task_return_error (task, not_found (name));
  else if (offset > size || (length != G_MAXUINT64 && length > size - offset))
    g_task_return_error (task, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "range", 0, "%s ends before that", name));
  else
    {
      GBytes *range = g_bytes_new_from_bytes (bytes, (gsize) offset, (gsize) MIN (length, size - offset));

      g_task_return_pointer (task, g_memory_input_stream_new_from_bytes (range), g_object_unref);
      g_bytes_unref (range);
    }
  g_object_unref (task);
}

static GInputStream *
get_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

/* ---- list: the token is the last name of the page ---- */

typedef struct
{
  const char *prefix;
  const char *token;
  guint max;
  GPtrArray *found;
  gboolean more;
} Listing;

static gboolean
list_one (gpointer key, gpointer value, gpointer user_data)
{
  Listing *listing = user_data;

  if (!g_str_has_prefix (key, listing->prefix) || (listing->token != NULL && strcmp (key, listing->token) <= 0))
    return FALSE;
  listing->more = listing->found->len == listing->max;
  if (!listing->more)
    g_ptr_array_add (listing->found, teesql_object_info_new (key, g_bytes_get_size (value), -1, NULL));
  return listing->more;
}

static void
list_async (TeesqlStorage *storage, const char *prefix, const char *token, guint max, GCancellable *cancellable,
            GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (storage, cancellable, callback, user_data);
  Listing listing = { prefix, token, max, g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref), FALSE };
  const char *next = NULL;

  g_tree_foreach (EXAMPLE_STORAGE (storage)->objects, list_one, &listing);
  if (listing.more)
    next = teesql_object_info_get_name (listing.found->pdata[listing.found->len - 1]);
  g_task_return_pointer (task, teesql_object_page_new (listing.found, next), (GDestroyNotify) teesql_object_page_unref);
  g_ptr_array_unref (listing.found);
  g_object_unref (task);
}

static TeesqlObjectPage *
list_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return pointer_finish (storage, result, error);
}

/* ---- stat and remove ---- */

static void
stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (storage, cancellable, callback, user_data);
  GBytes *bytes = g_tree_lookup (EXAMPLE_STORAGE (storage)->objects, name);

  return_info (task, bytes != NULL ? teesql_object_info_new (name, g_bytes_get_size (bytes), -1, NULL) : NULL,
               bytes == NULL ? not_found (name) : NULL);
  g_object_unref (task);
}

static void
remove_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (storage, cancellable, callback, user_data);

  g_tree_remove (EXAMPLE_STORAGE (storage)->objects, name);
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

/* ---- uploads ---- */

static void
upload_begin_async (TeesqlStorage *storage, const char *name, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  ExampleStorage *self = EXAMPLE_STORAGE (storage);
  GTask *task = g_task_new (storage, cancellable, callback, user_data);
  char *id = g_strdup_printf ("upload-%u", ++self->n_uploads);
  Upload *upload = g_new0 (Upload, 1);

  (void) flags;
  upload->name = g_strdup (name);
  upload->parts = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_bytes_unref);
  g_hash_table_insert (self->uploads, g_strdup (id), upload);
  g_task_return_pointer (task, id, g_free);
  g_object_unref (task);
}

static Upload *
find_upload (TeesqlStorage *storage, const char *name, const char *id)
{
  Upload *upload = g_hash_table_lookup (EXAMPLE_STORAGE (storage)->uploads, id);

  return upload != NULL && strcmp (upload->name, name) == 0 ? upload : NULL;
}

static void
upload_part_async (TeesqlStorage *storage, const char *name, const char *upload_id, guint number, GBytes *bytes, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (storage, cancellable, callback, user_data);
  Upload *upload = find_upload (storage, name, upload_id);

  if (upload == NULL)
    g_task_return_error (task, not_found (upload_id));
  else
    {
      g_hash_table_insert (upload->parts, GUINT_TO_POINTER (number), g_bytes_ref (bytes));
      g_task_return_pointer (task, g_strdup_printf ("%u", number), g_free);
    }
  g_object_unref (task);
}

static GBytes *
join_parts (Upload *upload, const char *const *tags)
{
  GByteArray *whole = g_byte_array_new ();

  for (gsize i = 0; tags[i] != NULL; i++)
    {
      GBytes *part = g_hash_table_lookup (upload->parts, GUINT_TO_POINTER ((guint) g_ascii_strtoull (tags[i], NULL, 10)));

      if (part == NULL)
        {
          g_byte_array_unref (whole);
          return NULL;
        }
      g_byte_array_append (whole, g_bytes_get_data (part, NULL), (guint) g_bytes_get_size (part));
    }
  return g_byte_array_free_to_bytes (whole);
}

static void
upload_commit_async (TeesqlStorage *storage, const char *name, const char *upload_id, const char *const *tags, TeesqlStoragePutFlags flags,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  ExampleStorage *self = EXAMPLE_STORAGE (storage);
  GTask *task = g_task_new (storage, cancellable, callback, user_data);
  Upload *upload = find_upload (storage, name, upload_id);
  GBytes *bytes = upload != NULL ? join_parts (upload, tags) : NULL;
  GError *error = bytes == NULL ? not_found (upload_id) : NULL;
  TeesqlObjectInfo *info = bytes != NULL ? store (self, name, bytes, flags, &error) : NULL;

  if (info != NULL)
    g_hash_table_remove (self->uploads, upload_id);
  if (bytes != NULL)
    g_bytes_unref (bytes);
  return_info (task, info, error);
  g_object_unref (task);
}

static void
upload_abort_async (TeesqlStorage *storage, const char *name, const char *upload_id, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (storage, cancellable, callback, user_data);

  (void) name;
  g_hash_table_remove (EXAMPLE_STORAGE (storage)->uploads, upload_id);
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static TeesqlStorageFeatures
get_features (TeesqlStorage *storage)
{
  (void) storage;
  return TEESQL_STORAGE_FEATURE_IF_ABSENT | TEESQL_STORAGE_FEATURE_UPLOAD | TEESQL_STORAGE_FEATURE_PARALLEL;
}

static void
example_storage_iface_init (TeesqlStorageInterface *iface)
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

static void
example_storage_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  if (id == PROP_MAX_OBJECT)
    EXAMPLE_STORAGE (object)->max_object = g_value_get_uint64 (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
example_storage_finalize (GObject *object)
{
  ExampleStorage *self = EXAMPLE_STORAGE (object);

  g_tree_unref (self->objects);
  g_hash_table_unref (self->uploads);
  G_OBJECT_CLASS (example_storage_parent_class)->finalize (object);
}

static void
example_storage_class_init (ExampleStorageClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = example_storage_set_property;
  object_class->finalize = example_storage_finalize;
  props[PROP_MAX_OBJECT] = g_param_spec_uint64 ("max-object", NULL, "Largest object that is kept (size)", 1, G_MAXUINT32, 64 << 20,
                                                G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_param_spec_set_qdata (props[PROP_MAX_OBJECT], g_quark_from_static_string ("teesql-unit"), (gpointer) "bytes");
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static int
compare_names (gconstpointer a, gconstpointer b, gpointer user_data)
{
  (void) user_data;
  return strcmp (a, b);
}

static void
example_storage_init (ExampleStorage *self)
{
  self->objects = g_tree_new_full (compare_names, NULL, g_free, (GDestroyNotify) g_bytes_unref);
  self->uploads = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, upload_free);
}

TEESQL_PLUGIN_DEFINE ("example", "1.0", TEESQL_PROVIDES_STORAGE (example_storage_get_type))
