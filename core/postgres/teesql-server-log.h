#pragma once
#include "base/teesql-log.h"

G_BEGIN_DECLS

/**
 * TeesqlServerLog:
 *
 * what PostgreSQL writes to stderr, line by line into our own log (area `postgres`), bounded in length and in number. Remembers what
 * explains an end.
 */
typedef struct _TeesqlServerLog TeesqlServerLog;

#define TEESQL_SERVER_LOG_MAX_LINE 1000

/* @fd: not blocking; taken. Reads on the default context from now on. */
TeesqlServerLog *teesql_server_log_new (int fd) G_GNUC_WARN_UNUSED_RESULT;
void teesql_server_log_free (TeesqlServerLog *self);
/* a server is about to begin: what came before explains nothing any more */
void teesql_server_log_forget (TeesqlServerLog *self);
/**
 * teesql_server_log_get_problem:
 *
 * reads what is there, then
 *
 * Returns: (transfer none) (nullable): text of the last PANIC, else of the last FATAL or error of a program
 */
const char *teesql_server_log_get_problem (TeesqlServerLog *self);
/* whether the disk was full since teesql_server_log_forget() */
gboolean teesql_server_log_saw_full_disk (TeesqlServerLog *self);

typedef enum
{
  TEESQL_SERVER_LINE_PLAIN,
  TEESQL_SERVER_LINE_FATAL,
  TEESQL_SERVER_LINE_PANIC,
  TEESQL_SERVER_LINE_MORE, /* DETAIL, HINT, a second line: belongs to the one before */
} TeesqlServerLine;
/**
 * teesql_server_log_classify:
 * @out_level: left alone for %TEESQL_SERVER_LINE_MORE
 * @out_text: behind prefix and severity
 */
TeesqlServerLine teesql_server_log_classify (const char *line, TeesqlLogLevel *out_level, const char **out_text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlServerLog, teesql_server_log_free)
G_END_DECLS
