#include "simulator/teesql-sim-machine.h"
#include "base/teesql-hex.h"
#include "ratls/teesql-event-log.h"
#include "simulator/teesql-sim-json.h"
#include <string.h>

#define RUNTIME_EVENT_TYPE ((guint32) 0x08000001)

/* What a TDX virtual firmware and dstack's boot chain log, in their order (types: TCG PC Client Platform Firmware Profile). The three
 * `ACPI DATA` events are those that stay in a certificate. */
static const struct
{
  guint rtmr;
  guint32 type;
  const char *what;
  const char *payload;
} boot_events[] = {
  { 0, 0x8000000b, "td-handoff-table", "td_hob" },
  { 0, 0x8000000a, "configuration-firmware-volume", "cfv" },
  { 0, 0x80000001, "variable-secure-boot", "SecureBoot" },
  { 0, 0x80000001, "variable-pk", "PK" },
  { 0, 0x80000001, "variable-kek", "KEK" },
  { 0, 0x80000001, "variable-db", "db" },
  { 0, 0x80000001, "variable-dbx", "dbx" },
  { 0, 0x00000004, "separator", "separator" },
  { 0, 0x0000000a, "acpi-loader", "ACPI DATA" },
  { 0, 0x0000000a, "acpi-rsdp", "ACPI DATA" },
  { 0, 0x0000000a, "acpi-tables", "ACPI DATA" },
  { 0, 0x80000002, "boot-order", "BootOrder" },
  { 0, 0x80000002, "boot-0000", "Boot0000" },
  { 1, 0x80000003, "kernel", "kernel" },
  { 1, 0x80000007, "calling-boot-option", "Calling EFI Application from Boot Option" },
  { 1, 0x00000004, "separator", "separator" },
  { 1, 0x80000007, "exit-boot-services", "Exit Boot Services Invocation" },
  { 1, 0x80000007, "exit-boot-services-done", "Exit Boot Services Returned with Success" },
  { 2, 0x00000006, "command-line", "LOADED_IMAGE::LoadOptions" },
  { 2, 0x00000006, "initrd", "Linux initrd" },
};

static void
free_event (gpointer data)
{
  TeesqlEvent *event = data;

  g_free ((char *) event->name);
  g_clear_pointer (&event->digest, g_bytes_unref);
  g_clear_pointer (&event->payload, g_bytes_unref);
  g_free (event);
}

static void
extend (guint8 rtmr[48], const guint8 digest[48])
{
  guint8 old[48];
  const TeesqlDigestPart parts[] = { { old, sizeof old }, { digest, 48 } };

  for (guint i = 0; i < sizeof old; i++)
    old[i] = rtmr[i];
  teesql_digest (TEESQL_DIGEST_SHA384, rtmr, parts, G_N_ELEMENTS (parts));
}

/* one value of the imaginary image: a register's start or a boot event's digest */
static void
measure_image (const TeesqlSimApp *app, const char *what, guint8 out[48])
{
  const TeesqlDigestPart parts[] = {
    { "teesql-simulator/measurement", 29 }, /* with its NUL, as for the next */
    { what, strlen (what) + 1 },
    { app->image, strlen (app->image) },
  };

  teesql_digest (TEESQL_DIGEST_SHA384, out, parts, G_N_ELEMENTS (parts));
}

/* takes @payload */
static gboolean
add_event (TeesqlSimMachine *self, guint rtmr, guint32 type, const char *name, const guint8 *digest, GBytes *payload, GError **error)
{
  TeesqlEvent *event = g_new0 (TeesqlEvent, 1);
  guint8 computed[48];

  event->rtmr = rtmr;
  event->type = type;
  event->version = 1;
  event->name = g_strdup (name);
  event->payload = payload;
  g_ptr_array_add (self->events, event);
  if (digest == NULL && !teesql_event_digest (event, computed, error))
    return FALSE;
  event->digest = g_bytes_new (digest != NULL ? digest : computed, 48);
  extend (self->rtmr[rtmr], digest != NULL ? digest : computed);
  return TRUE;
}

static gboolean
add_boot_events (TeesqlSimMachine *self, const TeesqlSimApp *app, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (boot_events); i++)
    {
      g_autofree char *what = g_strdup_printf ("rtmr%u/%s", boot_events[i].rtmr, boot_events[i].what);
      guint8 digest[48];

      measure_image (app, what, digest);
      if (!add_event (self, boot_events[i].rtmr, boot_events[i].type, "", digest,
                      g_bytes_new_static (boot_events[i].payload, strlen (boot_events[i].payload)), error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
add_runtime_event (TeesqlSimMachine *self, const char *name, const void *payload, gsize size, GError **error)
{
  return add_event (self, 3, RUNTIME_EVENT_TYPE, name, NULL, g_bytes_new (payload, size), error);
}

/* the order of dstack's boot (RA-TLS profile 5) */
static gboolean
add_runtime_events (TeesqlSimMachine *self, const TeesqlSimApp *app, GError **error)
{
  return add_runtime_event (self, "system-preparing", NULL, 0, error) &&
         add_runtime_event (self, "app-id", app->app_id, sizeof app->app_id, error) &&
         add_runtime_event (self, "compose-hash", app->compose_hash, sizeof app->compose_hash, error) &&
         add_runtime_event (self, "instance-id", self->instance_id, sizeof self->instance_id, error) &&
         add_runtime_event (self, "boot-mr-done", NULL, 0, error) &&
         add_runtime_event (self, "os-image-hash", app->os_image_hash, sizeof app->os_image_hash, error) &&
         add_runtime_event (self, "key-provider", self->key_provider, strlen (self->key_provider), error) &&
         add_runtime_event (self, "storage-fs", "ext4", 4, error) && add_runtime_event (self, "system-ready", NULL, 0, error);
}

static void
compute_summaries (TeesqlSimMachine *self)
{
  static const guint8 zeros[96] = { 0 };
  guint8 provider[32];
  const TeesqlDigestPart system[] = {
    { self->mr_td, 48 }, { self->rtmr[0], 48 }, { self->rtmr[1], 48 }, { self->rtmr[2], 48 }, { provider, sizeof provider },
  };
  const TeesqlDigestPart aggregated[] = {
    { self->mr_td, 48 },
    { self->rtmr, sizeof self->rtmr },
    { self->mr_config_id, 48 },
    { zeros, sizeof zeros }, /* MROWNER, MROWNERCONFIG */
  };

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, provider, self->key_provider, strlen (self->key_provider));
  teesql_digest (TEESQL_DIGEST_SHA256, self->mr_system, system, G_N_ELEMENTS (system));
  teesql_digest (TEESQL_DIGEST_SHA256, self->mr_aggregated, aggregated, G_N_ELEMENTS (aggregated));
}

static char *
make_key_provider (GBytes *id)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (id, &size);
  g_autofree char *hex = teesql_hex_encode (data, size);

  return g_strdup_printf ("{\"name\":\"kms\",\"id\":\"%s\"}", hex);
}

static char *
make_vm_config (const TeesqlSimApp *app)
{
  g_autofree char *hex = teesql_hex_encode (app->os_image_hash, sizeof app->os_image_hash);

  return g_strdup_printf ("{\"os_image_hash\":\"%s\",\"cpu_count\":2,\"memory_size\":2147483648,\"simulator\":true}", hex);
}

static gboolean
derive_instance_id (TeesqlSimMachine *self, const TeesqlSimPlatform *platform, const TeesqlSimApp *app, GError **error)
{
  g_autofree char *app_id = teesql_hex_encode (app->app_id, sizeof app->app_id);
  g_autofree char *context = g_strdup_printf ("%s/%s", app_id, self->name);

  return teesql_sim_platform_derive (platform, "instance-id", context, self->instance_id, sizeof self->instance_id, error);
}

TeesqlSimMachine *
teesql_sim_machine_new (const TeesqlSimPlatform *platform, const char *name, const TeesqlSimApp *app, GBytes *key_provider_id,
                        GError **error)
{
  g_autoptr (TeesqlSimMachine) self = g_new0 (TeesqlSimMachine, 1);

  self->name = g_strdup (name);
  self->events = g_ptr_array_new_with_free_func (free_event);
  self->key_provider = make_key_provider (key_provider_id);
  self->vm_config = make_vm_config (app);
  measure_image (app, "mrtd", self->mr_td);
  self->mr_config_id[0] = 1; /* version 1: the compose hash follows (RA-TLS profile 5) */
  for (guint i = 0; i < sizeof app->compose_hash; i++)
    self->mr_config_id[1 + i] = app->compose_hash[i];
  if (!derive_instance_id (self, platform, app, error) || !add_boot_events (self, app, error) || !add_runtime_events (self, app, error))
    return NULL;
  compute_summaries (self);
  return g_steal_pointer (&self);
}

void
teesql_sim_machine_free (TeesqlSimMachine *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->events, g_ptr_array_unref);
  g_free (self->name);
  g_free (self->key_provider);
  g_free (self->vm_config);
  g_free (self);
}

TeesqlEvidence *
teesql_sim_machine_make_evidence (const TeesqlSimMachine *self, GBytes *quote, GError **error)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();

  teesql_evidence_builder_set_quote (builder, quote);
  teesql_evidence_builder_set_platform_config (builder, self->vm_config);
  for (guint i = 0; i < self->events->len; i++)
    teesql_evidence_builder_add_event (builder, g_ptr_array_index (self->events, i));
  return teesql_evidence_builder_end (builder, error);
}

static gboolean
payload_is_shown (const TeesqlEvent *event)
{
  return event->rtmr == 3 || event->type == 0x0000000a;
}

void
teesql_sim_machine_add_event_log (const TeesqlSimMachine *self, JsonBuilder *builder)
{
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->events->len; i++)
    {
      const TeesqlEvent *event = g_ptr_array_index (self->events, i);
      gsize size = 0;
      const guint8 *payload = g_bytes_get_data (event->payload, &size);

      json_builder_begin_object (builder);
      teesql_sim_json_add_int (builder, "imr", event->rtmr);
      teesql_sim_json_add_int (builder, "event_type", event->type);
      teesql_sim_json_add_hex (builder, "digest", g_bytes_get_data (event->digest, NULL), 48);
      teesql_sim_json_add_string (builder, "event", event->name);
      teesql_sim_json_add_hex (builder, "event_payload", payload, payload_is_shown (event) ? size : 0);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}
