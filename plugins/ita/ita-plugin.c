#include <teesql/teesql-plugin.h>

#include "ita-verifier.h"
#include "teesql-build.h"

TEESQL_PLUGIN_DEFINE ("ita", TEESQL_VERSION, TEESQL_PROVIDES_VERIFIER (ita_verifier_get_type))
