#pragma once
#include <libsoup/soup.h>
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

/* One request, one attempt, one answer, over one session that keeps connections. */

#define CLOUD_ANSWER_MAX ((gsize) 65536) /* error bodies and small answers */

/**
 * CloudRequest:
 * @what: for messages: `put wal/1`. Copied, like the rest
 * @endpoint_option: name of the option that says where the request goes, for hints
 * @timeout_ms: longest time in which nothing moves: while connecting, between parts of the body that we send, and for the whole answer
 *   unless it is streamed (then between two pieces of it)
 * @max_answer: bytes of an answer's body that is read here; more is `store-oversize`. 0 for %CLOUD_ANSWER_MAX
 * @stream: a body with status 200 or 206 is handed out as a stream instead
 * @secret: the body is read into locked memory, which is wiped with the last reference to #CloudAnswer.body. Then @max_answer counts
 *   against RLIMIT_MEMLOCK
 */
typedef struct
{
  const char *what;
  const char *endpoint_option;
  guint timeout_ms;
  gsize max_answer;
  gboolean stream;
  gboolean secret;
} CloudRequest;

/**
 * CloudAnswer:
 * @message: its response headers, for whoever wants them
 * @body: (nullable): whole; %NULL where @stream is there
 * @stream: (nullable): libsoup's stream, to be wrapped by cloud_answer_take_stream()
 * @drop: cancel it to drop the connection
 */
typedef struct
{
  guint status;
  SoupMessage *message;
  GBytes *body;
  GInputStream *stream;
  GCancellable *drop;
} CloudAnswer;

void cloud_answer_free (CloudAnswer *self);
/* A header of the answer, or %NULL */
const char *cloud_answer_get_header (const CloudAnswer *self, const char *name);

/**
 * cloud_session_new:
 * @ca: (nullable): what https servers are checked against, instead of the system's authorities
 * @max_connections: to one host
 *
 * a client without proxies, cookies, redirects, credentials and decompression
 */
SoupSession *cloud_session_new (GTlsDatabase *ca, guint max_connections) G_GNUC_WARN_UNUSED_RESULT;

/**
 * cloud_http_send_async:
 * @message: method, address and headers. Redirects are never followed
 * @body: (nullable): sent without a copy, with Content-Length. From 1 MiB on the server is asked first (Expect: 100-continue), so that a
 *   refusal is read instead of a broken pipe
 *
 * Every status is an answer; errors are cancellation, time, a body over the limit, and cloud_error_from_transport().
 */
void cloud_http_send_async (SoupSession *session, const CloudRequest *request, SoupMessage *message, GBytes *body,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
CloudAnswer *cloud_http_send_finish (SoupSession *session, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * cloud_answer_take_stream:
 * @expected: bytes the body must have
 * @owner: (nullable): kept alive as long as the stream
 *
 * Returns: (transfer full): a #CloudStream
 */
GInputStream *cloud_answer_take_stream (CloudAnswer *self, const CloudRequest *request, guint64 expected, GObject *owner)
    G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (CloudAnswer, cloud_answer_free)
G_END_DECLS
