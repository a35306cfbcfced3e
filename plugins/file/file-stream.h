#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * FileStream:
 *
 * a range of an open file. Reads asynchronously on a thread of its own; a file that is shorter than it was is an error, not an end.
 */
#define FILE_TYPE_STREAM (file_stream_get_type ())
G_DECLARE_FINAL_TYPE (FileStream, file_stream, FILE, STREAM, GInputStream)

/* takes @fd */
GInputStream *file_stream_new (int fd, const char *name, guint64 offset, guint64 length) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
