#pragma once
#include "storage/teesql-storage-check.h"
#include "storage/teesql-store-call.h"

G_BEGIN_DECLS

#define CHECK_MIB         ((gsize) 1024 * 1024)
#define CHECK_PART        TEESQL_STORE_PART_SIZE
#define CHECK_CANCEL_US   ((gint64) 1000 * 1000) /* what the contract allows */
#define CHECK_N_RACERS    8

/* One run. Checks read it; only their own thread writes what they found. */
typedef struct
{
  TeesqlStore *store;
  const TeesqlStorageCheckOptions *options;
  GCancellable *cancellable;
  char *prefix; /* ends with a slash */
  guint n_names;
  TeesqlStorageFeatures features;

  GMutex lock;
  const char *name; /* of the check that runs */
  char *expected;
  char *found;
} Check;

/* %TRUE: as promised. Else check_differs() has said what was found. */
typedef gboolean (*CheckFunc) (Check *self);

typedef struct
{
  const char *name;
  const char *title;
  TeesqlStorageFeatures needs;
  CheckFunc func;
} CheckCase;

/* ---- saying (any thread; the first counts) ---- */

gboolean check_differs (Check *self, const char *expected, const char *found_format, ...) G_GNUC_PRINTF (3, 4); /* %FALSE */
gboolean check_failed (Check *self, const char *expected, GError *error); /* (transfer full) @error; %FALSE */
void check_progress (Check *self, guint64 done, guint64 total);

/* ---- asking: as production does, with retries ---- */

char *check_name (Check *self, const char *tail) G_GNUC_WARN_UNUSED_RESULT; /* below the prefix */
GBytes *check_bytes (gsize size, guint seed) G_GNUC_WARN_UNUSED_RESULT;
gboolean check_put (Check *self, const char *name, GBytes *bytes, TeesqlStoragePutFlags flags, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean check_put_stream (Check *self, const char *name, GInputStream *content, gint64 size, GCancellable *cancellable,
                           TeesqlObjectInfo **out_info, GError **error) G_GNUC_WARN_UNUSED_RESULT;
GBytes *check_get (Check *self, const char *name, guint64 offset, guint64 length, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *check_begin (Check *self, const char *name, TeesqlStoragePutFlags flags, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *check_part (Check *self, const char *name, const char *id, guint number, GBytes *bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean check_commit (Check *self, const char *name, const char *id, const char *const *tags, TeesqlStoragePutFlags flags,
                       guint64 *out_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean check_abort (Check *self, const char *name, const char *id, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ---- expecting: %FALSE has been said ---- */

gboolean check_expect_put (Check *self, const char *name, GBytes *bytes);
gboolean check_expect_content (Check *self, const char *name, GBytes *bytes); /* stat and get agree with it */
gboolean check_expect_absent (Check *self, const char *name);                 /* to stat, get and list */
gboolean check_expect_error (Check *self, const char *what, GError *error, GQuark domain, int code); /* (transfer full) (nullable) */
gboolean check_expect_names (Check *self, const char *prefix, guint page, GPtrArray *sorted_names);

/* runs @func @n times at once with 0..n-1; %FALSE if one did */
typedef gboolean (*CheckPart) (Check *self, guint index, gpointer data);
gboolean check_in_parallel (Check *self, guint n, CheckPart func, gpointer data);

/* ---- content that misbehaves (teesql-storage-check-stream.c) ---- */

typedef enum
{
  CHECK_STREAM_ENDS,
  CHECK_STREAM_FAILS,  /* with G_IO_ERROR_INVALID_DATA */
  CHECK_STREAM_STALLS, /* until cancelled */
} CheckStreamEnd;

#define CHECK_TYPE_STREAM (check_stream_get_type ())
G_DECLARE_FINAL_TYPE (CheckStream, check_stream, CHECK, STREAM, GInputStream)
/* gives @bytes, then does as told */
CheckStream *check_stream_new (GBytes *bytes, CheckStreamEnd end) G_GNUC_WARN_UNUSED_RESULT;
gboolean check_stream_wait_stalled (CheckStream *self, gint64 until_us); /* until all was read and more was asked for */
void check_stream_end_wait (CheckStream *self);                          /* its put has ended */
gint64 check_stream_last_move_us (GInputStream *stream);

/* ---- the checks ---- */

gboolean check_round_trip (Check *self);
gboolean check_unknown_size (Check *self);
gboolean check_truncated (Check *self);
gboolean check_broken_content (Check *self);
gboolean check_atomic_put (Check *self);
gboolean check_atomic_overwrite (Check *self);
gboolean check_overwrite (Check *self);
gboolean check_if_absent (Check *self);
gboolean check_if_absent_race (Check *self);
gboolean check_ranges (Check *self);
gboolean check_absent (Check *self);
gboolean check_remove (Check *self);
gboolean check_concurrent (Check *self);
gboolean check_odd_names (Check *self);
gboolean check_list (Check *self);
gboolean check_list_odd (Check *self);
gboolean check_upload (Check *self);
gboolean check_upload_sizes (Check *self);
gboolean check_upload_disorder (Check *self);
gboolean check_upload_invisible (Check *self);
gboolean check_upload_overwrite (Check *self);
gboolean check_upload_abort (Check *self);
gboolean check_upload_unknown (Check *self);
gboolean check_upload_if_absent (Check *self);
gboolean check_upload_race (Check *self);
gboolean check_cancel_put (Check *self);
gboolean check_cancel_calls (Check *self);
gboolean check_cancel_upload (Check *self);

G_END_DECLS
