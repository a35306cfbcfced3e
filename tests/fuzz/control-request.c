#include "control/teesql-control-request.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* Whatever the operator's tool sends: a request with a command, or one reason. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlControlRequest) request = teesql_control_request_parse ((const char *) data, size, &error);

  if (request == NULL)
    g_assert_cmpstr (teesql_error_get_reason (error), ==, "control-request");
  else
    g_assert_true (request->is_status || request->task.kind <= TEESQL_BACKUP_TASK_ACCEPT);
  return 0;
}
