#pragma once
#include "simulator/teesql-simulator.h"

G_BEGIN_DECLS

/**
 * TeesqlSimOptions:
 *
 * `[simulator]` of a file with the flags of the same names laid over it
 */
typedef struct _TeesqlSimOptions TeesqlSimOptions;

/**
 * teesql_sim_options_parse:
 * @argv: (inout): what is left are verbs and their arguments
 *
 * Errors: #GOptionError for usage, else what the file or a value says
 */
TeesqlSimOptions *teesql_sim_options_parse (int *argc, char ***argv, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_options_free (TeesqlSimOptions *self);
gboolean teesql_sim_options_wants_version (const TeesqlSimOptions *self);
/**
 * teesql_sim_options_get_settings:
 * @for_serving: `listen` is required
 *
 * reads the file and the seed. The settings borrow from @self.
 */
gboolean teesql_sim_options_get_settings (TeesqlSimOptions *self, gboolean for_serving, TeesqlSimulatorSettings *out_settings, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSimOptions, teesql_sim_options_free)
G_END_DECLS
