#pragma once
#include "config/teesql-config.h"

G_BEGIN_DECLS

typedef enum
{
  TEESQL_PROBE_NOT_YET,    /* nobody there, or it says that it is starting */
  TEESQL_PROBE_RECOVERING, /* answers queries, and is in recovery */
  TEESQL_PROBE_ANSWERS,    /* takes writes; or refuses our login, which who logs in next will explain */
} TeesqlProbe;

/**
 * teesql_managed_probe_async:
 *
 * whether the server that @config names answers, by one login
 */
void teesql_managed_probe_async (const TeesqlConfig *config, TeesqlSecret *password, GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data);
TeesqlProbe teesql_managed_probe_finish (GAsyncResult *result);

G_END_DECLS
