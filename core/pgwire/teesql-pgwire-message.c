#include "pgwire/teesql-pgwire-message.h"
#include "base/teesql-domains.h"

#define TYPE_SIZE      1
#define LENGTH_SIZE    4
#define MAX_TEXT       ((gsize) 1024) /* of one field of an ErrorResponse */
#define PROTOCOL_3_0   0x00030000u
#define CODE_CANCEL    80877102u
#define CODE_SSL       80877103u
#define MECHANISM      "SCRAM-SHA-256"
#define MECHANISM_PLUS "SCRAM-SHA-256-PLUS"
#define NO_TYPE        '\0'

gboolean
teesql_message_frame (const guint8 *data, gsize size, gsize max, TeesqlMessage *out, gboolean *out_complete, GError **error)
{
  TeesqlMessage message = { 0 };
  TeesqlCursor cursor;
  guint8 type = 0;
  guint32 length = 0;
  gboolean complete = FALSE;

  g_return_val_if_fail (out != NULL && out_complete != NULL, FALSE);

  teesql_cursor_init (&cursor, "message", data, size);
  if (teesql_cursor_u8 (&cursor, "type", &type, NULL) && teesql_cursor_u32_be (&cursor, "length", &length, NULL))
    {
      message.type = (char) type;
      message.size = (gsize) length + TYPE_SIZE;
      if (length < LENGTH_SIZE || message.size > max)
        {
          g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_MALFORMED, "message-length", 0,
                                                      "message of type 0x%02x: length %u, at most %" G_GSIZE_FORMAT " bytes are taken here",
                                                      type, length, max));
          return FALSE;
        }
      complete = teesql_cursor_sub (&cursor, "message body", length - LENGTH_SIZE, &message.body, NULL);
    }
  if (complete)
    *out = message;
  *out_complete = complete;
  return TRUE;
}

static void
append_u8 (GByteArray *out, guint8 value)
{
  g_byte_array_append (out, &value, 1);
}

static void
append_u32 (GByteArray *out, guint32 value)
{
  const guint8 bytes[] = { (guint8) (value >> 24), (guint8) (value >> 16), (guint8) (value >> 8), (guint8) value };

  g_byte_array_append (out, bytes, sizeof bytes);
}

static void
append_bytes (GByteArray *out, const void *data, gsize size)
{
  if (size > 0)
    g_byte_array_append (out, data, (guint) size);
}

static void
append_c_string (GByteArray *out, const char *text)
{
  append_bytes (out, text, strlen (text) + 1);
}

/* Returns: where the length stands, for message_end () */
static guint
message_begin (GByteArray *out, char type)
{
  if (type != NO_TYPE)
    append_u8 (out, (guint8) type);
  append_u32 (out, 0);
  return out->len - LENGTH_SIZE;
}

static void
message_end (GByteArray *out, guint length_at)
{
  guint32 length = out->len - length_at;

  for (guint i = 0; i < LENGTH_SIZE; i++)
    out->data[length_at + i] = (guint8) (length >> (24 - 8 * i));
}

static void
append_field (GByteArray *out, char code, const char *text)
{
  g_autofree char *valid = NULL;
  gsize size = 0;

  if (text == NULL)
    return;
  /* a text that quotes foreign bytes must not end in half a character, which clients would report instead of the text */
  valid = g_utf8_make_valid (text, (gssize) strnlen (text, MAX_TEXT));
  size = strlen (valid);
  append_u8 (out, (guint8) code);
  append_bytes (out, valid, size);
  append_u8 (out, 0);
}

void
teesql_message_error (GByteArray *out, const char *severity, const char *sqlstate, const char *message, const char *detail,
                      const char *hint)
{
  guint at = message_begin (out, 'E');

  append_field (out, 'S', severity);
  append_field (out, 'V', severity);
  append_field (out, 'C', sqlstate);
  append_field (out, 'M', message);
  append_field (out, 'D', detail);
  append_field (out, 'H', hint);
  append_u8 (out, 0);
  message_end (out, at);
}

static void
append_authentication (GByteArray *out, TeesqlAuthentication kind, const char *data, gsize size)
{
  guint at = message_begin (out, 'R');

  append_u32 (out, kind);
  append_bytes (out, data, size);
  message_end (out, at);
}

void
teesql_message_authentication_ok (GByteArray *out)
{
  append_authentication (out, TEESQL_AUTHENTICATION_OK, NULL, 0);
}

void
teesql_message_authentication_cleartext (GByteArray *out)
{
  append_authentication (out, TEESQL_AUTHENTICATION_CLEARTEXT, NULL, 0);
}

void
teesql_message_authentication_sasl (GByteArray *out, gboolean plus)
{
  /* the stronger one first, and the terminating NUL of sizeof ends the list */
  static const char both[] = MECHANISM_PLUS "\0" MECHANISM "\0";
  static const char plain[] = MECHANISM "\0";

  if (plus)
    append_authentication (out, TEESQL_AUTHENTICATION_SASL, both, sizeof both);
  else
    append_authentication (out, TEESQL_AUTHENTICATION_SASL, plain, sizeof plain);
}

void
teesql_message_authentication_sasl_continue (GByteArray *out, const char *data, gsize size)
{
  append_authentication (out, TEESQL_AUTHENTICATION_SASL_CONTINUE, data, size);
}

void
teesql_message_authentication_sasl_final (GByteArray *out, const char *data, gsize size)
{
  append_authentication (out, TEESQL_AUTHENTICATION_SASL_FINAL, data, size);
}

void
teesql_message_backend_key (GByteArray *out, guint32 pid, const guint8 *key, gsize key_size)
{
  guint at = message_begin (out, 'K');

  append_u32 (out, pid);
  append_bytes (out, key, key_size);
  message_end (out, at);
}

void
teesql_message_negotiate_version (GByteArray *out, guint minor, const char *const *unknown_options)
{
  guint at = message_begin (out, 'v');
  guint n = unknown_options != NULL ? g_strv_length ((char **) unknown_options) : 0;

  /* The manual says "minor version"; server and libpq agree on the whole number (src/backend/tcop/backend_startup.c). */
  append_u32 (out, PROTOCOL_3_0 | minor);
  append_u32 (out, n);
  for (guint i = 0; i < n; i++)
    append_c_string (out, unknown_options[i]);
  message_end (out, at);
}

void
teesql_message_startup (GByteArray *out, const char *const *names_and_values)
{
  guint at = message_begin (out, NO_TYPE);

  append_u32 (out, PROTOCOL_3_0);
  for (guint i = 0; names_and_values[i] != NULL; i++)
    append_c_string (out, names_and_values[i]);
  append_u8 (out, 0);
  message_end (out, at);
}

void
teesql_message_cancel (GByteArray *out, guint32 pid, const guint8 *key, gsize key_size)
{
  guint at = message_begin (out, NO_TYPE);

  append_u32 (out, CODE_CANCEL);
  append_u32 (out, pid);
  append_bytes (out, key, key_size);
  message_end (out, at);
}

void
teesql_message_ssl_request (GByteArray *out)
{
  guint at = message_begin (out, NO_TYPE);

  append_u32 (out, CODE_SSL);
  message_end (out, at);
}

void
teesql_message_sasl_initial (GByteArray *out, const char *mechanism, const char *data, gsize size)
{
  guint at = message_begin (out, 'p');

  append_c_string (out, mechanism);
  append_u32 (out, (guint32) size);
  append_bytes (out, data, size);
  message_end (out, at);
}

void
teesql_message_sasl_response (GByteArray *out, const char *data, gsize size)
{
  guint at = message_begin (out, 'p');

  append_bytes (out, data, size);
  message_end (out, at);
}

void
teesql_message_password (GByteArray *out, const guint8 *password, gsize size)
{
  guint at = message_begin (out, 'p');

  append_bytes (out, password, size);
  append_u8 (out, 0);
  message_end (out, at);
}
