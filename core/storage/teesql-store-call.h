#pragma once
#include "storage/teesql-store-buffer.h"
#include "storage/teesql-store-private.h"

G_BEGIN_DECLS

/* Calls to the storage object from threads that may wait: asked there, made on the store's thread, made again where that makes sense. */

/* A stream that a storage handed out: of the store's thread, where also its last reference goes. */
typedef struct _TeesqlStoreStream TeesqlStoreStream;
TeesqlStoreStream *teesql_store_stream_ref (TeesqlStoreStream *self);
void teesql_store_stream_unref (TeesqlStoreStream *self);

/**
 * TeesqlStoreAnswer:
 * @text: of upload_begin the id, of upload_part the tag
 * @n_read: of read, also when it failed: so much of the buffer is good
 * @lease: (nullable): of take: what was read lies there instead
 * @ended: of take: no more will come
 */
typedef struct
{
  TeesqlObjectInfo *info;
  TeesqlObjectPage *page;
  char *text;
  TeesqlStoreStream *stream;
  gsize n_read;
  TeesqlStorageLease *lease;
  gboolean ended;
} TeesqlStoreAnswer;

void teesql_store_answer_clear (TeesqlStoreAnswer *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TeesqlStoreAnswer, teesql_store_answer_clear)

typedef struct _TeesqlStoreRequest TeesqlStoreRequest;

/* One per slot of #TeesqlStorageInterface, and one to read a stream. */
typedef struct
{
  const char *name;
  gboolean reads;
  void (*start) (const TeesqlStoreRequest *request, TeesqlStorage *storage, GCancellable *cancellable, GAsyncReadyCallback callback,
                 gpointer user_data);
  gboolean (*finish) (TeesqlStorage *storage, const TeesqlStoreRequest *request, GObject *source, GAsyncResult *result,
                      TeesqlStoreAnswer *out, GError **error);
} TeesqlStoreMethod;

extern const TeesqlStoreMethod teesql_store_method_put;
extern const TeesqlStoreMethod teesql_store_method_get;
extern const TeesqlStoreMethod teesql_store_method_read;
extern const TeesqlStoreMethod teesql_store_method_take; /* read, without a copy where that can be */
extern const TeesqlStoreMethod teesql_store_method_list;
extern const TeesqlStoreMethod teesql_store_method_stat;
extern const TeesqlStoreMethod teesql_store_method_remove;
extern const TeesqlStoreMethod teesql_store_method_upload_begin;
extern const TeesqlStoreMethod teesql_store_method_upload_part;
extern const TeesqlStoreMethod teesql_store_method_upload_commit;
extern const TeesqlStoreMethod teesql_store_method_upload_abort;

/**
 * TeesqlStoreRequest:
 * @content: of put, where it is not @bytes; read once
 * @last_move_us: of @content: when the storage last moved; %G_MAXINT64 while it waits for us, which is not its fault. Asked on any thread
 *
 * what is asked. Refcounted, because a storage that was given up may still look at it; constant once asked.
 */
struct _TeesqlStoreRequest
{
  const TeesqlStoreMethod *method;
  char *name; /* list: the prefix */
  char *id;   /* of an upload; list: the token */
  char **tags;
  GBytes *bytes;
  GInputStream *content;
  gint64 (*last_move_us) (GInputStream *content);
  gint64 size;
  TeesqlStoragePutFlags flags;
  guint64 offset;
  guint64 length;
  guint number; /* of a part; list: the most of a page */
  TeesqlStoreStream *stream;
  TeesqlStoreBuffer *buffer;
  gatomicrefcount refs;
};

TeesqlStoreRequest *teesql_store_request_new (const TeesqlStoreMethod *method, const char *name) G_GNUC_WARN_UNUSED_RESULT;
TeesqlStoreRequest *teesql_store_request_ref (TeesqlStoreRequest *self);
void teesql_store_request_unref (TeesqlStoreRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStoreRequest, teesql_store_request_unref)

/**
 * teesql_store_ask_once:
 *
 * one attempt, which ends at @until_us or after the call timeout; waits for the storage object before.
 */
gboolean teesql_store_ask_once (TeesqlStore *self, TeesqlStoreRequest *request, gint64 until_us, GCancellable *cancellable,
                                TeesqlStoreAnswer *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_store_ask:
 * @out_lost: (optional): whether an attempt failed that may have had its effect all the same
 *
 * attempts until one counts.
 */
gboolean teesql_store_ask (TeesqlStore *self, TeesqlStoreRequest *request, GCancellable *cancellable, TeesqlStoreAnswer *out,
                           gboolean *out_lost, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* counts a failure and waits for the next attempt; %FALSE: there is none, @error then is the failure (transfer full) or the cancellation */
gboolean teesql_store_back_off (TeesqlStore *self, TeesqlStorageRetry *retry, GError *failure, gboolean reads, GCancellable *cancellable,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* asks and does not wait: its answer does not matter any more */
void teesql_store_tell (TeesqlStore *self, TeesqlStoreRequest *request);

/**
 * teesql_store_is_stored:
 * @out_ours: %TRUE when there is an object of @size bytes with @content at @offset
 *
 * settles what a lost answer said
 */
gboolean teesql_store_is_stored (TeesqlStore *self, const char *name, guint64 size, guint64 offset, GBytes *content,
                                 GCancellable *cancellable, gboolean *out_ours, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* thread: all that @storage is doing has failed */
void teesql_store_fail_attempts (TeesqlStore *self, TeesqlStorage *storage, const GError *why);

G_END_DECLS
