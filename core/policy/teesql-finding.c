#include "policy/teesql-policy-private.h"

TeesqlFinding *
teesql_finding_new (const char *reason, const char *format, ...)
{
  TeesqlFinding *self = g_new0 (TeesqlFinding, 1);
  va_list args;

  va_start (args, format);
  self->message = g_strdup_vprintf (format, args);
  va_end (args);
  self->reason = g_strdup (reason);
  return self;
}

void
teesql_finding_free (TeesqlFinding *self)
{
  g_free (self->reason);
  g_free (self->message);
  g_free (self);
}

GPtrArray *
teesql_findings_new (void)
{
  return g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_finding_free);
}
