#include "policy/teesql-policy-private.h"

/* Intel TDX Module base architecture, TD attributes: bits 0 to 7 put a TD under debug, the rest is security and other
 * features. A bit that is not known here may mean anything, so it is refused. */
#define BIT_DEBUG           0
#define BIT_SEPT_VE_DISABLE 28
#define BIT_MIGRATABLE      29
#define BIT_PKS             30
#define BIT_KEY_LOCKER      31
#define BIT_PERFMON         63

#define MASK(bit) (G_GUINT64_CONSTANT (1) << (bit))
#define KNOWN_BITS                                                                                                                         \
  (MASK (BIT_DEBUG) | MASK (BIT_SEPT_VE_DISABLE) | MASK (BIT_MIGRATABLE) | MASK (BIT_PKS) | MASK (BIT_KEY_LOCKER) | MASK (BIT_PERFMON))

static guint64
td_attributes (TeesqlClaims *claims)
{
  gsize size = 0;
  const guint8 *data = teesql_claims_get_field (claims, TEESQL_FIELD_TD_ATTRIBUTES, &size);
  guint64 bits = 0;

  for (gsize i = size; i > 0; i--)
    bits = bits << 8 | data[i - 1];
  return bits;
}

static TeesqlFinding *
check_debug (const TeesqlPolicy *policy, TeesqlClaims *claims)
{
  if ((td_attributes (claims) & MASK (BIT_DEBUG)) == 0)
    return NULL;
  return teesql_finding_new ("debug", "debug TD: its memory is open to the host, so nothing it proves can be relied on");
}

static TeesqlFinding *
check_reserved (const TeesqlPolicy *policy, TeesqlClaims *claims)
{
  guint64 unknown = td_attributes (claims) & ~KNOWN_BITS;

  if (unknown == 0)
    return NULL;
  return teesql_finding_new ("reserved-td-attribute-bits", "reserved TD attribute bits 0x%016" G_GINT64_MODIFIER "x are set", unknown);
}

/* Without it a host can make the guest fault on its own memory, page by page, and watch (SEPT_VE_DISABLE). */
static TeesqlFinding *
check_sept_ve (const TeesqlPolicy *policy, TeesqlClaims *claims)
{
  if ((td_attributes (claims) & MASK (BIT_SEPT_VE_DISABLE)) != 0)
    return NULL;
  return teesql_finding_new ("sept-ve-disable-clear",
                             "TD attribute SEPT_VE_DISABLE is clear: the host can make the guest fault on its own memory");
}

static TeesqlFinding *
check_migratable (const TeesqlPolicy *policy, TeesqlClaims *claims)
{
  if ((td_attributes (claims) & MASK (BIT_MIGRATABLE)) == 0 || (policy != NULL && policy->accept_migratable))
    return NULL;
  return teesql_finding_new ("migratable", "migratable TD, and accept-migratable is not set");
}

static TeesqlFinding *
check_zero (TeesqlClaims *claims, TeesqlField field, const char *reason, const char *label)
{
  gsize size = 0;
  const guint8 *data = teesql_claims_get_field (claims, field, &size);
  guint8 sum = 0;

  for (gsize i = 0; i < size; i++)
    sum |= data[i];
  return sum == 0 ? NULL : teesql_finding_new (reason, "%s is not zero", label);
}

/* A service TD can be bound to a TD after its launch; none is expected here. TD 1.0 has no such field. */
static TeesqlFinding *
check_service_td (const TeesqlPolicy *policy, TeesqlClaims *claims)
{
  return check_zero (claims, TEESQL_FIELD_MRSERVICETD, "mr-service-td-nonzero", "MRSERVICETD");
}

static TeesqlFinding *
check_seam_signer (const TeesqlPolicy *policy, TeesqlClaims *claims)
{
  return check_zero (claims, TEESQL_FIELD_MRSIGNERSEAM, "mr-signer-seam-nonzero", "MRSIGNERSEAM (a TDX module that Intel did not sign)");
}

static TeesqlFinding *
check_seam_attributes (const TeesqlPolicy *policy, TeesqlClaims *claims)
{
  return check_zero (claims, TEESQL_FIELD_SEAM_ATTRIBUTES, "seam-attributes-nonzero", "SEAMATTRIBUTES (a debug TDX module)");
}

typedef TeesqlFinding *(*AttributeRule) (const TeesqlPolicy *policy, TeesqlClaims *claims);

static const AttributeRule rules[] = {
  check_debug, check_reserved, check_sept_ve, check_migratable, check_service_td, check_seam_signer, check_seam_attributes,
};

GPtrArray *
teesql_policy_check_attributes (const TeesqlPolicy *policy, TeesqlClaims *claims)
{
  GPtrArray *findings = teesql_findings_new ();

  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      TeesqlFinding *finding = rules[i](policy, claims);

      if (finding != NULL)
        g_ptr_array_add (findings, finding);
    }
  return findings;
}
