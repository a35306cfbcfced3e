#include "attest/teesql-trust.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"

static gboolean
refuse (GError **error, const char *reason, const char *a, const char *b)
{
  g_propagate_error (
      error, teesql_error_new (TEESQL_ATTEST_ERROR, TEESQL_ERROR_CONFIG, reason, 0,
                               "%s, beside %s\nhint: use either production or external trust, never both (trusted-root, endpoint)", a, b));
  return FALSE;
}

gboolean
teesql_trust_check (TeesqlAttester *attester, GPtrArray *verifiers, GError **error)
{
  const char *attester_taint = teesql_attester_get_taint (attester);
  const char *external = NULL;
  gboolean production = FALSE;

  for (guint i = 0; i < verifiers->len; i++)
    {
      const char *taint = teesql_verifier_get_taint (verifiers->pdata[i]);

      if (taint != NULL)
        external = taint;
      else
        production = TRUE;
    }
  if (external != NULL && production)
    return refuse (error, "mixed-roots", external, "a verifier on Intel's root");
  if (attester_taint != NULL && production)
    return refuse (error, "mixed-trust", attester_taint, "a verifier on Intel's root");
  return TRUE;
}

gboolean
teesql_trust_check_kms (TeesqlAttester *attester, TeesqlKms *kms, GError **error)
{
  const char *attester_taint = teesql_attester_get_taint (attester);
  const char *kms_taint = teesql_kms_get_taint (kms);

  if ((attester_taint == NULL) == (kms_taint == NULL))
    return TRUE;
  if (kms_taint != NULL)
    return refuse (error, "mixed-trust", kms_taint, "an attester that is no simulator");
  return refuse (error, "mixed-trust", attester_taint, "a KMS that is no simulator");
}

char *
teesql_trust_dup_verifier_taint (GPtrArray *verifiers)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < verifiers->len; i++)
    {
      const char *taint = teesql_verifier_get_taint (verifiers->pdata[i]);

      if (taint != NULL)
        g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", taint);
    }
  return text->len > 0 ? g_string_free (g_steal_pointer (&text), FALSE) : NULL;
}

void
teesql_trust_publish (TeesqlStatus *status, const char *taint)
{
  g_auto (GStrv) taints = NULL;
  g_autofree char *line = NULL;
  g_autofree char *joined = NULL;

  if (taint == NULL)
    return;
  taints = teesql_status_dup_taints (status);
  if (g_strv_contains ((const char *const *) taints, taint))
    return;
  teesql_status_add_taint (status, taint);
  g_strfreev (g_steal_pointer (&taints));
  taints = teesql_status_dup_taints (status);
  joined = g_strjoinv (", ", taints);
  line = g_strdup_printf ("external trust: %s", joined);
  teesql_log_set_taint (line);
  teesql_log_warning ("attest", "this is no production trust: %s", taint);
}
