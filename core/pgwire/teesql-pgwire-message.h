#pragma once
#include "base/teesql-cursor.h"

G_BEGIN_DECLS

/**
 * TeesqlMessage:
 * @type: the letter
 * @size: of the whole message, letter and length included
 * @body: cursor over the body
 */
typedef struct {
  char type;
  gsize size;
  TeesqlCursor body;
} TeesqlMessage;

/**
 * teesql_message_frame:
 * @max: largest size accepted, for this type and phase
 *
 * one typed message from the front of @data; pure.
 *
 * Returns: %TRUE with *@out_complete telling whether it is all there (then @out is set); %FALSE: `message-length`
 */
gboolean teesql_message_frame (const guint8 *data, gsize size, gsize max, TeesqlMessage *out, gboolean *out_complete, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Builders append to @out. All texts are cut to sane lengths and never hold a secret. */
void teesql_message_error (GByteArray *out, const char *severity, const char *sqlstate, const char *message, const char *detail, const char *hint); /* ErrorResponse */
void teesql_message_authentication_ok (GByteArray *out);
void teesql_message_authentication_cleartext (GByteArray *out);
void teesql_message_authentication_sasl (GByteArray *out, gboolean plus); /* SCRAM-SHA-256[-PLUS] */
void teesql_message_authentication_sasl_continue (GByteArray *out, const char *data, gsize size);
void teesql_message_authentication_sasl_final (GByteArray *out, const char *data, gsize size);
void teesql_message_backend_key (GByteArray *out, guint32 pid, const guint8 *key, gsize key_size);
void teesql_message_negotiate_version (GByteArray *out, guint minor, const char *const *unknown_options);
void teesql_message_startup (GByteArray *out, const char *const *names_and_values); /* 3.0, flat pairs, NULL at the end */
void teesql_message_cancel (GByteArray *out, guint32 pid, const guint8 *key, gsize key_size);
void teesql_message_ssl_request (GByteArray *out);
void teesql_message_sasl_initial (GByteArray *out, const char *mechanism, const char *data, gsize size);
void teesql_message_sasl_response (GByteArray *out, const char *data, gsize size);
void teesql_message_password (GByteArray *out, const guint8 *password, gsize size); /* the caller wipes @out */

/**
 * TeesqlErrorFields:
 * @detail: (nullable): and @hint; the first three are always there, or the message is malformed
 *
 * what we show of an ErrorResponse of PostgreSQL; borrowed from the body
 */
typedef struct {
  const char *severity;
  const char *sqlstate;
  const char *message;
  const char *detail;
  const char *hint;
} TeesqlErrorFields;
/* Parsers of bodies: #TEESQL_PROTOCOL_ERROR, MALFORMED, `message-malformed`; what they hand out is borrowed from the body. */
gboolean teesql_message_parse_error (TeesqlCursor *body, TeesqlErrorFields *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlAuthentication:
 *
 * the `R` messages that we meet, by PostgreSQL's own numbers
 */
typedef enum {
  TEESQL_AUTHENTICATION_OK = 0,
  TEESQL_AUTHENTICATION_CLEARTEXT = 3,
  TEESQL_AUTHENTICATION_MD5 = 5,
  TEESQL_AUTHENTICATION_SASL = 10,
  TEESQL_AUTHENTICATION_SASL_CONTINUE = 11,
  TEESQL_AUTHENTICATION_SASL_FINAL = 12,
} TeesqlAuthentication;

/**
 * teesql_message_parse_authentication:
 * @out_kind: number of the request; a kind that is not in #TeesqlAuthentication is handed out as it came
 * @out_data: cursor over the rest: mechanisms, or the SCRAM message
 */
gboolean teesql_message_parse_authentication (TeesqlCursor *body, guint32 *out_kind, TeesqlCursor *out_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_message_parse_mechanisms:
 *
 * the list of an AuthenticationSASL; names that we do not know are passed over
 */
gboolean teesql_message_parse_mechanisms (TeesqlCursor *data, gboolean *out_scram, gboolean *out_plus, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_message_parse_sasl_initial:
 *
 * a client's SASLInitialResponse, whole body; one without initial data is malformed, since SCRAM's client speaks first
 */
gboolean teesql_message_parse_sasl_initial (TeesqlCursor *body, const char **out_mechanism, const char **out_data, gsize *out_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_message_parse_password:
 * @out_password: (array length=out_size): without the NUL; the caller wipes the buffer behind it
 */
gboolean teesql_message_parse_password (TeesqlCursor *body, const guint8 **out_password, gsize *out_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_message_parse_backend_key:
 *
 * BackendKeyData: 4 bytes of key from PostgreSQL 17, up to 256 from later ones
 */
gboolean teesql_message_parse_backend_key (TeesqlCursor *body, guint32 *out_pid, const guint8 **out_key, gsize *out_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
