#include "claims-fixture.h"

typedef struct
{
  GByteArray *bytes;
  TeesqlQuote quote;
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->bytes = fixture_quote (5, 3, NULL);
  g_assert_true (teesql_quote_parse (self->bytes->data, self->bytes->len, &self->quote, NULL));
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_byte_array_unref (self->bytes);
}

static void
assert_refused (TeesqlClaimsBuilder *builder, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (teesql_claims_builder_end (builder, &error));
  assert_reason (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_FAILED, reason);
}

static void
what_was_claimed_comes_out (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClaimsBuilder) builder = fixture_claims (&self->quote, 0, 2000);
  g_autoptr (TeesqlClaims) claims = NULL;
  gint64 value = 77;
  gsize size = 0;

  teesql_claims_builder_add_advisory_id (builder, "INTEL-SA-00837");
  teesql_claims_builder_add_advisory_id (builder, "INTEL-SA-00960");
  teesql_claims_builder_add_advisory_id (builder, "INTEL-SA-00837");
  claims = teesql_claims_builder_end (builder, NULL);
  g_assert_nonnull (claims);
  g_assert_cmpmem (teesql_claims_get_field (claims, TEESQL_FIELD_MRTD, &size), 48, self->quote.body + 136, 48);
  g_assert_cmpuint (size, ==, 48);
  g_assert_null (teesql_claims_get_field (claims, TEESQL_FIELD_FMSPC, &size));
  g_assert_null (teesql_claims_get_field (claims, (TeesqlField) 0, &size));
  g_assert_null (teesql_claims_get_field (claims, (TeesqlField) 999, &size));
  g_assert_true (teesql_claims_get_number (claims, TEESQL_NUMBER_VALID_UNTIL, &value));
  g_assert_cmpint (value, ==, 2000);
  g_assert_false (teesql_claims_get_number (claims, TEESQL_NUMBER_TCB_DATE, &value));
  g_assert_cmpint (value, ==, 2000);
  g_assert_cmpint (teesql_claims_get_tcb_status (claims), ==, TEESQL_TCB_STATUS_UP_TO_DATE);
  g_assert_cmpuint (g_strv_length ((char **) teesql_claims_get_advisory_ids (claims)), ==, 2);
}

static void
required_members_are_required (Fixture *self, gconstpointer data)
{
  const TeesqlField required[] = {
    TEESQL_FIELD_MRTD,          TEESQL_FIELD_RTMR0,  TEESQL_FIELD_RTMR1,           TEESQL_FIELD_RTMR2,
    TEESQL_FIELD_RTMR3,         TEESQL_FIELD_MRSEAM, TEESQL_FIELD_MRSIGNERSEAM,    TEESQL_FIELD_REPORT_DATA,
    TEESQL_FIELD_TD_ATTRIBUTES, TEESQL_FIELD_XFAM,   TEESQL_FIELD_SEAM_ATTRIBUTES, TEESQL_FIELD_TEE_TCB_SVN,
    TEESQL_FIELD_TRUST_ANCHOR,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (required); i++)
    {
      g_autoptr (TeesqlClaimsBuilder) builder = fixture_claims (&self->quote, required[i], 2000);

      assert_refused (builder, "claims-incomplete");
    }
}

static void
status_and_end_of_validity_are_required (Fixture *self, gconstpointer data)
{
  g_autoptr (TeesqlClaimsBuilder) builder = teesql_claims_builder_new ();
  g_autoptr (GError) error = NULL;

  for (TeesqlField field = TEESQL_FIELD_MRTD; field < TEESQL_FIELD_FMSPC; field++)
    {
      gsize size = 0;
      const guint8 *bytes = teesql_quote_get_field (&self->quote, field, &size);

      teesql_claims_builder_set_field (builder, field, bytes, size);
    }
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_TRUST_ANCHOR, self->quote.body, 32);
  g_assert_null (teesql_claims_builder_end (builder, &error));
  g_assert_nonnull (strstr (error->message, "end of validity"));
}

static void
wrong_values_are_remembered_until_the_end (Fixture *self, gconstpointer data)
{
  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (TeesqlClaimsBuilder) builder = fixture_claims (&self->quote, 0, 2000);

      if (i == 0)
        teesql_claims_builder_set_field (builder, TEESQL_FIELD_MRTD, self->quote.body, 47);
      else if (i == 1)
        teesql_claims_builder_set_field (builder, (TeesqlField) 22, self->quote.body, 16);
      else if (i == 2)
        teesql_claims_builder_set_number (builder, (TeesqlNumber) (TEESQL_NUMBER_REVISION + 1), 1);
      else if (i == 3)
        teesql_claims_builder_set_tcb_status (builder, (TeesqlTcbStatus) 9);
      else
        teesql_claims_builder_add_advisory_id (builder, "INTEL-SA-1\n");
      assert_refused (builder, i < 2 ? "claims-field" : i == 2 ? "claims-number" : i == 3 ? "claims-tcb-status" : "claims-advisory");
    }
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/claims/what was claimed comes out", what_was_claimed_comes_out);
  ADD ("/claims/required members are required", required_members_are_required);
  ADD ("/claims/status and end of validity are required", status_and_end_of_validity_are_required);
  ADD ("/claims/wrong values are remembered until the end", wrong_values_are_remembered_until_the_end);
  return g_test_run ();
}
