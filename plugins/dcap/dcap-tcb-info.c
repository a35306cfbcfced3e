#include "dcap-tcb-info.h"

#include "base/teesql-domains.h"
#include "dcap-error.h"

#define MAX_LEVELS  256
#define MAX_MODULES 64
#define MAX_ID      16

static void
module_clear (gpointer data)
{
  DcapModuleIdentity *self = data;
  g_clear_pointer (&self->levels, g_array_unref);
}

static void
level_clear (gpointer data)
{
  DcapTcbLevel *self = data;
  dcap_verdict_clear (&self->verdict);
}

static gboolean
fail (GError **error, const char *text)
{
  if (error != NULL)
    *error = teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "json-field", 0, "tcb info: %s", text);
  return FALSE;
}

static gboolean
parse_components (DcapJsonNode tcb, const char *key, guint8 out[DCAP_N_COMPONENTS], GError **error)
{
  DcapJsonNode list;
  DcapJsonNode item;
  guint i = 0;

  if (!dcap_json_get (tcb, key, DCAP_JSON_ARRAY, &list, error))
    return FALSE;
  if (dcap_json_length (list) != DCAP_N_COMPONENTS)
    return fail (error, "a level does not have 16 components");
  for (gboolean more = dcap_json_first (list, &item); more; more = dcap_json_next (item, &item))
    {
      guint svn = 0;
      if (!dcap_json_get_uint (item, "svn", G_MAXUINT8, &svn, error))
        return FALSE;
      out[i++] = (guint8) svn;
    }
  return TRUE;
}

static gboolean
parse_level (DcapJsonNode node, GArray *levels, GError **error)
{
  DcapJsonNode tcb;
  DcapTcbLevel level = { 0 };

  if (!dcap_json_get (node, "tcb", DCAP_JSON_OBJECT, &tcb, error) || !parse_components (tcb, "sgxtcbcomponents", level.sgx, error) ||
      !parse_components (tcb, "tdxtcbcomponents", level.tdx, error) ||
      !dcap_json_get_uint (tcb, "pcesvn", G_MAXUINT16, &level.pce_svn, error) || !dcap_verdict_parse (node, &level.verdict, error))
    return FALSE;
  g_array_append_val (levels, level);
  return TRUE;
}

static int
level_compare (gconstpointer a, gconstpointer b)
{
  const DcapTcbLevel *left = a;
  const DcapTcbLevel *right = b;
  int order = memcmp (right->sgx, left->sgx, sizeof left->sgx);

  if (order == 0)
    order = (left->pce_svn < right->pce_svn) - (left->pce_svn > right->pce_svn);
  return order != 0 ? order : memcmp (right->tdx, left->tdx, sizeof left->tdx);
}

static gboolean
parse_levels (DcapTcbInfo *self, DcapJsonNode root, GError **error)
{
  DcapJsonNode list;
  DcapJsonNode node;

  if (!dcap_json_get (root, "tcbLevels", DCAP_JSON_ARRAY, &list, error))
    return FALSE;
  if (dcap_json_length (list) == 0 || dcap_json_length (list) > MAX_LEVELS)
    return fail (error, "tcbLevels: expected 1 to 256 entries");
  for (gboolean more = dcap_json_first (list, &node); more; more = dcap_json_next (node, &node))
    if (!parse_level (node, self->levels, error))
      return FALSE;
  g_array_sort (self->levels, level_compare);
  return TRUE;
}

static gboolean
parse_module_facts (DcapJsonNode node, DcapModuleIdentity *out, GError **error)
{
  return dcap_json_get_hex (node, "mrsigner", out->mr_signer, sizeof out->mr_signer, error) &&
         dcap_json_get_hex (node, "attributes", out->attributes, sizeof out->attributes, error) &&
         dcap_json_get_hex (node, "attributesMask", out->attributes_mask, sizeof out->attributes_mask, error);
}

/* `TDX_` and two hex digits; other names are of modules that this procedure has no number for */
static guint
module_version (const char *id)
{
  if (strlen (id) != 6 || g_ascii_strncasecmp (id, "TDX_", 4) != 0 || !g_ascii_isxdigit (id[4]) || !g_ascii_isxdigit (id[5]))
    return 0;
  return (guint) (g_ascii_xdigit_value (id[4]) << 4 | g_ascii_xdigit_value (id[5]));
}

static gboolean
parse_module (DcapTcbInfo *self, DcapJsonNode node, GError **error)
{
  DcapModuleIdentity module = { 0 };
  g_autofree char *id = dcap_json_get_text (node, "id", MAX_ID, error);

  if (id == NULL || !parse_module_facts (node, &module, error))
    return FALSE;
  module.version = module_version (id);
  if (module.version != 0 && dcap_tcb_info_find_module (self, module.version) != NULL)
    return fail (error, "tdxModuleIdentities: an entry stands twice");
  module.levels = dcap_svn_levels_parse (node, error);
  if (module.levels == NULL)
    return FALSE;
  g_array_append_val (self->module_identities, module);
  return TRUE;
}

static gboolean
parse_modules (DcapTcbInfo *self, DcapJsonNode root, GError **error)
{
  DcapJsonNode module;
  DcapJsonNode list;
  DcapJsonNode node;

  if (!dcap_json_get (root, "tdxModule", DCAP_JSON_OBJECT, &module, error) || !parse_module_facts (module, &self->module, error))
    return FALSE;
  if (!dcap_json_find (root, "tdxModuleIdentities", &list))
    return TRUE;
  if (dcap_json_type (list) != DCAP_JSON_ARRAY || dcap_json_length (list) > MAX_MODULES)
    return fail (error, "tdxModuleIdentities: expected at most 64 entries");
  for (gboolean more = dcap_json_first (list, &node); more; more = dcap_json_next (node, &node))
    if (!parse_module (self, node, error))
      return FALSE;
  return TRUE;
}

static gboolean
parse_head (DcapTcbInfo *self, DcapJsonNode root, GError **error)
{
  guint tcb_type = 0;

  if (!dcap_json_get_time (root, "issueDate", &self->issue_date, error) ||
      !dcap_json_get_time (root, "nextUpdate", &self->next_update, error) ||
      !dcap_json_get_uint (root, "tcbEvaluationDataNumber", G_MAXUINT16, &self->evaluation, error) ||
      !dcap_json_get_uint (root, "tcbType", G_MAXUINT8, &tcb_type, error) ||
      !dcap_json_get_hex (root, "fmspc", self->fmspc, sizeof self->fmspc, error) ||
      !dcap_json_get_hex (root, "pceId", self->pce_id, sizeof self->pce_id, error))
    return FALSE;
  /* type 0 says that CPUSVN is compared component by component; nothing else is defined */
  return tcb_type == 0 || fail (error, "tcbType is not 0");
}

/* Before anything else is read: another version may give the same words another meaning. */
static gboolean
check_kind (DcapJsonNode root, GError **error)
{
  GError *cause = NULL;
  guint version = 0;
  g_autofree char *id = dcap_json_get_text (root, "id", MAX_ID, &cause);

  if (id == NULL || !dcap_json_get_uint (root, "version", G_MAXUINT16, &version, &cause))
    return dcap_fail_parse (error, "tcb-info", "json", cause);
  if (!g_str_equal (id, "TDX"))
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "tcb-info-id", "tcb info: id %s, expected TDX", id);
  if (version != 3)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "tcb-info-version", "tcb info: version %u, expected 3", version);
  return TRUE;
}

DcapTcbInfo *
dcap_tcb_info_parse (const guint8 *data, gsize size, GError **error)
{
  GError *cause = NULL;
  g_autoptr (DcapTcbInfo) self = g_new0 (DcapTcbInfo, 1);
  g_autoptr (DcapJson) json = NULL;

  self->levels = g_array_new (FALSE, TRUE, sizeof (DcapTcbLevel));
  g_array_set_clear_func (self->levels, level_clear);
  self->module_identities = g_array_new (FALSE, TRUE, sizeof (DcapModuleIdentity));
  g_array_set_clear_func (self->module_identities, module_clear);
  json = size <= DCAP_TCB_INFO_MAX_SIZE ? dcap_json_parse ("tcb info", data, size, &cause) : NULL;
  if (json == NULL && cause == NULL)
    fail (&cause, "too large");
  if (json == NULL)
    {
      dcap_fail_parse (error, "tcb-info", "json", cause);
      return NULL;
    }
  DcapJsonNode root = dcap_json_root (json);
  if (!check_kind (root, error))
    return NULL;
  if (!parse_head (self, root, &cause) || !parse_modules (self, root, &cause) || !parse_levels (self, root, &cause))
    {
      dcap_fail_parse (error, "tcb-info", "json", cause);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
dcap_tcb_info_free (DcapTcbInfo *self)
{
  module_clear (&self->module);
  g_array_unref (self->module_identities);
  g_array_unref (self->levels);
  g_free (self);
}

const DcapModuleIdentity *
dcap_tcb_info_find_module (const DcapTcbInfo *self, guint version)
{
  for (guint i = 0; i < self->module_identities->len; i++)
    {
      const DcapModuleIdentity *module = &g_array_index (self->module_identities, DcapModuleIdentity, i);
      if (module->version == version)
        return module;
    }
  return NULL;
}
