#include "base/teesql-log.h"
#include "proxy/teesql-proxy-private.h"
#include "proxy/teesql-session.h"

#include <malloc.h>

/* How often byte counts of running sessions reach the metrics. */
#define PUBLISH_MS 2000
/* Lines about strangers, a second and worker. */
#define LOG_RATE 20

/* The account is one for all workers: whoever comes publishes what it has become. */
static void
home_publish_memory (TeesqlProxyHome *self)
{
  TeesqlProxyShared *shared = self->shared;
  gsize used = teesql_memory_get_used (&shared->memory);
  gint64 change;

  g_mutex_lock (&shared->mutex);
  change = (gint64) used - (gint64) shared->published_memory;
  shared->published_memory = used;
  g_mutex_unlock (&shared->mutex);
  teesql_status_gauge_add (shared->status, TEESQL_GAUGE_BUFFER_BYTES, change);
}

static void
home_publish (gpointer user_data)
{
  TeesqlProxyHome *self = user_data;

  for (GList *link = self->sessions.head; link != NULL; link = link->next)
    teesql_session_publish (link->data);
  home_publish_memory (self);
  /* After a burst of logins malloc keeps what their handshakes took, under sessions that stay. Given back once it is over, and not
   * between two logins, which would only ask for it again. */
  if (self->burst && !self->began)
    {
      self->burst = FALSE;
      malloc_trim (0);
    }
  self->began = FALSE;
  if (self->burst || self->sessions.length > 0)
    teesql_worker_start_timer (self->worker, &self->publisher, PUBLISH_MS);
}

void
teesql_proxy_home_publish_soon (TeesqlProxyHome *self)
{
  self->began = TRUE;
  self->burst = TRUE;
  if (!teesql_timer_is_running (&self->publisher))
    teesql_worker_start_timer (self->worker, &self->publisher, PUBLISH_MS);
}

static void
home_end_drain (gpointer user_data)
{
  TeesqlProxyHome *self = user_data;
  GList *next;

  for (GList *link = self->sessions.head; link != NULL; link = next)
    {
      next = link->next;
      teesql_session_shut_down (link->data);
    }
}

TeesqlProxyHome *
teesql_proxy_home_new (TeesqlProxyShared *shared, guint index, GError **error)
{
  TeesqlWorker *worker = teesql_worker_new (index, &shared->memory, error);
  TeesqlProxyHome *self;

  if (worker == NULL)
    return NULL;
  self = g_new0 (TeesqlProxyHome, 1);
  self->shared = shared;
  self->worker = worker;
  self->listeners = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_proxy_listener_free);
  g_queue_init (&self->sessions);
  self->calls = g_hash_table_new (NULL, NULL);
  self->publisher = (TeesqlTimer){ .func = home_publish, .user_data = self };
  self->drain = (TeesqlTimer){ .func = home_end_drain, .user_data = self };
  return self;
}

/* On the main context, after the worker's thread has ended. */
void
teesql_proxy_home_free (TeesqlProxyHome *self)
{
  GHashTableIter calls;
  gpointer call;

  g_warn_if_fail (self->sessions.length == 0);
  g_hash_table_iter_init (&calls, self->calls);
  while (g_hash_table_iter_next (&calls, &call, NULL))
    teesql_session_abandon_call (call);
  g_hash_table_unref (self->calls);
  g_ptr_array_unref (self->listeners);
  g_clear_pointer (&self->credentials, teesql_tls_credentials_unref);
  teesql_worker_stop_timer (self->worker, &self->publisher);
  teesql_worker_stop_timer (self->worker, &self->drain);
  teesql_worker_free (self->worker);
  g_free (self);
}

TeesqlTlsCredentials *
teesql_proxy_home_ref_credentials (TeesqlProxyHome *self)
{
  g_autoptr (TeesqlTlsIdentity) identity = teesql_attest_service_ref_identity (self->shared->attest);
  g_autoptr (GError) error = NULL;

  if (identity == NULL)
    return NULL;
  if (self->credentials == NULL || teesql_tls_credentials_get_identity (self->credentials) != identity)
    {
      g_clear_pointer (&self->credentials, teesql_tls_credentials_unref);
      self->credentials = teesql_tls_credentials_new (identity, &error);
    }
  if (self->credentials == NULL)
    {
      teesql_log_error ("proxy", "%s", error->message);
      return NULL;
    }
  return teesql_tls_credentials_ref (self->credentials);
}

gboolean
teesql_proxy_home_may_log (TeesqlProxyHome *self)
{
  gint64 second = g_get_monotonic_time () / G_USEC_PER_SEC;

  if (second != self->log_second)
    {
      if (self->n_unlogged > 0)
        teesql_log_warning ("proxy", "%u more connections failed before authentication and were not logged", self->n_unlogged);
      self->log_second = second;
      self->log_tokens = LOG_RATE;
      self->n_unlogged = 0;
    }
  if (self->log_tokens == 0)
    {
      self->n_unlogged++;
      return FALSE;
    }
  self->log_tokens--;
  return TRUE;
}

void
teesql_proxy_home_drain (gpointer data)
{
  TeesqlProxyHome *self = data;
  g_autoptr (TeesqlProxySettings) settings = teesql_proxy_shared_ref_settings (self->shared);
  GList *next;

  g_ptr_array_set_size (self->listeners, 0);
  for (GList *link = self->sessions.head; link != NULL; link = next)
    {
      next = link->next;
      teesql_session_drain (link->data);
    }
  teesql_worker_start_timer (self->worker, &self->drain, settings->drain_timeout_ms);
}

void
teesql_proxy_home_judge_again (gpointer data)
{
  TeesqlProxyHome *self = data;
  GList *next;

  for (GList *link = self->sessions.head; link != NULL; link = next)
    {
      next = link->next;
      teesql_session_judge_again (link->data);
    }
}

void
teesql_proxy_home_close (gpointer data)
{
  TeesqlProxyHome *self = data;

  g_ptr_array_set_size (self->listeners, 0);
  while (self->sessions.head != NULL)
    teesql_session_close (self->sessions.head->data, "stopped");
}
