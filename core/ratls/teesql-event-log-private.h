#pragma once
#include <teesql/teesql-evidence.h>

G_BEGIN_DECLS

/* Printable, and without a colon in version 1. Reasons `event-log-version`, `evidence-malformed` */
gboolean teesql_event_check_name (const TeesqlEvent *event, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The bytes whose SHA-384 is a runtime event's digest. @event has passed teesql_event_check_name(). */
GBytes *teesql_event_canonical (const TeesqlEvent *event) G_GNUC_WARN_UNUSED_RESULT;
/* a digest in the log, where there is one, is @digest. Reason `event-log-digest` */
gboolean teesql_event_digest_agrees (const TeesqlEvent *event, const guint8 digest[48], GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
