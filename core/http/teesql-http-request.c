#include "http/teesql-http-request.h"
#include "http/teesql-http-response.h"

struct _TeesqlHttpRequest
{
  grefcount ref_count;
  TeesqlHttpHead head;
  char *peer;
  GCancellable *cancellable;
  TeesqlHttpAnswerFunc answer; /* NULL once answered or abandoned */
  gpointer connection;
};

TeesqlHttpRequest *
teesql_http_request_new (TeesqlHttpHead *head, const char *peer, TeesqlHttpAnswerFunc answer, gpointer connection)
{
  TeesqlHttpRequest *self = g_new0 (TeesqlHttpRequest, 1);

  g_ref_count_init (&self->ref_count);
  self->head = *head;
  *head = (TeesqlHttpHead){ 0 };
  self->peer = g_strdup (peer);
  self->cancellable = g_cancellable_new ();
  self->answer = answer;
  self->connection = connection;
  return self;
}

TeesqlHttpRequest *
teesql_http_request_ref (TeesqlHttpRequest *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_ref_count_inc (&self->ref_count);
  return self;
}

void
teesql_http_request_unref (TeesqlHttpRequest *self)
{
  g_return_if_fail (self != NULL);

  if (!g_ref_count_dec (&self->ref_count))
    return;
  if (self->answer != NULL)
    {
      g_ref_count_init (&self->ref_count); /* alive once more, for the answer */
      teesql_http_request_respond_error (self, 500, "no-answer", "the resource gave no answer", 0);
    }
  teesql_http_head_clear (&self->head);
  g_free (self->peer);
  g_object_unref (self->cancellable);
  g_free (self);
}

void
teesql_http_request_abandon (TeesqlHttpRequest *self)
{
  self->answer = NULL;
  self->connection = NULL;
  g_cancellable_cancel (self->cancellable);
}

gboolean
teesql_http_request_is_head_only (const TeesqlHttpRequest *self)
{
  return self->head.head_only;
}

const char *
teesql_http_request_get_path (const TeesqlHttpRequest *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->head.path;
}

const char *
teesql_http_request_get_query (const TeesqlHttpRequest *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->head.query;
}

const char *
teesql_http_request_get_peer (const TeesqlHttpRequest *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->peer;
}

GCancellable *
teesql_http_request_get_cancellable (TeesqlHttpRequest *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->cancellable;
}

void
teesql_http_request_respond (TeesqlHttpRequest *self, guint status, const char *content_type, const char *body, guint retry_after)
{
  TeesqlHttpAnswerFunc answer = NULL;
  gboolean keep_alive = FALSE;

  g_return_if_fail (self != NULL && content_type != NULL && body != NULL);

  answer = g_steal_pointer (&self->answer);
  if (answer == NULL)
    return;
  keep_alive = self->head.keep_alive && status < 400;
  answer (self->connection, teesql_http_response_format (status, content_type, body, retry_after, self->head.head_only, keep_alive),
          keep_alive);
}

void
teesql_http_request_respond_error (TeesqlHttpRequest *self, guint status, const char *reason, const char *message, guint retry_after)
{
  g_autofree char *body = teesql_http_response_error_body (reason, message);

  teesql_http_request_respond (self, status, "application/json", body, retry_after);
}
