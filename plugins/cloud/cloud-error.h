#pragma once
#include <libsoup/soup.h>
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

/* What every store's plugin says alike. All errors are of #TEESQL_STORAGE_ERROR. */

#define CLOUD_RETRY_AFTER_MAX_MS (60u * 60 * 1000)

/**
 * cloud_error_from_transport:
 * @what: for the message: `get wal/1`
 * @endpoint_option: name of the option that says where we went, for the hint
 * @plain: we went there without TLS, and have not heard a byte
 *
 * translates what GIO, TLS and libsoup report; cancellation and time are the caller's to look at first. Reasons: `store-unknown-host`,
 * `store-certificate`, `store-tls`, `store-unreachable`, `store-forbidden-port`, `store-truncated`, `store-http`, `store-connection`.
 */
GError *cloud_error_from_transport (const GError *error, const char *what, const char *endpoint_option, gboolean plain) TEESQL_MUST_USE;
/**
 * cloud_retry_after_ms:
 * @now_unix: the clock, for a date without a Date header beside it
 *
 * seconds or a date, at most an hour. Returns: 0 when there is none
 */
guint cloud_retry_after_ms (SoupMessageHeaders *headers, gint64 now_unix);
/**
 * cloud_quote:
 * @size: -1: NUL-terminated
 *
 * what of foreign bytes may stand in a message: printable ASCII, others as `?`, blanks run together, at most 200 characters
 */
char *cloud_quote (const char *text, gssize size) TEESQL_MUST_USE;

G_END_DECLS
