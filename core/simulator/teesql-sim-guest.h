#pragma once
#include "simulator/teesql-sim-kms.h"
#include "simulator/teesql-sim-state.h"

G_BEGIN_DECLS

/**
 * TeesqlSimGuest:
 *
 * one confidential VM: application, machine and keys, and how it misbehaves at the moment. Borrows the platform and the state.
 */
typedef struct {
  const TeesqlSimPlatform *platform;
  const TeesqlSimState *state;
  TeesqlSimApp *app;
  TeesqlSimKms *kms;
  TeesqlSimMachine *machine;
} TeesqlSimGuest;

/**
 * TeesqlSimLeafRequest:
 *
 * `GetTlsKey`, checked
 */
typedef struct {
  const char *subject;
  const char *const *alt_names;
  gboolean ra_tls;
  gboolean server_auth;
  gboolean client_auth;
  gboolean with_app_info;
  gint64 not_before_unix;
  gint64 not_after_unix;
} TeesqlSimLeafRequest;

/* takes @app */
TeesqlSimGuest *teesql_sim_guest_new (const TeesqlSimPlatform *platform, const TeesqlSimState *state, const char *machine, TeesqlSimApp *app,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_guest_free (TeesqlSimGuest *self);
/**
 * teesql_sim_guest_make_quote:
 * @report_data: 64 bytes, changed in place where the guest misbehaves so
 */
GBytes *teesql_sim_guest_make_quote (const TeesqlSimGuest *self, guint8 report_data[TEESQL_REPORT_DATA_SIZE], GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* @strip: as for a certificate. Returns: V0 SCALE */
GBytes *teesql_sim_guest_make_attestation (const TeesqlSimGuest *self, const guint8 report_data[TEESQL_REPORT_DATA_SIZE], gboolean strip, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_guest_issue:
 * @out_chain: PEM: leaf, application CA, KMS root
 *
 * Returns: (transfer full): PKCS#8 PEM of a fresh key, to be wiped
 */
char *teesql_sim_guest_issue (const TeesqlSimGuest *self, const TeesqlSimLeafRequest *request, GStrv *out_chain, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* what policies pin: `kms:` and SHA-256 of the KMS root's key */
char *teesql_sim_guest_get_key_provider (const TeesqlSimGuest *self) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSimGuest, teesql_sim_guest_free)
G_END_DECLS
