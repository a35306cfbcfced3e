#include "control/teesql-control-request.h"

#include <string.h>

static TeesqlControlRequest *
parse (const char *line, GError **error)
{
  return teesql_control_request_parse (line, strlen (line), error);
}

static void
test_reads (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlControlRequest) now =
      parse ("{\"command\":\"backup-now\",\"storage\":\"paris\",\"full\":true,\"label\":\"before the upgrade\"}", &error);
  g_autoptr (TeesqlControlRequest) status = parse ("{\"command\":\"status\"}", NULL);
  g_autoptr (TeesqlControlRequest) verify = parse ("{\"command\":\"backup-verify\",\"deep\":true}", NULL);

  g_assert_no_error (error);
  g_assert_cmpint (now->task.kind, ==, TEESQL_BACKUP_TASK_NOW);
  g_assert_true (now->task.full && !now->is_status && !now->task.deep);
  g_assert_cmpstr (now->storage, ==, "paris");
  g_assert_cmpstr (now->task.label, ==, "before the upgrade");
  g_assert_true (status->is_status);
  g_assert_true (verify->task.deep && verify->task.kind == TEESQL_BACKUP_TASK_VERIFY);
}

static void
test_refuses (void)
{
  static const char *const wrong[] = {
    "",
    "[]",
    "{}",
    "null",
    "{\"command\":7}",
    "{\"command\":\"backup-then\"}",
    "{\"command\":\"backup-now\",\"ful\":true}",
    "{\"command\":\"backup-now\",\"full\":\"yes\"}",
    "{\"command\":\"backup-now\",\"full\":1}",
    "{\"command\":\"backup-now\",\"storage\":null}",
    "{\"command\":\"backup-now\",\"label\":\"a\\nb\"}",
    "{\"command\":\"status\"} {\"command\":\"status\"}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlControlRequest) request = parse (wrong[i], &error);

      g_assert_null (request);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "control-request");
    }
}

static void
test_bounded (void)
{
  g_autofree char *label = g_strnfill (TEESQL_CONTROL_REQUEST_MAX, 'x');
  g_autofree char *line = g_strdup_printf ("{\"command\":\"backup-now\",\"label\":\"%s\"}", label);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlControlRequest) request = parse (line, &error);

  g_assert_null (request);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "control-request");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/control/request/a command and what belongs to it", test_reads);
  g_test_add_func ("/control/request/anything else is refused", test_refuses);
  g_test_add_func ("/control/request/has a bound", test_bounded);
  return g_test_run ();
}
