#include "attest/teesql-identity-request.h"
#include "ratls/teesql-ratls-certificate.h"
#include "ratls/teesql-ratls-identity.h"

/* What is kept while the quote over our fresh key is made. */
typedef struct
{
  TeesqlSecret *key;
  guint8 report_data[TEESQL_REPORT_DATA_SIZE];
  TeesqlTlsRequest request;
  char *subject;
  char **alt_names;
} Making;

static void
making_free (gpointer data)
{
  Making *self = data;

  g_clear_pointer (&self->key, teesql_secret_unref);
  g_free (self->subject);
  g_strfreev (self->alt_names);
  g_free (self);
}

static void
return_identity (GTask *task, TeesqlTlsIdentity *identity, GError *error)
{
  if (identity != NULL)
    g_task_return_pointer (task, identity, (GDestroyNotify) teesql_tls_identity_unref);
  else
    g_task_return_error (task, error);
}

static void
identity_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  TeesqlTlsIdentity *identity = teesql_quote_queue_get_tls_identity_finish (TEESQL_QUOTE_QUEUE (source), result, &error);

  return_identity (task, identity, error);
}

static void
evidence_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Making *making = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (TeesqlEvidence) evidence = teesql_quote_queue_get_evidence_finish (TEESQL_QUOTE_QUEUE (source), result, &error);
  TeesqlTlsIdentity *identity = NULL;

  if (evidence != NULL)
    identity = teesql_ratls_make_identity (making->key, &making->request, evidence, making->report_data, &error);
  return_identity (task, identity, error);
}

static Making *
making_new (const TeesqlTlsRequest *request, GError **error)
{
  g_autoptr (GBytes) spki = NULL;
  TeesqlSecret *key = teesql_ratls_make_key (&spki, error);
  Making *self = NULL;

  if (key == NULL)
    return NULL;
  self = g_new0 (Making, 1);
  self->key = key;
  self->subject = g_strdup (request->subject);
  self->alt_names = g_strdupv ((char **) request->alt_names);
  self->request = (TeesqlTlsRequest){ .subject = self->subject,
                                      .alt_names = (const char *const *) self->alt_names,
                                      .usage = request->usage,
                                      .not_before_unix = request->not_before_unix,
                                      .not_after_unix = request->not_after_unix };
  teesql_ratls_report_data (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), self->report_data);
  return self;
}

void
teesql_identity_request_async (TeesqlQuoteQueue *queue, gboolean make, const TeesqlTlsRequest *request, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (queue, cancellable, callback, user_data);
  GError *error = NULL;
  Making *making = NULL;

  g_task_set_source_tag (task, teesql_identity_request_async);
  if (!make)
    {
      teesql_quote_queue_get_tls_identity_async (queue, TEESQL_QUOTE_PRIORITY_RENEWAL, request, cancellable, identity_cb,
                                                 g_steal_pointer (&task));
      return;
    }
  making = making_new (request, &error);
  if (making == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  g_task_set_task_data (task, making, making_free);
  teesql_quote_queue_get_evidence_async (queue, TEESQL_QUOTE_PRIORITY_RENEWAL, making->report_data, cancellable, evidence_cb,
                                         g_steal_pointer (&task));
}

TeesqlTlsIdentity *
teesql_identity_request_finish (TeesqlQuoteQueue *queue, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_identity_request_async), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
