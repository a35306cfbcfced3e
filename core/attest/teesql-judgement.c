#include "attest/teesql-judgement.h"
#include "attest/teesql-verdict-private.h"
#include "policy/teesql-claims-text.h"
#include <string.h>

#define MESSAGE_MAX ((gsize) 300)

/* For display: who knows the chip knows the rest. */
static TeesqlClaims *
most_telling (const TeesqlProof *proof)
{
  gsize size = 0;

  for (guint i = 0; i < proof->claims->len; i++)
    if (teesql_claims_get_field (proof->claims->pdata[i], TEESQL_FIELD_PPID, &size) != NULL)
      return proof->claims->pdata[i];
  return proof->claims->pdata[0];
}

/* Every verifier's claims must pass: one that sees an older TCB than another is right until proved wrong.
 * Returns: (transfer full) (element-type TeesqlFinding) */
static GPtrArray *
judge_claims (const TeesqlProof *proof, const TeesqlPolicy *policy, gint64 now_unix, TeesqlClaims **out_claims)
{
  for (guint i = 0; i < proof->claims->len; i++)
    {
      const TeesqlSubject subject = { proof->claims->pdata[i], proof->log, proof->legacy };
      GPtrArray *findings = teesql_policy_judge (policy, &subject, now_unix);

      *out_claims = proof->claims->pdata[i];
      if (findings->len > 0)
        return findings;
      if (i + 1 == proof->claims->len)
        {
          *out_claims = most_telling (proof);
          return findings;
        }
      g_ptr_array_unref (findings);
    }
  g_return_val_if_reached (NULL);
}

char *
teesql_judgement_describe_split (const TeesqlProof *proof, const TeesqlPolicy *policy, gint64 now_unix)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint n_accepted = 0;

  for (guint i = 0; i < proof->claims->len; i++)
    {
      const TeesqlSubject subject = { proof->claims->pdata[i], proof->log, proof->legacy };
      g_autoptr (GPtrArray) findings = teesql_policy_judge (policy, &subject, now_unix);
      const char *name = proof->names->pdata[i];
      const char *status = teesql_tcb_status_to_text (teesql_claims_get_tcb_status (subject.claims));

      g_string_append (text, i > 0 ? ", " : "");
      if (findings->len == 0)
        g_string_append_printf (text, "%s accepts (%s)", name, status);
      else
        g_string_append_printf (text, "by %s policy refuses (%s)", name, ((const TeesqlFinding *) findings->pdata[0])->reason);
      n_accepted += findings->len == 0;
    }
  return n_accepted > 0 && n_accepted < proof->claims->len ? g_string_free (g_steal_pointer (&text), FALSE) : NULL;
}

/* The worst that a line can hold: text of a peer's own evidence stands in some messages. */
static char *
one_line (const char *text, const char *suffix)
{
  const char *end = strchr (text, '\n');
  const gsize size = end != NULL ? (gsize) (end - text) : strlen (text);
  g_autofree char *line = g_utf8_make_valid (text, (gssize) MIN (size, MESSAGE_MAX));

  for (char *p = line; *p != '\0'; p++)
    if ((guchar) *p < 0x20 || *p == 0x7f)
      *p = ' ';
  return g_strconcat (line, suffix, NULL);
}

static char *
findings_line (GPtrArray *findings)
{
  const TeesqlFinding *first = findings->pdata[0];
  g_autofree char *more = findings->len > 1 ? g_strdup_printf (" (and %u more)", findings->len - 1) : NULL;

  return one_line (first->message, more);
}

TeesqlVerdict *
teesql_judgement_of_proof (const TeesqlProof *proof, const TeesqlPolicy *policy, gint64 now_unix, const char *taint)
{
  TeesqlClaims *claims = NULL;
  g_autoptr (GPtrArray) findings = judge_claims (proof, policy, now_unix, &claims);
  const gboolean refused = findings == NULL || findings->len > 0;
  const TeesqlFinding *first = refused && findings != NULL ? findings->pdata[0] : NULL;
  g_autofree char *message =
      first != NULL ? findings_line (findings) : g_strdup (refused ? "nobody judged" : "evidence verified and allowed");
  g_autofree char *mrtd = teesql_claims_field_to_text (claims, TEESQL_FIELD_MRTD);
  g_autofree char *compose = proof->log != NULL ? teesql_bytes_to_text (proof->log->compose_hash) : NULL;
  g_autofree char *app = proof->log != NULL ? teesql_bytes_to_text (proof->log->app_id) : NULL;
  g_autofree char *instance = proof->log != NULL ? teesql_bytes_to_text (proof->log->instance_id) : NULL;
  g_autofree char *platform = teesql_claims_platform_to_text (claims);
  const TeesqlVerdictFields fields = { .reason = first != NULL ? first->reason
                                                 : refused     ? "no-verifier"
                                                               : NULL,
                                       .message = message,
                                       .taint = taint,
                                       .tcb_status = teesql_tcb_status_to_text (teesql_claims_get_tcb_status (claims)),
                                       .mrtd = mrtd,
                                       .compose_hash = compose,
                                       .app_id = app,
                                       .instance_id = instance,
                                       .key_provider = proof->log != NULL ? proof->log->key_provider : NULL,
                                       .platform = platform,
                                       .skipped = proof->skipped,
                                       .valid_until = proof->ends_unix };

  return teesql_verdict_new (&fields);
}

TeesqlVerdict *
teesql_judgement_of_error (const GError *error)
{
  const char *reason = teesql_error_get_reason (error);
  g_autofree char *message = NULL;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    reason = "verify-timeout";
  if (teesql_proof_is_refusal (error))
    message = one_line (error->message, NULL);
  else
    message = g_strdup_printf ("the evidence cannot be verified at present (%s)", reason);
  return teesql_verdict_new_refused (reason, message);
}
