/* The cache alone: what its key holds apart, what it forgets. */
#include "attest/teesql-verdict-cache.h"
#include "attest/teesql-verdict-private.h"
#include "teesql-build.h"
#include <string.h>

static TeesqlVerdict *
accepted (void)
{
  const TeesqlVerdictFields fields = { .message = "fine" };

  return teesql_verdict_new (&fields);
}

static gboolean
knows (TeesqlVerdictCache *cache, const TeesqlVerdictKey *key, gint64 now)
{
  g_autoptr (TeesqlVerdict) verdict = teesql_verdict_cache_lookup (cache, key, now);

  return verdict != NULL;
}

/* Another direction, policy, configuration or generation is another question. */
static void
test_key (void)
{
  g_autoptr (TeesqlVerdictCache) cache = teesql_verdict_cache_new (10);
  g_autoptr (TeesqlVerdict) verdict = accepted ();
  TeesqlVerdictKey key = { .leaf = { 1 }, .policy = { 2 }, .config = { 3 }, .direction = 0, .generation = 7 };
  TeesqlVerdictKey other = key;

  teesql_verdict_cache_insert (cache, &key, verdict, 100);
  g_assert_true (knows (cache, &key, 99));
  other.direction = 1;
  g_assert_false (knows (cache, &other, 99));
  other = key;
  other.leaf[31] = 1;
  g_assert_false (knows (cache, &other, 99));
  other = key;
  other.policy[31] = 1;
  g_assert_false (knows (cache, &other, 99));
  other = key;
  other.config[47] = 1;
  g_assert_false (knows (cache, &other, 99));
  other = key;
  other.generation = 8;
  g_assert_false (knows (cache, &other, 99));
  g_assert_true (knows (cache, &key, 99));
}

static void
test_end (void)
{
  g_autoptr (TeesqlVerdictCache) cache = teesql_verdict_cache_new (10);
  g_autoptr (TeesqlVerdict) verdict = accepted ();
  const TeesqlVerdictKey key = { .leaf = { 1 } };

  teesql_verdict_cache_insert (cache, &key, verdict, 100);
  g_assert_false (knows (cache, &key, 100));
  g_assert_cmpuint (teesql_verdict_cache_get_size (cache), ==, 0);
  teesql_verdict_cache_insert (cache, &key, verdict, 100);
  teesql_verdict_cache_insert (cache, &key, verdict, 200);
  g_assert_cmpuint (teesql_verdict_cache_get_size (cache), ==, 1);
  g_assert_true (knows (cache, &key, 150));
  teesql_verdict_cache_clear (cache);
  g_assert_false (knows (cache, &key, 150));
}

static void
test_least_recently_used (void)
{
  g_autoptr (TeesqlVerdictCache) cache = teesql_verdict_cache_new (3);
  g_autoptr (TeesqlVerdict) verdict = accepted ();
  const TeesqlVerdictKey keys[] = { { .leaf = { 1 } }, { .leaf = { 2 } }, { .leaf = { 3 } }, { .leaf = { 4 } } };

  for (guint i = 0; i < 3; i++)
    teesql_verdict_cache_insert (cache, &keys[i], verdict, 100);
  g_assert_true (knows (cache, &keys[0], 1));
  teesql_verdict_cache_insert (cache, &keys[3], verdict, 100);
  g_assert_cmpuint (teesql_verdict_cache_get_size (cache), ==, 3);
  g_assert_true (knows (cache, &keys[0], 1));
  g_assert_false (knows (cache, &keys[1], 1));
  g_assert_true (knows (cache, &keys[2], 1));
  g_assert_true (knows (cache, &keys[3], 1));
}

static void
test_refusals_are_not_kept (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (TeesqlVerdictCache) cache = teesql_verdict_cache_new (3);
      g_autoptr (TeesqlVerdict) refused = teesql_verdict_new_refused ("no-evidence", "none came");
      const TeesqlVerdictKey key = { .leaf = { 1 } };

      g_log_set_always_fatal (G_LOG_LEVEL_ERROR);
      teesql_verdict_cache_insert (cache, &key, refused, 100);
      g_assert_false (knows (cache, &key, 1));
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_stderr ("*teesql_verdict_is_accepted (verdict)*");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/attest/cache/keeps-apart-what-its-key-names", test_key);
  g_test_add_func ("/attest/cache/ends-to-the-second", test_end);
  g_test_add_func ("/attest/cache/forgets-the-least-recently-used", test_least_recently_used);
  g_test_add_func ("/attest/cache/never-keeps-a-refusal", test_refusals_are_not_kept);
  return g_test_run ();
}
