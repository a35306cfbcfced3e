#pragma once
#include "base/teesql-cursor.h"
#include <teesql/teesql-object-info.h>

G_BEGIN_DECLS

/* What daemon and storage host say to each other, as bytes (docs/storage-host.md). One datagram is one message: type, call, then the fields
 * that the table in teesql-storage-protocol.c gives the type. Numbers are big-endian, text ends in NUL. */

#define TEESQL_STORAGE_PROTOCOL_VERSION 1
#define TEESQL_STORAGE_FRAME_MAX        ((gsize) 65536)
#define TEESQL_STORAGE_SLOT_SIZE        ((gsize) 1 << 20)
#define TEESQL_STORAGE_N_SLOTS          64u
/* Behind the slots lie runs: each holds a whole part, which the daemon fills where it lies. A CONTENT names run n as slot N_SLOTS + n. */
#define TEESQL_STORAGE_RUN_SIZE ((gsize) 8 << 20)
#define TEESQL_STORAGE_N_RUNS   4u
/* A part up to this size stays in its slots until the host's last word on it; a larger one is copied out of them as it comes. */
#define TEESQL_STORAGE_MAPPED_MAX  ((gsize) 16 << 20)
#define TEESQL_STORAGE_ID_MAX      ((gsize) 2048) /* upload ids and tags */
#define TEESQL_STORAGE_MESSAGE_MAX ((gsize) 2048) /* text of an error or a log line */

typedef enum
{
  /* daemon to host */
  TEESQL_STORAGE_HELLO = 1,
  TEESQL_STORAGE_PUT,
  TEESQL_STORAGE_GET,
  TEESQL_STORAGE_LIST,
  TEESQL_STORAGE_STAT,
  TEESQL_STORAGE_REMOVE,
  TEESQL_STORAGE_UPLOAD_BEGIN,
  TEESQL_STORAGE_UPLOAD_PART,
  TEESQL_STORAGE_UPLOAD_TAGS, /* several, before their commit */
  TEESQL_STORAGE_UPLOAD_COMMIT,
  TEESQL_STORAGE_UPLOAD_ABORT,
  TEESQL_STORAGE_CONTENT, /* of a put or a part: this much lies in that slot */
  TEESQL_STORAGE_CONTENT_END,
  TEESQL_STORAGE_CONTENT_FAILED, /* the content could not be read to its end */
  TEESQL_STORAGE_CREDIT,         /* of a get: this slot may be filled */
  TEESQL_STORAGE_CANCEL,         /* also: the reader of a get has closed */
  TEESQL_STORAGE_PING,
  /* host to daemon */
  TEESQL_STORAGE_READY = 64,
  TEESQL_STORAGE_PONG,
  TEESQL_STORAGE_LOG,
  TEESQL_STORAGE_TAKEN, /* the slot of a CONTENT was read */
  TEESQL_STORAGE_OPENED,
  TEESQL_STORAGE_DATA,
  TEESQL_STORAGE_ITEMS, /* of a list; several */
  /* the last word on a call */
  TEESQL_STORAGE_DONE,
  TEESQL_STORAGE_DONE_INFO,
  TEESQL_STORAGE_DONE_TEXT,
  TEESQL_STORAGE_FAILED, /* call 0: the host does not start */
} TeesqlStorageMessageType;

/* Domains that cross the boundary; an error of another one becomes STORAGE, FAILED. */
typedef enum
{
  TEESQL_STORAGE_DOMAIN_STORAGE,
  TEESQL_STORAGE_DOMAIN_IO,
  TEESQL_STORAGE_DOMAIN_CONFIG,
  TEESQL_STORAGE_DOMAIN_PLUGIN,
} TeesqlStorageDomain;

/**
 * TeesqlStorageMessage:
 *
 * one message; which fields mean something follows from @type. Text and @rest are borrowed from the frame.
 */
typedef struct
{
  guint8 type;
  guint32 call;
  const char *name; /* object or prefix */
  const char *text; /* (nullable): token, upload id, tag, version, line of log */
  guint64 size;
  guint64 offset;
  guint32 flags;
  guint32 number;
  guint32 slot;
  guint32 length; /* of what lies in the slot */
  guint8 domain;
  guint32 code;
  guint32 retry_after_ms;
  const char *reason;
  const char *message;
  TeesqlCursor rest;
} TeesqlStorageMessage;

/**
 * teesql_storage_message_encode:
 * @out: TEESQL_STORAGE_FRAME_MAX bytes
 *
 * Returns: size of the frame, 0 when it does not fit
 */
gsize teesql_storage_message_encode (const TeesqlStorageMessage *self, guint8 *out) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_storage_message_decode:
 * @from_host: the direction, which decides the types that may come
 *
 * Errors: #TEESQL_PARSE_ERROR. Text of a host is printable ASCII, but for what goes through teesql_storage_message_dup_error().
 */
gboolean teesql_storage_message_decode (TeesqlStorageMessage *out, gboolean from_host, const guint8 *data, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_storage_message_is_last (const TeesqlStorageMessage *self);
/* for plugins' texts before they are sent: 0x20..0x7e only, 1 to @max bytes */
gboolean teesql_storage_text_is_plain (const char *text, gsize max);

/* ---- errors ---- */

/**
 * teesql_storage_message_set_error:
 *
 * makes @self a FAILED of its call that carries @error; borrows from it
 */
void teesql_storage_message_set_error (TeesqlStorageMessage *self, const GError *error);
/**
 * teesql_storage_message_dup_error:
 *
 * a FAILED as a GError. A host may have written anything: unknown domains and codes become FAILED, the text is made printable and short,
 * the time bounded. Cancelled is what we are, not what a host says we are: it becomes `broken-plugin` here.
 */
GError *teesql_storage_message_dup_error (const TeesqlStorageMessage *self) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_storage_message_is_cancelled (const TeesqlStorageMessage *self);
/* one line of text of foreign origin for a log or a message; a second line may only be a hint */
char *teesql_storage_dup_printable (const char *text, gsize max, gboolean with_hint) G_GNUC_WARN_UNUSED_RESULT;

/* ---- what stands in `rest` ---- */

/**
 * TeesqlStorageWriter:
 *
 * appends to a frame's rest; @failed when something did not fit
 */
typedef struct
{
  guint8 *data;
  gsize size;
  gsize capacity;
  gboolean failed;
} TeesqlStorageWriter;

void teesql_storage_writer_u8 (TeesqlStorageWriter *self, guint8 value);
void teesql_storage_writer_u16 (TeesqlStorageWriter *self, guint16 value);
void teesql_storage_writer_u32 (TeesqlStorageWriter *self, guint32 value);
void teesql_storage_writer_u64 (TeesqlStorageWriter *self, guint64 value);
void teesql_storage_writer_bytes (TeesqlStorageWriter *self, const guint8 *data, gsize size);
void teesql_storage_writer_text (TeesqlStorageWriter *self, const char *text);
void teesql_storage_writer_optional (TeesqlStorageWriter *self, const char *text);
gboolean teesql_storage_cursor_optional (TeesqlCursor *cursor, const char *field, gsize max, const char **out_text, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* %FALSE when the frame is full: the item goes into the next one */
gboolean teesql_storage_writer_item (TeesqlStorageWriter *self, const TeesqlObjectInfo *info) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_storage_items_decode:
 * @out_items: (element-type TeesqlObjectInfo): appended to, never beyond @max
 */
gboolean teesql_storage_items_decode (TeesqlCursor *rest, guint max, GPtrArray *out_items, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_storage_tags_decode (TeesqlCursor *rest, guint max, GPtrArray *out_tags, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
