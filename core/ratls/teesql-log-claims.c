#include "ratls/teesql-log-claims-private.h"
#include "base/teesql-domains.h"

#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "ratls/teesql-json-walk.h"
#include "ratls/teesql-ratls-private.h"

#define MAX_PROVIDER_ID ((gsize) 4096)

#define refuse(error, reason, ...) teesql_fail (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, (reason), __VA_ARGS__)

static GBytes *
payload_of (const TeesqlEvent *event)
{
  return event->payload != NULL ? g_bytes_ref (event->payload) : g_bytes_new (NULL, 0);
}

static gboolean
take_fixed (const TeesqlEvent *event, gsize size, GBytes **out, GError **error)
{
  g_autoptr (GBytes) payload = payload_of (event);

  if (g_bytes_get_size (payload) != size)
    return refuse (error, "event-log-payload", "event %s has %" G_GSIZE_FORMAT " bytes, expected %" G_GSIZE_FORMAT, event->name,
                   g_bytes_get_size (payload), size);
  *out = g_steal_pointer (&payload);
  return TRUE;
}

static gboolean
take_app_id (const TeesqlEvent *event, TeesqlLogClaims *claims, GError **error)
{
  return take_fixed (event, 20, &claims->app_id, error);
}

static gboolean
take_compose_hash (const TeesqlEvent *event, TeesqlLogClaims *claims, GError **error)
{
  return take_fixed (event, 32, &claims->compose_hash, error);
}

static gboolean
take_os_image_hash (const TeesqlEvent *event, TeesqlLogClaims *claims, GError **error)
{
  return take_fixed (event, 32, &claims->os_image_hash, error);
}

static gboolean
take_instance_id (const TeesqlEvent *event, TeesqlLogClaims *claims, GError **error)
{
  gsize size = event->payload != NULL ? g_bytes_get_size (event->payload) : 0;

  return take_fixed (event, size == 0 ? 0 : 20, &claims->instance_id, error);
}

static gboolean
take_nothing (const TeesqlEvent *event, TeesqlLogClaims *claims, GError **error)
{
  return TRUE;
}

typedef struct
{
  char *name;
  GBytes *id;
} Provider;

static gboolean
provider_member (TeesqlCursor *cursor, const char *key, gpointer user_data, GError **error)
{
  Provider *provider = user_data;

  if (strcmp (key, "name") == 0)
    return teesql_json_string (cursor, key, 32, &provider->name, error);
  if (strcmp (key, "id") == 0)
    return teesql_json_hex (cursor, key, MAX_PROVIDER_ID, &provider->id, error);
  return teesql_json_skip (cursor, error);
}

static gboolean
parse_provider (const TeesqlEvent *event, Provider *out, GError **error)
{
  g_autoptr (GError) inner = NULL;
  TeesqlCursor cursor = { 0 };
  gsize size = 0;
  const char *text = event->payload != NULL ? g_bytes_get_data (event->payload, &size) : NULL;

  if (!teesql_json_begin (&cursor, "key-provider", text != NULL ? text : "", size, &inner) ||
      !teesql_json_object (&cursor, "key-provider", provider_member, out, &inner) || !teesql_json_end (&cursor, &inner))
    return refuse (error, "event-log-payload", "event key-provider: %s", inner->message);
  return TRUE;
}

static char *
provider_form (const Provider *provider)
{
  guint8 digest[TEESQL_SHA256_SIZE];
  g_autofree char *hex = NULL;
  gsize size = 0;
  const guint8 *id = provider->id != NULL ? g_bytes_get_data (provider->id, &size) : NULL;

  if (size == 0)
    return g_strdup (provider->name);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, id, size);
  hex = teesql_hex_encode (digest, sizeof digest);
  return g_strdup_printf ("%s:%s", provider->name, hex);
}

static gboolean
take_key_provider (const TeesqlEvent *event, TeesqlLogClaims *claims, GError **error)
{
  static const char *const known[] = { "kms", "local-sgx", "tpm", "none", NULL };
  g_autofree char *name = NULL;
  g_autoptr (GBytes) id = NULL;
  Provider provider = { 0 };
  gboolean parsed = parse_provider (event, &provider, error);

  name = provider.name;
  id = provider.id;
  if (!parsed)
    return FALSE;
  if (name == NULL || !g_strv_contains (known, name))
    return refuse (error, "event-log-payload", "event key-provider names %s, expected kms, local-sgx, tpm or none",
                   name != NULL ? "another kind" : "no kind");
  claims->key_provider = provider_form (&provider);
  claims->key_provider_id = id != NULL ? g_steal_pointer (&id) : g_bytes_new (NULL, 0);
  claims->key_provider_name = g_steal_pointer (&name);
  return TRUE;
}

/* RA-TLS profile 5: what an image logs up to `system-ready`. Behind it the application writes, and may write anything. */
typedef struct
{
  const char *name;
  gboolean required;
  gboolean (*take) (const TeesqlEvent *event, TeesqlLogClaims *claims, GError **error);
} NamedEvent;

#define BOOT_COMPLETE "system-ready"

static const NamedEvent named_events[] = {
  { "app-id", TRUE, take_app_id },        { "compose-hash", TRUE, take_compose_hash },    { "instance-id", TRUE, take_instance_id },
  { "boot-mr-done", TRUE, take_nothing }, { "os-image-hash", FALSE, take_os_image_hash }, { "key-provider", TRUE, take_key_provider },
  { BOOT_COMPLETE, TRUE, take_nothing },
};

static gboolean
take_named (const TeesqlEvent *event, gboolean *seen, TeesqlLogClaims *claims, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (named_events); i++)
    {
      if (strcmp (event->name, named_events[i].name) != 0)
        continue;
      if (seen[i])
        return refuse (error, "event-log-duplicate", "event %s stands twice before " BOOT_COMPLETE, event->name);
      seen[i] = TRUE;
      return named_events[i].take (event, claims, error);
    }
  return TRUE;
}

TeesqlLogClaims *
teesql_log_claims_collect (TeesqlEvidence *evidence, GError **error)
{
  g_autoptr (TeesqlLogClaims) claims = g_new0 (TeesqlLogClaims, 1);
  gboolean seen[G_N_ELEMENTS (named_events)] = { FALSE };
  guint n_events = teesql_evidence_get_n_events (evidence);

  for (guint i = 0; i < n_events; i++)
    {
      const TeesqlEvent *event = teesql_evidence_get_event (evidence, i);

      if (event->rtmr != TEESQL_RATLS_RUNTIME_RTMR)
        continue;
      if (!take_named (event, seen, claims, error))
        return NULL;
      if (strcmp (event->name, BOOT_COMPLETE) == 0)
        break;
    }
  for (guint i = 0; i < G_N_ELEMENTS (named_events); i++)
    if (named_events[i].required && !seen[i])
      {
        refuse (error, "event-log-incomplete", "the event log has no %s up to " BOOT_COMPLETE, named_events[i].name);
        return NULL;
      }
  return g_steal_pointer (&claims);
}

void
teesql_log_claims_free (TeesqlLogClaims *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->app_id, g_bytes_unref);
  g_clear_pointer (&self->compose_hash, g_bytes_unref);
  g_clear_pointer (&self->instance_id, g_bytes_unref);
  g_clear_pointer (&self->os_image_hash, g_bytes_unref);
  g_clear_pointer (&self->key_provider_id, g_bytes_unref);
  g_free (self->key_provider_name);
  g_free (self->key_provider);
  g_free (self);
}
