#include "simulator/teesql-simulator.h"
#include "base/teesql-hex.h"
#include "simulator/teesql-sim-agent.h"
#include "simulator/teesql-sim-control.h"
#include "simulator/teesql-sim-json.h"
#include "simulator/teesql-sim-pccs.h"
#include <string.h>
#include <unistd.h>

struct _TeesqlSimulator
{
  char *listen;
  char *http_listen;
  char *pccs_listen;
  char *write_root;
  char *control_socket;
  TeesqlSimPlatform *platform;
  TeesqlSimGuest *guest;
  TeesqlSimState state;
  TeesqlSimCollateral collateral;
  SoupServer *agent;
  SoupServer *http_agent;
  SoupServer *pccs;
  TeesqlSimControl *control;
  gboolean listening; /* the agent's socket is ours to remove */
  char *http_uri;
  char *pccs_uri;
};

static gboolean
set_state (TeesqlSimulator *self, const TeesqlSimulatorSettings *settings, GError **error)
{
  static const char *const nothing[] = { NULL };

  return teesql_sim_quote_version_parse (settings->quote_version, &self->state.quote_version, error) &&
         teesql_sim_tcb_status_parse (settings->tcb_status, &self->state.tcb_status, error) &&
         teesql_sim_state_set_misbehave (&self->state, settings->misbehave != NULL ? settings->misbehave : nothing, error) &&
         teesql_sim_state_check (&self->state, error);
}

static gboolean
check_machine (const char *name, GError **error)
{
  gsize length = strlen (name);

  if (length > 0 && length <= 63 && strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length)
    return TRUE;
  g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-machine", 0,
                                              "machine: `%s`, expected 1 to 63 of a-z, 0-9 and -", name));
  return FALSE;
}

TeesqlSimulator *
teesql_simulator_new (const TeesqlSimulatorSettings *settings, GError **error)
{
  g_autoptr (TeesqlSimulator) self = g_new0 (TeesqlSimulator, 1);
  TeesqlSimApp *app;

  self->listen = g_strdup (settings->listen);
  self->http_listen = g_strdup (settings->http_listen);
  self->pccs_listen = g_strdup (settings->pccs_listen);
  self->write_root = g_strdup (settings->write_root);
  self->control_socket = g_strdup (settings->control_socket);
  if (!check_machine (settings->machine, error) || !set_state (self, settings, error))
    return NULL;
  self->platform = teesql_sim_platform_new (settings->platform_seed, error);
  app = self->platform != NULL ? teesql_sim_app_load (settings->app, error) : NULL;
  if (app == NULL)
    return NULL;
  self->guest = teesql_sim_guest_new (self->platform, &self->state, settings->machine, app, error);
  if (self->guest == NULL)
    return NULL;
  self->collateral = (TeesqlSimCollateral){ self->platform, &self->state, self->guest->machine->name };
  return g_steal_pointer (&self);
}

void
teesql_simulator_free (TeesqlSimulator *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->control, teesql_sim_control_free);
  g_clear_object (&self->pccs);
  g_clear_object (&self->http_agent);
  g_clear_object (&self->agent);
  if (self->listening)
    unlink (self->listen);
  g_clear_pointer (&self->guest, teesql_sim_guest_free);
  g_clear_pointer (&self->platform, teesql_sim_platform_free);
  g_free (self->listen);
  g_free (self->http_listen);
  g_free (self->pccs_listen);
  g_free (self->write_root);
  g_free (self->control_socket);
  g_free (self->http_uri);
  g_free (self->pccs_uri);
  g_free (self);
}

gboolean
teesql_simulator_write_root (const TeesqlSimulator *self, GError **error)
{
  g_autofree char *pem = NULL;

  if (self->write_root == NULL)
    return TRUE;
  pem = teesql_sim_authority_get_pem (self->platform->root);
  return g_file_set_contents_full (self->write_root, pem, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, error);
}

static gboolean
start_agent (TeesqlSimulator *self, GError **error)
{
  if (self->listen != NULL)
    {
      self->agent = teesql_sim_http_new ();
      teesql_sim_agent_attach (self->agent, self->guest, &self->state);
      if (!teesql_sim_http_listen_unix (self->agent, self->listen, error))
        return FALSE;
      self->listening = TRUE;
    }
  if (self->http_listen != NULL)
    {
      self->http_agent = teesql_sim_http_new ();
      teesql_sim_agent_attach (self->http_agent, self->guest, &self->state);
      self->http_uri = teesql_sim_http_listen_tcp (self->http_agent, self->http_listen, TRUE, error);
      return self->http_uri != NULL;
    }
  return TRUE;
}

static gboolean
start_pccs (TeesqlSimulator *self, GError **error)
{
  if (self->pccs_listen == NULL)
    return TRUE;
  self->pccs = teesql_sim_http_new ();
  teesql_sim_pccs_attach (self->pccs, &self->collateral, &self->state);
  self->pccs_uri = teesql_sim_http_listen_tcp (self->pccs, self->pccs_listen, FALSE, error);
  return self->pccs_uri != NULL;
}

gboolean
teesql_simulator_start (TeesqlSimulator *self, GError **error)
{
  if (!teesql_simulator_write_root (self, error) || !start_agent (self, error) || !start_pccs (self, error))
    return FALSE;
  if (self->control_socket != NULL)
    self->control = teesql_sim_control_new (self->control_socket, &self->state, error);
  return self->control_socket == NULL || self->control != NULL;
}

static void
add_optional (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  if (value != NULL)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

char *
teesql_simulator_get_ready_line (const TeesqlSimulator *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  teesql_sim_json_add_boolean (builder, "ready", TRUE);
  add_optional (builder, "agent", self->listen);
  add_optional (builder, "http", self->http_uri);
  add_optional (builder, "pccs", self->pccs_uri);
  add_optional (builder, "root", self->write_root);
  add_optional (builder, "control", self->control_socket);
  json_builder_end_object (builder);
  return teesql_sim_json_end (builder, FALSE);
}

static void
add_measurements (JsonBuilder *builder, const TeesqlSimGuest *guest)
{
  static const char *const names[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3" };

  teesql_sim_json_add_hex (builder, "mrtd", guest->machine->mr_td, 48);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    teesql_sim_json_add_hex (builder, names[i], guest->machine->rtmr[i], 48);
  teesql_sim_json_add_hex (builder, "mrseam", guest->platform->mr_seam, 48);
  teesql_sim_json_add_hex (builder, "os_image_hash", guest->app->os_image_hash, 32);
  teesql_sim_json_add_hex (builder, "compose_hash", guest->app->compose_hash, 32);
  teesql_sim_json_add_hex (builder, "app_id", guest->app->app_id, TEESQL_SIM_APP_ID_SIZE);
  teesql_sim_json_add_hex (builder, "instance_id", guest->machine->instance_id, 20);
}

static gboolean
add_platform (JsonBuilder *builder, const TeesqlSimulator *self, GError **error)
{
  g_autoptr (GBytes) root_key = teesql_sim_key_get_spki (self->platform->root->key);
  guint8 ppid[TEESQL_SIM_PPID_SIZE];
  guint8 digest[32];
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (root_key, &size);

  if (!teesql_sim_platform_derive (self->platform, "ppid", self->guest->machine->name, ppid, sizeof ppid, error))
    return FALSE;
  teesql_sim_json_add_hex (builder, "fmspc", self->platform->fmspc, sizeof self->platform->fmspc);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, ppid, sizeof ppid);
  teesql_sim_json_add_hex (builder, "platform", digest, sizeof digest);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, data, size);
  teesql_sim_json_add_hex (builder, "root_spki_sha256", digest, sizeof digest);
  add_optional (builder, "root", self->write_root);
  return TRUE;
}

char *
teesql_simulator_describe (const TeesqlSimulator *self, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *key_provider = teesql_sim_guest_get_key_provider (self->guest);

  json_builder_begin_object (builder);
  teesql_sim_json_add_int (builder, "schema", 1);
  teesql_sim_json_add_boolean (builder, "simulator", TRUE);
  teesql_sim_json_add_string (builder, "machine", self->guest->machine->name);
  teesql_sim_json_add_string (builder, "app_name", self->guest->app->name);
  add_measurements (builder, self->guest);
  teesql_sim_json_add_string (builder, "key_provider", key_provider);
  if (!add_platform (builder, self, error))
    return NULL;
  json_builder_end_object (builder);
  return teesql_sim_json_end (builder, TRUE);
}

const char *
teesql_simulator_get_pccs (const TeesqlSimulator *self)
{
  return self->pccs_uri;
}

const char *
teesql_simulator_get_http (const TeesqlSimulator *self)
{
  return self->http_uri;
}

TeesqlSimState *
teesql_simulator_get_state (TeesqlSimulator *self)
{
  return &self->state;
}

const TeesqlSimGuest *
teesql_simulator_get_guest (const TeesqlSimulator *self)
{
  return self->guest;
}
