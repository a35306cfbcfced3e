#include "sdk/teesql-call.h"

GTask *
teesql_call_begin (gpointer self, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE);
  return task;
}

void
teesql_call_refuse (GTask *task, GError *error)
{
  g_task_return_error (task, error);
  g_object_unref (task);
}

gboolean
teesql_call_failed (GTask *task, gboolean succeeded, GError *error, GQuark domain, const char *method)
{
  if (error == NULL && !succeeded)
    error = teesql_call_broken (domain, "%s of %s gave neither a result nor an error", method,
                                G_OBJECT_TYPE_NAME (g_task_get_source_object (task)));
  if (error == NULL)
    return FALSE;
  g_task_return_error (task, error);
  return TRUE;
}

GError *
teesql_call_broken (GQuark domain, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  return teesql_error_new (domain, TEESQL_ERROR_FAILED, "broken-plugin", 0, "%s\nhint: report this to the author of the plugin", text);
}

GError *
teesql_call_unsupported (GQuark domain, gpointer self, const char *method)
{
  return teesql_error_new (domain, TEESQL_ERROR_UNSUPPORTED, "not-implemented", 0, "%s has no %s", G_OBJECT_TYPE_NAME (self), method);
}
