#pragma once
#include <teesql/teesql-storage.h>

#include "s3-client.h"

G_BEGIN_DECLS

#define S3_TYPE_STORAGE (s3_storage_get_type ())
G_DECLARE_FINAL_TYPE (S3Storage, s3_storage, S3, STORAGE, GObject)

/* For the files that fill the slots: s3-put.c, s3-upload.c. */
S3Client *s3_storage_get_client (S3Storage *self);
GTask *s3_storage_task (gpointer storage, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

/* every slot's finish */
gpointer s3_storage_finish_pointer (TeesqlStorage *storage, GAsyncResult *result, GError **error);
TeesqlObjectInfo *s3_storage_finish_info (TeesqlStorage *storage, GAsyncResult *result, GError **error);
char *s3_storage_finish_text (TeesqlStorage *storage, GAsyncResult *result, GError **error);
gboolean s3_storage_finish_boolean (TeesqlStorage *storage, GAsyncResult *result, GError **error);

/* The answer to one request if its status is @expected; else @task is answered and %NULL returned. */
CloudAnswer *s3_storage_expect (GTask *task, GAsyncResult *result, guint expected, gboolean conditional);
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
void s3_stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);

G_END_DECLS
