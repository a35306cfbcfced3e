#pragma once
#include "backup/teesql-restore-tree.h"

G_BEGIN_DECLS

/* PostgreSQL's own programs, as the owner of the files, with an environment of ours; never as root. */

/**
 * teesql_restore_child_spawn:
 * @program: file name in @bin_directory
 * @arguments: (array zero-terminated=1): without the program's name
 * @stop_signal: what it gets should we die first
 * @rules: of teesql_recovery_confine_new(), or -1
 */
GSubprocess *teesql_restore_child_spawn (const char *bin_directory, const char *program, const char *const *arguments,
                                         const TeesqlRestoreOwner *owner, int stop_signal, int rules, GSubprocessFlags flags, int err_fd,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* runs it to its end; FAILED `restore-program` with the end of what it said when that is not 0 */
gboolean teesql_restore_child_run (const char *bin_directory, const char *program, const char *const *arguments,
                                   const TeesqlRestoreOwner *owner, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the last lines of @text, for a message */
char *teesql_restore_child_dup_tail (const char *text, guint lines) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
