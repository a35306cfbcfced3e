#pragma once
/* Between the launcher's own files. */
#include "postgres/teesql-launcher-steps.h"

G_BEGIN_DECLS

/* for this process and all it becomes: no network, no way to other processes. FALSE with errno */
gboolean teesql_launcher_filter (void) G_GNUC_WARN_UNUSED_RESULT;
/* as PostgreSQL's user already */
void teesql_launcher_exec_initdb (const TeesqlLaunchStep *step) G_GNUC_NORETURN;
gboolean teesql_launcher_read_version (const TeesqlManagedPlace *place, char *out, gsize size);
/* exit status of @child; 128 + number for a signal, 255 when there is no such child */
int teesql_launcher_wait (pid_t child);

G_END_DECLS
