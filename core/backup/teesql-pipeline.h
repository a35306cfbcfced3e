#pragma once
/* What the two pipelines share: one lock, one condition, the first error of any stage, and threads that all end. Private to this area. */
#include <gio/gio.h>

G_BEGIN_DECLS

#define TEESQL_PIPELINE_CHUNK ((gsize) 4 * 1024 * 1024) /* content of a frame, at most: docs/sealed-format.md, Archives */

/**
 * TeesqlPipeline:
 * @lock: guards all that the stages share
 * @cancellable: for calls to the store; cancelled by the caller's, by the first error and by the end
 *
 * stages wait for each other on one condition: some hundred events a second, so nobody gains from more of them
 */
typedef struct
{
  GMutex lock;
  GCond changed;
  gboolean stopped;
  GError *error;
  GCancellable *cancellable;
  GCancellable *outer;
  gulong outer_id;
  GPtrArray *threads;
} TeesqlPipeline;

void teesql_pipeline_init (TeesqlPipeline *self, GCancellable *outer);
void teesql_pipeline_start (TeesqlPipeline *self, const char *name, GThreadFunc run, gpointer data);
/* lock held; %FALSE when the pipeline has stopped */
gboolean teesql_pipeline_wait (TeesqlPipeline *self);
/* lock held; wakes everybody */
void teesql_pipeline_changed (TeesqlPipeline *self);
/* @error: (transfer full). Lock not held. The first error stays, and stops all stages */
void teesql_pipeline_fail (TeesqlPipeline *self, GError *error);
/* lock not held; sets the first error */
gboolean teesql_pipeline_check (TeesqlPipeline *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* lock not held; no thread is left when it returns */
void teesql_pipeline_end (TeesqlPipeline *self);
void teesql_pipeline_clear (TeesqlPipeline *self); /* ended before */

guint teesql_pipeline_threads (guint wanted); /* 0: one per CPU, at most 4 */

G_END_DECLS
