#include "claims-fixture.h"

/* A verifier that answers what the test tells it to, at once and from inside the call, as a careless one would. */
#define FAKE_TYPE_VERIFIER (fake_verifier_get_type ())
G_DECLARE_FINAL_TYPE (FakeVerifier, fake_verifier, FAKE, VERIFIER, GObject)

struct _FakeVerifier
{
  GObject parent_instance;
  TeesqlClaims *claims; /* borrowed */
  GError *error;
  guint n_calls;
};

static void
fake_verify_async (TeesqlVerifier *verifier, TeesqlEvidence *evidence, gint64 now_unix, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (verifier, cancellable, callback, user_data);

  FAKE_VERIFIER (verifier)->n_calls++;
  g_task_return_boolean (task, TRUE);
}

static TeesqlClaims *
fake_verify_finish (TeesqlVerifier *verifier, GAsyncResult *result, GError **error)
{
  FakeVerifier *self = FAKE_VERIFIER (verifier);

  if (self->error != NULL)
    g_propagate_error (error, g_steal_pointer (&self->error));
  return self->claims != NULL ? teesql_claims_ref (self->claims) : NULL;
}

static void
fake_verifier_iface_init (TeesqlVerifierInterface *iface)
{
  iface->verify_async = fake_verify_async;
  iface->verify_finish = fake_verify_finish;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (FakeVerifier, fake_verifier, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_VERIFIER, fake_verifier_iface_init))

static void
fake_verifier_class_init (FakeVerifierClass *klass)
{
}

static void
fake_verifier_init (FakeVerifier *self)
{
}

#define NOW 1000

static TeesqlClaims *
verify (FakeVerifier *self, TeesqlEvidence *evidence, gint64 now, GError **error)
{
  Answer answer = { NULL };
  TeesqlClaims *claims = NULL;

  teesql_verifier_verify_async (TEESQL_VERIFIER (self), evidence, now, NULL, answer_cb, &answer);
  g_assert_null (answer.result); /* never from inside the call */
  claims = teesql_verifier_verify_finish (TEESQL_VERIFIER (self), answer_wait (&answer), error);
  answer_clear (&answer);
  return claims;
}

typedef struct
{
  GByteArray *bytes;
  TeesqlQuote quote;
  TeesqlEvidence *evidence;
  FakeVerifier *verifier;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->bytes = fixture_quote (5, 3, NULL);
  g_assert_true (teesql_quote_parse (self->bytes->data, self->bytes->len, &self->quote, NULL));
  self->evidence = fixture_evidence_from (self->bytes);
  self->verifier = g_object_new (FAKE_TYPE_VERIFIER, NULL);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_object_unref (self->verifier);
  teesql_evidence_unref (self->evidence);
  g_byte_array_unref (self->bytes);
}

static void
assert_refused (Fixture *self, TeesqlEvidence *evidence, gint64 now, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (verify (self->verifier, evidence, now, &error));
  assert_reason (error, TEESQL_VERIFIER_ERROR, code, reason);
}

static void
claims_that_repeat_the_quote_are_handed_on (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClaimsBuilder) builder = fixture_claims (&self->quote, 0, NOW);
  g_autoptr (TeesqlClaims) claims = teesql_claims_builder_end (builder, NULL);
  g_autoptr (TeesqlClaims) verified = NULL;

  self->verifier->claims = claims;
  verified = verify (self->verifier, self->evidence, NOW, NULL);
  g_assert_true (verified == claims);
}

/* One field at a time: a verifier that proves something about another quote than ours is refused. */
static void
every_field_is_compared_with_the_quote (Fixture *self, gconstpointer data)
{
  for (TeesqlField field = TEESQL_FIELD_MRTD; field < TEESQL_FIELD_FMSPC; field++)
    {
      g_autoptr (TeesqlClaimsBuilder) builder = fixture_claims (&self->quote, 0, NOW);
      g_autoptr (TeesqlClaims) claims = NULL;
      guint8 changed[64] = { 0 };
      gsize size = 0;
      const guint8 *own = teesql_quote_get_field (&self->quote, field, &size);

      memcpy (changed, own, size);
      changed[size - 1] ^= 1;
      teesql_claims_builder_set_field (builder, field, changed, size);
      claims = teesql_claims_builder_end (builder, NULL);
      self->verifier->claims = claims;
      assert_refused (self, self->evidence, NOW, TEESQL_ERROR_REFUSED, "claims-quote-mismatch");
    }
}

static void
a_field_the_quote_does_not_have_is_refused (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClaimsBuilder) builder = fixture_claims (&self->quote, 0, NOW);
  g_autoptr (TeesqlClaims) claims = teesql_claims_builder_end (builder, NULL);
  g_autoptr (TeesqlEvidence) older = fixture_evidence (4, 2, NULL); /* the same body, without a service TD */

  self->verifier->claims = claims;
  assert_refused (self, older, NOW, TEESQL_ERROR_REFUSED, "claims-quote-mismatch");
}

static void
a_service_td_cannot_be_left_out (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClaimsBuilder) builder = fixture_claims (&self->quote, TEESQL_FIELD_MRSERVICETD, NOW);
  g_autoptr (TeesqlClaims) claims = teesql_claims_builder_end (builder, NULL);

  self->verifier->claims = claims;
  assert_refused (self, self->evidence, NOW, TEESQL_ERROR_REFUSED, "claims-quote-mismatch");
}

static void
claims_that_have_ended_are_refused (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClaimsBuilder) builder = fixture_claims (&self->quote, 0, NOW - 1);
  g_autoptr (TeesqlClaims) claims = teesql_claims_builder_end (builder, NULL);

  self->verifier->claims = claims;
  assert_refused (self, self->evidence, NOW, TEESQL_ERROR_REFUSED, "claims-expired");
}

static void
an_unreadable_quote_never_reaches_the_plugin (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlEvidence) evidence = NULL;

  self->bytes->data[0] = 3;
  evidence = fixture_evidence_from (self->bytes);
  assert_refused (self, evidence, NOW, TEESQL_ERROR_UNSUPPORTED, "quote-version");
  assert_refused (self, self->evidence, -1, TEESQL_ERROR_FAILED, "clock-behind");
  g_assert_cmpuint (self->verifier->n_calls, ==, 0);
}

static void
neither_claims_nor_an_error_is_a_broken_plugin (Fixture *self, gconstpointer data)
{
  assert_refused (self, self->evidence, NOW, TEESQL_ERROR_FAILED, "broken-plugin");
}

static void
an_error_wins_over_claims (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClaimsBuilder) builder = fixture_claims (&self->quote, 0, NOW);
  g_autoptr (TeesqlClaims) claims = teesql_claims_builder_end (builder, NULL);

  self->verifier->claims = claims;
  self->verifier->error = teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_REFUSED, "tcb-signature", 0, "forged");
  assert_refused (self, self->evidence, NOW, TEESQL_ERROR_REFUSED, "tcb-signature");
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/verifier/claims that repeat the quote are handed on", claims_that_repeat_the_quote_are_handed_on);
  ADD ("/verifier/every field is compared with the quote", every_field_is_compared_with_the_quote);
  ADD ("/verifier/a field the quote does not have is refused", a_field_the_quote_does_not_have_is_refused);
  ADD ("/verifier/a service TD cannot be left out", a_service_td_cannot_be_left_out);
  ADD ("/verifier/claims that have ended are refused", claims_that_have_ended_are_refused);
  ADD ("/verifier/an unreadable quote never reaches the plugin", an_unreadable_quote_never_reaches_the_plugin);
  ADD ("/verifier/neither claims nor an error is a broken plugin", neither_claims_nor_an_error_is_a_broken_plugin);
  ADD ("/verifier/an error wins over claims", an_error_wins_over_claims);
  return g_test_run ();
}
