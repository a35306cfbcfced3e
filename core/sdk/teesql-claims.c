#include <teesql/teesql-claims.h>
#include <teesql/teesql-error.h>
#include <string.h>

#define FIELD_MAX_SIZE TEESQL_REPORT_DATA_SIZE
#define N_FIELDS       (TEESQL_FIELD_TRUST_ANCHOR + 1)
#define N_NUMBERS      (TEESQL_NUMBER_REVISION + 1)
#define ADVISORY_MAX   64 /* bytes of one identifier */
#define N_ADVISORY_MAX 256

typedef struct
{
  const char *name;
  guint8 size;
  gboolean required;
} FieldRule;

static const FieldRule field_rules[N_FIELDS] = {
  [TEESQL_FIELD_MRTD] = { "mrtd", 48, TRUE },
  [TEESQL_FIELD_RTMR0] = { "rtmr0", 48, TRUE },
  [TEESQL_FIELD_RTMR1] = { "rtmr1", 48, TRUE },
  [TEESQL_FIELD_RTMR2] = { "rtmr2", 48, TRUE },
  [TEESQL_FIELD_RTMR3] = { "rtmr3", 48, TRUE },
  [TEESQL_FIELD_MRSEAM] = { "mrseam", 48, TRUE },
  [TEESQL_FIELD_MRSIGNERSEAM] = { "mrsignerseam", 48, TRUE },
  [TEESQL_FIELD_MRCONFIGID] = { "mrconfigid", 48, FALSE },
  [TEESQL_FIELD_MROWNER] = { "mrowner", 48, FALSE },
  [TEESQL_FIELD_MROWNERCONFIG] = { "mrownerconfig", 48, FALSE },
  [TEESQL_FIELD_MRSERVICETD] = { "mrservicetd", 48, FALSE },
  [TEESQL_FIELD_REPORT_DATA] = { "report data", 64, TRUE },
  [TEESQL_FIELD_TD_ATTRIBUTES] = { "td attributes", 8, TRUE },
  [TEESQL_FIELD_XFAM] = { "xfam", 8, TRUE },
  [TEESQL_FIELD_SEAM_ATTRIBUTES] = { "seam attributes", 8, TRUE },
  [TEESQL_FIELD_TEE_TCB_SVN] = { "tee tcb svn", 16, TRUE },
  [TEESQL_FIELD_TEE_TCB_SVN2] = { "tee tcb svn 2", 16, FALSE },
  [TEESQL_FIELD_FMSPC] = { "fmspc", 6, FALSE },
  [TEESQL_FIELD_PPID] = { "ppid", 16, FALSE },
  [TEESQL_FIELD_PLATFORM_INSTANCE] = { "platform instance", 16, FALSE },
  [TEESQL_FIELD_TRUST_ANCHOR] = { "trust anchor", 32, TRUE },
};

typedef struct
{
  guint8 fields[N_FIELDS][FIELD_MAX_SIZE];
  gint64 numbers[N_NUMBERS];
  guint32 fields_present;
  guint32 numbers_present;
  TeesqlTcbStatus tcb_status; /* 0: not set */
} Values;

struct _TeesqlClaims
{
  gatomicrefcount ref_count;
  Values values;
  char **advisory_ids;
};

struct _TeesqlClaimsBuilder
{
  Values values;
  GPtrArray *advisory_ids;
  GError *error; /* the first thing that was wrong; end() reports it */
};

G_DEFINE_BOXED_TYPE (TeesqlClaims, teesql_claims, teesql_claims_ref, teesql_claims_unref)

static gboolean
field_is_known (TeesqlField field)
{
  return (guint) field < N_FIELDS && field_rules[field].size > 0;
}

static gboolean
number_is_known (TeesqlNumber number)
{
  return number >= TEESQL_NUMBER_TCB_DATE && number <= TEESQL_NUMBER_REVISION;
}

static gboolean
is_present (guint32 set, guint member)
{
  return (set >> member & 1) != 0;
}

TeesqlClaims *
teesql_claims_ref (TeesqlClaims *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
teesql_claims_unref (TeesqlClaims *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_strfreev (self->advisory_ids);
  g_free (self);
}

const guint8 *
teesql_claims_get_field (const TeesqlClaims *self, TeesqlField field, gsize *out_size)
{
  g_return_val_if_fail (self != NULL, NULL);

  if (!field_is_known (field) || !is_present (self->values.fields_present, field))
    return NULL;
  if (out_size != NULL)
    *out_size = field_rules[field].size;
  return self->values.fields[field];
}

gboolean
teesql_claims_get_number (const TeesqlClaims *self, TeesqlNumber number, gint64 *out_value)
{
  g_return_val_if_fail (self != NULL && out_value != NULL, FALSE);

  if (!number_is_known (number) || !is_present (self->values.numbers_present, number))
    return FALSE;
  *out_value = self->values.numbers[number];
  return TRUE;
}

TeesqlTcbStatus
teesql_claims_get_tcb_status (const TeesqlClaims *self)
{
  g_return_val_if_fail (self != NULL, (TeesqlTcbStatus) 0);

  return self->values.tcb_status;
}

const char *const *
teesql_claims_get_advisory_ids (const TeesqlClaims *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return (const char *const *) self->advisory_ids;
}

TeesqlClaimsBuilder *
teesql_claims_builder_new (void)
{
  TeesqlClaimsBuilder *self = g_new0 (TeesqlClaimsBuilder, 1);

  self->advisory_ids = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
teesql_claims_builder_free (TeesqlClaimsBuilder *self)
{
  g_return_if_fail (self != NULL);

  g_ptr_array_unref (self->advisory_ids);
  g_clear_error (&self->error);
  g_free (self);
}

static void builder_fail (TeesqlClaimsBuilder *self, const char *reason, const char *format, ...) G_GNUC_PRINTF (3, 4);

static void
builder_fail (TeesqlClaimsBuilder *self, const char *reason, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  if (self->error != NULL)
    return;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  self->error = teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_FAILED, reason, 0, "claims: %s", text);
}

void
teesql_claims_builder_set_field (TeesqlClaimsBuilder *self, TeesqlField field, const guint8 *data, gsize size)
{
  g_return_if_fail (self != NULL && data != NULL);

  if (!field_is_known (field))
    builder_fail (self, "claims-field", "there is no field %d", (int) field);
  else if (size != field_rules[field].size)
    builder_fail (self, "claims-field", "%s has %" G_GSIZE_FORMAT " bytes, expected %u", field_rules[field].name, size,
                  field_rules[field].size);
  else
    {
      memcpy (self->values.fields[field], data, size);
      self->values.fields_present |= 1u << field;
    }
}

void
teesql_claims_builder_set_number (TeesqlClaimsBuilder *self, TeesqlNumber number, gint64 value)
{
  g_return_if_fail (self != NULL);

  if (!number_is_known (number))
    {
      builder_fail (self, "claims-number", "there is no number %d", (int) number);
      return;
    }
  self->values.numbers[number] = value;
  self->values.numbers_present |= 1u << number;
}

void
teesql_claims_builder_set_tcb_status (TeesqlClaimsBuilder *self, TeesqlTcbStatus status)
{
  g_return_if_fail (self != NULL);

  if (status < TEESQL_TCB_STATUS_UP_TO_DATE || status > TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED)
    builder_fail (self, "claims-tcb-status", "there is no status %d", (int) status);
  else
    self->values.tcb_status = status;
}

static gboolean
advisory_is_plain (const char *id)
{
  gsize length = strspn (id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._");

  return length > 0 && length <= ADVISORY_MAX && id[length] == '\0';
}

void
teesql_claims_builder_add_advisory_id (TeesqlClaimsBuilder *self, const char *id)
{
  g_return_if_fail (self != NULL && id != NULL);

  if (!advisory_is_plain (id) || self->advisory_ids->len == N_ADVISORY_MAX)
    builder_fail (self, "claims-advisory", "more than %d advisories, or an identifier with odd characters", N_ADVISORY_MAX);
  else if (!g_ptr_array_find_with_equal_func (self->advisory_ids, id, g_str_equal, NULL))
    g_ptr_array_add (self->advisory_ids, g_strdup (id));
}

static void
check_complete (TeesqlClaimsBuilder *self)
{
  for (guint i = 1; i < N_FIELDS; i++)
    {
      if (field_rules[i].required && !is_present (self->values.fields_present, i))
        builder_fail (self, "claims-incomplete", "%s is missing", field_rules[i].name);
    }
  if (!is_present (self->values.numbers_present, TEESQL_NUMBER_VALID_UNTIL))
    builder_fail (self, "claims-incomplete", "the end of validity is missing");
  if (self->values.tcb_status == 0)
    builder_fail (self, "claims-incomplete", "the TCB status is missing");
}

static TeesqlClaims *
build (TeesqlClaimsBuilder *self)
{
  TeesqlClaims *claims = g_new0 (TeesqlClaims, 1);

  g_atomic_ref_count_init (&claims->ref_count);
  claims->values = self->values;
  g_ptr_array_add (self->advisory_ids, NULL);
  claims->advisory_ids = (char **) g_ptr_array_free (self->advisory_ids, FALSE);
  self->advisory_ids = g_ptr_array_new_with_free_func (g_free);
  return claims;
}

TeesqlClaims *
teesql_claims_builder_end (TeesqlClaimsBuilder *self, GError **error)
{
  TeesqlClaims *claims = NULL;

  g_return_val_if_fail (self != NULL, NULL);

  check_complete (self);
  if (self->error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&self->error));
      g_ptr_array_set_size (self->advisory_ids, 0);
    }
  else
    {
      claims = build (self);
    }
  self->values = (Values){ 0 };
  return claims;
}
