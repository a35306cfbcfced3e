#include "base/teesql-locked-memory.h"
#include <teesql/teesql-secret.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void
a_secret_keeps_what_it_was_given (void)
{
  g_autoptr (TeesqlSecret) a = teesql_secret_new ((const guint8 *) "hunter2", 7, NULL);
  g_autoptr (TeesqlSecret) b = teesql_secret_new_from_hex ("68756E74657232", 14, NULL);
  g_autoptr (TeesqlSecret) c = teesql_secret_new ((const guint8 *) "hunter3", 7, NULL);
  g_autoptr (TeesqlSecret) shorter = teesql_secret_new ((const guint8 *) "hunter", 6, NULL);
  gsize size = 0;

  g_assert_cmpmem (teesql_secret_peek (a, &size), 7, "hunter2", 7);
  g_assert_cmpuint (size, ==, 7);
  g_assert_cmpuint (teesql_secret_get_size (b), ==, 7);
  g_assert_true (teesql_secret_equal (a, b));
  g_assert_false (teesql_secret_equal (a, c));
  g_assert_false (teesql_secret_equal (a, shorter));
}

static void
every_hex_digit_decodes_and_nothing_else_does (void)
{
  for (guint c = 1; c < 256; c++)
    {
      const char text[3] = { (char) c, '7', '\0' };
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlSecret) secret = teesql_secret_new_from_hex (text, 2, &error);

      if (g_ascii_isxdigit ((char) c))
        {
          g_assert_no_error (error);
          g_assert_cmpuint (*teesql_secret_peek (secret, NULL), ==, (guint) g_ascii_xdigit_value ((char) c) << 4 | 7);
        }
      else
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
          g_assert_null (strstr (error->message, "7"));
        }
    }
}

static void
sizes_out_of_bounds_are_refused (void)
{
  g_autofree guint8 *large = g_malloc0 (TEESQL_SECRET_MAX_SIZE + 1);
  g_autoptr (TeesqlSecret) largest = teesql_secret_new (large, TEESQL_SECRET_MAX_SIZE, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (largest);
  g_assert_null (teesql_secret_new (large, TEESQL_SECRET_MAX_SIZE + 1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (teesql_secret_new (large, 0, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (teesql_secret_new_from_hex ("abc", -1, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

static gboolean
give_up (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  memset (out, 'x', size);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_PENDING, "not today");
  return FALSE;
}

static void
a_filler_may_give_up (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (teesql_secret_new_fill (32, give_up, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_PENDING);
}

#if !defined __SANITIZE_ADDRESS__ /* under it mlock() does nothing */
/* The kernel's flags of the pages under @address. */
static char *
dup_flags (gconstpointer address)
{
  char *flags = NULL;
  FILE *file = fopen ("/proc/self/smaps", "r");
  char line[512];
  gboolean inside = FALSE;

  g_assert_nonnull (file);
  while (fgets (line, sizeof line, file) != NULL)
    {
      gsize start = 0;
      gsize end = 0;

      if (sscanf (line, "%lx-%lx ", &start, &end) == 2)
        inside = (gsize) address >= start && (gsize) address < end;
      else if (inside && g_str_has_prefix (line, "VmFlags:"))
        {
          g_assert_null (flags);
          flags = g_strdup (line);
        }
    }
  fclose (file);
  g_assert_nonnull (flags);
  return flags;
}

static void
its_pages_are_locked_and_left_out_of_dumps_and_children (void)
{
  const gsize sizes[] = { 1, 64, 65, 256, 1024, 1025, 8192, 16384 };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree guint8 *data = g_malloc0 (sizes[i]);
      g_autoptr (TeesqlSecret) secret = teesql_secret_new (data, sizes[i], NULL);
      g_autofree char *flags = dup_flags (teesql_secret_peek (secret, NULL));

      g_assert_nonnull (strstr (flags, " lo")); /* locked */
      g_assert_nonnull (strstr (flags, " dd")); /* not in a dump */
      g_assert_nonnull (strstr (flags, " wf")); /* wiped on fork */
    }
}
#endif

static void
a_forked_child_sees_zeros (void)
{
  g_autoptr (TeesqlSecret) secret = teesql_secret_new ((const guint8 *) "hunter2", 7, NULL);
  int status = 0;
  pid_t child = fork ();

  if (child == 0)
    {
      static const guint8 zeros[7] = { 0 };

      _exit (memcmp (teesql_secret_peek (secret, NULL), zeros, 7) == 0 ? 0 : 1);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpmem (teesql_secret_peek (secret, NULL), 7, "hunter2", 7);
}

#if !defined __SANITIZE_ADDRESS__ /* which would, rightly, not let us look */
static void
the_last_unref_wipes (void)
{
  g_autoptr (TeesqlSecret) neighbour = teesql_secret_new ((const guint8 *) "neighbour", 9, NULL); /* keeps the page mapped */
  TeesqlSecret *secret = teesql_secret_new ((const guint8 *) "hunter2", 7, NULL);
  const volatile guint8 *data = teesql_secret_peek (secret, NULL);

  teesql_secret_ref (secret);
  teesql_secret_unref (secret);
  g_assert_cmpuint (data[0], ==, 'h');
  teesql_secret_unref (secret);
  for (guint i = 0; i < 7; i++)
    g_assert_cmpuint (data[i], ==, 0);
}
#endif

static void
many_small_secrets_share_pages (void)
{
  g_autoptr (GPtrArray) secrets = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_secret_unref);
  g_autoptr (GHashTable) pages = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < 1000; i++)
    {
      TeesqlSecret *secret = teesql_secret_new ((const guint8 *) &i, sizeof i, NULL);

      g_assert_nonnull (secret);
      g_ptr_array_add (secrets, secret);
      g_hash_table_add (pages, GSIZE_TO_POINTER ((gsize) teesql_secret_peek (secret, NULL) / 4096));
    }
  for (guint i = 0; i < 1000; i++)
    g_assert_cmpmem (teesql_secret_peek (secrets->pdata[i], NULL), sizeof i, &i, sizeof i);
  g_assert_cmpuint (g_hash_table_size (pages), <=, 17);
}

static gpointer
churn (gpointer user_data)
{
  for (guint i = 0; i < 2000; i++)
    {
      guint8 data[96];
      gsize size = 1 + (i * 7 + GPOINTER_TO_UINT (user_data)) % sizeof data;
      g_autoptr (TeesqlSecret) secret = NULL;

      memset (data, (int) (i & 0xff), sizeof data);
      secret = teesql_secret_new (data, size, NULL);
      g_assert_nonnull (secret);
      g_assert_cmpmem (teesql_secret_peek (secret, NULL), (int) size, data, (int) size);
    }
  return NULL;
}

static void
threads_may_make_and_drop_them (void)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("churn", churn, GUINT_TO_POINTER (i));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
a_low_limit_is_said_with_a_hint (void)
{
  struct rlimit none = { 0, 0 };
  int status = 0;
  pid_t child = fork ();

  if (child == 0) /* root may lock whatever the limit says */
    {
      g_autoptr (GError) error = NULL;
      TeesqlSecret *secret = NULL;

      if (setrlimit (RLIMIT_MEMLOCK, &none) != 0 || (geteuid () == 0 && setresuid (65534, 65534, 65534) != 0))
        _exit (2);
      secret = teesql_secret_new ((const guint8 *) "x", 1, &error);
      _exit (secret == NULL && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE) &&
                     strstr (error->message, "\nhint: raise the limit") != NULL
                 ? 0
                 : 1);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
#ifdef __SANITIZE_ADDRESS__
  /* the sanitizer makes mlock() a no-op, so here the call must succeed, and did */
  g_assert_cmpint (WEXITSTATUS (status), ==, 1);
#else
  g_assert_cmpint (status, ==, 0);
#endif
}

static void
overrunning_locked_memory_faults (void)
{
  if (g_test_subprocess ())
    {
      guint8 *data = teesql_locked_alloc (32, NULL);
      struct rlimit no_core = { 0, 0 };

      setrlimit (RLIMIT_CORE, &no_core);
      ((volatile guint8 *) data)[32] = 1;
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
}

static void
hardening_is_seen_in_proc (void)
{
  if (g_test_subprocess ())
    {
      g_autofree char *status = NULL;
      struct rlimit core = { 1, 1 };

      teesql_process_harden (NULL);
      g_assert_true (g_file_get_contents ("/proc/self/status", &status, NULL, NULL));
      g_assert_nonnull (strstr (status, "NoNewPrivs:\t1"));
      g_assert_cmpint (getrlimit (RLIMIT_CORE, &core), ==, 0);
      g_assert_cmpuint (core.rlim_max, ==, 0);
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/secret/keeps what it was given", a_secret_keeps_what_it_was_given);
  g_test_add_func ("/secret/every hex digit decodes and nothing else does", every_hex_digit_decodes_and_nothing_else_does);
  g_test_add_func ("/secret/sizes out of bounds are refused", sizes_out_of_bounds_are_refused);
  g_test_add_func ("/secret/a filler may give up", a_filler_may_give_up);
#if !defined __SANITIZE_ADDRESS__
  g_test_add_func ("/secret/its pages are locked and left out of dumps and children",
                   its_pages_are_locked_and_left_out_of_dumps_and_children);
  g_test_add_func ("/secret/the last unref wipes", the_last_unref_wipes);
#endif
  g_test_add_func ("/secret/a forked child sees zeros", a_forked_child_sees_zeros);
  g_test_add_func ("/secret/many small secrets share pages", many_small_secrets_share_pages);
  g_test_add_func ("/secret/threads may make and drop them", threads_may_make_and_drop_them);
  g_test_add_func ("/secret/a low limit is said with a hint", a_low_limit_is_said_with_a_hint);
  g_test_add_func ("/locked-memory/overrunning it faults", overrunning_locked_memory_faults);
  g_test_add_func ("/locked-memory/hardening is seen in proc", hardening_is_seen_in_proc);
  return g_test_run ();
}
