#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

typedef enum { TEESQL_LOG_ERROR, TEESQL_LOG_WARNING, TEESQL_LOG_INFO, TEESQL_LOG_DEBUG } TeesqlLogLevel;
typedef enum { TEESQL_LOG_FORMAT_AUTO, TEESQL_LOG_FORMAT_TEXT, TEESQL_LOG_FORMAT_JSON, TEESQL_LOG_FORMAT_JOURNAL } TeesqlLogFormat;

/**
 * TeesqlLogContext:
 * @connection: identifier of the connection, unique in this run, as text (`c17`)
 * @peer: (nullable): address and port
 * @phase: (nullable): name of the state, `handshake`
 *
 * what every message of a connection carries. Borrowed for the call.
 */
typedef struct {
  const char *connection;
  const char *peer;
  const char *phase;
} TeesqlLogContext;

/* Thread safe. One line per message on stderr, never a secret; bytes outside printable UTF-8 are escaped. */
TEESQL_API void teesql_log_setup (const char *program, TeesqlLogLevel level, TeesqlLogFormat format);
/* sends to another journal socket, from now on and where the format is JOURNAL; %FALSE when nobody listens there */
TEESQL_API gboolean teesql_log_use_journal_socket (const char *path);
TEESQL_API void teesql_log_set_level (TeesqlLogLevel level);
TEESQL_API gboolean teesql_log_is_enabled (TeesqlLogLevel level);
/**
 * teesql_log_set_taint:
 *
 * SR-7: a text every later line carries (`external trust: trusted-root /…`), %NULL for none
 */
TEESQL_API void teesql_log_set_taint (const char *taint);
TEESQL_API void teesql_log (TeesqlLogLevel level, const TeesqlLogContext *context, const char *area, const char *format, ...) G_GNUC_PRINTF (4, 5);

#define teesql_log_error(area, ...)   teesql_log (TEESQL_LOG_ERROR, NULL, area, __VA_ARGS__)
#define teesql_log_warning(area, ...) teesql_log (TEESQL_LOG_WARNING, NULL, area, __VA_ARGS__)
#define teesql_log_info(area, ...)    teesql_log (TEESQL_LOG_INFO, NULL, area, __VA_ARGS__)
#define teesql_log_debug(area, ...)                          \
  do {                                                   \
    if (teesql_log_is_enabled (TEESQL_LOG_DEBUG))        \
      teesql_log (TEESQL_LOG_DEBUG, NULL, area, __VA_ARGS__); \
  } while (0)

G_END_DECLS
