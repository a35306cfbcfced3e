#include "cli/teesql-cli-client.h"
#include "cli/teesql-cli-plugin-folder.h"
#include "base/teesql-domains.h"
#include <glib/gstdio.h>

typedef struct
{
  GAsyncResult *result;
} Waiter;

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Waiter *waiter = user_data;

  waiter->result = g_object_ref (result);
}

static GAsyncResult *
waiter_wait (Waiter *waiter)
{
  while (waiter->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return g_steal_pointer (&waiter->result);
}

static GObject *
client_create (TeesqlCliClient *self, const char *kind, const char *instance, GError **error)
{
  Waiter waiter = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  teesql_plugin_loader_create_async (self->loader, kind, instance, NULL, answered_cb, &waiter);
  result = waiter_wait (&waiter);
  return teesql_plugin_loader_create_finish (self->loader, result, error);
}

static gboolean
client_create_plugins (TeesqlCliClient *self, GError **error)
{
  self->attester =
      (TeesqlAttester *) client_create (self, "attester", teesql_config_get_string (self->config, "teesql", "attester"), error);
  if (self->attester == NULL)
    return FALSE;
  for (gsize i = 0; self->names[i] != NULL; i++)
    {
      GObject *verifier = client_create (self, "verifier", self->names[i], error);

      if (verifier == NULL)
        return FALSE;
      g_ptr_array_add (self->verifiers, verifier);
    }
  return TRUE;
}

/* The floor survives in the user's cache folder. Where there is none to write to, the other floors remain. */
static char *
clock_floor_path (void)
{
  g_autofree char *folder = g_build_filename (g_get_user_cache_dir (), "teesql", NULL);

  return g_mkdir_with_parents (folder, 0700) == 0 && g_access (folder, W_OK) == 0 ? g_build_filename (folder, "clock-floor", NULL) : NULL;
}

static gboolean
client_create_service (TeesqlCliClient *self, GError **error)
{
  TeesqlAttestOptions options = {
    .config = self->config,
    .attester = self->attester,
    .verifiers = (TeesqlVerifier *const *) self->verifiers->pdata,
    .verifier_names = (const char *const *) self->names,
    .n_verifiers = self->verifiers->len,
    .clock = self->clock,
    .status = self->status,
    .direction = TEESQL_DIRECTION_SERVER,
    .usage = TEESQL_TLS_USAGE_CLIENT,
  };

  self->attest = teesql_attest_service_new (&options, error);
  return self->attest != NULL;
}

static gboolean
client_choose (TeesqlCliClient *self, const char *only, GError **error)
{
  const char *const *names = teesql_config_get_list (self->config, "teesql", "verifiers");
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (only != NULL && !g_str_equal (only, "all") && !g_strv_contains (names, only))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--verifier %s: [teesql] verifiers does not list it", only);
      return FALSE;
    }
  for (gsize i = 0; names[i] != NULL; i++)
    if (only == NULL || g_str_equal (only, "all") || g_str_equal (only, names[i]))
      g_strv_builder_add (builder, names[i]);
  self->names = g_strv_builder_end (builder);
  return TRUE;
}

TeesqlCliClient *
teesql_cli_client_new (const TeesqlCliGlobals *globals, GError **error)
{
  return teesql_cli_client_new_judged_by (globals, NULL, error);
}

TeesqlCliClient *
teesql_cli_client_new_judged_by (const TeesqlCliGlobals *globals, const char *verifier, GError **error)
{
  g_autoptr (TeesqlCliClient) self = g_new0 (TeesqlCliClient, 1);
  g_autofree char *floor = clock_floor_path ();

  self->verifiers = g_ptr_array_new_with_free_func (g_object_unref);
  self->config = teesql_config_load (TEESQL_CONFIG_CLIENT, globals->config_path, error);
  if (self->config == NULL || !client_choose (self, verifier, error))
    return NULL;
  self->status = teesql_status_new ();
  self->clock = teesql_clock_new (floor, NULL, error);
  self->loader = teesql_plugin_loader_new (self->config);
  teesql_cli_add_plugin_folder (globals, self->loader);
  if (self->clock == NULL || !client_create_plugins (self, error) || !client_create_service (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

gboolean
teesql_cli_client_start (TeesqlCliClient *self, GError **error)
{
  Waiter waiter = { NULL };
  g_autoptr (GAsyncResult) result = NULL;

  teesql_attest_service_start_async (self->attest, NULL, answered_cb, &waiter);
  result = waiter_wait (&waiter);
  return teesql_attest_service_start_finish (self->attest, result, error);
}

void
teesql_cli_client_free (TeesqlCliClient *self)
{
  g_clear_object (&self->attest);
  g_clear_pointer (&self->verifiers, g_ptr_array_unref);
  g_clear_pointer (&self->names, g_strfreev);
  g_clear_object (&self->attester);
  g_clear_object (&self->loader);
  g_clear_pointer (&self->clock, teesql_clock_unref);
  g_clear_object (&self->status);
  g_clear_pointer (&self->config, teesql_config_unref);
  g_free (self);
}
