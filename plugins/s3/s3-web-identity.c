/* AssumeRoleWithWebIdentity: the token of a file for credentials that end. The request carries no signature: the token is the proof. */
#include "s3-identity.h"

#include "../cloud/cloud-uri.h"
#include "base/teesql-locked-memory.h"
#include "s3-error.h"
#include "s3-scan.h"

#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TOKEN_MAX ((gsize) 14336) /* with the rest of the form within one secret */
#define WHAT      "assume role with web identity"
#define OPTION    "sts-endpoint"

static GError *
config_error (const char *path, const char *text)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "s3-token-file", 0, "web-identity-token-file %s: %s", path, text);
}

static gboolean
is_token (const guint8 *data, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isalnum (data[i]) && strchr ("-._~=", data[i]) == NULL)
      return FALSE;
  return size > 0;
}

/* Into @room, of TOKEN_MAX bytes. Returns: the token's size without a newline at its end, or 0 with @error */
static gsize
read_token (const char *path, guint8 *room, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  gsize used = 0;
  gssize n = fd < 0 ? -1 : 1;

  while (n > 0 && used < TOKEN_MAX)
    {
      n = read (fd, room + used, TOKEN_MAX - used);
      used += n > 0 ? (gsize) n : 0;
    }
  if (n < 0)
    g_propagate_error (error, config_error (path, g_strerror (errno)));
  if (fd >= 0)
    close (fd);
  if (n < 0)
    return 0;
  while (used > 0 && (room[used - 1] == '\n' || room[used - 1] == '\r'))
    used--;
  if (used < TOKEN_MAX && is_token (room, used))
    return used;
  g_propagate_error (error, config_error (path, "is empty, too long, or holds no token (a JWT)"));
  return 0;
}

typedef struct
{
  const char *head;
  const guint8 *token;
  gsize token_size;
} Form;

/* The token's letters need no escape in a form but `=`, which servers take as it is there. */
static gboolean
fill_form (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  const Form *form = user_data;
  gsize head = strlen (form->head);

  for (gsize i = 0; i < size; i++)
    out[i] = i < head ? (guint8) form->head[i] : form->token[i - head];
  return TRUE;
}

static TeesqlSecret *
build_form (S3Identity *self, GError **error)
{
  g_autofree char *arn = cloud_percent_encode (self->role_arn, NULL);
  g_autofree char *name = cloud_percent_encode (self->role_session_name, NULL);
  g_autofree char *head =
      g_strdup_printf ("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%s&RoleSessionName=%s&WebIdentityToken=", arn, name);
  guint8 *room = teesql_locked_alloc (TOKEN_MAX, error);
  Form form = { head, room, 0 };
  TeesqlSecret *secret = NULL;

  if (room != NULL && (form.token_size = read_token (self->token_file, room, error)) > 0)
    secret = teesql_secret_new_fill (strlen (head) + form.token_size, fill_form, &form, error);
  if (room != NULL)
    teesql_locked_free (room, TOKEN_MAX);
  return secret;
}

static void
read_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;
  TeesqlSecret *form = build_form (task_data, &error);

  if (form != NULL)
    g_task_return_pointer (task, form, (GDestroyNotify) teesql_secret_unref);
  else
    g_task_return_error (task, error);
}

static GError *
refusal (const CloudAnswer *answer)
{
  g_auto (S3Problem) problem = { 0 };
  S3Refusal refused = { .what = WHAT, .status = answer->status, .problem = &problem };
  GError *error = NULL;

  s3_answer_read_problem (answer->body, &problem);
  error = s3_error_new (&refused);
  if (answer->status < 400 || answer->status >= 500 || answer->status == 429 || error->code == TEESQL_ERROR_THROTTLED)
    return error;
  g_autoptr (GError) cause = error;
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_PERMISSION, "s3-web-identity", 0,
                           "%.*s\nhint: may the token in web-identity-token-file assume role-arn, and has it not ended?",
                           (int) strcspn (cause->message, "\n"), cause->message);
}

static void
sent_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (CloudAnswer) answer = cloud_http_send_finish (SOUP_SESSION (source), result, &error);

  if (answer == NULL)
    g_task_return_error (task, error);
  else if (answer->status != SOUP_STATUS_OK)
    g_task_return_error (task, refusal (answer));
  else
    s3_identity_return (task, answer->body, s3_scan_xml, "SessionToken");
}

static void
form_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  S3Identity *self = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;
  TeesqlSecret *form = g_task_propagate_pointer (G_TASK (result), &error);
  CloudRequest request = { .what = WHAT, .endpoint_option = OPTION, .timeout_ms = self->timeout_ms, .secret = TRUE };
  g_autofree char *url = g_strconcat (self->url, "/", NULL);
  g_autoptr (SoupMessage) message = soup_message_new (SOUP_METHOD_POST, url);
  g_autoptr (GBytes) body = NULL;

  if (form == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  body = g_bytes_new_with_free_func (teesql_secret_peek (form, NULL), teesql_secret_get_size (form), (GDestroyNotify) teesql_secret_unref,
                                     form);
  soup_message_headers_replace (soup_message_get_request_headers (message), "Content-Type", "application/x-www-form-urlencoded");
  cloud_http_send_async (self->session, &request, message, body, cancellable, sent_cb, g_steal_pointer (&task));
}

void
s3_web_identity_fetch_async (S3Identity *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  g_autoptr (GTask) reading = g_task_new (NULL, cancellable, form_ready_cb, task);

  g_task_set_task_data (task, self, NULL); /* outlives the task: CloudTokens keeps it until the fetch has ended */
  g_task_set_task_data (reading, self, NULL);
  g_task_run_in_thread (reading, read_thread);
}
