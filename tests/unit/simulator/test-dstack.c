/* The product's own client of a guest agent against this one. */
#include "dstack/dstack-attester.h"
#include "dstack/dstack-kms.h"
#include "ratls/teesql-event-log.h"
#include "ratls/teesql-ratls-certificate.h"
#include "sdk/teesql-quote.h"
#include "sim-test.h"
#include <string.h>

typedef struct
{
  GAsyncResult *result;
} Waiter;

static void
done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Waiter *waiter = user_data;

  waiter->result = g_object_ref (result);
}

static GAsyncResult *
wait_for (Waiter *waiter)
{
  while (waiter->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return waiter->result;
}

static TeesqlAttester *
make_attester (SimWorld *world)
{
  return g_object_new (DSTACK_TYPE_ATTESTER, "endpoint", world->socket, "timeout", 300u, "identity-timeout", 300u, NULL);
}

static TeesqlEvidence *
get_evidence (TeesqlAttester *attester, const guint8 report_data[64], GError **error)
{
  Waiter waiter = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  teesql_attester_get_evidence_async (attester, report_data, NULL, done_cb, &waiter);
  result = wait_for (&waiter);
  return teesql_attester_get_evidence_finish (attester, result, error);
}

static TeesqlTlsIdentity *
get_identity (TeesqlAttester *attester, GError **error)
{
  static const char *const names[] = { "localhost", "127.0.0.1", NULL };
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  const TeesqlTlsRequest request = {
    .subject = "orders-1",
    .alt_names = names,
    .usage = TEESQL_TLS_USAGE_SERVER | TEESQL_TLS_USAGE_CLIENT,
    .not_before_unix = now - 60,
    .not_after_unix = now + 86400,
  };
  Waiter waiter = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  teesql_attester_get_tls_identity_async (attester, &request, NULL, done_cb, &waiter);
  result = wait_for (&waiter);
  return teesql_attester_get_tls_identity_finish (attester, result, error);
}

static void
test_evidence (void)
{
  static const char *const versions[] = { "4", "5", "5.1" };

  for (guint i = 0; i < G_N_ELEMENTS (versions); i++)
    {
      g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .quote_version = versions[i], .start = TRUE });
      g_autoptr (TeesqlAttester) attester = make_attester (world);
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlEvidence) evidence = NULL;
      g_autoptr (TeesqlLogClaims) log = NULL;
      TeesqlQuote quote;
      guint8 report_data[64];
      gsize size = 0;
      const guint8 *field;

      memset (report_data, 0x77, sizeof report_data);
      evidence = get_evidence (attester, report_data, &error);
      g_assert_no_error (error);
      field = g_bytes_get_data (teesql_evidence_get_quote (evidence), &size);
      g_assert_true (teesql_quote_parse (field, size, &quote, &error));
      field = teesql_quote_get_field (&quote, TEESQL_FIELD_REPORT_DATA, &size);
      g_assert_cmpmem (field, (int) size, report_data, 64);
      log = teesql_event_log_replay (evidence, teesql_quote_get_field (&quote, TEESQL_FIELD_RTMR3, &size), &error);
      g_assert_no_error (error);
      sim_assert_bytes (log->compose_hash, sim_world_guest (world)->app->compose_hash, 32);
      g_assert_nonnull (teesql_attester_get_taint (attester)); /* SR-7 */
    }
}

static void
test_identity (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .start = TRUE });
  g_autoptr (TeesqlAttester) attester = make_attester (world);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlTlsIdentity) identity = get_identity (attester, &error);
  g_autoptr (TeesqlRatlsPeer) peer = NULL;
  guint n = 0;
  gsize size = 0;
  const guint8 *leaf;

  g_assert_no_error (error);
  leaf = g_bytes_get_data (teesql_tls_identity_get_chain (identity, &n)[0], &size);
  g_assert_cmpuint (n, ==, 3);
  peer = teesql_ratls_peer_parse (leaf, size, &error);
  g_assert_no_error (error);
  g_assert_true (teesql_ratls_peer_check_binding (peer, &error));
}

static void
test_key (void)
{
  g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .start = TRUE });
  g_autoptr (TeesqlKms) kms = g_object_new (DSTACK_TYPE_KMS, "endpoint", world->socket, "timeout", 5000u, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) expected = teesql_sim_kms_derive (sim_world_guest (world)->kms->app_key, "backup/encryption", &error);
  g_autoptr (TeesqlSecret) key = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  Waiter waiter = { NULL };

  teesql_kms_get_key_async (kms, "backup/encryption", "backup-epoch", NULL, done_cb, &waiter);
  result = wait_for (&waiter);
  key = teesql_kms_get_key_finish (kms, result, &error);
  g_assert_no_error (error);
  g_assert_true (teesql_secret_equal (key, expected));
  g_assert_nonnull (teesql_kms_get_taint (kms));
}

static void
test_faults (void)
{
  static const char *const faults[] = { "garbage", "hang", "slow=30s", "close", "wrong-binding" };

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autoptr (SimWorld) world = sim_world_new (&(SimWorldOptions){ .misbehave = faults[i], .start = TRUE });
      g_autoptr (TeesqlAttester) attester = make_attester (world);
      const guint8 report_data[64] = { 1 };
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlEvidence) evidence = get_evidence (attester, report_data, &error);

      g_assert_null (evidence);
      g_assert_nonnull (error);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/simulator/dstack/quotes-of-every-version-are-read-and-replayed", test_evidence);
  g_test_add_func ("/simulator/dstack/identities-are-read-and-bound", test_identity);
  g_test_add_func ("/simulator/dstack/keys-are-the-derived-ones", test_key);
  g_test_add_func ("/simulator/dstack/no-fault-yields-evidence", test_faults);
  return g_test_run ();
}
