#include "policy/teesql-claims-text.h"
#include "policy/teesql-policy-private.h"

#include <teesql/teesql-error.h>

#define SHORT_DIGITS 16

/* Messages show the head of a value: enough to find it in a list, short enough for a line. */
static char *
short_form (const char *value)
{
  const char *colon = strchr (value, ':');
  const char *digits = colon != NULL ? colon + 1 : value;

  if (strlen (digits) <= SHORT_DIGITS)
    return g_strdup (value);
  return g_strdup_printf ("%.*s…", (int) (digits - value) + SHORT_DIGITS, value);
}

static char *
value_in_log (const TeesqlLogClaims *log, TeesqlPinKind pin)
{
  if (log == NULL)
    return NULL;
  if (pin == TEESQL_PIN_KEY_PROVIDER)
    return g_strdup (log->key_provider);
  if (pin == TEESQL_PIN_OS_IMAGE_HASH)
    return teesql_bytes_to_text (log->os_image_hash);
  if (pin == TEESQL_PIN_COMPOSE_HASH)
    return teesql_bytes_to_text (log->compose_hash);
  return teesql_bytes_to_text (pin == TEESQL_PIN_APP_ID ? log->app_id : log->instance_id);
}

/* (nullable): what the subject has for this pin */
static char *
value_of (const TeesqlSubject *subject, TeesqlPinKind pin)
{
  static const TeesqlField fields[TEESQL_N_PINS] = {
    [TEESQL_PIN_MRTD] = TEESQL_FIELD_MRTD,   [TEESQL_PIN_RTMR0] = TEESQL_FIELD_RTMR0, [TEESQL_PIN_RTMR1] = TEESQL_FIELD_RTMR1,
    [TEESQL_PIN_RTMR2] = TEESQL_FIELD_RTMR2, [TEESQL_PIN_RTMR3] = TEESQL_FIELD_RTMR3, [TEESQL_PIN_MRSEAM] = TEESQL_FIELD_MRSEAM,
    [TEESQL_PIN_FMSPC] = TEESQL_FIELD_FMSPC,
  };

  if (teesql_pin_rules[pin].from_log)
    return value_in_log (subject->log, pin);
  return pin == TEESQL_PIN_PLATFORM ? teesql_claims_platform_to_text (subject->claims)
                                    : teesql_claims_field_to_text (subject->claims, fields[pin]);
}

/* A provider's kind alone (`local-sgx`) admits every id of that kind; `kms` is no such word, since anybody runs a KMS. */
static gboolean
is_provider_of_kind (const char *value, const char *wanted)
{
  gsize size = strlen (wanted);

  return strcmp (wanted, "kms") != 0 && strncmp (value, wanted, size) == 0 && value[size] == ':';
}

static gboolean
is_listed (const TeesqlPin *pin, TeesqlPinKind kind, const char *value)
{
  if (g_strv_contains ((const char *const *) pin->values, value))
    return TRUE;
  for (guint i = 0; kind == TEESQL_PIN_KEY_PROVIDER && pin->values[i] != NULL; i++)
    if (is_provider_of_kind (value, pin->values[i]))
      return TRUE;
  return FALSE;
}

/* A log that is there and lacks an entry was made so; what no verifier learnt says nothing about the peer. */
static TeesqlFinding *
absent_value (const TeesqlPinRule *rule)
{
  if (rule->from_log)
    return teesql_finding_new (rule->reason, "%s is not known, and %s lists what is accepted", rule->label, rule->key);
  return teesql_finding_new ("claim-absent", "%s is not learnt by the verifier, and %s lists what is accepted", rule->label, rule->key);
}

static TeesqlFinding *
check_pin (const TeesqlPolicy *self, const TeesqlSubject *subject, TeesqlPinKind kind)
{
  const TeesqlPinRule *rule = &teesql_pin_rules[kind];
  const TeesqlPin *pin = &self->pins[kind];
  g_autofree char *value = NULL;
  g_autofree char *shown = NULL;

  if (pin->any || pin->values[0] == NULL) /* one that must be settled and is not has its own rule */
    return NULL;
  value = value_of (subject, kind);
  if (value == NULL || value[0] == '\0')
    return absent_value (rule);
  if (is_listed (pin, kind, value))
    return NULL;
  shown = short_form (value);
  return teesql_finding_new (rule->reason, "%s %s is not in %s", rule->label, shown, rule->key);
}

static void
check_pins (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  for (guint i = 0; i < TEESQL_N_PINS; i++)
    {
      TeesqlFinding *finding = check_pin (self, subject, (TeesqlPinKind) i);

      if (finding != NULL)
        g_ptr_array_add (findings, finding);
    }
}

/* SR-6: empty means refuse. */
static void
check_settled (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  for (guint i = 0; self->unsettled[i] != NULL; i++)
    g_ptr_array_add (findings, teesql_finding_new ("policy-unsettled", "[policy:%s] does not settle %s, so nobody is accepted", self->name,
                                                   self->unsettled[i]));
}

static void
check_attributes (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  g_autoptr (GPtrArray) own = teesql_policy_check_attributes (self, subject->claims);

  g_ptr_array_extend_and_steal (findings, g_steal_pointer (&own));
}

static void
check_legacy (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  if (subject->legacy && !self->accept_legacy)
    g_ptr_array_add (findings, teesql_finding_new ("legacy-evidence",
                                                   "evidence in the old form (extension .1), and accept-legacy-evidence is not set"));
}

static void
check_log (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  if (subject->log == NULL && teesql_policy_needs_event_log (self))
    g_ptr_array_add (findings, teesql_finding_new ("event-log-missing", "the evidence has no event log, which pins of [policy:%s] rest on",
                                                   self->name));
}

static void
check_mrconfigid (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  g_autoptr (GError) error = NULL;
  gsize size = 0;
  const guint8 *value = teesql_claims_get_field (subject->claims, TEESQL_FIELD_MRCONFIGID, &size);

  if (subject->log == NULL || value == NULL || teesql_log_claims_check_mrconfigid (subject->log, value, &error))
    return;
  g_ptr_array_add (findings, teesql_finding_new (teesql_error_get_reason (error), "%s", error->message));
}

static void
check_tcb_status (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  TeesqlTcbStatus status = teesql_claims_get_tcb_status (subject->claims);
  const char *word = teesql_tcb_status_to_text (status);
  g_autofree char *advisories = NULL;

  if (word != NULL && (self->accepted_tcb & 1u << status) != 0)
    return;
  advisories = g_strjoinv (", ", (char **) teesql_claims_get_advisory_ids (subject->claims));
  g_ptr_array_add (findings,
                   teesql_finding_new ("tcb-status-not-accepted",
                                       "TCB status %s is not in accepted-tcb-status%s%s%s; the platform needs newer firmware or microcode",
                                       word != NULL ? word : "unknown", advisories[0] != '\0' ? " (" : "", advisories,
                                       advisories[0] != '\0' ? ")" : ""));
}

static void
check_advisories (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  const char *const *ids = teesql_claims_get_advisory_ids (subject->claims);

  for (; *ids != NULL; ids++)
    if (g_strv_contains ((const char *const *) self->refused_advisories, *ids))
      g_ptr_array_add (findings, teesql_finding_new ("advisory-refused", "%s applies to the platform and is in refused-advisories", *ids));
}

static void
check_evaluation (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  gint64 number = 0;

  if (self->min_tcb_evaluation == 0)
    return;
  if (!teesql_claims_get_number (subject->claims, TEESQL_NUMBER_TCB_EVALUATION, &number))
    g_ptr_array_add (findings,
                     teesql_finding_new ("claim-absent",
                                         "the collateral's evaluation number is not known, min-tcb-evaluation is %" G_GINT64_FORMAT,
                                         self->min_tcb_evaluation));
  else if (number < self->min_tcb_evaluation)
    g_ptr_array_add (findings, teesql_finding_new ("tcb-evaluation-too-low",
                                                   "collateral of evaluation %" G_GINT64_FORMAT ", min-tcb-evaluation is %" G_GINT64_FORMAT,
                                                   number, self->min_tcb_evaluation));
}

/* SR-27: bounds what a host gains by a clock that stands still and by replaying old collateral. */
static void
check_collateral_age (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  gint64 issued_at = 0;

  if (!teesql_claims_get_number (subject->claims, TEESQL_NUMBER_ISSUED_AT, &issued_at))
    g_ptr_array_add (findings,
                     teesql_finding_new ("claim-absent", "when the collateral was issued is not known, max-collateral-age cannot be kept"));
  else if (now_unix - issued_at > self->max_collateral_age_s)
    g_ptr_array_add (findings, teesql_finding_new ("collateral-too-old",
                                                   "the collateral was issued %" G_GINT64_FORMAT
                                                   " hours ago, max-collateral-age is %" G_GINT64_FORMAT " hours",
                                                   (now_unix - issued_at) / 3600, self->max_collateral_age_s / 3600));
}

static void
check_expiry (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings)
{
  gint64 valid_until = 0;

  if (!teesql_claims_get_number (subject->claims, TEESQL_NUMBER_VALID_UNTIL, &valid_until) || valid_until < now_unix)
    g_ptr_array_add (findings, teesql_finding_new ("claims-expired", "what the claims rest on has expired"));
}

typedef void (*Rule) (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, GPtrArray *findings);

/* The first finding is what a refused peer is told, so the order goes from what nobody can mend to what a list decides. */
static const Rule rules[] = {
  check_attributes, check_settled,    check_legacy,     check_log,    check_mrconfigid,     check_pins,
  check_tcb_status, check_advisories, check_evaluation, check_expiry, check_collateral_age,
};

static void
explained_free (gpointer data)
{
  TeesqlExplained *self = data;

  g_free (self->rule);
  g_free (self->expected);
  g_free (self->found);
  g_free (self->reason);
  g_free (self->message);
  g_free (self);
}

/* @expected, @found: (transfer full) */
static TeesqlExplained *
explain (const char *rule, char *expected, char *found, const TeesqlFinding *finding)
{
  TeesqlExplained *self = g_new0 (TeesqlExplained, 1);

  self->rule = g_strdup (rule);
  self->expected = expected;
  self->found = found;
  self->reason = finding != NULL ? g_strdup (finding->reason) : NULL;
  self->message = finding != NULL ? g_strdup (finding->message) : NULL;
  return self;
}

static TeesqlExplained *
explain_pin (const TeesqlPolicy *self, const TeesqlSubject *subject, TeesqlPinKind kind)
{
  const TeesqlPin *pin = &self->pins[kind];
  TeesqlFinding *finding = check_pin (self, subject, kind);
  char *expected = pin->any ? g_strdup ("any") : g_strjoinv (";", pin->values);
  TeesqlExplained *explained = explain (teesql_pin_rules[kind].key, expected, value_of (subject, kind), finding);

  g_clear_pointer (&finding, teesql_finding_free);
  return explained;
}

static char *
expected_statuses (const TeesqlPolicy *self)
{
  GString *text = g_string_new (NULL);

  for (guint i = TEESQL_TCB_STATUS_UP_TO_DATE; teesql_tcb_status_to_text ((TeesqlTcbStatus) i) != NULL; i++)
    if ((self->accepted_tcb & 1u << i) != 0)
      g_string_append_printf (text, "%s%s", text->len > 0 ? ";" : "", teesql_tcb_status_to_text ((TeesqlTcbStatus) i));
  return g_string_free (text, FALSE);
}

static char *
number_of (const TeesqlSubject *subject, TeesqlNumber number)
{
  gint64 value = 0;

  return teesql_claims_get_number (subject->claims, number, &value) ? g_strdup_printf ("%" G_GINT64_FORMAT, value) : NULL;
}

/* One rule with its first finding; the same functions that judge. */
static void
explain_rule (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix, Rule rule, TeesqlExplained *row, GPtrArray *out)
{
  g_autoptr (GPtrArray) findings = teesql_findings_new ();

  rule (self, subject, now_unix, findings);
  for (guint i = 0; i < MAX (findings->len, 1); i++)
    {
      const TeesqlFinding *finding = i < findings->len ? findings->pdata[i] : NULL;

      g_ptr_array_add (out, explain (row->rule, g_strdup (row->expected), g_strdup (row->found), finding));
    }
  explained_free (row);
}

GPtrArray *
teesql_policy_explain (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix)
{
  GPtrArray *out = g_ptr_array_new_with_free_func (explained_free);
  const char *status = teesql_tcb_status_to_text (teesql_claims_get_tcb_status (subject->claims));
  char *advisories = g_strjoinv (";", (char **) teesql_claims_get_advisory_ids (subject->claims));
  const struct
  {
    Rule rule;
    TeesqlExplained *row;
  } rows[] = {
    { check_attributes, explain ("attributes", g_strdup ("no debug, no reserved bits, SEPT_VE_DISABLE, no service TD"),
                                 teesql_claims_field_to_text (subject->claims, TEESQL_FIELD_TD_ATTRIBUTES), NULL) },
    { check_settled, explain ("settled", g_strdup ("firmware, system, application, keys"), NULL, NULL) },
    { check_legacy, explain ("accept-legacy-evidence", g_strdup (self->accept_legacy ? "true" : "false"),
                             g_strdup (subject->legacy ? "legacy" : "current"), NULL) },
    { check_log, explain ("event-log", g_strdup (teesql_policy_needs_event_log (self) ? "required" : "not needed"),
                          g_strdup (subject->log != NULL ? "present" : "absent"), NULL) },
    { check_mrconfigid, explain ("mrconfigid", g_strdup ("agrees with the event log"),
                                 teesql_claims_field_to_text (subject->claims, TEESQL_FIELD_MRCONFIGID), NULL) },
    { check_tcb_status, explain ("accepted-tcb-status", expected_statuses (self), g_strdup (status), NULL) },
    { check_advisories, explain ("refused-advisories", g_strjoinv (";", self->refused_advisories), advisories, NULL) },
    { check_evaluation, explain ("min-tcb-evaluation", g_strdup_printf ("%" G_GINT64_FORMAT, self->min_tcb_evaluation),
                                 number_of (subject, TEESQL_NUMBER_TCB_EVALUATION), NULL) },
    { check_expiry,
      explain ("valid-until", g_strdup_printf ("%" G_GINT64_FORMAT, now_unix), number_of (subject, TEESQL_NUMBER_VALID_UNTIL), NULL) },
    { check_collateral_age, explain ("max-collateral-age", g_strdup_printf ("%" G_GINT64_FORMAT "s", self->max_collateral_age_s),
                                     number_of (subject, TEESQL_NUMBER_ISSUED_AT), NULL) },
  };

  for (guint i = 0; i < TEESQL_N_PINS; i++)
    g_ptr_array_add (out, explain_pin (self, subject, (TeesqlPinKind) i));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    explain_rule (self, subject, now_unix, rows[i].rule, rows[i].row, out);
  return out;
}

GPtrArray *
teesql_policy_judge (const TeesqlPolicy *self, const TeesqlSubject *subject, gint64 now_unix)
{
  GPtrArray *findings = teesql_findings_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    rules[i](self, subject, now_unix, findings);
  return findings;
}
