/* backup-driver SITE COMMAND…: what teesqld does about backups, alone. SITE is a keyfile with one group `site`: state, storage, host, port,
 * user, password-file, fault (a file that says how the storage breaks; without one it does not). Prints a JSON object a line.
 *
 * run SLOT INTERVAL-MS async|sync|none   archives WAL and takes commands from standard input, each answered with `result` or `reason`:
 *     full LABEL | incremental PARENT LABEL | wait LSN MILLISECONDS | facts | flush | stop
 * show                                   the newest record of the catalog
 * extract BACKUP FOLDER                  its archives and its manifest, as PostgreSQL sent them
 * wal FOLDER                             every byte of WAL in the store, verified, as segments; prints what they reach */
#include "backup/teesql-base-backup.h"
#include "backup/teesql-catalog-wal.h"
#include "backup/teesql-pg-session-server.h"
#include "backup/teesql-wal-archiver.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "fault-storage.h"
#include "file-storage.h"
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define KMS_KEY       "the KMS says thirty-two bytes...."
#define MAX_TIMELINE  16
#define LIST_MAX      1000000
#define SEGMENT_MAX   ((gsize) 64 * 1024 * 1024)
#define NODE          "node-1"
#define CALL_TIMEOUT  5000
#define RETRY_TIMEOUT 3000 /* short, so that the archiver's own patience is what is tested */

typedef struct
{
  GKeyFile *site;
  TeesqlPgAccess access;
  TeesqlStore *store;
  TeesqlRepository *repository;
  TeesqlSecret *head_key;
  TeesqlCatalog *catalog;
  TeesqlWalArchiver *archiver;
  guint progress_calls;
  guint64 progress_total;
} Driver;

/* -- Output ----------------------------------------------------------------------------------------------------- */

static GMutex print_mutex; /* events come on the archiver's thread */

static void
print_json (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  g_mutex_lock (&print_mutex);
  puts (text);
  fflush (stdout);
  g_mutex_unlock (&print_mutex);
}

static JsonBuilder *
begin_json (const char *key, const char *value)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, key);
  json_builder_add_string_value (builder, value);
  return builder;
}

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
add_number (JsonBuilder *builder, const char *name, guint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64) value);
}

static void
print_result (const char *result)
{
  g_autoptr (JsonBuilder) builder = begin_json ("result", result);

  print_json (builder);
}

static int
print_error (const GError *error)
{
  g_autoptr (JsonBuilder) builder = begin_json ("reason", error->domain == G_IO_ERROR ? "io" : teesql_error_get_reason (error));

  add_string (builder, "message", error->message);
  print_json (builder);
  return 1;
}

static const char *
state_name (TeesqlWalState state)
{
  static const char *const names[] = { "starting", "streaming", "waiting", "stopped" };

  return names[state];
}

static void
print_facts (Driver *self, const char *key, const char *value)
{
  g_autoptr (JsonBuilder) builder = begin_json (key, value);
  TeesqlWalFacts facts;

  teesql_wal_archiver_get_facts (self->archiver, &facts);
  add_string (builder, "state", state_name (facts.state));
  add_string (builder, "problem", facts.problem);
  add_number (builder, "timeline", facts.timeline);
  add_number (builder, "server_lsn", facts.server_lsn);
  add_number (builder, "durable_lsn", facts.durable_lsn);
  add_number (builder, "lag_bytes", facts.lag_bytes);
  add_number (builder, "lag_ms", facts.lag_ms);
  add_number (builder, "segments", facts.segments);
  add_number (builder, "bytes", facts.bytes);
  add_number (builder, "gaps", facts.gaps);
  print_json (builder);
}

static void
on_event (TeesqlWalEvent event, const char *message, gpointer user_data)
{
  g_autoptr (JsonBuilder) builder = NULL;

  if (event == TEESQL_WAL_EVENT_FACTS)
    return;
  builder = begin_json ("event", event == TEESQL_WAL_EVENT_GAP ? "gap" : "timeline");
  add_string (builder, "message", message);
  print_json (builder);
}

/* -- The site --------------------------------------------------------------------------------------------------- */

static char *
site_get (Driver *self, const char *key)
{
  return g_key_file_get_string (self->site, "site", key, NULL);
}

static gboolean
open_access (Driver *self, GError **error)
{
  g_autofree char *path = site_get (self, "password-file");
  g_autofree char *port = site_get (self, "port");
  g_autofree char *text = NULL;

  self->access.host = site_get (self, "host");
  self->access.user = site_get (self, "user");
  self->access.port = (guint) g_ascii_strtoull (port, NULL, 10);
  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  g_strchomp (text);
  self->access.password = teesql_secret_new ((const guint8 *) text, strlen (text), error);
  return self->access.password != NULL;
}

static void
on_storage_ready (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out_result = user_data;

  *out_result = g_object_ref (result);
}

/* It is made on a context of its own, which nothing is left on when it goes to the store's thread. */
static TeesqlStorage *
make_file_storage (const char *path, GError **error)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GObject) made = NULL;

  g_main_context_push_thread_default (context);
  g_async_initable_new_async (FILE_TYPE_STORAGE, G_PRIORITY_DEFAULT, NULL, on_storage_ready, &result, "path", path, NULL);
  while (result == NULL)
    g_main_context_iteration (context, TRUE);
  g_main_context_pop_thread_default (context);
  made = g_async_result_get_source_object (result);
  return TEESQL_STORAGE (g_async_initable_new_finish (G_ASYNC_INITABLE (made), result, error));
}

static gboolean
open_store (Driver *self, GError **error)
{
  g_autofree char *path = site_get (self, "storage");
  g_autofree char *fault = site_get (self, "fault");
  g_autoptr (TeesqlStorage) storage = make_file_storage (path, error);
  TeesqlStoreOptions options = { .instance = "file", .call_timeout_ms = CALL_TIMEOUT, .retry_deadline_ms = RETRY_TIMEOUT };

  if (storage == NULL)
    return FALSE;
  if (fault != NULL)
    {
      g_autoptr (TeesqlStorage) inner = g_steal_pointer (&storage);

      storage = fault_storage_new (inner, fault);
    }
  options.storage = storage;
  self->store = teesql_store_new (&options);
  return TRUE;
}

static gboolean
open_repository (Driver *self, GError **error)
{
  g_autofree char *state = site_get (self, "state");
  g_autoptr (TeesqlSecret) kms = teesql_secret_new ((const guint8 *) KMS_KEY, 32, error);
  g_autoptr (TeesqlEpochKeys) keys = NULL;
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE];

  if (kms == NULL || !teesql_cluster_id_load_or_make (state, cluster_id, error))
    return FALSE;
  keys = teesql_epoch_keys_new (cluster_id);
  if (!teesql_epoch_keys_add_kms (keys, 0, kms, error))
    return FALSE;
  self->head_key = teesql_head_derive_key (kms, NODE, error);
  if (self->head_key == NULL || !open_store (self, error))
    return FALSE;
  self->repository = teesql_repository_new (self->store, keys, TRUE);
  return TRUE;
}

static gboolean
ask_server (Driver *self, TeesqlPgServer *out, GError **error)
{
  g_autoptr (TeesqlPgSession) session = teesql_pg_session_open (&self->access, "backup-driver", NULL, error);

  return session != NULL && teesql_pg_server_ask (session, out, error);
}

static gboolean
open_catalog (Driver *self, gboolean writes, GError **error)
{
  g_autofree char *state = site_get (self, "state");
  g_autofree char *head_path = g_build_filename (state, "head", NULL);
  TeesqlCatalogOptions options = { .repository = self->repository, .cluster = "test", .node = NODE };
  TeesqlPgServer server;

  if (!writes)
    {
      self->catalog = teesql_catalog_read (&options, NULL, NULL, error);
      return self->catalog != NULL;
    }
  if (!ask_server (self, &server, error))
    return FALSE;
  options.head_path = head_path;
  options.head_key = self->head_key;
  options.system_identifier = server.system_identifier;
  options.segment_size = server.segment_size;
  self->catalog = teesql_catalog_open (&options, NULL, error);
  return self->catalog != NULL;
}

static void
driver_close (Driver *self)
{
  g_clear_pointer (&self->archiver, teesql_wal_archiver_free);
  g_clear_object (&self->catalog);
  g_clear_object (&self->repository);
  if (self->store != NULL)
    teesql_store_close (self->store);
  g_clear_object (&self->store);
  g_clear_pointer (&self->head_key, teesql_secret_unref);
  g_clear_pointer (&self->access.password, teesql_secret_unref);
  g_free (self->access.host);
  g_free (self->access.user);
  g_key_file_unref (self->site);
}

/* -- run: backups ----------------------------------------------------------------------------------------------- */

static void
on_progress (guint64 done, guint64 total, const char *phase, gpointer user_data)
{
  Driver *self = user_data;

  self->progress_calls++;
  self->progress_total = total;
}

static double
cpu_seconds (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
print_backup (Driver *self, const TeesqlBackup *backup, double seconds, double cpu)
{
  g_autoptr (JsonBuilder) builder = begin_json ("result", "backup");
  g_autofree char *name = teesql_backup_dup_name (backup);

  add_string (builder, "name", name);
  add_number (builder, "start_lsn", backup->start_lsn);
  add_number (builder, "stop_lsn", backup->stop_lsn);
  add_number (builder, "timeline", backup->timeline);
  add_number (builder, "plain_size", teesql_backup_get_plain_size (backup));
  add_number (builder, "stored_size", teesql_backup_get_stored_size (backup));
  add_number (builder, "progress_calls", self->progress_calls);
  add_number (builder, "progress_total", self->progress_total);
  json_builder_set_member_name (builder, "seconds");
  json_builder_add_double_value (builder, seconds);
  json_builder_set_member_name (builder, "cpu");
  json_builder_add_double_value (builder, cpu);
  json_builder_set_member_name (builder, "archives");
  json_builder_begin_array (builder);
  for (guint i = 0; i < backup->archives->len; i++)
    json_builder_add_string_value (builder, ((const TeesqlArchive *) g_ptr_array_index (backup->archives, i))->name);
  json_builder_end_array (builder);
  print_json (builder);
}

static gboolean
run_backup (Driver *self, const char *parent_name, const char *label, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->catalog);
  TeesqlBackup *parent = parent_name != NULL ? teesql_catalog_record_find_named (record, parent_name, error) : NULL;
  g_autoptr (TeesqlBackup) backup = NULL;
  gint64 start_us = g_get_monotonic_time ();
  double cpu = cpu_seconds ();
  TeesqlBaseBackupOptions options = { .access = &self->access,
                                      .catalog = self->catalog,
                                      .parent = parent,
                                      .label = label,
                                      .level = 3,
                                      .fast_checkpoint = TRUE,
                                      .progress = on_progress,
                                      .progress_data = self };

  if (parent_name != NULL && parent == NULL)
    return FALSE;
  self->progress_calls = 0;
  backup = teesql_base_backup_run (&options, NULL, error);
  if (backup == NULL)
    return FALSE;
  print_backup (self, backup, (double) (g_get_monotonic_time () - start_us) / 1e6, cpu_seconds () - cpu);
  return TRUE;
}

/* -- run: commands ---------------------------------------------------------------------------------------------- */

static gboolean
need_archiver (Driver *self, GError **error)
{
  return self->archiver != NULL || teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "usage", "no WAL is archived here");
}

static gboolean
run_wait (Driver *self, const char *lsn_text, const char *ms, GError **error)
{
  guint64 lsn = 0;

  if (!need_archiver (self, error))
    return FALSE;
  if (!teesql_lsn_parse (lsn_text, &lsn))
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "usage", "'%s' is no LSN", lsn_text);
  if (!teesql_wal_archiver_wait (self->archiver, lsn, (guint) g_ascii_strtoull (ms, NULL, 10), NULL, error))
    return FALSE;
  print_facts (self, "result", "durable");
  return TRUE;
}

static gboolean
run_command (Driver *self, const char *const *words, GError **error)
{
  guint n = g_strv_length ((char **) words);

  if (g_str_equal (words[0], "full") && n == 2)
    return run_backup (self, NULL, words[1], error);
  if (g_str_equal (words[0], "incremental") && n == 3)
    return run_backup (self, words[1], words[2], error);
  if (g_str_equal (words[0], "wait") && n == 3)
    return run_wait (self, words[1], words[2], error);
  if (g_str_equal (words[0], "facts"))
    {
      if (!need_archiver (self, error))
        return FALSE;
      print_facts (self, "result", "facts");
      return TRUE;
    }
  if (g_str_equal (words[0], "flush"))
    {
      if (!teesql_catalog_flush (self->catalog, NULL, error))
        return FALSE;
      print_result ("flushed");
      return TRUE;
    }
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "usage", "no such command: %s", words[0]);
}

static void
run_lines (Driver *self)
{
  char *line = NULL;
  size_t room = 0;

  while (getline (&line, &room, stdin) > 0)
    {
      g_autoptr (GError) error = NULL;
      g_auto (GStrv) words = NULL;

      g_strchomp (line);
      if (g_str_equal (line, "stop"))
        break;
      words = g_strsplit (line, " ", 4);
      if (!run_command (self, (const char *const *) words, &error))
        print_error (error);
    }
  free (line); /* getline's own */
}

static gboolean
run (Driver *self, const char *slot, const char *interval, const char *mode, GError **error)
{
  TeesqlWalArchiverOptions options = { .access = &self->access,
                                       .slot = slot,
                                       .application_name = "teesql",
                                       .level = 3,
                                       .partial_interval_ms = (guint) g_ascii_strtoull (interval, NULL, 10),
                                       .synchronous = g_str_equal (mode, "sync"),
                                       .event = on_event };

  if (!open_access (self, error) || !open_repository (self, error) || !open_catalog (self, TRUE, error))
    return FALSE;
  options.catalog = self->catalog;
  if (!g_str_equal (mode, "none"))
    self->archiver = teesql_wal_archiver_new (&options);
  print_result ("ready");
  run_lines (self);
  if (self->archiver != NULL)
    {
      teesql_wal_archiver_stop (self->archiver);
      print_facts (self, "result", "stopped");
    }
  return TRUE;
}

/* -- Readers ---------------------------------------------------------------------------------------------------- */

static gboolean
open_reader (Driver *self, GError **error)
{
  return open_repository (self, error) && open_catalog (self, FALSE, error);
}

static gboolean
show (Driver *self, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = NULL;
  g_autoptr (GBytes) json = NULL;

  if (!open_reader (self, error))
    return FALSE;
  record = teesql_catalog_dup_record (self->catalog);
  json = teesql_catalog_record_to_json (record);
  printf ("%.*s\n", (int) g_bytes_get_size (json), (const char *) g_bytes_get_data (json, NULL));
  return TRUE;
}

static gboolean
write_all (int fd, const guint8 *data, gsize size, gint64 offset, GError **error)
{
  while (size > 0)
    {
      ssize_t n = pwrite (fd, data, size, offset);

      if (n <= 0)
        return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "write", "%s", g_strerror (errno));
      data += n;
      offset += n;
      size -= (gsize) n;
    }
  return TRUE;
}

static gboolean
extract_archive (Driver *self, const TeesqlBackup *backup, const TeesqlArchive *archive, const char *folder, GError **error)
{
  g_autofree char *piece = teesql_layout_piece (teesql_repository_get_cluster_id (self->repository),
                                                teesql_catalog_get_lineage (self->catalog), backup->id, archive->name, 0);
  g_autofree char *base_name = g_strndup (piece, strlen (piece) - strlen (".00000"));
  g_autofree char *path = g_build_filename (folder, archive->name, NULL);
  TeesqlSealedSinkOptions options = { .repository = self->repository,
                                      .base_name = base_name,
                                      .id = { .system_identifier = backup->system_identifier, .timeline = backup->timeline } };
  g_autoptr (TeesqlSealedSource) source = NULL;
  const guint8 *data = NULL;
  gsize size = 0;
  gint64 offset = 0;
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  gboolean ok = FALSE;

  memcpy (options.id.backup_id, backup->id, sizeof options.id.backup_id);
  source = teesql_sealed_source_new (&options, archive->pieces, NULL, error);
  ok = source != NULL;
  do
    {
      ok = ok && teesql_sealed_source_read (source, &data, &size, error) && write_all (fd, data, size, offset, error);
      offset += (gint64) size;
    }
  while (ok && size > 0);
  close (fd);
  return ok;
}

static gboolean
extract (Driver *self, const char *name, const char *folder, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = NULL;
  TeesqlBackup *backup = NULL;

  if (!open_reader (self, error))
    return FALSE;
  record = teesql_catalog_dup_record (self->catalog);
  backup = teesql_catalog_record_find_named (record, name, error);
  if (backup == NULL)
    return FALSE;
  for (guint i = 0; i < backup->archives->len; i++)
    if (!extract_archive (self, backup, g_ptr_array_index (backup->archives, i), folder, error))
      return FALSE;
  print_result ("extracted");
  return TRUE;
}

static gboolean
extract_wal_object (Driver *self, const TeesqlCatalogRecord *record, const TeesqlWalObject *object, const char *folder, GError **error)
{
  g_autofree char *name =
      teesql_wal_object_dup_name (self->repository, teesql_catalog_get_lineage (self->catalog), object, record->segment_size);
  g_autofree char *file = teesql_wal_segment_name (object->timeline, object->start_lsn, record->segment_size);
  g_autofree char *path = g_build_filename (folder, file, NULL);
  TeesqlObjectId id = { .name = name, .system_identifier = record->system_identifier, .timeline = object->timeline };
  g_autoptr (GBytes) plain =
      teesql_repository_get (self->repository, &id, TEESQL_REPOSITORY_COMPRESS, SEGMENT_MAX, NULL, NULL, NULL, error);
  int fd = -1;
  gboolean ok = FALSE;

  if (plain == NULL)
    return FALSE;
  if (g_bytes_get_size (plain) != object->end_lsn - object->start_lsn)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, "size", "%s does not hold what its name says", name);
  fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ok = write_all (fd, g_bytes_get_data (plain, NULL), g_bytes_get_size (plain), (gint64) (object->start_lsn % record->segment_size), error);
  close (fd);
  return ok;
}

static gboolean
extract_history (Driver *self, const TeesqlCatalogRecord *record, guint32 timeline, const char *folder, GError **error)
{
  g_autofree char *name =
      teesql_layout_history (teesql_repository_get_cluster_id (self->repository), teesql_catalog_get_lineage (self->catalog), timeline);
  g_autofree char *file = g_strdup_printf ("%08X.history", timeline);
  g_autofree char *path = g_build_filename (folder, file, NULL);
  TeesqlObjectId id = { .name = name, .system_identifier = record->system_identifier, .timeline = timeline };
  g_autoptr (GBytes) plain =
      teesql_repository_get (self->repository, &id, TEESQL_REPOSITORY_COMPRESS, SEGMENT_MAX, NULL, NULL, NULL, error);

  return plain != NULL && g_file_set_contents (path, g_bytes_get_data (plain, NULL), (gssize) g_bytes_get_size (plain), error);
}

static void
print_range (guint32 timeline, guint64 start, guint64 reach, guint objects)
{
  g_autoptr (JsonBuilder) builder = begin_json ("result", "range");

  add_number (builder, "timeline", timeline);
  add_number (builder, "start", start);
  add_number (builder, "end", reach);
  add_number (builder, "objects", objects);
  print_json (builder);
}

typedef struct
{
  Driver *driver;
  const TeesqlCatalogRecord *record;
  guint32 timeline;
  GArray *objects; /* TeesqlWalObject */
} WalListing;

static gboolean
wal_object_cb (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  WalListing *listing = user_data;
  TeesqlWalObject object;

  if (teesql_wal_object_parse (listing->driver->repository, teesql_catalog_get_lineage (listing->driver->catalog),
                               teesql_object_info_get_name (info), listing->record->segment_size, &object) &&
      object.timeline == listing->timeline)
    g_array_append_val (listing->objects, object);
  return TRUE;
}

static GArray *
list_wal (Driver *self, const TeesqlCatalogRecord *record, guint32 timeline, GError **error)
{
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (TeesqlWalObject));
  g_autofree char *cluster = teesql_layout_cluster (teesql_repository_get_cluster_id (self->repository));
  g_autofree char *prefix = g_strdup_printf ("%s%s/wal/%08X/", cluster, teesql_catalog_get_lineage (self->catalog)->text, timeline);
  WalListing listing = { self, record, timeline, objects };

  if (!teesql_store_list (teesql_repository_get_store (self->repository), prefix, LIST_MAX, wal_object_cb, &listing, NULL, error))
    return NULL;
  return g_steal_pointer (&objects);
}

/* One line for every range without a hole. */
static gboolean
extract_timeline (Driver *self, const TeesqlCatalogRecord *record, guint32 timeline, const char *folder, GError **error)
{
  g_autoptr (GArray) objects = list_wal (self, record, timeline, error);
  guint64 start = 0;
  guint64 reach = 0;
  guint n = 0;

  if (objects == NULL)
    return FALSE;
  if (objects->len > 0 && timeline > 1 && !extract_history (self, record, timeline, folder, error))
    return FALSE;
  for (guint i = 0; i < objects->len; i++)
    {
      const TeesqlWalObject *object = &g_array_index (objects, TeesqlWalObject, i);

      if (n > 0 && object->start_lsn > reach)
        print_range (timeline, start, reach, n);
      if (n == 0 || object->start_lsn > reach)
        {
          start = object->start_lsn;
          n = 0;
        }
      n++;
      reach = MAX (reach, object->end_lsn);
      if (!extract_wal_object (self, record, object, folder, error))
        return FALSE;
    }
  if (n > 0)
    print_range (timeline, start, reach, n);
  return TRUE;
}

static gboolean
extract_wal (Driver *self, const char *folder, GError **error)
{
  g_autoptr (TeesqlCatalogRecord) record = NULL;

  if (!open_reader (self, error))
    return FALSE;
  record = teesql_catalog_dup_record (self->catalog);
  for (guint32 timeline = 1; timeline <= MAX_TIMELINE; timeline++)
    if (!extract_timeline (self, record, timeline, folder, error))
      return FALSE;
  print_result ("extracted");
  return TRUE;
}

int
main (int argc, char **argv)
{
  Driver self = { .site = g_key_file_new () };
  g_autoptr (GError) error = NULL;
  gboolean ok = FALSE;

  umask (077);
  teesql_log_setup ("backup-driver", g_getenv ("TEESQL_TEST_DEBUG") != NULL ? TEESQL_LOG_DEBUG : TEESQL_LOG_INFO, TEESQL_LOG_FORMAT_TEXT);
  if (argc < 3 || !g_key_file_load_from_file (self.site, argv[1], G_KEY_FILE_NONE, &error))
    return 2;
  if (g_str_equal (argv[2], "run") && argc == 6)
    ok = run (&self, argv[3], argv[4], argv[5], &error);
  else if (g_str_equal (argv[2], "show"))
    ok = show (&self, &error);
  else if (g_str_equal (argv[2], "extract") && argc == 5)
    ok = extract (&self, argv[3], argv[4], &error);
  else if (g_str_equal (argv[2], "wal") && argc == 4)
    ok = extract_wal (&self, argv[3], &error);
  if (!ok && error != NULL)
    print_error (error);
  driver_close (&self);
  return ok ? 0 : 1;
}
