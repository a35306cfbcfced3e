#pragma once
#include <teesql/teesql-error.h>
#include <teesql/teesql-object-info.h>

G_BEGIN_DECLS

/* What the JSON API answers, read strictly: pure functions over bytes. Reason of all failures: `gcs-json`. */

#define GCS_LIST_MAX    ((gsize) 2 << 20) /* a page of 1,000 names with the few fields that we ask for */
#define GCS_LIST_FIELDS "items(name,size,updated,generation),nextPageToken"
#define GCS_ONE_FIELDS  "name,size,updated,generation,crc32c"
#define GCS_PARTS       "~parts/" /* below `prefix`: no name of an object has a tilde */

/**
 * GcsObject:
 *
 * metadata of one object
 */
typedef struct
{
  guint64 size;
  gint64 updated_unix; /* -1 when not known */
  guint32 crc32c;
  char *generation; /* digits */
} GcsObject;

void gcs_object_clear (GcsObject *self);
gboolean gcs_answer_read_object (GBytes *body, GcsObject *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * gcs_answer_read_list:
 * @prefix: what every name must begin with, cut off from them
 * @after: (nullable): names must stand behind this one
 *
 * Names that cannot be ours, parts of uploads too, are left out. The token of the next page is `NAME|TOKEN`, with the last name of this one.
 */
TeesqlObjectPage *gcs_answer_read_list (GBytes *body, const char *prefix, const char *after, guint max, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * GcsLeftover:
 *
 * an object that is no object of ours: part of an upload
 */
typedef struct
{
  char *name; /* whole */
  gint64 updated_unix;
} GcsLeftover;
/* (element-type GcsLeftover): everything of the page */
GPtrArray *gcs_answer_read_parts (GBytes *body, char **out_next_token, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Never fails: what is no error of the API leaves both empty. Foreign text: quote it. */
void gcs_answer_read_problem (GBytes *body, char **out_reason, char **out_message);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GcsObject, gcs_object_clear)
G_END_DECLS
