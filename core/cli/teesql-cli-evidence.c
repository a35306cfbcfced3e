#include "cli/teesql-cli-evidence.h"
#include "attest/teesql-proof.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"
#include "cli/teesql-cli-opinion.h"
#include "policy/teesql-claims-text.h"
#include "ratls/teesql-event-log.h"

#include <gnutls/gnutls.h>

TeesqlCliEvidence *
teesql_cli_evidence_new (void)
{
  TeesqlCliEvidence *self = g_new0 (TeesqlCliEvidence, 1);

  self->opinions = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_cli_opinion_free);
  return self;
}

void
teesql_cli_evidence_free (TeesqlCliEvidence *self)
{
  g_free (self->reason);
  g_free (self->message);
  g_clear_pointer (&self->claims, teesql_claims_unref);
  g_clear_pointer (&self->log, teesql_log_claims_free);
  g_clear_pointer (&self->policy_findings, g_ptr_array_unref);
  g_ptr_array_unref (self->opinions);
  g_free (self);
}

void
teesql_cli_evidence_refuse (TeesqlCliEvidence *self, const char *reason, const char *message)
{
  self->exit_code = TEESQL_EXIT_REFUSED;
  if (self->reason != NULL)
    return;
  self->reason = g_strdup (reason);
  self->message = g_strdup (message);
}

static void
error_free (gpointer error)
{
  if (error != NULL)
    g_error_free (error);
}

/* --- the procedure ------------------------------------------------------------------------------------------------- */

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **out = user_data;

  *out = g_object_ref (result);
}

static TeesqlClaims *
ask (TeesqlVerifier *verifier, TeesqlEvidence *evidence, gint64 now_unix, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_verifier_verify_async (verifier, evidence, now_unix, NULL, answered_cb, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return teesql_verifier_verify_finish (verifier, result, error);
}

/* What the evidence says about the application is worth printing where the log replays; where it does not, that is a refusal. */
static void
replay_log (TeesqlCliEvidence *self, TeesqlEvidence *evidence)
{
  g_autoptr (GError) error = NULL;
  gsize size = 0;

  if (teesql_evidence_get_n_events (evidence) == 0)
    return;
  self->log = teesql_event_log_replay (evidence, teesql_claims_get_field (self->claims, TEESQL_FIELD_RTMR3, &size), &error);
  if (self->log == NULL)
    {
      self->verified = FALSE;
      teesql_cli_evidence_refuse (self, teesql_error_get_reason (error), error->message);
    }
}

static const TeesqlCliOpinion *
opinion_at (const TeesqlCliEvidence *self, guint index)
{
  return self->opinions->pdata[index];
}

static void
check_attributes (TeesqlCliEvidence *self, TeesqlClaims *claims)
{
  g_autoptr (GPtrArray) findings = teesql_policy_check_attributes (NULL, claims);

  for (guint i = 0; i < findings->len; i++)
    {
      const TeesqlFinding *finding = g_ptr_array_index (findings, i);

      self->verified = FALSE;
      teesql_cli_evidence_refuse (self, finding->reason, finding->message);
    }
}

static void
check_claims (TeesqlCliEvidence *self)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < self->opinions->len; i++)
    if (opinion_at (self, i)->claims != NULL)
      {
        check_attributes (self, opinion_at (self, i)->claims);
        g_ptr_array_add (all, opinion_at (self, i)->claims);
      }
  if (teesql_proof_check_same_platform (all, &error))
    return;
  self->verified = FALSE;
  teesql_cli_evidence_refuse (self, teesql_error_get_reason (error), error->message);
}

/* Returns: (nullable): why it could not be asked; %NULL when it has answered, either way */
static GError *
ask_one (TeesqlCliEvidence *self, const TeesqlPanel *panel, guint index, TeesqlEvidence *evidence, gint64 now_unix)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = ask (panel->verifiers->pdata[index], evidence, now_unix, &error);
  TeesqlCliOpinion *opinion = teesql_cli_opinion_new (panel->names[index], claims, error);

  g_ptr_array_add (self->opinions, opinion);
  if (!opinion->could_tell)
    return g_steal_pointer (&error);
  if (claims == NULL)
    teesql_cli_evidence_refuse (self, opinion->reason, opinion->message);
  else if (self->claims == NULL)
    self->claims = g_steal_pointer (&claims);
  return NULL;
}

/* An outage is no verdict, and passes nobody over who has none beside it. */
static gboolean
pass_over (TeesqlCliEvidence *self, const TeesqlPanel *panel, guint index)
{
  TeesqlCliOpinion *opinion = self->opinions->pdata[index];

  opinion->skipped = self->claims != NULL && opinion->outage && panel->may_skip[index];
  if (opinion->skipped)
    teesql_log_warning ("attest", "judged without %s (%s): when-unavailable = skip", opinion->name, opinion->reason);
  return opinion->skipped;
}

/* Returns: (nullable) (transfer full): why nobody can tell */
static GError *
ask_all (TeesqlCliEvidence *self, const TeesqlPanel *panel, TeesqlEvidence *evidence, gint64 now_unix)
{
  g_autoptr (GPtrArray) troubles = g_ptr_array_new_full (panel->verifiers->len, error_free);

  for (guint i = 0; i < panel->verifiers->len; i++)
    g_ptr_array_add (troubles, ask_one (self, panel, i, evidence, now_unix));
  for (guint i = 0; i < troubles->len && self->reason == NULL; i++)
    if (troubles->pdata[i] != NULL && !pass_over (self, panel, i))
      return g_error_copy (troubles->pdata[i]);
  return NULL;
}

gboolean
teesql_cli_evidence_verify (TeesqlCliEvidence *self, const TeesqlPanel *panel, TeesqlEvidence *evidence, gint64 now_unix, GError **error)
{
  GError *trouble = ask_all (self, panel, evidence, now_unix);

  if (trouble != NULL)
    {
      g_propagate_error (error, trouble);
      return FALSE;
    }
  if (self->reason != NULL) /* a refusal wins over one that cannot tell; what the others have found is still told */
    {
      if (self->claims != NULL)
        replay_log (self, evidence);
      g_clear_pointer (&self->claims, teesql_claims_unref);
      return TRUE;
    }
  self->verified = TRUE;
  check_claims (self);
  replay_log (self, evidence);
  return TRUE;
}

void
teesql_cli_evidence_check_envelope (TeesqlCliEvidence *self, GBytes *report_data)
{
  gsize size = 0;
  const guint8 *quoted = self->claims != NULL ? teesql_claims_get_field (self->claims, TEESQL_FIELD_REPORT_DATA, &size) : NULL;

  if (report_data == NULL || quoted == NULL ||
      (g_bytes_get_size (report_data) == size && memcmp (g_bytes_get_data (report_data, NULL), quoted, size) == 0))
    return;
  self->verified = FALSE;
  teesql_cli_evidence_refuse (self, "report-data-mismatch", "the report data beside the quote is not that of the quote");
}

void
teesql_cli_evidence_check_binding (TeesqlCliEvidence *self, const guint8 *expected)
{
  gsize size = 0;
  const guint8 *found = self->claims != NULL ? teesql_claims_get_field (self->claims, TEESQL_FIELD_REPORT_DATA, &size) : NULL;

  if (found == NULL)
    return;
  if (gnutls_memcmp (found, expected, TEESQL_REPORT_DATA_SIZE) == 0)
    {
      self->binding = TEESQL_CLI_BINDING_OK;
      return;
    }
  self->binding = TEESQL_CLI_BINDING_MISMATCH;
  teesql_cli_evidence_refuse (self, "report-data-mismatch", "the quote's report data is not what was expected");
}

void
teesql_cli_evidence_check_policy (TeesqlCliEvidence *self, const TeesqlPolicy *policy, gint64 now_unix)
{
  self->policy_findings = g_ptr_array_new ();
  for (guint i = 0; i < self->opinions->len; i++)
    {
      TeesqlCliOpinion *opinion = self->opinions->pdata[i];
      const TeesqlSubject subject = { opinion->claims, self->log, self->legacy };

      if (subject.claims == NULL)
        continue;
      opinion->findings = teesql_policy_judge (policy, &subject, now_unix);
      opinion->explained = teesql_policy_explain (policy, &subject, now_unix);
      if (self->policy_findings->len > 0 || opinion->findings->len == 0)
        continue;
      g_ptr_array_unref (self->policy_findings);
      self->policy_findings = g_ptr_array_ref (opinion->findings);
    }
  if (self->policy_findings->len > 0)
    {
      const TeesqlFinding *first = g_ptr_array_index (self->policy_findings, 0);

      teesql_cli_evidence_refuse (self, first->reason, first->message);
    }
}

/* --- JSON ---------------------------------------------------------------------------------------------------------- */

static void
add_field (const TeesqlCliEvidence *self, JsonBuilder *builder, const char *name, TeesqlField field)
{
  gsize size = 0;
  const guint8 *data = self->claims != NULL ? teesql_claims_get_field (self->claims, field, &size) : NULL;

  teesql_cli_json_hex (builder, name, data, size);
}

static void
add_boolean (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

static void
add_rtmrs (const TeesqlCliEvidence *self, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "rtmr");
  if (self->claims == NULL)
    {
      json_builder_add_null_value (builder);
      return;
    }
  json_builder_begin_array (builder);
  for (guint i = 0; i < 4; i++)
    {
      gsize size = 0;
      const guint8 *data = teesql_claims_get_field (self->claims, (TeesqlField) (TEESQL_FIELD_RTMR0 + i), &size);
      g_autofree char *hex = teesql_hex_encode (data, size);

      json_builder_add_string_value (builder, hex);
    }
  json_builder_end_array (builder);
}

static gboolean
is_debug (TeesqlClaims *claims)
{
  gsize size = 0;

  return (teesql_claims_get_field (claims, TEESQL_FIELD_TD_ATTRIBUTES, &size)[0] & 1) != 0;
}

static void
add_status (const TeesqlCliEvidence *self, JsonBuilder *builder)
{
  teesql_cli_json_text (builder, "tcb_status",
                        self->claims != NULL ? teesql_tcb_status_to_text (teesql_claims_get_tcb_status (self->claims)) : NULL);
  if (self->claims != NULL)
    teesql_cli_json_list (builder, "advisory_ids", teesql_claims_get_advisory_ids (self->claims));
  else
    teesql_cli_json_text (builder, "advisory_ids", NULL);
}

static void
add_debug (const TeesqlCliEvidence *self, JsonBuilder *builder)
{
  if (self->claims != NULL)
    add_boolean (builder, "debug", is_debug (self->claims));
  else
    teesql_cli_json_text (builder, "debug", NULL);
}

/* Returns: %G_MAXINT64 where nobody says */
static gint64
first_end (const TeesqlCliEvidence *self)
{
  gint64 end = G_MAXINT64;
  gint64 until = 0;

  for (guint i = 0; self->claims != NULL && i < self->opinions->len; i++)
    if (opinion_at (self, i)->claims != NULL && teesql_claims_get_number (opinion_at (self, i)->claims, TEESQL_NUMBER_VALID_UNTIL, &until))
      end = MIN (end, until);
  return end;
}

static void
add_expiry (const TeesqlCliEvidence *self, JsonBuilder *builder)
{
  const gint64 end = first_end (self);

  json_builder_set_member_name (builder, "collateral_expires");
  if (end < G_MAXINT64)
    json_builder_add_int_value (builder, end);
  else
    json_builder_add_null_value (builder);
}

static void
add_policy (const TeesqlCliEvidence *self, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "policy");
  if (self->policy_findings == NULL)
    {
      json_builder_add_null_value (builder);
      return;
    }
  json_builder_begin_object (builder);
  add_boolean (builder, "accepted", self->claims != NULL && self->policy_findings->len == 0);
  json_builder_set_member_name (builder, "reasons");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->policy_findings->len; i++)
    {
      const TeesqlFinding *finding = g_ptr_array_index (self->policy_findings, i);

      json_builder_begin_object (builder);
      teesql_cli_json_text (builder, "reason", finding->reason);
      teesql_cli_json_text (builder, "message", finding->message);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

static const char *
binding_text (TeesqlCliBinding binding)
{
  static const char *const texts[] = { "not-checked", "ok", "mismatch" };

  return texts[binding];
}

void
teesql_cli_evidence_add_members (const TeesqlCliEvidence *self, JsonBuilder *builder)
{
  add_boolean (builder, "verified", self->verified);
  teesql_cli_json_text (builder, "reason", self->reason);
  teesql_cli_json_text (builder, "message", self->message);
  teesql_cli_json_text (builder, "binding", binding_text (self->binding));
  add_status (self, builder);
  add_field (self, builder, "mrtd", TEESQL_FIELD_MRTD);
  add_rtmrs (self, builder);
  add_field (self, builder, "mrseam", TEESQL_FIELD_MRSEAM);
  add_field (self, builder, "report_data", TEESQL_FIELD_REPORT_DATA);
  add_debug (self, builder);
  add_field (self, builder, "fmspc", TEESQL_FIELD_FMSPC);
  add_field (self, builder, "ppid", TEESQL_FIELD_PPID);
  add_expiry (self, builder);
  add_policy (self, builder);
  teesql_cli_opinions_add_json (self->opinions, builder);
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

static void
print_row (const char *label, const char *value)
{
  if (value != NULL)
    g_print ("%-14s %s\n", label, value);
}

static void
print_field (const TeesqlCliEvidence *self, const char *label, TeesqlField field)
{
  gsize size = 0;
  const guint8 *data = teesql_claims_get_field (self->claims, field, &size);
  g_autofree char *hex = data != NULL ? teesql_hex_encode (data, size) : NULL;

  print_row (label, hex);
}

static void
print_bytes (const char *label, GBytes *bytes)
{
  gsize size = 0;
  const guint8 *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;
  g_autofree char *hex = size > 0 ? teesql_hex_encode (data, size) : NULL;

  print_row (label, hex);
}

static void
print_log (const TeesqlLogClaims *log)
{
  print_bytes ("compose hash", log->compose_hash);
  print_bytes ("OS image hash", log->os_image_hash);
  print_bytes ("app id", log->app_id);
  print_bytes ("instance id", log->instance_id);
  print_row ("key provider", log->key_provider);
}

static void
print_claims (const TeesqlCliEvidence *self)
{
  static const struct
  {
    const char *label;
    TeesqlField field;
  } rows[] = {
    { "MRTD", TEESQL_FIELD_MRTD },
    { "RTMR0", TEESQL_FIELD_RTMR0 },
    { "RTMR1", TEESQL_FIELD_RTMR1 },
    { "RTMR2", TEESQL_FIELD_RTMR2 },
    { "RTMR3", TEESQL_FIELD_RTMR3 },
    { "MRSEAM", TEESQL_FIELD_MRSEAM },
    { "report data", TEESQL_FIELD_REPORT_DATA },
    { "FMSPC", TEESQL_FIELD_FMSPC },
    { "PPID", TEESQL_FIELD_PPID },
  };
  g_autofree char *advisories = g_strjoinv (" ", (char **) teesql_claims_get_advisory_ids (self->claims));
  g_autofree char *platform = teesql_claims_platform_to_text (self->claims);

  print_row ("TCB status", teesql_tcb_status_to_text (teesql_claims_get_tcb_status (self->claims)));
  print_row ("advisories", advisories[0] != '\0' ? advisories : "none");
  print_row ("debug", is_debug (self->claims) ? "yes" : "no");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    print_field (self, rows[i].label, rows[i].field);
  if (platform != NULL)
    print_row ("platform", platform); /* the form of allowed-platform */
}

static void
print_expiry (const TeesqlCliEvidence *self)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (first_end (self)); /* NULL for a time that no calendar has */
  g_autofree char *text = time != NULL ? g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ") : NULL;

  print_row ("valid until", text);
}

static void
print_policy (const TeesqlCliEvidence *self)
{
  if (self->policy_findings == NULL)
    return;
  print_row ("policy", self->claims != NULL && self->policy_findings->len == 0 ? "accepted" : "refused");
  for (guint i = 0; i < self->policy_findings->len; i++)
    print_row ("", ((const TeesqlFinding *) g_ptr_array_index (self->policy_findings, i))->message);
}

void
teesql_cli_evidence_print_text (const TeesqlCliEvidence *self)
{
  print_row ("verified", self->verified ? "yes" : "no");
  if (self->reason != NULL)
    g_print ("%-14s %s: %s\n", "reason", self->reason, self->message);
  print_row ("binding", binding_text (self->binding));
  if (self->claims != NULL)
    {
      print_claims (self);
      print_expiry (self);
    }
  if (self->log != NULL)
    print_log (self->log);
  print_policy (self);
  teesql_cli_opinions_print (self->opinions);
}
