#pragma once
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

/* Error domains of core's own areas. They carry reasons like the four public ones: build with teesql_error_new().
 * PARSE: bytes from outside do not have the promised shape. CONFIG: the operator's files. PLUGIN: a module cannot be
 * loaded. ATTEST: evidence, policy or identity. PROTOCOL: PostgreSQL's protocol or TLS. POSTGRES: the server behind us.
 * BACKUP: what lies in a repository, and what comes back from it. */
#define TEESQL_PARSE_ERROR    (teesql_parse_error_quark ())
#define TEESQL_CONFIG_ERROR   (teesql_config_error_quark ())
#define TEESQL_PLUGIN_ERROR   (teesql_plugin_error_quark ())
#define TEESQL_ATTEST_ERROR   (teesql_attest_error_quark ())
#define TEESQL_PROTOCOL_ERROR (teesql_protocol_error_quark ())
#define TEESQL_POSTGRES_ERROR (teesql_postgres_error_quark ())
#define TEESQL_BACKUP_ERROR   (teesql_backup_error_quark ())
TEESQL_API GQuark teesql_parse_error_quark (void);
TEESQL_API GQuark teesql_config_error_quark (void);
TEESQL_API GQuark teesql_plugin_error_quark (void);
TEESQL_API GQuark teesql_attest_error_quark (void);
TEESQL_API GQuark teesql_protocol_error_quark (void);
TEESQL_API GQuark teesql_postgres_error_quark (void);
TEESQL_API GQuark teesql_backup_error_quark (void);

/**
 * teesql_fail:
 *
 * sets an error as teesql_error_new() makes it. A file with one shape of error gives it a short name of its own by a macro.
 *
 * Returns: %FALSE
 */
TEESQL_API gboolean teesql_fail (GError **error, GQuark domain, TeesqlError code, const char *reason, const char *format, ...)
    G_GNUC_PRINTF (5, 6);

G_END_DECLS
