#include "dstack-attester.h"
#include "dstack-kms.h"
#include "teesql-build.h"
#include <teesql/teesql-plugin.h>

TEESQL_PLUGIN_DEFINE ("dstack", TEESQL_VERSION, TEESQL_PROVIDES_ATTESTER (dstack_attester_get_type),
                      TEESQL_PROVIDES_KMS (dstack_kms_get_type))
