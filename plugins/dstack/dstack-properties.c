#include "dstack-properties.h"

#define FLAGS          (G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)
#define TIMEOUT_MIN_MS 100
#define TIMEOUT_MAX_MS (10 * 60 * 1000)

GParamSpec *
dstack_property_endpoint (void)
{
  return g_param_spec_string ("endpoint", NULL, "Socket of the guest agent, http:// URL, or auto: the known places", "auto", FLAGS);
}

GParamSpec *
dstack_property_timeout (const char *name, const char *blurb, guint default_ms)
{
  GParamSpec *spec = g_param_spec_uint (name, NULL, blurb, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS, default_ms, FLAGS);

  g_param_spec_set_qdata (spec, g_quark_from_static_string ("teesql-unit"), (gpointer) "ms");
  return spec;
}
