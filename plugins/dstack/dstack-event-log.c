#include "dstack-event-log.h"

#define NAME_MAX_SIZE ((gsize) 256)
#define PAYLOAD_MAX   ((gsize) 65536)
#define DIGEST_SIZE   ((gsize) 48)

typedef struct
{
  char *name;
  GBytes *digest;
  GBytes *payload;
  guint64 rtmr;
  guint64 type;
  guint64 version;
} Event;

static void
event_clear (Event *self)
{
  g_free (self->name);
  g_clear_pointer (&self->digest, g_bytes_unref);
  g_clear_pointer (&self->payload, g_bytes_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Event, event_clear)

static gboolean
get_uint (const DstackJsonValue *object, const char *name, guint64 max, gboolean *out_found, guint64 *out_value, GError **error)
{
  DstackJsonValue value;

  if (!dstack_json_member (object, name, DSTACK_JSON_NUMBER, out_found, &value, error))
    return FALSE;
  return (out_found != NULL && !*out_found) || dstack_json_uint (&value, max, out_value, error);
}

/* *out_bytes stays %NULL where the member is absent */
static gboolean
get_hex (const DstackJsonValue *object, const char *name, gsize max, GBytes **out_bytes, GError **error)
{
  DstackJsonValue value;
  gboolean found = FALSE;

  if (!dstack_json_member (object, name, DSTACK_JSON_STRING, &found, &value, error))
    return FALSE;
  if (found)
    *out_bytes = dstack_json_hex (&value, max, error);
  return !found || *out_bytes != NULL;
}

static gboolean
get_name (const DstackJsonValue *object, char **out_name, GError **error)
{
  DstackJsonValue value;

  if (!dstack_json_member (object, "event", DSTACK_JSON_STRING, NULL, &value, error))
    return FALSE;
  *out_name = dstack_json_dup_text (&value, NAME_MAX_SIZE, error);
  return *out_name != NULL;
}

static gboolean
parse_event (const DstackJsonValue *object, Event *out, GError **error)
{
  gboolean has_version = FALSE;

  out->version = 1;
  if (!get_uint (object, "imr", 3, NULL, &out->rtmr, error) || !get_uint (object, "event_type", G_MAXUINT32, NULL, &out->type, error) ||
      !get_uint (object, "version", 2, &has_version, &out->version, error) || !get_name (object, &out->name, error) ||
      !get_hex (object, "digest", DIGEST_SIZE, &out->digest, error) ||
      !get_hex (object, "event_payload", PAYLOAD_MAX, &out->payload, error))
    return FALSE;
  if (out->digest != NULL && g_bytes_get_size (out->digest) == 0)
    g_clear_pointer (&out->digest, g_bytes_unref);
  return TRUE;
}

static void
add_event (TeesqlEvidenceBuilder *builder, const Event *event)
{
  const TeesqlEvent copy = { .rtmr = (guint) event->rtmr,
                             .type = (guint32) event->type,
                             .version = (guint) event->version,
                             .name = event->name,
                             .digest = event->digest,
                             .payload = event->payload };

  teesql_evidence_builder_add_event (builder, &copy);
}

gboolean
dstack_event_log_parse (const guint8 *text, gsize size, TeesqlEvidenceBuilder *builder, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  DstackJsonValue array;
  DstackJsonValue item;
  DstackJsonIter iter;
  guint n = 0;

  if (!dstack_json_parse (text, size, &array, error) || !dstack_json_iter_init (&iter, &array, error))
    return FALSE;
  if (iter.is_object)
    return teesql_cursor_fail (&iter.cursor, error, "agent-json", "the event log is no array");
  while (dstack_json_iter_next (&iter, NULL, &item, &local_error))
    {
      g_auto (Event) event = { 0 };

      if (++n > TEESQL_EVENT_LOG_MAX)
        return teesql_cursor_fail (&iter.cursor, error, "agent-answer-size", "more than %d events", TEESQL_EVENT_LOG_MAX);
      if (!parse_event (&item, &event, error))
        {
          g_prefix_error (error, "event %u: ", n);
          return FALSE;
        }
      add_event (builder, &event);
    }
  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  return TRUE;
}
