#include "ita-claims.h"

#include "base/teesql-digest.h"
#include "base/teesql-log.h"
#include "ita-error.h"
#include "sdk/teesql-quote.h"
#include <string.h>

#define SKEW         60
#define LIFE_MAX     86400
#define TEXT_MAX     ((gsize) 512)
#define ADVISORY_MAX ((gsize) 32)
#define N_ADVISORIES 128u
#define BIT_DEBUG    0
#define BIT_SEPT_VE  28
#define BIT_MIGRATE  29
#define BIT_PKS      30
#define BIT_KL       31
#define BIT_PERFMON  63

/* What is being judged. @tdx: where this layout has the claims about the quote. */
typedef struct
{
  DcapJsonNode top;
  DcapJsonNode tdx;
  TeesqlQuote quote;
  GBytes *quote_bytes;
  const ItaRules *rules;
  const ItaKey *key;
  gint64 issued_at;
  gint64 expires;
} View;

/* --- the token itself ---------------------------------------------------------------------------------------------- */

static gboolean
check_times (View *self, GError **error)
{
  const gint64 now = self->rules->now;
  gint64 not_before = 0;

  if (!ita_json_get_integer (self->top, "iat", &self->issued_at, error) || !ita_json_get_integer (self->top, "nbf", &not_before, error) ||
      !ita_json_get_integer (self->top, "exp", &self->expires, error))
    return FALSE;
  if (self->expires <= self->issued_at || self->expires - self->issued_at > LIFE_MAX)
    return ita_refuse (error, "token-times", "token: exp is %" G_GINT64_FORMAT " s behind iat, expected 1 to %d",
                       self->expires - self->issued_at, LIFE_MAX);
  if (now >= self->expires)
    return ita_refuse (error, "token-expired", "token: expired %" G_GINT64_FORMAT " s ago", now - self->expires);
  if (not_before - SKEW > now)
    return ita_refuse (error, "token-not-yet-valid", "token: valid only in %" G_GINT64_FORMAT " s", not_before - now);
  if (self->issued_at - SKEW > now)
    return ita_refuse (error, "token-issued-in-future", "token: issued in %" G_GINT64_FORMAT " s from now", self->issued_at - now);
  if (now - self->issued_at > self->rules->max_age)
    return ita_refuse (error, "token-too-old", "token: issued %" G_GINT64_FORMAT " s ago, at most %" G_GINT64_FORMAT " expected",
                       now - self->issued_at, self->rules->max_age);
  return TRUE;
}

static gboolean
check_issuer (View *self, GError **error)
{
  g_autofree char *issuer = ita_json_get_text (self->top, "iss", TEXT_MAX, error);

  if (issuer == NULL)
    return FALSE;
  return g_str_equal (issuer, self->rules->issuer) ||
         ita_refuse (error, "token-iss", "token: iss is not %s, whom the configuration names", self->rules->issuer);
}

/* A claim on both levels with two values would be read by each reader as it likes. */
static gboolean
check_levels (View *self, GError **error)
{
  static const char *const names[] = {
    "attester_type",
    "attester_tcb_status",
    "attester_tcb_date",
    "attester_advisory_ids",
    "verifier_nonce",
    "dbgstat",
    "tdx_mrtd",
    "tdx_rtmr0",
    "tdx_rtmr1",
    "tdx_rtmr2",
    "tdx_rtmr3",
    "tdx_report_data",
    "tdx_mrseam",
    "tdx_mrsignerseam",
    "tdx_mrconfigid",
    "tdx_mrowner",
    "tdx_mrownerconfig",
    "tdx_td_attributes",
    "tdx_xfam",
    "tdx_seam_attributes",
    "tdx_tee_tcb_svn",
    "tdx_seamsvn",
    "tdx_is_debuggable",
    "tdx_is_migratable",
    "tdx_td_attributes_debug",
    "tdx_collateral",
    "attester_held_data",
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      DcapJsonNode above;
      DcapJsonNode below;

      if (dcap_json_find (self->top, names[i], &above) && dcap_json_find (self->tdx, names[i], &below) && !ita_json_same (above, below))
        return ita_refuse (error, "token-layout", "token: %s stands there twice, with two values", names[i]);
    }
  return TRUE;
}

static gboolean
check_layout (View *self, GError **error)
{
  g_autofree char *version = ita_json_get_text (self->top, "ver", 32, error);
  const gboolean nested = ita_json_has (self->top, "tdx");

  if (version == NULL)
    return FALSE;
  if (!ita_json_is_plain (version))
    return ita_refuse (error, "token-ver", "token: its version is none");
  self->tdx = self->top;
  if (g_str_has_prefix (version, "1."))
    return !nested || ita_refuse (error, "token-layout", "token: version %.16s with an object tdx", version);
  if (!g_str_has_prefix (version, "2."))
    return ita_refuse (error, "token-ver", "token: version %.16s, expected 1.x or 2.x", version);
  return ita_json_get (self->top, "tdx", DCAP_JSON_OBJECT, &self->tdx, error) && check_levels (self, error);
}

/* Evidence in a certificate was made before anybody could ask the authority for a nonce, so none was sent. */
static gboolean
check_unsent (View *self, GError **error)
{
  if (ita_json_has (self->top, "verifier_nonce") || ita_json_has (self->tdx, "verifier_nonce"))
    return ita_refuse (error, "token-nonce", "token: it answers a nonce that we did not send");
  if (ita_json_has (self->top, "attester_held_data") || ita_json_has (self->tdx, "attester_held_data"))
    return ita_refuse (error, "token-held-data", "token: it holds user data that we did not send");
  return TRUE;
}

static gboolean
check_policies (View *self, GError **error)
{
  const char *const *wanted = self->rules->policy_ids;
  DcapJsonNode matched;
  DcapJsonNode child;

  if (wanted == NULL || *wanted == NULL)
    return TRUE;
  if (!ita_json_get (self->top, "policy_ids_matched", DCAP_JSON_ARRAY, &matched, error))
    return FALSE;
  for (; *wanted != NULL; wanted++)
    {
      gboolean found = FALSE;

      for (gboolean more = dcap_json_first (matched, &child); more && !found; more = dcap_json_next (child, &child))
        {
          g_autofree char *id = dcap_json_type (child) == DCAP_JSON_OBJECT ? dcap_json_get_text (child, "id", 64, NULL) : NULL;

          found = id != NULL && g_ascii_strcasecmp (id, *wanted) == 0;
        }
      if (!found)
        return ita_refuse (error, "token-policy", "token: the policy %s is not among those that matched", *wanted);
    }
  return TRUE;
}

static gboolean
check_key (View *self, GError **error)
{
  const gint64 now = self->rules->now;

  if (now < self->key->not_before || now > self->key->not_after)
    return ita_refuse (error, "key-dates", "the certificates of the key %.32s… are not valid now", self->key->kid);
  if (self->rules->pinned_root != NULL && memcmp (self->rules->pinned_root, self->key->root, sizeof self->key->root) != 0)
    return ita_refuse (error, "key-root", "the key %.32s… does not lead to pinned-root", self->key->kid);
  return TRUE;
}

/* --- what it says about the quote ---------------------------------------------------------------------------------- */

static const struct
{
  const char *name;
  const char *reason;
  TeesqlField field;
} bytes_claims[] = {
  { "tdx_report_data", "token-report-data", TEESQL_FIELD_REPORT_DATA },
  { "tdx_mrtd", "token-measurement", TEESQL_FIELD_MRTD },
  { "tdx_rtmr0", "token-measurement", TEESQL_FIELD_RTMR0 },
  { "tdx_rtmr1", "token-measurement", TEESQL_FIELD_RTMR1 },
  { "tdx_rtmr2", "token-measurement", TEESQL_FIELD_RTMR2 },
  { "tdx_rtmr3", "token-measurement", TEESQL_FIELD_RTMR3 },
  { "tdx_mrseam", "token-measurement", TEESQL_FIELD_MRSEAM },
  { "tdx_mrsignerseam", "token-measurement", TEESQL_FIELD_MRSIGNERSEAM },
  { "tdx_mrconfigid", "token-measurement", TEESQL_FIELD_MRCONFIGID },
  { "tdx_mrowner", "token-measurement", TEESQL_FIELD_MROWNER },
  { "tdx_mrownerconfig", "token-measurement", TEESQL_FIELD_MROWNERCONFIG },
  { "tdx_td_attributes", "token-attributes", TEESQL_FIELD_TD_ATTRIBUTES },
  { "tdx_xfam", "token-attributes", TEESQL_FIELD_XFAM },
  { "tdx_seam_attributes", "token-attributes", TEESQL_FIELD_SEAM_ATTRIBUTES },
  { "tdx_tee_tcb_svn", "token-svn", TEESQL_FIELD_TEE_TCB_SVN },
};

static gboolean
check_bytes (View *self, GError **error)
{
  guint8 claimed[TEESQL_REPORT_DATA_SIZE];

  for (guint i = 0; i < G_N_ELEMENTS (bytes_claims); i++)
    {
      gsize size = 0;
      const guint8 *quoted = teesql_quote_get_field (&self->quote, bytes_claims[i].field, &size);

      if (!ita_json_get_bytes (self->tdx, bytes_claims[i].name, claimed, size, error))
        return FALSE;
      if (memcmp (claimed, quoted, size) != 0)
        return ita_refuse (error, bytes_claims[i].reason, "token: %s is not that of the quote we hold", bytes_claims[i].name);
    }
  return TRUE;
}

static gboolean
check_seam_svn (View *self, GError **error)
{
  gsize size = 0;
  const guint8 *svn = teesql_quote_get_field (&self->quote, TEESQL_FIELD_TEE_TCB_SVN, &size);
  gint64 claimed = 0;

  if (!ita_json_get_integer (self->tdx, "tdx_seamsvn", &claimed, error))
    return FALSE;
  return claimed == svn[1] * 256 + svn[0] ||
         ita_refuse (error, "token-svn", "token: tdx_seamsvn is %" G_GINT64_FORMAT ", the quote has %d", claimed, svn[1] * 256 + svn[0]);
}

static gboolean
attribute_is_set (const View *self, guint bit)
{
  gsize size = 0;
  const guint8 *bits = teesql_quote_get_field (&self->quote, TEESQL_FIELD_TD_ATTRIBUTES, &size);

  return (bits[bit / 8] >> bit % 8 & 1) != 0;
}

static const struct
{
  const char *name;
  guint bit;
} bit_claims[] = {
  { "tdx_td_attributes_septve_disable", BIT_SEPT_VE },
  { "tdx_td_attributes_protection_keys", BIT_PKS },
  { "tdx_td_attributes_key_locker", BIT_KL },
  { "tdx_td_attributes_perfmon", BIT_PERFMON },
  { "tdx_is_migratable", BIT_MIGRATE },
};

/* Not all versions have them; those that are there must say what the quote says. */
static gboolean
check_bits (View *self, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (bit_claims); i++)
    {
      DcapJsonNode value;
      gboolean claimed = FALSE;

      if (!dcap_json_find (self->tdx, bit_claims[i].name, &value))
        continue;
      if (!ita_json_get_boolean (self->tdx, bit_claims[i].name, &claimed, error))
        return FALSE;
      if (claimed != attribute_is_set (self, bit_claims[i].bit))
        return ita_refuse (error, "token-attributes", "token: %s is not what the quote's attributes say", bit_claims[i].name);
    }
  return TRUE;
}

static gboolean
check_debug_status (DcapJsonNode object, GError **error)
{
  g_autofree char *status = NULL;
  DcapJsonNode value;

  if (!dcap_json_find (object, "dbgstat", &value))
    return TRUE;
  status = ita_json_get_text (object, "dbgstat", 64, error);
  if (status == NULL)
    return FALSE;
  return g_str_equal (status, "disabled") || ita_refuse (error, "token-debug", "token: dbgstat is not disabled");
}

/* The one claim whose silence would be the lie. */
static gboolean
check_debug (View *self, GError **error)
{
  gboolean debuggable = TRUE;
  gboolean attribute = FALSE;
  DcapJsonNode value;

  if (!dcap_json_find (self->tdx, "tdx_is_debuggable", &value))
    return ita_refuse (error, "token-debug-absent", "token: tdx_is_debuggable is not there, and silence is no claim");
  if (!ita_json_get_boolean (self->tdx, "tdx_is_debuggable", &debuggable, error))
    return FALSE;
  if (dcap_json_find (self->tdx, "tdx_td_attributes_debug", &value) &&
      !ita_json_get_boolean (self->tdx, "tdx_td_attributes_debug", &attribute, error))
    return FALSE;
  if (debuggable || attribute)
    return ita_refuse (error, "token-debug", "token: a debug TD, whose memory is open to the host");
  return check_debug_status (self->top, error) && check_debug_status (self->tdx, error);
}

static gboolean
check_type (View *self, GError **error)
{
  g_autofree char *type = ita_json_get_text (self->tdx, "attester_type", 32, error);

  if (type == NULL)
    return FALSE;
  return g_str_equal (type, "TDX") || ita_refuse (error, "token-attester-type", "token: attester_type is not TDX");
}

/* --- what the authority alone says --------------------------------------------------------------------------------- */

static gboolean
add_status (View *self, TeesqlClaimsBuilder *builder, GError **error)
{
  static const struct
  {
    const char *word;
    TeesqlTcbStatus status;
  } words[] = {
    { "UpToDate", TEESQL_TCB_STATUS_UP_TO_DATE },
    { "OK", TEESQL_TCB_STATUS_UP_TO_DATE }, /* older tokens */
    { "SWHardeningNeeded", TEESQL_TCB_STATUS_SW_HARDENING_NEEDED },
    { "ConfigurationNeeded", TEESQL_TCB_STATUS_CONFIGURATION_NEEDED },
    { "ConfigurationAndSWHardeningNeeded", TEESQL_TCB_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED },
    { "OutOfDate", TEESQL_TCB_STATUS_OUT_OF_DATE },
    { "OutOfDateConfigurationNeeded", TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED },
    { "TDRelaunchAdvised", TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED },
    { "TDRelaunchAdvisedConfigurationNeeded", TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED },
  };
  g_autofree char *word = ita_json_get_text (self->tdx, "attester_tcb_status", 64, error);

  if (word == NULL)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (word, words[i].word))
      {
        teesql_claims_builder_set_tcb_status (builder, words[i].status);
        return TRUE;
      }
  if (g_str_equal (word, "Revoked"))
    return ita_refuse (error, "token-tcb-status", "token: the platform's TCB is revoked");
  return ita_refuse (error, "token-tcb-status", "token: the TCB status is a word that is not known here");
}

static gboolean
is_advisory (const char *id)
{
  if (id == NULL || id[0] == '\0')
    return FALSE;
  for (; *id != '\0'; id++)
    if (!g_ascii_isalnum (*id) && *id != '-')
      return FALSE;
  return TRUE;
}

static gboolean
add_advisories (View *self, TeesqlClaimsBuilder *builder, GError **error)
{
  DcapJsonNode list;
  DcapJsonNode child;

  if (!ita_json_has (self->tdx, "attester_advisory_ids"))
    return TRUE;
  if (!ita_json_get (self->tdx, "attester_advisory_ids", DCAP_JSON_ARRAY, &list, error))
    return FALSE;
  if (dcap_json_length (list) > N_ADVISORIES)
    return ita_refuse (error, "token-advisories", "token: %u advisories", dcap_json_length (list));
  for (gboolean more = dcap_json_first (list, &child); more; more = dcap_json_next (child, &child))
    {
      g_autofree char *id = dcap_json_type (child) == DCAP_JSON_STRING ? dcap_json_text (child, ADVISORY_MAX, NULL) : NULL;

      if (!is_advisory (id))
        return ita_refuse (error, "token-advisories", "token: what should be an advisory's name is none");
      teesql_claims_builder_add_advisory_id (builder, id);
    }
  return TRUE;
}

/* Unconfirmed which form it has, so a difference is said and refuses nobody (the measurements are compared one by one). */
static void
compare_quote_hash (const View *self, DcapJsonNode collateral)
{
  guint8 claimed[TEESQL_SHA256_SIZE];
  guint8 own[TEESQL_SHA256_SIZE];
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (self->quote_bytes, &size);

  if (!ita_json_get_bytes (collateral, "quotehash", claimed, sizeof claimed, NULL))
    return;
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, own, data, size);
  if (memcmp (claimed, own, sizeof own) != 0)
    teesql_log_debug ("ita", "token: quotehash is not the SHA-256 of the quote that was sent");
}

static gboolean
add_collateral (View *self, TeesqlClaimsBuilder *builder, GError **error)
{
  DcapJsonNode collateral;
  guint8 fmspc[6];
  gint64 number = 0;

  if (!ita_json_has (self->tdx, "tdx_collateral"))
    return TRUE;
  if (!ita_json_get (self->tdx, "tdx_collateral", DCAP_JSON_OBJECT, &collateral, error))
    return FALSE;
  compare_quote_hash (self, collateral);
  if (ita_json_has (collateral, "fmspc"))
    {
      if (!ita_json_get_bytes (collateral, "fmspc", fmspc, sizeof fmspc, error))
        return FALSE;
      teesql_claims_builder_set_field (builder, TEESQL_FIELD_FMSPC, fmspc, sizeof fmspc);
    }
  if (!ita_json_has (collateral, "tcbevaluationdatanumber"))
    return TRUE;
  if (!ita_json_get_integer (collateral, "tcbevaluationdatanumber", &number, error))
    return FALSE;
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_TCB_EVALUATION, number);
  return TRUE;
}

static void
add_tcb_date (const View *self, TeesqlClaimsBuilder *builder)
{
  gint64 date = 0;

  if (dcap_json_get_time (self->tdx, "attester_tcb_date", &date, NULL))
    teesql_claims_builder_set_number (builder, TEESQL_NUMBER_TCB_DATE, date);
}

/* The quote's own bytes, all of which were compared above but for those of a TD 1.5 that tokens have no name for (MRSERVICETD, the second
 * SVN): they stand under the signature that the verifier has checked before it asked. What the token does not tell stays absent. */
static void
add_quote (const View *self, TeesqlClaimsBuilder *builder)
{
  for (TeesqlField field = TEESQL_FIELD_MRTD; field < TEESQL_FIELD_FMSPC; field++)
    {
      gsize size = 0;
      const guint8 *data = teesql_quote_get_field (&self->quote, field, &size);

      if (data != NULL)
        teesql_claims_builder_set_field (builder, field, data, size);
    }
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_TRUST_ANCHOR, self->key->anchor, sizeof self->key->anchor);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_ISSUED_AT, self->issued_at);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_VALID_UNTIL, MIN (self->expires, self->key->not_after));
}

static TeesqlClaims *
make_claims (View *self, GError **error)
{
  g_autoptr (TeesqlClaimsBuilder) builder = teesql_claims_builder_new ();

  if (!add_status (self, builder, error) || !add_advisories (self, builder, error) || !add_collateral (self, builder, error))
    return NULL;
  add_tcb_date (self, builder);
  add_quote (self, builder);
  return teesql_claims_builder_end (builder, error);
}

typedef gboolean (*Check) (View *self, GError **error);

/* Who speaks, when, about what: nothing about the platform is read before the quote is known to be ours. */
static const Check checks[] = {
  check_key,   check_times,    check_issuer, check_layout, check_unsent,   check_type,
  check_bytes, check_seam_svn, check_bits,   check_debug,  check_policies,
};

TeesqlClaims *
ita_token_check (const ItaToken *token, const ItaKey *key, GBytes *quote, const ItaRules *rules, GError **error)
{
  View view = { .top = dcap_json_root (token->payload), .quote_bytes = quote, .rules = rules, .key = key };
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (quote, &size);

  if (!ita_key_verify (key, token, error) || !teesql_quote_parse (data, size, &view.quote, error))
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    if (!checks[i](&view, error))
      return NULL;
  return make_claims (&view, error);
}
