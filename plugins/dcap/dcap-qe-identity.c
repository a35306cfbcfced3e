#include "dcap-qe-identity.h"

#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "dcap-error.h"

#define MAX_ID 16

/* SGX enclave report, Intel SDM volume 3D, table 35-21 */
#define REPORT_MISC_SELECT 16
#define REPORT_ATTRIBUTES  48
#define REPORT_MR_SIGNER   128
#define REPORT_ISV_PROD_ID 256

static gboolean
check_kind (DcapJsonNode root, GError **error)
{
  GError *cause = NULL;
  guint version = 0;
  g_autofree char *id = dcap_json_get_text (root, "id", MAX_ID, &cause);

  if (id == NULL || !dcap_json_get_uint (root, "version", G_MAXUINT16, &version, &cause))
    return dcap_fail_parse (error, "qe-identity", "json", cause);
  if (!g_str_equal (id, "TD_QE"))
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "qe-identity-id", "qe identity: id %s, expected TD_QE", id);
  if (version != 2)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "qe-identity-version", "qe identity: version %u, expected 2", version);
  return TRUE;
}

static gboolean
parse_members (DcapQeIdentity *self, DcapJsonNode root, GError **error)
{
  if (!dcap_json_get_time (root, "issueDate", &self->issue_date, error) ||
      !dcap_json_get_time (root, "nextUpdate", &self->next_update, error) ||
      !dcap_json_get_uint (root, "tcbEvaluationDataNumber", G_MAXUINT16, &self->evaluation, error) ||
      !dcap_json_get_hex (root, "miscselect", self->misc_select, sizeof self->misc_select, error) ||
      !dcap_json_get_hex (root, "miscselectMask", self->misc_select_mask, sizeof self->misc_select_mask, error) ||
      !dcap_json_get_hex (root, "attributes", self->attributes, sizeof self->attributes, error) ||
      !dcap_json_get_hex (root, "attributesMask", self->attributes_mask, sizeof self->attributes_mask, error) ||
      !dcap_json_get_hex (root, "mrsigner", self->mr_signer, sizeof self->mr_signer, error) ||
      !dcap_json_get_uint (root, "isvprodid", G_MAXUINT16, &self->isv_prod_id, error))
    return FALSE;
  self->levels = dcap_svn_levels_parse (root, error);
  return self->levels != NULL;
}

DcapQeIdentity *
dcap_qe_identity_parse (const guint8 *data, gsize size, GError **error)
{
  GError *cause = NULL;
  g_autoptr (DcapQeIdentity) self = g_new0 (DcapQeIdentity, 1);
  g_autoptr (DcapJson) json = NULL;

  if (size > DCAP_QE_IDENTITY_MAX_SIZE)
    {
      dcap_fail (error, TEESQL_ERROR_MALFORMED, "qe-identity-json", "qe identity: %" G_GSIZE_FORMAT " bytes are too many", size);
      return NULL;
    }
  json = dcap_json_parse ("qe identity", data, size, &cause);
  if (json == NULL)
    {
      dcap_fail_parse (error, "qe-identity", "json", cause);
      return NULL;
    }
  if (!check_kind (dcap_json_root (json), error))
    return NULL;
  if (!parse_members (self, dcap_json_root (json), &cause))
    {
      dcap_fail_parse (error, "qe-identity", "json", cause);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
dcap_qe_identity_free (DcapQeIdentity *self)
{
  g_clear_pointer (&self->levels, g_array_unref);
  g_free (self);
}

static gboolean
masked_equal (const guint8 *value, const guint8 *mask, const guint8 *expected, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if ((value[i] & mask[i]) != expected[i])
      return FALSE;
  return TRUE;
}

static gboolean
refuse (GError **error, const char *reason, const char *field, const guint8 *found, const guint8 *expected, gsize size)
{
  g_autofree char *found_text = teesql_hex_encode (found, size);
  g_autofree char *expected_text = teesql_hex_encode (expected, size);
  return dcap_fail (error, TEESQL_ERROR_REFUSED, reason, "quoting enclave: %s is %s, qe identity says %s", field, found_text,
                    expected_text);
}

static gboolean
check_who (const DcapQeIdentity *self, const guint8 *report, GError **error)
{
  const guint8 *misc_select = report + REPORT_MISC_SELECT;
  const guint8 *attributes = report + REPORT_ATTRIBUTES;
  const guint8 *mr_signer = report + REPORT_MR_SIGNER;

  if (!masked_equal (misc_select, self->misc_select_mask, self->misc_select, sizeof self->misc_select))
    return refuse (error, "qe-miscselect", "MISCSELECT", misc_select, self->misc_select, sizeof self->misc_select);
  if (!masked_equal (attributes, self->attributes_mask, self->attributes, sizeof self->attributes))
    return refuse (error, "qe-attributes", "ATTRIBUTES", attributes, self->attributes, sizeof self->attributes);
  if (memcmp (mr_signer, self->mr_signer, sizeof self->mr_signer) != 0)
    return refuse (error, "qe-mrsigner", "MRSIGNER", mr_signer, self->mr_signer, sizeof self->mr_signer);
  return TRUE;
}

const DcapSvnLevel *
dcap_qe_identity_check (const DcapQeIdentity *self, const guint8 report[DCAP_ENCLAVE_REPORT_SIZE], GError **error)
{
  TeesqlCursor cursor;
  guint16 isv_prod_id = 0;
  guint16 isv_svn = 0;
  GError *cause = NULL;

  if (!check_who (self, report, error))
    return NULL;
  teesql_cursor_init (&cursor, "qe report", report, DCAP_ENCLAVE_REPORT_SIZE);
  if (!teesql_cursor_skip (&cursor, "head", REPORT_ISV_PROD_ID, &cause) ||
      !teesql_cursor_u16_le (&cursor, "ISVPRODID", &isv_prod_id, &cause) || !teesql_cursor_u16_le (&cursor, "ISVSVN", &isv_svn, &cause))
    {
      dcap_fail_parse (error, "qe", "report", cause);
      return NULL;
    }
  if (isv_prod_id != self->isv_prod_id)
    {
      dcap_fail (error, TEESQL_ERROR_REFUSED, "qe-isvprodid", "quoting enclave: ISVPRODID is %u, qe identity says %u", isv_prod_id,
                 self->isv_prod_id);
      return NULL;
    }
  const DcapSvnLevel *level = dcap_svn_levels_match (self->levels, isv_svn);
  if (level == NULL)
    dcap_fail (error, TEESQL_ERROR_REFUSED, "tcb-not-supported", "quoting enclave: ISVSVN %u is below every level of the qe identity",
               isv_svn);
  return level;
}
