#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

#define TEESQL_SIM_APP_ID_SIZE 20

/**
 * TeesqlSimApp:
 * @name: of the application
 * @image: name of the guest image; MRTD, RTMR0-2 and the OS image hash follow from it
 * @app_compose: what the application is; its SHA-256 is the compose hash
 * @app_id: the first 20 bytes of the compose hash, or what the description says
 *
 * the application description `{"name":…,"image":…,"compose":…}`, with an optional `app_id`. Immutable.
 */
typedef struct {
  char *name;
  char *image;
  char *app_compose;
  guint8 compose_hash[32];
  guint8 app_id[TEESQL_SIM_APP_ID_SIZE];
  guint8 os_image_hash[32];
} TeesqlSimApp;

TeesqlSimApp *teesql_sim_app_parse (const char *text, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlSimApp *teesql_sim_app_load (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_app_free (TeesqlSimApp *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSimApp, teesql_sim_app_free)
G_END_DECLS
