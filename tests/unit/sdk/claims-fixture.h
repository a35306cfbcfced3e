#pragma once
#include "fixture.h"

/* Claims that repeat @quote's own bytes, except that @leave_out is missing. */
static inline TeesqlClaimsBuilder *
fixture_claims (const TeesqlQuote *quote, TeesqlField leave_out, gint64 valid_until)
{
  static const guint8 anchor[32] = { 1 };
  TeesqlClaimsBuilder *builder = teesql_claims_builder_new ();

  for (TeesqlField field = TEESQL_FIELD_MRTD; field < TEESQL_FIELD_FMSPC; field++)
    {
      gsize size = 0;
      const guint8 *data = teesql_quote_get_field (quote, field, &size);

      if (data != NULL && field != leave_out)
        teesql_claims_builder_set_field (builder, field, data, size);
    }
  if (leave_out != TEESQL_FIELD_TRUST_ANCHOR)
    teesql_claims_builder_set_field (builder, TEESQL_FIELD_TRUST_ANCHOR, anchor, sizeof anchor);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_VALID_UNTIL, valid_until);
  teesql_claims_builder_set_tcb_status (builder, TEESQL_TCB_STATUS_UP_TO_DATE);
  return builder;
}
