#include "backup/teesql-catalog-private.h"
#include "backup/teesql-refill-private.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"

#define FIRST_WAIT_MS 500
#define MAX_WAIT_MS   30000

struct _TeesqlWalService
{
  TeesqlRefillOptions options; /* its texts and objects are our own */
  GThread *thread;
  GCancellable *stopping;
  GMutex lock;
  GCond wake;
};

static gboolean
is_stopping (TeesqlWalService *self)
{
  return g_cancellable_is_cancelled (self->stopping);
}

static void
wait_ms (TeesqlWalService *self, guint ms)
{
  gint64 until = ms == G_MAXUINT ? G_MAXINT64 : g_get_monotonic_time () + (gint64) ms * 1000;

  g_mutex_lock (&self->lock);
  while (!is_stopping (self))
    if (!g_cond_wait_until (&self->wake, &self->lock, until))
      break;
  g_mutex_unlock (&self->lock);
}

/* The storage that the restore came from has its mark beside the head. */
static const char *
choose_storage (const TeesqlConfig *config)
{
  const char *const *storages = teesql_config_get_list (config, "backup", "storages");

  for (guint i = 0; storages[i] != NULL; i++)
    {
      g_autofree char *head =
          g_build_filename (teesql_config_get_string (config, "teesql", "state-directory"), "backup", storages[i], "head", NULL);
      g_autofree char *mark = teesql_catalog_dup_accept_path (head);

      if (g_file_test (mark, G_FILE_TEST_EXISTS))
        return storages[i];
    }
  return storages[0];
}

static gboolean
serve (TeesqlWalService *self, const char *storage, GError **error)
{
  g_auto (TeesqlRefillSource) opened = { 0 };
  g_autoptr (TeesqlWalSource) source = NULL;
  g_autoptr (TeesqlWalServer) server = NULL;
  gboolean found = FALSE;

  if (!teesql_refill_source_open (&self->options, storage, &opened, &found, self->stopping, error))
    return FALSE;
  if (!found)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_NOT_FOUND, "catalog-absent", "there is nothing of this cluster in it");
  source = teesql_wal_source_new (opened.catalog);
  server = teesql_wal_server_new (source, self->options.socket, self->options.uid, error);
  if (server == NULL)
    return FALSE;
  teesql_log_info ("backup", "PostgreSQL gets its WAL from %s", storage);
  wait_ms (self, G_MAXUINT);
  return TRUE;
}

static gpointer
service_thread (gpointer data)
{
  TeesqlWalService *self = data;
  const char *storage = choose_storage (self->options.config);

  for (guint wait = FIRST_WAIT_MS; !is_stopping (self); wait = MIN (wait * 2, MAX_WAIT_MS))
    {
      g_autoptr (GError) error = NULL;

      if (serve (self, storage, &error) || is_stopping (self))
        break;
      teesql_log_warning ("backup", "WAL cannot be served from %s: %s", storage, error->message);
      wait_ms (self, wait);
    }
  return NULL;
}

TeesqlWalService *
teesql_wal_service_new (const TeesqlRefillOptions *options)
{
  TeesqlWalService *self = g_new0 (TeesqlWalService, 1);

  self->options = *options;
  self->options.config = teesql_config_ref (options->config);
  self->options.status = g_object_ref (options->status);
  self->options.attest = options->attest != NULL ? g_object_ref (options->attest) : NULL;
  self->options.kms = g_object_ref (options->kms);
  self->options.socket = g_strdup (options->socket);
  self->stopping = g_cancellable_new ();
  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  self->thread = g_thread_new ("teesql-wal", service_thread, self);
  return self;
}

void
teesql_wal_service_free (TeesqlWalService *self)
{
  g_cancellable_cancel (self->stopping);
  g_mutex_lock (&self->lock);
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);
  g_thread_join (self->thread);
  teesql_config_unref (self->options.config);
  g_object_unref (self->options.status);
  g_clear_object (&self->options.attest);
  g_object_unref (self->options.kms);
  g_free ((char *) self->options.socket);
  g_object_unref (self->stopping);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->wake);
  g_free (self);
}
