#pragma once
#include <glib.h>

G_BEGIN_DECLS

/* Numbers with units as the files write them: `250ms 30s 5min 24h 7d`, `512B 64KiB 256MiB 1GiB`. A bare number is refused
 * except where plain integers are asked for. Each returns %FALSE for anything else, overflow included. */
gboolean teesql_unit_parse_integer (const char *text, gint64 *out) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_unit_parse_duration (const char *text, gint64 *out_ms) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_unit_parse_size (const char *text, gint64 *out_bytes) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_unit_parse_percent (const char *text, gint64 *out) G_GNUC_WARN_UNUSED_RESULT;
/* as PostgreSQL writes them: `128MB`, `30s`, `1.5` */
gboolean teesql_unit_parse_setting_memory (const char *text, gint64 *out_bytes) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_unit_parse_setting_time (const char *text, gint64 *out_ms) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_unit_parse_setting_real (const char *text, double *out) G_GNUC_WARN_UNUSED_RESULT;
/* the largest unit that divides */
char *teesql_unit_format_duration (gint64 ms) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_unit_format_size (gint64 bytes) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
