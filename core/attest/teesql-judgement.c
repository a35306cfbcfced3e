#include "attest/teesql-judgement.h"
#include "attest/teesql-verdict-private.h"
#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include <string.h>

#define MESSAGE_MAX ((gsize) 300)

static const char *
tcb_word (TeesqlTcbStatus status)
{
  switch (status)
    {
    case TEESQL_TCB_STATUS_UP_TO_DATE:
      return "UpToDate";
    case TEESQL_TCB_STATUS_SW_HARDENING_NEEDED:
      return "SWHardeningNeeded";
    case TEESQL_TCB_STATUS_CONFIGURATION_NEEDED:
      return "ConfigurationNeeded";
    case TEESQL_TCB_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED:
      return "ConfigurationAndSWHardeningNeeded";
    case TEESQL_TCB_STATUS_OUT_OF_DATE:
      return "OutOfDate";
    case TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED:
      return "OutOfDateConfigurationNeeded";
    case TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED:
      return "TDRelaunchAdvised";
    case TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED:
      return "TDRelaunchAdvisedConfigurationNeeded";
    }
  return NULL;
}

static char *
hex_of (GBytes *bytes)
{
  return bytes != NULL ? teesql_hex_encode (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)) : NULL;
}

static char *
hex_of_field (TeesqlClaims *claims, TeesqlField field)
{
  gsize size = 0;
  const guint8 *data = teesql_claims_get_field (claims, field, &size);

  return data != NULL ? teesql_hex_encode (data, size) : NULL;
}

/* SR-13: which chip, without its number */
static char *
platform_of (TeesqlClaims *claims)
{
  guint8 digest[TEESQL_SHA256_SIZE];
  gsize size = 0;
  const guint8 *ppid = teesql_claims_get_field (claims, TEESQL_FIELD_PPID, &size);

  if (ppid == NULL)
    return NULL;
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, ppid, size);
  return teesql_hex_encode (digest, sizeof digest);
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
      if (findings->len > 0 || i + 1 == proof->claims->len)
        return findings;
      g_ptr_array_unref (findings);
    }
  g_return_val_if_reached (NULL);
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
  g_autofree char *mrtd = hex_of_field (claims, TEESQL_FIELD_MRTD);
  g_autofree char *compose = proof->log != NULL ? hex_of (proof->log->compose_hash) : NULL;
  g_autofree char *app = proof->log != NULL ? hex_of (proof->log->app_id) : NULL;
  g_autofree char *instance = proof->log != NULL ? hex_of (proof->log->instance_id) : NULL;
  g_autofree char *platform = platform_of (claims);
  const TeesqlVerdictFields fields = { .reason = first != NULL ? first->reason
                                                 : refused     ? "no-verifier"
                                                               : NULL,
                                       .message = message,
                                       .taint = taint,
                                       .tcb_status = tcb_word (teesql_claims_get_tcb_status (claims)),
                                       .mrtd = mrtd,
                                       .compose_hash = compose,
                                       .app_id = app,
                                       .instance_id = instance,
                                       .key_provider = proof->log != NULL ? proof->log->key_provider : NULL,
                                       .platform = platform,
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
