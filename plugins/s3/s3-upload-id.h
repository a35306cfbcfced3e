#pragma once
#include <glib.h>

G_BEGIN_DECLS

/*
 * The id of an upload, as core keeps it: a mark, `:`, the store's own id. The mark is `c` (begun with IF_ABSENT) or `n`, and 16 random hex
 * digits. It goes with the upload as metadata, so that an object tells which upload it is from: that settles every end whose answer was
 * lost.
 */
#define S3_UPLOAD_MARK_HEADER "x-amz-meta-teesql-upload"

char *s3_upload_id_new (const char *store_id, const char *mark) G_GNUC_WARN_UNUSED_RESULT;
char *s3_upload_id_new_mark (gboolean conditional) G_GNUC_WARN_UNUSED_RESULT;
gboolean s3_upload_id_is_ours (const char *id);
/* The rest is for ids that are ours. */
const char *s3_upload_id_get_store_id (const char *id);
char *s3_upload_id_dup_mark (const char *id) G_GNUC_WARN_UNUSED_RESULT;
gboolean s3_upload_id_is_conditional (const char *id);

G_END_DECLS
