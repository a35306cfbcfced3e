#pragma once
#include "simulator/teesql-sim-state.h"

G_BEGIN_DECLS

/**
 * TeesqlSimControl:
 *
 * JSON lines over a 0600 socket of its own. A line may hold `quote_version`, `tcb_status`, `misbehave` (text with `;`, or a list) and
 * `recovery`; `-` for `_` is taken too. All of it is applied, or nothing. The answer is a line with `ok`, the state now, and the requests counted.
 */
typedef struct _TeesqlSimControl TeesqlSimControl;

TeesqlSimControl *teesql_sim_control_new (const char *path, TeesqlSimState *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_control_free (TeesqlSimControl *self);
/**
 * teesql_sim_control_execute:
 *
 * Returns: (transfer full): the answer to one line, without its line end
 */
char *teesql_sim_control_execute (TeesqlSimState *state, const char *line, gsize size, gint64 now_unix) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSimControl, teesql_sim_control_free)
G_END_DECLS
