/* A token of a Trust Authority: header, payload, base64url. A first byte `p` hands the rest to the claims' rules as a payload of its own,
 * so that they are reached without base64. */
#include "ita/ita-token.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
walk (DcapJsonNode object)
{
  gint64 number = 0;
  gboolean word = FALSE;
  guint8 bytes[48];
  DcapJsonNode below;
  g_autofree char *text = ita_json_get_text (object, "iss", 512, NULL);

  g_assert_true (text == NULL || strlen (text) <= 512);
  if (ita_json_get_integer (object, "exp", &number, NULL))
    g_assert_cmpint (number, >=, 0);
  (void) !ita_json_get_boolean (object, "tdx_is_debuggable", &word, NULL);
  (void) !ita_json_get_bytes (object, "tdx_mrtd", bytes, sizeof bytes, NULL);
  if (ita_json_get (object, "tdx", DCAP_JSON_OBJECT, &below, NULL))
    walk (below);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  const ItaTokenRules rules = { .allow_rs256 = TRUE, .key_set_url = "https://portal.example/certs" };

  if (size == 0)
    return 0;
  if (data[0] == 'p')
    {
      g_autoptr (GBytes) bytes = g_bytes_new (data + 1, size - 1);
      g_autoptr (DcapJson) json = ita_json_parse_object ("token", bytes, NULL);

      if (json != NULL)
        walk (dcap_json_root (json));
      return 0;
    }
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (ItaToken) token = ita_token_parse (text, strlen (text), &rules, NULL);
  if (token != NULL)
    {
      g_assert_true (token->kid[0] != '\0' && token->signed_size < strlen (text));
      walk (dcap_json_root (token->payload));
    }
  return 0;
}
