#include "test-service.h"

#include <glib/gstdio.h>

#include "base/teesql-hex.h"

static const struct
{
  const char *path;
  const char *header;
  const char *old_header;
  const char *member;
} routes[DCAP_N_ITEMS] = {
  [DCAP_ITEM_ROOT_CRL] = { "/sgx/certification/v4/rootcacrl", NULL, NULL, NULL },
  [DCAP_ITEM_PCK_CRL] = { "/sgx/certification/v4/pckcrl", "SGX-PCK-CRL-Issuer-Chain", "SGX-PCK-CRL-Issuer-Chain", NULL },
  [DCAP_ITEM_TCB_INFO] = { "/tdx/certification/v4/tcb", "TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain", "tcbInfo" },
  [DCAP_ITEM_QE_IDENTITY] = { "/tdx/certification/v4/qe/identity", "SGX-Enclave-Identity-Issuer-Chain", "SGX-Enclave-Identity-Issuer-Chain",
                              "enclaveIdentity" },
};

static void
set_body (SoupServerMessage *message, const char *type, GBytes *body)
{
  soup_message_headers_set_content_type (soup_server_message_get_response_headers (message), type, NULL);
  soup_message_body_append_bytes (soup_server_message_get_response_body (message), body);
}

static void
set_chain (SoupServerMessage *message, const char *header, const DcapItem *item)
{
  gsize size = 0;
  const char *pem = NULL;

  if (header == NULL)
    return;
  pem = g_bytes_get_data (item->issuer_chain, &size);
  g_autofree char *copy = g_strndup (pem, size);
  g_autofree char *escaped = g_uri_escape_string (copy, "+/=", FALSE);
  soup_message_headers_replace (soup_server_message_get_response_headers (message), header, escaped);
}

static GBytes *
crl_body (const DcapItem *item, TestMood mood)
{
  gsize size = 0;
  const guint8 *der = g_bytes_get_data (item->body, &size);

  if (mood == TEST_HEX)
    {
      g_autofree char *hex = teesql_hex_encode (der, size);
      char *line = g_strconcat (hex, "\n", NULL);
      return g_bytes_new_take (line, strlen (line));
    }
  if (mood == TEST_PEM)
    {
      g_autofree char *base64 = g_base64_encode (der, size);
      char *pem = g_strdup_printf ("-----BEGIN X509 CRL-----\n%s\n-----END X509 CRL-----\n", base64);
      return g_bytes_new_take (pem, strlen (pem));
    }
  return g_bytes_ref (item->body);
}

static GBytes *
json_body (const DcapItem *item, const char *member)
{
  gsize size = 0;
  const char *text = g_bytes_get_data (item->body, &size);
  g_autofree char *signature = teesql_hex_encode (g_bytes_get_data (item->signature, NULL), DCAP_P256_SIGNATURE_SIZE);
  char *out = g_strdup_printf ("{\"%s\":%.*s,\"signature\":\"%s\"}", member, (int) size, text, signature);
  return g_bytes_new_take (out, strlen (out));
}

static void
answer (TestService *self, DcapItemKind kind, SoupServerMessage *message)
{
  const DcapItem *item = self->world->collateral->items[kind];
  TestMood mood = self->moods[kind];
  const char *header = mood == TEST_OTHER_CHAIN_NAME ? routes[kind].old_header : routes[kind].header;
  g_autoptr (GBytes) body = routes[kind].member != NULL ? json_body (item, routes[kind].member) : crl_body (item, mood);

  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  set_body (message, "application/octet-stream", body);
  if (mood != TEST_NO_CHAIN)
    set_chain (message, header, item);
  if (mood == TEST_BAD_CHAIN && header != NULL)
    soup_message_headers_replace (soup_server_message_get_response_headers (message), header, "-----BEGIN%2");
}

static void
misbehave (TestService *self, DcapItemKind kind, SoupServerMessage *message)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  gsize size = 2 * dcap_item_kind_max_size (kind) + 2;
  g_autofree char *target = g_strconcat (self->url, "/elsewhere", NULL);
  g_autoptr (GBytes) html = g_bytes_new_static ("<html>busy</html>", 17);
  g_autoptr (GBytes) large = g_bytes_new_take (g_strnfill (size, ' '), size);

  answer (self, kind, message);
  soup_message_body_truncate (soup_server_message_get_response_body (message));
  if (self->moods[kind] == TEST_HTML)
    set_body (message, "text/html", html);
  else if (self->moods[kind] == TEST_OVERSIZE)
    set_body (message, "application/json", large);
  else if (self->moods[kind] == TEST_REDIRECT)
    {
      soup_server_message_set_status (message, SOUP_STATUS_FOUND, NULL);
      soup_message_headers_replace (headers, "Location", target);
    }
  else
    {
      soup_server_message_set_status (message, self->status, NULL);
      if (self->retry_after != NULL)
        soup_message_headers_replace (headers, "Retry-After", self->retry_after);
    }
}

static void
handle (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
  TestService *self = user_data;
  guint kind = 0;

  while (kind < DCAP_N_ITEMS && !g_str_equal (path, routes[kind].path))
    kind++;
  if (kind == DCAP_N_ITEMS)
    {
      self->elsewhere++;
      soup_server_message_set_status (message, SOUP_STATUS_NOT_FOUND, NULL);
      return;
    }
  self->asked[kind]++;
  g_free (self->last_query[kind]);
  self->last_query[kind] = g_strdup (g_uri_get_query (soup_server_message_get_uri (message)));
  switch (self->moods[kind])
    {
    case TEST_HANG:
      soup_server_message_pause (message);
      g_ptr_array_add (self->hanging, g_object_ref (message));
      break;
    case TEST_STATUS:
    case TEST_HTML:
    case TEST_OVERSIZE:
    case TEST_REDIRECT:
      misbehave (self, (DcapItemKind) kind, message);
      break;
    case TEST_ANSWER:
    case TEST_NO_CHAIN:
    case TEST_BAD_CHAIN:
    case TEST_OTHER_CHAIN_NAME:
    case TEST_HEX:
    case TEST_PEM:
    default:
      answer (self, (DcapItemKind) kind, message);
      break;
    }
}

TestService *
test_service_new (TestWorld *world)
{
  TestService *self = g_new0 (TestService, 1);
  g_autoptr (GError) error = NULL;

  self->world = world;
  self->hanging = g_ptr_array_new_with_free_func (g_object_unref);
  self->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (self->server, NULL, handle, self, NULL);
  soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  GSList *uris = soup_server_get_uris (self->server);
  self->url = g_strdup_printf ("http://127.0.0.1:%d", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  return self;
}

void
test_service_free (TestService *self)
{
  soup_server_disconnect (self->server);
  g_object_unref (self->server);
  g_ptr_array_unref (self->hanging);
  test_world_free (self->world);
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    g_free (self->last_query[i]);
  g_free (self->url);
  g_free (self);
}

void
test_service_set_world (TestService *self, TestWorld *world)
{
  test_world_free (self->world);
  self->world = world;
}

void
test_service_set_mood (TestService *self, TestMood mood)
{
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    self->moods[i] = mood;
}

guint
test_service_asked (const TestService *self)
{
  guint sum = 0;
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    sum += self->asked[i];
  return sum;
}

void
test_keep_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static gboolean
has_result (gpointer data)
{
  return *(GAsyncResult **) data != NULL;
}

static gboolean
tick_cb (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

void
test_until (gboolean (*condition) (gpointer data), gpointer data)
{
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  guint tick = g_timeout_add (20, tick_cb, NULL); /* so that the deadline is noticed */

  while (!condition (data) && g_get_monotonic_time () < deadline)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
  g_assert_true (condition (data));
}

GAsyncResult *
test_wait (GAsyncResult **result)
{
  test_until (has_result, result);
  return *result;
}

TeesqlVerifier *
test_verifier_new_full (const TestWorld *world, const char *url, const char *directory, const char *tcb_update, guint fetch_timeout_ms)
{
  g_autofree char *root = NULL;
  g_autoptr (GError) error = NULL;
  int fd = g_file_open_tmp ("dcap-root-XXXXXX", &root, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_file_set_contents (root, world->root_pem, -1, &error);
  g_assert_no_error (error);
  TeesqlVerifier *verifier = g_object_new (DCAP_TYPE_VERIFIER, "trusted-root", root, "collateral-url", url, "cache-directory", directory,
                                           "tcb-update", tcb_update, "fetch-timeout", fetch_timeout_ms, NULL);
  error = test_verifier_init (verifier);
  g_assert_no_error (error);
  g_unlink (root);
  return verifier;
}

TeesqlVerifier *
test_verifier_new (const TestWorld *world, const char *url, const char *directory)
{
  return test_verifier_new_full (world, url, directory, "standard", 10000);
}

GError *
test_verifier_init (TeesqlVerifier *verifier)
{
  g_autoptr (GAsyncResult) result = NULL;
  GError *error = NULL;

  g_async_initable_init_async (G_ASYNC_INITABLE (verifier), 0, NULL, test_keep_result, &result);
  if (!g_async_initable_init_finish (G_ASYNC_INITABLE (verifier), test_wait (&result), &error))
    g_assert_nonnull (error);
  return error;
}

TeesqlEvidence *
test_evidence_new (GBytes *quote)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (GError) error = NULL;

  teesql_evidence_builder_set_quote (builder, quote);
  TeesqlEvidence *evidence = teesql_evidence_builder_end (builder, &error);
  g_assert_no_error (error);
  return evidence;
}

TeesqlClaims *
test_verify (TeesqlVerifier *verifier, GBytes *quote, gint64 now, GError **error)
{
  g_autoptr (TeesqlEvidence) evidence = test_evidence_new (quote);
  g_autoptr (GAsyncResult) result = NULL;

  teesql_verifier_verify_async (verifier, evidence, now, NULL, test_keep_result, &result);
  return teesql_verifier_verify_finish (verifier, test_wait (&result), error);
}
