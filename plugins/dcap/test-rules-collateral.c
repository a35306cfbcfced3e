/* Rules about collateral and what it says: the default recipe verifies, each change breaks one rule and is refused for it. */
#include "test-pki.h"

/* ---- CRLs ---- */

static void
root_crl_expired (TestRecipe *r)
{
  r->root_crl.next_update = TEST_NOW - 1;
}

static void
root_crl_early (TestRecipe *r)
{
  r->root_crl.this_update = TEST_NOW + 1;
}

static void
root_crl_stranger (TestRecipe *r)
{
  r->root_crl.signed_by = TEST_KEY_STRANGER;
}

static void
root_crl_signed_by_ca (TestRecipe *r)
{
  r->root_crl.signed_by = TEST_KEY_CA;
}

static void
root_crl_issuer (TestRecipe *r)
{
  r->root_crl.issuer = TEST_CA;
}

static void
root_crl_number (TestRecipe *r)
{
  r->root_crl.number = 0;
}

static void
root_crl_authority_key (TestRecipe *r)
{
  r->root_crl.omit_authority_key = TRUE;
}

static void
root_crl_delta (TestRecipe *r)
{
  r->root_crl.critical_delta = TRUE;
}

static void
root_crl_truncated (TestRecipe *r)
{
  r->root_crl.truncated = TRUE;
}

static void
root_crl_says_sha384 (TestRecipe *r)
{
  r->root_crl.says_sha384 = TRUE;
}

static void
root_crl_without_end (TestRecipe *r)
{
  r->root_crl.omit_next_update = TRUE;
}

static void
root_crl_revokes_ca (TestRecipe *r)
{
  r->root_crl.revoked = 1u << TEST_CA | 1u << TEST_PCK;
}

static void
root_crl_revokes_signer (TestRecipe *r)
{
  r->root_crl.revoked = 1u << TEST_SIGNER;
}

static void
pck_crl_expired (TestRecipe *r)
{
  r->pck_crl.next_update = TEST_NOW - 1;
}

static void
pck_crl_early (TestRecipe *r)
{
  r->pck_crl.this_update = TEST_NOW + 1;
}

static void
pck_crl_stranger (TestRecipe *r)
{
  r->pck_crl.signed_by = TEST_KEY_STRANGER;
}

static void
pck_crl_issuer (TestRecipe *r)
{
  r->pck_crl.issuer = TEST_ROOT;
}

static void
pck_crl_number (TestRecipe *r)
{
  r->pck_crl.number = 0;
}

static void
pck_crl_authority_key (TestRecipe *r)
{
  r->pck_crl.omit_authority_key = TRUE;
}

static void
pck_crl_delta (TestRecipe *r)
{
  r->pck_crl.critical_delta = TRUE;
}

static void
pck_crl_revokes_leaf (TestRecipe *r)
{
  r->pck_crl.revoked = 1u << TEST_PCK;
}

static void
pck_crl_chain_without_root (TestRecipe *r)
{
  r->crl_chain = "c";
}

static void
pck_crl_chain_of_signer (TestRecipe *r)
{
  r->crl_chain = "sr";
  r->pck_crl.signed_by = TEST_KEY_SIGNER;
  r->pck_crl.issuer = TEST_SIGNER;
}

/* ---- TCB info and QE identity: who signed ---- */

static void
tcb_info_stranger (TestRecipe *r)
{
  r->tcb_info.signed_by = TEST_KEY_STRANGER;
}

static void
tcb_info_signed_by_ca (TestRecipe *r)
{
  r->tcb_info.signed_by = TEST_KEY_CA;
  r->tcb_chain = "cr";
}

static void
tcb_info_space (TestRecipe *r)
{
  r->tcb_info.tamper = (TestEdit){ ",", ", " };
}

static void
tcb_info_status_edited (TestRecipe *r)
{
  r->tcb_info.tamper = (TestEdit){ "OutOfDate", "UpToDate" };
}

static void
signer_signed_by_stranger (TestRecipe *r)
{
  r->certs[TEST_SIGNER].signed_by = TEST_KEY_STRANGER;
}

static void
signer_expired (TestRecipe *r)
{
  r->certs[TEST_SIGNER].not_after = TEST_NOW - 1;
}

static void
signer_early (TestRecipe *r)
{
  r->certs[TEST_SIGNER].not_before = TEST_NOW + 1;
}

static void
signer_is_ca (TestRecipe *r)
{
  r->certs[TEST_SIGNER].is_ca = TRUE;
}

static void
signer_name (TestRecipe *r)
{
  r->certs[TEST_SIGNER].common_name = "Test SGX Something";
}

static void
tcb_chain_without_root (TestRecipe *r)
{
  r->tcb_chain = "s";
}

static void
qe_identity_stranger (TestRecipe *r)
{
  r->qe_identity.signed_by = TEST_KEY_STRANGER;
}

static void
qe_identity_signed_by_ca (TestRecipe *r)
{
  r->qe_identity.signed_by = TEST_KEY_CA;
  r->qe_chain = "cr";
}

static void
qe_identity_tampered (TestRecipe *r)
{
  r->qe_identity.tamper = (TestEdit){ "\"isvprodid\":2", "\"isvprodid\":3" };
}

static void
qe_identity_space (TestRecipe *r)
{
  r->qe_identity.tamper = (TestEdit){ ",", ", " };
}

static void
qe_chain_without_root (TestRecipe *r)
{
  r->qe_chain = "s";
}

/* ---- TCB info and QE identity: what they say ---- */

static void
tcb_info_id (TestRecipe *r)
{
  test_edit_tcb (r, "\"id\":\"TDX\"", "\"id\":\"SGX\"");
}

static void
tcb_info_version (TestRecipe *r)
{
  test_edit_tcb (r, "\"version\":3", "\"version\":2");
}

static void
tcb_info_type (TestRecipe *r)
{
  test_edit_tcb (r, "\"tcbType\":0", "\"tcbType\":1");
}

static void
tcb_info_expired (TestRecipe *r)
{
  r->tcb_info.next_update = TEST_NOW - 1;
}

static void
tcb_info_early (TestRecipe *r)
{
  r->tcb_info.issue_date = TEST_NOW + 1;
}

static void
tcb_info_fmspc (TestRecipe *r)
{
  test_edit_tcb (r, "00A06D080000", "00A06D080001");
}

static void
tcb_info_pce_id (TestRecipe *r)
{
  test_edit_tcb (r, "\"pceId\":\"0000\"", "\"pceId\":\"0001\"");
}

static void
tcb_info_15_components (TestRecipe *r)
{
  test_edit_tcb (r, "{\"svn\":1},", "");
}

static void
tcb_info_17_components (TestRecipe *r)
{
  test_edit_tcb (r, "{\"svn\":1},", "{\"svn\":1},{\"svn\":1},");
}

static void
tcb_info_component_too_large (TestRecipe *r)
{
  test_edit_tcb (r, "{\"svn\":1}", "{\"svn\":256}");
}

static void
tcb_info_component_negative (TestRecipe *r)
{
  test_edit_tcb (r, "{\"svn\":1}", "{\"svn\":-1}");
}

static void
tcb_info_component_fraction (TestRecipe *r)
{
  test_edit_tcb (r, "{\"svn\":1}", "{\"svn\":1.0}");
}

static void
tcb_info_component_text (TestRecipe *r)
{
  test_edit_tcb (r, "{\"svn\":1}", "{\"svn\":\"1\"}");
}

static void
tcb_info_duplicate_key (TestRecipe *r)
{
  test_edit_tcb (r, "\"version\":3", "\"version\":3,\"version\":3");
}

static void
tcb_info_duplicate_status (TestRecipe *r)
{
  test_edit_tcb (r, "\"tcbStatus\":\"Revoked\"", "\"tcbStatus\":\"Revoked\",\"tcbStatus\":\"UpToDate\"");
}

static void
tcb_info_no_levels (TestRecipe *r)
{
  test_edit_tcb (r, "\"tcbLevels\":[{\"tcb\":{\"sgx", "\"otherLevels\":[{\"tcb\":{\"sgx");
}

static void
tcb_info_no_dates (TestRecipe *r)
{
  test_edit_tcb (r, "nextUpdate", "nextUpdete");
}

static void
tcb_info_no_evaluation (TestRecipe *r)
{
  test_edit_tcb (r, "tcbEvaluationDataNumber", "tcbEvaluationDateNumber");
}

static void
tcb_info_no_module (TestRecipe *r)
{
  test_edit_tcb (r, "\"tdxModule\"", "\"tdxModules\"");
}

static void
tcb_info_unknown_status (TestRecipe *r)
{
  test_edit_tcb (r, "\"tcbStatus\":\"Revoked\"", "\"tcbStatus\":\"FineByMe\"");
}

static void
tcb_info_relaunch_in_collateral (TestRecipe *r)
{
  test_edit_tcb (r, "\"tcbStatus\":\"Revoked\"", "\"tcbStatus\":\"TDRelaunchAdvised\"");
}

static void
tcb_info_module_status (TestRecipe *r)
{
  test_edit_tcb (r, "\"tcbStatus\":\"OutOfDate\"", "\"tcbStatus\":\"SWHardeningNeeded\"");
}

static void
tcb_info_advisory_text (TestRecipe *r)
{
  test_edit_tcb (r, "INTEL-SA-00041", "INTEL\\nSA");
}

static void
tcb_info_time_zone (TestRecipe *r)
{
  test_edit_tcb (r, "2025-01-01T00:00:00Z", "2025-01-01T00:00:00+01:00");
}

static void
tcb_info_time_impossible (TestRecipe *r)
{
  test_edit_tcb (r, "2025-01-01T00:00:00Z", "2025-13-01T00:00:00Z");
}

static void
tcb_info_time_local (TestRecipe *r)
{
  test_edit_tcb (r, "2025-01-01T00:00:00Z", "2025-01-01T00:00:00.");
}

static void
tcb_info_module_twice (TestRecipe *r)
{
  test_edit_tcb (r, "TDX_03", "TDX_01");
}

static void
tcb_info_no_id (TestRecipe *r)
{
  test_edit_tcb (r, "\"id\":\"TDX\"", "\"ix\":\"TDX\"");
}

static void
tcb_info_empty_levels (TestRecipe *r)
{
  test_edit_tcb (r, "\"tcbLevels\":[{\"tcb\":{\"sgx", "\"tcbLevels\":[],\"others\":[{\"tcb\":{\"sgx");
}

static void
tcb_info_empty_module_levels (TestRecipe *r)
{
  test_edit_tcb (r, "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":3}", "\"tcbLevels\":[],\"others\":[{\"tcb\":{\"isvsvn\":3}");
}

static void
tcb_info_advisories_no_list (TestRecipe *r)
{
  test_edit_tcb (r, "[\"INTEL-SA-00041\",\"INTEL-SA-00021\"]", "\"INTEL-SA-00041\"");
}

static void
tcb_info_modules_no_list (TestRecipe *r)
{
  test_edit_tcb (r, "\"tdxModuleIdentities\":[", "\"tdxModuleIdentities\":{},\"others\":[");
}

static void
qe_identity_no_id (TestRecipe *r)
{
  test_edit_qe (r, "\"id\"", "\"ix\"");
}

static void
qe_identity_id (TestRecipe *r)
{
  test_edit_qe (r, "TD_QE", "QE");
}

static void
qe_identity_version (TestRecipe *r)
{
  test_edit_qe (r, "\"version\":2", "\"version\":3");
}

static void
qe_identity_expired (TestRecipe *r)
{
  r->qe_identity.next_update = TEST_NOW - 1;
}

static void
qe_identity_early (TestRecipe *r)
{
  r->qe_identity.issue_date = TEST_NOW + 1;
}

static void
qe_identity_duplicate_key (TestRecipe *r)
{
  test_edit_qe (r, "\"isvprodid\":2", "\"isvprodid\":2,\"isvprodid\":2");
}

static void
qe_identity_mask_short (TestRecipe *r)
{
  test_edit_qe (r, "\"miscselectMask\":\"FFFFFFFF\"", "\"miscselectMask\":\"FFFFFF\"");
}

static void
qe_identity_unknown_status (TestRecipe *r)
{
  test_edit_qe (r, "Revoked", "Whatever");
}

static void
qe_identity_no_mr_signer (TestRecipe *r)
{
  test_edit_qe (r, "mrsigner", "mrsinger");
}

/* ---- TDX module and platform level ---- */

static void
module_unknown (TestRecipe *r)
{
  r->quote.svn[1] = 2;
}

static void
module_below_levels (TestRecipe *r)
{
  r->quote.svn[0] = 1;
}

static void
module_signer (TestRecipe *r)
{
  r->quote.body[0] = (TestPatch){ 64 + 47, 1 };
}

static void
module_attributes (TestRecipe *r)
{
  r->quote.body[0] = (TestPatch){ 112, 1 };
}

static void
module_attributes_allowed_by_collateral (TestRecipe *r)
{
  r->quote.body[0] = (TestPatch){ 112, 1 };
  test_edit_tcb (r, "\"id\":\"TDX_01\"", "\"id\":\"TDX_09\"");
  test_edit_tcb (r, "\"id\":\"TDX_03\"", "\"id\":\"TDX_01\"");
  test_edit_tcb (
      r,
      "{\"id\":\"TDX_01\",\"mrsigner\":\"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "000000\",\"attributes\":\"0000000000000000\"",
      "{\"id\":\"TDX_01\",\"mrsigner\":"
      "\"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\","
      "\"attributes\":\"0100000000000000\"");
}

static void
module_zero_signer (TestRecipe *r)
{
  r->quote.svn[1] = 0;
  r->quote.body[0] = (TestPatch){ 64, 1 };
}

static void
platform_cpu_svn (TestRecipe *r)
{
  r->pck.components[2] = 0;
  r->pck.cpu_svn[2] = 0;
}

static void
platform_pce_svn (TestRecipe *r)
{
  r->pck.pce_svn = 0;
}

static void
platform_tdx_component (TestRecipe *r)
{
  r->quote.svn[2] = 0;
}

static void
platform_revoked (TestRecipe *r)
{
  r->pck.pce_svn = 2;
}

static void
module_zero_counts_all_components (TestRecipe *r)
{
  /* version 0 has no levels of its own, so component 0 counts: below every level */
  r->quote.svn[1] = 0;
  r->quote.svn[0] = 0;
}

#define R(area, name, change, reason)                                                                                                      \
  {                                                                                                                                        \
    "/rules/" area "/" name, change, reason                                                                                                \
  }

static const TestCase cases[] = {
  R ("root-crl", "expired", root_crl_expired, "root-crl-expired"),
  R ("root-crl", "not yet valid", root_crl_early, "root-crl-not-yet-valid"),
  R ("root-crl", "signed by a stranger", root_crl_stranger, "root-crl-signature"),
  R ("root-crl", "signed by the PCK authority", root_crl_signed_by_ca, "root-crl-signature"),
  R ("root-crl", "of another issuer", root_crl_issuer, "root-crl-issuer"),
  R ("root-crl", "without a number", root_crl_number, "root-crl-number"),
  R ("root-crl", "without authority key", root_crl_authority_key, "root-crl-authority-key"),
  R ("root-crl", "is a delta", root_crl_delta, "root-crl-extension"),
  R ("root-crl", "says another algorithm", root_crl_says_sha384, "root-crl-algorithm"),
  R ("root-crl", "without nextUpdate", root_crl_without_end, "root-crl-malformed"),
  R ("root-crl", "truncated", root_crl_truncated, "root-crl-malformed"),
  R ("root-crl", "revokes the PCK authority", root_crl_revokes_ca, "pck-ca-revoked"),
  R ("root-crl", "revokes the TCB signer", root_crl_revokes_signer, "tcb-info-signer-revoked"),
  R ("pck-crl", "expired", pck_crl_expired, "pck-crl-expired"),
  R ("pck-crl", "not yet valid", pck_crl_early, "pck-crl-not-yet-valid"),
  R ("pck-crl", "signed by a stranger", pck_crl_stranger, "pck-crl-signature"),
  R ("pck-crl", "of another issuer", pck_crl_issuer, "pck-crl-issuer"),
  R ("pck-crl", "without a number", pck_crl_number, "pck-crl-number"),
  R ("pck-crl", "without authority key", pck_crl_authority_key, "pck-crl-authority-key"),
  R ("pck-crl", "is a delta", pck_crl_delta, "pck-crl-extension"),
  R ("pck-crl", "revokes the leaf", pck_crl_revokes_leaf, "pck-revoked"),
  R ("pck-crl", "chain without root", pck_crl_chain_without_root, "pck-crl-chain-length"),
  R ("pck-crl", "chain of the TCB signer", pck_crl_chain_of_signer, "pck-crl-chain-name"),
  R ("tcb-info", "signed by a stranger", tcb_info_stranger, "tcb-info-signature"),
  R ("tcb-info", "signed by the PCK authority", tcb_info_signed_by_ca, "tcb-info-chain-name"),
  R ("tcb-info", "a space inserted", tcb_info_space, "tcb-info-signature"),
  R ("tcb-info", "a status edited", tcb_info_status_edited, "tcb-info-signature"),
  R ("tcb-info", "chain without root", tcb_chain_without_root, "tcb-info-chain-length"),
  R ("tcb-info", "signer certified by a stranger", signer_signed_by_stranger, "tcb-info-chain-signature"),
  R ("tcb-info", "signer expired", signer_expired, "tcb-info-chain-expired"),
  R ("tcb-info", "signer not yet valid", signer_early, "tcb-info-chain-not-yet-valid"),
  R ("tcb-info", "signer is an authority", signer_is_ca, "tcb-info-chain-ca"),
  R ("tcb-info", "signer has another name", signer_name, "tcb-info-chain-name"),
  R ("tcb-info", "for SGX", tcb_info_id, "tcb-info-id"),
  R ("tcb-info", "without id", tcb_info_no_id, "tcb-info-json"),
  R ("tcb-info", "no level at all", tcb_info_empty_levels, "tcb-info-json"),
  R ("tcb-info", "module without a level", tcb_info_empty_module_levels, "tcb-info-json"),
  R ("tcb-info", "advisories are no list", tcb_info_advisories_no_list, "tcb-info-json"),
  R ("tcb-info", "modules are no list", tcb_info_modules_no_list, "tcb-info-json"),
  R ("tcb-info", "version 2", tcb_info_version, "tcb-info-version"),
  R ("tcb-info", "unknown tcbType", tcb_info_type, "tcb-info-json"),
  R ("tcb-info", "expired", tcb_info_expired, "tcb-info-expired"),
  R ("tcb-info", "not yet issued", tcb_info_early, "tcb-info-not-yet-valid"),
  R ("tcb-info", "for another FMSPC", tcb_info_fmspc, "tcb-info-fmspc"),
  R ("tcb-info", "for another PCE-ID", tcb_info_pce_id, "tcb-info-pce-id"),
  R ("tcb-info", "15 components", tcb_info_15_components, "tcb-info-json"),
  R ("tcb-info", "17 components", tcb_info_17_components, "tcb-info-json"),
  R ("tcb-info", "component above 255", tcb_info_component_too_large, "tcb-info-json"),
  R ("tcb-info", "component below 0", tcb_info_component_negative, "tcb-info-json"),
  R ("tcb-info", "component with a fraction", tcb_info_component_fraction, "tcb-info-json"),
  R ("tcb-info", "component as text", tcb_info_component_text, "tcb-info-json"),
  R ("tcb-info", "a key twice", tcb_info_duplicate_key, "tcb-info-json"),
  R ("tcb-info", "a status twice", tcb_info_duplicate_status, "tcb-info-json"),
  R ("tcb-info", "without levels", tcb_info_no_levels, "tcb-info-json"),
  R ("tcb-info", "without nextUpdate", tcb_info_no_dates, "tcb-info-json"),
  R ("tcb-info", "without evaluation number", tcb_info_no_evaluation, "tcb-info-json"),
  R ("tcb-info", "without tdxModule", tcb_info_no_module, "tcb-info-json"),
  R ("tcb-info", "unknown status", tcb_info_unknown_status, "tcb-info-json"),
  R ("tcb-info", "a status that is only ever derived", tcb_info_relaunch_in_collateral, "tcb-info-json"),
  R ("tcb-info", "module with a platform's status", tcb_info_module_status, "tcb-info-json"),
  R ("tcb-info", "advisory id with a line break", tcb_info_advisory_text, "tcb-info-json"),
  R ("tcb-info", "time with a zone", tcb_info_time_zone, "tcb-info-json"),
  R ("tcb-info", "time that does not exist", tcb_info_time_impossible, "tcb-info-json"),
  R ("tcb-info", "time without zone", tcb_info_time_local, "tcb-info-json"),
  R ("tcb-info", "module entry twice", tcb_info_module_twice, "tcb-info-json"),
  R ("qe-identity", "signed by a stranger", qe_identity_stranger, "qe-identity-signature"),
  R ("qe-identity", "signed by the PCK authority", qe_identity_signed_by_ca, "qe-identity-chain-name"),
  R ("qe-identity", "edited", qe_identity_tampered, "qe-identity-signature"),
  R ("qe-identity", "a space inserted", qe_identity_space, "qe-identity-signature"),
  R ("qe-identity", "chain without root", qe_chain_without_root, "qe-identity-chain-length"),
  R ("qe-identity", "of another enclave", qe_identity_id, "qe-identity-id"),
  R ("qe-identity", "without id", qe_identity_no_id, "qe-identity-json"),
  R ("qe-identity", "version 3", qe_identity_version, "qe-identity-version"),
  R ("qe-identity", "expired", qe_identity_expired, "qe-identity-expired"),
  R ("qe-identity", "not yet issued", qe_identity_early, "qe-identity-not-yet-valid"),
  R ("qe-identity", "a key twice", qe_identity_duplicate_key, "qe-identity-json"),
  R ("qe-identity", "mask too short", qe_identity_mask_short, "qe-identity-json"),
  R ("qe-identity", "unknown status", qe_identity_unknown_status, "qe-identity-json"),
  R ("qe-identity", "without MRSIGNER", qe_identity_no_mr_signer, "qe-identity-json"),
  R ("module", "its version has no entry", module_unknown, "tdx-module-unknown"),
  R ("module", "below every level", module_below_levels, "tcb-not-supported"),
  R ("module", "MRSIGNERSEAM differs", module_signer, "tdx-module-mrsigner"),
  R ("module", "MRSIGNERSEAM differs for version 0", module_zero_signer, "tdx-module-mrsigner"),
  R ("module", "SEAMATTRIBUTES differ", module_attributes, "tdx-module-attributes"),
  R ("module", "SEAMATTRIBUTES are not zero, whatever the collateral says", module_attributes_allowed_by_collateral,
     "tdx-module-attributes"),
  R ("platform", "a CPUSVN component below every level", platform_cpu_svn, "tcb-not-supported"),
  R ("platform", "PCESVN below every level", platform_pce_svn, "tcb-not-supported"),
  R ("platform", "a TDX component below every level", platform_tdx_component, "tcb-not-supported"),
  R ("platform", "module numbers count for version 0", module_zero_counts_all_components, "tcb-not-supported"),
  R ("platform", "revoked", platform_revoked, "tcb-revoked"),
};

int
main (int argc, char **argv)
{
  int status = 0;

  g_test_init (&argc, &argv, NULL);
  test_cases_add (cases, G_N_ELEMENTS (cases));
  status = g_test_run ();
  test_pki_free ();
  return status;
}
