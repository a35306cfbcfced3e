/* What of a client's startup packet reaches PostgreSQL. */
#include "proxy/teesql-startup-options.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, size_t size);

/* Rights are decided before PostgreSQL is asked: no setting that touches them may get through, in whatever spelling. */
static void
check_pairs (GPtrArray *pairs)
{
  static const char *const forbidden[] = { "role", "session_authorization", "options", "session_preload_libraries",
                                           "local_preload_libraries" };

  g_assert_true (pairs->len % 2 == 1 && pairs->len >= 5 && pairs->pdata[pairs->len - 1] == NULL);
  g_assert_cmpstr (pairs->pdata[0], ==, "user");
  g_assert_cmpstr (pairs->pdata[2], ==, "database");
  for (guint i = 4; i + 1 < pairs->len; i += 2)
    {
      g_assert_nonnull (pairs->pdata[i + 1]);
      g_assert_cmpstr (pairs->pdata[i], !=, "user");
      g_assert_cmpstr (pairs->pdata[i], !=, "database");
      for (guint n = 0; n < G_N_ELEMENTS (forbidden); n++)
        g_assert_cmpint (g_ascii_strcasecmp (pairs->pdata[i], forbidden[n]), !=, 0);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  TeesqlStartup startup;
  g_autoptr (GPtrArray) pairs = NULL;
  g_autoptr (GError) error = NULL;

  if (!teesql_startup_parse (data, size, &startup, NULL) || startup.kind != TEESQL_STARTUP_MESSAGE)
    return 0;
  pairs = teesql_startup_options_pick (&startup, &error);
  g_assert_true ((pairs == NULL) == (error != NULL));
  if (pairs != NULL)
    check_pairs (pairs);
  return 0;
}
