#include "ita-error.h"

gboolean
ita_fail (GError **error, TeesqlError code, const char *reason, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  if (error != NULL)
    g_propagate_error (error, teesql_error_new (TEESQL_VERIFIER_ERROR, code, reason, 0, "%s", text));
  return FALSE;
}
