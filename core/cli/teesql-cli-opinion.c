#include "cli/teesql-cli-opinion.h"
#include "attest/teesql-proof.h"
#include "base/teesql-domains.h"
#include "policy/teesql-claims-text.h"
#include "policy/teesql-policy.h"

/* Not being able to ask is no answer about the evidence. */
static gboolean
is_no_answer (const GError *error)
{
  return error->domain != TEESQL_VERIFIER_ERROR || error->code == TEESQL_ERROR_PERMISSION || error->code == TEESQL_ERROR_CONFIG ||
         teesql_cli_exit_code (error) == TEESQL_EXIT_UNREACHABLE;
}

TeesqlCliOpinion *
teesql_cli_opinion_new (const char *name, TeesqlClaims *claims, const GError *error)
{
  TeesqlCliOpinion *self = g_new0 (TeesqlCliOpinion, 1);

  self->name = g_strdup (name);
  self->claims = claims != NULL ? teesql_claims_ref (claims) : NULL;
  self->reason = error != NULL ? g_strdup (teesql_error_get_reason (error)) : NULL;
  self->message = error != NULL ? g_strdup (error->message) : NULL;
  self->could_tell = claims != NULL || !is_no_answer (error);
  self->outage = claims == NULL && teesql_proof_is_outage (error);
  return self;
}

void
teesql_cli_opinion_free (TeesqlCliOpinion *self)
{
  g_free (self->name);
  g_clear_pointer (&self->claims, teesql_claims_unref);
  g_free (self->reason);
  g_free (self->message);
  g_clear_pointer (&self->findings, g_ptr_array_unref);
  g_clear_pointer (&self->explained, g_ptr_array_unref);
  g_free (self);
}

const char *
teesql_cli_opinion_get_verdict (const TeesqlCliOpinion *self)
{
  if (self->claims != NULL)
    return "verified";
  if (self->could_tell)
    return "refused";
  return self->skipped ? "skipped" : "unavailable";
}

static char *
status_text (const TeesqlCliOpinion *self)
{
  return self->claims != NULL ? g_strdup (teesql_tcb_status_to_text (teesql_claims_get_tcb_status (self->claims))) : NULL;
}

static char *
verdict_text (const TeesqlCliOpinion *self)
{
  const char *verdict = teesql_cli_opinion_get_verdict (self);

  return self->reason != NULL ? g_strdup_printf ("%s: %s", verdict, self->reason) : g_strdup (verdict);
}

/* Each is judged by itself; what one of them does not pass refuses. */
static char *
policy_text (const TeesqlCliOpinion *self)
{
  if (self->findings == NULL)
    return NULL;
  if (self->findings->len == 0)
    return g_strdup ("accepted");
  return g_strdup_printf ("refused: %s", ((const TeesqlFinding *) self->findings->pdata[0])->reason);
}

static char *
advisories_text (const TeesqlCliOpinion *self)
{
  return self->claims != NULL ? g_strjoinv (" ", (char **) teesql_claims_get_advisory_ids (self->claims)) : NULL;
}

static char *
number_text (const TeesqlCliOpinion *self, TeesqlNumber number)
{
  gint64 value = 0;

  if (self->claims == NULL || !teesql_claims_get_number (self->claims, number, &value))
    return NULL;
  return g_strdup_printf ("%" G_GINT64_FORMAT, value);
}

static char *
evaluation_text (const TeesqlCliOpinion *self)
{
  return number_text (self, TEESQL_NUMBER_TCB_EVALUATION);
}

static char *
valid_until_text (const TeesqlCliOpinion *self)
{
  gint64 value = 0;
  g_autoptr (GDateTime) time = NULL;

  if (self->claims == NULL || !teesql_claims_get_number (self->claims, TEESQL_NUMBER_VALID_UNTIL, &value))
    return NULL;
  time = g_date_time_new_from_unix_utc (value);
  return time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
}

static char *
fmspc_text (const TeesqlCliOpinion *self)
{
  return self->claims != NULL ? teesql_claims_field_to_text (self->claims, TEESQL_FIELD_FMSPC) : NULL;
}

static char *
ppid_text (const TeesqlCliOpinion *self)
{
  return self->claims != NULL ? teesql_claims_field_to_text (self->claims, TEESQL_FIELD_PPID) : NULL;
}

static const struct
{
  const char *label;
  char *(*text) (const TeesqlCliOpinion *self);
} rows[] = {
  { "verdict", verdict_text },       { "policy", policy_text },           { "TCB status", status_text }, { "advisories", advisories_text },
  { "evaluation", evaluation_text }, { "valid until", valid_until_text }, { "FMSPC", fmspc_text },       { "PPID", ppid_text },
};

void
teesql_cli_opinions_print (GPtrArray *opinions)
{
  if (opinions->len < 2)
    return;
  g_print ("\n%-14s", "verifier");
  for (guint i = 0; i < opinions->len; i++)
    g_print (" %-34s", ((const TeesqlCliOpinion *) opinions->pdata[i])->name);
  for (guint row = 0; row < G_N_ELEMENTS (rows); row++)
    {
      g_print ("\n%-14s", rows[row].label);
      for (guint i = 0; i < opinions->len; i++)
        {
          g_autofree char *text = rows[row].text (opinions->pdata[i]);

          g_print (" %-34s", text != NULL && text[0] != '\0' ? text : "-");
        }
    }
  g_print ("\n");
}

static void
add_number (JsonBuilder *builder, const TeesqlCliOpinion *opinion, const char *name, TeesqlNumber number)
{
  gint64 value = 0;

  json_builder_set_member_name (builder, name);
  if (opinion->claims != NULL && teesql_claims_get_number (opinion->claims, number, &value))
    json_builder_add_int_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

static void
add_opinion (JsonBuilder *builder, const TeesqlCliOpinion *opinion)
{
  g_autofree char *status = status_text (opinion);
  g_autofree char *fmspc = fmspc_text (opinion);
  g_autofree char *ppid = ppid_text (opinion);

  json_builder_begin_object (builder);
  teesql_cli_json_text (builder, "name", opinion->name);
  teesql_cli_json_text (builder, "verdict", teesql_cli_opinion_get_verdict (opinion));
  teesql_cli_json_text (builder, "reason", opinion->reason);
  teesql_cli_json_text (builder, "message", opinion->message);
  teesql_cli_json_text (builder, "tcb_status", status);
  if (opinion->claims != NULL)
    teesql_cli_json_list (builder, "advisory_ids", teesql_claims_get_advisory_ids (opinion->claims));
  else
    teesql_cli_json_text (builder, "advisory_ids", NULL);
  add_number (builder, opinion, "tcb_evaluation", TEESQL_NUMBER_TCB_EVALUATION);
  add_number (builder, opinion, "valid_until", TEESQL_NUMBER_VALID_UNTIL);
  teesql_cli_json_text (builder, "fmspc", fmspc);
  teesql_cli_json_text (builder, "ppid", ppid);
  json_builder_end_object (builder);
}

void
teesql_cli_opinions_add_json (GPtrArray *opinions, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "verifiers");
  json_builder_begin_array (builder);
  for (guint i = 0; i < opinions->len; i++)
    add_opinion (builder, opinions->pdata[i]);
  json_builder_end_array (builder);
}
