#include "cli/teesql-cli-client.h"
#include "cli/teesql-cli.h"

#include <glib/gstdio.h>

#define CERTIFICATE_FILE "cert.pem"
#define KEY_FILE         "key.pem"
#define BEGIN(what)      "-----BEGIN " what "-----\n"
#define END(what)        "-----END " what "-----\n"

/* GLib's encoder with line breaks: four characters for three bytes, a line feed after 72 of them, and a little at the end. */
static gsize
base64_bound (gsize size)
{
  return (size / 3 + 1) * 4 + (size / 3 + 1) * 4 / 72 + 8;
}

static gsize
encode_base64 (const guint8 *data, gsize size, char *out)
{
  int state = 0;
  int save = 0;
  gsize n = g_base64_encode_step (data, size, TRUE, out, &state, &save);

  return n + g_base64_encode_close (TRUE, out + n, &state, &save);
}

typedef struct
{
  TeesqlSecret *key;
  gsize used;
} KeyText;

static gsize
put_text (guint8 *out, const char *text)
{
  gsize n = 0;

  for (; text[n] != '\0'; n++)
    out[n] = (guint8) text[n];
  return n;
}

static gboolean
fill_key (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  KeyText *text = user_data;
  gsize key_size = 0;
  const guint8 *key = teesql_secret_peek (text->key, &key_size);
  gsize used = put_text (out, BEGIN ("PRIVATE KEY"));

  used += encode_base64 (key, key_size, (char *) out + used);
  used += put_text (out + used, END ("PRIVATE KEY"));
  text->used = used;
  return TRUE;
}

/* The key's text is made in locked memory and goes to the file from there. */
static gboolean
write_key (const char *path, TeesqlSecret *key, GError **error)
{
  KeyText text = { key, 0 };
  gsize bound = base64_bound (teesql_secret_get_size (key)) + strlen (BEGIN ("PRIVATE KEY") END ("PRIVATE KEY"));
  g_autoptr (TeesqlSecret) pem = teesql_secret_new_fill (bound, fill_key, &text, error);
  gsize size = 0;

  return pem != NULL && g_file_set_contents_full (path, (const char *) teesql_secret_peek (pem, &size), (gssize) text.used,
                                                  G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error);
}

static gboolean
write_chain (const char *path, const TeesqlTlsIdentity *identity, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint n_chain = 0;
  GBytes *const *chain = teesql_tls_identity_get_chain (identity, &n_chain);

  for (guint i = 0; i < n_chain; i++)
    {
      gsize size = 0;
      const guint8 *der = g_bytes_get_data (chain[i], &size);
      g_autofree char *base64 = g_malloc (base64_bound (size));

      g_string_append (text, BEGIN ("CERTIFICATE"));
      g_string_append_len (text, base64, (gssize) encode_base64 (der, size, base64));
      g_string_append (text, END ("CERTIFICATE"));
    }
  return g_file_set_contents_full (path, text->str, (gssize) text->len, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                   error);
}

static gboolean
write_identity (const char *folder, const TeesqlTlsIdentity *identity, GError **error)
{
  g_autofree char *certificate = g_build_filename (folder, CERTIFICATE_FILE, NULL);
  g_autofree char *key = g_build_filename (folder, KEY_FILE, NULL);

  if (g_mkdir_with_parents (folder, 0700) != 0)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "cannot make %s", folder);
      return FALSE;
    }
  return write_key (key, teesql_tls_identity_get_key (identity), error) && write_chain (certificate, identity, error);
}

static void
print_result (const TeesqlCliGlobals *globals, const char *folder)
{
  g_autofree char *certificate = g_build_filename (folder, CERTIFICATE_FILE, NULL);
  g_autofree char *key = g_build_filename (folder, KEY_FILE, NULL);
  g_autoptr (JsonBuilder) builder = NULL;

  if (!globals->json)
    {
      if (!globals->quiet)
        g_print ("sslcert=%s sslkey=%s\n", certificate, key);
      return;
    }
  builder = teesql_cli_json_new ();
  teesql_cli_json_text (builder, "certificate", certificate);
  teesql_cli_json_text (builder, "key", key);
  json_builder_end_object (builder);
  teesql_cli_print_json (builder);
}

static int
write_certificate (const TeesqlCliGlobals *globals, const char *folder)
{
  GError *error = NULL;
  g_autoptr (TeesqlCliClient) client = teesql_cli_client_new (globals, &error);
  g_autoptr (TeesqlTlsIdentity) identity = NULL;

  if (client == NULL || !teesql_cli_client_start (client, &error))
    return teesql_cli_fail (error);
  identity = teesql_attest_service_ref_identity (client->attest);
  if (identity == NULL)
    return teesql_cli_usage_error ("the identity ended before it could be written");
  if (!write_identity (folder, identity, &error))
    return teesql_cli_fail (error);
  print_result (globals, folder);
  return TEESQL_EXIT_OK;
}

int
teesql_cli_run_cert (const TeesqlCliGlobals *globals, int argc, char **argv)
{
  g_autofree char *folder = NULL;
  GError *error = NULL;
  const GOptionEntry entries[] = {
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &folder, "Folder for " CERTIFICATE_FILE " and " KEY_FILE ", which are replaced", "DIR" },
    G_OPTION_ENTRY_NULL,
  };

  if (!teesql_cli_parse ("cert --out DIR",
                         "Writes a client certificate with this machine's evidence, and its key, for drivers that do TLS themselves.\n"
                         "It lives as long as [identity] lifetime says; run it again before that is over.",
                         entries, &argc, &argv, &error))
    return teesql_cli_fail (error);
  if (folder == NULL || argc > 1)
    return teesql_cli_usage_error ("cert: --out DIR is expected, and nothing else");
  return write_certificate (globals, folder);
}
