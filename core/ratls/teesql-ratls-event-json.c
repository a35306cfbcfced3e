#include "ratls/teesql-ratls-attestation.h"

#include "ratls/teesql-json-walk.h"
#include "ratls/teesql-ratls-private.h"

/* RA-TLS profile 5: the event log as the agent prints it. */

typedef struct
{
  TeesqlRatlsEvent *event;
  gboolean has_rtmr;
  gboolean has_type;
  gboolean has_payload;
} Item;

static gboolean
read_number (TeesqlCursor *cursor, const char *key, guint32 *out, gboolean *out_present, GError **error)
{
  guint64 value = 0;

  if (!teesql_json_uint (cursor, key, G_MAXUINT32, &value, error))
    return FALSE;
  *out = (guint32) value;
  *out_present = TRUE;
  return TRUE;
}

static gboolean
read_digest (TeesqlCursor *cursor, const char *key, TeesqlRatlsEvent *event, GError **error)
{
  if (!teesql_json_hex (cursor, key, TEESQL_MEASUREMENT_SIZE, &event->event.digest, error))
    return FALSE;
  if (g_bytes_get_size (event->event.digest) == 0) /* a stripped log says so by empty text */
    g_clear_pointer (&event->event.digest, g_bytes_unref);
  return TRUE;
}

static gboolean
read_member (TeesqlCursor *cursor, const char *key, gpointer user_data, GError **error)
{
  Item *item = user_data;
  TeesqlRatlsEvent *event = item->event;
  gboolean ignored = FALSE;

  if (strcmp (key, "imr") == 0)
    return read_number (cursor, key, &event->event.rtmr, &item->has_rtmr, error);
  if (strcmp (key, "event_type") == 0)
    return read_number (cursor, key, &event->event.type, &item->has_type, error);
  if (strcmp (key, "version") == 0)
    return read_number (cursor, key, &event->event.version, &ignored, error);
  if (strcmp (key, "digest") == 0)
    return read_digest (cursor, key, event, error);
  if (strcmp (key, "event") == 0)
    return teesql_json_string (cursor, key, TEESQL_RATLS_MAX_NAME, &event->name, error);
  if (strcmp (key, "preimage") == 0)
    return teesql_json_hex (cursor, key, TEESQL_RATLS_MAX_PAYLOAD * 3, &event->preimage, error);
  if (strcmp (key, "event_payload") != 0)
    return teesql_json_skip (cursor, error);
  item->has_payload = TRUE;
  return teesql_json_hex (cursor, key, TEESQL_RATLS_MAX_PAYLOAD, &event->event.payload, error);
}

static gboolean
read_item (TeesqlCursor *cursor, gpointer user_data, GError **error)
{
  g_autoptr (TeesqlRatlsEvent) event = teesql_ratls_event_new ();
  Item item = { event, FALSE, FALSE, FALSE };

  if (!teesql_json_object (cursor, "event", read_member, &item, error))
    return FALSE;
  if (!item.has_rtmr || !item.has_type || !item.has_payload || event->name == NULL)
    return teesql_cursor_fail (cursor, error, "json", "an event without imr, event_type, event or event_payload");
  event->event.name = event->name;
  if (!teesql_ratls_event_check (event, error))
    return FALSE;
  g_ptr_array_add (user_data, g_steal_pointer (&event));
  return TRUE;
}

gboolean
teesql_ratls_event_log_parse_json (const char *text, gsize size, TeesqlEvidenceBuilder *builder, GError **error)
{
  g_autoptr (GPtrArray) events = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_ratls_event_free);
  TeesqlCursor cursor = { 0 };
  GError *inner = NULL;

  if (size > TEESQL_EVIDENCE_MAX_LOG)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed", 0,
                                                  "event log of %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT, size,
                                                  TEESQL_EVIDENCE_MAX_LOG));
      return FALSE;
    }
  if (!teesql_json_begin (&cursor, "event log", text, size, &inner) ||
      !teesql_json_array (&cursor, "event log", TEESQL_EVENT_LOG_MAX, read_item, events, &inner) || !teesql_json_end (&cursor, &inner))
    return teesql_ratls_translate (error, inner, "evidence-malformed");
  for (guint i = 0; i < events->len; i++)
    teesql_evidence_builder_add_event (builder, &((TeesqlRatlsEvent *) g_ptr_array_index (events, i))->event);
  return TRUE;
}
