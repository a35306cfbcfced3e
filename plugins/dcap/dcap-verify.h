#pragma once
#include <teesql/teesql-claims.h>

#include "dcap-collateral.h"
#include "dcap-memory.h"
#include "dcap-quote-auth.h"

G_BEGIN_DECLS

/**
 * DcapRules:
 * @now: the time everything is judged at; no clock is asked anywhere below
 * @future_issue_date: seconds by which an issue date may lie ahead of @now
 */
typedef struct
{
  gint64 now;
  gint64 future_issue_date;
} DcapRules;

/**
 * DcapEvidence:
 *
 * a quote whose signatures lead to the trusted root, before anything is said about the platform's state
 */
typedef struct
{
  GBytes *bytes;
  TeesqlQuote quote; /* borrowed from @bytes, like @auth */
  DcapQuoteAuth auth;
  DcapPlatform *platform;
} DcapEvidence;

/**
 * dcap_evidence_prove:
 * @pck_chain: (nullable): PEM, for a quote that only names its platform
 *
 * structure, chain to the pinned root, its dates, quoting enclave's report and the quote's signature: everything that
 * can be known without collateral, so that a stranger's quote never makes us ask a server.
 */
DcapEvidence *dcap_evidence_prove (GBytes *quote, GBytes *pck_chain, DcapMemory *memory, const DcapRules *rules, GError **error)
    TEESQL_MUST_USE;
void dcap_evidence_free (DcapEvidence *self);
/**
 * dcap_evidence_evaluate:
 * @facts: (array fixed-size=4): by kind
 *
 * everything that needs collateral: dates, revocation, matching platform, quoting enclave, TCB status
 */
TeesqlClaims *dcap_evidence_evaluate (const DcapEvidence *self, DcapFact *const facts[DCAP_N_ITEMS], const DcapTrust *trust,
                                      const DcapRules *rules, GError **error) TEESQL_MUST_USE;
/**
 * dcap_verify:
 *
 * both together, as one pure function of its arguments
 */
TeesqlClaims *dcap_verify (GBytes *quote, const DcapCollateral *collateral, DcapMemory *memory, const DcapRules *rules, GError **error)
    TEESQL_MUST_USE;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DcapEvidence, dcap_evidence_free)
G_END_DECLS
