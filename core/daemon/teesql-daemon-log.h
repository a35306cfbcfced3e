#pragma once
#include "config/teesql-config.h"

G_BEGIN_DECLS

/* What the daemon says about itself, in the log. */
void teesql_daemon_log_setup (const TeesqlConfig *config);
void teesql_daemon_log_reload (const TeesqlConfig *config); /* level and nothing else */
/* one line: version, cluster, node; one line for each thing an operator should know about the process (SR-14) */
void teesql_daemon_log_start (const TeesqlConfig *config, gboolean locked);
/* each line of the message by itself, hints included */
void teesql_daemon_log_error (const char *area, const GError *error);

G_END_DECLS
