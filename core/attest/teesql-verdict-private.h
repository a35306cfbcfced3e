#pragma once
#include "attest/teesql-verdict.h"

G_BEGIN_DECLS

/**
 * TeesqlVerdictFields:
 *
 * what a verdict is made of; strings are copied. A verdict is accepted exactly when @reason is %NULL.
 *
 * This header is for the attestation service alone (SR-1: one entry point); `tests/threat` asserts that nobody else includes it.
 */
typedef struct
{
  const char *reason;
  const char *message;
  const char *taint;
  const char *tcb_status;
  const char *mrtd;
  const char *compose_hash;
  const char *app_id;
  const char *instance_id;
  const char *key_provider;
  const char *platform;
  const char *skipped;
  gint64 valid_until;
} TeesqlVerdictFields;

TeesqlVerdict *teesql_verdict_new (const TeesqlVerdictFields *fields) G_GNUC_WARN_UNUSED_RESULT;
/* refused, with nothing known about the peer */
TeesqlVerdict *teesql_verdict_new_refused (const char *reason, const char *message) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
