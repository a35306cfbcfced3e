#include "ita-options.h"

#include "../cloud/cloud-uri.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"
#include "ita-error.h"
#include <string.h>

#define FLAGS       (G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)
#define MINUTE_MS   (60u * 1000)
#define DAY_MS      (24u * 60 * MINUTE_MS)
#define N_POLICIES  10u
#define API_KEY_MAX ((gsize) 512)
#define PEM_MAX     ((gsize) 65536)

#define config_error(error, ...) ita_fail (error, TEESQL_ERROR_CONFIG, __VA_ARGS__)

enum
{
  PROP_REGION = 1,
  PROP_BASE_URL,
  PROP_JWKS_URL,
  PROP_ISSUER,
  PROP_PROXY,
  PROP_CA_FILE,
  PROP_PINNED_ROOT,
  PROP_TRUSTED_ROOT,
  PROP_API_KEY,
  PROP_POLICY_IDS,
  PROP_ALLOW_RS256,
  PROP_MAX_TOKEN_AGE,
  PROP_KEY_LIFETIME,
  PROP_TIMEOUT,
  N_PROPS
};

static const struct
{
  guint id;
  const char *name;
  const char *blurb;
  const char *value;
  gsize place;
} texts[] = {
  { PROP_REGION, "region", "Which of Intel's two authorities: us or eu", "us", G_STRUCT_OFFSET (ItaOptions, region) },
  { PROP_BASE_URL, "base-url", "Another authority's API, https; only together with jwks-url. It taints", "auto",
    G_STRUCT_OFFSET (ItaOptions, base_text) },
  { PROP_JWKS_URL, "jwks-url", "Where its key set is, https; tokens never say where", "auto", G_STRUCT_OFFSET (ItaOptions, keys_text) },
  { PROP_ISSUER, "issuer", "What iss of its tokens must be; auto: jwks-url without /certs", "auto",
    G_STRUCT_OFFSET (ItaOptions, issuer_text) },
  { PROP_PROXY, "proxy", "Proxy to go through, http://HOST:PORT, or none; the environment is never asked", "none",
    G_STRUCT_OFFSET (ItaOptions, proxy) },
  { PROP_CA_FILE, "ca-file", "PEM file with the authorities of https servers, instead of the system's. It taints", "none",
    G_STRUCT_OFFSET (ItaOptions, ca_file) },
  { PROP_PINNED_ROOT, "pinned-root", "SHA-256 of the root certificate that keys of tokens must lead to, 64 hex digits, or none", "none",
    G_STRUCT_OFFSET (ItaOptions, pinned_root_text) },
  { PROP_TRUSTED_ROOT, "trusted-root", "Root that a quote must lead to before it is sent anywhere: intel, or a PEM file", "intel",
    G_STRUCT_OFFSET (ItaOptions, trusted_root) },
};

static const struct
{
  guint id;
  const char *name;
  const char *blurb;
  guint min;
  guint max;
  guint value;
  gsize place;
} durations[] = {
  { PROP_MAX_TOKEN_AGE, "max-token-age", "Oldest token that is taken, whatever its exp", 1000, DAY_MS, 10 * MINUTE_MS,
    G_STRUCT_OFFSET (ItaOptions, max_token_age_ms) },
  { PROP_KEY_LIFETIME, "key-lifetime", "How long a fetched key set is good for", 1000, DAY_MS, DAY_MS,
    G_STRUCT_OFFSET (ItaOptions, key_lifetime_ms) },
  { PROP_TIMEOUT, "timeout", "Longest time for one answer", 100, 10 * MINUTE_MS, 10 * 1000, G_STRUCT_OFFSET (ItaOptions, timeout_ms) },
};

static const struct
{
  const char *region;
  const char *base_url;
  const char *issuer;
} regions[] = {
  { "us", "https://api.trustauthority.intel.com", "https://portal.trustauthority.intel.com" },
  { "eu", "https://api.eu.trustauthority.intel.com", "https://portal.eu.trustauthority.intel.com" },
};

void
ita_options_install (GObjectClass *klass)
{
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_object_class_install_property (klass, texts[i].id, g_param_spec_string (texts[i].name, NULL, texts[i].blurb, texts[i].value, FLAGS));
  for (guint i = 0; i < G_N_ELEMENTS (durations); i++)
    {
      GParamSpec *spec =
          g_param_spec_uint (durations[i].name, NULL, durations[i].blurb, durations[i].min, durations[i].max, durations[i].value, FLAGS);

      g_param_spec_set_qdata (spec, g_quark_from_static_string ("teesql-unit"), (gpointer) "ms");
      g_object_class_install_property (klass, durations[i].id, spec);
    }
  g_object_class_install_property (klass, PROP_API_KEY,
                                   g_param_spec_boxed ("api-key", NULL, "Attestation API key (required)", TEESQL_TYPE_SECRET, FLAGS));
  g_object_class_install_property (klass, PROP_POLICY_IDS,
                                   g_param_spec_boxed ("policy-ids", NULL, "Policies of the authority that must match, UUIDs, or none",
                                                       G_TYPE_STRV, FLAGS));
  g_object_class_install_property (klass, PROP_ALLOW_RS256,
                                   g_param_spec_boolean ("allow-rs256", NULL, "Tokens signed with RS256 beside those with PS384", FALSE,
                                                         FLAGS));
}

gboolean
ita_options_is_property (guint property_id)
{
  return property_id >= PROP_REGION && property_id < N_PROPS;
}

static void
set_text (ItaOptions *self, guint property_id, const GValue *value)
{
  const char *text = g_value_get_string (value);
  const gboolean absent = text == NULL || text[0] == '\0' || g_str_equal (text, "none") || g_str_equal (text, "auto");

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      char **place = G_STRUCT_MEMBER_P (self, texts[i].place);

      if (texts[i].id != property_id)
        continue;
      g_free (*place);
      *place = absent ? NULL : g_strdup (text);
    }
}

static void
set_duration (ItaOptions *self, guint property_id, const GValue *value)
{
  for (guint i = 0; i < G_N_ELEMENTS (durations); i++)
    if (durations[i].id == property_id)
      *(guint *) G_STRUCT_MEMBER_P (self, durations[i].place) = g_value_get_uint (value);
}

static void
set_policies (ItaOptions *self, const GValue *value)
{
  const char *const *ids = g_value_get_boxed (value);
  const gboolean none = ids != NULL && ids[0] != NULL && ids[1] == NULL && g_str_equal (ids[0], "none");

  g_strfreev (self->policy_ids);
  self->policy_ids = none ? NULL : g_strdupv ((char **) ids);
}

void
ita_options_set (ItaOptions *self, guint property_id, const GValue *value)
{
  switch (property_id)
    {
    case PROP_API_KEY:
      g_clear_pointer (&self->api_key, teesql_secret_unref);
      self->api_key = g_value_dup_boxed (value);
      break;
    case PROP_POLICY_IDS:
      set_policies (self, value);
      break;
    case PROP_ALLOW_RS256:
      self->allow_rs256 = g_value_get_boolean (value);
      break;
    default:
      if (property_id >= PROP_MAX_TOKEN_AGE)
        set_duration (self, property_id, value);
      else
        set_text (self, property_id, value);
      break;
    }
}

/* --- what was written, judged -------------------------------------------------------------------------------------- */

/* The API key and the trust in the keys travel here: in the clear only where they do not leave the machine. */
static gboolean
check_url (const char *text, const char *option, gboolean with_path, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (text, G_URI_FLAGS_NONE, NULL);
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;
  const char *path = uri != NULL ? g_uri_get_path (uri) : "";
  gboolean safe = uri != NULL && g_str_equal (g_uri_get_scheme (uri), "https");

  if (!safe && uri != NULL && g_str_equal (g_uri_get_scheme (uri), "http"))
    safe = g_strcmp0 (host, "127.0.0.1") == 0 || g_strcmp0 (host, "::1") == 0;
  if (!safe || host == NULL || host[0] == '\0' || g_uri_get_userinfo (uri) != NULL || g_uri_get_query (uri) != NULL ||
      g_uri_get_fragment (uri) != NULL || (!with_path && path[0] != '\0' && !g_str_equal (path, "/")))
    return config_error (error, "ita-url", "%s: \"%s\" is no address\nhint: https://HOST[:PORT]%s; http:// only to 127.0.0.1 or [::1]",
                         option, text, with_path ? "/PATH" : "");
  return TRUE;
}

static char *
without_suffix (const char *text, const char *suffix)
{
  return g_str_has_suffix (text, suffix) ? g_strndup (text, strlen (text) - strlen (suffix)) : g_strdup (text);
}

static gboolean
resolve_region (ItaOptions *self, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (regions); i++)
    if (g_str_equal (regions[i].region, self->region != NULL ? self->region : "us"))
      {
        self->base_url = g_strdup (regions[i].base_url);
        self->key_set_url = g_strconcat (regions[i].issuer, "/certs", NULL);
        self->issuer = g_strdup (regions[i].issuer);
        return self->issuer_text == NULL ||
               config_error (error, "ita-url", "issuer: %s, beside an authority of Intel's", self->issuer_text);
      }
  return config_error (error, "ita-region", "region: %s, expected us or eu", self->region);
}

static gboolean
is_intels (const ItaOptions *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (regions); i++)
    {
      g_autofree char *keys = g_strconcat (regions[i].issuer, "/certs", NULL);

      if (g_str_equal (self->base_url, regions[i].base_url) && g_str_equal (self->key_set_url, keys) &&
          g_str_equal (self->issuer, regions[i].issuer))
        return TRUE;
    }
  return FALSE;
}

static gboolean
resolve_urls (ItaOptions *self, GError **error)
{
  if ((self->base_text == NULL) != (self->keys_text == NULL))
    return config_error (error, "ita-url", "base-url and jwks-url: one without the other would mix two authorities");
  if (self->base_text == NULL)
    return resolve_region (self, error);
  if (!check_url (self->base_text, "base-url", FALSE, error) || !check_url (self->keys_text, "jwks-url", TRUE, error))
    return FALSE;
  self->base_url = without_suffix (self->base_text, "/");
  self->key_set_url = g_strdup (self->keys_text);
  if (self->issuer_text == NULL && !g_str_has_suffix (self->keys_text, "/certs"))
    return config_error (error, "ita-url", "issuer: cannot be told from jwks-url, which does not end in /certs");
  self->issuer = self->issuer_text != NULL ? g_strdup (self->issuer_text) : without_suffix (self->keys_text, "/certs");
  return TRUE;
}

static gboolean
resolve_trust (ItaOptions *self, GError **error)
{
  g_autofree char *pem = NULL;
  g_autoptr (GError) cause = NULL;
  gsize size = 0;

  if (self->trusted_root == NULL || g_str_equal (self->trusted_root, "intel"))
    {
      dcap_trust_init_intel (&self->trust);
      return TRUE;
    }
  if (!g_file_get_contents (self->trusted_root, &pem, &size, &cause))
    return config_error (error, "trusted-root", "trusted root: %s", cause->message);
  if (size > PEM_MAX)
    return config_error (error, "trusted-root", "trusted root %s: too large", self->trusted_root);
  return dcap_trust_init_pem (&self->trust, pem, size, error);
}

/* The keys of tokens are believed because of the server they come from, so whoever names its certificate could name the keys. */
static void
resolve_taint (ItaOptions *self)
{
  if (!is_intels (self))
    self->taint = g_strconcat ("trust authority ", self->base_url, NULL);
  else if (self->ca_file != NULL)
    self->taint = g_strconcat ("trust authority behind ca-file ", self->ca_file, NULL);
  else if (!self->trust.is_intel)
    self->taint = g_strconcat ("trusted-root ", self->trusted_root, NULL);
  if (self->taint != NULL)
    teesql_log_warning ("ita", "EXTERNAL TRUST: %s", self->taint);
}

static gboolean
resolve_api_key (const ItaOptions *self, GError **error)
{
  gsize size = 0;
  const guint8 *key = self->api_key != NULL ? teesql_secret_peek (self->api_key, &size) : NULL;

  if (size == 0 || size > API_KEY_MAX)
    return config_error (error, "ita-api-key", "api-key: an attestation API key of at most %" G_GSIZE_FORMAT " bytes is needed",
                         API_KEY_MAX);
  for (gsize i = 0; i < size; i++)
    if (key[i] < 0x21 || key[i] > 0x7e)
      return config_error (error, "ita-api-key", "api-key: holds a byte that no such key has");
  return TRUE;
}

static gboolean
resolve_policies (const ItaOptions *self, GError **error)
{
  const guint n = self->policy_ids != NULL ? g_strv_length (self->policy_ids) : 0;

  for (guint i = 0; i < n; i++)
    if (!g_uuid_string_is_valid (self->policy_ids[i]))
      return config_error (error, "ita-policy-ids", "policy-ids: %s is no UUID", self->policy_ids[i]);
  return n <= N_POLICIES || config_error (error, "ita-policy-ids", "policy-ids: %u of them, at most %u", n, N_POLICIES);
}

static gboolean
resolve_files (ItaOptions *self, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (self->ca_file != NULL)
    {
      self->ca = g_tls_file_database_new (self->ca_file, &cause);
      if (self->ca == NULL)
        return config_error (error, "ita-ca-file", "ca-file %s: %s", self->ca_file, cause->message);
    }
  self->has_pinned_root = self->pinned_root_text != NULL;
  if (self->has_pinned_root && !teesql_hex_decode_into (self->pinned_root_text, -1, self->pinned_root, sizeof self->pinned_root, NULL))
    return config_error (error, "ita-pinned-root", "pinned-root: expected 64 hex digits");
  return TRUE;
}

static gboolean
resolve_proxy (const ItaOptions *self, GError **error)
{
  g_auto (CloudEndpoint) endpoint = { 0 };

  if (self->proxy == NULL || (cloud_endpoint_parse (self->proxy, "proxy", &endpoint, NULL) && !endpoint.https))
    return TRUE;
  return config_error (error, "ita-proxy", "proxy: \"%s\" is no address\nhint: http://HOST:PORT", self->proxy);
}

gboolean
ita_options_resolve (ItaOptions *self, GError **error)
{
  if (!resolve_urls (self, error) || !resolve_api_key (self, error) || !resolve_policies (self, error) || !resolve_proxy (self, error) ||
      !resolve_files (self, error) || !resolve_trust (self, error))
    return FALSE;
  resolve_taint (self);
  return TRUE;
}

void
ita_options_clear (ItaOptions *self)
{
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_clear_pointer ((char **) G_STRUCT_MEMBER_P (self, texts[i].place), g_free);
  g_clear_pointer (&self->api_key, teesql_secret_unref);
  g_clear_pointer (&self->policy_ids, g_strfreev);
  g_clear_pointer (&self->base_url, g_free);
  g_clear_pointer (&self->key_set_url, g_free);
  g_clear_pointer (&self->issuer, g_free);
  g_clear_pointer (&self->taint, g_free);
  g_clear_object (&self->ca);
}
