#include "storage/teesql-storage-check-private.h"

#define N_NAMES       10000
#define N_NAMES_QUICK 500
#define N_CLEANERS    16
#define MAX_LEFT      1000000

#define IF_ABSENT TEESQL_STORAGE_FEATURE_IF_ABSENT
#define UPLOAD    TEESQL_STORAGE_FEATURE_UPLOAD
#define PARALLEL  TEESQL_STORAGE_FEATURE_PARALLEL
#define NOTHING   ((TeesqlStorageFeatures) 0)

static const CheckCase cases[] = {
  { "round-trip", "what was put is what stat and get give, at every size", NOTHING, check_round_trip },
  { "unknown-size", "content whose size nobody knows before is stored whole", NOTHING, check_unknown_size },
  { "truncated-content", "content that ends early stores nothing", NOTHING, check_truncated },
  { "broken-content", "content that ends in an error stores nothing", NOTHING, check_broken_content },
  { "atomic-put", "nobody sees an object before it is whole, nor after its put was cancelled", NOTHING, check_atomic_put },
  { "atomic-overwrite", "until an object is replaced as a whole, everybody sees the old one", NOTHING, check_atomic_overwrite },
  { "overwrite", "a put replaces", NOTHING, check_overwrite },
  { "if-absent", "IF_ABSENT does not replace", IF_ABSENT, check_if_absent },
  { "if-absent-race", "of racers with IF_ABSENT exactly one wins", IF_ABSENT, check_if_absent_race },
  { "ranges", "a range is given exactly, or an error", NOTHING, check_ranges },
  { "absent", "what is not there is NOT_FOUND, and gone when removed", NOTHING, check_absent },
  { "remove", "what was removed is gone, as often as it is removed", NOTHING, check_remove },
  { "odd-names", "every name that is allowed is a name of its own", NOTHING, check_odd_names },
  { "list-changes", "what was removed is not listed", NOTHING, check_list_odd },
  { "list", "names come in order over pages of any size, for any prefix", NOTHING, check_list },
  { "concurrent", "many calls at once do not disturb each other", NOTHING, check_concurrent },
  { "upload", "parts become an object", UPLOAD, check_upload },
  { "upload-sizes", "uploads of every size around a part", UPLOAD, check_upload_sizes },
  { "upload-disorder", "parts come in any order, at once, and again", (TeesqlStorageFeatures) (UPLOAD | PARALLEL), check_upload_disorder },
  { "upload-invisible", "nobody sees an upload before its commit", UPLOAD, check_upload_invisible },
  { "upload-overwrite", "a commit replaces", UPLOAD, check_upload_overwrite },
  { "upload-abort", "an upload that is given up is gone, as often as it is", UPLOAD, check_upload_abort },
  { "upload-unknown", "an upload that never was is NOT_FOUND", UPLOAD, check_upload_unknown },
  { "upload-if-absent", "a commit with IF_ABSENT does not replace", (TeesqlStorageFeatures) (UPLOAD | IF_ABSENT), check_upload_if_absent },
  { "upload-race", "of commits with IF_ABSENT exactly one wins", (TeesqlStorageFeatures) (UPLOAD | IF_ABSENT), check_upload_race },
  { "cancel-put", "a cancelled put ends within a second, whole or not at all", NOTHING, check_cancel_put },
  { "cancel-calls", "every cancelled call ends within a second", NOTHING, check_cancel_calls },
  { "cancel-upload", "cancelled uploads end within a second and go on afterwards", UPLOAD, check_cancel_upload },
};

#define CLEANUP "cleanup"

const char *const *
teesql_storage_check_list (void)
{
  static const char *names[G_N_ELEMENTS (cases) + 2];

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    names[i] = cases[i].name;
  names[G_N_ELEMENTS (cases)] = CLEANUP;
  return names;
}

/* ---- cleaning up, which is a check too ---- */

static gboolean
collect (TeesqlObjectInfo *info, gpointer user_data, GError **error)
{
  g_ptr_array_add (user_data, g_strdup (teesql_object_info_get_name (info)));
  return TRUE;
}

static gboolean
remove_some (Check *self, guint index, gpointer data)
{
  GPtrArray *names = data;

  for (guint i = index; i < names->len; i += N_CLEANERS)
    {
      GError *error = NULL;

      if (!teesql_store_remove (self->store, names->pdata[i], NULL, &error))
        return check_failed (self, "remove takes an object away", error);
    }
  return TRUE;
}

static gboolean
clean_up (Check *self)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  GError *error = NULL;

  if (!teesql_store_list (self->store, self->prefix, MAX_LEFT, collect, names, NULL, &error))
    return check_failed (self, "everything can be listed", error);
  return check_in_parallel (self, N_CLEANERS, remove_some, names) && check_expect_names (self, self->prefix, TEESQL_STORAGE_PAGE_MAX, none);
}

/* ---- running ---- */

static char *
describe_features (TeesqlStorageFeatures features)
{
  const char *words[4] = { NULL };
  guint n = 0;

  if ((features & IF_ABSENT) != 0)
    words[n++] = "IF_ABSENT";
  if ((features & UPLOAD) != 0)
    words[n++] = "UPLOAD";
  if ((features & PARALLEL) != 0)
    words[n++] = "PARALLEL";
  return g_strjoinv (" and ", (char **) words);
}

static void
tell (Check *self, const CheckCase *what, TeesqlStorageCheckStatus status, gint64 begun_us)
{
  TeesqlStorageCheckResult result = {
    .name = what->name,
    .title = what->title,
    .status = status,
    .expected = self->expected,
    .found = self->found,
    .duration_ms = (guint) ((g_get_monotonic_time () - begun_us) / 1000),
  };

  if (self->options->result != NULL)
    self->options->result (&result, self->options->user_data);
  g_clear_pointer (&self->expected, g_free);
  g_clear_pointer (&self->found, g_free);
}

/* %FALSE: it failed */
static gboolean
run_case (Check *self, const CheckCase *what)
{
  gint64 begun_us = g_get_monotonic_time ();
  TeesqlStorageFeatures lacks = (TeesqlStorageFeatures) (what->needs & ~self->features);
  gboolean passed = FALSE;

  self->name = what->name;
  if (lacks != 0)
    {
      self->expected = describe_features (lacks);
      tell (self, what, TEESQL_STORAGE_CHECK_SKIPPED, begun_us);
      return TRUE;
    }
  check_progress (self, 0, 0);
  passed = what->func (self);
  if (!passed && g_cancellable_is_cancelled (self->cancellable))
    {
      g_clear_pointer (&self->expected, g_free); /* it did not fail, it was ended */
      g_clear_pointer (&self->found, g_free);
      return FALSE;
    }
  tell (self, what, passed ? TEESQL_STORAGE_CHECK_PASSED : TEESQL_STORAGE_CHECK_FAILED, begun_us);
  return passed;
}

static gboolean
run_all (Check *self)
{
  static const CheckCase cleanup = { CLEANUP, "all that was made can be taken away, and nothing is left", NOTHING, clean_up };
  const char *const *only = self->options->only;
  gboolean passed = TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS (cases) && !g_cancellable_is_cancelled (self->cancellable); i++)
    if (only == NULL || g_strv_contains (only, cases[i].name))
      passed = run_case (self, &cases[i]) && passed;
  self->cancellable = NULL; /* what was made goes, also when we were told to stop */
  return run_case (self, &cleanup) && passed;
}

gboolean
teesql_storage_check_run (TeesqlStore *store, const TeesqlStorageCheckOptions *options, GCancellable *cancellable, gboolean *out_passed,
                          GError **error)
{
  Check check = { .store = store, .options = options, .cancellable = cancellable };

  g_return_val_if_fail (TEESQL_IS_STORE (store) && options != NULL && out_passed != NULL, FALSE);

  if (!teesql_store_open (store, cancellable, error))
    return FALSE;
  check.features = teesql_store_get_features (store);
  check.prefix = g_strdup_printf ("teesql-check-%08x%08x/", g_random_int (), g_random_int ());
  check.n_names = options->n_names != 0 ? options->n_names : options->quick ? N_NAMES_QUICK : N_NAMES;
  g_mutex_init (&check.lock);
  *out_passed = run_all (&check);
  g_mutex_clear (&check.lock);
  g_free (check.prefix);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}
