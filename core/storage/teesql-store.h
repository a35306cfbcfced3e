#pragma once
#include "config/teesql-config.h"
#include "status/teesql-status.h"
#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

#define TEESQL_STORE_PART_SIZE ((gsize) 8 * 1024 * 1024)

/**
 * TeesqlStore:
 *
 * one storage, seen from threads that may block. Owns a thread with a main context on which the storage object lives (the client of a
 * storage host, or in tests any #TeesqlStorage), makes it again with back-off when its host broke, and is the one place that retries:
 * UNAVAILABLE, THROTTLED and timeouts, with jitter, never before the store's own retry time, until the deadline. Calls of several threads
 * run at once. Every call takes a #GCancellable and ends within a second of its cancellation. Errors: #TEESQL_STORAGE_ERROR, #G_IO_ERROR.
 */
#define TEESQL_TYPE_STORE (teesql_store_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlStore, teesql_store, TEESQL, STORE, GObject)

/**
 * TeesqlStoreOptions:
 * @instance: NAME of `[storage:NAME]`
 * @status: (nullable): gets retries and restarts counted
 * @call_timeout_ms: one attempt of one call; 0: 60 s
 * @retry_deadline_ms: attempts of one call end after; 0: 10 min
 * @storage: (nullable): in-process object instead of a storage host, for tests and benches; must have been made for its use on another
 *   thread's context (no source attached yet)
 */
typedef struct
{
  TeesqlConfig *config;
  const char *instance;
  TeesqlStatus *status;
  guint call_timeout_ms;
  guint retry_deadline_ms;
  TeesqlStorage *storage;
} TeesqlStoreOptions;

TeesqlStore *teesql_store_new (const TeesqlStoreOptions *options)
    G_GNUC_WARN_UNUSED_RESULT;               /* starts nothing that blocks; the first call waits for the host */
void teesql_store_close (TeesqlStore *self); /* cancels what runs, ends the host, joins the thread */
const char *teesql_store_get_instance (TeesqlStore *self);
/**
 * teesql_store_open:
 *
 * waits until the storage object is there, so that configuration errors (CONFIG, PERMISSION) show at once
 */
gboolean teesql_store_open (TeesqlStore *self, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_store_set_retry_deadline (TeesqlStore *self, guint retry_deadline_ms); /* of calls that begin from now on */
TeesqlStorageFeatures teesql_store_get_features (TeesqlStore *self); /* 0 before it is open */
/**
 * teesql_store_get_last_problem:
 *
 * Returns: (transfer full) (nullable): the failure that is being retried right now (host restarts, throttling), %NULL when the last attempt
 * succeeded
 */
GError *teesql_store_get_last_problem (TeesqlStore *self) G_GNUC_WARN_UNUSED_RESULT;

/**
 * teesql_store_put:
 *
 * a lost answer is settled by stat: with IF_ABSENT an object that is ours by size and content (read back) is success, another one is EXISTS
 */
gboolean teesql_store_put (TeesqlStore *self, const char *name, GBytes *content, TeesqlStoragePutFlags flags, GCancellable *cancellable,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
GBytes *teesql_store_get (TeesqlStore *self, const char *name, gsize max_size, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
TeesqlObjectInfo *teesql_store_stat (TeesqlStore *self, const char *name, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_store_remove (TeesqlStore *self, const char *name, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef gboolean (*TeesqlStoreListFunc) (TeesqlObjectInfo *info, gpointer user_data, GError **error); /* %FALSE ends the listing */
/* pages through; names strictly ascending over all pages, or REFUSED `list-order`: a store cannot keep us listing for ever (@max_objects)
 */
gboolean teesql_store_list (TeesqlStore *self, const char *prefix, guint64 max_objects, TeesqlStoreListFunc func, gpointer user_data,
                            GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlStoreUpload:
 *
 * a big object, written in order by one thread. Parts of %TEESQL_STORE_PART_SIZE go up side by side (@max_parallel, PARALLEL permitting); a
 * store without uploads gets one put that is fed as it comes. Memory: max_parallel + 1 parts. A part is kept until the store has it, so
 * retries resend the same bytes.
 */
typedef struct _TeesqlStoreUpload TeesqlStoreUpload;
TeesqlStoreUpload *teesql_store_upload_new (TeesqlStore *self, const char *name, TeesqlStoragePutFlags flags, guint max_parallel,
                                            GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_store_upload_write (TeesqlStoreUpload *upload, const guint8 *data, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* blocks while parts are under way */
gboolean teesql_store_upload_commit (TeesqlStoreUpload *upload, guint64 *out_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_store_upload_free (TeesqlStoreUpload *upload); /* aborts what was not committed */

/**
 * TeesqlStoreReader:
 *
 * a range of an object, read in order by one thread, with up to @read_ahead bytes fetched before they are asked for. A broken stream is
 * taken up again where it broke, by the rules of retry.
 */
typedef struct _TeesqlStoreReader TeesqlStoreReader;
TeesqlStoreReader *teesql_store_reader_new (TeesqlStore *self, const char *name, guint64 offset, guint64 length, gsize read_ahead,
                                            GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_store_reader_read (TeesqlStoreReader *reader, guint8 *out, gsize size, gsize *out_read, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* fills @out unless the end comes: *out_read < size only there */
void teesql_store_reader_free (TeesqlStoreReader *reader);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStoreUpload, teesql_store_upload_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStoreReader, teesql_store_reader_free)
G_END_DECLS
