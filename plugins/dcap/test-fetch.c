/* Fetching, merging, keeping: the plugin against a service that misbehaves. */
#include "test-service.h"

#include <glib/gstdio.h>
#include <teesql/teesql-error.h>

static TestWorld *
ordinary_world (void)
{
  TestRecipe recipe;
  test_recipe_init (&recipe);
  return test_world_new (&recipe);
}

static void
check_good (TeesqlVerifier *verifier, GBytes *quote, gint64 now)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = test_verify (verifier, quote, now, &error);

  g_assert_no_error (error);
  g_assert_nonnull (claims);
}

static void
check_bad (TeesqlVerifier *verifier, GBytes *quote, gint64 now, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (test_verify (verifier, quote, now, &error));
  g_test_message ("%s", error->message);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
  g_assert_error (error, TEESQL_VERIFIER_ERROR, (int) code);
}

static void
test_fetch_once (void)
{
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (service->world, service->url, "none");

  for (guint i = 0; i < 3; i++)
    check_good (verifier, service->world->quote, TEST_NOW);
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    g_assert_cmpuint (service->asked[i], ==, 1);
  g_assert_cmpstr (service->last_query[DCAP_ITEM_TCB_INFO], ==, "fmspc=00a06d080000");
  g_assert_cmpstr (service->last_query[DCAP_ITEM_PCK_CRL], ==, "ca=platform&encoding=der");
  g_assert_cmpstr (service->last_query[DCAP_ITEM_QE_IDENTITY], ==, NULL);
  g_assert_true (g_str_has_prefix (teesql_verifier_get_taint (verifier), "trusted-root /"));
}

static void
test_early (void)
{
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autofree char *url = g_strconcat (service->url, "/sgx/certification/v4/", NULL);
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new_full (service->world, url, "none", "early", 10000);

  check_good (verifier, service->world->quote, TEST_NOW);
  g_assert_cmpstr (service->last_query[DCAP_ITEM_TCB_INFO], ==, "fmspc=00a06d080000&update=early");
  g_assert_cmpstr (service->last_query[DCAP_ITEM_QE_IDENTITY], ==, "update=early");
}

static void
test_merged (void)
{
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (service->world, service->url, "none");
  g_autoptr (TeesqlEvidence) evidence = test_evidence_new (service->world->quote);
  GAsyncResult *results[20] = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    teesql_verifier_verify_async (verifier, evidence, TEST_NOW, NULL, test_keep_result, &results[i]);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      g_autoptr (GAsyncResult) result = test_wait (&results[i]);
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlClaims) claims = teesql_verifier_verify_finish (verifier, result, &error);
      g_assert_no_error (error);
    }
  g_assert_cmpuint (test_service_asked (service), ==, DCAP_N_ITEMS);
}

/* A stranger's quote never makes us ask anybody. */
static void
test_nothing_before_proof (void)
{
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (service->world, service->url, "none");
  TestRecipe recipe;

  test_recipe_init (&recipe);
  recipe.quote.signed_by = TEST_KEY_STRANGER;
  g_autoptr (TestWorld) forged = test_world_new (&recipe);
  check_bad (verifier, forged->quote, TEST_NOW, TEESQL_ERROR_REFUSED, "quote-signature");
  test_recipe_init (&recipe);
  recipe.quote.qe_report_signed_by = TEST_KEY_STRANGER;
  g_autoptr (TestWorld) enclave = test_world_new (&recipe);
  check_bad (verifier, enclave->quote, TEST_NOW, TEESQL_ERROR_REFUSED, "qe-report-signature");
  test_recipe_init (&recipe);
  recipe.certs[TEST_ROOT].key = TEST_KEY_STRANGER;
  recipe.certs[TEST_ROOT].signed_by = TEST_KEY_STRANGER;
  recipe.certs[TEST_CA].signed_by = TEST_KEY_STRANGER;
  g_autoptr (TestWorld) other = test_world_new (&recipe);
  check_bad (verifier, other->quote, TEST_NOW, TEESQL_ERROR_REFUSED, "pck-chain-root");
  check_bad (verifier, service->world->quote, TEST_NOW + 4000 * TEST_DAY, TEESQL_ERROR_REFUSED, "pck-chain-expired");
  g_assert_cmpuint (test_service_asked (service) + service->elsewhere, ==, 0);
}

static void
test_forms (void)
{
  static const TestMood moods[] = { TEST_HEX, TEST_PEM, TEST_OTHER_CHAIN_NAME };

  for (guint i = 0; i < G_N_ELEMENTS (moods); i++)
    {
      g_autoptr (TestService) service = test_service_new (ordinary_world ());
      g_autoptr (TeesqlVerifier) verifier = test_verifier_new (service->world, service->url, "none");
      test_service_set_mood (service, moods[i]);
      check_good (verifier, service->world->quote, TEST_NOW);
    }
}

typedef struct
{
  const char *path;
  DcapItemKind kind;
  TestMood mood;
  guint status;
  TeesqlError code;
  const char *reason;
} Mishap;

static const Mishap mishaps[] = {
  { "/fetch/status 400", DCAP_ITEM_TCB_INFO, TEST_STATUS, 400, TEESQL_ERROR_CONFIG, "collateral-bad-request" },
  { "/fetch/status 401", DCAP_ITEM_TCB_INFO, TEST_STATUS, 401, TEESQL_ERROR_PERMISSION, "collateral-permission" },
  { "/fetch/status 404", DCAP_ITEM_TCB_INFO, TEST_STATUS, 404, TEESQL_ERROR_NOT_FOUND, "collateral-unknown-platform" },
  { "/fetch/status 410", DCAP_ITEM_TCB_INFO, TEST_STATUS, 410, TEESQL_ERROR_UNAVAILABLE, "collateral-status" },
  { "/fetch/status 500", DCAP_ITEM_ROOT_CRL, TEST_STATUS, 500, TEESQL_ERROR_UNAVAILABLE, "collateral-status" },
  { "/fetch/status 503", DCAP_ITEM_QE_IDENTITY, TEST_STATUS, 503, TEESQL_ERROR_THROTTLED, "collateral-throttled" },
  { "/fetch/status 204", DCAP_ITEM_PCK_CRL, TEST_STATUS, 204, TEESQL_ERROR_UNAVAILABLE, "collateral-status" },
  { "/fetch/HTML for TCB info", DCAP_ITEM_TCB_INFO, TEST_HTML, 0, TEESQL_ERROR_MALFORMED, "tcb-info-json" },
  { "/fetch/HTML for QE identity", DCAP_ITEM_QE_IDENTITY, TEST_HTML, 0, TEESQL_ERROR_MALFORMED, "qe-identity-json" },
  { "/fetch/HTML for a CRL", DCAP_ITEM_PCK_CRL, TEST_HTML, 0, TEESQL_ERROR_MALFORMED, "pck-crl-malformed" },
  { "/fetch/oversize TCB info", DCAP_ITEM_TCB_INFO, TEST_OVERSIZE, 0, TEESQL_ERROR_UNAVAILABLE, "collateral-oversize" },
  { "/fetch/oversize QE identity", DCAP_ITEM_QE_IDENTITY, TEST_OVERSIZE, 0, TEESQL_ERROR_UNAVAILABLE, "collateral-oversize" },
  { "/fetch/oversize root CRL", DCAP_ITEM_ROOT_CRL, TEST_OVERSIZE, 0, TEESQL_ERROR_UNAVAILABLE, "collateral-oversize" },
  { "/fetch/redirect", DCAP_ITEM_TCB_INFO, TEST_REDIRECT, 0, TEESQL_ERROR_UNAVAILABLE, "collateral-redirect" },
  { "/fetch/no issuer chain", DCAP_ITEM_TCB_INFO, TEST_NO_CHAIN, 0, TEESQL_ERROR_UNAVAILABLE, "collateral-issuer-chain" },
  { "/fetch/broken issuer chain", DCAP_ITEM_PCK_CRL, TEST_BAD_CHAIN, 0, TEESQL_ERROR_UNAVAILABLE, "collateral-issuer-chain" },
  { "/fetch/no answer in time", DCAP_ITEM_TCB_INFO, TEST_HANG, 0, TEESQL_ERROR_UNAVAILABLE, "collateral-timeout" },
};

static void
test_mishap (gconstpointer data)
{
  const Mishap *self = data;
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new_full (service->world, service->url, "none", "standard", 300);

  service->moods[self->kind] = self->mood;
  service->status = self->status;
  check_bad (verifier, service->world->quote, TEST_NOW, self->code, self->reason);
  g_assert_cmpuint (service->elsewhere, ==, 0);
}

/* One attempt a call; but an answer that holds for a while is not asked for again. */
static void
test_again (void)
{
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (service->world, service->url, "none");

  service->moods[DCAP_ITEM_TCB_INFO] = TEST_STATUS;
  service->status = 500;
  check_bad (verifier, service->world->quote, TEST_NOW, TEESQL_ERROR_UNAVAILABLE, "collateral-status");
  check_bad (verifier, service->world->quote, TEST_NOW, TEESQL_ERROR_UNAVAILABLE, "collateral-status");
  g_assert_cmpuint (service->asked[DCAP_ITEM_TCB_INFO], ==, 2);
  /* what did arrive was kept */
  g_assert_cmpuint (service->asked[DCAP_ITEM_ROOT_CRL], ==, 1);
  service->moods[DCAP_ITEM_TCB_INFO] = TEST_ANSWER;
  check_good (verifier, service->world->quote, TEST_NOW);
  g_assert_cmpuint (service->asked[DCAP_ITEM_TCB_INFO], ==, 3);
}

static void
test_throttled (void)
{
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (service->world, service->url, "none");
  g_autoptr (GError) error = NULL;

  service->moods[DCAP_ITEM_QE_IDENTITY] = TEST_STATUS;
  service->status = 429;
  service->retry_after = "77";
  g_assert_null (test_verify (verifier, service->world->quote, TEST_NOW, &error));
  g_assert_error (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_THROTTLED);
  g_assert_cmpuint (teesql_error_get_retry_after_ms (error), ==, 77000);
  check_bad (verifier, service->world->quote, TEST_NOW, TEESQL_ERROR_THROTTLED, "collateral-throttled");
  g_assert_cmpuint (service->asked[DCAP_ITEM_QE_IDENTITY], ==, 1);
}

static void
test_unknown_platform_is_held (void)
{
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (service->world, service->url, "none");

  service->moods[DCAP_ITEM_TCB_INFO] = TEST_STATUS;
  service->status = 404;
  for (guint i = 0; i < 5; i++)
    check_bad (verifier, service->world->quote, TEST_NOW, TEESQL_ERROR_NOT_FOUND, "collateral-unknown-platform");
  g_assert_cmpuint (service->asked[DCAP_ITEM_TCB_INFO], ==, 1);
}

static gboolean
cut_short (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
  static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nTCB-Info-Issuer-Chain: x\r\nSGX-PCK-CRL-Issuer-Chain: x\r\n"
                             "SGX-Enclave-Identity-Issuer-Chain: x\r\n\r\n{\"tcbInfo\":{";

  /* the request may arrive after this: closing our half only, and reading nothing, leaves the client with a short answer */
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (connection)), text, strlen (text), NULL, NULL, NULL);
  g_socket_shutdown (g_socket_connection_get_socket (connection), FALSE, TRUE, NULL);
  g_ptr_array_add (user_data, g_object_ref (connection));
  return TRUE;
}

static void
test_truncated (void)
{
  g_autoptr (TestWorld) world = ordinary_world ();
  g_autoptr (GSocketService) listener = g_socket_service_new ();
  g_autoptr (GPtrArray) connections = g_ptr_array_new_with_free_func (g_object_unref);
  guint16 port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (listener), NULL, NULL);
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", port);
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (world, url, "none");

  g_signal_connect (listener, "incoming", G_CALLBACK (cut_short), connections);
  check_bad (verifier, world->quote, TEST_NOW, TEESQL_ERROR_UNAVAILABLE, "collateral-truncated");
}

static void
test_unreachable (void)
{
  g_autoptr (TestWorld) world = ordinary_world ();
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint16 port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
  g_autofree char *url = g_strdup_printf ("http://127.0.0.1:%u", port);
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (world, url, "none");

  g_socket_listener_close (listener);
  check_bad (verifier, world->quote, TEST_NOW, TEESQL_ERROR_UNAVAILABLE, "collateral-unreachable");
}

static gboolean
all_hang (gpointer data)
{
  return ((TestService *) data)->hanging->len == DCAP_N_ITEMS;
}

static void
test_cancelled (void)
{
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (service->world, service->url, "none");
  g_autoptr (TeesqlEvidence) evidence = test_evidence_new (service->world->quote);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  test_service_set_mood (service, TEST_HANG);
  teesql_verifier_verify_async (verifier, evidence, TEST_NOW, cancellable, test_keep_result, &result);
  test_until (all_hang, service);
  gint64 start = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_assert_null (teesql_verifier_verify_finish (verifier, test_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - start, <, G_USEC_PER_SEC);
  /* and the next one is not told of it */
  test_service_set_mood (service, TEST_ANSWER);
  check_good (verifier, service->world->quote, TEST_NOW);
}

typedef struct
{
  TestService *service;
  GAsyncResult **result;
} Resumed;

static gboolean
resume_until_result (gpointer data)
{
  Resumed *self = data;

  for (guint i = 0; i < self->service->hanging->len; i++)
    {
      SoupServerMessage *message = self->service->hanging->pdata[i];
      soup_server_message_set_status (message, SOUP_STATUS_INTERNAL_SERVER_ERROR, NULL);
      soup_server_message_unpause (message);
    }
  g_ptr_array_set_size (self->service->hanging, 0);
  return *self->result != NULL;
}

static gboolean
one_hangs (gpointer data)
{
  return ((TestService *) data)->hanging->len == 1;
}

static void
test_one_of_two_cancelled (void)
{
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (service->world, service->url, "none");
  g_autoptr (TeesqlEvidence) evidence = test_evidence_new (service->world->quote);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GAsyncResult) other = NULL;
  g_autoptr (GError) error = NULL;
  Resumed resumed = { service, &other };
  TestRecipe recipe;

  service->moods[DCAP_ITEM_TCB_INFO] = TEST_HANG;
  teesql_verifier_verify_async (verifier, evidence, TEST_NOW, NULL, test_keep_result, &other);
  test_until (one_hangs, service);
  teesql_verifier_verify_async (verifier, evidence, TEST_NOW, cancellable, test_keep_result, &cancelled);
  /* another question all the way through, so that the second has come to wait */
  test_recipe_init (&recipe);
  recipe.quote.signed_by = TEST_KEY_STRANGER;
  g_autoptr (TestWorld) forged = test_world_new (&recipe);
  for (guint i = 0; i < 3; i++)
    check_bad (verifier, forged->quote, TEST_NOW, TEESQL_ERROR_REFUSED, "quote-signature");
  g_cancellable_cancel (cancellable);
  g_assert_null (teesql_verifier_verify_finish (verifier, test_wait (&cancelled), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  g_assert_null (other);
  g_assert_cmpuint (service->asked[DCAP_ITEM_TCB_INFO], ==, 1);
  test_until (resume_until_result, &resumed);
  g_assert_null (teesql_verifier_verify_finish (verifier, other, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "collateral-status");
}

/* A verifier that goes away takes its requests along. */
static void
test_finalized_while_refreshing (void)
{
  g_autoptr (TestService) service = test_service_new (ordinary_world ());
  g_autofree char *directory = g_dir_make_tmp ("dcap-XXXXXX", NULL);
  TeesqlVerifier *verifier = test_verifier_new (service->world, service->url, directory);

  check_good (verifier, service->world->quote, TEST_NOW);
  g_clear_object (&verifier);
  test_service_set_mood (service, TEST_HANG);
  verifier = test_verifier_new (service->world, service->url, directory);
  check_good (verifier, service->world->quote, TEST_NOW + 2 * TEST_DAY);
  test_until (all_hang, service);
  g_clear_object (&verifier);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_autoptr (GFile) file = g_file_new_for_path (directory);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  for (const char *name = g_dir_read_name (dir); name != NULL; name = g_dir_read_name (dir))
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);
      g_unlink (path);
    }
  g_rmdir (directory);
}

static void
test_other_platform_served (void)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  test_edit_tcb (&recipe, "00A06D080000", "B0C06F000000");
  g_autoptr (TestService) service = test_service_new (test_world_new (&recipe));
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (service->world, service->url, "none");
  check_bad (verifier, service->world->quote, TEST_NOW, TEESQL_ERROR_REFUSED, "tcb-info-fmspc");
}

static void
test_not_fetched (void)
{
  g_autoptr (TestWorld) world = ordinary_world ();
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (world, "none", "none");
  check_bad (verifier, world->quote, TEST_NOW, TEESQL_ERROR_CONFIG, "collateral-none");
}

static void
check_options (const char *property, const char *value, const char *reason)
{
  g_autoptr (TeesqlVerifier) verifier = g_object_new (DCAP_TYPE_VERIFIER, "cache-directory", "none", property, value, NULL);
  g_autoptr (GError) error = test_verifier_init (verifier);

  g_assert_error (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_CONFIG);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_options (void)
{
  check_options ("trusted-root", "/nonexistent/root.pem", "trusted-root");
  check_options ("trusted-root", "/proc/self/exe", "trusted-root");
  check_options ("collateral-ca", "/nonexistent/ca.pem", "collateral-ca");
  check_options ("tcb-update", "sometimes", "tcb-update");
  check_options ("collateral-url", "ftp://example.org", "collateral-url");
  check_options ("collateral-url", "https://user@example.org", "collateral-url");
  check_options ("collateral-url", "https://example.org/?x", "collateral-url");
  check_options ("root-crl-url", "file:///etc/passwd", "collateral-url");
}

static void
test_units (void)
{
  static const char *const durations[] = { "fetch-timeout", "refresh-after", "future-issue-date" };
  g_autoptr (GTypeClass) klass = g_type_class_ref (DCAP_TYPE_VERIFIER);

  for (guint i = 0; i < G_N_ELEMENTS (durations); i++)
    {
      GParamSpec *spec = g_object_class_find_property (G_OBJECT_CLASS (klass), durations[i]);
      g_assert_nonnull (spec);
      g_assert_cmpstr (g_param_spec_get_qdata (spec, g_quark_from_static_string ("teesql-unit")), ==, "ms");
      g_assert_true (spec->flags & G_PARAM_CONSTRUCT_ONLY);
    }
}

int
main (int argc, char **argv)
{
  int status = 0;

  g_test_init (&argc, &argv, NULL);
  /* whoever asked one of these would find nobody */
  g_setenv ("http_proxy", "http://127.0.0.1:1", TRUE);
  g_setenv ("all_proxy", "http://127.0.0.1:1", TRUE);
  g_test_add_func ("/fetch/each item once", test_fetch_once);
  g_test_add_func ("/fetch/the early set", test_early);
  g_test_add_func ("/fetch/questions at once are merged", test_merged);
  g_test_add_func ("/fetch/nothing before the quote is proved", test_nothing_before_proof);
  g_test_add_func ("/fetch/forms of CRLs and headers", test_forms);
  for (guint i = 0; i < G_N_ELEMENTS (mishaps); i++)
    g_test_add_data_func (mishaps[i].path, &mishaps[i], test_mishap);
  g_test_add_func ("/fetch/asked again after a failure", test_again);
  g_test_add_func ("/fetch/not asked again before Retry-After", test_throttled);
  g_test_add_func ("/fetch/unknown platform is not asked for again", test_unknown_platform_is_held);
  g_test_add_func ("/fetch/answer cut short", test_truncated);
  g_test_add_func ("/fetch/nobody there", test_unreachable);
  g_test_add_func ("/fetch/cancelled", test_cancelled);
  g_test_add_func ("/fetch/one of two cancelled", test_one_of_two_cancelled);
  g_test_add_func ("/fetch/verifier finalized while it refreshes", test_finalized_while_refreshing);
  g_test_add_func ("/fetch/TCB info of another platform served", test_other_platform_served);
  g_test_add_func ("/fetch/nothing cached and no service", test_not_fetched);
  g_test_add_func ("/options/errors", test_options);
  g_test_add_func ("/options/durations say their unit", test_units);
  status = g_test_run ();
  test_pki_free ();
  return status;
}
