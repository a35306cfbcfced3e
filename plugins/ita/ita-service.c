#include "ita-service.h"

#include "../cloud/cloud-tokens.h"
#include "base/teesql-clock.h"
#include "base/teesql-hex.h"
#include "base/teesql-log.h"
#include "ita-error.h"
#include "ita-http.h"
#include <json-glib/json-glib.h>

#define ATTEST_PATH "/appraisal/v2/attest"
#define ANSWER_MAX  (ITA_TOKEN_MAX + 1024)
#define RENEW_MS    ((gint64) 60 * 1000)
#define THROTTLE_MS ((gint64) 5 * 60 * 1000) /* Intel's window; whoever asks for more is not Intel, and may be gone by then */

struct _ItaService
{
  const ItaOptions *options;
  SoupSession *session;
  CloudTokens *keys;
  char *attest_url;
  gint64 throttled_until_ms; /* of the boot clock */
  gint64 renewed_ms;         /* likewise; 0: never */
  ItaKeys *replaced;         /* (nullable): the set that the last renewal was about */
};

/* --- key set ------------------------------------------------------------------------------------------------------- */

static void
parse_keys (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  ItaKeys *keys = ita_keys_parse (data, &error);

  if (keys != NULL)
    g_task_return_pointer (task, keys, (GDestroyNotify) ita_keys_unref);
  else
    g_task_return_error (task, error);
}

static void
fetched_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GBytes *body = ita_http_send_finish (SOUP_SESSION (source), result, &error);

  if (body == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  g_task_set_task_data (task, body, (GDestroyNotify) g_bytes_unref);
  g_task_run_in_thread (task, parse_keys);
}

static void
fetch_async (gpointer user_data, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data)
{
  ItaService *self = user_data;
  GTask *task = g_task_new (NULL, cancellable, callback, callback_data);
  const ItaRequest request = {
    .what = "key set",
    .url = self->options->key_set_url,
    .timeout_ms = self->options->timeout_ms,
    .max_answer = ITA_KEYS_MAX,
    .oversize = "keys-size",
  };

  g_task_set_source_tag (task, fetch_async);
  ita_http_send_async (self->session, &request, cancellable, fetched_cb, task);
}

static gpointer
fetch_finish (gpointer user_data, GAsyncResult *result, gint64 *out_lifetime_ms, GError **error)
{
  const ItaService *self = user_data;
  gpointer keys = g_task_propagate_pointer (G_TASK (result), error);

  *out_lifetime_ms = self->options->key_lifetime_ms;
  if (keys != NULL)
    teesql_log_info ("ita", "key set fetched from %s", self->options->key_set_url);
  return keys;
}

void
ita_service_get_keys_async (ItaService *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  cloud_tokens_get_async (self->keys, cancellable, callback, user_data);
}

ItaKeys *
ita_service_get_keys_finish (ItaService *self, GAsyncResult *result, GError **error)
{
  return cloud_tokens_get_finish (self->keys, result, error);
}

gboolean
ita_service_renew_keys (ItaService *self, ItaKeys *old)
{
  const gint64 now_ms = teesql_clock_boot_ms ();

  /* another question has seen the same, and has the answer or waits for it */
  if (old == self->replaced)
    return TRUE;
  if (self->renewed_ms != 0 && now_ms - self->renewed_ms < RENEW_MS)
    return FALSE;
  self->renewed_ms = now_ms;
  g_clear_pointer (&self->replaced, ita_keys_unref);
  self->replaced = ita_keys_ref (old);
  cloud_tokens_forget (self->keys, old);
  return TRUE;
}

/* --- attest -------------------------------------------------------------------------------------------------------- */

static void
add_policies (JsonBuilder *builder, char **ids)
{
  if (ids == NULL || ids[0] == NULL)
    return;
  json_builder_set_member_name (builder, "policy_ids");
  json_builder_begin_array (builder);
  for (; *ids != NULL; ids++)
    json_builder_add_string_value (builder, *ids);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "policy_must_match");
  json_builder_add_boolean_value (builder, TRUE);
}

/* Composite form. No nonce and no runtime data: the quote of a certificate was made for its key, which core checks. */
static GBytes *
make_body (const ItaOptions *options, GBytes *quote)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (quote, &size);
  g_autofree char *encoded = teesql_base64_encode (data, size);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "tdx");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "quote");
  json_builder_add_string_value (builder, encoded);
  json_builder_end_object (builder);
  add_policies (builder, options->policy_ids);
  json_builder_set_member_name (builder, "token_signing_alg");
  json_builder_add_string_value (builder, "PS384");
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  char *text = json_generator_to_data (generator, &size);
  return g_bytes_new_take (text, size);
}

typedef struct
{
  ItaService *service;
} Attest;

static void
attested_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  ItaService *self = ((Attest *) g_task_get_task_data (task))->service;
  GError *error = NULL;
  GBytes *body = ita_http_send_finish (SOUP_SESSION (source), result, &error);

  if (body != NULL)
    {
      g_task_return_pointer (task, body, (GDestroyNotify) g_bytes_unref);
      return;
    }
  if (g_error_matches (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_THROTTLED))
    self->throttled_until_ms = teesql_clock_boot_ms () + MIN ((gint64) teesql_error_get_retry_after_ms (error), THROTTLE_MS);
  g_task_return_error (task, error);
}

void
ita_service_attest_async (ItaService *self, GBytes *quote, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  const gint64 wait_ms = self->throttled_until_ms - teesql_clock_boot_ms ();
  g_autoptr (GBytes) body = NULL;
  Attest *attest = g_new0 (Attest, 1);

  attest->service = self;
  g_task_set_source_tag (task, ita_service_attest_async);
  g_task_set_task_data (task, attest, g_free);
  if (wait_ms > 0)
    {
      g_task_return_error (task, teesql_error_new (TEESQL_VERIFIER_ERROR, TEESQL_ERROR_THROTTLED, "ita-throttled", (guint) wait_ms,
                                                   "attest: the authority's rate limit lasts another %" G_GINT64_FORMAT " ms", wait_ms));
      g_object_unref (task);
      return;
    }
  body = make_body (self->options, quote);
  const ItaRequest request = {
    .what = "attest",
    .url = self->attest_url,
    .body = body,
    .api_key = self->options->api_key,
    .timeout_ms = self->options->timeout_ms,
    .max_answer = ANSWER_MAX,
    .oversize = "token-size",
  };
  ita_http_send_async (self->session, &request, cancellable, attested_cb, task);
}

GBytes *
ita_service_attest_finish (ItaService *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

ItaService *
ita_service_new (const ItaOptions *options)
{
  static const CloudTokenSource source = {
    .fetch_async = fetch_async,
    .fetch_finish = fetch_finish,
    .ref = (GBoxedCopyFunc) ita_keys_ref,
    .unref = (GDestroyNotify) ita_keys_unref,
  };
  ItaService *self = g_new0 (ItaService, 1);

  self->options = options;
  self->session = ita_http_session_new (options->ca, options->proxy);
  self->keys = cloud_tokens_new (&source, self);
  self->attest_url = g_strconcat (options->base_url, ATTEST_PATH, NULL);
  return self;
}

void
ita_service_free (ItaService *self)
{
  cloud_tokens_unref (self->keys);
  g_clear_pointer (&self->replaced, ita_keys_unref);
  g_object_unref (self->session);
  g_free (self->attest_url);
  g_free (self);
}
