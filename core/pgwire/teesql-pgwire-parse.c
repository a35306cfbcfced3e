/* Bodies of the messages that we read ourselves: before ReadyForQuery, on both sides. */
#include "pgwire/teesql-pgwire-message.h"
#include "base/teesql-domains.h"

#define MAX_FIELD     ((gsize) 8192)
#define MAX_MECHANISM ((gsize) 64)
#define MAX_OFFERS    16

static gboolean
body_fail (GError **error, const char *message, const char *text)
{
  g_propagate_error (error,
                     teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_MALFORMED, "message-malformed", 0, "%s: %s", message, text));
  return FALSE;
}

static void
error_fields_set (TeesqlErrorFields *fields, char code, const char *text)
{
  switch (code)
    {
    case 'S': /* may be translated: only until the next line names it properly */
      if (fields->severity == NULL)
        fields->severity = text;
      break;
    case 'V':
      fields->severity = text;
      break;
    case 'C':
      fields->sqlstate = text;
      break;
    case 'M':
      fields->message = text;
      break;
    case 'D':
      fields->detail = text;
      break;
    case 'H':
      fields->hint = text;
      break;
    default: /* "Frontends should silently ignore fields of unrecognized type": protocol-error-fields */
      break;
    }
}

gboolean
teesql_message_parse_error (TeesqlCursor *body, TeesqlErrorFields *out, GError **error)
{
  TeesqlErrorFields fields = { 0 };
  guint8 code = 0;
  const char *text = NULL;

  for (;;)
    {
      if (!teesql_cursor_u8 (body, "field code", &code, NULL))
        return body_fail (error, "error response", "it does not end");
      if (code == 0)
        break;
      if (!teesql_cursor_c_string (body, "field", MAX_FIELD, &text, NULL))
        return body_fail (error, "error response", "a field does not end");
      error_fields_set (&fields, (char) code, text);
    }
  if (teesql_cursor_remaining (body) != 0)
    return body_fail (error, "error response", "bytes behind the terminator");
  if (fields.severity == NULL || fields.sqlstate == NULL || fields.message == NULL)
    return body_fail (error, "error response", "severity, code or message is missing");
  *out = fields;
  return TRUE;
}

gboolean
teesql_message_parse_authentication (TeesqlCursor *body, guint32 *out_kind, TeesqlCursor *out_data, GError **error)
{
  guint32 kind = 0;
  TeesqlCursor data;

  if (!teesql_cursor_u32_be (body, "kind", &kind, NULL))
    return body_fail (error, "authentication request", "no kind");
  if (!teesql_cursor_sub (body, "authentication data", teesql_cursor_remaining (body), &data, NULL))
    return body_fail (error, "authentication request", "no data");
  if ((kind == TEESQL_AUTHENTICATION_OK || kind == TEESQL_AUTHENTICATION_CLEARTEXT) && teesql_cursor_remaining (&data) != 0)
    return body_fail (error, "authentication request", "bytes behind the kind");
  *out_kind = kind;
  *out_data = data;
  return TRUE;
}

gboolean
teesql_message_parse_mechanisms (TeesqlCursor *data, gboolean *out_scram, gboolean *out_plus, GError **error)
{
  gboolean scram = FALSE;
  gboolean plus = FALSE;
  guint n = 0;

  for (;; n++)
    {
      const char *name = NULL;

      if (n > MAX_OFFERS || !teesql_cursor_c_string (data, "mechanism", MAX_MECHANISM, &name, NULL))
        return body_fail (error, "mechanism list", "it does not end");
      if (*name == '\0')
        break;
      scram |= g_str_equal (name, "SCRAM-SHA-256");
      plus |= g_str_equal (name, "SCRAM-SHA-256-PLUS");
    }
  if (n == 0 || teesql_cursor_remaining (data) != 0)
    return body_fail (error, "mechanism list", n == 0 ? "it is empty" : "bytes behind the terminator");
  *out_scram = scram;
  *out_plus = plus;
  return TRUE;
}

gboolean
teesql_message_parse_sasl_initial (TeesqlCursor *body, const char **out_mechanism, const char **out_data, gsize *out_size, GError **error)
{
  const char *mechanism = NULL;
  const guint8 *data = NULL;
  guint32 size = 0;

  if (!teesql_cursor_c_string (body, "mechanism", MAX_MECHANISM, &mechanism, NULL))
    return body_fail (error, "SASL initial response", "the mechanism's name does not end");
  if (!teesql_cursor_u32_be (body, "length", &size, NULL))
    return body_fail (error, "SASL initial response", "no length");
  if (size == G_MAXUINT32)
    return body_fail (error, "SASL initial response", "no initial data");
  if (size != teesql_cursor_remaining (body) || !teesql_cursor_take (body, "data", size, &data, NULL))
    return body_fail (error, "SASL initial response", "the length does not fit the message");
  *out_mechanism = mechanism;
  *out_data = (const char *) data;
  *out_size = size;
  return TRUE;
}

gboolean
teesql_message_parse_password (TeesqlCursor *body, const guint8 **out_password, gsize *out_size, GError **error)
{
  const char *text = NULL;

  if (!teesql_cursor_c_string (body, "password", MAX_FIELD, &text, NULL))
    return body_fail (error, "password message", "it does not end");
  if (teesql_cursor_remaining (body) != 0)
    return body_fail (error, "password message", "bytes behind the terminator");
  *out_password = (const guint8 *) text;
  *out_size = strlen (text);
  return TRUE;
}

gboolean
teesql_message_parse_backend_key (TeesqlCursor *body, guint32 *out_pid, const guint8 **out_key, gsize *out_size, GError **error)
{
  guint32 pid = 0;
  const guint8 *key = NULL;
  gsize size = 0;

  if (!teesql_cursor_u32_be (body, "process id", &pid, NULL))
    return body_fail (error, "backend key", "no process id");
  size = teesql_cursor_remaining (body);
  if (size < 4 || size > 256 || !teesql_cursor_take (body, "key", size, &key, NULL))
    return body_fail (error, "backend key", "a key has 4 to 256 bytes");
  *out_pid = pid;
  *out_key = key;
  *out_size = size;
  return TRUE;
}
