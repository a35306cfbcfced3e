#pragma once
#include "policy/teesql-policy.h"

G_BEGIN_DECLS

/* For siblings and tests only. */

typedef enum
{
  TEESQL_PIN_MRTD,
  TEESQL_PIN_OS_IMAGE_HASH,
  TEESQL_PIN_RTMR1,
  TEESQL_PIN_RTMR2,
  TEESQL_PIN_COMPOSE_HASH,
  TEESQL_PIN_RTMR3,
  TEESQL_PIN_KEY_PROVIDER,
  TEESQL_PIN_APP_ID,
  TEESQL_PIN_INSTANCE_ID,
  TEESQL_PIN_RTMR0,
  TEESQL_PIN_MRSEAM,
  TEESQL_PIN_FMSPC,
  TEESQL_PIN_PLATFORM,
  TEESQL_N_PINS,
} TeesqlPinKind;

/**
 * TeesqlPin:
 * @any: says `any`, or may be absent and is
 * @written: stands in the file
 * @values: (array zero-terminated=1): lower hex, `name:hex` for the key provider
 */
typedef struct
{
  gboolean any;
  gboolean written;
  char **values;
} TeesqlPin;

/**
 * TeesqlPinRule:
 * @label: how messages call the value: `MRTD`
 * @reason: `mrtd-not-allowed`
 * @from_log: proved by the replayed log, not by the quote alone
 */
typedef struct
{
  const char *key;
  const char *label;
  const char *reason;
  gboolean from_log;
} TeesqlPinRule;

extern const TeesqlPinRule teesql_pin_rules[TEESQL_N_PINS];

struct _TeesqlPolicy
{
  gatomicrefcount ref_count;
  char *name;
  TeesqlPin pins[TEESQL_N_PINS];
  guint accepted_tcb; /* bit per TeesqlTcbStatus */
  char **refused_advisories;
  gint64 min_tcb_evaluation;
  gint64 max_collateral_age_s;
  gboolean accept_migratable;
  gboolean accept_legacy;
  guint verdict_ttl_ms;
  char **unsettled;
  char **any_keys;
  guint8 digest[32];
};

TeesqlFinding *teesql_finding_new (const char *reason, const char *format, ...) G_GNUC_PRINTF (2, 3) G_GNUC_WARN_UNUSED_RESULT;
void teesql_finding_free (TeesqlFinding *self);
GPtrArray *teesql_findings_new (void) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
