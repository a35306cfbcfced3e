#pragma once
/* What teesql-wal-fetch and its server say to each other over a unix stream socket:
 *
 *   request   `get FILE\n`
 *   answer    `ok SIZE\n` and SIZE bytes | `none TEXT\n` | `again TEXT\n` | `fatal TEXT\n`
 *
 * FILE is a WAL segment's or a history file's name and nothing else, so it needs no escaping. TEXT is for people. */
#include <gio/gio.h>

G_BEGIN_DECLS

#define TEESQL_WAL_REQUEST_MAX ((gsize) 64)                /* a line, with its line feed */
#define TEESQL_WAL_ANSWER_MAX  ((gsize) 1024)              /* the line of it */
#define TEESQL_WAL_CONTENT_MAX ((guint64) 64 * 1024 * 1024) /* what a repository keeps in one object */

typedef enum
{
  TEESQL_WAL_NAME_SEGMENT,
  TEESQL_WAL_NAME_HISTORY,
} TeesqlWalNameKind;

/* `00000001000000000000000A` or `00000002.history`; PostgreSQL also asks for backup labels, which are no part of recovery: not a name */
gboolean teesql_wal_name_parse (const char *name, TeesqlWalNameKind *out_kind, guint32 *out_timeline) G_GNUC_WARN_UNUSED_RESULT;

/**
 * teesql_wal_request_parse:
 * @line: (array length=size): up to its line feed, which is there
 * @out_name: (transfer full)
 *
 * Returns: %FALSE with MALFORMED `wal-request` in #TEESQL_BACKUP_ERROR
 */
gboolean teesql_wal_request_parse (const guint8 *line, gsize size, char **out_name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef enum
{
  TEESQL_WAL_ANSWER_OK,
  TEESQL_WAL_ANSWER_NONE,
  TEESQL_WAL_ANSWER_AGAIN, /* nobody knows now; ask again */
  TEESQL_WAL_ANSWER_FATAL,
} TeesqlWalAnswerKind;
/* @text: control characters are taken out */
char *teesql_wal_answer_format (TeesqlWalAnswerKind kind, guint64 size, const char *text) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_wal_answer_parse (const guint8 *line, gsize size, TeesqlWalAnswerKind *out_kind, guint64 *out_size, char **out_text,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Lines and bytes over a socket that does not block, until @deadline_us (monotonic). G_IO_ERROR TIMED_OUT, CLOSED */
gboolean teesql_wal_socket_read_line (int fd, guint8 *out, gsize max, gsize *out_size, gint64 deadline_us, GCancellable *cancellable,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_wal_socket_read (int fd, guint8 *out, gsize size, gint64 deadline_us, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_wal_socket_write (int fd, const guint8 *data, gsize size, gint64 deadline_us, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
