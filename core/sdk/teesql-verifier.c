#include <teesql/teesql-verifier.h>
#include "sdk/teesql-call.h"
#include "sdk/teesql-quote.h"
#include <string.h>

#define DOMAIN TEESQL_VERIFIER_ERROR

G_DEFINE_INTERFACE (TeesqlVerifier, teesql_verifier, G_TYPE_OBJECT)

/* What the answer is held against. @quote borrows from @evidence. */
typedef struct
{
  TeesqlEvidence *evidence;
  TeesqlQuote quote;
  gint64 now_unix;
} Question;

static void
teesql_verifier_default_init (TeesqlVerifierInterface *iface)
{
}

static void
question_free (gpointer data)
{
  Question *self = data;

  teesql_evidence_unref (self->evidence);
  g_free (self);
}

const char *
teesql_verifier_get_taint (TeesqlVerifier *self)
{
  TeesqlVerifierInterface *iface = NULL;

  g_return_val_if_fail (TEESQL_IS_VERIFIER (self), NULL);

  iface = TEESQL_VERIFIER_GET_IFACE (self);
  return iface->get_taint != NULL ? iface->get_taint (self) : NULL;
}

static GError *
mismatch (TeesqlField field, const char *what)
{
  return teesql_error_new (DOMAIN, TEESQL_ERROR_REFUSED, "claims-quote-mismatch", 0, "the verifier's claims %s (field %d)", what,
                           (int) field);
}

/* The claims about one field against the quote's own bytes. */
static GError *
check_field (const TeesqlClaims *claims, const TeesqlQuote *quote, TeesqlField field)
{
  gsize claimed_size = 0;
  gsize quoted_size = 0;
  const guint8 *claimed = teesql_claims_get_field (claims, field, &claimed_size);
  const guint8 *quoted = teesql_quote_get_field (quote, field, &quoted_size);

  if (claimed == NULL && quoted == NULL)
    return NULL;
  if (quoted == NULL)
    return mismatch (field, "assert what this kind of quote does not have");
  if (claimed == NULL) /* policy looks at MRSERVICETD where there is one: silence must not read as zero */
    return field == TEESQL_FIELD_MRSERVICETD ? mismatch (field, "leave out the service TD that the quote names") : NULL;
  if (claimed_size != quoted_size || memcmp (claimed, quoted, quoted_size) != 0)
    return mismatch (field, "differ from the quote");
  return NULL;
}

static gboolean
field_is_in_quotes (TeesqlField field)
{
  return field < TEESQL_FIELD_FMSPC; /* from there on: from the certificate or the verifier */
}

static GError *
check_claims (const TeesqlClaims *claims, const Question *question)
{
  gint64 valid_until = 0;

  for (TeesqlField field = TEESQL_FIELD_MRTD; field_is_in_quotes (field); field++)
    {
      GError *error = check_field (claims, &question->quote, field);

      if (error != NULL)
        return error;
    }
  if (teesql_claims_get_number (claims, TEESQL_NUMBER_VALID_UNTIL, &valid_until) && valid_until >= question->now_unix)
    return NULL;
  return teesql_error_new (DOMAIN, TEESQL_ERROR_REFUSED, "claims-expired", 0,
                           "the verifier's claims ended at %" G_GINT64_FORMAT ", asked for %" G_GINT64_FORMAT, valid_until,
                           question->now_unix);
}

static void
verify_ready_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TeesqlVerifier *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (TeesqlClaims) claims = TEESQL_VERIFIER_GET_IFACE (self)->verify_finish (self, result, &error);

  if (teesql_call_failed (task, claims != NULL, error, DOMAIN, "verify"))
    return;
  error = check_claims (claims, g_task_get_task_data (task));
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_steal_pointer (&claims), (GDestroyNotify) teesql_claims_unref);
}

static GError *
prepare (TeesqlVerifierInterface *iface, Question *question)
{
  GBytes *bytes = teesql_evidence_get_quote (question->evidence);
  GError *error = NULL;

  if (iface->verify_async == NULL || iface->verify_finish == NULL)
    return teesql_call_broken (DOMAIN, "%s lacks the required verify", g_type_name (G_TYPE_FROM_INTERFACE (iface)));
  if (question->now_unix <= 0)
    return teesql_error_new (DOMAIN, TEESQL_ERROR_FAILED, "clock-behind", 0, "evidence cannot be verified without a time");
  if (!teesql_quote_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &question->quote, &error))
    return error;
  return NULL;
}

void
teesql_verifier_verify_async (TeesqlVerifier *self, TeesqlEvidence *evidence, gint64 now_unix, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  TeesqlVerifierInterface *iface = NULL;
  Question *question = NULL;
  GError *error = NULL;
  GTask *task = NULL;

  g_return_if_fail (TEESQL_IS_VERIFIER (self));
  g_return_if_fail (evidence != NULL);

  iface = TEESQL_VERIFIER_GET_IFACE (self);
  task = teesql_call_begin (self, teesql_verifier_verify_async, cancellable, callback, user_data);
  question = g_new0 (Question, 1);
  question->evidence = teesql_evidence_ref (evidence);
  question->now_unix = now_unix;
  g_task_set_task_data (task, question, question_free);
  error = prepare (iface, question);
  if (error != NULL)
    teesql_call_refuse (task, error);
  else
    iface->verify_async (self, evidence, now_unix, cancellable, verify_ready_cb, task);
}

TeesqlClaims *
teesql_verifier_verify_finish (TeesqlVerifier *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, teesql_verifier_verify_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
