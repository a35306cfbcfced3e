#pragma once
#include <teesql/teesql-claims.h>

G_BEGIN_DECLS

/* Claims as messages, logs and status show them: lower hex, %NULL where there is nothing. */
char *teesql_bytes_to_text (GBytes *bytes) G_GNUC_WARN_UNUSED_RESULT;
char *teesql_claims_field_to_text (const TeesqlClaims *claims, TeesqlField field) G_GNUC_WARN_UNUSED_RESULT;
/* SR-13: which chip, without its number: SHA-256 of the PPID, the form of `allowed-platform` */
char *teesql_claims_platform_to_text (const TeesqlClaims *claims) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
