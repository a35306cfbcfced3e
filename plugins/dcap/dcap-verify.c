#include "dcap-verify.h"

#include "base/teesql-hex.h"
#include "dcap-error.h"
#include "dcap-tcb.h"

typedef DcapFact *const Facts[DCAP_N_ITEMS];

static const guint8 *
pck_chain_of (const DcapQuoteAuth *auth, GBytes *outside, gsize *out_size, GError **error)
{
  if (auth->certification_type == DCAP_CERT_PCK_CHAIN)
    {
      *out_size = teesql_cursor_remaining (&auth->certification);
      return teesql_cursor_peek (&auth->certification);
    }
  if (outside == NULL)
    {
      dcap_fail (error, TEESQL_ERROR_UNSUPPORTED, "quote-certification-type",
                 "quote: names its platform (certification data of type %u) and no PCK certificate came with the collateral",
                 auth->certification_type);
      return NULL;
    }
  return g_bytes_get_data (outside, out_size);
}

static gboolean
prove (DcapEvidence *self, GBytes *pck_chain, DcapMemory *memory, const DcapRules *rules, GError **error)
{
  gsize size = 0;
  gsize chain_size = 0;
  const guint8 *data = g_bytes_get_data (self->bytes, &size);

  if (!teesql_quote_parse (data, size, &self->quote, error) || !dcap_quote_auth_parse (&self->quote, &self->auth, error))
    return FALSE;
  const guint8 *chain = pck_chain_of (&self->auth, pck_chain, &chain_size, error);
  if (chain == NULL)
    return FALSE;
  self->platform = dcap_memory_prove_platform (memory, chain, chain_size, error);
  if (self->platform == NULL || !dcap_chain_check_time (self->platform->chain, rules->now, error))
    return FALSE;
  if (self->auth.certification_type != DCAP_CERT_PCK_CHAIN && !dcap_quote_auth_check_platform (&self->auth, &self->platform->pck, error))
    return FALSE;
  return dcap_quote_auth_prove (&self->auth, &self->quote, dcap_chain_leaf (self->platform->chain)->key, error);
}

DcapEvidence *
dcap_evidence_prove (GBytes *quote, GBytes *pck_chain, DcapMemory *memory, const DcapRules *rules, GError **error)
{
  g_autoptr (DcapEvidence) self = g_new0 (DcapEvidence, 1);

  self->bytes = g_bytes_ref (quote);
  return prove (self, pck_chain, memory, rules, error) ? g_steal_pointer (&self) : NULL;
}

void
dcap_evidence_free (DcapEvidence *self)
{
  g_clear_pointer (&self->bytes, g_bytes_unref);
  g_clear_pointer (&self->platform, dcap_platform_unref);
  g_free (self);
}

static gboolean
refuse_revoked (GError **error, const char *reason, const DcapCertificate *certificate)
{
  gsize size = 0;
  const guint8 *serial = g_bytes_get_data (certificate->serial, &size);
  g_autofree char *text = teesql_hex_encode (serial, size);
  return dcap_fail (error, TEESQL_ERROR_REFUSED, reason, "certificate %s, serial %s, is revoked", certificate->common_name, text);
}

/* The CRL must be the one that speaks about this leaf: same issuer by name and by key. */
static gboolean
check_pck_crl (const DcapEvidence *self, Facts facts, GError **error)
{
  const DcapChain *chain = self->platform->chain;
  const DcapCertificate *issuer = &chain->certificates[1];
  const DcapFact *fact = facts[DCAP_ITEM_PCK_CRL];

  if (!g_bytes_equal (fact->crl->issuer, dcap_chain_leaf (chain)->issuer) ||
      memcmp (dcap_chain_leaf (fact->chain)->key, issuer->key, sizeof issuer->key) != 0)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "pck-crl-issuer", "pck-crl: not issued by %s, which issued the PCK certificate",
                      issuer->common_name);
  if (dcap_crl_is_revoked (fact->crl, dcap_chain_leaf (chain)))
    return refuse_revoked (error, "pck-revoked", dcap_chain_leaf (chain));
  return TRUE;
}

static gboolean
check_root_crl (const DcapEvidence *self, Facts facts, GError **error)
{
  const DcapCrl *crl = facts[DCAP_ITEM_ROOT_CRL]->crl;
  const struct
  {
    const DcapCertificate *certificate;
    const char *reason;
  } certificates[] = {
    { &self->platform->chain->certificates[1], "pck-ca-revoked" },
    { dcap_chain_leaf (facts[DCAP_ITEM_PCK_CRL]->chain), "pck-ca-revoked" },
    { dcap_chain_leaf (facts[DCAP_ITEM_TCB_INFO]->chain), "tcb-info-signer-revoked" },
    { dcap_chain_leaf (facts[DCAP_ITEM_QE_IDENTITY]->chain), "qe-identity-signer-revoked" },
  };

  if (!g_bytes_equal (crl->issuer, dcap_chain_root (self->platform->chain)->subject))
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "root-crl-issuer", "root-crl: issuer is not %s",
                      dcap_chain_root (self->platform->chain)->common_name);
  for (guint i = 0; i < G_N_ELEMENTS (certificates); i++)
    if (dcap_crl_is_revoked (crl, certificates[i].certificate))
      return refuse_revoked (error, certificates[i].reason, certificates[i].certificate);
  return TRUE;
}

static gboolean
check_match (const DcapEvidence *self, const DcapTcbInfo *info, GError **error)
{
  const DcapPck *pck = &self->platform->pck;

  if (memcmp (info->fmspc, pck->fmspc, sizeof pck->fmspc) != 0)
    {
      g_autofree char *found = teesql_hex_encode (info->fmspc, sizeof info->fmspc);
      g_autofree char *expected = teesql_hex_encode (pck->fmspc, sizeof pck->fmspc);
      return dcap_fail (error, TEESQL_ERROR_REFUSED, "tcb-info-fmspc", "tcb info: is for FMSPC %s, the platform's is %s", found, expected);
    }
  if (memcmp (info->pce_id, pck->pce_id, sizeof pck->pce_id) != 0)
    return dcap_fail (error, TEESQL_ERROR_REFUSED, "tcb-info-pce-id", "tcb info: is for another PCE-ID than the platform's");
  return TRUE;
}

static gboolean
check_facts (const DcapEvidence *self, Facts facts, const DcapRules *rules, GError **error)
{
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    if (!dcap_fact_check_time (facts[i], rules->now, rules->future_issue_date, error))
      return FALSE;
  return check_root_crl (self, facts, error) && check_pck_crl (self, facts, error) &&
         check_match (self, facts[DCAP_ITEM_TCB_INFO]->tcb_info, error);
}

/* Revoked has no claim: it is a refusal, whatever a policy says */
static const TeesqlTcbStatus claimed_statuses[] = {
  [DCAP_STATUS_UP_TO_DATE] = TEESQL_TCB_STATUS_UP_TO_DATE,
  [DCAP_STATUS_SW_HARDENING_NEEDED] = TEESQL_TCB_STATUS_SW_HARDENING_NEEDED,
  [DCAP_STATUS_CONFIGURATION_NEEDED] = TEESQL_TCB_STATUS_CONFIGURATION_NEEDED,
  [DCAP_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED] = TEESQL_TCB_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED,
  [DCAP_STATUS_OUT_OF_DATE] = TEESQL_TCB_STATUS_OUT_OF_DATE,
  [DCAP_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED] = TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED,
  [DCAP_STATUS_REVOKED] = 0,
  [DCAP_STATUS_TD_RELAUNCH_ADVISED] = TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED,
  [DCAP_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
};

static gboolean
refuse_revoked_level (const GPtrArray *advisory_ids, GError **error)
{
  g_autoptr (GString) ids = g_string_new (NULL);

  for (guint i = 0; i < advisory_ids->len; i++)
    g_string_append_printf (ids, " %s", (const char *) advisory_ids->pdata[i]);
  return dcap_fail (error, TEESQL_ERROR_REFUSED, "tcb-revoked", "platform: its TCB level is revoked;%s",
                    ids->len > 0 ? ids->str : " no advisory");
}

static void
claim_quote (TeesqlClaimsBuilder *builder, const TeesqlQuote *quote)
{
  for (TeesqlField field = TEESQL_FIELD_MRTD; field <= TEESQL_FIELD_TEE_TCB_SVN2; field++)
    {
      gsize size = 0;
      const guint8 *data = teesql_quote_get_field (quote, field, &size);
      if (data != NULL)
        teesql_claims_builder_set_field (builder, field, data, size);
    }
}

static void
claim_platform (TeesqlClaimsBuilder *builder, const DcapPck *pck, const DcapTrust *trust)
{
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_FMSPC, pck->fmspc, sizeof pck->fmspc);
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_PPID, pck->ppid, sizeof pck->ppid);
  if (pck->has_instance)
    teesql_claims_builder_set_field (builder, TEESQL_FIELD_PLATFORM_INSTANCE, pck->instance, sizeof pck->instance);
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_TRUST_ANCHOR, trust->anchor, sizeof trust->anchor);
}

static void
claim_collateral (TeesqlClaimsBuilder *builder, const DcapEvidence *self, Facts facts)
{
  gint64 issued_at = G_MAXINT64;
  gint64 revision = 0;
  gint64 valid_until = dcap_chain_valid_until (self->platform->chain);

  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    valid_until = MIN (valid_until, dcap_fact_valid_until (facts[i]));
  /* no item goes back, so the sum of their dates moves with each of them; the oldest date alone hides a newer CRL */
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    revision += facts[i]->issued_at;
  /* the root CRL lives a year and would make every set look old: its age is bounded by its own nextUpdate */
  for (guint i = DCAP_ITEM_PCK_CRL; i < DCAP_N_ITEMS; i++)
    issued_at = MIN (issued_at, facts[i]->issued_at);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_ISSUED_AT, issued_at);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_VALID_UNTIL, valid_until);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_REVISION, revision);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_TCB_EVALUATION,
                                    MIN (facts[DCAP_ITEM_TCB_INFO]->tcb_info->evaluation,
                                         facts[DCAP_ITEM_QE_IDENTITY]->qe_identity->evaluation));
}

static TeesqlClaims *
make_claims (const DcapEvidence *self, Facts facts, const DcapTrust *trust, const DcapTcbResult *result, GError **error)
{
  g_autoptr (TeesqlClaimsBuilder) builder = teesql_claims_builder_new ();
  TeesqlTcbStatus status = claimed_statuses[result->status];

  if (status == 0)
    {
      refuse_revoked_level (result->advisory_ids, error);
      return NULL;
    }
  claim_quote (builder, &self->quote);
  claim_platform (builder, &self->platform->pck, trust);
  claim_collateral (builder, self, facts);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_TCB_DATE, result->date);
  teesql_claims_builder_set_tcb_status (builder, status);
  for (guint i = 0; i < result->advisory_ids->len; i++)
    teesql_claims_builder_add_advisory_id (builder, result->advisory_ids->pdata[i]);
  return teesql_claims_builder_end (builder, error);
}

TeesqlClaims *
dcap_evidence_evaluate (const DcapEvidence *self, DcapFact *const facts[DCAP_N_ITEMS], const DcapTrust *trust, const DcapRules *rules,
                        GError **error)
{
  DcapTcbResult result = { 0 };
  DcapTcbInput input = { .quote = &self->quote, .pck = &self->platform->pck, .info = facts[DCAP_ITEM_TCB_INFO]->tcb_info };

  if (!check_facts (self, facts, rules, error))
    return NULL;
  input.qe_level = dcap_qe_identity_check (facts[DCAP_ITEM_QE_IDENTITY]->qe_identity, self->auth.qe_report, error);
  if (input.qe_level == NULL || !dcap_tcb_evaluate (&input, &result, error))
    return NULL;
  TeesqlClaims *claims = make_claims (self, facts, trust, &result, error);
  dcap_tcb_result_clear (&result);
  return claims;
}

static void
clear_facts (DcapFact *(*facts)[DCAP_N_ITEMS])
{
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    g_clear_pointer (&(*facts)[i], dcap_fact_unref);
}

TeesqlClaims *
dcap_verify (GBytes *quote, const DcapCollateral *collateral, DcapMemory *memory, const DcapRules *rules, GError **error)
{
  __attribute__ ((cleanup (clear_facts))) DcapFact *facts[DCAP_N_ITEMS] = { NULL };
  g_autoptr (DcapEvidence) evidence = dcap_evidence_prove (quote, collateral->pck_chain, memory, rules, error);

  if (evidence == NULL)
    return NULL;
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    {
      facts[i] = dcap_memory_prove_fact (memory, collateral->items[i], error);
      if (facts[i] == NULL)
        return NULL;
    }
  return dcap_evidence_evaluate (evidence, facts, dcap_memory_get_trust (memory), rules, error);
}
