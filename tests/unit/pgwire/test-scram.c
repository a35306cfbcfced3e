#include "pgwire/teesql-scram.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include "test-bytes.h"

/* RFC 7677, section 3 */
#define CLIENT_NONCE  "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE  "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define NONCE         CLIENT_NONCE SERVER_NONCE
#define SALT          "W22ZaJ0SNY7soEsUEjb6gQ=="
#define CLIENT_FIRST  "n,,n=user,r=" CLIENT_NONCE
#define SERVER_FIRST  "r=" NONCE ",s=" SALT ",i=4096"
#define WITHOUT_PROOF "c=biws,r=" NONCE
#define PROOF         "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define CLIENT_FINAL  WITHOUT_PROOF ",p=" PROOF
#define SERVER_FINAL  "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
#define VERIFIER      "SCRAM-SHA-256$4096:" SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
/* the same exchange without a name, as our client speaks it; computed with Python's hashlib */
#define NAMELESS_FINAL  WITHOUT_PROOF ",p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k="
#define NAMELESS_ANSWER "v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg="
/* and with PLUS, bound to the bytes 0 to 31 */
#define PLUS_FINAL                                                                                                                         \
  "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,r=" NONCE                                                \
  ",p=Q8h71kjaoMzNI7dPksDrhRE/5mTUObF0fUHVIgBOWQg="
#define PLUS_ANSWER "v=ykwoqH8mLqO5AQCeuwwf6lsj9f8zyJZT/CcvAbN4Ssc="

#define PLAIN "SCRAM-SHA-256"
#define PLUS  "SCRAM-SHA-256-PLUS"

static const guint8 binding[32] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31 };

typedef struct
{
  TeesqlScramVerifier candidates[TEESQL_SCRAM_CANDIDATES];
  gboolean real[TEESQL_SCRAM_CANDIDATES];
  TeesqlScramServerOptions options;
} Fixture;

static TeesqlSecret *
secret (const char *text)
{
  g_autoptr (GError) error = NULL;
  TeesqlSecret *result = teesql_secret_new ((const guint8 *) text, strlen (text), &error);

  g_assert_no_error (error);
  return result;
}

static void
rfc_verifier (TeesqlScramVerifier *out)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_scram_verifier_parse (VERIFIER, out, &error));
  g_assert_no_error (error);
}

static TeesqlSecret *
keys_of (const char *password, const TeesqlScramVerifier *salted)
{
  g_autoptr (TeesqlSecret) text = secret (password);
  g_autoptr (GError) error = NULL;
  TeesqlSecret *keys = teesql_scram_keys_new (text, salted->salt, salted->salt_size, salted->iterations, &error);

  g_assert_no_error (error);
  return keys;
}

/* Every place a decoy; place @real holds the verifier of `pencil`. */
static void
fixture_init (Fixture *self, guint real)
{
  g_autoptr (TeesqlSecret) seed = secret ("0123456789abcdef0123456789abcdef");
  TeesqlScramVerifier rfc;

  *self = (Fixture){ 0 };
  rfc_verifier (&rfc);
  for (guint i = 0; i < TEESQL_SCRAM_CANDIDATES; i++)
    teesql_scram_verifier_decoy (seed, i, rfc.salt, rfc.salt_size, rfc.iterations, &self->candidates[i]);
  if (real < TEESQL_SCRAM_CANDIDATES)
    {
      self->candidates[real] = rfc;
      self->real[real] = TRUE;
    }
  self->options = (TeesqlScramServerOptions){ .salt = self->candidates[0].salt,
                                              .salt_size = self->candidates[0].salt_size,
                                              .iterations = 4096,
                                              .channel_binding = binding,
                                              .channel_binding_size = sizeof binding,
                                              .candidates = self->candidates,
                                              .real = self->real,
                                              .server_nonce = SERVER_NONCE };
}

static char *
server_first (TeesqlScramServer *server, const char *mechanism, const char *message, GError **error)
{
  g_autofree char *exact = g_memdup2 (message, strlen (message)); /* no NUL behind it, as on the wire */

  return teesql_scram_server_first (server, mechanism, exact, strlen (message), error);
}

static char *
server_final (TeesqlScramServer *server, const char *message, guint *out_candidate, GError **error)
{
  g_autofree char *exact = g_memdup2 (message, strlen (message));

  return teesql_scram_server_final (server, exact, strlen (message), out_candidate, error);
}

static void
assert_reason (GError *error, TeesqlError code, const char *reason)
{
  g_assert_error (error, TEESQL_PROTOCOL_ERROR, (int) code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_rfc_keys (void)
{
  TeesqlScramVerifier verifier;
  TeesqlScramVerifier made;
  g_autoptr (TeesqlSecret) keys = NULL;
  g_autoptr (TeesqlSecret) other = NULL;
  g_autofree char *text = NULL;

  rfc_verifier (&verifier);
  keys = keys_of ("pencil", &verifier);
  other = keys_of ("pencik", &verifier);
  g_assert_cmpuint (teesql_secret_get_size (keys), ==, 64);
  teesql_scram_keys_to_verifier (keys, verifier.salt, verifier.salt_size, verifier.iterations, &made);
  text = teesql_scram_verifier_format (&made);
  g_assert_cmpstr (text, ==, VERIFIER);
  g_assert_true (teesql_scram_keys_match (keys, &verifier));
  g_assert_false (teesql_scram_keys_match (other, &verifier));
  verifier.server_key[31] ^= 1; /* either half alone is not enough */
  g_assert_false (teesql_scram_keys_match (keys, &verifier));
}

static void
test_keys_need_ascii (void)
{
  static const char *const passwords[] = { "p\xc3\xa9ncil", "\xff" };
  TeesqlScramVerifier verifier;

  rfc_verifier (&verifier);
  for (guint i = 0; i < G_N_ELEMENTS (passwords); i++)
    {
      g_autoptr (TeesqlSecret) text = secret (passwords[i]);
      g_autoptr (GError) error = NULL;

      g_assert_null (teesql_scram_keys_new (text, verifier.salt, verifier.salt_size, 4096, &error));
      assert_reason (error, TEESQL_ERROR_UNSUPPORTED, "scram-password");
    }
}

static void
test_refuses_malformed_verifiers (void)
{
  static const char *const verifiers[] = {
    "",
    "md5d41d8cd98f00b204e9800998ecf8427e",
    "SCRAM-SHA-1$4096:" SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "SCRAM-SHA-256$4095:" SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "SCRAM-SHA-256$1000001:" SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "SCRAM-SHA-256$04096:" SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "SCRAM-SHA-256$-4096:" SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "SCRAM-SHA-256$4294971392:" SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "SCRAM-SHA-256$4096:$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "SCRAM-SHA-256$4096:W22$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "SCRAM-SHA-256$4096:" SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
    "SCRAM-SHA-256$4096:" SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4g==:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "SCRAM-SHA-256$4096:" SALT "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU= ",
    VERIFIER "x",
  };

  for (guint i = 0; i < G_N_ELEMENTS (verifiers); i++)
    {
      g_autoptr (GError) error = NULL;
      TeesqlScramVerifier out;

      g_assert_false (teesql_scram_verifier_parse (verifiers[i], &out, &error));
      g_assert_error (error, TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "scram-verifier");
      g_assert_null (strstr (error->message, "W22Z")); /* no part of one in a message */
    }
}

static void
test_salt_sizes (void)
{
  for (gsize size = 1; size <= TEESQL_SCRAM_MAX_SALT + 2; size++)
    {
      g_autofree guint8 *salt = g_malloc0 (size);
      g_autofree char *encoded = teesql_base64_encode (salt, size);
      g_autofree char *text = g_strdup_printf (
          "SCRAM-SHA-256$4096:%s$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", encoded);
      TeesqlScramVerifier out;
      gboolean parsed = teesql_scram_verifier_parse (text, &out, NULL);

      g_assert_cmpint (parsed, ==, size <= TEESQL_SCRAM_MAX_SALT);
      if (parsed)
        g_assert_cmpuint (out.salt_size, ==, size);
    }
}

static void
test_rfc_server (void)
{
  for (guint place = 0; place < TEESQL_SCRAM_CANDIDATES; place++)
    {
      g_autoptr (TeesqlScramServer) server = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *first = NULL;
      g_autofree char *final = NULL;
      Fixture fixture;
      guint candidate = 99;

      fixture_init (&fixture, place);
      server = teesql_scram_server_new (&fixture.options);
      first = server_first (server, PLAIN, CLIENT_FIRST, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (first, ==, SERVER_FIRST);
      final = server_final (server, CLIENT_FINAL, &candidate, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (final, ==, SERVER_FINAL); /* the key of the place that fits */
      g_assert_cmpuint (candidate, ==, place);
    }
}

static void
test_first_of_two_equal (void)
{
  g_autoptr (TeesqlScramServer) server = NULL;
  g_autofree char *first = NULL;
  g_autofree char *final = NULL;
  Fixture fixture;
  guint candidate = 99;

  fixture_init (&fixture, 1);
  fixture.candidates[3] = fixture.candidates[1];
  fixture.real[3] = TRUE;
  server = teesql_scram_server_new (&fixture.options);
  first = server_first (server, PLAIN, CLIENT_FIRST, NULL);
  final = server_final (server, CLIENT_FINAL, &candidate, NULL);
  g_assert_cmpstr (final, ==, SERVER_FINAL);
  g_assert_cmpuint (candidate, ==, 1);
}

static void
test_unreal_never_opens (void)
{
  /* the right secret in a place that may not succeed, then a role without any real place: both look alike */
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (TeesqlScramServer) server = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *first = NULL;
      Fixture fixture;
      guint candidate = 99;

      fixture_init (&fixture, i == 0 ? 2 : TEESQL_SCRAM_CANDIDATES);
      fixture.real[2] = FALSE;
      server = teesql_scram_server_new (&fixture.options);
      first = server_first (server, PLAIN, CLIENT_FIRST, NULL);
      g_assert_cmpstr (first, ==, SERVER_FIRST);
      g_assert_null (server_final (server, CLIENT_FINAL, &candidate, &error));
      assert_reason (error, TEESQL_ERROR_REFUSED, "authentication-failed");
      g_assert_cmpuint (candidate, ==, 99);
    }
}

static void
test_one_attempt (void)
{
  g_autoptr (TeesqlScramServer) server = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *first = NULL;
  Fixture fixture;
  guint candidate = 99;

  fixture_init (&fixture, 0);
  server = teesql_scram_server_new (&fixture.options);
  g_assert_null (server_final (server, CLIENT_FINAL, &candidate, NULL)); /* before the first */
  first = server_first (server, PLAIN, CLIENT_FIRST, NULL);
  g_assert_nonnull (first);
  g_assert_null (server_first (server, PLAIN, CLIENT_FIRST, NULL)); /* twice */
  g_assert_null (server_final (server, WITHOUT_PROOF ",p=AHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", &candidate, &error));
  assert_reason (error, TEESQL_ERROR_REFUSED, "authentication-failed");
  g_assert_null (server_final (server, CLIENT_FINAL, &candidate, NULL));
  g_assert_cmpuint (candidate, ==, 99);
}

/* Every bit of the proof counts. */
static void
test_mutated_proofs (void)
{
  for (guint bit = 0; bit < 256; bit++)
    {
      guint8 proof[32];
      g_autofree char *encoded = NULL;
      g_autofree char *message = NULL;
      g_autofree char *first = NULL;
      g_autoptr (TeesqlScramServer) server = NULL;
      g_autoptr (GBytes) bytes = teesql_base64_decode (PROOF, -1, NULL);
      g_autoptr (GError) error = NULL;
      Fixture fixture;
      guint candidate = 99;

      memcpy (proof, g_bytes_get_data (bytes, NULL), sizeof proof);
      proof[bit / 8] ^= (guint8) (1u << bit % 8);
      encoded = teesql_base64_encode (proof, sizeof proof);
      message = g_strconcat (WITHOUT_PROOF ",p=", encoded, NULL);
      fixture_init (&fixture, 0);
      server = teesql_scram_server_new (&fixture.options);
      first = server_first (server, PLAIN, CLIENT_FIRST, NULL);
      g_assert_nonnull (first);
      g_assert_null (server_final (server, message, &candidate, &error));
      assert_reason (error, TEESQL_ERROR_REFUSED, "authentication-failed");
    }
}

typedef struct
{
  const char *mechanism;
  const char *message;
  gboolean plus_offered;
  TeesqlError code;
  const char *reason; /* NULL: taken */
} FirstCase;

static const FirstCase first_cases[] = {
  { PLAIN, "n,,n=,r=abc", FALSE, 0, NULL },
  { PLAIN, "n,,n=,r=abc", TRUE, 0, NULL },
  { PLAIN, "y,,n=,r=abc", FALSE, 0, NULL },
  { PLAIN, "n,,n=*,r=abc,x=ext", FALSE, 0, NULL },
  { PLUS, "p=tls-server-end-point,,n=,r=abc", TRUE, 0, NULL },
  { PLAIN, "y,,n=,r=abc", TRUE, TEESQL_ERROR_REFUSED, "scram-downgrade" },
  { PLUS, "p=tls-server-end-point,,n=,r=abc", FALSE, TEESQL_ERROR_UNSUPPORTED, "scram-mechanism" },
  { "SCRAM-SHA-1", "n,,n=,r=abc", TRUE, TEESQL_ERROR_UNSUPPORTED, "scram-mechanism" },
  { "", "n,,n=,r=abc", TRUE, TEESQL_ERROR_UNSUPPORTED, "scram-mechanism" },
  { PLUS, "p=tls-unique,,n=,r=abc", TRUE, TEESQL_ERROR_UNSUPPORTED, "scram-channel-binding" },
  { PLUS, "p=,,n=,r=abc", TRUE, TEESQL_ERROR_UNSUPPORTED, "scram-channel-binding" },
  { PLUS, "n,,n=,r=abc", TRUE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLUS, "y,,n=,r=abc", TRUE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "p=tls-server-end-point,,n=,r=abc", TRUE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "p,,n=,r=abc", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "N,,n=,r=abc", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "nn,,n=,r=abc", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n,a=admin,n=,r=abc", FALSE, TEESQL_ERROR_UNSUPPORTED, "scram-malformed" },
  { PLAIN, "n,x,n=,r=abc", FALSE, TEESQL_ERROR_UNSUPPORTED, "scram-malformed" },
  { PLAIN, "n,,m=x,n=,r=abc", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n,,r=abc,n=", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n,,n=", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n,,n=,r=", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n,,n=,r=a b", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n,,n=,r=\xc3\xa9", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n,,n=,r=abc,", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n,,n=,r=abc,nothing", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n,,n=,r=abc,=x", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n,,", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "n", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { PLAIN, "", FALSE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
};

static void
test_first_messages (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (first_cases); i++)
    {
      const FirstCase *one = &first_cases[i];
      g_autoptr (TeesqlScramServer) server = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *answer = NULL;
      Fixture fixture;

      g_test_message ("%s %s", one->mechanism, one->message);
      fixture_init (&fixture, 0);
      fixture.options.plus_offered = one->plus_offered;
      server = teesql_scram_server_new (&fixture.options);
      answer = server_first (server, one->mechanism, one->message, &error);
      if (one->reason == NULL)
        {
          g_assert_no_error (error);
          g_assert_cmpstr (answer, ==, "r=abc" SERVER_NONCE ",s=" SALT ",i=4096");
        }
      else
        {
          g_assert_null (answer);
          assert_reason (error, one->code, one->reason);
        }
    }
}

static void
test_bounds_messages (void)
{
  g_autofree char *filler = g_strnfill (2100, 'x');
  g_autofree char *long_nonce = g_strdup_printf ("n,,n=,r=%.257s", filler);
  g_autofree char *long_message = g_strdup_printf ("n,,n=,r=a,x=%s", filler);
  const char *const messages[] = { long_nonce, long_message };

  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    {
      g_autoptr (TeesqlScramServer) server = NULL;
      g_autoptr (GError) error = NULL;
      Fixture fixture;

      fixture_init (&fixture, 0);
      server = teesql_scram_server_new (&fixture.options);
      g_assert_null (server_first (server, PLAIN, messages[i], &error));
      assert_reason (error, TEESQL_ERROR_MALFORMED, "scram-malformed");
    }
}

static void
test_refuses_nul (void)
{
  static const char message[] = "n,,n=\0,r=abc";
  g_autoptr (TeesqlScramServer) server = NULL;
  g_autoptr (GError) error = NULL;
  Fixture fixture;

  fixture_init (&fixture, 0);
  server = teesql_scram_server_new (&fixture.options);
  g_assert_null (teesql_scram_server_first (server, PLAIN, message, sizeof message - 1, &error));
  assert_reason (error, TEESQL_ERROR_MALFORMED, "scram-malformed");
}

typedef struct
{
  const char *message;
  TeesqlError code;
  const char *reason;
} FinalCase;

static const FinalCase final_cases[] = {
  { "c=eSws,r=" NONCE ",p=" PROOF, TEESQL_ERROR_REFUSED, "scram-channel-binding" }, /* y,, */
  { "c=biws=,r=" NONCE ",p=" PROOF, TEESQL_ERROR_REFUSED, "scram-channel-binding" },
  { "c=,r=" NONCE ",p=" PROOF, TEESQL_ERROR_REFUSED, "scram-channel-binding" },
  { "c=biws,r=" CLIENT_NONCE ",p=" PROOF, TEESQL_ERROR_REFUSED, "scram-nonce" },
  { "c=biws,r=" NONCE "x,p=" PROOF, TEESQL_ERROR_REFUSED, "scram-nonce" },
  { "c=biws,r=,p=" PROOF, TEESQL_ERROR_REFUSED, "scram-nonce" },
  { "r=" NONCE ",c=biws,p=" PROOF, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "c=biws,p=" PROOF ",r=" NONCE, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { WITHOUT_PROOF, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { WITHOUT_PROOF ",x=y", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { WITHOUT_PROOF ",p=", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { WITHOUT_PROOF ",p=AAAA", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { WITHOUT_PROOF ",p=" PROOF ",x=y", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { WITHOUT_PROOF ",p=" PROOF ",", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { WITHOUT_PROOF ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { WITHOUT_PROOF ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR=", TEESQL_ERROR_MALFORMED, "scram-malformed" }, /* not canonical */
  { WITHOUT_PROOF ",x=y,p=" PROOF, TEESQL_ERROR_REFUSED, "authentication-failed" }, /* extension is covered by the proof */
  { "", TEESQL_ERROR_MALFORMED, "scram-malformed" },
};

static void
test_final_messages (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (final_cases); i++)
    {
      const FinalCase *one = &final_cases[i];
      g_autoptr (TeesqlScramServer) server = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *first = NULL;
      Fixture fixture;
      guint candidate = 99;

      g_test_message ("%s", one->message);
      fixture_init (&fixture, 0);
      server = teesql_scram_server_new (&fixture.options);
      first = server_first (server, PLAIN, CLIENT_FIRST, NULL);
      g_assert_nonnull (first);
      g_assert_null (server_final (server, one->message, &candidate, &error));
      assert_reason (error, one->code, one->reason);
    }
}

static void
assert_client_vector (const guint8 *cbind, gsize cbind_size, const char *first, const char *final, const char *answer)
{
  g_autoptr (TeesqlScramClient) client = teesql_scram_client_new (CLIENT_NONCE, cbind, cbind_size);
  g_autoptr (TeesqlSecret) keys = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *own_first = teesql_scram_client_first (client);
  g_autofree char *own_final = NULL;
  TeesqlScramVerifier verifier;
  guint iterations = 0;
  gsize salt_size = 0;
  const guint8 *salt = NULL;

  g_assert_cmpstr (own_first, ==, first);
  g_assert_true (teesql_scram_client_take_first (client, SERVER_FIRST, strlen (SERVER_FIRST), &error));
  g_assert_no_error (error);
  rfc_verifier (&verifier);
  salt = teesql_scram_client_get_salt (client, &salt_size, &iterations);
  assert_bytes (salt, salt_size, verifier.salt, verifier.salt_size);
  g_assert_cmpuint (iterations, ==, 4096);
  keys = keys_of ("pencil", &verifier);
  own_final = teesql_scram_client_final (client, keys, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (own_final, ==, final);
  g_assert_true (teesql_scram_client_check_final (client, answer, strlen (answer), &error));
  g_assert_no_error (error);
}

static void
test_client_vectors (void)
{
  assert_client_vector (NULL, 0, "n,,n=,r=" CLIENT_NONCE, NAMELESS_FINAL, NAMELESS_ANSWER);
  assert_client_vector (binding, sizeof binding, "p=tls-server-end-point,,n=,r=" CLIENT_NONCE, PLUS_FINAL, PLUS_ANSWER);
}

static const FinalCase server_first_cases[] = {
  { "r=" CLIENT_NONCE ",s=" SALT ",i=4096", TEESQL_ERROR_REFUSED, "scram-nonce" }, /* nothing added */
  { "r=x" NONCE ",s=" SALT ",i=4096", TEESQL_ERROR_REFUSED, "scram-nonce" },
  { "r=,s=" SALT ",i=4096", TEESQL_ERROR_REFUSED, "scram-nonce" },
  { "r=" NONCE " ,s=" SALT ",i=4096", TEESQL_ERROR_REFUSED, "scram-nonce" },
  { "s=" SALT ",r=" NONCE ",i=4096", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "m=x,r=" NONCE ",s=" SALT ",i=4096", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "e=other-error", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "r=" NONCE ",s=,i=4096", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "r=" NONCE ",s=W22,i=4096", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "r=" NONCE ",s=====,i=4096", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "r=" NONCE ",s=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,i=4096", TEESQL_ERROR_MALFORMED,
    "scram-malformed" },
  { "r=" NONCE ",s=" SALT, TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "r=" NONCE ",s=" SALT ",i=", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "r=" NONCE ",s=" SALT ",i=0", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "r=" NONCE ",s=" SALT ",i=-1", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "r=" NONCE ",s=" SALT ",i=4096x", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "r=" NONCE ",s=" SALT ",i=4294971392", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "r=" NONCE ",s=" SALT ",i=4095", TEESQL_ERROR_REFUSED, "scram-iterations" },
  { "r=" NONCE ",s=" SALT ",i=65537", TEESQL_ERROR_REFUSED, "scram-iterations" },
  { "r=" NONCE ",s=" SALT ",i=4096,x=y", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "", TEESQL_ERROR_MALFORMED, "scram-malformed" },
};

static void
test_hostile_server_first (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (server_first_cases); i++)
    {
      const FinalCase *one = &server_first_cases[i];
      g_autoptr (TeesqlScramClient) client = teesql_scram_client_new (CLIENT_NONCE, NULL, 0);
      g_autofree char *first = teesql_scram_client_first (client);
      g_autofree char *exact = g_memdup2 (one->message, strlen (one->message));
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", one->message);
      g_assert_false (teesql_scram_client_take_first (client, exact, strlen (one->message), &error));
      assert_reason (error, one->code, one->reason);
    }
}

static const FinalCase server_final_cases[] = {
  { SERVER_FINAL, TEESQL_ERROR_REFUSED, "server-signature" }, /* of another exchange */
  { "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", TEESQL_ERROR_REFUSED, "server-signature" },
  { "e=invalid-proof", TEESQL_ERROR_REFUSED, "scram-server-error" },
  { "v=", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "v=3HO6", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { NAMELESS_ANSWER ",x=y", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { NAMELESS_ANSWER "\n", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "x=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=", TEESQL_ERROR_MALFORMED, "scram-malformed" },
  { "", TEESQL_ERROR_MALFORMED, "scram-malformed" },
};

static void
test_hostile_server_final (void)
{
  g_autoptr (TeesqlSecret) keys = NULL;
  TeesqlScramVerifier verifier;

  rfc_verifier (&verifier);
  keys = keys_of ("pencil", &verifier);
  for (guint i = 0; i < G_N_ELEMENTS (server_final_cases); i++)
    {
      const FinalCase *one = &server_final_cases[i];
      g_autoptr (TeesqlScramClient) client = teesql_scram_client_new (CLIENT_NONCE, NULL, 0);
      g_autofree char *first = teesql_scram_client_first (client);
      g_autofree char *final = NULL;
      g_autoptr (GError) error = NULL;

      g_assert_true (teesql_scram_client_take_first (client, SERVER_FIRST, strlen (SERVER_FIRST), NULL));
      final = teesql_scram_client_final (client, keys, NULL);
      g_assert_cmpstr (final, ==, NAMELESS_FINAL);
      g_assert_false (teesql_scram_client_check_final (client, one->message, strlen (one->message), &error));
      assert_reason (error, one->code, one->reason);
      /* no second try */
      g_assert_false (teesql_scram_client_check_final (client, NAMELESS_ANSWER, strlen (NAMELESS_ANSWER), NULL));
    }
}

static void
test_client_keeps_order (void)
{
  g_autoptr (TeesqlScramClient) client = teesql_scram_client_new (CLIENT_NONCE, NULL, 0);
  g_autofree char *first = teesql_scram_client_first (client);
  g_autoptr (TeesqlSecret) keys = NULL;
  g_autoptr (GError) error = NULL;
  TeesqlScramVerifier verifier;

  /* a server that skips to its final message must not be believed, and spoils the exchange */
  g_assert_false (teesql_scram_client_check_final (client, NAMELESS_ANSWER, strlen (NAMELESS_ANSWER), &error));
  assert_reason (error, TEESQL_ERROR_MALFORMED, "scram-order");
  g_assert_false (teesql_scram_client_take_first (client, SERVER_FIRST, strlen (SERVER_FIRST), NULL));
  rfc_verifier (&verifier);
  keys = keys_of ("pencil", &verifier);
  g_assert_null (teesql_scram_client_final (client, keys, NULL));
}

typedef struct
{
  const guint8 *client_binding;
  const guint8 *server_binding;
  const char *password;
  guint place;
  const char *reason; /* NULL: succeeds */
} Interplay;

/* Both sides of ours, as teesqld and `teesql connect` meet. */
static void
assert_interplay (const Interplay *one)
{
  g_autofree char *client_nonce = teesql_scram_nonce ();
  g_autofree char *server_nonce = teesql_scram_nonce ();
  g_autoptr (TeesqlScramClient) client =
      teesql_scram_client_new (client_nonce, one->client_binding, one->client_binding != NULL ? sizeof binding : 0);
  g_autoptr (TeesqlScramServer) server = NULL;
  g_autoptr (TeesqlSecret) keys = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *message1 = teesql_scram_client_first (client);
  g_autofree char *message2 = NULL;
  g_autofree char *message3 = NULL;
  g_autofree char *message4 = NULL;
  Fixture fixture;
  guint candidate = 99;

  fixture_init (&fixture, one->place);
  fixture.options.server_nonce = server_nonce;
  fixture.options.plus_offered = one->server_binding != NULL;
  fixture.options.channel_binding = one->server_binding;
  fixture.options.channel_binding_size = one->server_binding != NULL ? sizeof binding : 0;
  server = teesql_scram_server_new (&fixture.options);
  message2 = server_first (server, one->client_binding != NULL ? PLUS : PLAIN, message1, &error);
  g_assert_no_error (error);
  g_assert_true (teesql_scram_client_take_first (client, message2, strlen (message2), &error));
  keys = keys_of (one->password, &fixture.candidates[0]);
  message3 = teesql_scram_client_final (client, keys, &error);
  g_assert_no_error (error);
  message4 = server_final (server, message3, &candidate, &error);
  if (one->reason == NULL)
    {
      g_assert_no_error (error);
      g_assert_cmpuint (candidate, ==, one->place);
      g_assert_true (teesql_scram_client_check_final (client, message4, strlen (message4), &error));
      g_assert_no_error (error);
    }
  else
    {
      g_assert_null (message4);
      assert_reason (error, TEESQL_ERROR_REFUSED, one->reason);
    }
}

static void
test_interplay (void)
{
  static const guint8 other_channel[32] = { 99 };

  for (guint place = 0; place < TEESQL_SCRAM_CANDIDATES; place++)
    {
      assert_interplay (&(Interplay){ NULL, NULL, "pencil", place, NULL });
      assert_interplay (&(Interplay){ NULL, binding, "pencil", place, NULL });
      assert_interplay (&(Interplay){ binding, binding, "pencil", place, NULL });
      assert_interplay (&(Interplay){ binding, binding, "pencils", place, "authentication-failed" });
      assert_interplay (&(Interplay){ NULL, NULL, "pencils", place, "authentication-failed" });
      assert_interplay (&(Interplay){ binding, other_channel, "pencil", place, "scram-channel-binding" });
    }
}

static void
test_decoys (void)
{
  g_autoptr (TeesqlSecret) seed = secret ("0123456789abcdef0123456789abcdef");
  g_autoptr (TeesqlSecret) other = secret ("0123456789abcdef0123456789abcdeF");
  TeesqlScramVerifier a;
  TeesqlScramVerifier b;
  TeesqlScramVerifier c;
  TeesqlScramVerifier again;

  teesql_scram_verifier_decoy (seed, 0, binding, 16, 4096, &a);
  teesql_scram_verifier_decoy (seed, 1, binding, 16, 4096, &b);
  teesql_scram_verifier_decoy (other, 0, binding, 16, 4096, &c);
  teesql_scram_verifier_decoy (seed, 0, binding, 16, 4096, &again);
  assert_bytes (a.stored_key, 32, again.stored_key, 32);
  g_assert_cmpint (memcmp (a.stored_key, b.stored_key, 32), !=, 0);
  g_assert_cmpint (memcmp (a.stored_key, c.stored_key, 32), !=, 0);
  g_assert_cmpint (memcmp (a.stored_key, a.server_key, 32), !=, 0);
}

static void
test_nonces (void)
{
  g_autofree char *a = teesql_scram_nonce ();
  g_autofree char *b = teesql_scram_nonce ();

  g_assert_cmpuint (strlen (a), ==, 24);
  g_assert_null (strchr (a, ','));
  g_assert_cmpstr (a, !=, b);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scram/keys/match-rfc-7677", test_rfc_keys);
  g_test_add_func ("/scram/keys/refuse-what-needs-saslprep", test_keys_need_ascii);
  g_test_add_func ("/scram/verifier/refuses-malformed", test_refuses_malformed_verifiers);
  g_test_add_func ("/scram/verifier/bounds-the-salt", test_salt_sizes);
  g_test_add_func ("/scram/verifier/decoys-are-stable-and-differ", test_decoys);
  g_test_add_func ("/scram/nonce/is-fresh-and-printable", test_nonces);
  g_test_add_func ("/scram/server/matches-rfc-7677-in-every-place", test_rfc_server);
  g_test_add_func ("/scram/server/names-the-first-of-two-equal-secrets", test_first_of_two_equal);
  g_test_add_func ("/scram/server/an-unreal-candidate-never-opens", test_unreal_never_opens);
  g_test_add_func ("/scram/server/gives-one-attempt-in-order", test_one_attempt);
  g_test_add_func ("/scram/server/refuses-every-mutated-proof", test_mutated_proofs);
  g_test_add_func ("/scram/server/judges-first-messages", test_first_messages);
  g_test_add_func ("/scram/server/bounds-messages", test_bounds_messages);
  g_test_add_func ("/scram/server/refuses-a-nul", test_refuses_nul);
  g_test_add_func ("/scram/server/judges-final-messages", test_final_messages);
  g_test_add_func ("/scram/client/matches-known-answers", test_client_vectors);
  g_test_add_func ("/scram/client/refuses-hostile-first-messages", test_hostile_server_first);
  g_test_add_func ("/scram/client/refuses-hostile-final-messages", test_hostile_server_final);
  g_test_add_func ("/scram/client/keeps-the-order", test_client_keeps_order);
  g_test_add_func ("/scram/both/agree-on-every-candidate", test_interplay);
  return g_test_run ();
}
