#pragma once
#include "dstack-buffer.h"

typedef enum
{
  DSTACK_JSON_STRING,
  DSTACK_JSON_NUMBER,
  DSTACK_JSON_LITERAL, /* true, false, null */
  DSTACK_JSON_OBJECT,
  DSTACK_JSON_ARRAY,
} DstackJsonKind;

/**
 * DstackJsonValue:
 * @text: a string: what stands between its quotes, escapes and all; else the whole value
 *
 * a value where it stands in the answer. Nothing is copied and no tree is built, so that an answer with a key can be read
 * inside locked memory. Plain struct.
 */
typedef struct
{
  DstackJsonKind kind;
  const guint8 *text;
  gsize size;
} DstackJsonValue;

/* members of an object or items of an array */
typedef struct
{
  TeesqlCursor cursor;
  gboolean is_object;
  gboolean begun;
} DstackJsonIter;

/**
 * dstack_json_parse:
 *
 * checks the grammar of the whole text (RFC 8259, at most 8 levels), so that what is taken out of it later is what every
 * other reader sees. Errors here and below: #TEESQL_PARSE_ERROR, reason `agent-json`; messages never quote the text.
 */
gboolean dstack_json_parse (const guint8 *data, gsize size, DstackJsonValue *out_value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dstack_json_iter_init (DstackJsonIter *self, const DstackJsonValue *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dstack_json_iter_next:
 * @out_name: (optional): empty in an array
 *
 * Returns: %FALSE at the end, and with @error set on a fault
 */
gboolean dstack_json_iter_next (DstackJsonIter *self, DstackJsonValue *out_name, DstackJsonValue *out_value, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean dstack_json_is (const DstackJsonValue *name, const char *text) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dstack_json_member:
 * @out_found: (optional): %NULL: the member must be there
 *
 * a member that stands twice is a fault
 */
gboolean dstack_json_member (const DstackJsonValue *object, const char *name, DstackJsonKind kind, gboolean *out_found,
                             DstackJsonValue *out_value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* without escapes, into @out, which says where the bytes may stand */
gboolean dstack_json_unescape (const DstackJsonValue *string, DstackBuffer *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dstack_json_dup_text:
 *
 * Returns: (transfer full) (nullable): public text, UTF-8 without NUL
 */
char *dstack_json_dup_text (const DstackJsonValue *string, gsize max, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dstack_json_hex:
 *
 * Returns: (transfer full) (nullable): public bytes of a hex string, which may be empty
 */
GBytes *dstack_json_hex (const DstackJsonValue *string, gsize max, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dstack_json_uint (const DstackJsonValue *number, guint64 max, guint64 *out_value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* for requests, which are public */
void dstack_json_write_string (GString *out, const char *text);
