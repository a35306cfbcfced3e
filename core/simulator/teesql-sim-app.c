#include "simulator/teesql-sim-app.h"
#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "simulator/teesql-sim-json.h"
#include <string.h>

#define MAX_DESCRIPTION ((gsize) 262144)

void
teesql_sim_app_free (TeesqlSimApp *self)
{
  if (self == NULL)
    return;
  g_free (self->name);
  g_free (self->image);
  g_free (self->app_compose);
  g_free (self);
}

static gboolean
fail (GError **error, const char *what)
{
  g_propagate_error (error, teesql_error_new (TEESQL_ATTESTER_ERROR, TEESQL_ERROR_CONFIG, "simulator-app", 0,
                                              "application description: %s\nhint: {\"name\":\"orders\",\"image\":\"teesql-guest\","
                                              "\"compose\":\"services: {}\\n\"}",
                                              what));
  return FALSE;
}

/* the text that dstack calls app-compose.json: keys sorted, no blanks, so that the SDK's getComposeHash() of the parsed object gives the
 * same hash as the bytes do */
static char *
make_app_compose (const char *name, const char *compose)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "docker_compose_file");
  json_builder_add_string_value (builder, compose);
  json_builder_set_member_name (builder, "kms_enabled");
  json_builder_add_boolean_value (builder, TRUE);
  json_builder_set_member_name (builder, "manifest_version");
  json_builder_add_int_value (builder, 2);
  json_builder_set_member_name (builder, "name");
  json_builder_add_string_value (builder, name);
  json_builder_set_member_name (builder, "runner");
  json_builder_add_string_value (builder, "docker-compose");
  json_builder_end_object (builder);
  return teesql_sim_json_end (builder, FALSE);
}

static void
compute_hashes (TeesqlSimApp *self)
{
  const TeesqlDigestPart image[] = { { "teesql-simulator/os-image:", 26 }, { self->image, strlen (self->image) } };

  teesql_digest (TEESQL_DIGEST_SHA256, self->os_image_hash, image, G_N_ELEMENTS (image));
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, self->compose_hash, self->app_compose, strlen (self->app_compose));
  for (guint i = 0; i < TEESQL_SIM_APP_ID_SIZE; i++)
    self->app_id[i] = self->compose_hash[i];
}

static gboolean
known_members (JsonObject *object, GError **error)
{
  g_autoptr (GList) members = json_object_get_members (object);

  for (GList *l = members; l != NULL; l = l->next)
    {
      static const char *const known[] = { "name", "image", "compose", "app_id", NULL };

      if (!g_strv_contains (known, l->data))
        return fail (error, "it has a member that is neither name, image, compose nor app_id");
    }
  return TRUE;
}

TeesqlSimApp *
teesql_sim_app_parse (const char *text, gsize size, GError **error)
{
  g_autoptr (TeesqlSimApp) self = g_new0 (TeesqlSimApp, 1);
  g_autoptr (JsonObject) object = teesql_sim_json_parse_object (text, size, error);
  const char *name;
  const char *image;
  const char *compose;
  const char *app_id;

  if (object == NULL)
    {
      g_prefix_error (error, "application description: ");
      return NULL;
    }
  if (!known_members (object, error) || !teesql_sim_json_get_string (object, "name", &name, error) ||
      !teesql_sim_json_get_string (object, "image", &image, error) || !teesql_sim_json_get_string (object, "compose", &compose, error) ||
      !teesql_sim_json_get_string (object, "app_id", &app_id, error))
    return NULL;
  if (name[0] == '\0' || image[0] == '\0' || compose[0] == '\0')
    {
      fail (error, "name, image and compose must be text");
      return NULL;
    }
  self->name = g_strdup (name);
  self->image = g_strdup (image);
  self->app_compose = make_app_compose (name, compose);
  compute_hashes (self);
  if (app_id[0] != '\0' && !teesql_hex_decode_into (app_id, -1, self->app_id, sizeof self->app_id, error))
    {
      g_prefix_error (error, "application description: app_id: ");
      return NULL;
    }
  return g_steal_pointer (&self);
}

TeesqlSimApp *
teesql_sim_app_load (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (TeesqlSimApp) self = NULL;
  gsize size = 0;

  if (!g_file_get_contents (path, &text, &size, error))
    return NULL;
  if (size > MAX_DESCRIPTION)
    {
      fail (error, "it is over 256 KiB");
      return NULL;
    }
  self = teesql_sim_app_parse (text, size, error);
  if (self == NULL)
    g_prefix_error (error, "%s: ", path);
  return g_steal_pointer (&self);
}
