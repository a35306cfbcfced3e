#pragma once
#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"
#include <teesql/teesql-evidence.h>

G_BEGIN_DECLS

/* For siblings and tests only. */

#define TEESQL_RATLS_RUNTIME_EVENT   0x08000001u /* dstack's own event type, both versions (RA-TLS profile 5) */
#define TEESQL_RATLS_RUNTIME_RTMR    3u
#define TEESQL_RATLS_MAX_NAME        ((gsize) 256)
#define TEESQL_RATLS_MAX_PAYLOAD     ((gsize) 65536)
#define TEESQL_RATLS_MAX_CONFIG      ((gsize) 65536)
#define TEESQL_RATLS_MAX_ATTESTATION ((gsize) 1048576)

/**
 * TeesqlRatlsEvent:
 * @preimage: (nullable): canonical bytes that a version 2 event may carry; checked and dropped
 *
 * an event on its way from the wire into a builder; owns what @event points to.
 */
typedef struct
{
  TeesqlEvent event;
  char *name;
  GBytes *preimage;
} TeesqlRatlsEvent;

TeesqlRatlsEvent *teesql_ratls_event_new (void);
void teesql_ratls_event_free (TeesqlRatlsEvent *self);
/* bounds, registers, names, and that digest and preimage, where given, are what the fields say */
gboolean teesql_ratls_event_check (const TeesqlRatlsEvent *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlRatlsEnvelope:
 * @platform_events, @runtime_events: (element-type TeesqlRatlsEvent)
 *
 * the versioned attestation, decoded and not yet cross-checked
 */
typedef struct
{
  GBytes *quote;
  GPtrArray *platform_events;
  GPtrArray *runtime_events;
  GBytes *report_data;
  char *config;
} TeesqlRatlsEnvelope;

TeesqlRatlsEnvelope *teesql_ratls_envelope_new (void);
void teesql_ratls_envelope_free (TeesqlRatlsEnvelope *self);
gboolean teesql_ratls_envelope_read_v0 (TeesqlCursor *cursor, TeesqlRatlsEnvelope *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_ratls_envelope_read_v1 (TeesqlCursor *cursor, TeesqlRatlsEnvelope *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Lower layers speak #TEESQL_PARSE_ERROR; callers of this area get #TEESQL_ATTEST_ERROR with a reason of the profile.
 * Takes @inner, returns %FALSE. */
gboolean teesql_ratls_translate (GError **error, GError *inner, const char *reason);
gboolean teesql_ratls_text_is_printable (const char *text, gsize size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRatlsEvent, teesql_ratls_event_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlRatlsEnvelope, teesql_ratls_envelope_free)
G_END_DECLS
