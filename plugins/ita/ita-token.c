#include "ita-token.h"

#include "base/teesql-hex.h"
#include "ita-error.h"
#include <string.h>

#define HEADER_MAX     ((gsize) 8192)
#define KID_MAX        ((gsize) 256)
#define TEXT_MAX       ((gsize) 1024)
#define SIGNATURE_MAX  ((gsize) 512) /* RSA 4096 */
#define CERTIFICATE_64 ((gsize) 16384)

void
ita_token_free (ItaToken *self)
{
  g_free (self->kid);
  g_clear_pointer (&self->x5c, g_bytes_unref);
  g_clear_pointer (&self->payload, dcap_json_free);
  g_clear_pointer (&self->payload_bytes, g_bytes_unref);
  g_clear_pointer (&self->signature, g_bytes_unref);
  g_free (self);
}

static int
sextet_of (char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

GBytes *
ita_base64url_decode (const char *text, gsize size, GError **error)
{
  g_autoptr (GByteArray) out = g_byte_array_sized_new ((guint) (size / 4 * 3 + 3));
  guint32 bits = 0;
  guint n_bits = 0;

  if (size % 4 == 1)
    {
      ita_reject (error, "token-base64url", "base64url: %" G_GSIZE_FORMAT " characters stand for no bytes", size);
      return NULL;
    }
  for (gsize i = 0; i < size; i++)
    {
      const int sextet = sextet_of (text[i]);

      if (sextet < 0)
        {
          ita_reject (error, "token-base64url", "base64url: foreign character at %" G_GSIZE_FORMAT, i);
          return NULL;
        }
      bits = (bits << 6 | (guint) sextet) & 0xffffff;
      n_bits += 6;
      if (n_bits >= 8)
        {
          const guint8 byte = (guint8) (bits >> (n_bits - 8));

          g_byte_array_append (out, &byte, 1);
          n_bits -= 8;
        }
    }
  /* two texts for the same bytes are two tokens with one signature */
  if ((bits & ((1u << n_bits) - 1)) != 0)
    {
      ita_reject (error, "token-base64url", "base64url: bits are left over");
      return NULL;
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

typedef struct
{
  const char *text;
  gsize size;
} Part;

static gboolean
split (const char *text, gsize size, Part parts[3], GError **error)
{
  guint n = 0;
  gsize start = 0;

  for (gsize i = 0; i <= size; i++)
    {
      if (i < size && text[i] != '.')
        continue;
      if (n < 3)
        parts[n] = (Part){ text + start, i - start };
      n++;
      start = i + 1;
    }
  if (n != 3)
    return ita_reject (error, "token-form", "token: %u parts, expected 3", n);
  for (guint i = 0; i < 3; i++)
    if (parts[i].size == 0)
      return ita_reject (error, "token-form", "token: part %u is empty", i + 1);
  return TRUE;
}

/* (nullable): a member of the header, which is text where it is there at all */
static gboolean
header_text (DcapJsonNode header, const char *name, gsize max, char **out, GError **error)
{
  DcapJsonNode value;

  *out = NULL;
  if (!dcap_json_find (header, name, &value))
    return TRUE;
  *out = dcap_json_type (value) == DCAP_JSON_STRING ? dcap_json_text (value, max, NULL) : NULL;
  return *out != NULL || ita_reject (error, "token-header", "token header: %s is no text of at most %" G_GSIZE_FORMAT " bytes", name, max);
}

static gboolean
check_algorithm (ItaToken *self, DcapJsonNode header, const ItaTokenRules *rules, GError **error)
{
  g_autofree char *alg = NULL;

  if (!header_text (header, "alg", 32, &alg, error))
    return FALSE;
  if (alg == NULL || !ita_json_is_plain (alg))
    return ita_reject (error, "token-header", "token header: alg is %s", alg == NULL ? "missing" : "no name of an algorithm");
  if (g_ascii_strcasecmp (alg, "none") == 0)
    return ita_refuse (error, "token-alg-none", "token header: alg none, so nobody signed it");
  if (g_ascii_strncasecmp (alg, "HS", 2) == 0)
    return ita_refuse (error, "token-alg-hmac", "token header: alg %.8s, and the only key is one that everybody knows", alg);
  self->rs256 = g_str_equal (alg, "RS256");
  if (g_str_equal (alg, "PS384") || (self->rs256 && rules->allow_rs256))
    return TRUE;
  return ita_refuse (error, "token-alg", "token header: alg %.8s, expected PS384%s", alg, rules->allow_rs256 ? " or RS256" : "");
}

/* What a token says about where its own key is, is the forger's word (SR-10). */
static gboolean
check_key_hints (DcapJsonNode header, const ItaTokenRules *rules, GError **error)
{
  DcapJsonNode value;
  g_autofree char *jku = NULL;

  if (dcap_json_find (header, "crit", &value))
    return ita_refuse (error, "token-crit", "token header: crit asks for what is not known here");
  if (dcap_json_find (header, "jwk", &value))
    return ita_refuse (error, "token-jwk", "token header: jwk brings a key along");
  if (dcap_json_find (header, "x5u", &value))
    return ita_refuse (error, "token-x5u", "token header: x5u names a place for certificates");
  if (dcap_json_find (header, "jku", &value))
    {
      if (!header_text (header, "jku", TEXT_MAX, &jku, error))
        return FALSE;
      if (!g_str_equal (jku, rules->key_set_url))
        return ita_refuse (error, "token-jku", "token header: jku is not the configured key set %s", rules->key_set_url);
    }
  return TRUE;
}

static gboolean
read_chain_hint (ItaToken *self, DcapJsonNode header, GError **error)
{
  DcapJsonNode chain;
  DcapJsonNode first;
  g_autofree char *text = NULL;

  if (!dcap_json_find (header, "x5c", &chain))
    return TRUE;
  if (dcap_json_type (chain) == DCAP_JSON_ARRAY && dcap_json_first (chain, &first) && dcap_json_type (first) == DCAP_JSON_STRING)
    text = dcap_json_text (first, CERTIFICATE_64, NULL);
  self->x5c = text != NULL ? teesql_base64_decode (text, -1, NULL) : NULL;
  return self->x5c != NULL || ita_refuse (error, "token-x5c", "token header: x5c is no chain of certificates");
}

static gboolean
check_type (DcapJsonNode header, GError **error)
{
  g_autofree char *type = NULL;

  if (!header_text (header, "typ", 32, &type, error))
    return FALSE;
  return type == NULL || g_ascii_strcasecmp (type, "JWT") == 0 || ita_refuse (error, "token-header", "token header: typ is not JWT");
}

static gboolean
read_kid (ItaToken *self, DcapJsonNode header, GError **error)
{
  if (!header_text (header, "kid", KID_MAX, &self->kid, NULL) || self->kid == NULL || self->kid[0] == '\0' ||
      !ita_json_is_plain (self->kid))
    return ita_refuse (error, "token-kid", "token header: kid is missing, or no name of at most %" G_GSIZE_FORMAT " characters", KID_MAX);
  return TRUE;
}

static gboolean
read_header (ItaToken *self, const Part *part, const ItaTokenRules *rules, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (DcapJson) json = NULL;
  DcapJsonNode header;

  if (part->size > HEADER_MAX * 3)
    return ita_reject (error, "token-header", "token header: %" G_GSIZE_FORMAT " characters", part->size);
  bytes = ita_base64url_decode (part->text, part->size, error);
  json = bytes != NULL ? ita_json_parse_object ("token", bytes, error) : NULL;
  if (json == NULL)
    return FALSE;
  header = dcap_json_root (json);
  return check_algorithm (self, header, rules, error) && check_type (header, error) && check_key_hints (header, rules, error) &&
         read_chain_hint (self, header, error) && read_kid (self, header, error);
}

ItaToken *
ita_token_parse (const char *text, gsize size, const ItaTokenRules *rules, GError **error)
{
  g_autoptr (ItaToken) self = g_new0 (ItaToken, 1);
  Part parts[3];

  if (size > ITA_TOKEN_MAX)
    {
      ita_reject (error, "token-size", "token: %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT " expected", size, ITA_TOKEN_MAX);
      return NULL;
    }
  if (!split (text, size, parts, error) || !read_header (self, &parts[0], rules, error))
    return NULL;
  self->signed_text = text;
  self->signed_size = parts[0].size + 1 + parts[1].size;
  self->payload_bytes = ita_base64url_decode (parts[1].text, parts[1].size, error);
  self->signature = self->payload_bytes != NULL ? ita_base64url_decode (parts[2].text, parts[2].size, error) : NULL;
  if (self->signature == NULL)
    return NULL;
  if (g_bytes_get_size (self->signature) > SIGNATURE_MAX)
    {
      ita_reject (error, "token-form", "token: a signature of %" G_GSIZE_FORMAT " bytes", g_bytes_get_size (self->signature));
      return NULL;
    }
  self->payload = ita_json_parse_object ("token", self->payload_bytes, error);
  return self->payload != NULL ? g_steal_pointer (&self) : NULL;
}
