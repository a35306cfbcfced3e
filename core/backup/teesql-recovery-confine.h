#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * teesql_recovery_confine_new:
 * @folders: (array zero-terminated=1): absolute paths that are there
 * @out_rules: descriptor for landlock_restrict_self(); -1 where the kernel cannot: before Linux 5.19
 *
 * makes rules by which a process can read what it could, and write only beneath @folders and to /dev/null.
 */
gboolean teesql_recovery_confine_new (const char *const *folders, int *out_rules, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
