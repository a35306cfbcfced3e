/* The forms of single values, one function each. A name chosen here ends up in paths, SQL or certificates: all are lists of
 * what is allowed, never of what is not. */
#include "config/teesql-config-value.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "config/teesql-config-unit.h"
#include "config/teesql-schedule.h"

#include <string.h>

#define wrong(error, ...) teesql_fail (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, "invalid-configuration", __VA_ARGS__)

static gboolean
wrong_form (const TeesqlOption *option, const char *text, GError **error)
{
  g_autofree char *form = teesql_option_dup_form (option);

  return wrong (error, "“%s” is not what stands here, expected %s", text, form);
}

static gboolean
only_of (const char *text, const char *more)
{
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && strchr (more, *p) == NULL)
      return FALSE;
  return *text != '\0';
}

static gboolean
only_lower_of (const char *text, const char *more)
{
  for (const char *p = text; *p != '\0'; p++)
    if (g_ascii_isupper (*p))
      return FALSE;
  return only_of (text, more);
}

static gboolean
is_role (const char *text)
{
  return strlen (text) <= 63 && (g_ascii_islower (*text) || *text == '_') && only_lower_of (text, "_");
}

/* as useradd takes it */
static gboolean
is_user (const char *text)
{
  return strlen (text) <= 32 && (g_ascii_islower (*text) || *text == '_') && only_lower_of (text, "_-.");
}

static gboolean
is_path (const char *text)
{
  return text[0] == '/' && strlen (text) < 4096;
}

/* ADDR:PORT with a literal address, [::1]:PORT for the sixth version */
static gboolean
is_address (const char *text)
{
  g_autoptr (GSocketAddress) parsed = NULL;
  g_autofree char *host = NULL;
  const char *colon = strrchr (text, ':');
  gint64 port = 0;

  if (colon == NULL || !teesql_unit_parse_integer (colon + 1, &port) || port > 65535)
    return FALSE;
  host = g_strndup (text, (gsize) (colon - text));
  if (host[0] == '[' && g_str_has_suffix (host, "]"))
    {
      host[strlen (host) - 1] = '\0';
      parsed =
          strchr (host, '%') == NULL && strchr (host, ':') != NULL ? g_inet_socket_address_new_from_string (host + 1, (guint) port) : NULL;
    }
  else if (strchr (host, ':') == NULL)
    parsed = g_inet_socket_address_new_from_string (host, (guint) port);
  return parsed != NULL;
}

static gboolean
is_endpoint (const char *text)
{
  g_autofree char *host = NULL;
  const char *colon = strrchr (text, ':');
  gint64 port = 0;

  if (is_address (text))
    return !g_str_has_suffix (text, ":0");
  if (colon == NULL || !teesql_unit_parse_integer (colon + 1, &port) || port < 1 || port > 65535)
    return FALSE;
  host = g_strndup (text, (gsize) (colon - text));
  return strlen (host) <= 253 && host[0] != '-' && host[0] != '.' && only_of (host, ".-_");
}

static gboolean
is_hex (const char *text, gint64 digits)
{
  if ((gint64) strlen (text) != digits)
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isxdigit (*p))
      return FALSE;
  return TRUE;
}

static gboolean
is_key_provider (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, ":", 2);

  return parts[0] != NULL && parts[1] != NULL && strlen (parts[0]) <= 63 && only_lower_of (parts[0], "-") && is_hex (parts[1], 64);
}

static gboolean
is_advisory (const char *text)
{
  const char *number = text + strlen ("INTEL-SA-");
  gsize length = 0;

  if (!g_str_has_prefix (text, "INTEL-SA-"))
    return FALSE;
  for (length = 0; g_ascii_isdigit (number[length]); length++)
    ;
  return length >= 1 && length <= 8 && number[length] == '\0';
}

static gboolean
is_base64 (const char *text, gint64 bytes)
{
  g_autoptr (GBytes) decoded = teesql_base64_decode (text, -1, NULL);

  return decoded != NULL && (gint64) g_bytes_get_size (decoded) == bytes;
}

gboolean
teesql_config_scram_parts (const char *verifier, TeesqlScramVerifierParts *out_parts, GError **error)
{
  g_auto (GStrv) fields = g_strsplit (verifier, "$", 4);
  g_auto (GStrv) head = NULL;
  g_auto (GStrv) keys = NULL;
  gint64 rounds = 0;

  if (g_strv_length (fields) != 3 || !g_str_equal (fields[0], "SCRAM-SHA-256"))
    return wrong (error,
                  "not a SCRAM verifier, expected SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY\nhint: `teesql secret new` prints one");
  head = g_strsplit (fields[1], ":", 3);
  keys = g_strsplit (fields[2], ":", 3);
  if (g_strv_length (head) != 2 || !teesql_unit_parse_integer (head[0], &rounds) || rounds < 1 || !is_base64 (head[1], 16))
    return wrong (error, "the verifier's rounds and salt are not a number and base64 of 16 bytes");
  if (g_strv_length (keys) != 2 || !is_base64 (keys[0], 32) || !is_base64 (keys[1], 32))
    return wrong (error, "the verifier's keys are not base64 of 32 bytes each\nhint: `teesql secret new` prints a verifier");
  out_parts->rounds = rounds;
  out_parts->salt = g_strdup (head[1]);
  return TRUE;
}

gboolean
teesql_config_is_reference (const char *text)
{
  return g_str_has_prefix (text, "file:") || g_str_has_prefix (text, "env:") || g_str_has_prefix (text, "credential:") ||
         g_str_has_prefix (text, "kms:");
}

gboolean
teesql_config_check_reference (const char *text, gboolean allow_kms, GError **error)
{
  const char *place = strchr (text, ':');

  if (!teesql_config_is_reference (text))
    /* never repeat the text: somebody has written the secret itself */
    return wrong (error, "a secret is never written here\nhint: name its place: credential:NAME, file:/PATH or env:NAME");
  place++;
  if (g_str_has_prefix (text, "kms:") && !allow_kms)
    return wrong (error, "no KMS key can stand here");
  if (g_str_has_prefix (text, "file:") && !is_path (place))
    return wrong (error, "“%s” needs an absolute path", text);
  if (g_str_has_prefix (text, "env:") && (g_ascii_isdigit (*place) || !only_of (place, "_")))
    return wrong (error, "“%s” needs the name of a variable", text);
  if (g_str_has_prefix (text, "credential:") && (*place == '.' || strlen (place) > 255 || !only_of (place, "._-")))
    return wrong (error, "“%s” needs the name of a credential", text);
  if (g_str_has_prefix (text, "kms:") && (strlen (place) > 255 || !only_of (place, "/._-")))
    return wrong (error, "“%s” needs a path of letters, digits and /._-", text);
  return TRUE;
}

static gboolean
check_word (const TeesqlOption *option, const char *text, GError **error)
{
  g_auto (GStrv) words = g_strsplit (option->words != NULL ? option->words : "", "|", -1);
  gint64 ms = 0;

  for (guint i = 0; words[i] != NULL; i++)
    if (g_str_has_suffix (words[i], "="))
      {
        if (g_str_has_prefix (text, words[i]) && teesql_unit_parse_duration (text + strlen (words[i]), &ms))
          return TRUE;
      }
    else if (g_str_equal (words[i], text))
      return TRUE;
  return option->type == TEESQL_OPTION_WORD ? wrong_form (option, text, error) : FALSE;
}

static gboolean
check_bounds (const TeesqlOption *option, gboolean parsed, gint64 number, const char *text, GError **error)
{
  if (parsed && number >= option->min && number <= option->max)
    return TRUE;
  if (!parsed && (option->type == TEESQL_OPTION_DURATION || option->type == TEESQL_OPTION_SIZE))
    {
      g_autofree char *form = teesql_option_dup_form (option);
      return wrong (error, "“%s” is not a %s\nhint: write the unit, as in %s", text, form,
                    option->type == TEESQL_OPTION_DURATION ? "250ms, 30s, 5min, 24h, 7d" : "512B, 64KiB, 256MiB, 1GiB");
    }
  return wrong_form (option, text, error);
}

static gboolean
is_setting_type (TeesqlOptionType type)
{
  return type == TEESQL_OPTION_SETTING_MEMORY || type == TEESQL_OPTION_SETTING_TIME || type == TEESQL_OPTION_SETTING_REAL;
}

/* The text goes to PostgreSQL as it stands; *out_number is for comparing. */
static gboolean
check_setting (const TeesqlOption *option, const char *text, gint64 *out_number, GError **error)
{
  double real = 0;
  gboolean parsed = FALSE;

  if (option->type == TEESQL_OPTION_SETTING_MEMORY)
    parsed = teesql_unit_parse_setting_memory (text, out_number);
  else if (option->type == TEESQL_OPTION_SETTING_TIME)
    parsed = teesql_unit_parse_setting_time (text, out_number);
  else
    return (teesql_unit_parse_setting_real (text, &real) && real >= (double) option->min && real <= (double) option->max) ||
           wrong_form (option, text, error);
  return (parsed && *out_number >= option->min && *out_number <= option->max) || wrong_form (option, text, error);
}

static gboolean
check_number (const TeesqlOption *option, const char *text, gint64 *out_number, GError **error)
{
  gboolean parsed = FALSE;

  if (option->type == TEESQL_OPTION_DURATION)
    parsed = teesql_unit_parse_duration (text, out_number);
  else if (option->type == TEESQL_OPTION_SIZE)
    parsed = teesql_unit_parse_size (text, out_number);
  else if (option->type == TEESQL_OPTION_PERCENT)
    parsed = teesql_unit_parse_percent (text, out_number);
  else
    parsed = teesql_unit_parse_integer (text, out_number);
  return check_bounds (option, parsed, *out_number, text, error);
}

static gboolean
fits (const TeesqlOption *option, const char *text)
{
  switch (option->type)
    {
    case TEESQL_OPTION_TEXT:
      return (gint64) g_utf8_strlen (text, -1) >= option->min && (gint64) strlen (text) <= option->max && strpbrk (text, "\n\r\t") == NULL;
    case TEESQL_OPTION_LABEL:
      return (gint64) strlen (text) <= option->max && only_lower_of (text, "-");
    case TEESQL_OPTION_INSTANCE:
      return strlen (text) <= 32 && g_ascii_islower (*text) && only_lower_of (text, "-");
    case TEESQL_OPTION_ROLE:
      return is_role (text);
    case TEESQL_OPTION_USER:
      return is_user (text);
    case TEESQL_OPTION_PATH:
      return is_path (text);
    case TEESQL_OPTION_SOCKET_FOLDER:
      return is_path (text) || g_str_equal (text, "127.0.0.1") || g_str_equal (text, "::1");
    case TEESQL_OPTION_ADDRESS:
      return is_address (text);
    case TEESQL_OPTION_ENDPOINT:
      return is_endpoint (text);
    case TEESQL_OPTION_HEX:
      return is_hex (text, option->max);
    case TEESQL_OPTION_KEY_PROVIDER:
      return is_key_provider (text);
    case TEESQL_OPTION_ADVISORY:
      return is_advisory (text);
    case TEESQL_OPTION_BASE64:
      return is_base64 (text, option->max);
    case TEESQL_OPTION_BOOLEAN:
    case TEESQL_OPTION_INTEGER:
    case TEESQL_OPTION_PERCENT:
    case TEESQL_OPTION_DURATION:
    case TEESQL_OPTION_SIZE:
    case TEESQL_OPTION_WORD:
    case TEESQL_OPTION_SCRAM_VERIFIER:
    case TEESQL_OPTION_REFERENCE:
    case TEESQL_OPTION_SCHEDULE:
    case TEESQL_OPTION_SETTING_MEMORY:
    case TEESQL_OPTION_SETTING_TIME:
    case TEESQL_OPTION_SETTING_REAL:
    default:
      return FALSE;
    }
}

static gboolean
check_schedule (const char *text, GError **error)
{
  TeesqlSchedule schedule = { 0 };

  return teesql_schedule_parse (text, &schedule, error);
}

static gboolean
check_verifier (const char *text, GError **error)
{
  TeesqlScramVerifierParts parts = { 0 };

  if (!teesql_config_scram_parts (text, &parts, error))
    return FALSE;
  g_free (parts.salt);
  return TRUE;
}

static gboolean
check_boolean (const TeesqlOption *option, const char *text, gint64 *out_number, GError **error)
{
  *out_number = g_str_equal (text, "true");
  return *out_number != 0 || g_str_equal (text, "false") || wrong_form (option, text, error);
}

gboolean
teesql_config_form_check (const TeesqlOption *option, const char *text, char **out_value, gint64 *out_number, GError **error)
{
  gboolean hex = option->type == TEESQL_OPTION_HEX || option->type == TEESQL_OPTION_KEY_PROVIDER;
  gboolean good = FALSE;

  if (option->type == TEESQL_OPTION_WORD)
    good = check_word (option, text, error);
  else if (option->words != NULL && check_word (option, text, NULL))
    good = TRUE;
  else if (option->type == TEESQL_OPTION_BOOLEAN)
    good = check_boolean (option, text, out_number, error);
  else if (option->type == TEESQL_OPTION_INTEGER || option->type == TEESQL_OPTION_PERCENT || option->type == TEESQL_OPTION_DURATION ||
           option->type == TEESQL_OPTION_SIZE)
    good = check_number (option, text, out_number, error);
  else if (is_setting_type (option->type))
    good = check_setting (option, text, out_number, error);
  else if (option->type == TEESQL_OPTION_SCRAM_VERIFIER)
    good = check_verifier (text, error);
  else if (option->type == TEESQL_OPTION_REFERENCE)
    good = teesql_config_check_reference (text, (option->flags & TEESQL_OPTION_KMS) != 0, error);
  else if (option->type == TEESQL_OPTION_SCHEDULE)
    good = check_schedule (text, error);
  else
    good = fits (option, text) || wrong_form (option, text, error);
  if (good)
    *out_value = hex ? g_ascii_strdown (text, -1) : g_strdup (text);
  return good;
}
