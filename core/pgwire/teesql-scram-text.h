#pragma once
/* What both sides of SCRAM share and nobody else needs (RFC 5802, section 7). */
#include "base/teesql-cursor.h"
#include <teesql/teesql-error.h>
#include "pgwire/teesql-scram.h"

G_BEGIN_DECLS

#define TEESQL_SCRAM_MECHANISM      "SCRAM-SHA-256"
#define TEESQL_SCRAM_MECHANISM_PLUS "SCRAM-SHA-256-PLUS"
#define TEESQL_SCRAM_BINDING_NAME   "tls-server-end-point" /* RFC 5929, the one that PostgreSQL speaks */
#define TEESQL_SCRAM_MAX_NONCE      ((gsize) 256)
#define TEESQL_SCRAM_MAX_BINDING    ((gsize) 64) /* a SHA-512 at most */

/**
 * TeesqlScramText:
 *
 * the value of an attribute, borrowed from the message
 */
typedef struct
{
  const char *text;
  gsize size;
} TeesqlScramText;

gboolean teesql_scram_fail (GError **error, TeesqlError code, const char *reason, const char *text);
gboolean teesql_scram_malformed (GError **error, const char *text);
/* a whole message: at most TEESQL_SCRAM_MAX_MESSAGE bytes, no NUL */
gboolean teesql_scram_open (TeesqlCursor *cursor, const char *data, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* bytes up to the next comma, which is consumed, or the end; a comma that ends the message is malformed */
gboolean teesql_scram_field (TeesqlCursor *cursor, TeesqlScramText *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* such a field of the form `name=value` */
gboolean teesql_scram_attribute (TeesqlCursor *cursor, char name, TeesqlScramText *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_scram_any_attribute (TeesqlCursor *cursor, char *out_name, TeesqlScramText *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_scram_is_nonce (const char *text, gsize size) G_GNUC_WARN_UNUSED_RESULT; /* printable ASCII without comma */
gboolean teesql_scram_text_equals (const TeesqlScramText *self, const char *text, gsize size) G_GNUC_WARN_UNUSED_RESULT;
/* decimal without sign or leading zero, 1..9 digits */
gboolean teesql_scram_integer (const TeesqlScramText *self, guint *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* base64 of exactly @size bytes */
gboolean teesql_scram_decode (const TeesqlScramText *self, guint8 *out, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_scram_decode_salt (const TeesqlScramText *self, guint8 out[TEESQL_SCRAM_MAX_SALT], gsize *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
