#include "dcap-levels.h"

#include "base/teesql-domains.h"

#define MAX_LEVELS     64
#define MAX_ADVISORIES 256
#define MAX_ID         64

/* only what may stand in collateral */
static const char *const words[] = {
  [DCAP_STATUS_UP_TO_DATE] = "UpToDate",
  [DCAP_STATUS_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
  [DCAP_STATUS_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
  [DCAP_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
  [DCAP_STATUS_OUT_OF_DATE] = "OutOfDate",
  [DCAP_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
  [DCAP_STATUS_REVOKED] = "Revoked",
};

const char *
dcap_status_text (DcapStatus status)
{
  if (status == DCAP_STATUS_TD_RELAUNCH_ADVISED)
    return "TDRelaunchAdvised";
  if (status == DCAP_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED)
    return "TDRelaunchAdvisedConfigurationNeeded";
  return words[status];
}

static gboolean
fail (GError **error, const char *reason, const char *format, const char *text)
{
  if (error != NULL)
    *error = teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, reason, 0, format, text);
  return FALSE;
}

static gboolean
parse_status (DcapJsonNode level, DcapStatus *out, GError **error)
{
  g_autofree char *text = dcap_json_get_text (level, "tcbStatus", MAX_ID, error);

  if (text == NULL)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i], text))
      {
        *out = (DcapStatus) i;
        return TRUE;
      }
  return fail (error, "tcb-status", "tcb level: status %s is not known", text);
}

/* An id ends up in messages, logs and policies: INTEL-SA-00837 and nothing stranger */
static gboolean
id_is_plain (const char *id)
{
  for (const char *c = id; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && *c != '-')
      return FALSE;
  return *id != '\0';
}

static gboolean
parse_advisories (DcapJsonNode level, char ***out, GError **error)
{
  DcapJsonNode list;
  DcapJsonNode item;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (!dcap_json_find (level, "advisoryIDs", &list))
    {
      *out = g_strv_builder_end (builder);
      return TRUE;
    }
  if (dcap_json_type (list) != DCAP_JSON_ARRAY || dcap_json_length (list) > MAX_ADVISORIES)
    return fail (error, "json-field", "tcb level: %s is not a short list", "advisoryIDs");
  for (gboolean more = dcap_json_first (list, &item); more; more = dcap_json_next (item, &item))
    {
      g_autofree char *id = dcap_json_text (item, MAX_ID, error);
      if (id == NULL)
        return FALSE;
      if (!id_is_plain (id))
        return fail (error, "json-field", "tcb level: %s", "an advisory id has strange characters");
      g_strv_builder_add (builder, id);
    }
  *out = g_strv_builder_end (builder);
  return TRUE;
}

gboolean
dcap_verdict_parse (DcapJsonNode level, DcapVerdict *out, GError **error)
{
  DcapVerdict verdict = { 0 };

  if (!parse_status (level, &verdict.status, error) || !dcap_json_get_time (level, "tcbDate", &verdict.date, error) ||
      !parse_advisories (level, &verdict.advisory_ids, error))
    return FALSE;
  *out = verdict;
  return TRUE;
}

void
dcap_verdict_clear (DcapVerdict *self)
{
  g_clear_pointer (&self->advisory_ids, g_strfreev);
}

static void
svn_level_clear (gpointer data)
{
  DcapSvnLevel *self = data;
  dcap_verdict_clear (&self->verdict);
}

static int
svn_level_compare (gconstpointer a, gconstpointer b)
{
  const DcapSvnLevel *left = a;
  const DcapSvnLevel *right = b;
  return (left->isv_svn < right->isv_svn) - (left->isv_svn > right->isv_svn);
}

static gboolean
svn_level_parse (DcapJsonNode node, GArray *levels, GError **error)
{
  DcapJsonNode tcb;
  DcapSvnLevel level = { 0 };

  if (!dcap_json_get (node, "tcb", DCAP_JSON_OBJECT, &tcb, error) ||
      !dcap_json_get_uint (tcb, "isvsvn", G_MAXUINT16, &level.isv_svn, error) || !dcap_verdict_parse (node, &level.verdict, error))
    return FALSE;
  /* an enclave is current, old or revoked; nothing else has a meaning when levels are joined */
  if (level.verdict.status != DCAP_STATUS_UP_TO_DATE && level.verdict.status != DCAP_STATUS_OUT_OF_DATE &&
      level.verdict.status != DCAP_STATUS_REVOKED)
    {
      dcap_verdict_clear (&level.verdict);
      return fail (error, "tcb-status", "tcb level: status %s is not one of an enclave or module", dcap_status_text (level.verdict.status));
    }
  g_array_append_val (levels, level);
  return TRUE;
}

GArray *
dcap_svn_levels_parse (DcapJsonNode object, GError **error)
{
  g_autoptr (GArray) levels = g_array_new (FALSE, TRUE, sizeof (DcapSvnLevel));
  DcapJsonNode list;
  DcapJsonNode node;

  g_array_set_clear_func (levels, svn_level_clear);
  if (!dcap_json_get (object, "tcbLevels", DCAP_JSON_ARRAY, &list, error))
    return NULL;
  if (dcap_json_length (list) == 0 || dcap_json_length (list) > MAX_LEVELS)
    {
      fail (error, "json-field", "%s: expected 1 to 64 entries", "tcbLevels");
      return NULL;
    }
  for (gboolean more = dcap_json_first (list, &node); more; more = dcap_json_next (node, &node))
    if (!svn_level_parse (node, levels, error))
      return NULL;
  g_array_sort (levels, svn_level_compare);
  return g_steal_pointer (&levels);
}

const DcapSvnLevel *
dcap_svn_levels_match (GArray *levels, guint isv_svn)
{
  for (guint i = 0; i < levels->len; i++)
    {
      const DcapSvnLevel *level = &g_array_index (levels, DcapSvnLevel, i);
      if (level->isv_svn <= isv_svn)
        return level;
    }
  return NULL;
}
