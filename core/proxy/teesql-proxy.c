#include "proxy/teesql-proxy.h"

#include "base/teesql-domains.h"
#include "base/teesql-log.h"
#include "proxy/teesql-proxy-private.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <teesql/teesql-error.h>
#include <unistd.h>

/* Key derivation beside the workers. */
#define POOL_THREADS 2
/* Descriptors that are neither a client's nor its way to PostgreSQL. */
#define OTHER_DESCRIPTORS 128

struct _TeesqlProxy
{
  GObject parent_instance;
  TeesqlProxyShared *shared;
  TeesqlConfig *config;
  GPtrArray *homes; /* TeesqlProxyHome */
  GTask *drain;
  guint16 port;
  gboolean running;
};

G_DEFINE_FINAL_TYPE (TeesqlProxy, teesql_proxy, G_TYPE_OBJECT)

TeesqlProxySettings *
teesql_proxy_shared_ref_settings (TeesqlProxyShared *self)
{
  TeesqlProxySettings *settings;

  g_mutex_lock (&self->mutex);
  settings = teesql_proxy_settings_ref (self->settings);
  g_mutex_unlock (&self->mutex);
  return settings;
}

TeesqlBackend *
teesql_proxy_shared_ref_backend (TeesqlProxyShared *self)
{
  TeesqlBackend *backend;

  g_mutex_lock (&self->mutex);
  backend = self->backend != NULL ? teesql_backend_ref (self->backend) : NULL;
  g_mutex_unlock (&self->mutex);
  return backend;
}

guint64
teesql_proxy_shared_next_id (TeesqlProxyShared *self)
{
  guint64 id;

  g_mutex_lock (&self->mutex);
  id = ++self->last_id;
  g_mutex_unlock (&self->mutex);
  return id;
}

static gboolean
proxy_drained (gpointer user_data)
{
  TeesqlProxy *self = user_data;

  if (self->drain != NULL && g_atomic_int_get (&self->shared->n_sessions) == 0)
    {
      g_task_return_boolean (self->drain, TRUE);
      g_clear_object (&self->drain);
    }
  return G_SOURCE_REMOVE;
}

/* On whichever worker the last session ended. */
static void
proxy_emptied (gpointer user_data)
{
  TeesqlProxy *self = user_data;
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, proxy_drained, g_object_ref (self), g_object_unref);
  g_source_attach (source, self->shared->context);
}

static void
proxy_post (TeesqlProxy *self, GSourceOnceFunc func)
{
  for (guint i = 0; self->running && i < self->homes->len; i++)
    {
      TeesqlProxyHome *home = g_ptr_array_index (self->homes, i);

      teesql_worker_post (home->worker, func, home);
    }
}

typedef struct
{
  GMutex mutex;
  GCond cond;
  guint n;
} Barrier;

typedef struct
{
  TeesqlProxyHome *home;
  Barrier *barrier;
} Closing;

static void
home_close (gpointer data)
{
  Closing *closing = data;

  teesql_proxy_home_close (closing->home);
  g_mutex_lock (&closing->barrier->mutex);
  closing->barrier->n--;
  g_cond_signal (&closing->barrier->cond);
  g_mutex_unlock (&closing->barrier->mutex);
  g_free (closing);
}

/* Returns when no worker has a session any more, and so none begins to use the pool. */
static void
proxy_close_everywhere (TeesqlProxy *self)
{
  Barrier barrier = { .n = 0 };

  g_mutex_init (&barrier.mutex);
  g_cond_init (&barrier.cond);
  g_mutex_lock (&barrier.mutex);
  for (guint i = 0; i < self->homes->len; i++)
    {
      TeesqlProxyHome *home = g_ptr_array_index (self->homes, i);
      Closing *closing;

      if (!home->started)
        continue;
      closing = g_new (Closing, 1);
      *closing = (Closing){ .home = home, .barrier = &barrier };
      barrier.n++;
      teesql_worker_post (home->worker, home_close, closing);
    }
  while (barrier.n > 0)
    g_cond_wait (&barrier.cond, &barrier.mutex);
  g_mutex_unlock (&barrier.mutex);
  g_cond_clear (&barrier.cond);
  g_mutex_clear (&barrier.mutex);
}

static void
proxy_judge_again (TeesqlAttestService *attest, gpointer user_data)
{
  TeesqlProxy *self = user_data;

  g_atomic_int_inc (&self->shared->judge_generation);
  proxy_post (self, teesql_proxy_home_judge_again);
}

static void
proxy_apply_limits (TeesqlProxy *self)
{
  const TeesqlProxySettings *settings = self->shared->settings;

  teesql_admission_set_limits (self->shared->admission, settings->max_pending, settings->max_pending_per_address, settings->max_sessions);
  teesql_memory_set_limit (&self->shared->memory, settings->total_memory);
}

static void
proxy_publish (TeesqlProxy *self)
{
  TeesqlStatus *status = self->shared->status;

  if (!self->running)
    teesql_status_set_component (status, TEESQL_COMPONENT_PROXY, TEESQL_HEALTH_STARTING, NULL, NULL);
  else if (g_atomic_int_get (&self->shared->draining))
    teesql_status_set_component (status, TEESQL_COMPONENT_PROXY, TEESQL_HEALTH_FAILED, "draining", "no new sessions: the daemon is ending");
  else
    teesql_status_set_component (status, TEESQL_COMPONENT_PROXY, TEESQL_HEALTH_OK, NULL, NULL);
}

static void
shared_free (TeesqlProxyShared *self)
{
  g_clear_pointer (&self->admission, teesql_admission_free);
  g_clear_pointer (&self->cancels, teesql_cancel_table_free);
  g_clear_pointer (&self->settings, teesql_proxy_settings_unref);
  g_clear_pointer (&self->backend, teesql_backend_unref);
  g_clear_pointer (&self->roles_key, teesql_secret_unref);
  g_clear_object (&self->attest);
  g_clear_object (&self->status);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

TeesqlProxy *
teesql_proxy_new (const TeesqlProxyOptions *options, GError **error)
{
  g_autoptr (TeesqlProxySettings) settings = teesql_proxy_settings_new (options->config, error);
  TeesqlProxy *self;
  TeesqlProxyShared *shared;

  if (settings == NULL)
    return NULL;
  self = g_object_new (TEESQL_TYPE_PROXY, NULL);
  shared = self->shared;
  self->config = teesql_config_ref (options->config);
  shared->settings = g_steal_pointer (&settings);
  shared->attest = g_object_ref (options->attest);
  shared->status = g_object_ref (options->status);
  shared->roles_key = teesql_secret_ref (options->roles_key);
  shared->backend = options->backend != NULL ? teesql_backend_ref (options->backend) : NULL;
  shared->admission = teesql_admission_new (options->status);
  shared->emptied = proxy_emptied;
  shared->user_data = self;
  proxy_apply_limits (self);
  g_signal_connect_object (options->attest, "judge-again", G_CALLBACK (proxy_judge_again), self, 0);
  proxy_publish (self);
  return self;
}

/* A session has two descriptors. What the soft limit lacks is taken from the hard one; what is lacking then is said. */
static void
proxy_raise_descriptors (TeesqlProxy *self)
{
  const TeesqlProxySettings *settings = self->shared->settings;
  guint64 wanted = 2 * (guint64) settings->max_sessions + settings->max_pending + OTHER_DESCRIPTORS;
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
    return;
  limit.rlim_cur = MIN (wanted, limit.rlim_max);
  if (setrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted)
    return;
  teesql_log_warning ("proxy",
                      "%" G_GUINT64_FORMAT " open files are allowed, [proxy] max-sessions and max-pending may need %" G_GUINT64_FORMAT
                      "\nhint: raise LimitNOFILE, or lower them",
                      (guint64) limit.rlim_cur, wanted);
}

static gboolean
proxy_make_homes (TeesqlProxy *self, GError **error)
{
  guint n = teesql_config_is_auto (self->config, "proxy", "workers") ? g_get_num_processors ()
                                                                     : (guint) teesql_config_get_integer (self->config, "proxy", "workers");

  for (guint i = 0; i < MAX (n, 1); i++)
    {
      TeesqlProxyHome *home = teesql_proxy_home_new (self->shared, i, error);

      if (home == NULL)
        return FALSE;
      g_ptr_array_add (self->homes, home);
    }
  return TRUE;
}

static void
home_add_listener (TeesqlProxyHome *home, int fd, gboolean exclusive)
{
  g_ptr_array_add (home->listeners, teesql_proxy_listener_new (home, fd, exclusive));
}

static gboolean
proxy_bind (TeesqlProxy *self, GError **error)
{
  const char *const *addresses = teesql_config_get_list (self->config, "proxy", "listen");

  for (guint a = 0; addresses[a] != NULL; a++)
    {
      guint16 port = 0;

      for (guint i = 0; i < self->homes->len; i++)
        {
          int fd = teesql_proxy_bind (addresses[a], port, error);

          if (fd < 0)
            return FALSE;
          port = teesql_proxy_get_bound_port (fd);
          home_add_listener (g_ptr_array_index (self->homes, i), fd, FALSE);
        }
      teesql_log_info ("proxy", "listening on %s, port %u, %u workers", addresses[a], port, self->homes->len);
      if (self->port == 0)
        self->port = port;
    }
  return TRUE;
}

static gboolean
proxy_adopt (TeesqlProxy *self, int fd, GError **error)
{
  int flags = fcntl (fd, F_GETFL);

  if (flags < 0 || fcntl (fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl (fd, F_SETFD, FD_CLOEXEC) < 0)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_CONFIG, "proxy-listen", 0, "activated socket %d: %s",
                                                  fd, g_strerror (errno)));
      return FALSE;
    }
  if (self->port == 0)
    self->port = teesql_proxy_get_bound_port (fd);
  for (guint i = 0; i < self->homes->len; i++)
    {
      int copy = i == 0 ? fd : fcntl (fd, F_DUPFD_CLOEXEC, 3);

      if (copy < 0)
        {
          g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_UNAVAILABLE, "proxy-listen", 0,
                                                      "activated socket: %s", g_strerror (errno)));
          return FALSE;
        }
      home_add_listener (g_ptr_array_index (self->homes, i), copy, TRUE);
    }
  return TRUE;
}

static void
home_start (gpointer data)
{
  TeesqlProxyHome *home = data;

  for (guint i = 0; i < home->listeners->len; i++)
    teesql_proxy_listener_start (g_ptr_array_index (home->listeners, i));
}

gboolean
teesql_proxy_listen (TeesqlProxy *self, const int *activated, guint n_activated, GError **error)
{
  g_return_val_if_fail (!self->running && self->homes->len == 0, FALSE);
  proxy_raise_descriptors (self);
  if (!proxy_make_homes (self, error))
    return FALSE;
  for (guint i = 0; i < n_activated; i++)
    {
      if (!proxy_adopt (self, activated[i], error))
        return FALSE;
    }
  if (n_activated == 0 && !proxy_bind (self, error))
    return FALSE;
  self->running = TRUE;
  for (guint i = 0; i < self->homes->len; i++)
    {
      TeesqlProxyHome *home = g_ptr_array_index (self->homes, i);

      home->started = teesql_worker_start (home->worker, error);
      if (!home->started)
        return FALSE;
    }
  proxy_post (self, home_start);
  proxy_publish (self);
  return TRUE;
}

guint16
teesql_proxy_get_port (TeesqlProxy *self)
{
  return self->port;
}

gboolean
teesql_proxy_set_config (TeesqlProxy *self, TeesqlConfig *config, GError **error)
{
  TeesqlProxySettings *settings = teesql_proxy_settings_new (config, error);
  TeesqlProxySettings *before;

  if (settings == NULL)
    return FALSE;
  g_clear_pointer (&self->config, teesql_config_unref);
  self->config = teesql_config_ref (config);
  g_mutex_lock (&self->shared->mutex);
  before = self->shared->settings;
  self->shared->settings = settings;
  g_mutex_unlock (&self->shared->mutex);
  teesql_proxy_settings_unref (before);
  proxy_apply_limits (self);
  return TRUE;
}

void
teesql_proxy_set_backend (TeesqlProxy *self, TeesqlBackend *backend)
{
  TeesqlBackend *before;

  g_mutex_lock (&self->shared->mutex);
  before = self->shared->backend;
  self->shared->backend = teesql_backend_ref (backend);
  g_mutex_unlock (&self->shared->mutex);
  if (before != NULL)
    teesql_backend_unref (before);
}

void
teesql_proxy_drain_async (TeesqlProxy *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (self->drain == NULL);
  self->drain = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (self->drain, teesql_proxy_drain_async);
  g_atomic_int_set (&self->shared->draining, 1);
  proxy_publish (self);
  proxy_post (self, teesql_proxy_home_drain);
  proxy_emptied (self); /* perhaps there is nobody */
}

gboolean
teesql_proxy_drain_finish (TeesqlProxy *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
teesql_proxy_stop (TeesqlProxy *self)
{
  proxy_close_everywhere (self);
  if (self->shared->pool != NULL)
    teesql_key_pool_free (g_steal_pointer (&self->shared->pool));
  for (guint i = 0; i < self->homes->len; i++)
    {
      TeesqlProxyHome *home = g_ptr_array_index (self->homes, i);

      teesql_worker_stop (home->worker);
    }
  self->running = FALSE;
  g_ptr_array_set_size (self->homes, 0);
}

static void
teesql_proxy_dispose (GObject *object)
{
  TeesqlProxy *self = TEESQL_PROXY (object);

  teesql_proxy_stop (self);
  g_clear_object (&self->drain);
  G_OBJECT_CLASS (teesql_proxy_parent_class)->dispose (object);
}

static void
teesql_proxy_finalize (GObject *object)
{
  TeesqlProxy *self = TEESQL_PROXY (object);

  g_ptr_array_unref (self->homes);
  shared_free (self->shared);
  g_clear_pointer (&self->config, teesql_config_unref);
  G_OBJECT_CLASS (teesql_proxy_parent_class)->finalize (object);
}

static void
teesql_proxy_class_init (TeesqlProxyClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = teesql_proxy_dispose;
  object_class->finalize = teesql_proxy_finalize;
}

static void
teesql_proxy_init (TeesqlProxy *self)
{
  self->homes = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_proxy_home_free);
  self->shared = g_new0 (TeesqlProxyShared, 1);
  g_mutex_init (&self->shared->mutex);
  self->shared->context = g_main_context_ref_thread_default ();
  self->shared->cancels = teesql_cancel_table_new ();
  self->shared->pool = teesql_key_pool_new (POOL_THREADS);
}
