#pragma once
#include "fake-storage.h"
#include "storage/teesql-store-private.h"

G_BEGIN_DECLS

#define ALL_FEATURES (TEESQL_STORAGE_FEATURE_IF_ABSENT | TEESQL_STORAGE_FEATURE_UPLOAD | TEESQL_STORAGE_FEATURE_PARALLEL)
#define MIB          ((gsize) 1024 * 1024)

/* A store over a fake storage in this process, or over one that is made again when it breaks. */
typedef struct
{
  FakeStorage *storage;
  TeesqlStatus *status;
  TeesqlStore *store;
} World;

void world_begin (World *self, TeesqlStorageFeatures features, guint call_timeout_ms, guint retry_deadline_ms);
/* the store makes its storage itself: makings fail as often as said, with that code */
void world_begin_made (World *self, guint n_failures, TeesqlError code, guint retry_deadline_ms);
guint world_n_made (void);
void world_end (World *self);
/* one that was given up is told so behind the back of who gave it up */
void world_wait_no_uploads (World *self);

GBytes *test_bytes (gsize size, guint8 seed);
/* cancels after a while, from another thread; returns the thread to join */
GThread *cancel_later (GCancellable *cancellable, guint ms);

G_END_DECLS
