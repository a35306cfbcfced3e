/* `kms:PATH` and its relatives. */
#include "attest/teesql-reference.h"
#include "base/teesql-domains.h"
#include "test-world.h"
#include <glib/gstdio.h>
#include <string.h>

static void
set_up (World *self, gconstpointer data)
{
  world_set_up (self);
  world_begin (self, 1);
}

static void
tear_down (World *self, gconstpointer data)
{
  world_tear_down (self);
}

static TeesqlSecret *
resolve (TeesqlAttestService *service, FakeKms *kms, const char *reference, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_attest_resolve_reference_async (service, kms != NULL ? TEESQL_KMS (kms) : NULL, reference, NULL, world_keep_result_cb, &result);
  g_assert_null (result);
  world_wait_for (result != NULL);
  return teesql_attest_resolve_reference_finish (result, error);
}

static void
test_kms (World *self, gconstpointer data)
{
  g_autoptr (FakeKms) kms = fake_kms_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) secret = NULL;
  g_autoptr (TeesqlSecret) other = NULL;
  gsize size = 0;

  kms->taint = "simulator at /tmp/fake.sock";
  secret = resolve (self->service, kms, "kms:pg/superuser", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (kms->last, ==, "pg/superuser superuser-password");
  g_assert_cmpint (memcmp (teesql_secret_peek (secret, &size), "0102030000", 10), ==, 0);
  g_assert_cmpuint (size, ==, 64);
  other = resolve (NULL, kms, "kms:app/token", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (kms->last, ==, "app/token reference");
}

static void
assert_refused (World *self, FakeKms *kms, const char *reference, GQuark domain, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (resolve (self->service, kms, reference, &error));
  g_assert_error (error, domain, (int) code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_reserved (World *self, gconstpointer data)
{
  g_autoptr (FakeKms) kms = fake_kms_new ();

  assert_refused (self, kms, "kms:pg/roles", TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "kms-path-reserved");
  assert_refused (self, kms, "kms:backup/encryption", TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "kms-path-reserved");
  assert_refused (self, kms, "kms:disk/encryption", TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "kms-path-reserved");
  assert_refused (self, NULL, "kms:pg/superuser", TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "no-kms");
  g_assert_null (kms->last);
}

static void
test_other_trust (World *self, gconstpointer data)
{
  g_autoptr (FakeKms) kms = fake_kms_new ();

  g_assert_true (world_start (self, NULL));
  /* the attester is a simulator, this KMS is not */
  assert_refused (self, kms, "kms:pg/superuser", TEESQL_ATTEST_ERROR, TEESQL_ERROR_CONFIG, "mixed-trust");
}

static void
test_unavailable (World *self, gconstpointer data)
{
  g_autoptr (FakeKms) kms = fake_kms_new ();
  g_autofree char *reason = NULL;

  kms->error = teesql_error_new (TEESQL_KMS_ERROR, TEESQL_ERROR_UNAVAILABLE, "agent-absent", 0, "nobody there");
  assert_refused (self, kms, "kms:pg/superuser", TEESQL_KMS_ERROR, TEESQL_ERROR_UNAVAILABLE, "agent-absent");
  g_assert_cmpint (teesql_status_get_health (self->status, &reason), ==, TEESQL_HEALTH_FAILED);
  g_assert_cmpstr (reason, ==, "agent-absent");
  g_clear_error (&kms->error);
  kms->taint = "simulator at /tmp/fake.sock";
  g_autoptr (TeesqlSecret) secret = resolve (self->service, kms, "kms:pg/superuser", NULL);
  g_assert_nonnull (secret);
  g_assert_cmpint (teesql_status_get_health (self->status, NULL), !=, TEESQL_HEALTH_FAILED);
}

static void
test_file (World *self, gconstpointer data)
{
  g_autofree char *folder = g_dir_make_tmp ("teesql-reference-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "secret", NULL);
  g_autofree char *reference = g_strconcat ("file:", path, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) secret = NULL;

  g_assert_true (g_file_set_contents_full (path, "hush\n", -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  secret = resolve (self->service, NULL, reference, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_secret_get_size (secret), ==, 4);
  g_unlink (path);
  g_assert_null (resolve (self->service, NULL, reference, NULL));
  g_rmdir (folder);
}

#define ADD(path, function) g_test_add ("/attest/reference/" path, World, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("kms-paths-become-64-hex-digits", test_kms);
  ADD ("paths-of-other-keys-are-refused", test_reserved);
  ADD ("SR-7/a-kms-of-another-kind-of-trust-is-refused", test_other_trust);
  ADD ("an-absent-kms-shows-in-status", test_unavailable);
  ADD ("the-others-are-read-as-the-configuration-says", test_file);
  return g_test_run ();
}
