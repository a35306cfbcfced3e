#pragma once
#include "dstack-http.h"

/**
 * DstackAgent:
 *
 * the guest agent as both interfaces see it: where it is, what it said about itself, and one call at a time. Refcounted, one thread.
 */
typedef struct _DstackAgent DstackAgent;

/* @endpoint: as configured; @domain: of every error */
DstackAgent *dstack_agent_new (const char *endpoint, GQuark domain);
DstackAgent *dstack_agent_ref (DstackAgent *self);
void dstack_agent_unref (DstackAgent *self);
/* (nullable): why what comes from there is no production trust; complete after the first call */
const char *dstack_agent_get_taint (DstackAgent *self);
const char *dstack_agent_get_version (DstackAgent *self); /* (nullable): before the first call, and for an agent too old to say */
/**
 * dstack_agent_call_async:
 *
 * asks the agent for its version first, once, since a simulator says so there: keys and quotes are never taken before the taint
 * is known. See dstack_http_post_async().
 */
void dstack_agent_call_async (DstackAgent *self, const char *method, const char *json, gboolean secret, guint timeout_ms,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/**
 * dstack_agent_call_finish:
 *
 * Returns: (transfer full) (nullable): an answer with status 200. A refused call is an error with the agent's words: reasons
 *   `agent-error`, `agent-method`, `agent-status`
 */
DstackAnswer *dstack_agent_call_finish (DstackAgent *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dstack_agent_take_error:
 * @error: (transfer full): of the parsers, whose domain says nothing about who failed
 *
 * Returns: (transfer full): the same code, reason and text in the domain of @self; others unchanged
 */
GError *dstack_agent_take_error (DstackAgent *self, GError *error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * dstack_agent_describes_simulator:
 *
 * the one rule, beside a member `"simulator": true`: an agent is a simulator when its version or revision says so. Its word is believed
 * against itself only: evidence of a simulator that stays silent does not verify under Intel's root.
 */
gboolean dstack_agent_describes_simulator (const char *version, const char *revision) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DstackAgent, dstack_agent_unref)
