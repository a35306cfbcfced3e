/* One call of a storage plugin a command line, for tests that look at the store with other people's clients; and its bench.
 * NAME-driver OPTION=VALUE… -- COMMAND ARGUMENT…; built once for each plugin, whose type DRIVER_TYPE is. With
 * hosted=CONFIGURATION instead of options: [storage:NAME] of that file behind its confined host. */
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <teesql/teesql-secret.h>
#include <teesql/teesql-storage.h>

#include "storage/teesql-storage-client.h"

GType DRIVER_TYPE (void);

#define PART_SIZE ((gsize) 8 << 20)
#define PARALLEL  4

static void
keep (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
wait_for (GAsyncResult **place)
{
  while (*place == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *place;
}

static void
fail (GError *error)
{
  g_printerr ("%s %s\n", teesql_error_get_reason (error), error->message);
  exit (1);
}

/* The text of an option as its property wants it; a secret stands in the environment: `NAME=env:VARIABLE`. */
static void
read_option (GParamSpec *spec, const char *text, GValue *out)
{
  g_value_init (out, spec->value_type);
  if (spec->value_type == TEESQL_TYPE_SECRET)
    {
      const char *secret = g_getenv (text + strlen ("env:"));

      g_assert_nonnull (secret);
      g_value_take_boxed (out, teesql_secret_new ((const guint8 *) secret, strlen (secret), NULL));
    }
  else if (spec->value_type == G_TYPE_BOOLEAN)
    g_value_set_boolean (out, strcmp (text, "true") == 0);
  else if (spec->value_type == G_TYPE_UINT)
    g_value_set_uint (out, (guint) atol (text));
  else
    g_value_set_string (out, text);
}

static GObject *
construct (int n, char **options)
{
  GType type = DRIVER_TYPE ();
  GObjectClass *klass = g_type_class_ref (type);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GArray) values = g_array_new (FALSE, TRUE, sizeof (GValue));
  GObject *object = NULL;

  g_array_set_clear_func (values, (GDestroyNotify) g_value_unset);
  for (int i = 0; i < n; i++)
    {
      char *text = strchr (options[i], '=');
      GValue value = G_VALUE_INIT;
      GParamSpec *spec = NULL;

      *text++ = '\0';
      spec = g_object_class_find_property (klass, options[i]);
      g_assert_nonnull (spec);
      read_option (spec, text, &value);
      g_ptr_array_add (names, options[i]);
      g_array_append_val (values, value);
    }
  object = g_object_new_with_properties (type, names->len, (const char **) names->pdata, &g_array_index (values, GValue, 0));
  g_type_class_unref (klass);
  return object;
}

static TeesqlStorage *
storage_new (int n, char **options)
{
  GObject *object = construct (n, options);
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  g_async_initable_init_async (G_ASYNC_INITABLE (object), G_PRIORITY_DEFAULT, NULL, keep, &result);
  if (!g_async_initable_init_finish (G_ASYNC_INITABLE (object), wait_for (&result), &error))
    fail (error);
  return TEESQL_STORAGE (object);
}

/* The same plugin behind its confined host, as teesqld has it. */
static TeesqlStorage *
hosted_new (const char *path)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;
  g_autoptr (TeesqlConfig) config = teesql_config_load (TEESQL_CONFIG_DAEMON, path, &error);
  TeesqlStorageClient *client = NULL;

  if (config == NULL)
    fail (error);
  teesql_storage_client_new_async (config, DRIVER_NAME, NULL, keep, &result);
  client = teesql_storage_client_new_finish (wait_for (&result), &error);
  if (client == NULL)
    fail (error);
  return TEESQL_STORAGE (client);
}

static void
print_info (TeesqlObjectInfo *info)
{
  g_print ("%s %" G_GUINT64_FORMAT "\n", teesql_object_info_get_name (info), teesql_object_info_get_size (info));
  teesql_object_info_unref (info);
}

static TeesqlStoragePutFlags
flags_of (const char *word)
{
  return g_strcmp0 (word, "if-absent") == 0 ? TEESQL_STORAGE_PUT_IF_ABSENT : TEESQL_STORAGE_PUT_NONE;
}

/* put NAME FILE any|if-absent known|unknown */
static void
run_put (TeesqlStorage *storage, char **arguments)
{
  g_autoptr (GFile) file = g_file_new_for_path (arguments[1]);
  g_autoptr (GFileInputStream) content = g_file_read (file, NULL, NULL);
  g_autoptr (GFileInfo) info = g_file_query_info (file, "standard::size", G_FILE_QUERY_INFO_NONE, NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;
  TeesqlObjectInfo *stored = NULL;

  teesql_storage_put_async (storage, arguments[0], G_INPUT_STREAM (content),
                            strcmp (arguments[3], "known") == 0 ? g_file_info_get_size (info) : -1, flags_of (arguments[2]), NULL, keep,
                            &result);
  stored = teesql_storage_put_finish (storage, wait_for (&result), &error);
  if (stored == NULL)
    fail (error);
  print_info (stored);
}

static guint64
copy_to (GInputStream *stream, const char *path)
{
  g_autoptr (GFile) file = path != NULL ? g_file_new_for_path (path) : NULL;
  g_autoptr (GFileOutputStream) out = file != NULL ? g_file_replace (file, NULL, FALSE, 0, NULL, NULL) : NULL;
  g_autofree char *buffer = g_malloc (1 << 20);
  GError *error = NULL;
  guint64 total = 0;
  gssize n = 1;

  while (n > 0)
    {
      g_autoptr (GAsyncResult) result = NULL;

      g_input_stream_read_async (stream, buffer, 1 << 20, G_PRIORITY_DEFAULT, NULL, keep, &result);
      n = g_input_stream_read_finish (stream, wait_for (&result), &error);
      if (n < 0)
        fail (error);
      total += (guint64) n;
      if (out != NULL)
        g_assert_true (g_output_stream_write_all (G_OUTPUT_STREAM (out), buffer, (gsize) n, NULL, NULL, NULL));
    }
  return total;
}

/* get NAME FILE OFFSET LENGTH (0: to the end) */
static void
run_get (TeesqlStorage *storage, char **arguments)
{
  guint64 length = g_ascii_strtoull (arguments[3], NULL, 10);
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;
  GInputStream *stream = NULL;

  teesql_storage_get_async (storage, arguments[0], g_ascii_strtoull (arguments[2], NULL, 10), length > 0 ? length : G_MAXUINT64, NULL, keep,
                            &result);
  stream = teesql_storage_get_finish (storage, wait_for (&result), &error);
  if (stream == NULL)
    fail (error);
  g_print ("%" G_GUINT64_FORMAT "\n", copy_to (stream, arguments[1]));
  g_object_unref (stream);
}

/* list PREFIX MAX */
static void
run_list (TeesqlStorage *storage, char **arguments)
{
  g_autofree char *token = NULL;
  guint n_pages = 0;

  do
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (TeesqlObjectPage) page = NULL;
      GError *error = NULL;

      teesql_storage_list_async (storage, arguments[0], token, (guint) atol (arguments[1]), NULL, keep, &result);
      page = teesql_storage_list_finish (storage, wait_for (&result), &error);
      if (page == NULL)
        fail (error);
      for (guint i = 0; i < teesql_object_page_get_n_objects (page); i++)
        print_info (teesql_object_info_ref (teesql_object_page_get_object (page, i)));
      g_free (token);
      token = g_strdup (teesql_object_page_get_next_token (page));
      n_pages++;
    }
  while (token != NULL);
  g_printerr ("pages %u\n", n_pages);
}

static void
run_stat (TeesqlStorage *storage, char **arguments)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;
  TeesqlObjectInfo *info = NULL;

  teesql_storage_stat_async (storage, arguments[0], NULL, keep, &result);
  info = teesql_storage_stat_finish (storage, wait_for (&result), &error);
  if (info == NULL)
    fail (error);
  print_info (info);
}

static void
run_remove (TeesqlStorage *storage, char **arguments)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  teesql_storage_remove_async (storage, arguments[0], NULL, keep, &result);
  if (!teesql_storage_remove_finish (storage, wait_for (&result), &error))
    fail (error);
}

/* ---- uploads ---- */

typedef struct
{
  TeesqlStorage *storage;
  const char *name;
  char *id;
  GBytes *bytes;
  char **tags;
  guint n_parts;
  guint next;
  guint n_running;
} Upload;

typedef struct
{
  Upload *upload;
  guint number;
} Part;

static void start_part (Upload *self);

static void
part_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Part *part = user_data;
  Upload *self = part->upload;
  GError *error = NULL;

  self->tags[part->number] = teesql_storage_upload_part_finish (TEESQL_STORAGE (source), result, &error);
  if (self->tags[part->number] == NULL)
    fail (error);
  self->n_running--;
  g_free (part);
  start_part (self);
}

static void
start_part (Upload *self)
{
  while (self->next < self->n_parts && self->n_running < PARALLEL)
    {
      Part *part = g_new0 (Part, 1);
      gsize offset = self->next * PART_SIZE;
      g_autoptr (GBytes) bytes = g_bytes_new_from_bytes (self->bytes, offset, MIN (PART_SIZE, g_bytes_get_size (self->bytes) - offset));

      *part = (Part){ self, self->next++ };
      self->n_running++;
      teesql_storage_upload_part_async (self->storage, self->name, self->id, part->number + 1, bytes, NULL, part_cb, part);
    }
}

static void
begin (Upload *self, TeesqlStoragePutFlags flags)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  teesql_storage_upload_begin_async (self->storage, self->name, flags, NULL, keep, &result);
  self->id = teesql_storage_upload_begin_finish (self->storage, wait_for (&result), &error);
  if (self->id == NULL)
    fail (error);
}

static TeesqlObjectInfo *
commit (Upload *self, TeesqlStoragePutFlags flags)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;
  TeesqlObjectInfo *info = NULL;

  teesql_storage_upload_commit_async (self->storage, self->name, self->id, (const char *const *) self->tags, flags, NULL, keep, &result);
  info = teesql_storage_upload_commit_finish (self->storage, wait_for (&result), &error);
  if (info == NULL)
    fail (error);
  return info;
}

static void
abort_upload (Upload *self)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  teesql_storage_upload_abort_async (self->storage, self->name, self->id, NULL, keep, &result);
  if (!teesql_storage_upload_abort_finish (self->storage, wait_for (&result), &error))
    fail (error);
}

/* upload NAME FILE any|if-absent commit|abort: parts of 8 MiB, four side by side, the last first */
static void
run_upload (TeesqlStorage *storage, char **arguments)
{
  g_autoptr (GMappedFile) file = g_mapped_file_new (arguments[1], FALSE, NULL);
  Upload self = { .storage = storage, .name = arguments[0] };

  self.bytes = g_mapped_file_get_bytes (file);
  self.n_parts = (guint) ((g_bytes_get_size (self.bytes) + PART_SIZE - 1) / PART_SIZE);
  self.tags = g_new0 (char *, self.n_parts + 1);
  begin (&self, flags_of (arguments[2]));
  start_part (&self);
  while (self.n_running > 0)
    g_main_context_iteration (NULL, TRUE);
  if (strcmp (arguments[3], "commit") == 0)
    print_info (commit (&self, flags_of (arguments[2])));
  else
    {
      abort_upload (&self);
      abort_upload (&self); /* what is gone is gone */
    }
  g_strfreev (self.tags);
  g_free (self.id);
  g_bytes_unref (self.bytes);
}

/* fill PREFIX COUNT: empty objects */
static void
run_fill (TeesqlStorage *storage, char **arguments)
{
  guint count = (guint) atol (arguments[1]);
  g_autofree GAsyncResult **results = g_new0 (GAsyncResult *, count);

  for (guint i = 0; i < count; i++)
    {
      g_autofree char *name = g_strdup_printf ("%s%05u", arguments[0], i);
      g_autoptr (GInputStream) content = g_memory_input_stream_new ();

      teesql_storage_put_async (storage, name, content, 0, TEESQL_STORAGE_PUT_NONE, NULL, keep, &results[i]);
    }
  for (guint i = 0; i < count; i++)
    {
      GError *error = NULL;
      TeesqlObjectInfo *info = teesql_storage_put_finish (storage, wait_for (&results[i]), &error);

      if (info == NULL)
        fail (error);
      teesql_object_info_unref (info);
      g_object_unref (results[i]);
    }
}

/* race NAME COUNT: that many at once, each with its own content; prints who won and how many lost */
static void
run_race (TeesqlStorage *storage, char **arguments)
{
  guint count = (guint) atol (arguments[1]);
  g_autofree GAsyncResult **results = g_new0 (GAsyncResult *, count);
  guint n_lost = 0;

  for (guint i = 0; i < count; i++)
    {
      char *text = g_strdup_printf ("racer %u", i);
      g_autoptr (GInputStream) content = g_memory_input_stream_new_from_data (text, (gssize) strlen (text), g_free);

      teesql_storage_put_async (storage, arguments[0], content, (gint64) strlen (text), TEESQL_STORAGE_PUT_IF_ABSENT, NULL, keep,
                                &results[i]);
    }
  for (guint i = 0; i < count; i++)
    {
      g_autoptr (GError) error = NULL;
      TeesqlObjectInfo *info = teesql_storage_put_finish (storage, wait_for (&results[i]), &error);

      if (info != NULL)
        g_print ("racer %u\n", i);
      else if (g_error_matches (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS))
        n_lost++;
      else
        fail (g_steal_pointer (&error));
      g_clear_pointer (&info, teesql_object_info_unref);
      g_object_unref (results[i]);
    }
  g_print ("lost %u\n", n_lost);
}

/* fetch NAME SIZE: ranges of 8 MiB, four side by side, thrown away */
typedef struct
{
  GInputStream *stream;
  guint8 *buffer;
  guint64 *total;
  guint *n_running;
} Fetch;

static void
fetched_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fetch *self = user_data;
  GError *error = NULL;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (n < 0)
    fail (error);
  *self->total += (guint64) n;
  if (n > 0)
    {
      g_input_stream_read_async (self->stream, self->buffer, 1 << 20, G_PRIORITY_DEFAULT, NULL, fetched_cb, self);
      return;
    }
  --*self->n_running;
  g_object_unref (self->stream);
  g_free (self->buffer);
  g_free (self);
}

static void
opened_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fetch *self = user_data;
  GError *error = NULL;

  self->stream = teesql_storage_get_finish (TEESQL_STORAGE (source), result, &error);
  if (self->stream == NULL)
    fail (error);
  self->buffer = g_malloc (1 << 20);
  g_input_stream_read_async (self->stream, self->buffer, 1 << 20, G_PRIORITY_DEFAULT, NULL, fetched_cb, self);
}

static void
run_fetch (TeesqlStorage *storage, char **arguments)
{
  guint64 size = g_ascii_strtoull (arguments[1], NULL, 10);
  guint64 next = 0;
  guint64 total = 0;
  guint n_running = 0;

  while (next < size || n_running > 0)
    {
      for (; next < size && n_running < PARALLEL; next += PART_SIZE)
        {
          Fetch *fetch = g_new0 (Fetch, 1);

          fetch->total = &total;
          fetch->n_running = &n_running;
          n_running++;
          teesql_storage_get_async (storage, arguments[0], next, MIN (PART_SIZE, size - next), NULL, opened_cb, fetch);
        }
      g_main_context_iteration (NULL, TRUE);
    }
  g_print ("%" G_GUINT64_FORMAT "\n", total);
}

static const struct
{
  const char *name;
  int n_arguments;
  void (*run) (TeesqlStorage *storage, char **arguments);
} commands[] = {
  { "put", 4, run_put },       { "get", 4, run_get },   { "list", 2, run_list }, { "stat", 1, run_stat },   { "remove", 1, run_remove },
  { "upload", 4, run_upload }, { "fill", 2, run_fill }, { "race", 2, run_race }, { "fetch", 2, run_fetch },
};

int
main (int argc, char **argv)
{
  int split = 1;
  gboolean hosted = FALSE;
  TeesqlStorage *storage = NULL;

  while (split < argc && strcmp (argv[split], "--") != 0)
    split++;
  for (guint i = 0; i < G_N_ELEMENTS (commands) && split + 1 < argc; i++)
    if (strcmp (commands[i].name, argv[split + 1]) == 0 && argc - split - 2 == commands[i].n_arguments)
      {
        hosted = split == 2 && g_str_has_prefix (argv[1], "hosted=");
        storage = hosted ? hosted_new (argv[1] + strlen ("hosted=")) : storage_new (split - 1, argv + 1);
        commands[i].run (storage, argv + split + 2);
        g_object_unref (storage);
        return 0;
      }
  g_printerr ("OPTION=VALUE... -- COMMAND ARGUMENT...\n");
  return 2;
}
