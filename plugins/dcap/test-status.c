/* What must be accepted and what it then says; TCB status by Intel's rules; rules that need two of something. */
#include "test-pki.h"

#include <teesql/teesql-error.h>

static TeesqlClaims *
accept (const TestRecipe *recipe)
{
  g_autoptr (TestWorld) world = test_world_new (recipe);
  g_autoptr (GError) error = NULL;
  TeesqlClaims *claims = test_world_verify (world, TEST_NOW, 0, &error);

  g_assert_no_error (error);
  return claims;
}

static void
accept_status (const TestRecipe *recipe, TeesqlTcbStatus status)
{
  g_autoptr (TeesqlClaims) claims = accept (recipe);
  g_assert_cmpint (teesql_claims_get_tcb_status (claims), ==, status);
}

static gint64
number (const TeesqlClaims *claims, TeesqlNumber which)
{
  gint64 value = -1;
  g_assert_true (teesql_claims_get_number (claims, which, &value));
  return value;
}

static void
test_claims (void)
{
  TestRecipe recipe;
  gsize size = 0;

  test_recipe_init (&recipe);
  g_autoptr (TestWorld) world = test_world_new (&recipe);
  g_autoptr (TeesqlClaims) claims = test_world_verify (world, TEST_NOW, 0, NULL);
  g_assert_nonnull (claims);
  g_assert_cmpint (teesql_claims_get_tcb_status (claims), ==, TEESQL_TCB_STATUS_UP_TO_DATE);
  g_assert_cmpstr (teesql_claims_get_advisory_ids (claims)[0], ==, NULL);
  g_assert_cmpint (number (claims, TEESQL_NUMBER_TCB_EVALUATION), ==, 16);
  g_assert_cmpint (number (claims, TEESQL_NUMBER_TCB_DATE), ==, 1735689600);
  g_assert_cmpint (number (claims, TEESQL_NUMBER_ISSUED_AT), ==, TEST_NOW - 10 * TEST_DAY);
  g_assert_cmpint (number (claims, TEESQL_NUMBER_VALID_UNTIL), ==, TEST_NOW + 20 * TEST_DAY);
  const guint8 *anchor = teesql_claims_get_field (claims, TEESQL_FIELD_TRUST_ANCHOR, &size);
  g_assert_cmpmem (anchor, (int) size, world->trust.anchor, 32);
  const guint8 *fmspc = teesql_claims_get_field (claims, TEESQL_FIELD_FMSPC, &size);
  g_assert_cmpmem (fmspc, (int) size, recipe.pck.fmspc, 6);
  const guint8 *ppid = teesql_claims_get_field (claims, TEESQL_FIELD_PPID, &size);
  g_assert_cmpmem (ppid, (int) size, "ppid\1\2\3\4\5\6\7\10\11\12\13\14", 16);
  const guint8 *instance = teesql_claims_get_field (claims, TEESQL_FIELD_PLATFORM_INSTANCE, &size);
  g_assert_cmpmem (instance, (int) size, "inst\0\0\0\0\0\0\0\0\0\0\0\0", 16);
  g_assert_null (teesql_claims_get_field (claims, TEESQL_FIELD_MRSERVICETD, &size));
}

/* caches end where the first of everything ends */
static void
test_valid_until (void)
{
  for (guint i = 0; i < 8; i++)
    {
      TestRecipe recipe;
      test_recipe_init (&recipe);
      gint64 *const ends[] = {
        &recipe.certs[TEST_ROOT].not_after,   &recipe.certs[TEST_CA].not_after, &recipe.certs[TEST_PCK].not_after,
        &recipe.certs[TEST_SIGNER].not_after, &recipe.root_crl.next_update,     &recipe.pck_crl.next_update,
        &recipe.tcb_info.next_update,         &recipe.qe_identity.next_update,
      };
      *ends[i] = TEST_NOW + TEST_DAY;
      g_autoptr (TeesqlClaims) claims = accept (&recipe);
      g_assert_cmpint (number (claims, TEESQL_NUMBER_VALID_UNTIL), ==, TEST_NOW + TEST_DAY);
    }
}

/* each item moves the revision, whichever of them is the oldest: cached verdicts end with a newer CRL too */
static void
test_revision (void)
{
  for (guint i = 0; i < 4; i++)
    {
      TestRecipe recipe;
      test_recipe_init (&recipe);
      gint64 *const dates[] = {
        &recipe.root_crl.this_update,
        &recipe.pck_crl.this_update,
        &recipe.tcb_info.issue_date,
        &recipe.qe_identity.issue_date,
      };
      g_autoptr (TeesqlClaims) before = accept (&recipe);
      *dates[i] += 1;
      g_autoptr (TeesqlClaims) after = accept (&recipe);
      g_assert_cmpint (number (after, TEESQL_NUMBER_REVISION), >, number (before, TEESQL_NUMBER_REVISION));
    }
}

/* the last second of everything still counts, and so does the first */
static void
test_edges (void)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  recipe.certs[TEST_PCK].not_after = TEST_NOW;
  recipe.certs[TEST_CA].not_before = TEST_NOW;
  recipe.root_crl.next_update = TEST_NOW;
  recipe.pck_crl.this_update = TEST_NOW;
  recipe.tcb_info.next_update = TEST_NOW;
  recipe.qe_identity.issue_date = TEST_NOW;
  accept_status (&recipe, TEESQL_TCB_STATUS_UP_TO_DATE);
}

static void
test_future_issue_date (void)
{
  TestRecipe recipe;
  g_autoptr (GError) error = NULL;

  test_recipe_init (&recipe);
  recipe.tcb_info.issue_date = TEST_NOW + 300;
  recipe.root_crl.next_update = TEST_NOW + 100 * TEST_DAY;
  recipe.pck_crl.next_update = TEST_NOW + 100 * TEST_DAY;
  g_autoptr (TestWorld) world = test_world_new (&recipe);
  g_autoptr (TeesqlClaims) tolerated = test_world_verify (world, TEST_NOW, 300, &error);
  g_assert_no_error (error);
  g_assert_nonnull (tolerated);
  g_assert_null (test_world_verify (world, TEST_NOW, 299, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "tcb-info-not-yet-valid");
  g_clear_error (&error);
  /* the tolerance is for issue dates: an end is an end */
  g_assert_null (test_world_verify (world, recipe.tcb_info.next_update + 1, 300, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "tcb-info-expired");
}

static void
test_processor_ca (void)
{
  TestRecipe recipe;
  gsize size = 0;

  test_recipe_init (&recipe);
  recipe.certs[TEST_CA].common_name = "Test SGX PCK Processor CA";
  recipe.pck.omit = 1u << 6;
  g_autoptr (TeesqlClaims) claims = accept (&recipe);
  g_assert_null (teesql_claims_get_field (claims, TEESQL_FIELD_PLATFORM_INSTANCE, &size));
}

/* Intel adds members without a new version number, and nothing says of what type */
static void
test_unknown_members (void)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  test_edit_tcb (&recipe, "\"tcbType\":0", "\"score\":-1.5e-3,\"at\":1780000000000,\"more\":{\"list\":[null,true,0.5]},\"tcbType\":0");
  test_edit_qe (&recipe, "\"id\"", "\"score\":0.25,\"id\"");
  g_autoptr (TeesqlClaims) claims = accept (&recipe);
}

static void
test_no_nul (void)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  recipe.quote.trailing_nuls = 0;
  recipe.quote.qe_auth_size = 0;
  accept_status (&recipe, TEESQL_TCB_STATUS_UP_TO_DATE);
  recipe.quote.qe_auth_size = 1024;
  recipe.quote.chain = "pc  r";
  accept_status (&recipe, TEESQL_TCB_STATUS_UP_TO_DATE);
}

static void
test_chain_from_collateral (void)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  recipe.outside_chain = TRUE;
  recipe.quote.inner_type = 3;
  accept_status (&recipe, TEESQL_TCB_STATUS_UP_TO_DATE);
  recipe.quote.inner_type = 2;
  accept_status (&recipe, TEESQL_TCB_STATUS_UP_TO_DATE);
}

/* A debug TD is a claim; who may connect is decided elsewhere. */
static void
test_debug_is_a_claim (void)
{
  TestRecipe recipe;
  gsize size = 0;

  test_recipe_init (&recipe);
  recipe.quote.body[0] = (TestPatch){ 120, 1 };
  g_autoptr (TeesqlClaims) claims = accept (&recipe);
  g_assert_cmpint (teesql_claims_get_field (claims, TEESQL_FIELD_TD_ATTRIBUTES, &size)[0], ==, 1);
}

static void
test_version_5 (void)
{
  TestRecipe recipe;
  gsize size = 0;

  test_recipe_init (&recipe);
  recipe.quote.version = 5;
  accept_status (&recipe, TEESQL_TCB_STATUS_UP_TO_DATE);
  recipe.quote.td_1_5 = TRUE;
  recipe.quote.body[0] = (TestPatch){ 600, 7 };
  g_autoptr (TeesqlClaims) claims = accept (&recipe);
  g_assert_cmpint (teesql_claims_get_field (claims, TEESQL_FIELD_MRSERVICETD, &size)[0], ==, 7);
}

static void
test_module_names (void)
{
  TestRecipe recipe;

  /* either case, hex and not decimal */
  test_recipe_init (&recipe);
  test_edit_tcb (&recipe, "TDX_01", "tdx_1a");
  recipe.quote.svn[1] = 0x1a;
  accept_status (&recipe, TEESQL_TCB_STATUS_UP_TO_DATE);
  /* with a version of its own, the module's number does not count as a component again */
  test_recipe_init (&recipe);
  recipe.quote.svn[1] = 3;
  recipe.quote.svn[0] = 3;
  accept_status (&recipe, TEESQL_TCB_STATUS_UP_TO_DATE);
  /* without one, it counts only there */
  test_recipe_init (&recipe);
  recipe.quote.svn[1] = 0;
  accept_status (&recipe, TEESQL_TCB_STATUS_UP_TO_DATE);
  recipe.quote.svn[0] = 5;
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
}

static void
test_levels (void)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  recipe.pck.pce_svn = 12;
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
  test_recipe_init (&recipe);
  recipe.pck.components[7] = 4;
  recipe.pck.cpu_svn[7] = 4;
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
  test_recipe_init (&recipe);
  recipe.quote.svn[2] = 2;
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
}

static void
test_advisories (void)
{
  TestRecipe recipe;
  static const char *const expected[] = { "INTEL-SA-00021", "INTEL-SA-00041", "INTEL-SA-00061", NULL };

  test_recipe_init (&recipe);
  recipe.pck.pce_svn = 5;
  recipe.quote.svn[0] = 4;
  recipe.quote.qe_report[0] = (TestPatch){ 258, 4 };
  g_autoptr (TeesqlClaims) claims = accept (&recipe);
  g_assert_cmpstrv (teesql_claims_get_advisory_ids (claims), expected);
}

/* the whole table of convergence: platform level, with module or quoting enclave up to date, out of date, revoked */
static void
test_converge (void)
{
  static const struct
  {
    const char *word;
    TeesqlTcbStatus alone;
    TeesqlTcbStatus with_old;
  } rows[] = {
    { "UpToDate", TEESQL_TCB_STATUS_UP_TO_DATE, TEESQL_TCB_STATUS_OUT_OF_DATE },
    { "SWHardeningNeeded", TEESQL_TCB_STATUS_SW_HARDENING_NEEDED, TEESQL_TCB_STATUS_OUT_OF_DATE },
    { "ConfigurationNeeded", TEESQL_TCB_STATUS_CONFIGURATION_NEEDED, TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED },
    { "ConfigurationAndSWHardeningNeeded", TEESQL_TCB_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED,
      TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED },
    { "OutOfDate", TEESQL_TCB_STATUS_OUT_OF_DATE, TEESQL_TCB_STATUS_OUT_OF_DATE },
    { "OutOfDateConfigurationNeeded", TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED,
      TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED },
    { "Revoked", 0, 0 },
  };
  static const char *const part_words[] = { "UpToDate", "OutOfDate", "Revoked" };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint module = 0; module < 3; module++)
      for (guint qe = 0; qe < 3; qe++)
        {
          TestRecipe recipe;
          g_autofree char *level = g_strdup_printf ("\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"%s\"", rows[i].word);
          g_autofree char *module_level = g_strdup_printf ("\"2025-04-01T00:00:00Z\",\"tcbStatus\":\"%s\"", part_words[module]);
          g_autofree char *qe_level = g_strdup_printf ("\"2024-04-01T00:00:00Z\",\"tcbStatus\":\"%s\"", part_words[qe]);
          g_autoptr (GError) error = NULL;
          TeesqlTcbStatus expected = module == 0 && qe == 0 ? rows[i].alone : rows[i].with_old;

          test_recipe_init (&recipe);
          test_edit_tcb (&recipe, "\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"", level);
          test_edit_tcb (&recipe, "\"2025-04-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"", module_level);
          test_edit_qe (&recipe, "\"2024-04-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"", qe_level);
          g_autoptr (TestWorld) world = test_world_new (&recipe);
          g_autoptr (TeesqlClaims) claims = test_world_verify (world, TEST_NOW, 0, &error);
          if (expected == 0 || module == 2 || qe == 2)
            {
              g_assert_null (claims);
              g_assert_cmpstr (teesql_error_get_reason (error), ==, "tcb-revoked");
              continue;
            }
          g_assert_no_error (error);
          g_assert_cmpint (teesql_claims_get_tcb_status (claims), ==, expected);
        }
}

/* the host was updated, this TD was not started again: old module in TEE_TCB_SVN, new one in TEE_TCB_SVN2 */
static void
relaunch_recipe (TestRecipe *recipe)
{
  test_recipe_init (recipe);
  recipe->quote.version = 5;
  recipe->quote.td_1_5 = TRUE;
  recipe->quote.svn[0] = 4;
  recipe->quote.svn2[0] = 6;
}

static void
test_relaunch (void)
{
  TestRecipe recipe;

  relaunch_recipe (&recipe);
  accept_status (&recipe, TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED);
  /* another version of the module now, at its newest level */
  relaunch_recipe (&recipe);
  recipe.quote.svn2[1] = 3;
  recipe.quote.svn2[0] = 3;
  accept_status (&recipe, TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED);
  /* module version 0 now: the newest platform level counts */
  relaunch_recipe (&recipe);
  recipe.quote.svn2[1] = 0;
  accept_status (&recipe, TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED);
  relaunch_recipe (&recipe);
  test_edit_tcb (&recipe, "\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"",
                 "\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"ConfigurationNeeded\"");
  accept_status (&recipe, TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED);
  relaunch_recipe (&recipe);
  test_edit_tcb (&recipe, "\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"",
                 "\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"SWHardeningNeeded\"");
  accept_status (&recipe, TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED);
}

static void
test_relaunch_does_not_apply (void)
{
  TestRecipe recipe;
  g_autoptr (GError) error = NULL;

  /* TD 1.0 says nothing about now */
  relaunch_recipe (&recipe);
  recipe.quote.td_1_5 = FALSE;
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
  /* the module that runs now is old too, by its level or by the loader's */
  relaunch_recipe (&recipe);
  recipe.quote.svn2[0] = 5;
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
  relaunch_recipe (&recipe);
  recipe.quote.svn2[2] = 2;
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
  relaunch_recipe (&recipe);
  recipe.quote.svn2[1] = 0;
  recipe.quote.svn2[0] = 5;
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
  /* the quoting enclave is old */
  relaunch_recipe (&recipe);
  recipe.quote.qe_report[0] = (TestPatch){ 258, 4 };
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
  /* the platform itself is old, whatever runs on it */
  relaunch_recipe (&recipe);
  recipe.pck.pce_svn = 5;
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
  /* the module of this TD is not old: only the loader is */
  relaunch_recipe (&recipe);
  recipe.quote.svn[0] = 6;
  recipe.quote.svn[2] = 2;
  accept_status (&recipe, TEESQL_TCB_STATUS_OUT_OF_DATE);
  /* a module nobody knows */
  relaunch_recipe (&recipe);
  recipe.quote.svn2[1] = 9;
  g_autoptr (TestWorld) world = test_world_new (&recipe);
  g_assert_null (test_world_verify (world, TEST_NOW, 0, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "tdx-module-unknown");
}

/* The CRL must speak about the issuer of this leaf, not about an equal name with another key. */
static void
test_crl_of_namesake (void)
{
  TestRecipe recipe;
  TestRecipe other;
  g_autoptr (GError) error = NULL;

  test_recipe_init (&recipe);
  test_recipe_init (&other);
  other.certs[TEST_CA].key = TEST_KEY_STRANGER;
  other.pck_crl.signed_by = TEST_KEY_STRANGER;
  g_autoptr (TestWorld) world = test_world_new (&recipe);
  g_autoptr (TestWorld) namesake = test_world_new (&other);
  g_clear_pointer (&world->collateral->items[DCAP_ITEM_PCK_CRL], dcap_item_unref);
  world->collateral->items[DCAP_ITEM_PCK_CRL] = dcap_item_ref (namesake->collateral->items[DCAP_ITEM_PCK_CRL]);
  g_assert_null (test_world_verify (world, TEST_NOW, 0, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "pck-crl-issuer");
}

static void
test_chain_missing (void)
{
  TestRecipe recipe;
  g_autoptr (GError) error = NULL;

  test_recipe_init (&recipe);
  g_autoptr (TestWorld) world = test_world_new (&recipe);
  g_clear_pointer (&world->collateral->items[DCAP_ITEM_TCB_INFO]->issuer_chain, g_bytes_unref);
  g_assert_null (test_world_verify (world, TEST_NOW, 0, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "tcb-info-chain-malformed");
}

static void
test_qe_signer_revoked (void)
{
  TestRecipe recipe;
  TestRecipe other;
  g_autoptr (GError) error = NULL;

  /* the identity is signed by a second, revoked signer; TCB info's own is good */
  test_recipe_init (&recipe);
  test_recipe_init (&other);
  other.certs[TEST_PCK].common_name = "Test SGX TCB Signing";
  other.certs[TEST_PCK].issuer = TEST_ROOT;
  other.certs[TEST_PCK].signed_by = TEST_KEY_ROOT;
  other.qe_identity.signed_by = TEST_KEY_PCK;
  other.qe_chain = "pr";
  recipe.root_crl.revoked = 1u << TEST_PCK;
  g_autoptr (TestWorld) world = test_world_new (&recipe);
  g_autoptr (TestWorld) revoked = test_world_new (&other);
  g_clear_pointer (&world->collateral->items[DCAP_ITEM_QE_IDENTITY], dcap_item_unref);
  world->collateral->items[DCAP_ITEM_QE_IDENTITY] = dcap_item_ref (revoked->collateral->items[DCAP_ITEM_QE_IDENTITY]);
  g_assert_null (test_world_verify (world, TEST_NOW, 0, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "qe-identity-signer-revoked");
}

static DcapFact *
make_fact (const TestRecipe *recipe, DcapItemKind kind)
{
  g_autoptr (TestWorld) world = test_world_new (recipe);
  g_autoptr (GError) error = NULL;
  DcapFact *fact = dcap_fact_prove (world->collateral->items[kind], &world->trust, &error);

  g_assert_no_error (error);
  return fact;
}

static void
check_order (const TestRecipe *recipe, DcapFact *before, const char *reason)
{
  g_autoptr (DcapFact) fact = make_fact (recipe, before->item->kind);
  g_autoptr (GError) error = NULL;
  gboolean good = dcap_fact_check_order (fact, before, &error);

  g_assert_cmpint (good, ==, reason == NULL);
  if (reason != NULL)
    g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_rollback (void)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  g_autoptr (DcapFact) tcb_info = make_fact (&recipe, DCAP_ITEM_TCB_INFO);
  g_autoptr (DcapFact) qe_identity = make_fact (&recipe, DCAP_ITEM_QE_IDENTITY);
  g_autoptr (DcapFact) root_crl = make_fact (&recipe, DCAP_ITEM_ROOT_CRL);
  g_autoptr (DcapFact) pck_crl = make_fact (&recipe, DCAP_ITEM_PCK_CRL);

  check_order (&recipe, tcb_info, NULL);
  recipe.tcb_info.issue_date -= 1;
  recipe.qe_identity.issue_date -= 1;
  recipe.root_crl.this_update -= 1;
  recipe.pck_crl.this_update -= 1;
  check_order (&recipe, tcb_info, "tcb-info-rollback");
  check_order (&recipe, qe_identity, "qe-identity-rollback");
  check_order (&recipe, root_crl, "root-crl-rollback");
  check_order (&recipe, pck_crl, "pck-crl-rollback");
  test_recipe_init (&recipe);
  test_edit_tcb (&recipe, "\"tcbEvaluationDataNumber\":17", "\"tcbEvaluationDataNumber\":16");
  test_edit_qe (&recipe, "\"tcbEvaluationDataNumber\":16", "\"tcbEvaluationDataNumber\":15");
  recipe.tcb_info.issue_date += 1;
  recipe.qe_identity.issue_date += 1;
  recipe.root_crl.number = 6;
  recipe.root_crl.this_update += 1;
  recipe.pck_crl.number = 6;
  recipe.pck_crl.this_update += 1;
  check_order (&recipe, tcb_info, "tcb-info-rollback");
  check_order (&recipe, qe_identity, "qe-identity-rollback");
  check_order (&recipe, root_crl, "root-crl-rollback");
  check_order (&recipe, pck_crl, "pck-crl-rollback");
  recipe.root_crl.number = 256;
  check_order (&recipe, root_crl, NULL);
}

static void
check_root (const char *pem, gboolean good)
{
  DcapTrust trust;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (dcap_trust_init_pem (&trust, pem, strlen (pem), &error), ==, good);
  if (!good)
    g_assert_cmpstr (teesql_error_get_reason (error), ==, "trusted-root");
}

static void
test_trusted_root (void)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  g_autoptr (TestWorld) world = test_world_new (&recipe);
  g_autofree char *two = g_strconcat (world->root_pem, world->root_pem, NULL);
  g_autofree char *text = g_strconcat ("root\n", world->root_pem, NULL);
  check_root (world->root_pem, TRUE);
  check_root (two, FALSE);
  check_root (text, FALSE);
  check_root ("", FALSE);
  recipe.certs[TEST_ROOT].signed_by = TEST_KEY_STRANGER;
  g_autoptr (TestWorld) other = test_world_new (&recipe);
  check_root (other->root_pem, FALSE);
}

/* Nothing that was proved once is proved for another root. */
static void
test_production_root_refuses (void)
{
  TestRecipe recipe;
  g_autoptr (GError) error = NULL;
  DcapTrust intel;

  test_recipe_init (&recipe);
  g_autoptr (TestWorld) world = test_world_new (&recipe);
  dcap_trust_init_intel (&intel);
  g_assert_true (intel.is_intel);
  g_assert_false (world->trust.is_intel);
  world->trust = intel;
  g_assert_null (test_world_verify (world, TEST_NOW, 0, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "pck-chain-root");
}

/* What is remembered is judged again: time passes, and the same chain is asked about at another time. */
static void
test_memory_forgets_no_time (void)
{
  TestRecipe recipe;
  g_autoptr (GError) error = NULL;

  test_recipe_init (&recipe);
  g_autoptr (TestWorld) world = test_world_new (&recipe);
  g_autoptr (DcapMemory) memory = dcap_memory_new (&world->trust);
  const DcapRules now = { .now = TEST_NOW };
  const DcapRules later = { .now = TEST_NOW + 21 * TEST_DAY };
  const DcapRules never = { .now = TEST_NOW + 4000 * TEST_DAY };
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (TeesqlClaims) claims = dcap_verify (world->quote, world->collateral, memory, &now, &error);
      g_assert_no_error (error);
    }
  g_assert_null (dcap_verify (world->quote, world->collateral, memory, &later, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "root-crl-expired");
  g_clear_error (&error);
  g_assert_null (dcap_verify (world->quote, world->collateral, memory, &never, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "pck-chain-expired");
}

int
main (int argc, char **argv)
{
  int status = 0;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/accepted/claims of an ordinary quote", test_claims);
  g_test_add_func ("/accepted/claims end with whatever ends first", test_valid_until);
  g_test_add_func ("/accepted/a newer item is a newer revision", test_revision);
  g_test_add_func ("/accepted/first and last second count", test_edges);
  g_test_add_func ("/accepted/future issue date within the tolerance", test_future_issue_date);
  g_test_add_func ("/accepted/processor CA without platform instance", test_processor_ca);
  g_test_add_func ("/accepted/members of tomorrow", test_unknown_members);
  g_test_add_func ("/accepted/chain without NUL, QE auth data of any size", test_no_nul);
  g_test_add_func ("/accepted/platform named, certificate from the collateral", test_chain_from_collateral);
  g_test_add_func ("/accepted/debug TD is a claim", test_debug_is_a_claim);
  g_test_add_func ("/accepted/version 5 with both bodies", test_version_5);
  g_test_add_func ("/tcb/module names and numbers", test_module_names);
  g_test_add_func ("/tcb/levels are tried from the highest", test_levels);
  g_test_add_func ("/tcb/advisories are joined in order, each once", test_advisories);
  g_test_add_func ("/tcb/convergence", test_converge);
  g_test_add_func ("/tcb/relaunch is advised", test_relaunch);
  g_test_add_func ("/tcb/relaunch does not apply", test_relaunch_does_not_apply);
  g_test_add_func ("/order/CRL of a namesake", test_crl_of_namesake);
  g_test_add_func ("/order/chain missing", test_chain_missing);
  g_test_add_func ("/order/signer of the QE identity revoked", test_qe_signer_revoked);
  g_test_add_func ("/order/nothing goes back", test_rollback);
  g_test_add_func ("/trust/configured root", test_trusted_root);
  g_test_add_func ("/trust/production root refuses another PKI", test_production_root_refuses);
  g_test_add_func ("/trust/memory forgets no time", test_memory_forgets_no_time);
  status = g_test_run ();
  test_pki_free ();
  return status;
}
