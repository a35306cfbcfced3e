#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * TeesqlSchedule:
 *
 * moments in UTC: `daily 02:00`, `Sun 02:00`, `Mon;…` one day of the week only, `hourly :15`, `monthly 1 02:00`, `every 6h` (counted from midnight, a divisor
 * of a day). A plain value.
 */
typedef struct {
  guint period_s; /* of `every` and `hourly`; 0 otherwise */
  int weekday;    /* 1 Monday … 7 Sunday; 0: any */
  int day;        /* of the month, 1..28; 0: any */
  guint offset_s; /* from midnight, or from the beginning of the hour */
} TeesqlSchedule;

gboolean teesql_schedule_parse (const char *text, TeesqlSchedule *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the first moment after @unix_s */
gint64 teesql_schedule_next (const TeesqlSchedule *self, gint64 unix_s);

G_END_DECLS
