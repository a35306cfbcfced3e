#include "ratls/teesql-event-log.h"

#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "ratls/teesql-event-log-private.h"
#include "ratls/teesql-log-claims-private.h"
#include "ratls/teesql-ratls-private.h"

/* RFC 8785 escapes; names are printable ASCII, so these two are all there are. */
static void
append_canonical_string (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (; *text != '\0'; text++)
    {
      if (*text == '"' || *text == '\\')
        g_string_append_c (out, '\\');
      g_string_append_c (out, *text);
    }
  g_string_append_c (out, '"');
}

static GBytes *
canonical_v2 (const TeesqlEvent *event)
{
  g_autoptr (GString) text = g_string_new ("{\"name\":");
  gsize size = 0;
  const guint8 *payload = event->payload != NULL ? g_bytes_get_data (event->payload, &size) : NULL;
  g_autofree char *hex = teesql_hex_encode (payload, size);

  append_canonical_string (text, event->name);
  g_string_append_printf (text, ",\"payload\":\"%s\",\"type\":%u}", hex, event->type);
  return g_string_free_to_bytes (g_steal_pointer (&text));
}

static GBytes *
canonical_v1 (const TeesqlEvent *event)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  gsize size = 0;
  const guint8 *payload = event->payload != NULL ? g_bytes_get_data (event->payload, &size) : NULL;
  guint8 type_le[4];

  for (guint i = 0; i < 4; i++)
    type_le[i] = (guint8) (event->type >> (8 * i));
  g_byte_array_append (out, type_le, sizeof type_le);
  g_byte_array_append (out, (const guint8 *) ":", 1);
  g_byte_array_append (out, (const guint8 *) event->name, (guint) strlen (event->name));
  g_byte_array_append (out, (const guint8 *) ":", 1);
  if (size > 0)
    g_byte_array_append (out, payload, (guint) size);
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

GBytes *
teesql_event_canonical (const TeesqlEvent *event)
{
  return event->version == 2 ? canonical_v2 (event) : canonical_v1 (event);
}

gboolean
teesql_event_check_name (const TeesqlEvent *event, GError **error)
{
  const char *name = event->name;

  if (event->version != 1 && event->version != 2)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_UNSUPPORTED, "event-log-version", 0,
                                                  "event version %u, expected 1 or 2", event->version));
      return FALSE;
    }
  if (name == NULL || !teesql_ratls_text_is_printable (name, strlen (name)))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed", 0,
                                                  "the name of a runtime event is not printable ASCII"));
      return FALSE;
    }
  /* Version 1 joins name and payload by `:` without lengths: (`a:b`, `c`) and (`a`, `b:c`) have one digest. */
  if (event->version == 1 && strchr (name, ':') != NULL)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed", 0,
                                                  "event %s: a colon in the name of a version 1 event is ambiguous", name));
      return FALSE;
    }
  return TRUE;
}

gboolean
teesql_event_digest (const TeesqlEvent *event, guint8 out[48], GError **error)
{
  g_autoptr (GBytes) canonical = NULL;
  gsize size = 0;
  const guint8 *data = NULL;

  if (!teesql_event_check_name (event, error))
    return FALSE;
  canonical = teesql_event_canonical (event);
  data = g_bytes_get_data (canonical, &size);
  teesql_digest_bytes (TEESQL_DIGEST_SHA384, out, data, size);
  return TRUE;
}

gboolean
teesql_event_digest_agrees (const TeesqlEvent *event, const guint8 digest[48], GError **error)
{
  gsize size = 0;
  const guint8 *given = event->digest != NULL ? g_bytes_get_data (event->digest, &size) : NULL;

  if (given == NULL || (size == TEESQL_MEASUREMENT_SIZE && memcmp (given, digest, TEESQL_MEASUREMENT_SIZE) == 0))
    return TRUE;
  g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "event-log-digest", 0,
                                              "event %s: the logged digest is not that of its name and payload", event->name));
  return FALSE;
}

static gboolean
event_measurement (const TeesqlEvent *event, guint8 out[48], GError **error)
{
  gsize size = 0;
  const guint8 *given = NULL;
  TeesqlCursor cursor = { 0 };

  if (event->type == TEESQL_RATLS_RUNTIME_EVENT)
    return teesql_event_digest (event, out, error) && teesql_event_digest_agrees (event, out, error);
  given = event->digest != NULL ? g_bytes_get_data (event->digest, &size) : NULL;
  teesql_cursor_init (&cursor, "digest", given, size);
  if (size != TEESQL_MEASUREMENT_SIZE || !teesql_cursor_copy (&cursor, "digest", out, TEESQL_MEASUREMENT_SIZE, NULL))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "event-log-digest", 0,
                                                  "a boot event in RTMR%u has no digest of 48 bytes", event->rtmr));
      return FALSE;
    }
  return TRUE;
}

gboolean
teesql_event_log_rtmr (TeesqlEvidence *evidence, guint rtmr, guint8 out[48], GError **error)
{
  TeesqlCursor result;
  guint8 value[TEESQL_MEASUREMENT_SIZE] = { 0 };
  guint n_events = teesql_evidence_get_n_events (evidence);

  g_return_val_if_fail (rtmr <= 3, FALSE);
  for (guint i = 0; i < n_events; i++)
    {
      const TeesqlEvent *event = teesql_evidence_get_event (evidence, i);
      guint8 digest[TEESQL_MEASUREMENT_SIZE];
      const TeesqlDigestPart parts[] = { { value, sizeof value }, { digest, sizeof digest } };

      if (event->rtmr != rtmr)
        continue;
      if (!event_measurement (event, digest, error))
        return FALSE;
      teesql_digest (TEESQL_DIGEST_SHA384, value, parts, G_N_ELEMENTS (parts));
    }
  teesql_cursor_init (&result, "register", value, sizeof value);
  return teesql_cursor_copy (&result, "value", out, sizeof value, error);
}

static gboolean
has_runtime_events (TeesqlEvidence *evidence)
{
  guint n_events = teesql_evidence_get_n_events (evidence);

  for (guint i = 0; i < n_events; i++)
    if (teesql_evidence_get_event (evidence, i)->rtmr == TEESQL_RATLS_RUNTIME_RTMR)
      return TRUE;
  return FALSE;
}

TeesqlLogClaims *
teesql_event_log_replay (TeesqlEvidence *evidence, const guint8 *rtmr3, GError **error)
{
  guint8 value[TEESQL_MEASUREMENT_SIZE];
  g_autofree char *found = NULL;
  g_autofree char *expected = NULL;

  if (!has_runtime_events (evidence))
    {
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "event-log-missing", 0,
                                                  "the evidence has no event log, so it names no application"));
      return NULL;
    }
  if (!teesql_event_log_rtmr (evidence, TEESQL_RATLS_RUNTIME_RTMR, value, error))
    return NULL;
  if (memcmp (value, rtmr3, sizeof value) != 0)
    {
      found = teesql_hex_encode (value, 8);
      expected = teesql_hex_encode (rtmr3, 8);
      g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "rtmr3-mismatch", 0,
                                                  "the event log replays to RTMR3 %s…, the quote has %s…", found, expected));
      return NULL;
    }
  return teesql_log_claims_collect (evidence, error);
}
