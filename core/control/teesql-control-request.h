#pragma once
/* One request of the operator, read. Pure. */
#include "backup/teesql-backup-runner.h"

G_BEGIN_DECLS

#define TEESQL_CONTROL_REQUEST_MAX ((gsize) 16384)

/**
 * TeesqlControlRequest:
 * @is_status: `status`; otherwise @task says what
 */
typedef struct {
  gboolean is_status;
  char *storage; /* (nullable) */
  TeesqlBackupTask task;
} TeesqlControlRequest;

/**
 * teesql_control_request_parse:
 *
 * `{"command":"backup-now","storage":"paris","full":true,"label":"before the upgrade"}`; commands: `status`, `backup-now`, `backup-list`, `backup-verify`,
 * `backup-expire`, `backup-rotate-key`, `backup-accept`. Unknown members are refused (`control-request`): a typing mistake must not change what is done.
 */
TeesqlControlRequest *teesql_control_request_parse (const char *line, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_control_request_free (TeesqlControlRequest *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlControlRequest, teesql_control_request_free)
G_END_DECLS
