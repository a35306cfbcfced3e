#pragma once
#include "ratls/teesql-event-log.h"

G_BEGIN_DECLS

/* Named claims of a log that has been replayed. */
TeesqlLogClaims *teesql_log_claims_collect (TeesqlEvidence *evidence, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
