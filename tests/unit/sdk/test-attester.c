#include "fixture.h"

#define FAKE_TYPE_ATTESTER (fake_attester_get_type ())
G_DECLARE_FINAL_TYPE (FakeAttester, fake_attester, FAKE, ATTESTER, GObject)

struct _FakeAttester
{
  GObject parent_instance;
  TeesqlEvidence *evidence; /* borrowed */
  GVariant *info;           /* borrowed */
  guint n_calls;
};

static void
fake_get_evidence_async (TeesqlAttester *attester, const guint8 *report_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (attester, cancellable, callback, user_data);

  FAKE_ATTESTER (attester)->n_calls++;
  g_task_return_boolean (task, TRUE);
}

static TeesqlEvidence *
fake_get_evidence_finish (TeesqlAttester *attester, GAsyncResult *result, GError **error)
{
  FakeAttester *self = FAKE_ATTESTER (attester);

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return NULL;
  return self->evidence != NULL ? teesql_evidence_ref (self->evidence) : NULL;
}

static void
fake_get_info_async (TeesqlAttester *attester, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (attester, cancellable, callback, user_data);

  g_task_return_boolean (task, TRUE);
}

static GVariant *
fake_get_info_finish (TeesqlAttester *attester, GAsyncResult *result, GError **error)
{
  return FAKE_ATTESTER (attester)->info;
}

static void
fake_attester_iface_init (TeesqlAttesterInterface *iface)
{
  iface->get_evidence_async = fake_get_evidence_async;
  iface->get_evidence_finish = fake_get_evidence_finish;
  iface->get_info_async = fake_get_info_async;
  iface->get_info_finish = fake_get_info_finish;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (FakeAttester, fake_attester, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_ATTESTER, fake_attester_iface_init))

static void
fake_attester_class_init (FakeAttesterClass *klass)
{
}

static void
fake_attester_init (FakeAttester *self)
{
}

static TeesqlEvidence *
get_evidence (FakeAttester *self, const guint8 *report_data, GCancellable *cancellable, GError **error)
{
  Answer answer = { NULL };
  TeesqlEvidence *evidence = NULL;

  teesql_attester_get_evidence_async (TEESQL_ATTESTER (self), report_data, cancellable, answer_cb, &answer);
  g_assert_null (answer.result);
  evidence = teesql_attester_get_evidence_finish (TEESQL_ATTESTER (self), answer_wait (&answer), error);
  answer_clear (&answer);
  return evidence;
}

static void
a_quote_over_what_was_asked_is_handed_on (void)
{
  const guint8 report_data[64] = { 1, 2, 3 };
  g_autoptr (TeesqlEvidence) evidence = fixture_evidence (4, 2, report_data);
  g_autoptr (FakeAttester) attester = g_object_new (FAKE_TYPE_ATTESTER, NULL);
  g_autoptr (TeesqlEvidence) answer = NULL;

  attester->evidence = evidence;
  answer = get_evidence (attester, report_data, NULL, NULL);
  g_assert_true (answer == evidence);
}

static void
a_quote_over_something_else_is_refused (void)
{
  const guint8 asked[64] = { 1, 2, 3 };
  g_autoptr (FakeAttester) attester = g_object_new (FAKE_TYPE_ATTESTER, NULL);

  for (guint i = 0; i < 64; i += 63)
    {
      g_autoptr (TeesqlEvidence) evidence = NULL;
      g_autoptr (GError) error = NULL;
      guint8 other[64];

      memcpy (other, asked, sizeof other);
      other[i] ^= 0x80;
      evidence = fixture_evidence (5, 3, other);
      attester->evidence = evidence;
      g_assert_null (get_evidence (attester, asked, NULL, &error));
      assert_reason (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_REFUSED, "report-data-mismatch");
    }
}

static void
bytes_that_are_no_quote_are_refused (void)
{
  const guint8 asked[64] = { 0 };
  g_autoptr (GByteArray) quote = fixture_quote (4, 2, asked);
  g_autoptr (FakeAttester) attester = g_object_new (FAKE_TYPE_ATTESTER, NULL);
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (GError) error = NULL;

  quote->data[4] = 0;
  evidence = fixture_evidence_from (quote);
  attester->evidence = evidence;
  g_assert_null (get_evidence (attester, asked, NULL, &error));
  assert_reason (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_UNSUPPORTED, "quote-tee-type");
}

static void
nothing_at_all_is_a_broken_plugin (void)
{
  const guint8 asked[64] = { 0 };
  g_autoptr (FakeAttester) attester = g_object_new (FAKE_TYPE_ATTESTER, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (get_evidence (attester, asked, NULL, &error));
  assert_reason (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_FAILED, "broken-plugin");
}

static void
cancellation_comes_through_as_such (void)
{
  const guint8 asked[64] = { 0 };
  g_autoptr (FakeAttester) attester = g_object_new (FAKE_TYPE_ATTESTER, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (get_evidence (attester, asked, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
features_follow_the_slots (void)
{
  g_autoptr (FakeAttester) fake = g_object_new (FAKE_TYPE_ATTESTER, NULL);
  TeesqlAttester *attester = TEESQL_ATTESTER (fake);
  g_autoptr (GBytes) payload = g_bytes_new_static ("", 0);
  g_autoptr (GError) error = NULL;
  Answer answer = { NULL };

  g_assert_cmpint (teesql_attester_get_features (attester), ==, TEESQL_ATTESTER_FEATURE_INFO);
  g_assert_null (teesql_attester_get_taint (attester));
  teesql_attester_extend_async (attester, "event", payload, NULL, answer_cb, &answer);
  g_assert_null (answer.result);
  g_assert_false (teesql_attester_extend_finish (attester, answer_wait (&answer), &error));
  assert_reason (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_UNSUPPORTED, "not-implemented");
  answer_clear (&answer);
}

static void
info_must_be_a_dictionary (void)
{
  g_autoptr (FakeAttester) fake = g_object_new (FAKE_TYPE_ATTESTER, NULL);
  TeesqlAttester *attester = TEESQL_ATTESTER (fake);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GVariant) info = NULL;
      g_autoptr (GError) error = NULL;
      Answer answer = { NULL };

      fake->info = i == 0 ? g_variant_new_parsed ("{'app_id': <'00ff'>}") : g_variant_new_string ("app"); /* floating: the wrapper sinks */
      teesql_attester_get_info_async (attester, NULL, answer_cb, &answer);
      info = teesql_attester_get_info_finish (attester, answer_wait (&answer), &error);
      if (i == 0)
        g_assert_nonnull (info);
      else
        assert_reason (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_FAILED, "broken-plugin");
      answer_clear (&answer);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/attester/a quote over what was asked is handed on", a_quote_over_what_was_asked_is_handed_on);
  g_test_add_func ("/attester/a quote over something else is refused", a_quote_over_something_else_is_refused);
  g_test_add_func ("/attester/bytes that are no quote are refused", bytes_that_are_no_quote_are_refused);
  g_test_add_func ("/attester/nothing at all is a broken plugin", nothing_at_all_is_a_broken_plugin);
  g_test_add_func ("/attester/cancellation comes through as such", cancellation_comes_through_as_such);
  g_test_add_func ("/attester/features follow the slots", features_follow_the_slots);
  g_test_add_func ("/attester/info must be a dictionary", info_must_be_a_dictionary);
  return g_test_run ();
}
