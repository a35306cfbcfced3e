#pragma once
#include "cli/teesql-cli-evidence.h"

G_BEGIN_DECLS

/* each rule of the policy: expected, and for each verifier what it found, pass or refuse: the object of schemas/policy-explain.json */
void teesql_cli_explain_print (const TeesqlCliEvidence *evidence, gboolean json);

G_END_DECLS
