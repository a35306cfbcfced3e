#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * teesql_http_response_format:
 * @body: text; left out of a HEAD's answer, and counted in its length
 * @retry_after: seconds, 0 for none
 *
 * Returns: (transfer full): status line, fields, body, as they go on the wire
 */
GBytes *teesql_http_response_format (guint status, const char *content_type, const char *body, guint retry_after, gboolean head_only,
                                     gboolean keep_alive) G_GNUC_WARN_UNUSED_RESULT;
/* (transfer full): `{"schema":1,"reason":…,"message":…}` */
char *teesql_http_response_error_body (const char *reason, const char *message) G_GNUC_WARN_UNUSED_RESULT;
const char *teesql_http_response_status_text (guint status);

G_END_DECLS
