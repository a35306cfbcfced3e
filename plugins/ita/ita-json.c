#include "ita-json.h"

#include "base/teesql-hex.h"
#include "ita-error.h"
#include <string.h>

static GError *
rename_error (const char *prefix, const GError *inner)
{
  const gboolean twice = g_str_equal (teesql_error_get_reason (inner), "json-duplicate-key");
  g_autofree char *reason = g_strconcat (prefix, twice ? "-duplicate-name" : "-json", NULL);

  return teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_MALFORMED, reason, 0, "%s", inner->message);
}

DcapJson *
ita_json_parse_object (const char *prefix, GBytes *bytes, GError **error)
{
  g_autoptr (GError) inner = NULL;
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_autoptr (DcapJson) json = dcap_json_parse (prefix, size > 0 ? data : (const guint8 *) "", size, &inner);

  if (json != NULL && dcap_json_type (dcap_json_root (json)) == DCAP_JSON_OBJECT)
    return g_steal_pointer (&json);
  if (inner == NULL)
    inner = teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_MALFORMED, "token-json", 0, "%s: not an object", prefix);
  g_propagate_error (error, rename_error (prefix, inner));
  return NULL;
}

static gboolean
fail_type (GError **error, const char *name, const char *expected)
{
  return ita_reject (error, "token-claim-type", "%s: expected %s", name, expected);
}

gboolean
ita_json_get (DcapJsonNode object, const char *name, DcapJsonType type, DcapJsonNode *out_value, GError **error)
{
  static const char *const words[] = { "an object", "an array", "text", "an integer", "a number", "true or false" };
  DcapJsonNode value;

  if (!dcap_json_find (object, name, &value))
    return ita_refuse (error, "token-claim-absent", "%s is not there, and silence is no claim", name);
  if (dcap_json_type (value) != type)
    return fail_type (error, name, words[type]);
  *out_value = value;
  return TRUE;
}

char *
ita_json_get_text (DcapJsonNode object, const char *name, gsize max, GError **error)
{
  DcapJsonNode value;
  char *text = NULL;

  if (!ita_json_get (object, name, DCAP_JSON_STRING, &value, error))
    return NULL;
  text = dcap_json_text (value, max, NULL);
  if (text == NULL)
    fail_type (error, name, "shorter text");
  return text;
}

gboolean
ita_json_get_integer (DcapJsonNode object, const char *name, gint64 *out_value, GError **error)
{
  DcapJsonNode value;
  gsize size = 0;
  gint64 number = 0;

  if (!ita_json_get (object, name, DCAP_JSON_INTEGER, &value, error))
    return FALSE;
  const guint8 *text = dcap_json_slice (value, &size);
  for (gsize i = 0; i < size; i++) /* ten digits at most, by the reader */
    {
      if (text[i] == '-')
        return fail_type (error, name, "a number that is not negative");
      number = number * 10 + (text[i] - '0');
    }
  *out_value = number;
  return TRUE;
}

gboolean
ita_json_get_boolean (DcapJsonNode object, const char *name, gboolean *out_value, GError **error)
{
  DcapJsonNode value;
  gsize size = 0;

  if (!ita_json_get (object, name, DCAP_JSON_WORD, &value, error))
    return FALSE;
  if (dcap_json_is_null (value))
    return fail_type (error, name, "true or false");
  *out_value = dcap_json_slice (value, &size)[0] == 't';
  return TRUE;
}

gboolean
ita_json_get_bytes (DcapJsonNode object, const char *name, guint8 *out, gsize size, GError **error)
{
  DcapJsonNode value;
  gsize length = 0;

  if (!ita_json_get (object, name, DCAP_JSON_STRING, &value, error))
    return FALSE;
  const char *text = (const char *) dcap_json_slice (value, &length);
  if (!teesql_hex_decode_into (text + 1, (gssize) length - 2, out, size, NULL))
    return ita_reject (error, "token-claim-type", "%s: expected %" G_GSIZE_FORMAT " hex digits", name, 2 * size);
  return TRUE;
}

gboolean
ita_json_has (DcapJsonNode object, const char *name)
{
  DcapJsonNode value;

  return dcap_json_find (object, name, &value) && !dcap_json_is_null (value);
}

gboolean
ita_json_is_plain (const char *text)
{
  for (; *text != '\0'; text++)
    if (!g_ascii_isgraph (*text))
      return FALSE;
  return TRUE;
}

gboolean
ita_json_same (DcapJsonNode a, DcapJsonNode b)
{
  gsize a_size = 0;
  gsize b_size = 0;
  const guint8 *a_data = dcap_json_slice (a, &a_size);
  const guint8 *b_data = dcap_json_slice (b, &b_size);

  return a_size == b_size && memcmp (a_data, b_data, a_size) == 0;
}
