#pragma once
#include <gio/gio.h>
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * TeesqlCheckedStream:
 *
 * stands between a storage implementation and the one that uses it, in either direction, and holds both to the promised number of bytes.
 * It counts, turns an end that comes too early and a byte too many into %TEESQL_ERROR_INTEGRITY, and can be cut off from the stream below.
 * Asynchronous reads stay asynchronous: they are the inner stream's own. Private to the sidecar.
 */
#define TEESQL_TYPE_CHECKED_STREAM (teesql_checked_stream_get_type ())
TEESQL_API
G_DECLARE_FINAL_TYPE (TeesqlCheckedStream, teesql_checked_stream, TEESQL, CHECKED_STREAM, GInputStream)

/**
 * teesql_checked_stream_new:
 * @expected: bytes until the end, %G_MAXUINT64 when not known
 * @close_inner: whether closing closes @inner
 */
GInputStream *teesql_checked_stream_new (GInputStream *inner, guint64 expected, gboolean close_inner) G_GNUC_WARN_UNUSED_RESULT;
/* For who has a way of its own to read the inner stream: @n, -1 for an error, is judged as a read of @asked bytes would be. */
TEESQL_API GInputStream *teesql_checked_stream_peek_inner (TeesqlCheckedStream *self); /* (transfer none) (nullable): %NULL once cut */
TEESQL_API gssize teesql_checked_stream_judge (TeesqlCheckedStream *self, gssize n, gsize asked, GError **error) G_GNUC_WARN_UNUSED_RESULT;
guint64 teesql_checked_stream_get_count (TeesqlCheckedStream *self);
gboolean teesql_checked_stream_has_ended (TeesqlCheckedStream *self);
gboolean teesql_checked_stream_has_failed (TeesqlCheckedStream *self);
/* every later read fails; the inner stream is let go */
void teesql_checked_stream_cut (TeesqlCheckedStream *self);

G_END_DECLS
