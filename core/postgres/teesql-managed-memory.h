#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * teesql_managed_memory_load:
 *
 * Returns: the system identifier of the cluster that this node had, 0 when there was none. It lies in @state_directory, so that another
 *   cluster, or none, in the place of the data is noticed.
 */
guint64 teesql_managed_memory_load (const char *state_directory);
gboolean teesql_managed_memory_save (const char *state_directory, guint64 system_identifier, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* for messages */
char *teesql_managed_memory_dup_path (const char *state_directory) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
