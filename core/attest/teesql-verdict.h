#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * TeesqlVerdict:
 *
 * what core decided about a peer, once: accepted, or the precise reason why not. Boxed, refcounted, immutable, safe to share
 * across threads. Only #TeesqlAttestService makes one.
 */
typedef struct _TeesqlVerdict TeesqlVerdict;
#define TEESQL_TYPE_VERDICT (teesql_verdict_get_type ())
GType teesql_verdict_get_type (void);
TeesqlVerdict *teesql_verdict_ref (TeesqlVerdict *self);
void teesql_verdict_unref (TeesqlVerdict *self);
gboolean teesql_verdict_is_accepted (const TeesqlVerdict *self);
const char *teesql_verdict_get_reason (const TeesqlVerdict *self);  /* stable id; NULL when accepted */
const char *teesql_verdict_get_message (const TeesqlVerdict *self); /* `MRTD 91a0… is not in allowed-mrtd`; never NULL */
const char *teesql_verdict_get_taint (const TeesqlVerdict *self);   /* (nullable) external trust it rests on */
const char *teesql_verdict_get_tcb_status (const TeesqlVerdict *self);
/* display: lower hex, NULL when not known */
const char *teesql_verdict_get_mrtd (const TeesqlVerdict *self);
const char *teesql_verdict_get_compose_hash (const TeesqlVerdict *self);
const char *teesql_verdict_get_app_id (const TeesqlVerdict *self);
const char *teesql_verdict_get_instance_id (const TeesqlVerdict *self);
const char *teesql_verdict_get_key_provider (const TeesqlVerdict *self);
const char *teesql_verdict_get_platform (const TeesqlVerdict *self); /* SHA-256 of the PPID */
/* (nullable): verifiers that could not be asked, and why */
const char *teesql_verdict_get_skipped (const TeesqlVerdict *self);
gint64 teesql_verdict_get_valid_until (const TeesqlVerdict *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlVerdict, teesql_verdict_unref)
G_END_DECLS
