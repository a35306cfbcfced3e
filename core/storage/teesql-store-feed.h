#pragma once
#include "storage/teesql-store-buffer.h"

G_BEGIN_DECLS

/**
 * TeesqlStoreFeed:
 *
 * the content of a put that is written while it is read: one thread pushes buffers, the storage reads them on its own. The one waits while
 * there is too much, the other while there is nothing.
 */
#define TEESQL_TYPE_STORE_FEED (teesql_store_feed_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlStoreFeed, teesql_store_feed, TEESQL, STORE_FEED, GInputStream)

/* @context: where it is read */
TeesqlStoreFeed *teesql_store_feed_new (GMainContext *context, guint max_buffers) G_GNUC_WARN_UNUSED_RESULT;
/* @buffer: (transfer full). %FALSE: nobody reads any more */
gboolean teesql_store_feed_push (TeesqlStoreFeed *self, TeesqlStoreBuffer *buffer) G_GNUC_WARN_UNUSED_RESULT;
void teesql_store_feed_end (TeesqlStoreFeed *self); /* there is no more */
/* both sides stop: reads fail with CANCELLED, pushes return */
void teesql_store_feed_stop (TeesqlStoreFeed *self);
gboolean teesql_store_feed_is_drained (TeesqlStoreFeed *self); /* its end was read */
/* when a read was last answered; %G_MAXINT64 while one waits */
gint64 teesql_store_feed_get_last_move_us (GInputStream *feed);

G_END_DECLS
