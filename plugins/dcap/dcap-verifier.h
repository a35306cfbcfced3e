#pragma once
#include <teesql/teesql-verifier.h>

G_BEGIN_DECLS

#define DCAP_TYPE_VERIFIER (dcap_verifier_get_type ())
G_DECLARE_FINAL_TYPE (DcapVerifier, dcap_verifier, DCAP, VERIFIER, GObject)

G_END_DECLS
