#include "ratls/teesql-ratls-attestation.h"

#include "ratls/teesql-event-log.h"
#include "ratls/teesql-ratls-private.h"
#include "ratls/teesql-scale.h"

/* RA-TLS profile 3.1: the SCALE form. */

#define VERSION_0    0x00
#define VARIANT_TDX  0x00
#define EVENT_ACPI   10u /* EV_PLATFORM_CONFIG_FLAGS, with the payload below: what a certificate keeps of RTMR0 (3.3) */
#define PAYLOAD_ACPI "ACPI DATA"

static gboolean
refuse_platform (guint8 variant, GError **error)
{
  static const char *const names[] = { "TDX", "GCP TDX", "Nitro enclave", "AMD SEV-SNP", "AWS NitroTPM" };

  g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_UNSUPPORTED, "evidence-platform", 0,
                                              "evidence of platform %u (%s), only Intel TDX is verified", variant,
                                              variant < G_N_ELEMENTS (names) ? names[variant] : "unknown"));
  return FALSE;
}

/* An absent digest is written as empty bytes. */
static gboolean
read_digest (TeesqlCursor *cursor, TeesqlRatlsEvent *event, GError **error)
{
  if (!teesql_scale_bytes (cursor, "digest", TEESQL_MEASUREMENT_SIZE, &event->event.digest, error))
    return FALSE;
  if (g_bytes_get_size (event->event.digest) == 0)
    g_clear_pointer (&event->event.digest, g_bytes_unref);
  return TRUE;
}

static gboolean
read_platform_event (TeesqlCursor *cursor, GPtrArray *events, GError **error)
{
  g_autoptr (TeesqlRatlsEvent) event = teesql_ratls_event_new ();

  if (!teesql_cursor_u32_le (cursor, "imr", &event->event.rtmr, error) ||
      !teesql_cursor_u32_le (cursor, "event_type", &event->event.type, error) || !read_digest (cursor, event, error) ||
      !teesql_scale_text (cursor, "event", TEESQL_RATLS_MAX_NAME, &event->name, error) ||
      !teesql_scale_bytes (cursor, "event_payload", TEESQL_RATLS_MAX_PAYLOAD, &event->event.payload, error))
    return FALSE;
  event->event.name = event->name;
  g_ptr_array_add (events, g_steal_pointer (&event));
  return TRUE;
}

static gboolean
read_runtime_event (TeesqlCursor *cursor, GPtrArray *events, GError **error)
{
  g_autoptr (TeesqlRatlsEvent) event = teesql_ratls_event_new ();

  event->event.rtmr = TEESQL_RATLS_RUNTIME_RTMR;
  event->event.type = TEESQL_RATLS_RUNTIME_EVENT;
  if (!teesql_scale_text (cursor, "event", TEESQL_RATLS_MAX_NAME, &event->name, error) ||
      !teesql_scale_bytes (cursor, "payload", TEESQL_RATLS_MAX_PAYLOAD, &event->event.payload, error))
    return FALSE;
  event->event.name = event->name;
  g_ptr_array_add (events, g_steal_pointer (&event));
  return TRUE;
}

static gboolean
read_events (TeesqlCursor *cursor, const char *field, GPtrArray *events,
             gboolean (*read_event) (TeesqlCursor *cursor, GPtrArray *events, GError **error), GError **error)
{
  guint32 count = 0;

  if (!teesql_scale_compact (cursor, field, &count, error))
    return FALSE;
  if (count > TEESQL_EVENT_LOG_MAX)
    return teesql_cursor_fail (cursor, error, "too-many", "%s: %u events, at most %d", field, count, TEESQL_EVENT_LOG_MAX);
  for (guint32 i = 0; i < count; i++)
    if (!read_event (cursor, events, error))
      return FALSE;
  return TRUE;
}

gboolean
teesql_ratls_envelope_read_v0 (TeesqlCursor *cursor, TeesqlRatlsEnvelope *out, GError **error)
{
  const guint8 *report_data = NULL;
  guint8 version = 0;
  guint8 variant = 0;

  if (!teesql_cursor_u8 (cursor, "version", &version, error) || !teesql_cursor_u8 (cursor, "platform", &variant, error))
    return FALSE;
  if (variant != VARIANT_TDX)
    return refuse_platform (variant, error);
  if (!teesql_scale_bytes (cursor, "quote", TEESQL_EVIDENCE_MAX_QUOTE, &out->quote, error) ||
      !read_events (cursor, "event_log", out->platform_events, read_platform_event, error) ||
      !read_events (cursor, "runtime_events", out->runtime_events, read_runtime_event, error) ||
      !teesql_cursor_take (cursor, "report_data", TEESQL_REPORT_DATA_SIZE, &report_data, error) ||
      !teesql_scale_text (cursor, "config", TEESQL_RATLS_MAX_CONFIG, &out->config, error) || !teesql_cursor_expect_end (cursor, error))
    return FALSE;
  out->report_data = g_bytes_new (report_data, TEESQL_REPORT_DATA_SIZE);
  return TRUE;
}

static gboolean
is_acpi_data (const TeesqlEvent *event)
{
  gsize size = 0;
  const void *payload = event->payload != NULL ? g_bytes_get_data (event->payload, &size) : NULL;

  return event->rtmr == 0 && event->type == EVENT_ACPI && size == strlen (PAYLOAD_ACPI) && memcmp (payload, PAYLOAD_ACPI, size) == 0;
}

static gboolean
is_kept (const TeesqlEvent *event, gboolean strip)
{
  return !strip || event->rtmr == TEESQL_RATLS_RUNTIME_RTMR || is_acpi_data (event);
}

static void
write_optional (GByteArray *out, GBytes *bytes)
{
  gsize size = 0;
  const void *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;

  teesql_scale_write_bytes (out, data, size);
}

static gboolean
write_digest (GByteArray *out, const TeesqlEvent *event, gboolean strip, GError **error)
{
  guint8 digest[TEESQL_MEASUREMENT_SIZE];

  if (event->type != TEESQL_RATLS_RUNTIME_EVENT || strip)
    {
      write_optional (out, event->type == TEESQL_RATLS_RUNTIME_EVENT ? NULL : event->digest);
      return TRUE;
    }
  if (!teesql_event_digest (event, digest, error))
    return FALSE;
  teesql_scale_write_bytes (out, digest, sizeof digest);
  return TRUE;
}

static gboolean
write_platform_events (GByteArray *out, TeesqlEvidence *evidence, gboolean strip, GError **error)
{
  guint n_events = teesql_evidence_get_n_events (evidence);
  guint32 n_kept = 0;

  for (guint i = 0; i < n_events; i++)
    n_kept += is_kept (teesql_evidence_get_event (evidence, i), strip) ? 1 : 0;
  teesql_scale_write_compact (out, n_kept);
  for (guint i = 0; i < n_events; i++)
    {
      const TeesqlEvent *event = teesql_evidence_get_event (evidence, i);

      if (!is_kept (event, strip))
        continue;
      teesql_scale_write_u32 (out, event->rtmr);
      teesql_scale_write_u32 (out, event->type);
      if (!write_digest (out, event, strip, error))
        return FALSE;
      teesql_scale_write_bytes (out, event->name, strlen (event->name));
      write_optional (out, event->payload);
    }
  return TRUE;
}

static gboolean
write_runtime_events (GByteArray *out, TeesqlEvidence *evidence, GError **error)
{
  guint n_events = teesql_evidence_get_n_events (evidence);
  guint32 n_runtime = 0;

  for (guint i = 0; i < n_events; i++)
    n_runtime += teesql_evidence_get_event (evidence, i)->rtmr == TEESQL_RATLS_RUNTIME_RTMR ? 1 : 0;
  teesql_scale_write_compact (out, n_runtime);
  for (guint i = 0; i < n_events; i++)
    {
      const TeesqlEvent *event = teesql_evidence_get_event (evidence, i);

      if (event->rtmr != TEESQL_RATLS_RUNTIME_RTMR)
        continue;
      if (event->version != 1)
        {
          g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_UNSUPPORTED, "event-log-version", 0,
                                                      "event %s has version %u, which evidence of version 0 cannot carry", event->name,
                                                      event->version));
          return FALSE;
        }
      teesql_scale_write_bytes (out, event->name, strlen (event->name));
      write_optional (out, event->payload);
    }
  return TRUE;
}

GBytes *
teesql_ratls_attestation_write_v0 (TeesqlEvidence *evidence, const guint8 *report_data, gboolean strip, GError **error)
{
  static const guint8 head[] = { VERSION_0, VARIANT_TDX };
  g_autoptr (GByteArray) out = g_byte_array_new ();
  const char *config = teesql_evidence_get_platform_config (evidence);

  g_byte_array_append (out, head, sizeof head);
  write_optional (out, teesql_evidence_get_quote (evidence));
  if (!write_platform_events (out, evidence, strip, error) || !write_runtime_events (out, evidence, error))
    return NULL;
  g_byte_array_append (out, report_data, TEESQL_REPORT_DATA_SIZE);
  teesql_scale_write_bytes (out, config, config != NULL ? strlen (config) : 0);
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}
