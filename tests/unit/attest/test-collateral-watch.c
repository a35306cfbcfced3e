/* What counts as news about a platform, for which everybody who is in is judged again (SR-4), and what must not. */
#include "attest/teesql-collateral-watch.h"
#include <teesql/teesql-error.h>

#define ABSENT (-1)

/* What a verifier said. @revision is absent where it has no collateral of its own: a token is new each time. */
typedef struct
{
  guint platform;
  gint64 issued_at;
  gint64 evaluation;
  gint64 revision;
  gboolean unknown_platform;
} Told;

static void
set_fields (TeesqlClaimsBuilder *builder, const Told *told)
{
  static const gsize sizes[] = { [TEESQL_FIELD_REPORT_DATA] = 64,
                                 [TEESQL_FIELD_TD_ATTRIBUTES] = 8,
                                 [TEESQL_FIELD_XFAM] = 8,
                                 [TEESQL_FIELD_SEAM_ATTRIBUTES] = 8,
                                 [TEESQL_FIELD_TEE_TCB_SVN] = 16 };
  static const guint8 zeros[64] = { 0 };
  static const guint8 anchor[32] = { 7 };
  const guint8 fmspc[6] = { 0, 0, (guint8) (told->platform >> 16), (guint8) (told->platform >> 8), (guint8) told->platform, 1 };

  for (guint field = TEESQL_FIELD_MRTD; field <= TEESQL_FIELD_TEE_TCB_SVN; field += field == TEESQL_FIELD_MROWNERCONFIG ? 2 : 1)
    teesql_claims_builder_set_field (builder, (TeesqlField) field, zeros,
                                     field < G_N_ELEMENTS (sizes) && sizes[field] > 0 ? sizes[field] : 48);
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_TRUST_ANCHOR, anchor, sizeof anchor);
  if (!told->unknown_platform)
    teesql_claims_builder_set_field (builder, TEESQL_FIELD_FMSPC, fmspc, sizeof fmspc);
}

static gboolean
note (TeesqlCollateralWatch *watch, Told told)
{
  g_autoptr (TeesqlClaimsBuilder) builder = teesql_claims_builder_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = NULL;

  set_fields (builder, &told);
  teesql_claims_builder_set_tcb_status (builder, TEESQL_TCB_STATUS_UP_TO_DATE);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_ISSUED_AT, told.issued_at);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_VALID_UNTIL, told.issued_at + 300);
  if (told.evaluation != ABSENT)
    teesql_claims_builder_set_number (builder, TEESQL_NUMBER_TCB_EVALUATION, told.evaluation);
  if (told.revision != ABSENT)
    teesql_claims_builder_set_number (builder, TEESQL_NUMBER_REVISION, told.revision);
  claims = teesql_claims_builder_end (builder, &error);
  g_assert_no_error (error);
  return teesql_collateral_watch_note (watch, claims);
}

static void
test_news (void)
{
  TeesqlCollateralWatch *watch = teesql_collateral_watch_new ();

  g_assert_false (note (watch, (Told){ 1, 1000, 17, 1 }));
  g_assert_false (note (watch, (Told){ 1, 1000, 17, 1 }));
  g_assert_true (note (watch, (Told){ 1, 1001, 17, 1 }));
  g_assert_true (note (watch, (Told){ 1, 1001, 18, 1 }));
  g_assert_true (note (watch, (Told){ 1, 1001, 18, 2 }));
  g_assert_false (note (watch, (Told){ 1, 1001, 18, 2 }));
  g_assert_false (note (watch, (Told){ 2, 5000, 99, 9 })); /* another platform's first */
  teesql_collateral_watch_free (watch);
}

static void
test_older (void)
{
  TeesqlCollateralWatch *watch = teesql_collateral_watch_new ();

  g_assert_false (note (watch, (Told){ 1, 1000, 17, 5 }));
  g_assert_false (note (watch, (Told){ 1, 999, 16, 4 }));
  g_assert_false (note (watch, (Told){ 1, 1000, 17, 5 })); /* the highest is remembered, not the last */
  teesql_collateral_watch_free (watch);
}

/* Every token is younger than the one before. Were that news, each peer would have all sessions judged again, each of which asks for a
 * token, without end. */
static void
test_tokens (void)
{
  TeesqlCollateralWatch *watch = teesql_collateral_watch_new ();

  for (gint64 i = 0; i < 5; i++)
    g_assert_false (note (watch, (Told){ 1, 1000 + i * 300, ABSENT, ABSENT, TRUE }));
  for (gint64 i = 0; i < 5; i++)
    g_assert_false (note (watch, (Told){ 1, 1000 + i * 300, 17, ABSENT }));
  g_assert_true (note (watch, (Told){ 1, 9000, 18, ABSENT })); /* what it says about the platform is news */
  teesql_collateral_watch_free (watch);
}

/* Both verifiers tell of one platform, in turn, for ever: after the first round nothing is news. */
static void
test_both (void)
{
  TeesqlCollateralWatch *watch = teesql_collateral_watch_new ();

  g_assert_false (note (watch, (Told){ 1, 1000, 17, 3 }));
  for (gint64 i = 0; i < 5; i++)
    {
      g_assert_false (note (watch, (Told){ 1, 2000 + i * 300, 17, ABSENT }));
      g_assert_false (note (watch, (Told){ 1, 1000, 17, 3 }));
    }
  g_assert_true (note (watch, (Told){ 1, 1500, 17, 4 }));
  teesql_collateral_watch_free (watch);
}

static void
test_full (void)
{
  TeesqlCollateralWatch *watch = teesql_collateral_watch_new ();
  guint n_news = 0;

  for (guint i = 0; i < 5000; i++)
    n_news += note (watch, (Told){ i, 1000, 17, 1 });
  g_assert_cmpuint (n_news, ==, 1);
  teesql_collateral_watch_free (watch);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/attest/collateral-watch/what is newer is news, once", test_news);
  g_test_add_func ("/attest/collateral-watch/what is older is none", test_older);
  g_test_add_func ("/attest/collateral-watch/a new token is none", test_tokens);
  g_test_add_func ("/attest/collateral-watch/two verifiers in turn are none", test_both);
  g_test_add_func ("/attest/collateral-watch/too many platforms are news once", test_full);
  return g_test_run ();
}
