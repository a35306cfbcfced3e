#include "ratls/teesql-ratls-private.h"
#include "base/teesql-domains.h"

#include "ratls/teesql-event-log.h"
#include "ratls/teesql-event-log-private.h"

TeesqlRatlsEvent *
teesql_ratls_event_new (void)
{
  TeesqlRatlsEvent *self = g_new0 (TeesqlRatlsEvent, 1);

  self->event.version = 1;
  return self;
}

void
teesql_ratls_event_free (TeesqlRatlsEvent *self)
{
  g_free (self->name);
  g_clear_pointer (&self->preimage, g_bytes_unref);
  g_clear_pointer (&self->event.digest, g_bytes_unref);
  g_clear_pointer (&self->event.payload, g_bytes_unref);
  g_free (self);
}

gboolean
teesql_ratls_translate (GError **error, GError *inner, const char *reason)
{
  if (inner->domain == TEESQL_ATTEST_ERROR)
    {
      g_propagate_error (error, inner);
      return FALSE;
    }
  g_propagate_error (error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, reason, 0, "%s", inner->message));
  g_error_free (inner);
  return FALSE;
}

gboolean
teesql_ratls_text_is_printable (const char *text, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (text[i] < 0x20 || text[i] > 0x7e)
      return FALSE;
  return TRUE;
}

#define malformed(error, ...) teesql_fail (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "evidence-malformed", __VA_ARGS__)

static gboolean
check_runtime (const TeesqlRatlsEvent *self, GError **error)
{
  guint8 digest[TEESQL_MEASUREMENT_SIZE];

  if (self->event.rtmr != TEESQL_RATLS_RUNTIME_RTMR)
    return malformed (error, "event %s: a runtime event in RTMR%u, expected RTMR3", self->name, self->event.rtmr);
  if (!teesql_event_check_name (&self->event, error))
    return FALSE;
  /* a stripped log has no digests, and before authentication no hash is worth making that nothing is compared with */
  if (self->event.digest != NULL &&
      (!teesql_event_digest (&self->event, digest, error) || !teesql_event_digest_agrees (&self->event, digest, error)))
    return FALSE;
  if (self->preimage != NULL)
    {
      g_autoptr (GBytes) canonical = teesql_event_canonical (&self->event);

      if (!g_bytes_equal (canonical, self->preimage))
        return malformed (error, "event %s: the preimage is not what name and payload give", self->name);
    }
  return TRUE;
}

static gboolean
check_boot (const TeesqlRatlsEvent *self, GError **error)
{
  /* RTMR3 belongs to runtime events alone; another type there would extend it by a digest nobody can recompute. */
  if (self->event.rtmr == TEESQL_RATLS_RUNTIME_RTMR)
    return malformed (error, "event type 0x%08x in RTMR3, expected 0x%08x", self->event.type, TEESQL_RATLS_RUNTIME_EVENT);
  if (self->event.version != 1)
    return malformed (error, "version %u of a boot event", self->event.version);
  if (self->event.digest == NULL)
    return malformed (error, "a boot event in RTMR%u without its digest", self->event.rtmr);
  return TRUE;
}

gboolean
teesql_ratls_event_check (const TeesqlRatlsEvent *self, GError **error)
{
  gsize payload_size = self->event.payload != NULL ? g_bytes_get_size (self->event.payload) : 0;

  if (self->event.rtmr > 3)
    return malformed (error, "event log register %u, expected 0 to 3", self->event.rtmr);
  if (self->event.version != 1 && self->event.version != 2)
    return malformed (error, "event version %u, expected 1 or 2", self->event.version);
  if (self->name == NULL || strlen (self->name) > TEESQL_RATLS_MAX_NAME)
    return malformed (error, "an event without a name, or with one over %" G_GSIZE_FORMAT " bytes", TEESQL_RATLS_MAX_NAME);
  if (payload_size > TEESQL_RATLS_MAX_PAYLOAD)
    return malformed (error, "event %s: payload of %" G_GSIZE_FORMAT " bytes", self->name, payload_size);
  if (self->event.digest != NULL && g_bytes_get_size (self->event.digest) != TEESQL_MEASUREMENT_SIZE)
    return malformed (error, "event %s: digest of %" G_GSIZE_FORMAT " bytes, expected %d", self->name,
                      g_bytes_get_size (self->event.digest), TEESQL_MEASUREMENT_SIZE);
  return self->event.type == TEESQL_RATLS_RUNTIME_EVENT ? check_runtime (self, error) : check_boot (self, error);
}
