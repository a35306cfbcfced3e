#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * CloudStream:
 *
 * the body of an answer as the bytes that were promised, or an error: an early end is `store-truncated` (ask again from there), a late
 * one is `store-oversize`, a pause longer than the timeout is G_IO_ERROR_TIMED_OUT. Closing early drops the connection instead of reading
 * the rest.
 */
#define CLOUD_TYPE_STREAM (cloud_stream_get_type ())
G_DECLARE_FINAL_TYPE (CloudStream, cloud_stream, CLOUD, STREAM, GInputStream)

/**
 * cloud_stream_new:
 * @inner: libsoup's stream
 * @drop: cancelled when the stream is closed before its end: the cancellable that the request was sent with
 * @expected: bytes that must come
 * @owner: (nullable): kept alive as long as the stream
 */
GInputStream *cloud_stream_new (GInputStream *inner, GCancellable *drop, guint64 expected, guint timeout_ms, const char *what,
                                const char *endpoint_option, GObject *owner) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
