#pragma once
#include "dstack-buffer.h"
#include "dstack-endpoint.h"

#define DSTACK_ANSWER_MAX ((gsize) 1048576)

/**
 * DstackAnswer:
 * @status: HTTP status
 * @body: in locked memory when the call said so
 */
typedef struct
{
  guint status;
  DstackBuffer body;
} DstackAnswer;

/**
 * dstack_http_post_async:
 * @endpoint: borrowed until the callback
 * @method: name of the remote procedure, `GetKey`
 * @json: request, public
 * @secret: the answer carries a key
 * @timeout_ms: for the whole exchange, connect to last byte
 *
 * one connection, one request, one answer. Nothing is left open or running once the callback runs.
 * Errors: %G_IO_ERROR_CANCELLED, %G_IO_ERROR_TIMED_OUT, #TEESQL_PARSE_ERROR, and UNAVAILABLE in @domain.
 */
void dstack_http_post_async (DstackEndpoint *endpoint, const char *method, const char *json, gboolean secret, guint timeout_ms,
                             GQuark domain, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
DstackAnswer *dstack_http_post_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dstack_answer_free (DstackAnswer *self);
/**
 * dstack_answer_error_text:
 *
 * Returns: (transfer full): what the agent said about a refused call: `{"error": …}`, or the protobuf form that it uses for errors
 *   before dispatch; one line of at most 200 characters
 */
char *dstack_answer_error_text (const guint8 *body, gsize size) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DstackAnswer, dstack_answer_free)
