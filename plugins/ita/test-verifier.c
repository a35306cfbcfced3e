/* The plugin against an authority that misbehaves in what it does rather than in what it says. */
#include "../cloud/test-store.h"
#include "../dcap/test-pki.h"
#include "ita-verifier.h"
#include "test-authority.h"
#include <glib/gstdio.h>
#include <string.h>
#include <teesql/teesql-error.h>
#include <teesql/teesql-secret.h>
#include <unistd.h>

#define API_KEY "key-of-the-test"

/* What the authority does. */
typedef struct
{
  TestWorld *world;
  const char *issuer;
  const char *attest; /* (nullable): a raw answer instead of a token */
  const char *keys;   /* (nullable): likewise */
  const char *set_kid;
  const char *token_kid;
  guint n_attest;
  guint n_keys;
  gboolean key_was_right;
  gboolean body_was_right;
  char *sent; /* the last question */
} Authority;

static char *
answer_attest (Authority *self, const TestRequest *request)
{
  g_autofree char *key = test_request_header (request, "x-api-key");
  g_autofree char *id = test_request_header (request, "request-id");
  g_autofree char *plain = test_authority_header ();
  g_autofree char *header = test_replace (plain, "key-0", self->token_kid);
  g_autofree char *honest = test_authority_claims (self->world->quote, TEST_NOW, TRUE);
  g_autofree char *claims = test_replace (honest, TEST_ISSUER, self->issuer);
  g_autofree char *token = test_authority_sign (header, claims, TEST_SIGN_PS384);
  g_autofree char *body = g_strdup_printf ("{\"token\":\"%s\"}", token);
  g_autofree char *sent = g_strndup (g_bytes_get_data (request->body, NULL), g_bytes_get_size (request->body));

  self->n_attest++;
  self->key_was_right = g_strcmp0 (key, API_KEY) == 0 && id != NULL;
  g_free (self->sent);
  self->sent = g_strdup (sent);
  self->body_was_right = strstr (sent, "\"tdx\":{\"quote\":\"") != NULL && strstr (sent, "nonce") == NULL;
  return self->attest != NULL ? g_strdup (self->attest) : test_answer (200, "", body);
}

static char *
answer (const TestRequest *request, guint number, gpointer user_data)
{
  Authority *self = user_data;
  g_autofree char *set = test_authority_key_set (self->set_kid);

  if (g_str_has_prefix (request->line, "POST /appraisal/v2/attest "))
    return answer_attest (self, request);
  self->n_keys++;
  g_assert_true (g_str_has_prefix (request->line, "GET /certs "));
  return self->keys != NULL ? g_strdup (self->keys) : test_answer (200, "", set);
}

static TeesqlSecret *
api_key (const char *text)
{
  return teesql_secret_new ((const guint8 *) text, strlen (text), NULL);
}

static GError *
start (TeesqlVerifier *verifier)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  g_async_initable_init_async (G_ASYNC_INITABLE (verifier), 0, NULL, test_keep, &result);
  if (!g_async_initable_init_finish (G_ASYNC_INITABLE (verifier), test_wait (&result), &error))
    g_assert_nonnull (error);
  return error;
}

static char *
write_root (const TestWorld *world)
{
  char *root = NULL;
  int fd = g_file_open_tmp ("ita-root-XXXXXX", &root, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (root, world->root_pem, -1, NULL));
  return root;
}

static TeesqlVerifier *
verifier_new (const Authority *authority, const char *url)
{
  g_autofree char *root = write_root (authority->world);
  g_autofree char *keys = g_strconcat (url, "/certs", NULL);
  g_autoptr (TeesqlSecret) key = api_key (API_KEY);
  TeesqlVerifier *verifier =
      g_object_new (ITA_TYPE_VERIFIER, "trusted-root", root, "base-url", url, "jwks-url", keys, "api-key", key, "timeout", 2000, NULL);
  GError *error = start (verifier);

  g_assert_no_error (error);
  g_unlink (root);
  return verifier;
}

static TeesqlClaims *
verify (TeesqlVerifier *verifier, GBytes *quote, GError **error)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  teesql_evidence_builder_set_quote (builder, quote);
  evidence = teesql_evidence_builder_end (builder, NULL);
  teesql_verifier_verify_async (verifier, evidence, TEST_NOW, NULL, test_keep, &result);
  return teesql_verifier_verify_finish (verifier, test_wait (&result), error);
}

static void
expect (TeesqlVerifier *verifier, GBytes *quote, const char *reason, int code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = verify (verifier, quote, &error);

  if (error != NULL)
    g_test_message ("%s", error->message);
  g_assert_cmpstr (error != NULL ? teesql_error_get_reason (error) : NULL, ==, reason);
  g_assert_true (reason == NULL || error->code == code);
  g_assert_true (error == NULL || strstr (error->message, API_KEY) == NULL);
}

typedef struct
{
  Authority authority;
  TestStore *store;
  TeesqlVerifier *verifier;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  self->authority = (Authority){ .world = test_world_new (&recipe), .set_kid = "key-0", .token_kid = "key-0" };
  self->store = test_store_new (answer, &self->authority);
  self->authority.issuer = self->store->url;
  self->verifier = verifier_new (&self->authority, self->store->url);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_object_unref (self->verifier);
  test_store_free (self->store);
  g_free (self->authority.sent);
  test_world_free (self->authority.world);
}

static void
test_honest (Fixture *self, gconstpointer data)
{
  for (guint i = 0; i < 3; i++)
    expect (self->verifier, self->authority.world->quote, NULL, 0);
  g_assert_cmpuint (self->authority.n_attest, ==, 3);
  g_assert_cmpuint (self->authority.n_keys, ==, 1);
  g_assert_true (self->authority.key_was_right);
  g_assert_true (self->authority.body_was_right);
  g_assert_true (g_str_has_prefix (teesql_verifier_get_taint (self->verifier), "trust authority http://127.0.0.1:"));
}

/* Keys change between the fetch of the set and a token: one look more, and not another one within the minute. */
static void
test_rotation (Fixture *self, gconstpointer data)
{
  expect (self->verifier, self->authority.world->quote, NULL, 0);
  self->authority.set_kid = self->authority.token_kid = "key-1";
  expect (self->verifier, self->authority.world->quote, NULL, 0);
  g_assert_cmpuint (self->authority.n_keys, ==, 2);
  self->authority.token_kid = "key-2";
  for (guint i = 0; i < 3; i++)
    expect (self->verifier, self->authority.world->quote, "token-kid-unknown", TEESQL_ERROR_REFUSED);
  g_assert_cmpuint (self->authority.n_keys, ==, 2);
}

/* Two questions that meet the change together: both look at the new set, which is fetched once. */
static void
test_rotation_together (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (TeesqlEvidence) evidence = NULL;
  GAsyncResult *results[4] = { NULL };

  expect (self->verifier, self->authority.world->quote, NULL, 0);
  self->authority.set_kid = self->authority.token_kid = "key-1";
  teesql_evidence_builder_set_quote (builder, self->authority.world->quote);
  evidence = teesql_evidence_builder_end (builder, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    teesql_verifier_verify_async (self->verifier, evidence, TEST_NOW, NULL, test_keep, &results[i]);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlClaims) claims = teesql_verifier_verify_finish (self->verifier, test_wait (&results[i]), &error);

      g_assert_no_error (error);
      g_assert_nonnull (claims);
      g_object_unref (results[i]);
    }
  g_assert_cmpuint (self->authority.n_keys, ==, 2);
}

/* What stands behind the quote's end is signed by nobody: it is our peer's to write, and nobody's to read. */
static void
test_tail (Fixture *self, gconstpointer data)
{
  gsize size = 0;
  const guint8 *quote = g_bytes_get_data (self->authority.world->quote, &size);
  g_autoptr (GByteArray) longer = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *encoded = g_base64_encode (quote, size);
  g_autofree char *member = g_strdup_printf ("\"quote\":\"%s\"", encoded);

  g_byte_array_append (longer, quote, (guint) size);
  g_byte_array_append (longer, (const guint8 *) "behind its end", 14);
  bytes = g_byte_array_free_to_bytes (g_steal_pointer (&longer));
  expect (self->verifier, bytes, NULL, 0);
  g_assert_nonnull (strstr (self->authority.sent, member));
}

/* While the limit lasts nobody is asked. */
static void
test_rate_limit (Fixture *self, gconstpointer data)
{
  g_autofree char *raw = test_answer (429, "Retry-After: 60\r\n", "");

  self->authority.attest = raw;
  expect (self->verifier, self->authority.world->quote, "ita-throttled", TEESQL_ERROR_THROTTLED);
  self->authority.attest = NULL;
  expect (self->verifier, self->authority.world->quote, "ita-throttled", TEESQL_ERROR_THROTTLED);
  g_assert_cmpuint (self->authority.n_attest, ==, 1);
}

/* One answer of whoever sits in between must not keep us from asking for a day. */
static void
test_absurd_limit (Fixture *self, gconstpointer data)
{
  static const char *const waits[] = { "4294967295", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "-1", "soon" };

  for (guint i = 0; i < G_N_ELEMENTS (waits); i++)
    {
      g_autofree char *header = g_strdup_printf ("Retry-After: %s\r\n", waits[i]);
      g_autofree char *raw = test_answer (429, header, "");
      g_autoptr (TeesqlVerifier) verifier = verifier_new (&self->authority, self->store->url);
      g_autoptr (GError) error = NULL;

      self->authority.attest = raw;
      expect (verifier, self->authority.world->quote, "ita-throttled", TEESQL_ERROR_THROTTLED);
      self->authority.attest = NULL;
      g_assert_null (verify (verifier, self->authority.world->quote, &error));
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "ita-throttled");
      g_assert_cmpuint (teesql_error_get_retry_after_ms (error), >, 0);
      g_assert_cmpuint (teesql_error_get_retry_after_ms (error), <=, 5 * 60 * 1000);
    }
}

static void
test_stranger (Fixture *self, gconstpointer data)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  recipe.quote.signed_by = TEST_KEY_STRANGER;
  g_autoptr (TestWorld) forged = test_world_new (&recipe);
  expect (self->verifier, forged->quote, "quote-signature", TEESQL_ERROR_REFUSED);
  g_assert_cmpuint (self->authority.n_attest + self->authority.n_keys, ==, 0);
}

typedef struct
{
  const char *path;
  guint status;
  const char *headers;
  const char *body;
  const char *reason;
  TeesqlError code;
} Mishap;

static const Mishap mishaps[] = {
  { "html", 200, "Content-Type: text/html\r\n", "<html>welcome</html>", "ita-answer", TEESQL_ERROR_UNAVAILABLE },
  { "empty", 200, "", "", "ita-answer", TEESQL_ERROR_UNAVAILABLE },
  { "another member", 200, "", "{\"jwt\":\"a.b.c\"}", "ita-answer", TEESQL_ERROR_UNAVAILABLE },
  { "redirect", 302, "Location: http://127.0.0.1:1/\r\n", "", "ita-redirect", TEESQL_ERROR_UNAVAILABLE },
  { "key refused", 401, "", "{\"error\":\"no\"}", "ita-permission", TEESQL_ERROR_PERMISSION },
  { "not entitled", 403, "", "", "ita-permission", TEESQL_ERROR_PERMISSION },
  { "evidence refused", 400, "trace-id: t-1\r\n", "{\"error\":\"quote \\u0001 bad\"}", "ita-evidence-refused", TEESQL_ERROR_REFUSED },
  { "trouble", 500, "", "<html>", "ita-status", TEESQL_ERROR_UNAVAILABLE },
  { "trouble with a time", 503, "Retry-After: 1\r\n", "", "ita-status", TEESQL_ERROR_UNAVAILABLE },
};

static void
test_mishap (Fixture *self, gconstpointer data)
{
  const Mishap *mishap = data;
  g_autofree char *raw = test_answer (mishap->status, mishap->headers, mishap->body);

  self->authority.attest = raw;
  expect (self->verifier, self->authority.world->quote, mishap->reason, (int) mishap->code);
}

static void
test_sizes (Fixture *self, gconstpointer data)
{
  g_autofree char *megabyte = g_strnfill (1 << 20, 'A');
  g_autofree char *token = g_strdup_printf ("{\"token\":\"%s\"}", megabyte);
  g_autofree char *raw = test_answer (200, "", token);

  self->authority.attest = raw;
  expect (self->verifier, self->authority.world->quote, "token-size", TEESQL_ERROR_MALFORMED);
  self->authority.attest = NULL;
  self->authority.keys = raw;
  expect (self->verifier, self->authority.world->quote, "keys-size", TEESQL_ERROR_MALFORMED);
}

static void
test_silence (Fixture *self, gconstpointer data)
{
  self->authority.attest = TEST_HANG;
  expect (self->verifier, self->authority.world->quote, "ita-timeout", TEESQL_ERROR_UNAVAILABLE);
}

static void
options_are (const char *name, const char *value, const char *other, const char *other_value, const char *reason)
{
  g_autoptr (TeesqlSecret) key = api_key (API_KEY);
  g_autoptr (TeesqlVerifier) verifier = other != NULL
                                            ? g_object_new (ITA_TYPE_VERIFIER, "api-key", key, name, value, other, other_value, NULL)
                                            : g_object_new (ITA_TYPE_VERIFIER, "api-key", key, name, value, NULL);
  g_autoptr (GError) error = start (verifier);

  g_assert_cmpstr (error != NULL ? teesql_error_get_reason (error) : NULL, ==, reason);
  if (error == NULL)
    g_assert_cmpstr (teesql_verifier_get_taint (verifier), ==, NULL);
}

static void
test_options (void)
{
  options_are ("region", "eu", NULL, NULL, NULL);
  options_are ("region", "us", NULL, NULL, NULL);
  options_are ("region", "mars", NULL, NULL, "ita-region");
  options_are ("base-url", "https://a.example", NULL, NULL, "ita-url");
  options_are ("jwks-url", "https://a.example/certs", NULL, NULL, "ita-url");
  options_are ("base-url", "http://a.example", "jwks-url", "https://a.example/certs", "ita-url");
  options_are ("base-url", "https://a.example", "jwks-url", "http://a.example/certs", "ita-url");
  options_are ("base-url", "https://u@a.example", "jwks-url", "https://a.example/certs", "ita-url");
  options_are ("base-url", "https://a.example", "jwks-url", "https://a.example/keys", "ita-url");
  options_are ("base-url", "https://a.example/path", "jwks-url", "https://a.example/certs", "ita-url");
  options_are ("base-url", "https://a.example?q=1", "jwks-url", "https://a.example/certs", "ita-url");
  options_are ("base-url", "https://a.example#f", "jwks-url", "https://a.example/certs", "ita-url");
  options_are ("base-url", "http://127.0.0.1.evil.example", "jwks-url", "https://a.example/certs", "ita-url");
  options_are ("issuer", "https://a.example", NULL, NULL, "ita-url");
  options_are ("proxy", "https://a.example:3128", NULL, NULL, "ita-proxy");
  options_are ("base-url", "https://api.trustauthority.intel.com", "jwks-url", "https://portal.trustauthority.intel.com/certs", NULL);
  options_are ("proxy", "socks://x", NULL, NULL, "ita-proxy");
  options_are ("ca-file", "/nonexistent", NULL, NULL, "ita-ca-file");
  options_are ("pinned-root", "abcd", NULL, NULL, "ita-pinned-root");
  options_are ("trusted-root", "/nonexistent", NULL, NULL, "trusted-root");
}

static void
policies_are (const char *const *ids, const char *reason)
{
  g_autoptr (TeesqlSecret) key = api_key (API_KEY);
  g_autoptr (TeesqlVerifier) verifier = g_object_new (ITA_TYPE_VERIFIER, "api-key", key, "policy-ids", ids, NULL);
  g_autoptr (GError) error = start (verifier);

  g_assert_cmpstr (error != NULL ? teesql_error_get_reason (error) : NULL, ==, reason);
}

static void
test_policy_ids (void)
{
  const char *one = "6a3f0d1e-0000-4000-8000-000000000001";
  const char *const many[] = { one, one, one, one, one, one, one, one, one, one, one, NULL };
  const char *const word[] = { "everything", NULL };

  policies_are ((const char *const[]){ one, NULL }, NULL);
  policies_are (many + 1, NULL);
  policies_are (many, "ita-policy-ids");
  policies_are (word, "ita-policy-ids");
}

static void
test_api_key (void)
{
  g_autoptr (TeesqlSecret) key = api_key ("with a\nbreak");
  g_autoptr (TeesqlVerifier) none = g_object_new (ITA_TYPE_VERIFIER, NULL);
  g_autoptr (TeesqlVerifier) bad = g_object_new (ITA_TYPE_VERIFIER, "api-key", key, NULL);
  g_autoptr (GError) first = start (none);
  g_autoptr (GError) second = start (bad);

  g_assert_cmpstr (teesql_error_get_reason (first), ==, "ita-api-key");
  g_assert_cmpstr (teesql_error_get_reason (second), ==, "ita-api-key");
}

#define ADD(path, function, data) g_test_add (path, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  int code = 0;

  g_test_init (&argc, &argv, NULL);
  ADD ("/ita/verifier/an honest authority", test_honest, NULL);
  ADD ("/ita/verifier/keys change in mid-flight", test_rotation, NULL);
  ADD ("/ita/verifier/keys change under several questions", test_rotation_together, NULL);
  ADD ("/ita/verifier/nothing behind the quote is sent", test_tail, NULL);
  ADD ("/ita/verifier/rate limit", test_rate_limit, NULL);
  ADD ("/ita/verifier/rate limit without end", test_absurd_limit, NULL);
  ADD ("/ita/verifier/a stranger's quote asks nobody", test_stranger, NULL);
  ADD ("/ita/verifier/large answers", test_sizes, NULL);
  ADD ("/ita/verifier/silence", test_silence, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (mishaps); i++)
    {
      g_autofree char *path = g_strconcat ("/ita/verifier/answers/", mishaps[i].path, NULL);

      ADD (path, test_mishap, &mishaps[i]);
    }
  g_test_add_func ("/ita/verifier/options", test_options);
  g_test_add_func ("/ita/verifier/policy ids", test_policy_ids);
  g_test_add_func ("/ita/verifier/api key", test_api_key);
  code = g_test_run ();
  test_pki_free ();
  test_authority_free ();
  return code;
}
