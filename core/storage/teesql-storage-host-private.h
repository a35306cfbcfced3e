#pragma once
#include "storage/teesql-storage-arena.h"
#include "storage/teesql-storage-channel.h"
#include "storage/teesql-storage-hello.h"
#include "storage/teesql-storage-host.h"
#include "storage/teesql-storage-host-part.h"
#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

typedef struct
{
  TeesqlStorageChannel *channel; /* NULL once the daemon has gone */
  TeesqlStorageArena arena;
  TeesqlStoragePart *runs[TEESQL_STORAGE_N_RUNS]; /* (nullable): mapped, for the next part that lies there */
  TeesqlStorage *storage;                         /* the plugin's object */
  GHashTable *calls;                              /* id -> TeesqlStorageHostCall */
  GMainLoop *loop;
  gboolean leaving;
  int status;
} TeesqlStorageHost;

#define TEESQL_TYPE_STORAGE_HOST_CONTENT (teesql_storage_host_content_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlStorageHostContent, teesql_storage_host_content, TEESQL, STORAGE_HOST_CONTENT, GInputStream)

/**
 * TeesqlStorageHostCall:
 * @credits: (element-type guint32): slots that a get may fill
 */
typedef struct
{
  TeesqlStorageHost *host;
  guint32 id;
  guint8 type;
  GCancellable *cancellable;
  char *name;
  char *upload_id;
  guint32 number;
  gboolean asked; /* the plugin has been asked: it has the last word now */
  TeesqlStorageHostContent *content;
  TeesqlStoragePart *mapped; /* of a part; else it is copied into */
  guint8 *part;
  char *tag; /* the plugin's answer about a part whose memory is being settled */
  GError *failure;
  GSource *let_go;
  GSource *patience;
  gsize part_size;
  gsize part_got;
  GPtrArray *tags;
  GInputStream *stream;
  GQueue credits;
  gboolean reading;
  guint32 slot;
  gsize wanted;
  guint64 left;
  guint8 probe;
} TeesqlStorageHostCall;

/* ---- calls ---- */

gboolean teesql_storage_host_handle (TeesqlStorageHost *self, const TeesqlStorageMessage *message, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_storage_host_call_send (TeesqlStorageHostCall *call, TeesqlStorageMessage *message);
/* the last word; @call is gone afterwards */
void teesql_storage_host_call_finish (TeesqlStorageHostCall *call, TeesqlStorageMessage *message);
void teesql_storage_host_call_fail (TeesqlStorageHostCall *call, GError *error); /* (transfer full) */
void teesql_storage_host_cancel_all (TeesqlStorageHost *self);

/* ---- put: the plugin reads what the daemon sends ---- */

TeesqlStorageHostContent *teesql_storage_host_content_new (TeesqlStorageHostCall *call) G_GNUC_WARN_UNUSED_RESULT;
void teesql_storage_host_content_push (TeesqlStorageHostContent *self, guint32 slot, guint32 length);
/* @error: (transfer full) (nullable): %NULL for the end */
void teesql_storage_host_content_end (TeesqlStorageHostContent *self, GError *error);
void teesql_storage_host_content_cut (TeesqlStorageHostContent *self); /* the call is over */

/* ---- get ---- */

void teesql_storage_host_get_start (TeesqlStorageHostCall *call, guint64 offset, guint64 length);
void teesql_storage_host_get_pump (TeesqlStorageHostCall *call);
void teesql_storage_host_get_cancel (TeesqlStorageHostCall *call);

G_END_DECLS
