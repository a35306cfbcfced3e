#pragma once
#include "simulator/teesql-sim-tcb.h"
#include "simulator/teesql-sim-x509.h"

G_BEGIN_DECLS

#define TEESQL_SIM_FMSPC_SIZE 6
#define TEESQL_SIM_PPID_SIZE  16

/**
 * TeesqlSimPlatform:
 * @root: the imaginary Intel's root; its key is what verifiers pin
 * @platform_ca, @processor_ca: issuers of PCK certificates; only the first has any
 * @tcb_signing: signs TCB info and QE identity
 * @mr_seam, @qe_mrsigner: of the module and quoting enclave that all machines of the platform run
 *
 * the imaginary Intel. Everything in it follows from the 32 bytes of the platform seed, so that processes which share a seed are machines
 * of one platform and serve the same collateral. Immutable.
 */
typedef struct {
  TeesqlSecret *seed;
  TeesqlSimAuthority *root;
  TeesqlSimAuthority *platform_ca;
  TeesqlSimAuthority *processor_ca;
  TeesqlSimAuthority *tcb_signing;
  guint8 fmspc[TEESQL_SIM_FMSPC_SIZE];
  guint8 mr_seam[48];
  guint8 qe_mrsigner[32];
  guint8 revoked_serial[20];
} TeesqlSimPlatform;

TeesqlSimPlatform *teesql_sim_platform_new (TeesqlSecret *seed, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_platform_free (TeesqlSimPlatform *self);
/**
 * teesql_sim_platform_derive:
 * @context: (nullable): for example the machine's name
 *
 * public bytes that follow from the seed
 */
gboolean teesql_sim_platform_derive (const TeesqlSimPlatform *self, const char *label, const char *context, guint8 *out, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_sim_platform_derive_serial (const TeesqlSimPlatform *self, const char *label, const char *context, guint8 out[20], GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlSecret *teesql_sim_platform_derive_secret (const TeesqlSimPlatform *self, const char *label, const char *context, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlSimKey *teesql_sim_platform_derive_key (const TeesqlSimPlatform *self, const char *label, const char *context, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_platform_make_pck:
 * @revoked: with the serial number that stands in every PCK CRL of this platform
 *
 * the PCK certificate of a machine at a firmware level
 */
TeesqlSimAuthority *teesql_sim_platform_make_pck (const TeesqlSimPlatform *self, const char *machine, TeesqlSimTcbStatus status, gboolean revoked, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_sim_platform_get_pck_serial (const TeesqlSimPlatform *self, const char *machine, TeesqlSimTcbStatus status, guint8 out[20], GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* leaf and root, PEM, as collateral comes with */
char *teesql_sim_platform_get_chain (const TeesqlSimPlatform *self, const TeesqlSimAuthority *leaf) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSimPlatform, teesql_sim_platform_free)
G_END_DECLS
