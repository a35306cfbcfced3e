#include <teesql/teesql-plugin.h>

#include "gcs-storage.h"
#include "teesql-build.h"

TEESQL_PLUGIN_DEFINE ("gcs", TEESQL_VERSION, TEESQL_PROVIDES_STORAGE (gcs_storage_get_type))
