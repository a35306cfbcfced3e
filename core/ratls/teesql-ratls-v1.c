#include "ratls/teesql-ratls-private.h"

#include "base/teesql-hex.h"
#include "ratls/teesql-msgpack.h"

/* RA-TLS profile 3.2: the msgpack form. Maps are cut into their fields first and read in our order afterwards, so `kind` is
 * known before `data` is looked at, whichever comes first. */

static gboolean
unsupported (GError **error, const char *what, const char *kind)
{
  g_autofree char *shown = g_strescape (kind, NULL);

  g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_UNSUPPORTED, "evidence-platform", 0,
                                              "evidence of %s %.32s, only tdx and dstack are verified", what, shown));
  return FALSE;
}

static gboolean
read_kind (TeesqlCursor *cursor, const char *what, const char *wanted, TeesqlCursor *out_data, GError **error)
{
  TeesqlMsgpackField fields[] = { { "kind", TRUE }, { "data", TRUE } };
  g_autofree char *kind = NULL;

  if (!teesql_msgpack_map (cursor, what, fields, G_N_ELEMENTS (fields), error) ||
      !teesql_msgpack_text (&fields[0].value, "kind", 32, &kind, error))
    return FALSE;
  if (strcmp (kind, wanted) != 0)
    return unsupported (error, what, kind);
  *out_data = fields[1].value;
  return TRUE;
}

static gboolean
read_small (TeesqlMsgpackField *field, guint64 max, guint *out, GError **error)
{
  guint64 value = 0;

  if (!field->present)
    return TRUE;
  if (!teesql_msgpack_uint (&field->value, field->name, max, &value, error))
    return FALSE;
  *out = (guint) value;
  return TRUE;
}

/* empty = not given, as in the SCALE form */
static gboolean
read_digest (TeesqlMsgpackField *field, TeesqlRatlsEvent *event, GError **error)
{
  if (!field->present)
    return TRUE;
  if (!teesql_msgpack_bytes (&field->value, field->name, TEESQL_MEASUREMENT_SIZE, &event->event.digest, error))
    return FALSE;
  if (g_bytes_get_size (event->event.digest) == 0)
    g_clear_pointer (&event->event.digest, g_bytes_unref);
  return TRUE;
}

static gboolean
read_preimage (TeesqlMsgpackField *field, TeesqlRatlsEvent *event, GError **error)
{
  g_autofree char *hex = NULL;

  if (!field->present)
    return TRUE;
  if (!teesql_msgpack_text (&field->value, field->name, TEESQL_RATLS_MAX_PAYLOAD * 4, &hex, error))
    return FALSE;
  event->preimage = teesql_hex_decode (hex, -1, error);
  return event->preimage != NULL;
}

static gboolean
read_name_and_payload (TeesqlMsgpackField *name, TeesqlMsgpackField *payload, TeesqlRatlsEvent *event, GError **error)
{
  if (!teesql_msgpack_text (&name->value, name->name, TEESQL_RATLS_MAX_NAME, &event->name, error) ||
      !teesql_msgpack_bytes (&payload->value, payload->name, TEESQL_RATLS_MAX_PAYLOAD, &event->event.payload, error))
    return FALSE;
  event->event.name = event->name;
  return TRUE;
}

static gboolean
read_platform_event (TeesqlCursor *cursor, gpointer user_data, GError **error)
{
  GPtrArray *events = user_data;
  g_autoptr (TeesqlRatlsEvent) event = teesql_ratls_event_new ();
  TeesqlMsgpackField fields[] = { { "imr", TRUE },     { "event_type", TRUE }, { "event", TRUE },    { "event_payload", TRUE },
                                  { "digest", FALSE }, { "version", FALSE },   { "preimage", FALSE } };

  if (!teesql_msgpack_map (cursor, "event", fields, G_N_ELEMENTS (fields), error) ||
      !read_small (&fields[0], G_MAXUINT32, &event->event.rtmr, error) ||
      !read_small (&fields[1], G_MAXUINT32, &event->event.type, error) || !read_name_and_payload (&fields[2], &fields[3], event, error) ||
      !read_digest (&fields[4], event, error) || !read_small (&fields[5], G_MAXUINT32, &event->event.version, error) ||
      !read_preimage (&fields[6], event, error))
    return FALSE;
  g_ptr_array_add (events, g_steal_pointer (&event));
  return TRUE;
}

static gboolean
read_runtime_event (TeesqlCursor *cursor, gpointer user_data, GError **error)
{
  GPtrArray *events = user_data;
  g_autoptr (TeesqlRatlsEvent) event = teesql_ratls_event_new ();
  TeesqlMsgpackField fields[] = { { "event", TRUE }, { "payload", TRUE }, { "version", FALSE } };

  event->event.rtmr = TEESQL_RATLS_RUNTIME_RTMR;
  event->event.type = TEESQL_RATLS_RUNTIME_EVENT;
  if (!teesql_msgpack_map (cursor, "event", fields, G_N_ELEMENTS (fields), error) ||
      !read_name_and_payload (&fields[0], &fields[1], event, error) || !read_small (&fields[2], G_MAXUINT32, &event->event.version, error))
    return FALSE;
  g_ptr_array_add (events, g_steal_pointer (&event));
  return TRUE;
}

static gboolean
read_platform (TeesqlCursor *cursor, TeesqlRatlsEnvelope *out, GError **error)
{
  TeesqlMsgpackField fields[] = { { "quote", TRUE }, { "event_log", TRUE } };
  TeesqlCursor data = { 0 };

  return read_kind (cursor, "platform", "tdx", &data, error) &&
         teesql_msgpack_map (&data, "platform data", fields, G_N_ELEMENTS (fields), error) &&
         teesql_msgpack_bytes (&fields[0].value, "quote", TEESQL_EVIDENCE_MAX_QUOTE, &out->quote, error) &&
         teesql_msgpack_array (&fields[1].value, "event_log", TEESQL_EVENT_LOG_MAX, read_platform_event, out->platform_events, error);
}

/* `dstack-pod` ties report data to a payload of its own, which no TLS key can satisfy: refused by its kind. */
static gboolean
read_stack (TeesqlCursor *cursor, TeesqlRatlsEnvelope *out, GError **error)
{
  TeesqlMsgpackField fields[] = { { "report_data", TRUE }, { "runtime_events", TRUE }, { "config", TRUE } };
  TeesqlCursor data = { 0 };

  return read_kind (cursor, "stack", "dstack", &data, error) &&
         teesql_msgpack_map (&data, "stack data", fields, G_N_ELEMENTS (fields), error) &&
         teesql_msgpack_bytes (&fields[0].value, "report_data", TEESQL_REPORT_DATA_SIZE, &out->report_data, error) &&
         teesql_msgpack_array (&fields[1].value, "runtime_events", TEESQL_EVENT_LOG_MAX, read_runtime_event, out->runtime_events, error) &&
         teesql_msgpack_text (&fields[2].value, "config", TEESQL_RATLS_MAX_CONFIG, &out->config, error);
}

gboolean
teesql_ratls_envelope_read_v1 (TeesqlCursor *cursor, TeesqlRatlsEnvelope *out, GError **error)
{
  TeesqlMsgpackField fields[] = { { "version", TRUE }, { "platform", TRUE }, { "stack", TRUE } };
  guint64 version = 0;

  if (!teesql_msgpack_map (cursor, "attestation", fields, G_N_ELEMENTS (fields), error) || !teesql_cursor_expect_end (cursor, error) ||
      !teesql_msgpack_uint (&fields[0].value, "version", G_MAXUINT32, &version, error))
    return FALSE;
  if (version != 1)
    return teesql_cursor_fail (cursor, error, "version", "attestation version %" G_GUINT64_FORMAT ", expected 1", version);
  return read_platform (&fields[1].value, out, error) && read_stack (&fields[2].value, out, error);
}
