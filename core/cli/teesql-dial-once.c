#include "cli/teesql-dial-once.h"
#include "base/teesql-domains.h"

/* Shared with the worker's thread until @done, which is set last and wakes the main context. */
typedef struct
{
  TeesqlWorker *worker;
  TeesqlDialOptions options;
  TeesqlDialOutcome *outcome;
  GError *error;
  gint done; /* atomic */
} Meeting;

static void
dialed_cb (TeesqlDialResult *result, gpointer user_data)
{
  Meeting *meeting = user_data;

  meeting->outcome->leaf = result->leaf != NULL ? g_bytes_ref (result->leaf) : NULL;
  meeting->outcome->verdict = result->verdict != NULL ? teesql_verdict_ref (result->verdict) : NULL;
  meeting->outcome->tls = g_strdup (result->tls);
  if (result->error != NULL)
    meeting->error = g_error_copy (result->error);
  g_clear_pointer (&result->stream, teesql_stream_free);
  g_atomic_int_set (&meeting->done, 1);
  g_main_context_wakeup (NULL);
}

static void
start_cb (gpointer user_data)
{
  Meeting *meeting = user_data;

  teesql_dial_start (meeting->worker, &meeting->options, dialed_cb, meeting);
}

static TeesqlTlsCredentials *
own_credentials (TeesqlCliClient *client, GError **error)
{
  g_autoptr (TeesqlTlsIdentity) identity = teesql_attest_service_ref_identity (client->attest);

  if (identity != NULL)
    return teesql_tls_credentials_new (identity, error);
  g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_UNAVAILABLE, "no-identity", 0,
                                              "there is no valid attested identity of our own"));
  return NULL;
}

TeesqlDialOutcome *
teesql_dial_once (TeesqlCliClient *client, const TeesqlTarget *target, GError **error)
{
  g_autoptr (TeesqlTlsCredentials) credentials = own_credentials (client, error);
  Meeting meeting = { .outcome = g_new0 (TeesqlDialOutcome, 1) };

  if (credentials == NULL)
    return meeting.outcome;
  meeting.worker = teesql_worker_new (0, NULL, error);
  if (meeting.worker == NULL)
    return meeting.outcome;
  meeting.options = (TeesqlDialOptions){
    .attest = client->attest,
    .credentials = credentials,
    .host = target->host,
    .port = target->port,
    .server_name = teesql_config_is_set (client->config, "connect", "server-name")
                       ? teesql_config_get_string (client->config, "connect", "server-name")
                       : NULL,
    .timeout_ms = teesql_config_get_duration_ms (client->config, "connect", "connect-timeout"),
  };
  if (teesql_worker_start (meeting.worker, error))
    {
      teesql_worker_post (meeting.worker, start_cb, &meeting);
      while (g_atomic_int_get (&meeting.done) == 0)
        g_main_context_iteration (NULL, TRUE);
      teesql_worker_stop (meeting.worker);
    }
  teesql_worker_free (meeting.worker);
  if (meeting.error != NULL)
    g_propagate_error (error, meeting.error);
  return meeting.outcome;
}

void
teesql_dial_outcome_free (TeesqlDialOutcome *self)
{
  g_clear_pointer (&self->leaf, g_bytes_unref);
  g_clear_pointer (&self->verdict, teesql_verdict_unref);
  g_free (self->tls);
  g_free (self);
}
