#include <teesql/teesql-plugin.h>

#include "file-storage.h"
#include "teesql-build.h"

TEESQL_PLUGIN_DEFINE ("file", TEESQL_VERSION, TEESQL_PROVIDES_STORAGE (file_storage_get_type))
