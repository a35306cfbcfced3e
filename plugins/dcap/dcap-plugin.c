#include <teesql/teesql-plugin.h>

#include "dcap-verifier.h"
#include "teesql-build.h"

TEESQL_PLUGIN_DEFINE ("dcap", TEESQL_VERSION, TEESQL_PROVIDES_VERIFIER (dcap_verifier_get_type))
