#include <teesql/teesql-plugin.h>

#include "s3-storage.h"
#include "teesql-build.h"

TEESQL_PLUGIN_DEFINE ("s3", TEESQL_VERSION, TEESQL_PROVIDES_STORAGE (s3_storage_get_type))
