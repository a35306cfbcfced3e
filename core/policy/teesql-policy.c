#include "policy/teesql-policy-private.h"

#include "base/teesql-digest.h"
#include "base/teesql-domains.h"

G_DEFINE_BOXED_TYPE (TeesqlPolicy, teesql_policy, teesql_policy_ref, teesql_policy_unref)

const TeesqlPinRule teesql_pin_rules[TEESQL_N_PINS] = {
  [TEESQL_PIN_MRTD] = { "allowed-mrtd", "MRTD", "mrtd-not-allowed", FALSE },
  [TEESQL_PIN_OS_IMAGE_HASH] = { "allowed-os-image-hash", "OS image hash", "os-image-hash-not-allowed", TRUE },
  [TEESQL_PIN_RTMR1] = { "allowed-rtmr1", "RTMR1", "rtmr1-not-allowed", FALSE },
  [TEESQL_PIN_RTMR2] = { "allowed-rtmr2", "RTMR2", "rtmr2-not-allowed", FALSE },
  [TEESQL_PIN_COMPOSE_HASH] = { "allowed-compose-hash", "compose hash", "compose-hash-not-allowed", TRUE },
  [TEESQL_PIN_RTMR3] = { "allowed-rtmr3", "RTMR3", "rtmr3-not-allowed", FALSE },
  [TEESQL_PIN_KEY_PROVIDER] = { "allowed-key-provider", "key provider", "key-provider-not-allowed", TRUE },
  [TEESQL_PIN_APP_ID] = { "allowed-app-id", "app id", "app-id-not-allowed", TRUE },
  [TEESQL_PIN_INSTANCE_ID] = { "allowed-instance-id", "instance id", "instance-id-not-allowed", TRUE },
  [TEESQL_PIN_RTMR0] = { "allowed-rtmr0", "RTMR0", "rtmr0-not-allowed", FALSE },
  [TEESQL_PIN_MRSEAM] = { "allowed-mrseam", "MRSEAM", "mrseam-not-allowed", FALSE },
  [TEESQL_PIN_FMSPC] = { "allowed-fmspc", "FMSPC", "fmspc-not-allowed", FALSE },
  [TEESQL_PIN_PLATFORM] = { "allowed-platform", "platform", "platform-not-allowed", FALSE },
};

/* SR-6: what must be settled, and by which pins: any one column, all of its pins. */
typedef struct
{
  const char *label;
  TeesqlPinKind first[2];
  TeesqlPinKind second[2];
} Identity;

static const Identity identities[] = {
  { "firmware (allowed-mrtd)", { TEESQL_PIN_MRTD, TEESQL_PIN_MRTD }, { TEESQL_PIN_MRTD, TEESQL_PIN_MRTD } },
  { "system (allowed-os-image-hash, or allowed-rtmr1 and allowed-rtmr2)",
    { TEESQL_PIN_OS_IMAGE_HASH, TEESQL_PIN_OS_IMAGE_HASH },
    { TEESQL_PIN_RTMR1, TEESQL_PIN_RTMR2 } },
  { "application (allowed-compose-hash, or allowed-rtmr3)",
    { TEESQL_PIN_COMPOSE_HASH, TEESQL_PIN_COMPOSE_HASH },
    { TEESQL_PIN_RTMR3, TEESQL_PIN_RTMR3 } },
  { "keys (allowed-key-provider)",
    { TEESQL_PIN_KEY_PROVIDER, TEESQL_PIN_KEY_PROVIDER },
    { TEESQL_PIN_KEY_PROVIDER, TEESQL_PIN_KEY_PROVIDER } },
};

/* Session evidence alone proves these (design 6); until it exists a pin on one would promise what nothing checks. */
static const char *const unproved_keys[] = { "allowed-cluster-id", "allowed-config-digest", "allowed-generation" };

static const char *const tcb_words[] = {
  [TEESQL_TCB_STATUS_UP_TO_DATE] = "UpToDate",
  [TEESQL_TCB_STATUS_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
  [TEESQL_TCB_STATUS_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
  [TEESQL_TCB_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
  [TEESQL_TCB_STATUS_OUT_OF_DATE] = "OutOfDate",
  [TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
  [TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
  [TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
};

const char *
teesql_tcb_status_to_text (TeesqlTcbStatus status)
{
  return (guint) status < G_N_ELEMENTS (tcb_words) ? tcb_words[status] : NULL;
}

static gboolean config_error (TeesqlConfig *config, const char *group, const char *key, const char *reason, GError **error,
                              const char *format, ...) G_GNUC_PRINTF (6, 7);

static gboolean
config_error (TeesqlConfig *config, const char *group, const char *key, const char *reason, GError **error, const char *format, ...)
{
  g_autofree char *where = teesql_config_describe (config, group, key);
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_propagate_error (error, teesql_error_new (TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG, reason, 0, "%s: %s", where, text));
  return FALSE;
}

static gboolean
check_unproved (TeesqlConfig *config, const char *group, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (unproved_keys); i++)
    if (teesql_config_is_set (config, group, unproved_keys[i]) && !teesql_config_is_any (config, group, unproved_keys[i]))
      return config_error (config, group, unproved_keys[i], "policy-unproved", error,
                           "only session evidence proves it, until then only any is taken");
  return TRUE;
}

static gboolean
read_tcb (TeesqlPolicy *self, TeesqlConfig *config, const char *group, GError **error)
{
  const char *const *words = teesql_config_get_list (config, group, "accepted-tcb-status");

  for (; *words != NULL; words++)
    {
      guint bit = 0;

      for (guint i = 1; i < G_N_ELEMENTS (tcb_words); i++)
        if (strcmp (*words, tcb_words[i]) == 0)
          bit = 1u << i;
      if (bit == 0)
        return config_error (config, group, "accepted-tcb-status", "policy-tcb-status", error, "%s is no status that can be accepted",
                             *words);
      self->accepted_tcb |= bit;
    }
  return TRUE;
}

static void
read_pins (TeesqlPolicy *self, TeesqlConfig *config, const char *group)
{
  g_autoptr (GStrvBuilder) any = g_strv_builder_new ();

  for (guint i = 0; i < TEESQL_N_PINS; i++)
    {
      const char *key = teesql_pin_rules[i].key;
      TeesqlPin *pin = &self->pins[i];

      pin->written = teesql_config_is_set (config, group, key);
      pin->any = teesql_config_is_any (config, group, key);
      pin->values = g_strdupv ((char **) teesql_config_get_list (config, group, key));
      if (pin->any && pin->written)
        g_strv_builder_add (any, key);
    }
  self->any_keys = g_strv_builder_end (any);
}

static gboolean
is_settled (const TeesqlPin *pin)
{
  return pin->any || pin->values[0] != NULL;
}

static gboolean
identity_is_settled (const TeesqlPolicy *self, const Identity *identity)
{
  return (is_settled (&self->pins[identity->first[0]]) && is_settled (&self->pins[identity->first[1]])) ||
         (is_settled (&self->pins[identity->second[0]]) && is_settled (&self->pins[identity->second[1]]));
}

static void
find_unsettled (TeesqlPolicy *self)
{
  g_autoptr (GStrvBuilder) unsettled = g_strv_builder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (identities); i++)
    if (!identity_is_settled (self, &identities[i]))
      g_strv_builder_add (unsettled, identities[i].label);
  /* A pin that was written down and left empty names nobody, also where another one settles the same question. */
  for (guint i = 0; i < TEESQL_N_PINS; i++)
    if (self->pins[i].written && !is_settled (&self->pins[i]))
      {
        g_autofree char *text = g_strdup_printf ("%s (empty)", teesql_pin_rules[i].key);

        g_strv_builder_add (unsettled, text);
      }
  self->unsettled = g_strv_builder_end (unsettled);
}

/* Every text with its length in front, so that no two policies share a form. */
static void
put_text (GByteArray *out, const char *text)
{
  guint32 size_be = GUINT32_TO_BE ((guint32) strlen (text));

  g_byte_array_append (out, (const guint8 *) &size_be, sizeof size_be);
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text));
}

static void
put_number (GByteArray *out, gint64 number)
{
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, number);

  put_text (out, text);
}

static void
put_list (GByteArray *out, char **values)
{
  put_number (out, g_strv_length (values));
  for (; *values != NULL; values++)
    put_text (out, *values);
}

static void
make_digest (TeesqlPolicy *self)
{
  g_autoptr (GByteArray) form = g_byte_array_new ();

  put_text (form, "teesql-policy-v1");
  put_text (form, self->name);
  for (guint i = 0; i < TEESQL_N_PINS; i++)
    {
      put_text (form, teesql_pin_rules[i].key);
      put_number (form, (self->pins[i].any ? 1 : 0) | (self->pins[i].written ? 2 : 0));
      put_list (form, self->pins[i].values);
    }
  put_number (form, self->accepted_tcb);
  put_list (form, self->refused_advisories);
  put_number (form, self->min_tcb_evaluation);
  put_number (form, self->max_collateral_age_s);
  put_number (form, self->accept_migratable);
  put_number (form, self->accept_legacy);
  put_number (form, self->verdict_ttl_ms);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, self->digest, form->data, form->len);
}

TeesqlPolicy *
teesql_policy_new_from_config (TeesqlConfig *config, const char *name, GError **error)
{
  g_autoptr (TeesqlPolicy) self = g_new0 (TeesqlPolicy, 1);
  g_autofree char *group = g_strconcat ("policy:", name, NULL);

  g_atomic_ref_count_init (&self->ref_count);
  self->name = g_strdup (name);
  if (!check_unproved (config, group, error) || !read_tcb (self, config, group, error))
    return NULL;
  read_pins (self, config, group);
  self->refused_advisories = g_strdupv ((char **) teesql_config_get_list (config, group, "refused-advisories"));
  self->min_tcb_evaluation = teesql_config_get_integer (config, group, "min-tcb-evaluation");
  self->max_collateral_age_s = teesql_config_get_duration_ms (config, group, "max-collateral-age") / 1000;
  self->accept_migratable = teesql_config_get_boolean (config, group, "accept-migratable");
  self->accept_legacy = teesql_config_get_boolean (config, group, "accept-legacy-evidence");
  self->verdict_ttl_ms = teesql_config_get_duration_ms (config, group, "verdict-ttl");
  find_unsettled (self);
  make_digest (self);
  return g_steal_pointer (&self);
}

TeesqlPolicy *
teesql_policy_ref (TeesqlPolicy *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
teesql_policy_unref (TeesqlPolicy *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  for (guint i = 0; i < TEESQL_N_PINS; i++)
    g_strfreev (self->pins[i].values);
  g_strfreev (self->refused_advisories);
  g_strfreev (self->unsettled);
  g_strfreev (self->any_keys);
  g_free (self->name);
  g_free (self);
}

const char *
teesql_policy_get_name (const TeesqlPolicy *self)
{
  return self->name;
}

const char *const *
teesql_policy_get_unsettled (const TeesqlPolicy *self)
{
  return (const char *const *) self->unsettled;
}

const char *const *
teesql_policy_get_any (const TeesqlPolicy *self)
{
  return (const char *const *) self->any_keys;
}

guint
teesql_policy_get_verdict_ttl_ms (const TeesqlPolicy *self)
{
  return self->verdict_ttl_ms;
}

gboolean
teesql_policy_needs_event_log (const TeesqlPolicy *self)
{
  for (guint i = 0; i < TEESQL_N_PINS; i++)
    if (teesql_pin_rules[i].from_log && self->pins[i].values[0] != NULL)
      return TRUE;
  return FALSE;
}

const guint8 *
teesql_policy_get_digest (const TeesqlPolicy *self)
{
  return self->digest;
}
