/* The plugin with teesql-simulator, over the socket and over HTTP: what the script of test-agent.c assumes is what an agent does. */
#include "dstack/dstack-attester.h"
#include "dstack/dstack-kms.h"
#include "fake-agent.h"
#include "sdk/teesql-quote.h"
#include <glib/gstdio.h>
#include <string.h>

#define SEED "0101010101010101010101010101010101010101010101010101010101010101" /* a fixed seed is for tests */

typedef struct
{
  char *folder;
  char *socket;
  char *url;
  GSubprocess *process;
  GAsyncResult *result;
} Fixture;

static char *
write_file (Fixture *self, const char *name, const char *text)
{
  g_autoptr (GError) error = NULL;
  char *path = g_build_filename (self->folder, name, NULL);

  g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
  g_assert_no_error (error);
  return path;
}

/* `{"ready":true,…,"http":"http://…",…}` */
static char *
read_url (GSubprocess *process)
{
  g_autoptr (GDataInputStream) lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
  g_autofree char *line = NULL;
  const char *begin = NULL;

  g_filter_input_stream_set_close_base_stream (G_FILTER_INPUT_STREAM (lines), FALSE);
  line = g_data_input_stream_read_line (lines, NULL, NULL, NULL);
  g_assert_nonnull (line);
  g_test_message ("%s", line);
  begin = strstr (line, "\"http\":\"");
  g_assert_nonnull (begin);
  begin += strlen ("\"http\":\"");
  return g_strndup (begin, strcspn (begin, "\""));
}

static gboolean
set_up (Fixture *self)
{
  const char *build = g_getenv ("TEESQL_TEST_BUILD");
  g_autofree char *program = g_build_filename (build != NULL ? build : ".", "core", "simulator", "teesql-simulator", NULL);
  g_autofree char *seed = NULL;
  g_autofree char *app = NULL;
  g_autofree char *seed_option = NULL;
  g_autofree char *app_option = NULL;
  g_autofree char *listen_option = NULL;
  g_autoptr (GError) error = NULL;

  if (!g_file_test (program, G_FILE_TEST_IS_EXECUTABLE))
    {
      g_test_skip ("teesql-simulator is not built");
      return FALSE;
    }
  self->folder = g_dir_make_tmp ("teesql-sim-XXXXXX", NULL);
  self->socket = g_build_filename (self->folder, "agent.sock", NULL);
  seed = write_file (self, "seed", SEED "\n");
  app = write_file (self, "app.json", "{\"name\":\"orders\",\"compose\":\"services: {}\",\"image\":\"test\"}");
  seed_option = g_strdup_printf ("--platform-seed=file:%s", seed);
  app_option = g_strdup_printf ("--app=%s", app);
  listen_option = g_strdup_printf ("--listen=%s", self->socket);
  self->process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, program, seed_option,
                                    "--machine=server", app_option, listen_option, "--http-listen=127.0.0.1:0", NULL);
  g_assert_no_error (error);
  self->url = read_url (self->process);
  return TRUE;
}

static void
tear_down (Fixture *self)
{
  g_autofree char *seed = g_build_filename (self->folder, "seed", NULL);
  g_autofree char *app = g_build_filename (self->folder, "app.json", NULL);

  g_subprocess_force_exit (self->process);
  g_subprocess_wait (self->process, NULL, NULL);
  g_clear_object (&self->process);
  g_unlink (seed);
  g_unlink (app);
  g_unlink (self->socket);
  g_rmdir (self->folder);
  g_free (self->folder);
  g_free (self->socket);
  g_free (self->url);
}

static void
done_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  ((Fixture *) data)->result = g_object_ref (result);
}

static void
check_evidence (Fixture *self, TeesqlAttester *attester)
{
  const guint8 report_data[TEESQL_REPORT_DATA_SIZE] = { 4, 5, 6 };
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlEvidence) evidence = NULL;

  teesql_attester_get_evidence_async (attester, report_data, NULL, done_cb, self);
  fake_wait_for (self->result != NULL);
  evidence = teesql_attester_get_evidence_finish (attester, self->result, &error);
  g_clear_object (&self->result);
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_evidence_get_n_events (evidence), >=, 9);
}

static void
check_identity (Fixture *self, TeesqlAttester *attester)
{
  const char *const names[] = { "localhost", "127.0.0.1", NULL };
  const gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  const TeesqlTlsRequest request = { .subject = "orders-1",
                                     .alt_names = names,
                                     .usage = TEESQL_TLS_USAGE_SERVER | TEESQL_TLS_USAGE_CLIENT,
                                     .not_before_unix = now - 300,
                                     .not_after_unix = now + 3600 };
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlTlsIdentity) identity = NULL;
  guint n_chain = 0;

  teesql_attester_get_tls_identity_async (attester, &request, NULL, done_cb, self);
  fake_wait_for (self->result != NULL);
  identity = teesql_attester_get_tls_identity_finish (attester, self->result, &error);
  g_clear_object (&self->result);
  g_assert_no_error (error);
  teesql_tls_identity_get_chain (identity, &n_chain);
  g_assert_cmpuint (n_chain, >=, 2);
}

static void
check_info (Fixture *self, TeesqlAttester *attester)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) info = NULL;
  const char *text = NULL;

  teesql_attester_get_info_async (attester, NULL, done_cb, self);
  fake_wait_for (self->result != NULL);
  info = teesql_attester_get_info_finish (attester, self->result, &error);
  g_clear_object (&self->result);
  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (info, "app_name", "&s", &text));
  g_assert_cmpstr (text, ==, "orders");
  g_assert_true (g_variant_lookup (info, "key_provider", "&s", &text));
  g_assert_true (g_str_has_prefix (text, "kms:"));
}

static TeesqlSecret *
get_key (Fixture *self, TeesqlKms *kms, const char *path)
{
  g_autoptr (GError) error = NULL;
  TeesqlSecret *key = NULL;

  teesql_kms_get_key_async (kms, path, "label", NULL, done_cb, self);
  fake_wait_for (self->result != NULL);
  key = teesql_kms_get_key_finish (kms, self->result, &error);
  g_clear_object (&self->result);
  g_assert_no_error (error);
  return key;
}

static void
check_kms (Fixture *self, const char *endpoint)
{
  g_autoptr (TeesqlKms) kms = g_object_new (DSTACK_TYPE_KMS, "endpoint", endpoint, NULL);
  g_autoptr (TeesqlSecret) one = get_key (self, kms, "backup/encryption");
  g_autoptr (TeesqlSecret) again = get_key (self, kms, "backup/encryption");
  g_autoptr (TeesqlSecret) other = get_key (self, kms, "pg/superuser");

  g_assert_true (teesql_secret_equal (one, again));
  g_assert_false (teesql_secret_equal (one, other));
  g_assert_nonnull (teesql_kms_get_taint (kms));
}

static void
check_all (Fixture *self, const char *endpoint, const char *taint)
{
  g_autoptr (TeesqlAttester) attester = g_object_new (DSTACK_TYPE_ATTESTER, "endpoint", endpoint, NULL);

  check_evidence (self, attester);
  check_identity (self, attester);
  check_info (self, attester);
  check_kms (self, endpoint);
  g_assert_true (g_str_has_prefix (teesql_attester_get_taint (attester), taint));
}

static void
test_simulator (void)
{
  Fixture self = { 0 };

  if (!set_up (&self))
    return;
  check_all (&self, self.socket, "simulator at ");
  check_all (&self, self.url, "agent over http://127.0.0.1:");
  tear_down (&self);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dstack/simulator/gives-evidence-identity-facts-and-keys", test_simulator);
  return g_test_run ();
}
