#pragma once
#include <teesql/teesql-storage.h>

#include "s3-client.h"

G_BEGIN_DECLS

#define S3_TYPE_STORAGE (s3_storage_get_type ())
G_DECLARE_FINAL_TYPE (S3Storage, s3_storage, S3, STORAGE, GObject)

/* What the store does with the condition of an upload's end. Asked once, before the first such end. */
typedef enum
{
  S3_CONDITION_UNKNOWN,
  S3_CONDITION_HONOURED,
  S3_CONDITION_IGNORED,
} S3Condition;

/* For the files that fill the slots: s3-put.c, s3-upload.c, s3-commit.c. */
S3Client *s3_storage_get_client (S3Storage *self);
S3Condition s3_storage_get_condition (S3Storage *self);
void s3_storage_set_condition (S3Storage *self, S3Condition condition);
/* Until when (monotonic) the end of an upload, whose answer did not come, may still be under way at the store; 0: it is not. */
gint64 s3_storage_get_open_until (S3Storage *self, const char *upload_id);
void s3_storage_set_open_until (S3Storage *self, const char *upload_id, gint64 until_us);
/* @func gets @task, when @timer fires or the task is cancelled. */
void s3_storage_attach_timer (GSource *timer, GSourceFunc func, GTask *task);
GTask *s3_storage_task (gpointer storage, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/* every slot's finish */
gpointer s3_storage_finish_pointer (TeesqlStorage *storage, GAsyncResult *result, GError **error);
TeesqlObjectInfo *s3_storage_finish_info (TeesqlStorage *storage, GAsyncResult *result, GError **error);
char *s3_storage_finish_text (TeesqlStorage *storage, GAsyncResult *result, GError **error);
gboolean s3_storage_finish_boolean (TeesqlStorage *storage, GAsyncResult *result, GError **error);

/* The answer to one request if its status is @expected; else @task is answered and %NULL returned. */
CloudAnswer *s3_storage_expect (GTask *task, GAsyncResult *result, guint expected, gboolean conditional);
/* What the answer to HEAD says about an object. */
TeesqlObjectInfo *s3_storage_read_head (const char *name, const CloudAnswer *answer, GError **error);
/* headers of a new object: storage class, encryption */
void s3_storage_describe_object (S3Storage *self, S3Request *request);

void s3_put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void s3_upload_begin_async (TeesqlStorage *storage, const char *name, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);
void s3_upload_part_async (TeesqlStorage *storage, const char *name, const char *upload_id, guint number, GBytes *bytes,
                           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void s3_upload_commit_async (TeesqlStorage *storage, const char *name, const char *upload_id, const char *const *tags,
                             TeesqlStoragePutFlags flags, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void s3_upload_abort_async (TeesqlStorage *storage, const char *name, const char *upload_id, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);
/* @upload_id: the store's own */
void s3_upload_abort_at_store_async (TeesqlStorage *storage, const char *name, const char *upload_id, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data);
/* (nullable): the body that ends an upload; %NULL where a tag is none of ours. @out_size: (optional) */
GBytes *s3_commit_manifest (const char *const *tags, guint64 *out_size) G_GNUC_WARN_UNUSED_RESULT;
GError *s3_no_such_upload (const char *what, const char *name) TEESQL_MUST_USE;
gboolean s3_is_etag (const char *etag);
void s3_remove_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer user_data);
void s3_stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

G_END_DECLS
