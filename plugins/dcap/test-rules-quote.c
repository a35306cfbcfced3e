/* Rules about what the quote itself carries: the default recipe verifies, each change breaks one rule and is refused for it. */
#include "test-pki.h"

/* ---- structure of the quote's authentication data ---- */

static void
outer_type (TestRecipe *r)
{
  r->quote.outer_type = 5;
}

static void
inner_type_pck_only (TestRecipe *r)
{
  r->quote.inner_type = 4;
}

static void
inner_type_manifest (TestRecipe *r)
{
  r->quote.inner_type = 7;
}

static void
inner_type_plain_ppid (TestRecipe *r)
{
  r->quote.inner_type = 1;
}

static void
inner_size_more (TestRecipe *r)
{
  r->quote.inner_size_lie = 1;
}

static void
inner_size_less (TestRecipe *r)
{
  r->quote.inner_size_lie = -1;
}

static void
qe_auth_too_long (TestRecipe *r)
{
  r->quote.qe_auth_size = 1025;
}

static void
names_platform_without_chain (TestRecipe *r)
{
  r->quote.inner_type = 3;
}

static void
names_other_platform (TestRecipe *r)
{
  r->quote.inner_type = 3;
  r->quote.other_cpu_svn = TRUE;
  r->outside_chain = TRUE;
}

static void
names_platform_with_more (TestRecipe *r)
{
  r->quote.inner_type = 3;
  r->quote.trailing_nuls = 2;
  r->outside_chain = TRUE;
}

static void
extension_foreign_field (TestRecipe *r)
{
  r->pck.foreign_field = TRUE;
}

/* ---- PCK chain ---- */

static void
pck_two_nuls (TestRecipe *r)
{
  r->quote.trailing_nuls = 2;
}

static void
pck_two_certificates (TestRecipe *r)
{
  r->quote.chain = "pr";
}

static void
pck_four_certificates (TestRecipe *r)
{
  r->quote.chain = "pcrr";
}

static void
pck_text_between (TestRecipe *r)
{
  r->quote.chain = "pxcr";
}

static void
pck_too_long (TestRecipe *r)
{
  r->quote.chain = "pcr      ";
}

static void
pck_swapped (TestRecipe *r)
{
  r->quote.chain = "cpr";
}

static void
pck_other_root_key (TestRecipe *r)
{
  r->certs[TEST_ROOT].key = TEST_KEY_STRANGER;
  r->certs[TEST_ROOT].signed_by = TEST_KEY_STRANGER;
  r->certs[TEST_CA].signed_by = TEST_KEY_STRANGER;
}

static void
pck_root_not_signed_by_itself (TestRecipe *r)
{
  r->certs[TEST_ROOT].signed_by = TEST_KEY_STRANGER;
}

static void
pck_ca_signed_by_stranger (TestRecipe *r)
{
  r->certs[TEST_CA].signed_by = TEST_KEY_STRANGER;
}

static void
pck_leaf_signed_by_stranger (TestRecipe *r)
{
  r->certs[TEST_PCK].signed_by = TEST_KEY_STRANGER;
}

static void
pck_leaf_issued_by_root (TestRecipe *r)
{
  r->certs[TEST_PCK].issuer = TEST_ROOT;
}

static void
pck_leaf_name (TestRecipe *r)
{
  r->certs[TEST_PCK].common_name = "Test SGX Something";
}

static void
pck_ca_name (TestRecipe *r)
{
  r->certs[TEST_CA].common_name = "Test SGX Something CA";
}

static void
pck_ca_unknown (TestRecipe *r)
{
  r->certs[TEST_CA].common_name = "Test SGX PCK Pretender CA";
}

static void
pck_root_name (TestRecipe *r)
{
  r->certs[TEST_ROOT].common_name = "Test Root";
}

static void
pck_ca_is_no_ca (TestRecipe *r)
{
  r->certs[TEST_CA].is_ca = FALSE;
}

static void
pck_ca_may_not_sign (TestRecipe *r)
{
  r->certs[TEST_CA].usage = GNUTLS_KEY_CRL_SIGN;
}

static void
pck_root_may_not_sign (TestRecipe *r)
{
  r->certs[TEST_ROOT].usage = GNUTLS_KEY_CRL_SIGN;
}

static void
pck_leaf_is_ca (TestRecipe *r)
{
  r->certs[TEST_PCK].is_ca = TRUE;
}

static void
pck_leaf_usage (TestRecipe *r)
{
  r->certs[TEST_PCK].usage = GNUTLS_KEY_KEY_AGREEMENT;
}

static void
pck_sha384 (TestRecipe *r)
{
  r->certs[TEST_PCK].digest = GNUTLS_DIG_SHA384;
}

static void
pck_p384 (TestRecipe *r)
{
  r->certs[TEST_PCK].key = TEST_KEY_P384;
}

static void
pck_leaf_expired (TestRecipe *r)
{
  r->certs[TEST_PCK].not_after = TEST_NOW - 1;
}

static void
pck_ca_expired (TestRecipe *r)
{
  r->certs[TEST_CA].not_after = TEST_NOW - 1;
}

static void
root_expired (TestRecipe *r)
{
  r->certs[TEST_ROOT].not_after = TEST_NOW - 1;
}

static void
pck_leaf_early (TestRecipe *r)
{
  r->certs[TEST_PCK].not_before = TEST_NOW + 1;
}

static void
pck_ca_early (TestRecipe *r)
{
  r->certs[TEST_CA].not_before = TEST_NOW + 1;
}

static void
root_early (TestRecipe *r)
{
  r->certs[TEST_ROOT].not_before = TEST_NOW + 1;
}

/* ---- PCK extension ---- */

static void
extension_missing (TestRecipe *r)
{
  r->pck.omit = 1;
}

static void
extension_no_ppid (TestRecipe *r)
{
  r->pck.omit = 1u << 1;
}

static void
extension_no_tcb (TestRecipe *r)
{
  r->pck.omit = 1u << 2;
}

static void
extension_no_pce_id (TestRecipe *r)
{
  r->pck.omit = 1u << 3;
}

static void
extension_no_fmspc (TestRecipe *r)
{
  r->pck.omit = 1u << 4;
}

static void
extension_no_type (TestRecipe *r)
{
  r->pck.omit = 1u << 5;
}

static void
extension_no_component (TestRecipe *r)
{
  r->pck.omit_tcb = 1u << 16;
}

static void
extension_no_pce_svn (TestRecipe *r)
{
  r->pck.omit_tcb = 1u << 17;
}

static void
extension_no_cpu_svn (TestRecipe *r)
{
  r->pck.omit_tcb = 1u << 18;
}

static void
extension_twice (TestRecipe *r)
{
  r->pck.twice = TRUE;
}

static void
extension_trailing (TestRecipe *r)
{
  r->pck.trailing = TRUE;
}

static void
extension_component_too_large (TestRecipe *r)
{
  r->pck.component_0 = 256;
}

static void
extension_component_differs (TestRecipe *r)
{
  r->pck.cpu_svn[5] = 9;
}

static void
extension_pce_svn_too_large (TestRecipe *r)
{
  r->pck.pce_svn = 65536;
}

static void
extension_type_unknown (TestRecipe *r)
{
  r->pck.sgx_type = 3;
}

/* ---- quoting enclave and quote ---- */

static void
qe_report_signature (TestRecipe *r)
{
  r->quote.qe_report_signed_by = TEST_KEY_STRANGER;
}

static void
qe_report_data (TestRecipe *r)
{
  r->quote.qe_report_data_wrong = TRUE;
}

static void
qe_report_data_tail (TestRecipe *r)
{
  r->quote.qe_report_data_tail = TRUE;
}

static void
qe_auth_changed (TestRecipe *r)
{
  r->quote.change_qe_auth = TRUE;
}

static void
quote_signature (TestRecipe *r)
{
  r->quote.signed_by = TEST_KEY_STRANGER;
}

static void
quote_signature_swapped (TestRecipe *r)
{
  r->quote.swap_r_s = TRUE;
}

static void
qe_misc_select (TestRecipe *r)
{
  r->quote.qe_report[0] = (TestPatch){ 16, 1 };
}

static void
qe_attributes (TestRecipe *r)
{
  r->quote.qe_report[0] = (TestPatch){ 48, 0x13 };
}

static void
qe_mr_signer (TestRecipe *r)
{
  r->quote.qe_report[0] = (TestPatch){ 159, 0 };
}

static void
qe_isv_prod_id (TestRecipe *r)
{
  r->quote.qe_report[0] = (TestPatch){ 256, 1 };
}

static void
qe_isv_prod_id_high (TestRecipe *r)
{
  r->quote.qe_report[0] = (TestPatch){ 257, 1 };
}

static void
qe_below_levels (TestRecipe *r)
{
  r->quote.qe_report[0] = (TestPatch){ 258, 1 };
}

static void
qe_revoked (TestRecipe *r)
{
  r->quote.qe_report[0] = (TestPatch){ 258, 3 };
}

#define R(area, name, change, reason)                                                                                                      \
  {                                                                                                                                        \
    "/rules/" area "/" name, change, reason                                                                                                \
  }

static const TestCase cases[] = {
  R ("quote", "outer certification data is not a QE report", outer_type, "quote-auth-malformed"),
  R ("quote", "certification data is a PCK leaf only", inner_type_pck_only, "quote-certification-type"),
  R ("quote", "certification data is a platform manifest", inner_type_manifest, "quote-certification-type"),
  R ("quote", "certification data is a plain PPID", inner_type_plain_ppid, "quote-certification-type"),
  R ("quote", "inner size beyond the end", inner_size_more, "quote-auth-malformed"),
  R ("quote", "inner size leaves bytes over", inner_size_less, "quote-auth-malformed"),
  R ("quote", "QE auth data too long", qe_auth_too_long, "quote-auth-malformed"),
  R ("quote", "platform is named and no certificate is at hand", names_platform_without_chain, "quote-certification-type"),
  R ("quote", "platform named is not the certificate's", names_other_platform, "pck-mismatch"),
  R ("quote", "platform named, and more bytes", names_platform_with_more, "quote-auth-malformed"),
  R ("quote", "QE report signed by a stranger", qe_report_signature, "qe-report-signature"),
  R ("quote", "QE report data is another hash", qe_report_data, "qe-report-data"),
  R ("quote", "QE report data does not end in zeros", qe_report_data_tail, "qe-report-data"),
  R ("quote", "QE auth data changed", qe_auth_changed, "qe-report-data"),
  R ("quote", "signed by a stranger", quote_signature, "quote-signature"),
  R ("quote", "r and s swapped", quote_signature_swapped, "quote-signature"),
  R ("pck-chain", "two NULs at the end", pck_two_nuls, "pck-chain-malformed"),
  R ("pck-chain", "two certificates", pck_two_certificates, "pck-chain-length"),
  R ("pck-chain", "four certificates", pck_four_certificates, "pck-chain-length"),
  R ("pck-chain", "text between the certificates", pck_text_between, "pck-chain-malformed"),
  R ("pck-chain", "more than 8 KiB", pck_too_long, "pck-chain-malformed"),
  R ("pck-chain", "leaf and issuer swapped", pck_swapped, "pck-chain-name"),
  R ("pck-chain", "root with another key", pck_other_root_key, "pck-chain-root"),
  R ("pck-chain", "root not signed by itself", pck_root_not_signed_by_itself, "pck-chain-signature"),
  R ("pck-chain", "issuer signed by a stranger", pck_ca_signed_by_stranger, "pck-chain-signature"),
  R ("pck-chain", "leaf signed by a stranger", pck_leaf_signed_by_stranger, "pck-chain-signature"),
  R ("pck-chain", "leaf names another issuer", pck_leaf_issued_by_root, "pck-chain-issuer"),
  R ("pck-chain", "leaf has another name", pck_leaf_name, "pck-chain-name"),
  R ("pck-chain", "issuer has another name", pck_ca_name, "pck-chain-name"),
  R ("pck-chain", "issuer is neither of the two authorities", pck_ca_unknown, "pck-chain-name"),
  R ("pck-chain", "root has another name", pck_root_name, "pck-chain-name"),
  R ("pck-chain", "issuer is no authority", pck_ca_is_no_ca, "pck-chain-ca"),
  R ("pck-chain", "issuer may not sign certificates", pck_ca_may_not_sign, "pck-chain-ca"),
  R ("pck-chain", "root may not sign certificates", pck_root_may_not_sign, "pck-chain-ca"),
  R ("pck-chain", "leaf is an authority", pck_leaf_is_ca, "pck-chain-ca"),
  R ("pck-chain", "leaf's key is not for signatures", pck_leaf_usage, "pck-chain-ca"),
  R ("pck-chain", "signature with SHA-384", pck_sha384, "pck-chain-algorithm"),
  R ("pck-chain", "key on P-384", pck_p384, "pck-chain-algorithm"),
  R ("pck-chain", "leaf expired", pck_leaf_expired, "pck-chain-expired"),
  R ("pck-chain", "issuer expired", pck_ca_expired, "pck-chain-expired"),
  R ("pck-chain", "root expired", root_expired, "pck-chain-expired"),
  R ("pck-chain", "leaf not yet valid", pck_leaf_early, "pck-chain-not-yet-valid"),
  R ("pck-chain", "issuer not yet valid", pck_ca_early, "pck-chain-not-yet-valid"),
  R ("pck-chain", "root not yet valid", root_early, "pck-chain-not-yet-valid"),
  R ("pck-extension", "missing", extension_missing, "pck-extension"),
  R ("pck-extension", "without PPID", extension_no_ppid, "pck-extension"),
  R ("pck-extension", "without TCB", extension_no_tcb, "pck-extension"),
  R ("pck-extension", "without PCE-ID", extension_no_pce_id, "pck-extension"),
  R ("pck-extension", "without FMSPC", extension_no_fmspc, "pck-extension"),
  R ("pck-extension", "without SGX type", extension_no_type, "pck-extension"),
  R ("pck-extension", "without a component", extension_no_component, "pck-extension"),
  R ("pck-extension", "without PCESVN", extension_no_pce_svn, "pck-extension"),
  R ("pck-extension", "without CPUSVN", extension_no_cpu_svn, "pck-extension"),
  R ("pck-extension", "a field twice", extension_twice, "pck-extension"),
  R ("pck-extension", "a field of somebody else", extension_foreign_field, "pck-extension"),
  R ("pck-extension", "bytes behind it", extension_trailing, "pck-extension"),
  R ("pck-extension", "component above 255", extension_component_too_large, "pck-extension"),
  R ("pck-extension", "components differ from CPUSVN", extension_component_differs, "pck-extension"),
  R ("pck-extension", "PCESVN above 65535", extension_pce_svn_too_large, "pck-extension"),
  R ("pck-extension", "SGX type unknown", extension_type_unknown, "pck-extension"),
  R ("quoting-enclave", "MISCSELECT differs", qe_misc_select, "qe-miscselect"),
  R ("quoting-enclave", "is a debug enclave", qe_attributes, "qe-attributes"),
  R ("quoting-enclave", "MRSIGNER differs", qe_mr_signer, "qe-mrsigner"),
  R ("quoting-enclave", "ISVPRODID differs", qe_isv_prod_id, "qe-isvprodid"),
  R ("quoting-enclave", "ISVPRODID differs in its high byte", qe_isv_prod_id_high, "qe-isvprodid"),
  R ("quoting-enclave", "below every level", qe_below_levels, "tcb-not-supported"),
  R ("quoting-enclave", "revoked", qe_revoked, "tcb-revoked"),
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
