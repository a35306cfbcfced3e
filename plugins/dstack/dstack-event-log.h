#pragma once
#include "dstack-json.h"
#include <teesql/teesql-evidence.h>

/**
 * dstack_event_log_parse:
 * @text: the agent's `event_log`: an array of `{"imr","event_type","digest","event","event_payload","version"?,"preimage"?}`
 *
 * adds the events to @builder. The agent leaves out the digests of runtime events; nothing is invented for them here, since core
 * computes them. Bounded; errors: #TEESQL_PARSE_ERROR
 */
gboolean dstack_event_log_parse (const guint8 *text, gsize size, TeesqlEvidenceBuilder *builder, GError **error) G_GNUC_WARN_UNUSED_RESULT;
