#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

#define TEESQL_REPORT_DATA_SIZE   64
#define TEESQL_MEASUREMENT_SIZE   48
#define TEESQL_EVIDENCE_MAX_QUOTE ((gsize) 16384)
#define TEESQL_EVIDENCE_MAX_LOG   ((gsize) 1048576)
#define TEESQL_EVENT_LOG_MAX      512

/**
 * TeesqlEvent:
 * @rtmr: 0..3
 * @type: event type (0x08000001: runtime event of dstack)
 * @version: 1 or 2, how the digest is formed
 * @name: printable ASCII, at most 256 bytes, without `:` in version 1
 * @digest: (nullable): 48 bytes; stripped logs leave it out
 * @payload: (nullable): at most 64 KiB
 *
 * one entry of an event log, a *claim* until the log has been replayed against the quote.
 */
typedef struct {
  guint rtmr;
  guint32 type;
  guint version;
  const char *name;
  GBytes *digest;
  GBytes *payload;
  /*< private >*/
  gpointer padding[4];
} TeesqlEvent;

/**
 * TeesqlEvidence:
 *
 * what a peer shows. Boxed, refcounted, immutable, safe to share across threads. Nothing in it is proved.
 */
typedef struct _TeesqlEvidence TeesqlEvidence;
typedef struct _TeesqlEvidenceBuilder TeesqlEvidenceBuilder;

#define TEESQL_TYPE_EVIDENCE (teesql_evidence_get_type ())
TEESQL_API GType teesql_evidence_get_type (void);
TEESQL_API TeesqlEvidence *teesql_evidence_ref (TeesqlEvidence *self);
TEESQL_API void teesql_evidence_unref (TeesqlEvidence *self);
/**
 * teesql_evidence_get_quote:
 *
 * Returns: (transfer none): the quote as delivered, trailing zero padding included
 */
TEESQL_API GBytes *teesql_evidence_get_quote (const TeesqlEvidence *self);
/**
 * teesql_evidence_get_n_events:
 *
 * 0 when there is no log: then no app id and no compose hash can be established
 */
TEESQL_API guint teesql_evidence_get_n_events (const TeesqlEvidence *self);
/**
 * teesql_evidence_get_event:
 *
 * Returns: (transfer none): valid as long as @self
 */
TEESQL_API const TeesqlEvent *teesql_evidence_get_event (const TeesqlEvidence *self, guint index);
/**
 * teesql_evidence_get_platform_config:
 *
 * Returns: (transfer none) (nullable): host-supplied, unsigned text (`vm_config`)
 */
TEESQL_API const char *teesql_evidence_get_platform_config (const TeesqlEvidence *self);

/* A builder, so that evidence can grow members without new constructors. Not thread safe; one use. */
TEESQL_API TeesqlEvidenceBuilder *teesql_evidence_builder_new (void) TEESQL_MUST_USE;
TEESQL_API void teesql_evidence_builder_free (TeesqlEvidenceBuilder *self);
TEESQL_API void teesql_evidence_builder_set_quote (TeesqlEvidenceBuilder *self, GBytes *quote);
TEESQL_API void teesql_evidence_builder_add_event (TeesqlEvidenceBuilder *self, const TeesqlEvent *event); /* deep copy */
TEESQL_API void teesql_evidence_builder_set_platform_config (TeesqlEvidenceBuilder *self, const char *text);
/**
 * teesql_evidence_builder_end:
 *
 * checks the bounds above; the builder stays the caller's, empty.
 *
 * Returns: (transfer full) (nullable): %NULL with %TEESQL_ERROR_MALFORMED in #TEESQL_ATTESTER_ERROR
 */
TEESQL_API TeesqlEvidence *teesql_evidence_builder_end (TeesqlEvidenceBuilder *self, GError **error) TEESQL_MUST_USE;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlEvidence, teesql_evidence_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlEvidenceBuilder, teesql_evidence_builder_free)
G_END_DECLS
