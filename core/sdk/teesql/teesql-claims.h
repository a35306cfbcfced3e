#pragma once
#include <teesql/teesql-evidence.h>

G_BEGIN_DECLS

/**
 * TeesqlTcbStatus:
 *
 * Intel's words, after convergence of platform, module and QE. There is no "unknown": a verifier that
 * meets another word refuses. Revoked and "not supported" never reach claims either; they are refusals.
 */
typedef enum {
  TEESQL_TCB_STATUS_UP_TO_DATE = 1,
  TEESQL_TCB_STATUS_SW_HARDENING_NEEDED,
  TEESQL_TCB_STATUS_CONFIGURATION_NEEDED,
  TEESQL_TCB_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED,
  TEESQL_TCB_STATUS_OUT_OF_DATE,
  TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED,
  TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED,
  TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
} TeesqlTcbStatus;

/**
 * TeesqlField:
 *
 * proved byte strings, with their fixed sizes. Values are ABI.
 */
typedef enum {
  TEESQL_FIELD_MRTD = 1,         /* 48 */
  TEESQL_FIELD_RTMR0,            /* 48 */
  TEESQL_FIELD_RTMR1,            /* 48 */
  TEESQL_FIELD_RTMR2,            /* 48 */
  TEESQL_FIELD_RTMR3,            /* 48 */
  TEESQL_FIELD_MRSEAM,           /* 48 */
  TEESQL_FIELD_MRSIGNERSEAM,     /* 48 */
  TEESQL_FIELD_MRCONFIGID,       /* 48 */
  TEESQL_FIELD_MROWNER,          /* 48 */
  TEESQL_FIELD_MROWNERCONFIG,    /* 48 */
  TEESQL_FIELD_MRSERVICETD,      /* 48, TD 1.5 only */
  TEESQL_FIELD_REPORT_DATA,      /* 64 */
  TEESQL_FIELD_TD_ATTRIBUTES,    /* 8 */
  TEESQL_FIELD_XFAM,             /* 8 */
  TEESQL_FIELD_SEAM_ATTRIBUTES,  /* 8 */
  TEESQL_FIELD_TEE_TCB_SVN,      /* 16 */
  TEESQL_FIELD_TEE_TCB_SVN2,     /* 16, TD 1.5 only */
  TEESQL_FIELD_FMSPC,            /* 6 */
  TEESQL_FIELD_PPID,             /* 16, absent when the verifier does not learn it */
  TEESQL_FIELD_PLATFORM_INSTANCE,/* 16, platform CA only */
  TEESQL_FIELD_TRUST_ANCHOR,     /* 32, SHA-256 of the SPKI of the root everything was verified to; a token: the root of its key's x5c */
} TeesqlField;

/**
 * TeesqlNumber:
 *
 * proved or derived integers. Times are Unix seconds.
 */
typedef enum {
  TEESQL_NUMBER_TCB_DATE = 1,
  TEESQL_NUMBER_TCB_EVALUATION,       /* tcbEvaluationDataNumber, the lower of TCB info and QE identity */
  TEESQL_NUMBER_ISSUED_AT,            /* oldest issueDate among what was used */
  TEESQL_NUMBER_VALID_UNTIL,          /* first expiry among certificates, CRLs, collateral, token: caches end here */
  TEESQL_NUMBER_REVISION,             /* grows whenever any one item (a CRL too) gives way to a newer one; only to be compared */
} TeesqlNumber;

/**
 * TeesqlClaims:
 *
 * what a verifier proved about evidence. Boxed, refcounted, immutable, safe to share across threads. It is not a
 * verdict: key binding, event log and policy are core's, and nothing but core's one entry point turns claims into "accepted".
 * So what the replayed log tells (app id, compose hash, instance id, OS image hash, key provider) and what session evidence
 * commits to (configuration digest, cluster id, generation) is in core's own type above this one: no plugin can assert it.
 */
typedef struct _TeesqlClaims TeesqlClaims;
typedef struct _TeesqlClaimsBuilder TeesqlClaimsBuilder;

#define TEESQL_TYPE_CLAIMS (teesql_claims_get_type ())
TEESQL_API GType teesql_claims_get_type (void);
TEESQL_API TeesqlClaims *teesql_claims_ref (TeesqlClaims *self);
TEESQL_API void teesql_claims_unref (TeesqlClaims *self);
/**
 * teesql_claims_get_field:
 *
 * Returns: (array length=out_size) (transfer none) (nullable): %NULL when absent
 */
TEESQL_API const guint8 *teesql_claims_get_field (const TeesqlClaims *self, TeesqlField field, gsize *out_size);
/**
 * teesql_claims_get_number:
 *
 * Returns: %FALSE when absent; @out_value is then untouched
 */
TEESQL_API gboolean teesql_claims_get_number (const TeesqlClaims *self, TeesqlNumber number, gint64 *out_value) TEESQL_MUST_USE;
TEESQL_API TeesqlTcbStatus teesql_claims_get_tcb_status (const TeesqlClaims *self);
/**
 * teesql_claims_get_advisory_ids:
 *
 * Returns: (transfer none) (array zero-terminated=1): platform, module, QE, each once
 */
TEESQL_API const char *const *teesql_claims_get_advisory_ids (const TeesqlClaims *self);

TEESQL_API TeesqlClaimsBuilder *teesql_claims_builder_new (void) TEESQL_MUST_USE;
TEESQL_API void teesql_claims_builder_free (TeesqlClaimsBuilder *self);
TEESQL_API void teesql_claims_builder_set_field (TeesqlClaimsBuilder *self, TeesqlField field, const guint8 *data, gsize size);
TEESQL_API void teesql_claims_builder_set_number (TeesqlClaimsBuilder *self, TeesqlNumber number, gint64 value);
TEESQL_API void teesql_claims_builder_set_tcb_status (TeesqlClaimsBuilder *self, TeesqlTcbStatus status);
TEESQL_API void teesql_claims_builder_add_advisory_id (TeesqlClaimsBuilder *self, const char *id);
/**
 * teesql_claims_builder_end:
 *
 * refuses a wrong size and the lack of a required member (MRTD, RTMR0..3, MRSEAM, MRSIGNERSEAM,
 * REPORT_DATA, TD_ATTRIBUTES, XFAM, SEAM_ATTRIBUTES, TEE_TCB_SVN, TRUST_ANCHOR, VALID_UNTIL, status). A debug TD is *not* refused
 * here: it is a claim, and core refuses it.
 */
TEESQL_API TeesqlClaims *teesql_claims_builder_end (TeesqlClaimsBuilder *self, GError **error) TEESQL_MUST_USE;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlClaims, teesql_claims_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlClaimsBuilder, teesql_claims_builder_free)
G_END_DECLS
