#include <teesql/teesql-evidence.h>
#include <teesql/teesql-error.h>
#include <string.h>

#define RTMR_MAX       3
#define EVENT_NAME_MAX 256
#define PAYLOAD_MAX    ((gsize) 65536)

typedef struct
{
  TeesqlEvent event; /* its name is @name below */
  char *name;
} OwnedEvent;

struct _TeesqlEvidence
{
  gatomicrefcount ref_count;
  GBytes *quote;
  GPtrArray *events; /* OwnedEvent */
  char *platform_config;
};

struct _TeesqlEvidenceBuilder
{
  GBytes *quote;
  GPtrArray *events;
  char *platform_config;
  gsize log_size;
  GError *error; /* the first thing that was wrong; end() reports it */
};

G_DEFINE_BOXED_TYPE (TeesqlEvidence, teesql_evidence, teesql_evidence_ref, teesql_evidence_unref)

static void
owned_event_free (gpointer data)
{
  OwnedEvent *self = data;

  g_free (self->name);
  g_clear_pointer (&self->event.digest, g_bytes_unref);
  g_clear_pointer (&self->event.payload, g_bytes_unref);
  g_free (self);
}

static OwnedEvent *
owned_event_new (const TeesqlEvent *event)
{
  OwnedEvent *self = g_new0 (OwnedEvent, 1);

  self->name = g_strdup (event->name);
  self->event.rtmr = event->rtmr;
  self->event.type = event->type;
  self->event.version = event->version;
  self->event.name = self->name;
  self->event.digest = event->digest != NULL ? g_bytes_ref (event->digest) : NULL;
  self->event.payload = event->payload != NULL ? g_bytes_ref (event->payload) : NULL;
  return self;
}

static GPtrArray *
event_array_new (void)
{
  return g_ptr_array_new_with_free_func (owned_event_free);
}

TeesqlEvidence *
teesql_evidence_ref (TeesqlEvidence *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
teesql_evidence_unref (TeesqlEvidence *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_bytes_unref (self->quote);
  g_ptr_array_unref (self->events);
  g_free (self->platform_config);
  g_free (self);
}

GBytes *
teesql_evidence_get_quote (const TeesqlEvidence *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->quote;
}

guint
teesql_evidence_get_n_events (const TeesqlEvidence *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->events->len;
}

const TeesqlEvent *
teesql_evidence_get_event (const TeesqlEvidence *self, guint index)
{
  OwnedEvent *owned = NULL;

  g_return_val_if_fail (self != NULL && index < self->events->len, NULL);

  owned = g_ptr_array_index (self->events, index);
  return &owned->event;
}

const char *
teesql_evidence_get_platform_config (const TeesqlEvidence *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->platform_config;
}

static GError *malformed (const char *reason, const char *format, ...) G_GNUC_PRINTF (2, 3);

static GError *
malformed (const char *reason, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  return teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_MALFORMED, reason, 0, "%s", text);
}

static gboolean
name_is_printable (const char *name)
{
  for (const char *p = name; *p != '\0'; p++)
    {
      if (*p < 0x20 || *p > 0x7e)
        return FALSE;
    }
  return TRUE;
}

/* Version 1 digests `type:name:payload`: a `:` in the name would let two events share one digest. */
static GError *
check_name (const TeesqlEvent *event, guint index)
{
  if (event->name == NULL || strnlen (event->name, EVENT_NAME_MAX + 1) > EVENT_NAME_MAX || !name_is_printable (event->name))
    return malformed ("event-name", "event %u: the name is not printable ASCII of at most %d bytes", index, EVENT_NAME_MAX);
  if (event->version == 1 && strchr (event->name, ':') != NULL)
    return malformed ("event-name", "event %u: the name %s has a colon", index, event->name);
  return NULL;
}

static GError *
check_event (const TeesqlEvent *event, guint index)
{
  if (event->rtmr > RTMR_MAX)
    return malformed ("event-rtmr", "event %u: register %u, expected 0 to %d", index, event->rtmr, RTMR_MAX);
  if (event->version != 1 && event->version != 2)
    return malformed ("event-version", "event %u: version %u, expected 1 or 2", index, event->version);
  if (event->digest != NULL && g_bytes_get_size (event->digest) != TEESQL_MEASUREMENT_SIZE)
    return malformed ("event-digest", "event %u: digest of %" G_GSIZE_FORMAT " bytes, expected %d", index, g_bytes_get_size (event->digest),
                      TEESQL_MEASUREMENT_SIZE);
  if (event->payload != NULL && g_bytes_get_size (event->payload) > PAYLOAD_MAX)
    return malformed ("event-payload", "event %u: payload of %" G_GSIZE_FORMAT " bytes, expected at most %" G_GSIZE_FORMAT, index,
                      g_bytes_get_size (event->payload), PAYLOAD_MAX);
  return check_name (event, index);
}

static gsize
event_size (const TeesqlEvent *event)
{
  return strlen (event->name) + (event->digest != NULL ? g_bytes_get_size (event->digest) : 0) +
         (event->payload != NULL ? g_bytes_get_size (event->payload) : 0);
}

TeesqlEvidenceBuilder *
teesql_evidence_builder_new (void)
{
  TeesqlEvidenceBuilder *self = g_new0 (TeesqlEvidenceBuilder, 1);

  self->events = event_array_new ();
  return self;
}

static void
builder_clear (TeesqlEvidenceBuilder *self)
{
  g_clear_pointer (&self->quote, g_bytes_unref);
  g_clear_pointer (&self->events, g_ptr_array_unref);
  g_clear_pointer (&self->platform_config, g_free);
  g_clear_error (&self->error);
  self->log_size = 0;
}

void
teesql_evidence_builder_free (TeesqlEvidenceBuilder *self)
{
  g_return_if_fail (self != NULL);

  builder_clear (self);
  g_free (self);
}

void
teesql_evidence_builder_set_quote (TeesqlEvidenceBuilder *self, GBytes *quote)
{
  g_return_if_fail (self != NULL && quote != NULL);

  g_bytes_ref (quote);
  g_clear_pointer (&self->quote, g_bytes_unref);
  self->quote = quote;
}

void
teesql_evidence_builder_add_event (TeesqlEvidenceBuilder *self, const TeesqlEvent *event)
{
  g_return_if_fail (self != NULL && event != NULL);

  if (self->error != NULL)
    return;
  self->error = check_event (event, self->events->len);
  if (self->error != NULL)
    return;
  self->log_size += event_size (event);
  if (self->events->len == TEESQL_EVENT_LOG_MAX || self->log_size > TEESQL_EVIDENCE_MAX_LOG)
    self->error = malformed ("event-log-size", "the event log has more than %d events or %" G_GSIZE_FORMAT " bytes", TEESQL_EVENT_LOG_MAX,
                             TEESQL_EVIDENCE_MAX_LOG);
  else
    g_ptr_array_add (self->events, owned_event_new (event));
}

void
teesql_evidence_builder_set_platform_config (TeesqlEvidenceBuilder *self, const char *text)
{
  g_return_if_fail (self != NULL);

  g_clear_pointer (&self->platform_config, g_free);
  if (text == NULL)
    return;
  if (strnlen (text, TEESQL_EVIDENCE_MAX_LOG + 1) > TEESQL_EVIDENCE_MAX_LOG || !g_utf8_validate (text, -1, NULL))
    {
      if (self->error == NULL)
        self->error = malformed ("platform-config", "the platform configuration is no UTF-8 text of at most %" G_GSIZE_FORMAT " bytes",
                                 TEESQL_EVIDENCE_MAX_LOG);
      return;
    }
  self->platform_config = g_strdup (text);
}

static GError *
check_quote (GBytes *quote)
{
  gsize size = quote != NULL ? g_bytes_get_size (quote) : 0;

  if (size > 0 && size <= TEESQL_EVIDENCE_MAX_QUOTE)
    return NULL;
  return malformed ("quote-size", "evidence: quote of %" G_GSIZE_FORMAT " bytes, expected 1 to %" G_GSIZE_FORMAT, size,
                    TEESQL_EVIDENCE_MAX_QUOTE);
}

TeesqlEvidence *
teesql_evidence_builder_end (TeesqlEvidenceBuilder *self, GError **error)
{
  TeesqlEvidence *evidence = NULL;

  g_return_val_if_fail (self != NULL, NULL);

  if (self->error == NULL)
    self->error = check_quote (self->quote);
  if (self->error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&self->error));
    }
  else
    {
      evidence = g_new0 (TeesqlEvidence, 1);
      g_atomic_ref_count_init (&evidence->ref_count);
      evidence->quote = g_steal_pointer (&self->quote);
      evidence->events = g_steal_pointer (&self->events);
      evidence->platform_config = g_steal_pointer (&self->platform_config);
    }
  builder_clear (self);
  self->events = event_array_new ();
  return evidence;
}
