#include "pgwire/teesql-pgwire-startup.h"
#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"

/* src/include/libpq/pqcomm.h: request codes are a protocol version with major 1234. */
#define CODE_CANCEL   80877102u
#define CODE_SSL      80877103u
#define CODE_GSSENC   80877104u
#define TLS_HANDSHAKE 0x16 /* RFC 8446, 5.1: content type of a ClientHello */

#define LENGTH_SIZE       4
#define HEADER_SIZE       8 /* length and code */
#define MIN_CANCEL_KEY    4 /* protocol 3.0; 3.2 allows up to 256 */
#define MAX_CANCEL_KEY    256
#define MAX_PARAMETER     ((gsize) 8192)
#define UNKNOWN_EXTENSION "_pq_."

static gboolean
startup_fail (GError **error, TeesqlError code, const char *reason, const char *text)
{
  g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, code, reason, 0, "startup packet: %s", text));
  return FALSE;
}

static gboolean
startup_malformed (GError **error, const char *text)
{
  return startup_fail (error, TEESQL_ERROR_MALFORMED, "startup-malformed", text);
}

static gboolean
startup_check_length (guint32 length, GError **error)
{
  if (length >= HEADER_SIZE && length <= TEESQL_STARTUP_MAX_SIZE)
    return TRUE;
  g_propagate_error (error, teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_MALFORMED, "startup-length", 0,
                                              "startup packet: length %u, expected %d to %" G_GSIZE_FORMAT, length, HEADER_SIZE,
                                              TEESQL_STARTUP_MAX_SIZE));
  return FALSE;
}

static gboolean
startup_parse_request (TeesqlStartup *out, TeesqlStartupKind kind, const TeesqlCursor *body, GError **error)
{
  if (teesql_cursor_remaining (body) != 0)
    return startup_malformed (error, "an encryption request has bytes behind its code");
  out->kind = kind;
  return TRUE;
}

static gboolean
startup_parse_cancel (TeesqlStartup *out, TeesqlCursor *body, GError **error)
{
  if (!teesql_cursor_u32_be (body, "process id", &out->cancel_pid, NULL))
    return startup_malformed (error, "a cancel request has no process id");
  out->cancel_key_size = teesql_cursor_remaining (body);
  if (out->cancel_key_size < MIN_CANCEL_KEY || out->cancel_key_size > MAX_CANCEL_KEY)
    return startup_malformed (error, "a cancel key has 4 to 256 bytes");
  if (!teesql_cursor_take (body, "cancel key", out->cancel_key_size, &out->cancel_key, NULL))
    return startup_malformed (error, "a cancel request is cut off");
  out->kind = TEESQL_STARTUP_CANCEL_REQUEST;
  return TRUE;
}

/* PostgreSQL's words for false. Every other value counts as a wish to replicate: who is not the replicator is refused then. */
static gboolean
replication_is_off (const char *value)
{
  static const char *const words[] = { "false", "off", "no", "0" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_ascii_strcasecmp (value, words[i]) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
startup_add_parameter (TeesqlStartup *out, const char *name, const char *value, GError **error)
{
  if (out->n_parameters == TEESQL_STARTUP_MAX_PARAMETERS)
    return startup_malformed (error, "more than 64 parameters");
  /* PostgreSQL takes the last of two; a check made on the first of them would then have looked at the wrong one */
  if (teesql_startup_get_parameter (out, name) != NULL)
    return startup_fail (error, TEESQL_ERROR_MALFORMED, "startup-duplicate", "a parameter is given twice");

  out->parameters[out->n_parameters].name = name;
  out->parameters[out->n_parameters].value = value;
  out->n_parameters++;
  if (g_str_has_prefix (name, UNKNOWN_EXTENSION))
    out->n_unknown_options++;
  else if (g_str_equal (name, "user"))
    out->user = value;
  else if (g_str_equal (name, "database"))
    out->database = value;
  else if (g_str_equal (name, "replication"))
    out->replication = !replication_is_off (value);
  return TRUE;
}

static gboolean
startup_parse_parameters (TeesqlStartup *out, TeesqlCursor *body, GError **error)
{
  for (;;)
    {
      const char *name = NULL;
      const char *value = NULL;

      if (!teesql_cursor_c_string (body, "parameter name", MAX_PARAMETER, &name, NULL))
        return startup_malformed (error, "a parameter name does not end");
      if (*name == '\0')
        break;
      if (!teesql_cursor_c_string (body, "parameter value", MAX_PARAMETER, &value, NULL))
        return startup_malformed (error, "a parameter value does not end");
      if (!startup_add_parameter (out, name, value, error))
        return FALSE;
    }
  if (teesql_cursor_remaining (body) != 0)
    return startup_malformed (error, "bytes behind the terminator");
  return TRUE;
}

static gboolean
startup_parse_message (TeesqlStartup *out, guint32 code, TeesqlCursor *body, GError **error)
{
  if (code >> 16 != 3)
    {
      g_propagate_error (error,
                         teesql_error_new (TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_UNSUPPORTED, "startup-version", 0,
                                           "startup packet: protocol %u.%u is not supported, expected 3.x", code >> 16, code & 0xffff));
      return FALSE;
    }
  out->protocol_minor = code & 0xffff;
  if (!startup_parse_parameters (out, body, error))
    return FALSE;
  if (out->user == NULL || *out->user == '\0')
    return startup_fail (error, TEESQL_ERROR_MALFORMED, "startup-no-user", "no user is named");
  if (out->database == NULL || *out->database == '\0')
    out->database = out->user;
  out->kind = TEESQL_STARTUP_MESSAGE;
  return TRUE;
}

static gboolean
startup_parse_body (TeesqlStartup *out, guint32 code, TeesqlCursor *body, GError **error)
{
  switch (code)
    {
    case CODE_SSL:
      return startup_parse_request (out, TEESQL_STARTUP_SSL_REQUEST, body, error);
    case CODE_GSSENC:
      return startup_parse_request (out, TEESQL_STARTUP_GSSENC_REQUEST, body, error);
    case CODE_CANCEL:
      return startup_parse_cancel (out, body, error);
    default:
      return startup_parse_message (out, code, body, error);
    }
}

gboolean
teesql_startup_parse (const guint8 *data, gsize size, TeesqlStartup *out, GError **error)
{
  TeesqlStartup startup = { .kind = TEESQL_STARTUP_NEED_MORE };
  TeesqlCursor cursor;
  TeesqlCursor body;
  guint32 length = 0;
  guint32 code = 0;

  g_return_val_if_fail (out != NULL, FALSE);
  g_return_val_if_fail (data != NULL || size == 0, FALSE);

  teesql_cursor_init (&cursor, "startup packet", data, size);
  if (size > 0 && data[0] == TLS_HANDSHAKE)
    startup.kind = TEESQL_STARTUP_TLS;
  else if (size > 0 && data[0] != 0) /* some other protocol: no need to wait for the rest of a length over 16 million */
    return startup_check_length ((guint32) data[0] << 24, error);
  else if (teesql_cursor_u32_be (&cursor, "length", &length, NULL))
    {
      if (!startup_check_length (length, error))
        return FALSE;
      if (teesql_cursor_sub (&cursor, "startup packet", length - LENGTH_SIZE, &body, NULL))
        {
          if (!teesql_cursor_u32_be (&body, "code", &code, NULL))
            return startup_malformed (error, "no protocol version");
          if (!startup_parse_body (&startup, code, &body, error))
            return FALSE;
          startup.size = length;
        }
    }
  *out = startup;
  return TRUE;
}

const char *
teesql_startup_get_parameter (const TeesqlStartup *self, const char *name)
{
  for (guint i = 0; i < self->n_parameters; i++)
    if (g_str_equal (self->parameters[i].name, name))
      return self->parameters[i].value;
  return NULL;
}
