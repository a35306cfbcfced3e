/* Lies, one at a time: each is refused, for its own reason. Without the lie the same token is taken. */
#include "../dcap/test-pki.h"
#include "ita-claims.h"
#include "test-authority.h"
#include <string.h>
#include <teesql/teesql-error.h>

static TestWorld *world;

typedef struct
{
  const char *header_from;
  const char *header_to;
  const char *claims_from;
  const char *claims_to;
  TestSign sign;
  gboolean nested;
  gint64 later; /* seconds after the token was made */
  const char *policy;
  gboolean allow_rs256;
  gboolean wrong_pin;
} Recipe;

static char *
edit (char *text, const char *from, const char *to)
{
  char *edited = NULL;

  if (from == NULL)
    return text;
  edited = test_replace (text, from, to);
  g_free (text);
  return edited;
}

static TeesqlClaims *
judge_text (const char *text, const Recipe *recipe, GError **error)
{
  static const guint8 wrong_root[32] = { 1 };
  const char *const policies[] = { recipe->policy, NULL };
  const ItaRules rules = {
    .token = { .allow_rs256 = recipe->allow_rs256, .key_set_url = TEST_KEY_URL },
    .now = TEST_NOW + recipe->later,
    .max_age = 200,
    .issuer = TEST_ISSUER,
    .pinned_root = recipe->wrong_pin ? wrong_root : NULL,
    .policy_ids = policies,
  };
  g_autofree char *set = test_authority_key_set ("key-0");
  g_autoptr (GBytes) bytes = g_bytes_new_static (set, strlen (set));
  g_autoptr (ItaKeys) keys = ita_keys_parse (bytes, error);
  g_autoptr (ItaToken) token = keys != NULL ? ita_token_parse (text, strlen (text), &rules.token, error) : NULL;
  const ItaKey *key = token != NULL ? ita_keys_find (keys, token->kid, error) : NULL;

  return key != NULL ? ita_token_check (token, key, world->quote, &rules, error) : NULL;
}

static char *
make_token (const Recipe *recipe)
{
  g_autofree char *header = edit (test_authority_header (), recipe->header_from, recipe->header_to);
  g_autofree char *claims = edit (test_authority_claims (world->quote, TEST_NOW, recipe->nested), recipe->claims_from, recipe->claims_to);

  return test_authority_sign (header, claims, recipe->sign);
}

typedef struct
{
  const char *path;
  const char *reason; /* NULL: taken */
  Recipe recipe;
} Case;

#define HEADER(from, to) .header_from = from, .header_to = to
#define CLAIMS(from, to) .claims_from = from, .claims_to = to

static const Case cases[] = {
  { "honest/version 1", NULL, { .sign = TEST_SIGN_PS384 } },
  { "honest/version 2", NULL, { .nested = TRUE } },
  { "header/RS256, and the key is for PS384", "token-alg", { HEADER ("PS384", "RS256"), .sign = TEST_SIGN_RS256, .allow_rs256 = TRUE } },
  { "honest/the jku that is configured", NULL, { HEADER ("\"typ\"", "\"jku\":\"" TEST_KEY_URL "\",\"typ\"") } },
  { "honest/an old word for up to date", NULL, { CLAIMS ("\"UpToDate\"", "\"OK\"") } },
  { "honest/policy matched",
    NULL,
    { CLAIMS ("\"policy_ids_matched\":null",
              "\"policy_ids_matched\":[{\"id\":\"6A3F0D1E-0000-4000-8000-000000000001\",\"version\":\"v1\"}]"),
      .policy = "6a3f0d1e-0000-4000-8000-000000000001" } },
  { "header/alg none", "token-alg-none", { HEADER ("PS384", "none") } },
  { "header/alg None", "token-alg-none", { HEADER ("PS384", "nOnE") } },
  { "header/HS256 with the public key", "token-alg-hmac", { HEADER ("PS384", "HS256"), .sign = TEST_SIGN_HS256 } },
  { "header/HS384", "token-alg-hmac", { HEADER ("PS384", "HS384") } },
  { "header/RS256 unasked", "token-alg", { HEADER ("PS384", "RS256"), .sign = TEST_SIGN_RS256 } },
  { "header/ES256", "token-alg", { HEADER ("PS384", "ES256") } },
  { "header/alg is a number", "token-header", { HEADER ("\"PS384\"", "384") } },
  { "header/no alg", "token-header", { HEADER ("\"alg\":\"PS384\",", "") } },
  { "header/alg twice", "token-duplicate-name", { HEADER ("\"kid\"", "\"alg\":\"PS384\",\"kid\"") } },
  { "header/crit", "token-crit", { HEADER ("\"typ\"", "\"crit\":[\"exp\"],\"typ\"") } },
  { "header/jwk", "token-jwk", { HEADER ("\"typ\"", "\"jwk\":{\"kty\":\"RSA\"},\"typ\"") } },
  { "header/x5u", "token-x5u", { HEADER ("\"typ\"", "\"x5u\":\"https://evil.example/x\",\"typ\"") } },
  { "header/foreign jku", "token-jku", { HEADER ("\"typ\"", "\"jku\":\"https://evil.example/certs\",\"typ\"") } },
  { "header/jku on the same host", "token-jku", { HEADER ("\"typ\"", "\"jku\":\"" TEST_KEY_URL "/\",\"typ\"") } },
  { "header/foreign x5c", "token-x5c", { HEADER ("\"typ\"", "\"x5c\":[\"AAAA\"],\"typ\"") } },
  { "header/x5c is text", "token-x5c", { HEADER ("\"typ\"", "\"x5c\":\"AAAA\",\"typ\"") } },
  { "header/no kid", "token-kid", { HEADER ("\"kid\":\"key-0\",", "") } },
  { "header/unknown kid", "token-kid-unknown", { HEADER ("key-0", "key-1") } },
  { "header/alg that moves a cursor", "token-header", { HEADER ("PS384", "\\u001b[2J") } },
  { "header/alg that is cut within a character", "token-header", { HEADER ("PS384", "ES25666\xc3\xa9") } },
  { "header/kid that breaks a line", "token-kid", { HEADER ("key-0", "key-0\\nhint: curl evil.example") } },
  { "header/kid with a blank", "token-kid", { HEADER ("key-0", "key 0") } },
  { "header/kid of look-alikes", "token-kid", { HEADER ("key-0", "k\xd0\xb5y-0") } },
  { "header/kid with a NUL behind it", "token-kid", { HEADER ("key-0", "key-0\\u0000") } },
  { "header/kid of another case", "token-kid-unknown", { HEADER ("key-0", "KEY-0") } },
  { "header/alg in another case", "token-alg", { HEADER ("PS384", "ps384") } },
  { "header/alg twice, once escaped", "token-json", { HEADER ("\"kid\"", "\"\\u0061lg\":\"none\",\"kid\"") } },
  { "header/another typ", "token-header", { HEADER ("JWT", "JWE") } },
  { "signature/a stranger's", "token-signature", { .sign = TEST_SIGN_STRANGER } },
  { "signature/RS256 under a PS384 header", "token-signature", { .sign = TEST_SIGN_RS256 } },
  { "key/another root than the pinned one", "key-root", { .wrong_pin = TRUE } },
  { "key/chain is over", "key-dates", { .later = 200000000 } },
  { "time/expired", "token-expired", { .later = 300 } },
  { "time/too old", "token-too-old", { .later = 201 } },
  { "time/not yet valid", "token-not-yet-valid", { CLAIMS ("\"nbf\":1780000000", "\"nbf\":1780000061") } },
  { "time/issued in the future", "token-issued-in-future", { .later = -61, CLAIMS ("\"nbf\":1780000000", "\"nbf\":1770000000") } },
  { "time/ends before it begins", "token-times", { CLAIMS ("\"exp\":1780000300", "\"exp\":1780000000") } },
  { "time/lives for years", "token-times", { CLAIMS ("\"exp\":1780000300", "\"exp\":1880000300") } },
  { "time/no exp", "token-claim-absent", { CLAIMS (",\"exp\":1780000300", "") } },
  { "time/exp is text", "token-claim-type", { CLAIMS ("\"exp\":1780000300", "\"exp\":\"1780000300\"") } },
  { "time/exp has a fraction", "token-claim-type", { CLAIMS ("\"exp\":1780000300", "\"exp\":1780000300.5") } },
  { "time/iat is negative", "token-claim-type", { CLAIMS ("\"iat\":1780000000", "\"iat\":-780000000") } },
  { "claims/wrong issuer", "token-iss", { CLAIMS (TEST_ISSUER, "https://evil.example") } },
  { "claims/no issuer", "token-claim-absent", { CLAIMS ("\"iss\":\"" TEST_ISSUER "\",", "") } },
  { "claims/duplicate", "token-duplicate-name", { CLAIMS ("\"iat\"", "\"iss\":\"" TEST_ISSUER "\",\"iat\"") } },
  { "claims/duplicate below", "token-duplicate-name", { CLAIMS ("\"tdx_rtmr0\"", "\"tdx_mrtd\":\"\",\"tdx_rtmr0\""), .nested = TRUE } },
  { "claims/duplicate, escaped", "token-json", { CLAIMS ("\"iat\"", "\"\\u0069ss\":\"https://evil.example\",\"iat\"") } },
  { "claims/issuer with a NUL behind it", "token-claim-type", { CLAIMS (TEST_ISSUER, TEST_ISSUER "\\u0000.evil.example") } },
  { "claims/issuer of look-alikes", "token-iss", { CLAIMS (TEST_ISSUER, "https://port\xd0\xb0l.example") } },
  { "claims/not UTF-8", "token-json", { CLAIMS (TEST_ISSUER, TEST_ISSUER "\xff") } },
  { "claims/a second object behind", "token-json", { CLAIMS ("{\"ver\"", "{} {\"ver\"") } },
  { "claims/version with a line break", "token-ver", { CLAIMS ("1.0.0", "3\\n") } },
  { "claims/version 3", "token-ver", { CLAIMS ("1.0.0", "3.0.0") } },
  { "claims/version 2 without its object", "token-claim-absent", { CLAIMS ("1.0.0", "2.0.0") } },
  { "claims/version 1 with an object tdx", "token-layout", { CLAIMS ("\"iat\"", "\"tdx\":{},\"iat\"") } },
  { "claims/on two levels", "token-layout", { CLAIMS ("\"iat\"", "\"tdx_mrtd\":\"00\",\"iat\""), .nested = TRUE } },
  { "claims/a nonce we did not send", "token-nonce", { CLAIMS ("\"iat\"", "\"verifier_nonce\":{\"val\":\"AA\"},\"iat\"") } },
  { "claims/a nonce below", "token-nonce", { CLAIMS ("\"tdx_mrtd\"", "\"verifier_nonce\":{},\"tdx_mrtd\""), .nested = TRUE } },
  { "claims/user data we did not send", "token-held-data", { CLAIMS ("\"iat\"", "\"attester_held_data\":\"AA==\",\"iat\"") } },
  { "claims/another kind of machine", "token-attester-type", { CLAIMS ("\"TDX\"", "\"SGX\"") } },
  { "claims/a policy that did not match",
    "token-policy",
    { CLAIMS ("\"policy_ids_matched\":null", "\"policy_ids_matched\":[]"), .policy = "6a3f0d1e-0000-4000-8000-000000000001" } },
  { "claims/no word about policies", "token-claim-type", { .policy = "6a3f0d1e-0000-4000-8000-000000000001" } },
  { "quote/no debug claim", "token-debug-absent", { CLAIMS (",\"tdx_is_debuggable\":false", "") } },
  { "quote/no debug claim in version 2", "token-debug-absent", { CLAIMS (",\"tdx_is_debuggable\":false", ""), .nested = TRUE } },
  { "quote/debug", "token-debug", { CLAIMS ("\"tdx_is_debuggable\":false", "\"tdx_is_debuggable\":true") } },
  { "quote/debug is null", "token-claim-type", { CLAIMS ("\"tdx_is_debuggable\":false", "\"tdx_is_debuggable\":null") } },
  { "quote/debug is text", "token-claim-type", { CLAIMS ("\"tdx_is_debuggable\":false", "\"tdx_is_debuggable\":\"false\"") } },
  { "quote/debug attribute", "token-debug", { CLAIMS ("\"tdx_td_attributes_debug\":false", "\"tdx_td_attributes_debug\":true") } },
  { "quote/dbgstat", "token-debug", { CLAIMS ("\"disabled\"", "\"enabled\"") } },
  { "quote/attributes of another",
    "token-attributes",
    { CLAIMS ("\"tdx_td_attributes_septve_disable\":true", "\"tdx_td_attributes_septve_disable\":false") } },
  { "quote/migratable", "token-attributes", { CLAIMS ("\"tdx_is_migratable\":false", "\"tdx_is_migratable\":true"), .nested = TRUE } },
  { "quote/SEAM SVN of another", "token-svn", { CLAIMS ("\"tdx_seamsvn\":", "\"tdx_seamsvn\":1") } },
  { "quote/no SEAM SVN", "token-claim-absent", { CLAIMS ("\"tdx_seamsvn\"", "\"tdx_other\"") } },
  { "quote/protection keys",
    "token-attributes",
    { CLAIMS ("\"tdx_seamsvn\"", "\"tdx_td_attributes_protection_keys\":true,\"tdx_seamsvn\"") } },
  { "quote/key locker", "token-attributes", { CLAIMS ("\"tdx_seamsvn\"", "\"tdx_td_attributes_key_locker\":true,\"tdx_seamsvn\"") } },
  { "quote/perfmon", "token-attributes", { CLAIMS ("\"tdx_seamsvn\"", "\"tdx_td_attributes_perfmon\":true,\"tdx_seamsvn\"") } },
  { "quote/dbgstat below", "token-debug", { CLAIMS ("\"disabled\"", "\"enabled\""), .nested = TRUE } },
  { "quote/dbgstat above", "token-layout", { CLAIMS ("\"iat\"", "\"dbgstat\":\"enabled\",\"iat\""), .nested = TRUE } },
  { "claims/user data below",
    "token-held-data",
    { CLAIMS ("\"tdx_mrtd\"", "\"attester_held_data\":\"AA==\",\"tdx_mrtd\""), .nested = TRUE } },
  { "key/chain has not begun", "key-dates", { .later = -200000000 } },
  { "status/unknown", "token-tcb-status", { CLAIMS ("\"UpToDate\"", "\"Splendid\"") } },
  { "status/revoked", "token-tcb-status", { CLAIMS ("\"UpToDate\"", "\"Revoked\"") } },
  { "status/absent", "token-claim-absent", { CLAIMS ("\"attester_tcb_status\"", "\"other\"") } },
  { "status/advisories are text", "token-claim-type", { CLAIMS ("[\"INTEL-SA-00837\"]", "\"INTEL-SA-00837\"") } },
  { "status/an advisory with a line break", "token-advisories", { CLAIMS ("INTEL-SA-00837", "INTEL\\nSA") } },
};

static void
check (const Recipe *recipe, const char *reason)
{
  g_autofree char *text = make_token (recipe);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = judge_text (text, recipe, &error);

  if (error != NULL)
    g_test_message ("%s", error->message);
  g_assert_cmpstr (error != NULL ? teesql_error_get_reason (error) : NULL, ==, reason);
  g_assert_true ((claims != NULL) == (reason == NULL));
  if (error != NULL)
    g_assert_true (error->domain == TEESQL_VERIFIER_ERROR &&
                   (error->code == TEESQL_ERROR_REFUSED || error->code == TEESQL_ERROR_MALFORMED));
}

static void
test_case (gconstpointer data)
{
  const Case *self = data;

  check (&self->recipe, self->reason);
}

/* Every byte string of the quote that the token repeats: one digit off is refused, absent is refused, short is refused. */
static void
test_every_field (void)
{
  static const struct
  {
    const char *name;
    const char *reason;
  } fields[] = {
    { "tdx_mrtd", "token-measurement" },         { "tdx_rtmr0", "token-measurement" },
    { "tdx_rtmr1", "token-measurement" },        { "tdx_rtmr2", "token-measurement" },
    { "tdx_rtmr3", "token-measurement" },        { "tdx_mrseam", "token-measurement" },
    { "tdx_mrsignerseam", "token-measurement" }, { "tdx_mrconfigid", "token-measurement" },
    { "tdx_mrowner", "token-measurement" },      { "tdx_mrownerconfig", "token-measurement" },
    { "tdx_report_data", "token-report-data" },  { "tdx_td_attributes", "token-attributes" },
    { "tdx_xfam", "token-attributes" },          { "tdx_seam_attributes", "token-attributes" },
    { "tdx_tee_tcb_svn", "token-svn" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    for (guint nested = 0; nested < 2; nested++)
      {
        g_autofree char *claims = test_authority_claims (world->quote, TEST_NOW, nested == 1);
        g_autofree char *name = g_strdup_printf ("\"%s\":\"", fields[i].name);
        g_autofree char *other = g_strdup_printf ("\"other\":\"");
        const char *value = strstr (claims, name) + strlen (name);
        g_autofree char *from = g_strdup_printf ("%s%c", name, value[0]);
        g_autofree char *flipped = g_strdup_printf ("%s%c", name, value[0] == '7' ? '8' : '7');

        check (&(Recipe){ CLAIMS (from, flipped), .nested = nested == 1 }, fields[i].reason);
        check (&(Recipe){ CLAIMS (name, other), .nested = nested == 1 }, "token-claim-absent");
        check (&(Recipe){ CLAIMS (from, name), .nested = nested == 1 }, "token-claim-type");
      }
}

/* A claim on both levels that differs is two claims; the same one twice is one. */
static void
test_both_levels (void)
{
  static const char *const names[] = {
    "attester_type",
    "attester_tcb_status",
    "attester_tcb_date",
    "attester_advisory_ids",
    "dbgstat",
    "tdx_mrtd",
    "tdx_rtmr0",
    "tdx_rtmr1",
    "tdx_rtmr2",
    "tdx_rtmr3",
    "tdx_report_data",
    "tdx_mrseam",
    "tdx_mrsignerseam",
    "tdx_mrconfigid",
    "tdx_mrowner",
    "tdx_mrownerconfig",
    "tdx_td_attributes",
    "tdx_xfam",
    "tdx_seam_attributes",
    "tdx_tee_tcb_svn",
    "tdx_seamsvn",
    "tdx_is_debuggable",
    "tdx_is_migratable",
    "tdx_td_attributes_debug",
    "tdx_collateral",
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *to = g_strdup_printf ("\"%s\":\"another\",\"iat\"", names[i]);

      check (&(Recipe){ CLAIMS ("\"iat\"", to), .nested = TRUE }, "token-layout");
    }
  check (&(Recipe){ CLAIMS ("\"iat\"", "\"dbgstat\":\"disabled\",\"iat\""), .nested = TRUE }, NULL);
}

/* What is large is refused before anything is made of it. */
static void
test_amounts (void)
{
  g_autofree char *long_name = g_strnfill (20000, 'x');
  g_autofree char *header = g_strdup_printf ("\"y\":\"%s\",\"typ\"", long_name);
  g_autofree char *kid = g_strnfill (257, 'k');
  g_autoptr (GString) advisories = g_string_new (NULL);

  for (guint i = 0; i < 129; i++)
    g_string_append_printf (advisories, "%s\"INTEL-SA-%05u\"", i > 0 ? "," : "", i);
  check (&(Recipe){ HEADER ("\"typ\"", header) }, "token-header");
  check (&(Recipe){ HEADER ("key-0", kid) }, "token-kid");
  check (&(Recipe){ CLAIMS ("\"INTEL-SA-00837\"", advisories->str) }, "token-advisories");
}

static void
test_long_signature (void)
{
  const Recipe recipe = { 0 };
  g_autofree char *token = make_token (&recipe);
  g_autofree char *more = g_strnfill (684, 'A');
  g_autofree char *grown = g_strconcat (token, more, NULL);
  const ItaTokenRules rules = { .key_set_url = TEST_KEY_URL };
  g_autoptr (GError) error = NULL;

  grown[strlen (token) - 1] = 'A';
  g_assert_null (ita_token_parse (grown, strlen (grown), &rules, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "token-form");
}

static void
test_learnt (void)
{
  const Recipe flat = { 0 };
  const Recipe nested = { .nested = TRUE };
  g_autofree char *first = make_token (&flat);
  g_autofree char *second = make_token (&nested);
  g_autoptr (TeesqlClaims) little = judge_text (first, &flat, NULL);
  g_autoptr (TeesqlClaims) more = judge_text (second, &nested, NULL);
  gint64 number = 0;
  gsize size = 0;

  g_assert_null (teesql_claims_get_field (little, TEESQL_FIELD_FMSPC, &size));
  g_assert_null (teesql_claims_get_field (more, TEESQL_FIELD_PPID, &size));
  g_assert_false (teesql_claims_get_number (little, TEESQL_NUMBER_TCB_EVALUATION, &number));
  g_assert_nonnull (teesql_claims_get_field (more, TEESQL_FIELD_FMSPC, &size));
  g_assert_true (teesql_claims_get_number (more, TEESQL_NUMBER_TCB_EVALUATION, &number));
  g_assert_cmpint (number, ==, 18);
  g_assert_true (teesql_claims_get_number (more, TEESQL_NUMBER_VALID_UNTIL, &number));
  g_assert_cmpint (number, ==, TEST_NOW + 300);
  g_assert_true (teesql_claims_get_number (more, TEESQL_NUMBER_ISSUED_AT, &number));
  g_assert_cmpint (number, ==, TEST_NOW);
  g_assert_cmpint (teesql_claims_get_tcb_status (more), ==, TEESQL_TCB_STATUS_UP_TO_DATE);
  g_assert_cmpstr (teesql_claims_get_advisory_ids (more)[0], ==, "INTEL-SA-00837");
}

/* What the signing key's certificates no longer vouch for is worth nothing, however long the token says it lives. */
static void
test_end_of_chain (void)
{
  const gint64 end = 1900000000;
  const Recipe recipe = { .nested = TRUE, .later = end - 100 - TEST_NOW };
  g_autofree char *header = test_authority_header ();
  g_autofree char *text = test_authority_claims (world->quote, end - 100, TRUE);
  g_autofree char *token = test_authority_sign (header, text, TEST_SIGN_PS384);
  g_autoptr (TeesqlClaims) claims = judge_text (token, &recipe, NULL);
  gint64 until = 0;

  g_assert_nonnull (claims);
  g_assert_true (teesql_claims_get_number (claims, TEESQL_NUMBER_VALID_UNTIL, &until));
  g_assert_cmpint (until, ==, end);
}

static void
form_is (const char *text, const char *reason)
{
  g_autoptr (GError) error = NULL;
  const Recipe recipe = { 0 };

  g_assert_null (judge_text (text, &recipe, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_forms (void)
{
  const Recipe recipe = { 0 };
  g_autofree char *token = make_token (&recipe);
  g_autofree char *megabyte = g_strnfill (1 << 20, 'A');
  g_autofree char *four = g_strconcat (token, ".AAAA", NULL);
  g_autofree char *two = g_strndup (token, (gsize) (strrchr (token, '.') - token));
  g_autofree char *no_signature = g_strconcat (two, ".", NULL);
  g_autofree char *padded = g_strconcat (token, "==", NULL);
  g_autofree char *cut = g_strndup (token, strlen (token) - 1);
  g_autofree char *slash = g_strdup (token);
  const char *garbage = "AAAA.AAAA.AAAA";

  slash[strlen (slash) - 5] = '/';
  form_is (megabyte, "token-size");
  form_is ("", "token-form");
  form_is (four, "token-form");
  form_is (two, "token-form");
  form_is (no_signature, "token-form");
  form_is (padded, "token-base64url");
  form_is (slash, "token-base64url");
  form_is (garbage, "token-json");
  form_is (cut, "token-base64url"); /* 2048 bits end in two bytes of three characters: one less stands for no bytes or leaves bits */
}

static void
test_base64url_strict (void)
{
  static const char *const bad[] = { "A", "AB", "AAB", "AAAA=", "AA==", "AA+A", "AA/A", "A A=", "AAAAA" };
  g_autoptr (GBytes) one = ita_base64url_decode ("_w", 2, NULL);
  g_autoptr (GBytes) none = ita_base64url_decode ("", 0, NULL);

  g_assert_cmpuint (g_bytes_get_size (one), ==, 1);
  g_assert_cmpuint (((const guint8 *) g_bytes_get_data (one, NULL))[0], ==, 0xff);
  g_assert_cmpuint (g_bytes_get_size (none), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (ita_base64url_decode (bad[i], strlen (bad[i]), &error));
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "token-base64url");
    }
}

static void
keys_are (const char *set, const char *reason)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (set, strlen (set));
  g_autoptr (GError) error = NULL;
  g_autoptr (ItaKeys) keys = ita_keys_parse (bytes, &error);

  g_assert_cmpstr (error != NULL ? teesql_error_get_reason (error) : NULL, ==, reason);
}

static void
test_keys (void)
{
  static const struct
  {
    const char *exponent;
    const char *chain;
    const char *reason;
  } rows[] = {
    { NULL, "lcr", NULL },
    { "Aw", "lcr", "key-exponent" },
    { "AQAC", "lcr", "key-exponent" },
    { NULL, "", "key-chain" },
    { NULL, "l", "key-chain" },
    { NULL, "lc", "key-chain" },
    { "AQ", "lcr", "key-exponent" },
    { "AAEAAQ", "lcr", "key-exponent" },
    { "", "lcr", "key-exponent" },
    { NULL, "lrr", "key-chain" },
    { NULL, "lcrlcrlcrlcr", "key-chain" },
    { NULL, "lr", "key-chain" },
    { NULL, "clr", "key-chain" },
    { NULL, "lrc", "key-chain" },
  };
  g_autofree char *set = test_authority_key_set ("key-0");
  g_autofree char *twice = test_replace (set, "\"kty\"", "\"kid\":\"x\",\"kty\"");
  g_autofree char *short_key = test_replace (set, "\"n\":\"", "\"n\":\"AAAA\",\"m\":\"");
  g_autofree char *foreign = test_replace (set, "\"RSA\"", "\"EC\"");
  g_autofree char *no_kid = test_replace (set, "\"kid\":\"key-0\",", "");
  g_autofree char *blank_kid = test_replace (set, "key-0", "key\\n0");
  g_autofree char *blank_alg = test_replace (set, "PS384", "PS\\u0007");
  g_autofree char *many = g_strnfill (1100, 'A');
  g_autofree char *huge = g_strdup_printf ("\"n\":\"%s\",\"m\":\"", many);
  g_autofree char *huge_key = test_replace (set, "\"n\":\"", huge);
  g_autofree char *seven_hundred = g_strnfill (700, 'f');
  g_autofree char *larger = g_strdup_printf ("\"n\":\"%s\",\"m\":\"", seven_hundred);
  g_autofree char *large_key = test_replace (set, "\"n\":\"", larger);
  g_autofree char *empty_kid = test_replace (set, "key-0", "");
  g_autoptr (GString) crowd = g_string_new ("{\"keys\":[{\"kty\":\"EC\"}");
  g_autofree char *large = g_strnfill (300000, ' ');

  for (guint i = 0; i < 32; i++)
    g_string_append (crowd, ",{\"kty\":\"EC\"}");
  g_string_append (crowd, "]}");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *one = test_authority_key ("key-0", rows[i].exponent, rows[i].chain);
      g_autofree char *text = g_strdup_printf ("{\"keys\":[%s]}", one);

      keys_are (text, rows[i].reason);
    }
  keys_are (twice, "keys-duplicate-name");
  keys_are (short_key, "key-size");
  keys_are (foreign, NULL);
  keys_are (no_kid, "key-form");
  keys_are (blank_kid, "key-form");
  keys_are (blank_alg, "key-form");
  keys_are (huge_key, "key-form");
  keys_are (large_key, "key-size");
  keys_are (empty_kid, "key-form");
  keys_are (crowd->str, "keys-form");
  keys_are (large, "keys-size");
  keys_are ("<html>", "keys-json");
  keys_are ("{\"keys\":{}}", "keys-form");
}

/* An authority in the middle whose key would take minutes to use: it is not used. */
static void
test_costly_chain (void)
{
  static const struct
  {
    gsize modulus;
    gsize exponent;
  } costs[] = { { 2048, 3 }, { 256, 255 } };

  for (guint i = 0; i < G_N_ELEMENTS (costs); i++)
    {
      g_autofree char *set = test_authority_costly_key_set ("key-0", costs[i].modulus, costs[i].exponent);
      g_autoptr (GBytes) bytes = g_bytes_new_static (set, strlen (set));
      g_autoptr (GError) error = NULL;

      g_assert_null (ita_keys_parse (bytes, &error));
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "key-chain");
      g_assert_nonnull (strstr (error->message, "has a key of "));
    }
}

static void
test_shared_kid (void)
{
  g_autofree char *one = test_authority_key ("key-0", NULL, "lcr");
  g_autofree char *set = g_strdup_printf ("{\"keys\":[%s,%s]}", one, one);
  g_autoptr (GBytes) bytes = g_bytes_new_static (set, strlen (set));
  g_autoptr (GError) error = NULL;
  g_autoptr (ItaKeys) keys = ita_keys_parse (bytes, &error);

  g_assert_no_error (error);
  g_assert_null (ita_keys_find (keys, "key-0", &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "token-kid-ambiguous");
}

int
main (int argc, char **argv)
{
  TestRecipe recipe;
  int code = 0;

  g_test_init (&argc, &argv, NULL);
  test_recipe_init (&recipe);
  world = test_world_new (&recipe);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/ita/token/", cases[i].path, NULL);

      g_test_add_data_func (path, &cases[i], test_case);
    }
  g_test_add_func ("/ita/token/SR-10/every field must be that of the quote", test_every_field);
  g_test_add_func ("/ita/token/on both levels", test_both_levels);
  g_test_add_func ("/ita/token/amounts", test_amounts);
  g_test_add_func ("/ita/token/a signature that is too long", test_long_signature);
  g_test_add_func ("/ita/token/what is not learnt is absent", test_learnt);
  g_test_add_func ("/ita/token/ends with its key's chain", test_end_of_chain);
  g_test_add_func ("/ita/token/forms", test_forms);
  g_test_add_func ("/ita/base64url/is strict", test_base64url_strict);
  g_test_add_func ("/ita/keys/each rule", test_keys);
  g_test_add_func ("/ita/keys/two of one name", test_shared_kid);
  g_test_add_func ("/ita/keys/a chain that costs too much", test_costly_chain);
  code = g_test_run ();
  test_world_free (world);
  test_pki_free ();
  test_authority_free ();
  return code;
}
