#include "fixture.h"

static TeesqlEvidenceBuilder *
builder_with_quote (void)
{
  TeesqlEvidenceBuilder *builder = teesql_evidence_builder_new ();
  g_autoptr (GBytes) quote = g_bytes_new_static ("q", 1);

  teesql_evidence_builder_set_quote (builder, quote);
  return builder;
}

static void
assert_refused (TeesqlEvidenceBuilder *builder, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (teesql_evidence_builder_end (builder, &error));
  assert_reason (error, TEESQL_ATTESTER_ERROR, TEESQL_ERROR_MALFORMED, reason);
}

static void
refuse_event (TeesqlEvent event, const char *reason)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = builder_with_quote ();

  teesql_evidence_builder_add_event (builder, &event);
  assert_refused (builder, reason);
}

static void
what_was_put_in_comes_out (void)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = builder_with_quote ();
  g_autoptr (GBytes) digest = g_bytes_new_take (g_malloc0 (48), 48);
  g_autoptr (GBytes) payload = g_bytes_new_static ("xyz", 3);
  char name[] = "app-id";
  TeesqlEvent event = { .rtmr = 3, .type = 0x08000001, .version = 1, .name = name, .digest = digest, .payload = payload };
  g_autoptr (TeesqlEvidence) evidence = NULL;

  teesql_evidence_builder_add_event (builder, &event);
  teesql_evidence_builder_set_platform_config (builder, "{}");
  evidence = teesql_evidence_builder_end (builder, NULL);
  g_assert_nonnull (evidence);
  memset (name, 'z', strlen (name)); /* a deep copy does not care */
  g_assert_cmpuint (teesql_evidence_get_n_events (evidence), ==, 1);
  g_assert_cmpstr (teesql_evidence_get_event (evidence, 0)->name, ==, "app-id");
  g_assert_cmpuint (teesql_evidence_get_event (evidence, 0)->rtmr, ==, 3);
  g_assert_true (g_bytes_equal (teesql_evidence_get_event (evidence, 0)->payload, payload));
  g_assert_cmpstr (teesql_evidence_get_platform_config (evidence), ==, "{}");
  g_assert_cmpuint (g_bytes_get_size (teesql_evidence_get_quote (evidence)), ==, 1);
}

static void
events_out_of_bounds_are_refused (void)
{
  g_autofree char *long_name = g_strnfill (257, 'n');
  g_autoptr (GBytes) digest = g_bytes_new_static ("0123456789012345678901234567890123456789012345", 47);
  g_autoptr (GBytes) payload = g_bytes_new_take (g_malloc0 (65537), 65537);

  refuse_event ((TeesqlEvent){ .rtmr = 4, .version = 1, .name = "n" }, "event-rtmr");
  refuse_event ((TeesqlEvent){ .version = 0, .name = "n" }, "event-version");
  refuse_event ((TeesqlEvent){ .version = 3, .name = "n" }, "event-version");
  refuse_event ((TeesqlEvent){ .version = 1, .name = "a:b" }, "event-name");
  refuse_event ((TeesqlEvent){ .version = 1, .name = "a\nb" }, "event-name");
  refuse_event ((TeesqlEvent){ .version = 1, .name = "\xc3\xa9" }, "event-name");
  refuse_event ((TeesqlEvent){ .version = 1, .name = NULL }, "event-name");
  refuse_event ((TeesqlEvent){ .version = 2, .name = long_name }, "event-name");
  refuse_event ((TeesqlEvent){ .version = 1, .name = "n", .digest = digest }, "event-digest");
  refuse_event ((TeesqlEvent){ .version = 1, .name = "n", .payload = payload }, "event-payload");
}

static void
the_log_is_bounded_in_number_and_size (void)
{
  g_autoptr (TeesqlEvidenceBuilder) many = builder_with_quote ();
  g_autoptr (TeesqlEvidenceBuilder) large = builder_with_quote ();
  g_autoptr (GBytes) payload = g_bytes_new_take (g_malloc0 (65536), 65536);
  g_autoptr (TeesqlEvidence) evidence = NULL;

  for (guint i = 0; i < TEESQL_EVENT_LOG_MAX; i++)
    teesql_evidence_builder_add_event (many, &(TeesqlEvent){ .version = 2, .name = "" });
  evidence = teesql_evidence_builder_end (many, NULL);
  g_assert_cmpuint (teesql_evidence_get_n_events (evidence), ==, TEESQL_EVENT_LOG_MAX);
  teesql_evidence_builder_set_quote (many, teesql_evidence_get_quote (evidence));
  for (guint i = 0; i <= TEESQL_EVENT_LOG_MAX; i++)
    teesql_evidence_builder_add_event (many, &(TeesqlEvent){ .version = 2, .name = "" });
  assert_refused (many, "event-log-size");
  for (guint i = 0; i < 17; i++)
    teesql_evidence_builder_add_event (large, &(TeesqlEvent){ .version = 2, .name = "", .payload = payload });
  assert_refused (large, "event-log-size");
}

static void
a_quote_is_required_and_bounded (void)
{
  g_autoptr (TeesqlEvidenceBuilder) none = teesql_evidence_builder_new ();
  g_autoptr (TeesqlEvidenceBuilder) large = teesql_evidence_builder_new ();
  g_autoptr (GBytes) quote = g_bytes_new_take (g_malloc0 (TEESQL_EVIDENCE_MAX_QUOTE + 1), TEESQL_EVIDENCE_MAX_QUOTE + 1);

  assert_refused (none, "quote-size");
  teesql_evidence_builder_set_quote (large, quote);
  assert_refused (large, "quote-size");
}

static void
the_platform_config_is_text (void)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = builder_with_quote ();

  teesql_evidence_builder_set_platform_config (builder, "\xff");
  assert_refused (builder, "platform-config");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/evidence/what was put in comes out", what_was_put_in_comes_out);
  g_test_add_func ("/evidence/events out of bounds are refused", events_out_of_bounds_are_refused);
  g_test_add_func ("/evidence/the log is bounded in number and size", the_log_is_bounded_in_number_and_size);
  g_test_add_func ("/evidence/a quote is required and bounded", a_quote_is_required_and_bounded);
  g_test_add_func ("/evidence/the platform config is text", the_platform_config_is_text);
  return g_test_run ();
}
