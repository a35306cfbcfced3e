#pragma once
#include "config/teesql-config.h"

G_BEGIN_DECLS

/**
 * teesql_daemon_exposure_find:
 *
 * whoever reaches the guest agent's socket has every key, and its usual mode is 0777 (design 3). Looks by owners and modes of the
 * socket and of each folder above it whether the user that PostgreSQL runs as can open it.
 *
 * Returns: (transfer full) (nullable): what is exposed to whom, with a hint; %NULL when it is not, or nobody can tell
 */
char *teesql_daemon_exposure_find (const TeesqlConfig *config) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_daemon_exposure_can_open: exposed for its test
 * @groups: (array length=n_groups): of the user, the first one too
 */
gboolean teesql_daemon_exposure_can_open (const char *path, guint uid, const guint *groups, guint n_groups);

G_END_DECLS
