#pragma once
#include "config/teesql-config.h"

G_BEGIN_DECLS

/**
 * teesql_daemon_check:
 *
 * `--check-config` for a file that has passed every check of its own: loads the plugins as a start would, builds the policy, and prints
 * what an operator should know: pins that nothing settles, every `any`, what cannot be reached now.
 *
 * Returns: the exit status
 */
int teesql_daemon_check (TeesqlConfig *config);

G_END_DECLS
