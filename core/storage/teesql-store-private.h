#pragma once
#include "storage/teesql-store.h"
#include "storage/teesql-storage-lender.h"
#include "storage/teesql-storage-retry.h"

G_BEGIN_DECLS

/* How a storage object comes to be, on the store's thread: the client of a host, or what a test puts there. */
typedef struct
{
  void (*make_async) (TeesqlConfig *config, const char *instance, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer user_data);
  TeesqlStorage *(*make_finish) (GAsyncResult *result, GError **error);
} TeesqlStoreMaker;

typedef enum
{
  TEESQL_STORE_IDLE,   /* nobody asked yet */
  TEESQL_STORE_MAKING, /* being made, or waiting to be made again */
  TEESQL_STORE_READY,
  TEESQL_STORE_FAILED, /* an operator must act; tried again after a while, because he may have */
} TeesqlStoreState;

struct _TeesqlStore
{
  GObject parent_instance;
  /* constant */
  TeesqlConfig *config;
  char *instance;
  TeesqlStatus *status;
  guint call_timeout_ms;
  TeesqlStoreMaker maker;
  gint retry_deadline_ms; /* atomic */
  gboolean in_process;    /* the object was given: there is no other */
  GMainContext *context;
  GThread *thread;

  GMutex lock;
  GCond changed;       /* state, closed, n_attempts */
  GHashTable *waiting; /* GCond of every wait, for close() to wake */
  TeesqlStoreState state;
  TeesqlStorageFeatures features;
  TeesqlStorageLender *lender; /* of the storage object that is ready; %NULL: it has none */
  GError *failure;             /* of the last making */
  gint64 failed_at_us;
  GError *problem;
  gboolean closed;
  guint n_attempts; /* posted or under way on the thread */

  /* the thread's own */
  gboolean quit;
  TeesqlStorage *storage;
  gulong broken_id;
  GHashTable *attempts;
  GCancellable *making;
  GSource *restart;
  guint n_restarts; /* since a call last went well */
  gboolean made_once;
};

guint teesql_store_get_retry_deadline (TeesqlStore *self);
/* message begins with the object's @name; a plugin may have said it already */
void teesql_store_name_error (GError **error, const char *name);

/* for tests: another way to make the object */
TeesqlStore *teesql_store_new_full (const TeesqlStoreOptions *options, const TeesqlStoreMaker *maker) G_GNUC_WARN_UNUSED_RESULT;

/* ---- the thread (teesql-store-thread.c) ---- */

gpointer teesql_store_thread_run (gpointer store);
/* has @func run once on the thread, never inside this call; @destroy in any case, at the latest when the context goes */
void teesql_store_post (GMainContext *context, GSourceFunc func, gpointer data, GDestroyNotify destroy);
/* waits until there is a storage object; a failure that an operator must mend ends the wait */
gboolean teesql_store_wait_ready (TeesqlStore *self, gint64 until_us, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* thread: the object does not answer and does not obey, or has said that it is broken: a host is given up, and what it was doing fails */
void teesql_store_give_up (TeesqlStore *self, TeesqlStorage *storage, const GError *why);

/* Returns: (transfer full) (nullable): of the storage object that is ready now */
TeesqlStorageLender *teesql_store_dup_lender (TeesqlStore *self) G_GNUC_WARN_UNUSED_RESULT;

/* ---- waiting (teesql-store-wait.c) ---- */

/* Makes a condition of the store's wake up when a cancellable is cancelled or the store closed. Begin and end without the lock. */
typedef struct
{
  TeesqlStore *store;
  GCond *cond;
  GCancellable *cancellable;
  gulong id;
} TeesqlStoreWatch;

void teesql_store_watch_begin (TeesqlStoreWatch *self, TeesqlStore *store, GCond *cond, GCancellable *cancellable);
void teesql_store_watch_end (TeesqlStoreWatch *self);
/* lock held: %FALSE when a wait must end, with the reason */
gboolean teesql_store_check_stop (TeesqlStore *self, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_store_sleep (TeesqlStore *self, gint64 until_us, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_store_note_problem (TeesqlStore *self, const GError *error); /* %NULL: all is well */

G_END_DECLS
