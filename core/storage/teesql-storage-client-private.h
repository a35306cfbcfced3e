#pragma once
#include "storage/teesql-storage-arena.h"
#include "storage/teesql-storage-channel.h"
#include "storage/teesql-storage-child.h"
#include "storage/teesql-storage-client.h"
#include "storage/teesql-storage-lender.h"

G_BEGIN_DECLS

/* Slots that one call has under way at most: enough for both sides to work at once, also when each gets the processor late. */
#define TEESQL_STORAGE_WINDOW 8u

typedef struct _TeesqlStorageClientStream TeesqlStorageClientStream;

/**
 * TeesqlStorageCall:
 * @type: of the message that began it
 * @task: %NULL once answered; the caller may have gone while the host still works on it
 * @with_host: bit n: slot n is with the host, to be read (content) or filled (get)
 * @over: the host has said its last word, or is gone
 */
typedef struct
{
  TeesqlStorageClient *client;
  guint32 id;
  guint8 type;
  GTask *task;
  char *name;
  guint64 with_host;
  gboolean over;
  gboolean in_line;
  /* the answer, until it can be given */
  gboolean has_answer;
  GError *error;
  gpointer result;
  GDestroyNotify result_free;
  /* cancellation */
  GSource *cancel;
  GSource *patience;
  gint64 cancelled_at; /* 0: not */
  /* list */
  GPtrArray *items;
  guint max;
  /* put and part */
  guint n_slots;    /* of a part that stays in its slots: all that it needs, reserved at once or not at all */
  guint n_reserved; /* of these, not yet filled */
  GInputStream *content;
  GBytes *bytes;
  gsize position;
  guint8 *buffer;
  gsize buffer_size;
  gsize buffered;
  gboolean reading;
  gboolean ended;
  GCancellable *stop_reading;
  GError *content_error;
  /* get */
  TeesqlStorageClientStream *stream;
  guint64 length;
  guint64 received;
  gboolean opened;
} TeesqlStorageCall;

struct _TeesqlStorageClient
{
  GObject parent_instance;
  GMainContext *context;
  TeesqlStorageChannel *channel; /* NULL once broken */
  TeesqlStorageChild *child;
  TeesqlStorageArena arena;
  TeesqlStorageLender *lender; /* (nullable) */
  TeesqlStorageSlots *slots;
  GHashTable *calls;  /* id -> TeesqlStorageCall */
  GPtrArray *streams; /* of gets, borrowed */
  GQueue line;        /* calls that wait for a slot */
  GQueue parts;       /* calls that wait for a reservation */
  guint64 leased;     /* bit n: slot n is with a reader */
  guint n_reserved;   /* slots that are free and promised */
  guint n_for_parts;  /* slots that parts have, or are promised */
  GSource *serving;   /* gives them out, one a turn */
  GSource *tick;
  GSource *last_wait;
  gboolean closed;   /* the host's end of the socket */
  char *exit_status; /* once known */
  GTask *starting;
  TeesqlConfig *config;
  char *instance;
  char *module;
  char *digest;
  char *version;
  const char *degradation;
  TeesqlStorageFeatures features;
  guint32 last_id;
  guint64 ping;
  gint64 ping_sent; /* 0: answered */
  gint64 last_ping;
  guint n_logged;
  gint64 logged_since;
  GError *broken;
};

/* ---- calls ---- */

/**
 * teesql_storage_call_begin:
 *
 * Returns: (nullable): a call in the table; %NULL when @task was answered at once (broken, cancelled)
 */
TeesqlStorageCall *teesql_storage_call_begin (TeesqlStorageClient *self, guint8 type, const char *name, GTask *task);
void teesql_storage_call_answer (TeesqlStorageCall *call, gpointer result, GDestroyNotify result_free, GError *error);
/* gives the answer and frees the call as far as either is due; @call may be gone afterwards */
void teesql_storage_call_settle (TeesqlStorageCall *call);
void teesql_storage_call_cancel (TeesqlStorageCall *call);
/* the host has said its last word */
void teesql_storage_call_end (TeesqlStorageCall *call);
void teesql_storage_call_send (TeesqlStorageCall *call, TeesqlStorageMessage *message);
gboolean teesql_storage_call_handle (TeesqlStorageCall *call, const TeesqlStorageMessage *message, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_storage_call_violation (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* ---- slots ---- */

gboolean teesql_storage_call_wants_slot (const TeesqlStorageCall *call);
void teesql_storage_call_use_slot (TeesqlStorageCall *call, guint32 slot);
void teesql_storage_call_wait_for_slot (TeesqlStorageCall *call);
void teesql_storage_client_collect (TeesqlStorageClient *self); /* takes back what readers had */
void teesql_storage_client_give_slot (TeesqlStorageClient *self, guint32 slot);
void teesql_storage_client_serve (TeesqlStorageClient *self);
guint teesql_storage_client_count_free (TeesqlStorageClient *self); /* and not promised */
void teesql_storage_call_wait_for_slots (TeesqlStorageCall *call);
void teesql_storage_call_forget_slots (TeesqlStorageCall *call);

/* ---- content of puts and parts ---- */

void teesql_storage_sender_start (TeesqlStorageCall *call);
void teesql_storage_sender_use_slot (TeesqlStorageCall *call, guint32 slot);
gboolean teesql_storage_sender_wants_slot (const TeesqlStorageCall *call);

/* ---- gets ---- */

#define TEESQL_TYPE_STORAGE_CLIENT_STREAM (teesql_storage_client_stream_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlStorageClientStream, teesql_storage_client_stream, TEESQL, STORAGE_CLIENT_STREAM, GInputStream)

TeesqlStorageClientStream *teesql_storage_client_stream_new (TeesqlStorageCall *call) G_GNUC_WARN_UNUSED_RESULT;
void teesql_storage_client_stream_push (TeesqlStorageClientStream *self, guint32 slot, guint32 length);
/* no more will come; @error: (transfer full) (nullable): %NULL for the end */
void teesql_storage_client_stream_end (TeesqlStorageClientStream *self, GError *error);
/* frees the slots of a reader who does not read, by a copy; for those who wait */
gboolean teesql_storage_client_stream_spill (TeesqlStorageClientStream *self);
/**
 * teesql_storage_client_stream_take_async:
 * @out: of @size bytes, where no slot can be leased
 *
 * reads what has come: as a slot, which the reader may hold for a while, or into @out
 */
void teesql_storage_client_stream_take_async (TeesqlStorageClientStream *self, void *out, gsize size, GCancellable *cancellable,
                                              GAsyncReadyCallback callback, gpointer user_data);
/* @out_lease: %NULL where the bytes are in the buffer. Returns: how many, 0 at the end, -1 with an error */
gssize teesql_storage_client_stream_take_finish (TeesqlStorageClientStream *self, GAsyncResult *result, TeesqlStorageLease **out_lease,
                                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_storage_client_stream_wants_slot (TeesqlStorageClientStream *self);

/* the interface's slots */
void teesql_storage_client_iface_init (TeesqlStorageInterface *iface);

G_END_DECLS
