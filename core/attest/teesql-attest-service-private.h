#pragma once
#include "attest/teesql-attest-service.h"

G_BEGIN_DECLS

/* what the service's timer does; tests, whose clock they own, call it themselves */
void teesql_attest_service_tick (TeesqlAttestService *self);
guint teesql_attest_service_get_n_in_flight (TeesqlAttestService *self);

/* SHA-256 of the SubjectPublicKeyInfo of the Intel SGX Root CA: the production anchor (SR-7) */
extern const guint8 teesql_attest_intel_root[32];

G_END_DECLS
