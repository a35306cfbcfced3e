#pragma once
#include <teesql/teesql-error.h>
#include <teesql/teesql-object-info.h>

G_BEGIN_DECLS

typedef enum {
  TEESQL_STORAGE_FEATURE_IF_ABSENT = 1 << 0, /* the store itself decides the race; required for a shared repository */
  TEESQL_STORAGE_FEATURE_UPLOAD    = 1 << 1, /* the four upload slots; else big objects go through one put */
  TEESQL_STORAGE_FEATURE_PARALLEL  = 1 << 2, /* parts of one upload in any order, several in flight; else core sends them in turn */
} TeesqlStorageFeatures;

typedef enum {
  TEESQL_STORAGE_PUT_NONE      = 0,
  TEESQL_STORAGE_PUT_IF_ABSENT = 1 << 0,
} TeesqlStoragePutFlags;

#define TEESQL_TYPE_STORAGE (teesql_storage_get_type ())
TEESQL_API G_DECLARE_INTERFACE (TeesqlStorage, teesql_storage, TEESQL, STORAGE, GObject)

/**
 * TeesqlStorageInterface:
 * @get_features: optional; default: every optional slot that is not %NULL, no IF_ABSENT, no PARALLEL
 * @put_async: required; @content is read on the calling context with g_input_stream_read_async() or _read_bytes_async(), from the
 *   first call to the finish and no longer; it cannot be rewound; it is not closed by the callee. @size: -1 when not known.
 *   An error from the stream is passed on unchanged and nothing is stored.
 * @get_async: required; @length 0 is refused by the wrapper; %G_MAXUINT64 means to the end. @offset beyond the end: %TEESQL_ERROR_FAILED
 *   with reason `range`. The stream belongs to the caller's context and keeps @self alive; closing it early is normal.
 * @list_async: required; names that begin with @prefix (plain bytes, may be "", need not end at a `/`), ascending by bytes, at most
 *   @max per page. @token: %NULL for the first page, then what the last page gave.
 * @stat_async: required; %TEESQL_ERROR_NOT_FOUND when absent
 * @remove_async: required; success when the object is absent afterwards, so also when it never was
 * @upload_begin_async: optional; returns an opaque id (at most 2 KiB). @flags: those of the commit, for stores that take the condition here
 * @upload_part_async: parts count from 1; all but the last have one size chosen by core (a multiple of 1 MiB, 8 MiB..5 GiB, at most
 *   10,000 parts); several in flight with PARALLEL; the same number again replaces it. Returns a tag that core hands back in commit.
 * @upload_commit_async: @tags in part order; makes the object appear at once; obeys @flags
 * @upload_abort_async: success when nothing is left, so also for an id the store no longer knows
 *
 * Objects have flat names: 1..512 bytes of `[A-Za-z0-9._=-]` in segments split by single `/`; no segment is `.` or `..`, none
 * is empty. The wrapper checks that, so an implementation need not. Bytes are ciphertext; an implementation keeps no copy.
 *
 * What an implementation owes:
 *  - put and upload_commit are atomic and durable: once finish returned success the whole object is there after power loss, and every
 *    later get, stat and list (from anywhere) sees it. Before that, nobody sees any part under @name.
 *  - After cancellation or an error the object is absent, or it is there whole (the answer was lost): core asks stat. Never part.
 *    What was uploaded is cleaned up before finish returns, or is found and removed by the store's own rule.
 *  - get returns exactly the bytes asked for, or an error. A stream that ends early is an error on the read, not an end of file.
 *  - Retry, back-off, parallelism, caching and encryption are core's. An implementation makes one attempt, within `timeout`, and
 *    says by the error code whether another makes sense. Calls for different names may be in flight at once.
 *  - Memory: put holds at most one buffer of 1 MiB (or a part where the store needs parts); get holds 1 MiB.
 */
struct _TeesqlStorageInterface {
  GTypeInterface parent_iface;

  TeesqlStorageFeatures (*get_features) (TeesqlStorage *self);

  void (*put_async) (TeesqlStorage *self, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  TeesqlObjectInfo *(*put_finish) (TeesqlStorage *self, GAsyncResult *result, GError **error);

  void (*get_async) (TeesqlStorage *self, const char *name, guint64 offset, guint64 length,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  GInputStream *(*get_finish) (TeesqlStorage *self, GAsyncResult *result, GError **error);

  void (*list_async) (TeesqlStorage *self, const char *prefix, const char *token, guint max,
                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  TeesqlObjectPage *(*list_finish) (TeesqlStorage *self, GAsyncResult *result, GError **error);

  void (*stat_async) (TeesqlStorage *self, const char *name,
                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  TeesqlObjectInfo *(*stat_finish) (TeesqlStorage *self, GAsyncResult *result, GError **error);

  void (*remove_async) (TeesqlStorage *self, const char *name,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*remove_finish) (TeesqlStorage *self, GAsyncResult *result, GError **error);

  void (*upload_begin_async) (TeesqlStorage *self, const char *name, TeesqlStoragePutFlags flags,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  char *(*upload_begin_finish) (TeesqlStorage *self, GAsyncResult *result, GError **error);

  void (*upload_part_async) (TeesqlStorage *self, const char *name, const char *upload_id, guint number, GBytes *bytes,
                             GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  char *(*upload_part_finish) (TeesqlStorage *self, GAsyncResult *result, GError **error);

  void (*upload_commit_async) (TeesqlStorage *self, const char *name, const char *upload_id, const char *const *tags,
                               TeesqlStoragePutFlags flags,
                               GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  TeesqlObjectInfo *(*upload_commit_finish) (TeesqlStorage *self, GAsyncResult *result, GError **error);

  void (*upload_abort_async) (TeesqlStorage *self, const char *name, const char *upload_id,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*upload_abort_finish) (TeesqlStorage *self, GAsyncResult *result, GError **error);

  /*< private >*/
  gpointer padding[TEESQL_PADDING];
};

TEESQL_API TeesqlStorageFeatures teesql_storage_get_features (TeesqlStorage *self);
/**
 * teesql_storage_name_is_valid:
 *
 * the rule at the top of this page
 */
TEESQL_API gboolean teesql_storage_name_is_valid (const char *name) TEESQL_MUST_USE;

/**
 * teesql_storage_put_async:
 * @content: (transfer none): kept alive until the finish
 */
TEESQL_API void teesql_storage_put_async (TeesqlStorage *self, const char *name, GInputStream *content, gint64 size,
                                          TeesqlStoragePutFlags flags, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/**
 * teesql_storage_put_finish:
 *
 * Returns: (transfer full) (nullable): info whose size is the number of bytes read from the stream
 */
TEESQL_API TeesqlObjectInfo *teesql_storage_put_finish (TeesqlStorage *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_storage_get_async (TeesqlStorage *self, const char *name, guint64 offset, guint64 length,
                                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API GInputStream *teesql_storage_get_finish (TeesqlStorage *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_storage_list_async (TeesqlStorage *self, const char *prefix, const char *token, guint max,
                                           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API TeesqlObjectPage *teesql_storage_list_finish (TeesqlStorage *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_storage_stat_async (TeesqlStorage *self, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API TeesqlObjectInfo *teesql_storage_stat_finish (TeesqlStorage *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_storage_remove_async (TeesqlStorage *self, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API gboolean teesql_storage_remove_finish (TeesqlStorage *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_storage_upload_begin_async (TeesqlStorage *self, const char *name, TeesqlStoragePutFlags flags,
                                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API char *teesql_storage_upload_begin_finish (TeesqlStorage *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_storage_upload_part_async (TeesqlStorage *self, const char *name, const char *upload_id, guint number, GBytes *bytes,
                                                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API char *teesql_storage_upload_part_finish (TeesqlStorage *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_storage_upload_commit_async (TeesqlStorage *self, const char *name, const char *upload_id, const char *const *tags,
                                                    TeesqlStoragePutFlags flags, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API TeesqlObjectInfo *teesql_storage_upload_commit_finish (TeesqlStorage *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;
TEESQL_API void teesql_storage_upload_abort_async (TeesqlStorage *self, const char *name, const char *upload_id,
                                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API gboolean teesql_storage_upload_abort_finish (TeesqlStorage *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;

G_END_DECLS
