#include "test-world.h"
#include <string.h>

static gint64
wall (gpointer data)
{
  return ((World *) data)->wall;
}

static gint64
boot (gpointer data)
{
  return ((World *) data)->boot;
}

TeesqlConfig *
world_config (const char *policy, const char *identity)
{
  g_autofree char *text =
      g_strdup_printf ("[teesql]\nnode = n1\nverifiers = one;two\n[identity]\nsource = self\n%s\n[attester:dstack]\nendpoint = auto\n"
                       "[verifier:one]\ntrusted-root = intel\n[policy:server]\n%s\n[connect]\nconnect-timeout = 500ms\n",
                       identity, policy);
  g_autoptr (GError) error = NULL;
  TeesqlConfig *config = teesql_config_load_text (TEESQL_CONFIG_CLIENT, "teesql.conf", text, strlen (text), &error);

  g_assert_no_error (error);
  return config;
}

void
world_set_up (World *self)
{
  const TeesqlClockSource source = { wall, boot, self };
  g_autoptr (GError) error = NULL;

  self->wall = WORLD_START;
  self->boot = 1000000;
  self->clock = teesql_clock_new (NULL, &source, &error);
  g_assert_no_error (error);
  self->status = teesql_status_new ();
  self->attester = fake_attester_new ();
  self->verifier = fake_verifier_new ();
  self->second = fake_verifier_new ();
  self->verifier->issued_at = self->second->issued_at = WORLD_START - WORLD_DAY;
  self->verifier->valid_until = self->second->valid_until = WORLD_START + 30 * WORLD_DAY;
  self->config = world_config (WORLD_POLICY_PINNED, "");
}

static void
changed_cb (TeesqlAttestService *service, gpointer data)
{
  ((World *) data)->n_changed++;
}

static void
judge_again_cb (TeesqlAttestService *service, gpointer data)
{
  ((World *) data)->n_judge_again++;
}

TeesqlAttestService *
world_new_service (World *self, guint n_verifiers, GError **error)
{
  TeesqlVerifier *const verifiers[] = { TEESQL_VERIFIER (self->verifier), TEESQL_VERIFIER (self->second) };
  const char *const names[] = { "one", "two" };
  const TeesqlAttestOptions options = { .config = self->config,
                                        .attester = TEESQL_ATTESTER (self->attester),
                                        .verifiers = verifiers,
                                        .verifier_names = names,
                                        .n_verifiers = n_verifiers,
                                        .clock = self->clock,
                                        .status = self->status,
                                        .direction = TEESQL_DIRECTION_SERVER,
                                        .usage = TEESQL_TLS_USAGE_CLIENT };

  return teesql_attest_service_new (&options, error);
}

void
world_begin (World *self, guint n_verifiers)
{
  g_autoptr (GError) error = NULL;

  self->service = world_new_service (self, n_verifiers, &error);
  g_assert_no_error (error);
  g_signal_connect (self->service, "identity-changed", G_CALLBACK (changed_cb), self);
  g_signal_connect (self->service, "judge-again", G_CALLBACK (judge_again_cb), self);
}

void
world_tear_down (World *self)
{
  if (self->service != NULL)
    {
      teesql_attest_service_stop (self->service);
      fake_verifier_release (self->verifier);
      fake_verifier_release (self->second);
      while (self->attester->held->len > 0)
        fake_attester_release (self->attester);
      world_wait_for (!g_main_context_pending (NULL));
      g_assert_finalize_object (self->service);
    }
  g_assert_finalize_object (self->attester);
  g_assert_finalize_object (self->verifier);
  g_assert_finalize_object (self->second);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_assert_finalize_object (self->status);
  g_clear_pointer (&self->clock, teesql_clock_unref);
  memset (self, 0, sizeof *self);
}

void
world_advance (World *self, gint64 seconds)
{
  self->wall += seconds;
  self->boot += 1000 * seconds;
}

void
world_keep_result_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  GAsyncResult **out = data;

  g_assert_null (*out);
  *out = g_object_ref (result);
}

gboolean
world_start (World *self, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_attest_service_start_async (self->service, NULL, world_keep_result_cb, &result);
  g_assert_null (result);
  world_wait_for (result != NULL);
  return teesql_attest_service_start_finish (self->service, result, error);
}

GBytes *
world_leaf (World *self)
{
  const FakeLeaf options = { .not_before = WORLD_START - 300, .not_after = WORLD_START + WORLD_DAY };

  return fake_leaf_new (&options);
}

TeesqlVerdict *
world_judge (World *self, GBytes *leaf)
{
  const TeesqlLogContext context = { "c1", "127.0.0.1:1", "attesting" };
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  TeesqlVerdict *verdict = NULL;

  teesql_attest_service_judge_async (self->service, leaf, &context, NULL, world_keep_result_cb, &result);
  g_assert_null (result);
  world_wait_for (result != NULL);
  verdict = teesql_attest_service_judge_finish (self->service, result, &error);
  g_assert_no_error (error);
  g_assert_nonnull (verdict);
  return verdict;
}

void
world_assert_refused (World *self, GBytes *leaf, const char *reason)
{
  g_autoptr (TeesqlVerdict) verdict = world_judge (self, leaf);

  g_assert_false (teesql_verdict_is_accepted (verdict));
  g_assert_cmpstr (teesql_verdict_get_reason (verdict), ==, reason);
  g_assert_null (strchr (teesql_verdict_get_message (verdict), '\n'));
  g_assert_cmpuint (strlen (teesql_verdict_get_message (verdict)), >, 10);
  if (leaf != NULL)
    g_assert_null (teesql_attest_service_lookup (self->service, leaf));
}

void
world_assert_accepted (World *self, GBytes *leaf)
{
  g_autoptr (TeesqlVerdict) verdict = world_judge (self, leaf);

  g_test_message ("%s", teesql_verdict_get_message (verdict));
  g_assert_cmpstr (teesql_verdict_get_reason (verdict), ==, NULL);
  g_assert_true (teesql_verdict_is_accepted (verdict));
}

char *
world_status (World *self)
{
  return teesql_status_render_json (self->status);
}
