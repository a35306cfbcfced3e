#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/* A stream that breaks after @break_at bytes (%G_MAXSIZE: never) and counts what it gave. */
#define FAKE_TYPE_STREAM (fake_stream_get_type ())
G_DECLARE_FINAL_TYPE (FakeStream, fake_stream, FAKE, STREAM, GInputStream)
GInputStream *fake_stream_new (GBytes *bytes, gsize break_at, GMutex *lock, guint64 *n_read);

G_END_DECLS
