#pragma once
#include "config/teesql-config.h"
#include "status/teesql-status.h"
#include <teesql/teesql-verifier.h>

G_BEGIN_DECLS

/**
 * TeesqlPanel:
 * @verifiers: (element-type TeesqlVerifier)
 * @names: (array zero-terminated=1): of their instances
 * @may_skip: (array): `when-unavailable = skip` is written
 *
 * the verifiers of a configuration, all of which must accept. Immutable; of the main context.
 */
typedef struct
{
  GPtrArray *verifiers;
  char **names;
  gboolean *may_skip;
  TeesqlStatus *status; /* (nullable) */
} TeesqlPanel;

/* @names, @status: (nullable) */
TeesqlPanel *teesql_panel_new (TeesqlVerifier *const *verifiers, const char *const *names, guint n, TeesqlConfig *config,
                               TeesqlStatus *status) G_GNUC_WARN_UNUSED_RESULT;
TeesqlPanel *teesql_panel_ref (TeesqlPanel *self);
void teesql_panel_unref (TeesqlPanel *self);
/* who may be passed over is said: in the log, and as a standing notice */
void teesql_panel_publish (const TeesqlPanel *self);
/**
 * teesql_panel_note_disagreement:
 * @opinions: one for each, `dcap accepts (UpToDate), ita refuses (token-measurement: …)`
 *
 * one of them is wrong or under attack: logged, and counted
 */
void teesql_panel_note_disagreement (const TeesqlPanel *self, const char *opinions);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlPanel, teesql_panel_unref)
G_END_DECLS
