/* The first byte chooses who listens. Where a nonce or a binding guards the parser behind it, `@` in the input stands for it, so that
 * the fuzzer gets past. */
#include "pgwire/teesql-scram.h"
#include "base/teesql-hex.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

#define NONCE        "clientnonceservernonce"
#define FIRST        "n,,n=,r=clientnonce"
#define SERVER_FIRST "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

static TeesqlScramServer *
server_new (gboolean plus)
{
  static const guint8 binding[32] = { 1 };
  TeesqlScramVerifier candidates[TEESQL_SCRAM_CANDIDATES] = { 0 };
  gboolean real[TEESQL_SCRAM_CANDIDATES] = { TRUE, FALSE, TRUE, FALSE };
  TeesqlScramServerOptions options = { .salt = binding,
                                       .salt_size = 16,
                                       .iterations = 4096,
                                       .plus_offered = plus,
                                       .channel_binding = binding,
                                       .channel_binding_size = sizeof binding,
                                       .candidates = candidates,
                                       .real = real,
                                       .server_nonce = "servernonce" };

  return teesql_scram_server_new (&options);
}

/* Keys of all zeros have no known preimage: nothing may ever be let in. */
static void
fuzz_server_final (const char *data, gsize size)
{
  g_autoptr (TeesqlScramServer) server = server_new (FALSE);
  g_autofree char *first = teesql_scram_server_first (server, "SCRAM-SHA-256", FIRST, strlen (FIRST), NULL);
  guint candidate = 99;

  g_assert_nonnull (first);
  g_assert_null (teesql_scram_server_final (server, data, size, &candidate, NULL));
  g_assert_cmpuint (candidate, ==, 99);
}

static void
fuzz_server_first (const char *data, gsize size)
{
  for (guint plus = 0; plus < 2; plus++)
    {
      g_autoptr (TeesqlScramServer) server = server_new (plus != 0);
      g_autofree char *answer = teesql_scram_server_first (server, plus != 0 ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256", data, size, NULL);

      g_assert_true (answer == NULL || (answer[0] == 'r' && strstr (answer, "servernonce,s=") != NULL));
    }
}

static void
fuzz_client_first (const char *data, gsize size)
{
  g_autoptr (TeesqlScramClient) client = teesql_scram_client_new ("clientnonce", NULL, 0);
  g_autofree char *first = teesql_scram_client_first (client);
  guint iterations = 0;
  gsize salt_size = 0;

  g_assert_nonnull (first);
  if (!teesql_scram_client_take_first (client, data, size, NULL))
    return;
  g_assert_nonnull (teesql_scram_client_get_salt (client, &salt_size, &iterations));
  g_assert_true (salt_size > 0 && salt_size <= TEESQL_SCRAM_MAX_SALT);
  g_assert_true (iterations >= TEESQL_SCRAM_MIN_ITERATIONS && iterations <= TEESQL_SCRAM_MAX_FOREIGN);
}

static void
fuzz_client_final (const char *data, gsize size)
{
  static const guint8 bytes[64] = { 7 };
  g_autoptr (TeesqlScramClient) client = teesql_scram_client_new ("clientnonce", NULL, 0);
  g_autoptr (TeesqlSecret) keys = teesql_secret_new (bytes, sizeof bytes, NULL);
  g_autofree char *first = teesql_scram_client_first (client);
  g_autofree char *final = NULL;
  static const char right[] = "v=WYzivpbArLmW+I1fHH7CVHXp17qXyUWRC8p0/qw3udU=";

  g_assert_nonnull (first);
  g_assert_true (teesql_scram_client_take_first (client, SERVER_FIRST, strlen (SERVER_FIRST), NULL));
  final = teesql_scram_client_final (client, keys, NULL);
  g_assert_nonnull (final);
  g_assert_cmpint (teesql_scram_client_check_final (client, data, size, NULL), ==,
                   size == sizeof right - 1 && memcmp (data, right, size) == 0);
}

static void
fuzz_verifier (const char *text)
{
  TeesqlScramVerifier verifier;

  if (teesql_scram_verifier_parse (text, &verifier, NULL))
    {
      g_autofree char *again = teesql_scram_verifier_format (&verifier);

      g_assert_cmpstr (again, ==, text); /* one form only */
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GString) text = NULL;
  g_autofree char *exact = NULL;

  if (size == 0 || size > 4096)
    return 0;
  text = g_string_new_len ((const char *) data + 1, (gssize) size - 1);
  g_string_replace (text, "@", NONCE, 4);
  exact = g_memdup2 (text->str, text->len);
  switch (data[0])
    {
    case '1':
      fuzz_server_first (exact, text->len);
      break;
    case '2':
      fuzz_client_first (exact, text->len);
      break;
    case '3':
      fuzz_server_final (exact, text->len);
      break;
    case '4':
      fuzz_client_final (exact, text->len);
      break;
    default:
      fuzz_verifier (text->str);
      break;
    }
  return 0;
}
