#pragma once
#include "storage/teesql-storage-protocol.h"

G_BEGIN_DECLS

/**
 * TeesqlStorageChannel:
 *
 * one end of the socket pair (SOCK_SEQPACKET: a datagram is a message, and an end that dies is seen). Nothing here blocks. Messages that
 * the socket does not take yet wait in memory: how many there can be is bounded by what the other side was allowed to have in flight.
 */
typedef struct _TeesqlStorageChannel TeesqlStorageChannel;

/* @message: borrowed for the call. %FALSE ends the channel: the message must not be there */
typedef gboolean (*TeesqlStorageMessageFunc) (const TeesqlStorageMessage *message, gpointer user_data, GError **error);
/* @error: what was wrong with the other side, %NULL when it has closed. Called once at most, never from inside a send */
typedef void (*TeesqlStorageClosedFunc) (const GError *error, gpointer user_data);

/**
 * teesql_storage_channel_new:
 * @fd: (transfer full)
 * @from_host: whether it is a host that is listened to
 *
 * attached to the thread-default context
 */
TeesqlStorageChannel *teesql_storage_channel_new (int fd, gboolean from_host, TeesqlStorageMessageFunc message, TeesqlStorageClosedFunc closed,
                                                  gpointer user_data) G_GNUC_WARN_UNUSED_RESULT;
void teesql_storage_channel_send (TeesqlStorageChannel *self, const TeesqlStorageMessage *message);
/* closes the socket and calls nobody any more; may be called from inside the callbacks */
void teesql_storage_channel_free (TeesqlStorageChannel *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStorageChannel, teesql_storage_channel_free)
G_END_DECLS
