#include "dcap-error.h"

static gboolean
fail_with_text (GError **error, TeesqlError code, const char *reason, const char *text)
{
  if (error != NULL)
    g_propagate_error (error, teesql_error_new (TEESQL_VERIFIER_ERROR, code, reason, 0, "%s", text));
  return FALSE;
}

gboolean
dcap_fail (GError **error, TeesqlError code, const char *reason, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  return fail_with_text (error, code, reason, text);
}

gboolean
dcap_fail_item (GError **error, TeesqlError code, const char *item, const char *rule, const char *format, ...)
{
  g_autofree char *reason = g_strconcat (item, "-", rule, NULL);
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  return fail_with_text (error, code, reason, text);
}

gboolean
dcap_fail_parse (GError **error, const char *item, const char *rule, GError *cause)
{
  g_autoptr (GError) owned = cause;
  return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, item, rule, "%s", owned->message);
}
