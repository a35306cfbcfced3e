#pragma once

/* Everything a plugin may use. */
#include <teesql/teesql-macros.h>
#include <teesql/teesql-error.h>
#include <teesql/teesql-secret.h>
#include <teesql/teesql-evidence.h>
#include <teesql/teesql-claims.h>
#include <teesql/teesql-tls-identity.h>
#include <teesql/teesql-attester.h>
#include <teesql/teesql-verifier.h>
#include <teesql/teesql-kms.h>
#include <teesql/teesql-object-info.h>
#include <teesql/teesql-storage.h>
#include <teesql/teesql-plugin.h>
