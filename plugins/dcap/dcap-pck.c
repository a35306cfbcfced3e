#include "dcap-pck.h"

#include "dcap-der.h"
#include "dcap-error.h"

/* 1.2.840.113741.1.13.1, below which every field has a number of its own (Intel SGX PCK certificate profile, 1.5) */
static const guint8 extension_oid[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

typedef enum
{
  FIELD_PPID = 1,
  FIELD_TCB,
  FIELD_PCE_ID,
  FIELD_FMSPC,
  FIELD_SGX_TYPE,
  FIELD_INSTANCE,
  FIELD_CONFIGURATION,
} Field;

#define REQUIRED_FIELDS (1u << FIELD_PPID | 1u << FIELD_TCB | 1u << FIELD_PCE_ID | 1u << FIELD_FMSPC | 1u << FIELD_SGX_TYPE)

/* within FIELD_TCB: 1 to 16 are components */
#define TCB_PCE_SVN  17
#define TCB_CPU_SVN  18
#define REQUIRED_TCB 0x7fffeu

#define SGX_TYPE_MAX 2

/* reads the SEQUENCE { OID, … around one field; @depth numbers stand behind the extension's own OID, the last one is the field */
static gboolean
read_entry (TeesqlCursor *list, guint depth, guint *out_field, TeesqlCursor *out_entry, GError **error)
{
  TeesqlCursor entry;
  TeesqlCursor oid;
  const guint8 *prefix = NULL;
  guint8 number = 0;

  if (!dcap_der_read (list, "field", DCAP_DER_SEQUENCE, &entry, error) || !dcap_der_read (&entry, "field name", DCAP_DER_OID, &oid, error))
    return FALSE;
  if (!teesql_cursor_take (&oid, "field name", sizeof extension_oid, &prefix, error))
    return FALSE;
  if (memcmp (prefix, extension_oid, sizeof extension_oid) != 0 || teesql_cursor_remaining (&oid) != depth)
    return teesql_cursor_fail (&oid, error, "pck-field", "field name is not below " DCAP_PCK_EXTENSION_OID);
  for (guint i = 0; i < depth; i++)
    if (!teesql_cursor_u8 (&oid, "field number", &number, error))
      return FALSE;
  *out_field = number;
  *out_entry = entry;
  return TRUE;
}

static gboolean
mark_seen (const TeesqlCursor *cursor, guint field, guint32 *seen, GError **error)
{
  if (field == 0 || field > 31)
    return TRUE;
  if ((*seen & 1u << field) != 0)
    return teesql_cursor_fail (cursor, error, "pck-field", "field .%u stands twice", field);
  *seen |= 1u << field;
  return TRUE;
}

static gboolean
parse_tcb_entry (guint field, TeesqlCursor *entry, DcapPck *pck, guint8 *cpu_svn, GError **error)
{
  guint value = 0;

  if (field >= 1 && field <= DCAP_N_COMPONENTS)
    {
      if (!dcap_der_read_uint (entry, "component SVN", DCAP_DER_INTEGER, G_MAXUINT8, &value, error))
        return FALSE;
      pck->components[field - 1] = (guint8) value;
      return teesql_cursor_expect_end (entry, error);
    }
  if (field == TCB_PCE_SVN)
    return dcap_der_read_uint (entry, "PCESVN", DCAP_DER_INTEGER, G_MAXUINT16, &pck->pce_svn, error) &&
           teesql_cursor_expect_end (entry, error);
  if (field == TCB_CPU_SVN)
    return dcap_der_read_octets (entry, "CPUSVN", cpu_svn, DCAP_N_COMPONENTS, error) && teesql_cursor_expect_end (entry, error);
  return TRUE;
}

static gboolean
parse_tcb (TeesqlCursor *value, DcapPck *pck, GError **error)
{
  TeesqlCursor list;
  guint8 cpu_svn[DCAP_N_COMPONENTS] = { 0 };
  guint32 seen = 0;

  if (!dcap_der_read (value, "TCB", DCAP_DER_SEQUENCE, &list, error))
    return FALSE;
  while (teesql_cursor_remaining (&list) > 0)
    {
      TeesqlCursor entry;
      guint field = 0;
      if (!read_entry (&list, 2, &field, &entry, error) || !mark_seen (&list, field, &seen, error) ||
          !parse_tcb_entry (field, &entry, pck, cpu_svn, error))
        return FALSE;
    }
  if ((seen & REQUIRED_TCB) != REQUIRED_TCB)
    return teesql_cursor_fail (&list, error, "pck-field", "TCB lacks a component, PCESVN or CPUSVN");
  /* the platform's level is compared by component, the certificate was asked for by CPUSVN: two tales are one too many */
  if (memcmp (cpu_svn, pck->components, sizeof cpu_svn) != 0)
    return teesql_cursor_fail (&list, error, "pck-field", "components differ from CPUSVN");
  return TRUE;
}

static gboolean
parse_field (guint field, TeesqlCursor *value, DcapPck *pck, GError **error)
{
  switch ((Field) field)
    {
    case FIELD_PPID:
      return dcap_der_read_octets (value, "PPID", pck->ppid, sizeof pck->ppid, error);
    case FIELD_TCB:
      return parse_tcb (value, pck, error);
    case FIELD_PCE_ID:
      return dcap_der_read_octets (value, "PCE-ID", pck->pce_id, sizeof pck->pce_id, error);
    case FIELD_FMSPC:
      return dcap_der_read_octets (value, "FMSPC", pck->fmspc, sizeof pck->fmspc, error);
    case FIELD_SGX_TYPE:
      return dcap_der_read_uint (value, "SGX type", DCAP_DER_ENUMERATED, SGX_TYPE_MAX, &pck->sgx_type, error);
    case FIELD_INSTANCE:
      pck->has_instance = TRUE;
      return dcap_der_read_octets (value, "platform instance", pck->instance, sizeof pck->instance, error);
    case FIELD_CONFIGURATION:
    default:
      /* nothing is decided by these; later profiles may add more */
      value->pos = value->size;
      return TRUE;
    }
}

static gboolean
parse_extension (TeesqlCursor *cursor, DcapPck *pck, GError **error)
{
  TeesqlCursor list;
  guint32 seen = 0;

  if (!dcap_der_read (cursor, "extension", DCAP_DER_SEQUENCE, &list, error) || !teesql_cursor_expect_end (cursor, error))
    return FALSE;
  while (teesql_cursor_remaining (&list) > 0)
    {
      TeesqlCursor entry;
      guint field = 0;
      if (!read_entry (&list, 1, &field, &entry, error) || !mark_seen (&list, field, &seen, error) ||
          !parse_field (field, &entry, pck, error) || !teesql_cursor_expect_end (&entry, error))
        return FALSE;
    }
  if ((seen & REQUIRED_FIELDS) != REQUIRED_FIELDS)
    return teesql_cursor_fail (&list, error, "pck-field", "PPID, TCB, PCE-ID, FMSPC or SGX type is missing");
  return TRUE;
}

gboolean
dcap_pck_parse (const guint8 *data, gsize size, DcapPck *out_pck, GError **error)
{
  TeesqlCursor cursor;
  DcapPck pck = { 0 };
  GError *cause = NULL;

  teesql_cursor_init (&cursor, "PCK certificate extension", data, size);
  if (!parse_extension (&cursor, &pck, &cause))
    return dcap_fail_parse (error, "pck", "extension", cause);
  *out_pck = pck;
  return TRUE;
}
