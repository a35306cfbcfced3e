/* What survives a restart, and what it must never allow: going back. */
#include "test-service.h"

#include <glib/gstdio.h>
#include <teesql/teesql-error.h>

typedef struct
{
  char *directory;
  TestService *service;
} Fixture;

static void
setup (Fixture *self, gconstpointer data)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  self->directory = g_dir_make_tmp ("dcap-cache-XXXXXX", NULL);
  self->service = test_service_new (test_world_new (&recipe));
}

typedef void (*FileFunc) (const char *path);

static void
for_each_file (const char *directory, FileFunc func)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);

  for (const char *name = g_dir_read_name (dir); name != NULL; name = g_dir_read_name (dir))
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);
      func (path);
    }
}

static void
remove_file (const char *path)
{
  g_unlink (path);
}

static void
teardown (Fixture *self, gconstpointer data)
{
  for_each_file (self->directory, remove_file);
  g_rmdir (self->directory);
  g_free (self->directory);
  test_service_free (self->service);
}

/* a verifier as after a restart, one question */
static TeesqlClaims *
ask (Fixture *self, gint64 now, GError **error)
{
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (self->service->world, self->service->url, self->directory);
  return test_verify (verifier, self->service->world->quote, now, error);
}

static void
ask_good (Fixture *self, gint64 now)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = ask (self, now, &error);
  g_assert_no_error (error);
}

static void
ask_bad (Fixture *self, gint64 now, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (ask (self, now, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_survives (Fixture *self, gconstpointer data)
{
  ask_good (self, TEST_NOW);
  g_assert_cmpuint (test_service_asked (self->service), ==, DCAP_N_ITEMS);
  test_service_set_mood (self->service, TEST_STATUS);
  self->service->status = 500;
  ask_good (self, TEST_NOW + 3600);
  g_assert_cmpuint (test_service_asked (self->service), ==, DCAP_N_ITEMS);
}

static void
check_mode (const char *path)
{
  GStatBuf st;
  g_assert_cmpint (g_stat (path, &st), ==, 0);
  g_assert_cmpint (st.st_mode & 0777, ==, 0600);
}

static void
flip_last_bytes (const char *path)
{
  g_autofree char *data = NULL;
  gsize size = 0;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  /* inside the first part, whatever it is */
  data[24] ^= 1;
  g_assert_true (g_file_set_contents (path, data, (gssize) size, NULL));
}

static void
truncate_file (const char *path)
{
  g_autofree char *data = NULL;
  gsize size = 0;

  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  g_assert_true (g_file_set_contents (path, data, (gssize) size / 2, NULL));
}

static void
replace_by_folder (const char *path)
{
  g_unlink (path);
  g_mkdir (path, 0700);
}

static void
remove_folder (const char *path)
{
  g_rmdir (path);
}

static void
test_damaged (Fixture *self, gconstpointer data)
{
  static const FileFunc damages[] = { flip_last_bytes, truncate_file };

  ask_good (self, TEST_NOW);
  for_each_file (self->directory, check_mode);
  for (guint i = 0; i < G_N_ELEMENTS (damages); i++)
    {
      guint before = test_service_asked (self->service);
      for_each_file (self->directory, damages[i]);
      ask_good (self, TEST_NOW);
      g_assert_cmpuint (test_service_asked (self->service), ==, before + DCAP_N_ITEMS);
    }
  /* where nothing can be read or written, the answer is still right */
  for_each_file (self->directory, replace_by_folder);
  ask_good (self, TEST_NOW);
  for_each_file (self->directory, remove_folder);
}

/* Files of another root are another matter: its items are not ours. */
static void
test_other_root (Fixture *self, gconstpointer data)
{
  TestRecipe recipe;

  ask_good (self, TEST_NOW);
  test_recipe_init (&recipe);
  for (guint i = 0; i < TEST_N_CERTS; i++)
    if (recipe.certs[i].signed_by == TEST_KEY_ROOT)
      recipe.certs[i].signed_by = TEST_KEY_STRANGER;
  recipe.certs[TEST_ROOT].key = TEST_KEY_STRANGER;
  recipe.root_crl.signed_by = TEST_KEY_STRANGER;
  TestWorld *world = test_world_new (&recipe);
  guint before = test_service_asked (self->service);
  test_service_set_world (self->service, world);
  ask_good (self, TEST_NOW);
  g_assert_cmpuint (test_service_asked (self->service), ==, before + DCAP_N_ITEMS);
}

static void
move_to_another_platform (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "00a06d080000", 2);
  g_autofree char *other = g_strjoinv ("00a06d080001", parts);

  g_assert_cmpint (g_rename (path, other), ==, 0);
}

/* Good signatures on what does not belong there: it is not used, and does not keep the right item away either. */
static void
test_moved (Fixture *self, gconstpointer data)
{
  TestRecipe recipe;

  ask_good (self, TEST_NOW);
  for_each_file (self->directory, move_to_another_platform);
  test_recipe_init (&recipe);
  recipe.pck.fmspc[5] = 1;
  test_edit_tcb (&recipe, "00A06D080000", "00A06D080001");
  test_service_set_world (self->service, test_world_new (&recipe));
  guint before = test_service_asked (self->service);
  ask_good (self, TEST_NOW);
  g_assert_cmpuint (test_service_asked (self->service), ==, before + 1);
}

static void
serve_older_number (Fixture *self)
{
  TestRecipe recipe;

  test_recipe_init (&recipe);
  test_edit_tcb (&recipe, "\"tcbEvaluationDataNumber\":17", "\"tcbEvaluationDataNumber\":16");
  recipe.tcb_info.issue_date = TEST_NOW + 20 * TEST_DAY;
  recipe.tcb_info.next_update = TEST_NOW + 50 * TEST_DAY;
  recipe.qe_identity.next_update = TEST_NOW + 50 * TEST_DAY;
  recipe.root_crl.next_update = TEST_NOW + 50 * TEST_DAY;
  recipe.pck_crl.next_update = TEST_NOW + 50 * TEST_DAY;
  test_service_set_world (self->service, test_world_new (&recipe));
}

/* Everything kept has expired, and what is offered is newer by date and older by number. */
static void
test_lower_number (Fixture *self, gconstpointer data)
{
  ask_good (self, TEST_NOW);
  serve_older_number (self);
  ask_bad (self, TEST_NOW + 40 * TEST_DAY, "tcb-info-rollback");
  /* with the memory of it gone, so is the protection; that is what the folder is for */
  for_each_file (self->directory, remove_file);
  ask_good (self, TEST_NOW + 40 * TEST_DAY);
}

static void
test_early_set_apart (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlVerifier) early = NULL;
  g_autoptr (GError) error = NULL;

  early = test_verifier_new_full (self->service->world, self->service->url, self->directory, "early", 10000);
  g_autoptr (TeesqlClaims) first = test_verify (early, self->service->world->quote, TEST_NOW, &error);
  g_assert_no_error (error);
  serve_older_number (self);
  /* the standard set may well be behind the early one */
  ask_good (self, TEST_NOW + 40 * TEST_DAY);
}

static gboolean
was_asked_again (gpointer data)
{
  Fixture *self = data;
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    if (self->service->asked[i] < 2)
      return FALSE;
  return TRUE;
}

static gint64
issued_at (TeesqlVerifier *verifier, GBytes *quote, gint64 now)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = test_verify (verifier, quote, now, &error);
  gint64 value = 0;

  g_assert_no_error (error);
  g_assert_true (teesql_claims_get_number (claims, TEESQL_NUMBER_ISSUED_AT, &value));
  return value;
}

typedef struct
{
  TeesqlVerifier *verifier;
  GBytes *quote;
  gint64 now;
  gint64 expected;
} Refreshed;

static gboolean
is_refreshed (gpointer data)
{
  const Refreshed *self = data;
  return issued_at (self->verifier, self->quote, self->now) == self->expected;
}

/* A day later what is kept still holds: it answers at once, and is fetched again behind the scenes. */
static void
test_refreshed (Fixture *self, gconstpointer data)
{
  TestRecipe recipe;
  gint64 later = TEST_NOW + 2 * TEST_DAY;

  ask_good (self, TEST_NOW);
  test_recipe_init (&recipe);
  recipe.pck_crl.this_update = TEST_NOW + TEST_DAY;
  recipe.tcb_info.issue_date = TEST_NOW + TEST_DAY;
  recipe.qe_identity.issue_date = TEST_NOW + TEST_DAY;
  test_service_set_world (self->service, test_world_new (&recipe));
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (self->service->world, self->service->url, self->directory);
  g_assert_cmpint (issued_at (verifier, self->service->world->quote, later), ==, TEST_NOW - 10 * TEST_DAY);
  test_until (was_asked_again, self);
  Refreshed refreshed = { verifier, self->service->world->quote, later, TEST_NOW + TEST_DAY };
  test_until (is_refreshed, &refreshed);
  g_assert_cmpuint (test_service_asked (self->service), ==, 2 * DCAP_N_ITEMS);
}

/* What is kept holds, a refresh brings nothing: the answer stays, until its own end. */
static void
test_refresh_fails (Fixture *self, gconstpointer data)
{
  gint64 later = TEST_NOW + 2 * TEST_DAY;

  ask_good (self, TEST_NOW);
  test_service_set_mood (self->service, TEST_HTML);
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (self->service->world, self->service->url, self->directory);
  for (guint i = 0; i < 3; i++)
    issued_at (verifier, self->service->world->quote, later);
  test_until (was_asked_again, self);
  /* the end of the CRLs */
  ask_bad (self, TEST_NOW + 21 * TEST_DAY, "root-crl-malformed");
}

static void
test_no_folder (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlVerifier) verifier = test_verifier_new (self->service->world, self->service->url, "/proc/nonexistent/cache");
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = test_verify (verifier, self->service->world->quote, TEST_NOW, &error);
  g_assert_no_error (error);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, setup, func, teardown)

int
main (int argc, char **argv)
{
  int status = 0;

  g_test_init (&argc, &argv, NULL);
  ADD ("/cache/survives a restart", test_survives);
  ADD ("/cache/damaged files are fetched again", test_damaged);
  ADD ("/cache/files of another root are not ours", test_other_root);
  ADD ("/cache/files of another platform are not ours", test_moved);
  ADD ("/cache/a lower number is refused after a restart", test_lower_number);
  ADD ("/cache/the early set has numbers of its own", test_early_set_apart);
  ADD ("/cache/what is due is fetched again behind the scenes", test_refreshed);
  ADD ("/cache/a refresh that fails changes nothing", test_refresh_fails);
  ADD ("/cache/no folder, no harm", test_no_folder);
  status = g_test_run ();
  test_pki_free ();
  return status;
}
