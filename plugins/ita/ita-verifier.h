#pragma once
#include <teesql/teesql-verifier.h>

G_BEGIN_DECLS

#define ITA_TYPE_VERIFIER (ita_verifier_get_type ())
G_DECLARE_FINAL_TYPE (ItaVerifier, ita_verifier, ITA, VERIFIER, GObject)

G_END_DECLS
