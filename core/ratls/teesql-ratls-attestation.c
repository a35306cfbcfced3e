#include "ratls/teesql-ratls-attestation.h"
#include "base/teesql-domains.h"

#include "ratls/teesql-ratls-private.h"

#define FORMAT_V0 0x00

TeesqlRatlsEnvelope *
teesql_ratls_envelope_new (void)
{
  TeesqlRatlsEnvelope *self = g_new0 (TeesqlRatlsEnvelope, 1);

  self->platform_events = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_ratls_event_free);
  self->runtime_events = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_ratls_event_free);
  return self;
}

void
teesql_ratls_envelope_free (TeesqlRatlsEnvelope *self)
{
  g_clear_pointer (&self->quote, g_bytes_unref);
  g_clear_pointer (&self->report_data, g_bytes_unref);
  g_ptr_array_unref (self->platform_events);
  g_ptr_array_unref (self->runtime_events);
  g_free (self->config);
  g_free (self);
}

#define malformed(error, ...) teesql_fail (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed", __VA_ARGS__)

/* First byte: 00 SCALE; a map of up to 15 entries, or one with a 16 or 32 bit count, msgpack (RA-TLS profile 3). */
static gboolean
is_msgpack_map (guint8 first)
{
  return (first >= 0x80 && first <= 0x8f) || first == 0xde || first == 0xdf;
}

static gboolean
read_envelope (const guint8 *data, gsize size, TeesqlRatlsEnvelope *out, GError **error)
{
  TeesqlCursor cursor = { 0 };

  if (size == 0 || size > TEESQL_RATLS_MAX_ATTESTATION)
    return malformed (error, "attestation of %" G_GSIZE_FORMAT " bytes, expected 1 to %" G_GSIZE_FORMAT, size,
                      TEESQL_RATLS_MAX_ATTESTATION);
  teesql_cursor_init (&cursor, "attestation", data, size);
  if (data[0] == FORMAT_V0)
    return teesql_ratls_envelope_read_v0 (&cursor, out, error);
  if (is_msgpack_map (data[0]))
    return teesql_ratls_envelope_read_v1 (&cursor, out, error);
  return malformed (error, "unknown attestation wire format 0x%02x", data[0]);
}

static gboolean
same_payload (GBytes *a, GBytes *b)
{
  gsize a_size = a != NULL ? g_bytes_get_size (a) : 0;
  gsize b_size = b != NULL ? g_bytes_get_size (b) : 0;

  return a_size == b_size && (a_size == 0 || g_bytes_equal (a, b));
}

static gboolean
same_event (const TeesqlRatlsEvent *a, const TeesqlRatlsEvent *b)
{
  return a->event.type == b->event.type && a->event.version == b->event.version && strcmp (a->name, b->name) == 0 &&
         same_payload (a->event.payload, b->event.payload);
}

/* Identity comes from the runtime events; a platform log that tells another story about RTMR3 must not stand beside them.
 * What it adds, the digests, is taken over, so that the replay checks them too. */
static gboolean
merge_runtime (TeesqlRatlsEnvelope *envelope, GError **error)
{
  guint n_matched = 0;

  for (guint i = 0; i < envelope->platform_events->len; i++)
    {
      const TeesqlRatlsEvent *platform = g_ptr_array_index (envelope->platform_events, i);
      TeesqlRatlsEvent *runtime = NULL;

      if (platform->event.rtmr != TEESQL_RATLS_RUNTIME_RTMR)
        continue;
      if (n_matched < envelope->runtime_events->len)
        runtime = g_ptr_array_index (envelope->runtime_events, n_matched++);
      if (runtime == NULL || !same_event (platform, runtime))
        return malformed (error, "the event log and the runtime events disagree about RTMR3 at event %u (%s)", n_matched, platform->name);
      if (platform->event.digest != NULL)
        runtime->event.digest = g_bytes_ref (platform->event.digest);
    }
  if (n_matched != 0 && n_matched != envelope->runtime_events->len)
    return malformed (error, "the event log has %u events of RTMR3, the runtime events are %u", n_matched, envelope->runtime_events->len);
  return TRUE;
}

static gboolean
check_events (GPtrArray *events, GError **error)
{
  for (guint i = 0; i < events->len; i++)
    if (!teesql_ratls_event_check (g_ptr_array_index (events, i), error))
      return FALSE;
  return TRUE;
}

static TeesqlEvidence *
build (TeesqlRatlsEnvelope *envelope, GError **error)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();

  teesql_evidence_builder_set_quote (builder, envelope->quote);
  teesql_evidence_builder_set_platform_config (builder, envelope->config);
  for (guint i = 0; i < envelope->platform_events->len; i++)
    {
      const TeesqlRatlsEvent *event = g_ptr_array_index (envelope->platform_events, i);

      if (event->event.rtmr != TEESQL_RATLS_RUNTIME_RTMR)
        teesql_evidence_builder_add_event (builder, &event->event);
    }
  for (guint i = 0; i < envelope->runtime_events->len; i++)
    teesql_evidence_builder_add_event (builder, &((TeesqlRatlsEvent *) g_ptr_array_index (envelope->runtime_events, i))->event);
  return teesql_evidence_builder_end (builder, error);
}

static TeesqlEvidence *
parse (const guint8 *data, gsize size, GBytes **out_report_data, GError **error)
{
  g_autoptr (TeesqlRatlsEnvelope) envelope = teesql_ratls_envelope_new ();
  TeesqlEvidence *evidence = NULL;

  if (!read_envelope (data, size, envelope, error))
    return NULL;
  if (g_bytes_get_size (envelope->report_data) != TEESQL_REPORT_DATA_SIZE)
    {
      malformed (error, "report data of %" G_GSIZE_FORMAT " bytes, expected %d", g_bytes_get_size (envelope->report_data),
                 TEESQL_REPORT_DATA_SIZE);
      return NULL;
    }
  if (!check_events (envelope->platform_events, error) || !check_events (envelope->runtime_events, error) ||
      !merge_runtime (envelope, error))
    return NULL;
  evidence = build (envelope, error);
  if (evidence != NULL && out_report_data != NULL)
    *out_report_data = g_steal_pointer (&envelope->report_data);
  return evidence;
}

TeesqlEvidence *
teesql_ratls_attestation_parse (const guint8 *data, gsize size, GBytes **out_report_data, GError **error)
{
  GError *inner = NULL;
  TeesqlEvidence *evidence = parse (data, size, out_report_data, &inner);

  if (evidence == NULL)
    teesql_ratls_translate (error, inner, "evidence-malformed");
  return evidence;
}

#define DER_OCTET_STRING 0x04

GBytes *
teesql_ratls_wrap_extension (GBytes *payload)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (payload, &size);
  guint8 head[6] = { DER_OCTET_STRING };
  guint n_head = 1;
  guint width = size < 0x80 ? 0 : size < 0x100 ? 1 : size < 0x10000 ? 2 : size < 0x1000000 ? 3 : 4;
  g_autoptr (GByteArray) out = g_byte_array_new ();

  head[n_head++] = (guint8) (width == 0 ? size : 0x80 | width);
  for (guint i = width; i > 0; i--)
    head[n_head++] = (guint8) (size >> (8 * (i - 1)));
  g_byte_array_append (out, head, n_head);
  if (size > 0)
    g_byte_array_append (out, data, (guint) size);
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}
