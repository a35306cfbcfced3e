#include "dcap-options.h"

#include "base/teesql-log.h"
#include "dcap-disk.h"
#include "dcap-error.h"

#define FLAGS    (G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)
#define MAX_FILE ((gsize) 65536)

#define MINUTE_MS (60u * 1000)
#define DAY_MS    (24u * 60 * MINUTE_MS)

enum
{
  PROP_TRUSTED_ROOT = 1,
  PROP_COLLATERAL_URL,
  PROP_ROOT_CRL_URL,
  PROP_COLLATERAL_CA,
  PROP_COLLATERAL_FILE,
  PROP_TCB_UPDATE,
  PROP_CACHE_DIRECTORY,
  PROP_FETCH_TIMEOUT,
  PROP_REFRESH_AFTER,
  PROP_FUTURE_ISSUE_DATE,
};

static const struct
{
  guint id;
  const char *name;
  const char *blurb;
  const char *value;
} texts[] = {
  { PROP_TRUSTED_ROOT, "trusted-root", "Trust anchor: intel, or a PEM file with one root certificate", "intel" },
  { PROP_COLLATERAL_URL, "collateral-url", "Base address of Intel's service or of a PCCS, or none",
    "https://api.trustedservices.intel.com" },
  { PROP_ROOT_CRL_URL, "root-crl-url", "Where the root CRL comes from; auto: Intel's place for Intel's service, /rootcacrl for a PCCS",
    "auto" },
  { PROP_COLLATERAL_CA, "collateral-ca", "PEM file with the authority of an https collateral-url", "none" },
  { PROP_COLLATERAL_FILE, "collateral-file", "Never fetch: a bundle file, or a folder of answers of Intel's service", "none" },
  { PROP_TCB_UPDATE, "tcb-update", "Which of Intel's sets decides: standard or early", "standard" },
  { PROP_CACHE_DIRECTORY, "cache-directory", "Folder in which collateral survives restarts, or none", "/var/cache/teesql/dcap" },
};

static const struct
{
  guint id;
  const char *name;
  const char *blurb;
  guint min;
  guint max;
  guint value;
} durations[] = {
  { PROP_FETCH_TIMEOUT, "fetch-timeout", "Longest time for one item", 100, 10 * MINUTE_MS, 10 * 1000 },
  { PROP_REFRESH_AFTER, "refresh-after", "Fetch again after, or at half of the remaining life if sooner", 1000, 30 * DAY_MS, DAY_MS },
  { PROP_FUTURE_ISSUE_DATE, "future-issue-date", "By how much an issue date may lie in the future", 0, 5 * MINUTE_MS, 0 },
};

void
dcap_options_install (GObjectClass *klass)
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
}

static void
set_text (char **place, const GValue *value)
{
  const char *text = g_value_get_string (value);

  g_free (*place);
  *place = text == NULL || g_str_equal (text, "none") || g_str_equal (text, "auto") ? NULL : g_strdup (text);
}

gboolean
dcap_options_is_property (guint property_id)
{
  return property_id >= PROP_TRUSTED_ROOT && property_id <= PROP_FUTURE_ISSUE_DATE;
}

void
dcap_options_set (DcapOptions *self, guint property_id, const GValue *value)
{
  char **const places[] = {
    [PROP_TRUSTED_ROOT] = &self->trusted_root,       [PROP_COLLATERAL_URL] = &self->collateral_url,
    [PROP_ROOT_CRL_URL] = &self->root_crl_url,       [PROP_COLLATERAL_CA] = &self->collateral_ca,
    [PROP_COLLATERAL_FILE] = &self->collateral_file, [PROP_TCB_UPDATE] = &self->tcb_update,
    [PROP_CACHE_DIRECTORY] = &self->cache_directory,
  };

  if (property_id == PROP_FETCH_TIMEOUT)
    self->fetch_timeout_ms = g_value_get_uint (value);
  else if (property_id == PROP_REFRESH_AFTER)
    self->refresh_after_ms = g_value_get_uint (value);
  else if (property_id == PROP_FUTURE_ISSUE_DATE)
    self->future_issue_date_ms = g_value_get_uint (value);
  else
    set_text (places[property_id], value);
}

static gboolean
resolve_trust (DcapOptions *self, GError **error)
{
  g_autofree char *pem = NULL;
  gsize size = 0;
  g_autoptr (GError) cause = NULL;

  if (self->trusted_root == NULL || g_str_equal (self->trusted_root, "intel"))
    {
      dcap_trust_init_intel (&self->trust);
      return TRUE;
    }
  if (!g_file_get_contents (self->trusted_root, &pem, &size, &cause))
    return dcap_fail (error, TEESQL_ERROR_CONFIG, "trusted-root", "trusted root: %s", cause->message);
  if (size > MAX_FILE)
    return dcap_fail (error, TEESQL_ERROR_CONFIG, "trusted-root", "trusted root %s: too large", self->trusted_root);
  if (!dcap_trust_init_pem (&self->trust, pem, size, error))
    return FALSE;
  if (!self->trust.is_intel)
    teesql_log_warning ("dcap", "EXTERNAL TRUST: quotes are verified to the root in %s, not to Intel's", self->trusted_root);
  return TRUE;
}

static gboolean
resolve_update (DcapOptions *self, GError **error)
{
  const char *word = self->tcb_update != NULL ? self->tcb_update : "standard";

  self->early = g_str_equal (word, "early");
  if (!self->early && !g_str_equal (word, "standard"))
    return dcap_fail (error, TEESQL_ERROR_CONFIG, "tcb-update", "tcb-update: %s, expected standard or early", word);
  return TRUE;
}

static gboolean
resolve_ca (DcapOptions *self, GError **error)
{
  g_autoptr (GError) cause = NULL;

  if (self->collateral_ca == NULL)
    return TRUE;
  self->ca = g_tls_file_database_new (self->collateral_ca, &cause);
  if (self->ca == NULL)
    return dcap_fail (error, TEESQL_ERROR_CONFIG, "collateral-ca", "collateral-ca %s: %s", self->collateral_ca, cause->message);
  return TRUE;
}

/* Without its folder the verifier still works; it forgets the highest numbers seen when it ends, and that is said. */
static void
resolve_cache (DcapOptions *self)
{
  g_autoptr (GError) error = NULL;

  if (self->cache_directory == NULL || self->collateral_file != NULL)
    return;
  if (dcap_disk_prepare (self->cache_directory, &error))
    return;
  teesql_log_warning ("dcap", "%s; collateral is kept in memory only", error->message);
  g_clear_pointer (&self->cache_directory, g_free);
}

gboolean
dcap_options_resolve (DcapOptions *self, GError **error)
{
  if (!resolve_trust (self, error) || !resolve_update (self, error) || !resolve_ca (self, error))
    return FALSE;
  resolve_cache (self);
  return TRUE;
}

void
dcap_options_clear (DcapOptions *self)
{
  g_clear_pointer (&self->trusted_root, g_free);
  g_clear_pointer (&self->collateral_url, g_free);
  g_clear_pointer (&self->root_crl_url, g_free);
  g_clear_pointer (&self->collateral_ca, g_free);
  g_clear_pointer (&self->collateral_file, g_free);
  g_clear_pointer (&self->tcb_update, g_free);
  g_clear_pointer (&self->cache_directory, g_free);
  g_clear_object (&self->ca);
}
