#pragma once
/* The object, shared by the files that make it up. */
#include "../cloud/cloud-http.h"
#include "../cloud/cloud-tokens.h"
#include "gcs-answers.h"
#include "gcs-storage.h"
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

struct _GcsStorage
{
  GObject parent_instance;
  /* options */
  char *bucket;
  char *prefix; /* "", or ends with a slash */
  char *endpoint;
  char *token_endpoint;
  char *metadata_endpoint;
  char *credentials;
  char *ca_file;
  TeesqlSecret *service_account;
  guint timeout_ms;
  /* made by init */
  SoupSession *session;
  CloudTokens *tokens;
  guint n_refused; /* answers 401 since the last other one */
  GHashTable *uploads; /* ids that are known to be alive */
  gboolean swept; /* left-overs of uploads were looked for */
};

/**
 * GcsCall:
 * @what: for messages: `get wal/1`
 * @path: behind the endpoint, with its query; encoded
 * @body: (nullable)
 * @range: (nullable): of a Range header
 * @max_answer: 0 for the usual
 *
 * one request with a token
 */
typedef struct
{
  const char *method;
  const char *what;
  const char *path;
  const char *content_type;
  const char *range;
  GBytes *body;
  gsize max_answer;
  gboolean stream;
} GcsCall;

/* Status 2xx and 416 are answers, other ones errors. */
void gcs_send_async (GcsStorage *self, const GcsCall *call, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
CloudAnswer *gcs_send_finish (GcsStorage *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the request of a call whose answer is a stream, for cloud_answer_take_stream() */
CloudRequest gcs_request_for (const GcsStorage *self, const char *what);

/* (transfer full): `/storage/v1/b/BUCKET/o/NAME`, @name below the bucket's root */
char *gcs_path_of (const GcsStorage *self, const char *name, const char *query) G_GNUC_WARN_UNUSED_RESULT;
char *gcs_full_name (const GcsStorage *self, const char *name) G_GNUC_WARN_UNUSED_RESULT;

/**
 * gcs_insert_async:
 * @full_name: below the bucket's root
 *
 * stores @content as one object, and holds the store to its size and crc32c: an object that differs is removed and is INTEGRITY
 */
void gcs_insert_async (GcsStorage *self, const char *full_name, GBytes *content, gboolean if_absent, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data);
/* @out: (transfer full): what the store says of it */
gboolean gcs_insert_finish (GcsStorage *self, GAsyncResult *result, GcsObject *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* success when it is absent afterwards */
void gcs_delete_async (GcsStorage *self, const char *full_name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean gcs_delete_finish (GcsStorage *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* slots, by file: gcs-objects.c, gcs-put.c, gcs-upload.c */
void gcs_objects_init_interface (TeesqlStorageInterface *iface);
void gcs_put_init_interface (TeesqlStorageInterface *iface);
void gcs_upload_init_interface (TeesqlStorageInterface *iface);

G_END_DECLS
