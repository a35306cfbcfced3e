#include "fixtures.h"

#include "base/teesql-domains.h"
#include "ratls/teesql-ratls-attestation.h"
#include "ratls/teesql-ratls-certificate.h"
#include "ratls/teesql-ratls-identity.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

/* --- identities made by ourselves ------------------------------------------------------------------------------- */

#define NOT_BEFORE G_GINT64_CONSTANT (1767225600)
#define NOT_AFTER  G_GINT64_CONSTANT (1767312000)

static const char *const alt_names[] = { "orders.example.org", "192.0.2.7", "2001:db8::1", NULL };

static TeesqlTlsRequest
request (void)
{
  return (TeesqlTlsRequest){ .subject = "orders-1",
                             .alt_names = alt_names,
                             .usage = TEESQL_TLS_USAGE_SERVER | TEESQL_TLS_USAGE_CLIENT,
                             .not_before_unix = NOT_BEFORE,
                             .not_after_unix = NOT_AFTER };
}

/* @flip: the byte of the quote's report data to change, -1 for none; @flip_envelope: the same for the envelope */
static GBytes *
make_leaf (int flip, int flip_envelope, GBytes **out_spki)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) spki = NULL;
  g_autoptr (TeesqlSecret) key = teesql_ratls_make_key (&spki, &error);
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (TeesqlTlsIdentity) identity = NULL;
  TeesqlTlsRequest what = request ();
  guint8 report_data[64];
  guint8 envelope[64];
  guint n_chain = 0;

  g_assert_no_error (error);
  teesql_ratls_report_data (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), report_data);
  teesql_ratls_report_data (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), envelope);
  if (flip >= 0)
    report_data[flip] ^= 1;
  if (flip_envelope >= 0)
    envelope[flip_envelope] ^= 1;
  evidence = fixture_evidence (report_data, fixture_events, FIXTURE_N_EVENTS, 1);
  identity = teesql_ratls_make_identity (key, &what, evidence, envelope, &error);
  g_assert_no_error (error);
  if (out_spki != NULL)
    *out_spki = g_steal_pointer (&spki);
  return g_bytes_ref (teesql_tls_identity_get_chain (identity, &n_chain)[0]);
}

static TeesqlRatlsPeer *
parse (GBytes *leaf, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (leaf, &size);
  g_autofree guint8 *exact = g_memdup2 (data, size);

  return teesql_ratls_peer_parse (exact, size, error);
}

static void
own_identity_is_bound (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) spki = NULL;
  g_autoptr (GBytes) leaf = make_leaf (-1, -1, &spki);
  g_autoptr (TeesqlRatlsPeer) peer = parse (leaf, &error);

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (peer->spki, spki));
  g_assert_false (peer->legacy);
  g_assert_cmpint (peer->not_before_unix, ==, NOT_BEFORE);
  g_assert_cmpint (peer->not_after_unix, ==, NOT_AFTER);
  g_assert_true (teesql_ratls_peer_check_binding (peer, &error));
  g_assert_no_error (error);
}

static void
assert_gnutls_agrees (gnutls_x509_crt_t crt, GBytes *spki)
{
  gnutls_pubkey_t pubkey = NULL;
  gnutls_datum_t der = { NULL, 0 };

  g_assert_cmpint (gnutls_pubkey_init (&pubkey), >=, 0);
  g_assert_cmpint (gnutls_pubkey_import_x509 (pubkey, crt, 0), >=, 0);
  g_assert_cmpint (gnutls_pubkey_export2 (pubkey, GNUTLS_X509_FMT_DER, &der), >=, 0);
  assert_same_bytes (der.data, der.size, g_bytes_get_data (spki, NULL), g_bytes_get_size (spki));
  gnutls_free (der.data);
  gnutls_pubkey_deinit (pubkey);
  g_assert_cmpint (gnutls_x509_crt_get_activation_time (crt), ==, NOT_BEFORE);
  g_assert_cmpint (gnutls_x509_crt_get_expiration_time (crt), ==, NOT_AFTER);
  g_assert_cmpuint (gnutls_x509_crt_check_issuer (crt, crt), ==, 1);
}

/* Two readers of one certificate must see one thing: TLS proves possession of the key that GnuTLS reads. */
static void
gnutls_reads_the_same (void)
{
  g_autoptr (GBytes) spki = NULL;
  g_autoptr (GBytes) leaf = make_leaf (-1, -1, &spki);
  gnutls_x509_crt_t crt = NULL;
  gnutls_datum_t der = { NULL, 0 };
  gsize size = 0;

  der.data = (unsigned char *) g_bytes_get_data (leaf, &size);
  der.size = (unsigned int) size;
  g_assert_cmpint (gnutls_x509_crt_init (&crt), >=, 0);
  g_assert_cmpint (gnutls_x509_crt_import (crt, &der, GNUTLS_X509_FMT_DER), >=, 0);
  assert_gnutls_agrees (crt, spki);
  for (guint i = 0; alt_names[i] != NULL; i++)
    g_assert_cmpuint (gnutls_x509_crt_check_hostname (crt, alt_names[i]), !=, 0);
  g_assert_cmpuint (gnutls_x509_crt_check_hostname (crt, "other.example.org"), ==, 0);
  g_assert_cmpuint (gnutls_x509_crt_check_key_purpose (crt, GNUTLS_KP_TLS_WWW_SERVER, 0), !=, 0);
  g_assert_cmpuint (gnutls_x509_crt_check_key_purpose (crt, GNUTLS_KP_TLS_WWW_CLIENT, 0), !=, 0);
  gnutls_x509_crt_deinit (crt);
}

/* SR-1: a quote made for another key, in whichever byte it differs. */
static void
other_report_data_is_refused (void)
{
  static const struct
  {
    int quote;
    int envelope;
  } rows[] = { { 0, -1 }, { 31, -1 }, { 32, -1 }, { 63, -1 }, { -1, 0 }, { -1, 63 }, { 5, 5 } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) leaf = make_leaf (rows[i].quote, rows[i].envelope, NULL);
      g_autoptr (TeesqlRatlsPeer) peer = parse (leaf, &error);

      g_assert_no_error (error);
      g_assert_false (teesql_ratls_peer_check_binding (peer, &error));
      assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_REFUSED, "report-data-mismatch");
    }
}

static void
report_data_is_the_documented_one (void)
{
  g_autoptr (GBytes) expected = fixture_hex ("8d07f3b3f589a432d16fdfd740d895d227a184d069523af8d06ed879f4787c1d"
                                             "de7582d00c5908d22ee28ee10870ba26cce2bbfcd033299071c6e79553eff4f8");
  guint8 found[64];

  teesql_ratls_report_data ((const guint8 *) "test-public-key", 15, found);
  assert_same_bytes (found, 64, g_bytes_get_data (expected, NULL), 64);
}

static void
every_cut_is_refused (void)
{
  g_autoptr (GBytes) leaf = make_leaf (-1, -1, NULL);

  for (gsize n = 0; n < g_bytes_get_size (leaf); n++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) cut = g_bytes_new_from_bytes (leaf, 0, n);

      g_assert_null (parse (cut, &error));
      assert_reason (error, TEESQL_ATTEST_ERROR, TEESQL_ERROR_MALFORMED, "certificate-malformed");
    }
}

static void
every_changed_byte_is_survived (void)
{
  g_autoptr (GBytes) leaf = make_leaf (-1, -1, NULL);
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (leaf, &size);
  g_autofree guint8 *copy = g_memdup2 (data, size);

  for (gsize i = 0; i < size; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlRatlsPeer) peer = NULL;

      copy[i] ^= 0x80;
      peer = teesql_ratls_peer_parse (copy, size, &error);
      g_assert_true (peer != NULL || error->domain == TEESQL_ATTEST_ERROR);
      copy[i] ^= 0x80;
    }
}

/* --- certificates made byte by byte -------------------------------------------------------------------------------- */

static GByteArray *
der (guint8 tag, GByteArray *content)
{
  GByteArray *out = g_byte_array_new ();
  guint8 head[4] = { tag, (guint8) content->len };
  guint n = 2;

  if (content->len >= 0x80)
    {
      head[1] = 0x82;
      head[2] = (guint8) (content->len >> 8);
      head[3] = (guint8) content->len;
      n = 4;
      if (content->len < 0x100)
        {
          head[1] = 0x81;
          head[2] = (guint8) content->len;
          n = 3;
        }
    }
  g_byte_array_append (out, head, n);
  g_byte_array_append (out, content->data, content->len);
  g_byte_array_unref (content);
  return out;
}

static void
append (GByteArray *out, GByteArray *more)
{
  g_byte_array_append (out, more->data, more->len);
  g_byte_array_unref (more);
}

static GByteArray *
bytes_of (const char *hex)
{
  g_autoptr (GBytes) bytes = fixture_hex (hex);
  GByteArray *out = g_byte_array_new ();

  g_byte_array_append (out, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
  return out;
}

typedef struct
{
  guint8 number; /* last arc under 1.3.6.1.4.1.62397.1 */
  GBytes *value; /* content of the extension's own OCTET STRING */
} Extension;

static GByteArray *
extension (const Extension *what)
{
  GByteArray *content = bytes_of ("060a2b0601040183e73d01");
  GByteArray *value = g_byte_array_new ();

  g_byte_array_append (content, &what->number, 1);
  g_byte_array_append (value, g_bytes_get_data (what->value, NULL), (guint) g_bytes_get_size (what->value));
  append (content, der (0x04, value));
  return der (0x30, content);
}

#define P256_HEAD   "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
#define POINT_HALF  "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
#define GOOD_KEY    P256_HEAD POINT_HALF POINT_HALF
#define UTC_PERIOD  "301e170d3236303130313030303030305a170d3236303130323030303030305a"
#define EMPTY_NAMES "3000"

static GByteArray *
certificate_with (const char *key_hex, const char *validity_hex, const Extension *extensions, guint n_extensions)
{
  GByteArray *tbs = bytes_of ("a003020102"
                              "020101"
                              "300a06082a8648ce3d040302" EMPTY_NAMES);
  GByteArray *list = g_byte_array_new ();
  GByteArray *certificate = g_byte_array_new ();

  append (tbs, bytes_of (validity_hex));
  append (tbs, bytes_of (EMPTY_NAMES));
  append (tbs, bytes_of (key_hex));
  for (guint i = 0; i < n_extensions; i++)
    append (list, extension (&extensions[i]));
  append (tbs, der (0xa3, der (0x30, list)));
  append (certificate, der (0x30, tbs));
  append (certificate, bytes_of ("300a06082a8648ce3d040302"
                                 "030100"));
  return der (0x30, certificate);
}

static void
assert_refused (GByteArray *certificate, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) leaf = g_byte_array_free_to_bytes (certificate);
  g_autoptr (TeesqlRatlsPeer) peer = parse (leaf, &error);

  g_assert_null (peer);
  g_test_message ("%s", error->message);
  assert_reason (error, TEESQL_ATTEST_ERROR, code, reason);
}

static GBytes *
wrapped (GBytes *payload)
{
  return teesql_ratls_wrap_extension (payload);
}

typedef struct
{
  GBytes *attestation;  /* wrapped */
  GBytes *quote;        /* wrapped, the same */
  GBytes *padded_quote; /* wrapped, with more padding */
  GBytes *other_quote;  /* wrapped, another */
} Payloads;

static void
payloads_init (Payloads *self)
{
  guint8 report_data[64];
  guint8 other[48] = { 9 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) key = fixture_hex (GOOD_KEY);
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (GBytes) attestation = NULL;
  g_autoptr (GByteArray) padded = g_byte_array_new ();
  g_autoptr (GBytes) other_quote = NULL;
  GBytes *quote = NULL;

  teesql_ratls_report_data (g_bytes_get_data (key, NULL), g_bytes_get_size (key), report_data);
  evidence = fixture_evidence (report_data, fixture_events, FIXTURE_N_EVENTS, 1);
  attestation = teesql_ratls_attestation_write_v0 (evidence, report_data, TRUE, &error);
  g_assert_no_error (error);
  quote = teesql_evidence_get_quote (evidence);
  g_byte_array_append (padded, g_bytes_get_data (quote, NULL), (guint) g_bytes_get_size (quote));
  g_byte_array_append (padded, (const guint8 *) "\0\0\0\0", 4);
  other_quote = fixture_quote (report_data, other, 0);
  self->attestation = wrapped (attestation);
  self->quote = wrapped (quote);
  self->padded_quote = g_bytes_new (padded->data, padded->len);
  self->other_quote = wrapped (other_quote);
  {
    g_autoptr (GBytes) plain = g_steal_pointer (&self->padded_quote);

    self->padded_quote = wrapped (plain);
  }
}

static void
payloads_clear (Payloads *self)
{
  g_bytes_unref (self->attestation);
  g_bytes_unref (self->quote);
  g_bytes_unref (self->padded_quote);
  g_bytes_unref (self->other_quote);
}

static TeesqlRatlsPeer *
accepted (const Extension *extensions, guint n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) leaf = g_byte_array_free_to_bytes (certificate_with (GOOD_KEY, UTC_PERIOD, extensions, n));
  TeesqlRatlsPeer *peer = parse (leaf, &error);

  g_assert_no_error (error);
  return peer;
}

static void
evidence_is_found_where_the_profile_says (void)
{
  Payloads payloads = { 0 };
  static const char text[] = "[{\"imr\":3,\"event_type\":134217729,\"event\":\"app\",\"event_payload\":\"\"}]";
  g_autoptr (GBytes) log_text = g_bytes_new_static (text, strlen (text));
  g_autoptr (GBytes) log = NULL;
  g_autoptr (TeesqlRatlsPeer) current = NULL;
  g_autoptr (TeesqlRatlsPeer) both = NULL;
  g_autoptr (TeesqlRatlsPeer) bare = NULL;
  g_autoptr (TeesqlRatlsPeer) legacy = NULL;

  payloads_init (&payloads);
  log = wrapped (log_text);
  current = accepted (&(Extension){ 8, payloads.attestation }, 1);
  g_assert_false (current->legacy);
  g_assert_true (teesql_ratls_peer_check_binding (current, NULL));
  both = accepted ((Extension[]){ { 1, payloads.padded_quote }, { 8, payloads.attestation } }, 2);
  g_assert_false (both->legacy);
  bare = accepted (&(Extension){ 1, payloads.quote }, 1);
  g_assert_true (bare->legacy);
  g_assert_null (bare->envelope_report_data);
  g_assert_cmpuint (teesql_evidence_get_n_events (bare->evidence), ==, 0);
  g_assert_true (teesql_ratls_peer_check_binding (bare, NULL));
  legacy = accepted ((Extension[]){ { 1, payloads.quote }, { 2, log } }, 2);
  g_assert_true (legacy->legacy);
  g_assert_cmpuint (teesql_evidence_get_n_events (legacy->evidence), ==, 1);
  payloads_clear (&payloads);
}

static void
refuse_extensions (const Extension *extensions, guint n, TeesqlError code, const char *reason)
{
  assert_refused (certificate_with (GOOD_KEY, UTC_PERIOD, extensions, n), code, reason);
}

static void
other_evidence_is_refused (void)
{
  Payloads payloads = { 0 };
  g_autoptr (GBytes) packed = g_bytes_new_static ("ELGZv1\x1f\x8b", 8);
  g_autoptr (GBytes) log = wrapped (packed);
  g_autoptr (GBytes) empty = fixture_hex ("0400");
  g_autoptr (GBytes) short_id = fixture_hex ("0413"
                                             "00112233445566778899aabbccddeeff001122");
  g_autoptr (GBytes) nothing = fixture_hex ("");

  payloads_init (&payloads);
  refuse_extensions (NULL, 0, TEESQL_ERROR_MALFORMED, "no-evidence");
  refuse_extensions (&(Extension){ 2, log }, 1, TEESQL_ERROR_MALFORMED, "no-evidence");
  refuse_extensions ((Extension[]){ { 1, payloads.quote }, { 2, log } }, 2, TEESQL_ERROR_UNSUPPORTED, "evidence-compressed");
  refuse_extensions ((Extension[]){ { 8, payloads.attestation }, { 1, payloads.other_quote } }, 2, TEESQL_ERROR_MALFORMED,
                     "evidence-duplicate");
  refuse_extensions ((Extension[]){ { 8, payloads.attestation }, { 8, payloads.attestation } }, 2, TEESQL_ERROR_MALFORMED,
                     "evidence-duplicate");
  refuse_extensions ((Extension[]){ { 5, empty }, { 5, empty }, { 8, payloads.attestation } }, 3, TEESQL_ERROR_MALFORMED,
                     "evidence-duplicate");
  refuse_extensions (&(Extension){ 8, empty }, 1, TEESQL_ERROR_MALFORMED, "evidence-malformed");
  refuse_extensions (&(Extension){ 8, nothing }, 1, TEESQL_ERROR_MALFORMED, "evidence-malformed");
  refuse_extensions ((Extension[]){ { 3, short_id }, { 8, payloads.attestation } }, 2, TEESQL_ERROR_MALFORMED, "evidence-malformed");
  payloads_clear (&payloads);
}

/* RA-TLS profile 1: one more OCTET STRING, definite, minimal, filling the value. */
static void
wrappers_are_strict (void)
{
  static const char *const wrong[] = {
    "05020000",     /* another tag */
    "24020000",     /* constructed */
    "04800000",     /* indefinite */
    "0481020000",   /* two bytes, long form */
    "048200020000", /* the same, longer */
    "04020000ff",   /* does not fill the value */
    "0403ffff",     /* beyond the value */
    "04",           "1f0400",
  };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GBytes) value = fixture_hex (wrong[i]);

      refuse_extensions (&(Extension){ 8, value }, 1, TEESQL_ERROR_MALFORMED, "evidence-malformed");
      refuse_extensions (&(Extension){ 1, value }, 1, TEESQL_ERROR_MALFORMED, "evidence-malformed");
    }
}

static void
other_keys_are_refused (void)
{
  static const char *const keys[] = {
    "302a300506032b6570032100" POINT_HALF,                                    /* Ed25519 */
    "3039301306072a8648ce3d020106082a8648ce3d03010703220002" POINT_HALF,      /* compressed point */
    "3056301006072a8648ce3d020106052b8104000a03420004" POINT_HALF POINT_HALF, /* secp256k1 */
  };
  Payloads payloads = { 0 };

  payloads_init (&payloads);
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    assert_refused (certificate_with (keys[i], UTC_PERIOD, &(Extension){ 8, payloads.attestation }, 1), TEESQL_ERROR_UNSUPPORTED,
                    "certificate-key");
  payloads_clear (&payloads);
}

static void
dates_are_read_strictly (void)
{
  static const char *const wrong[] = {
    "301e170d3236303130313030303030305a170d3236303233303030303030305a", /* 30 February */
    "301e170d3236303130313030303030302b170d3236303130323030303030305a", /* no Z */
    "301e170d3236303130313030303030415a170d3236303130323030303030305a", /* a letter */
    "301e130d3236303130313030303030305a170d3236303130323030303030305a", /* no time */
    "300f170d3236303130313030303030305a",                               /* one date */
  };
  Payloads payloads = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) leaf = NULL;
  g_autoptr (TeesqlRatlsPeer) peer = NULL;

  payloads_init (&payloads);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    assert_refused (certificate_with (GOOD_KEY, wrong[i], &(Extension){ 8, payloads.attestation }, 1), TEESQL_ERROR_MALFORMED,
                    "certificate-malformed");
  /* UTCTime 50 is 1950; GeneralizedTime */
  leaf = g_byte_array_free_to_bytes (certificate_with (GOOD_KEY, "3020170d3530303130313030303030305a180f32303530303130313030303030305a",
                                                       &(Extension){ 8, payloads.attestation }, 1));
  peer = parse (leaf, &error);
  g_assert_no_error (error);
  g_assert_cmpint (peer->not_before_unix, ==, -631152000);
  g_assert_cmpint (peer->not_after_unix, ==, 2524608000);
  payloads_clear (&payloads);
}

static void
bytes_behind_the_certificate_are_refused (void)
{
  Payloads payloads = { 0 };
  GByteArray *certificate = NULL;

  payloads_init (&payloads);
  certificate = certificate_with (GOOD_KEY, UTC_PERIOD, &(Extension){ 8, payloads.attestation }, 1);
  append (certificate, bytes_of ("00"));
  assert_refused (certificate, TEESQL_ERROR_MALFORMED, "certificate-malformed");
  payloads_clear (&payloads);
}

static void
oversize_is_refused_unread (void)
{
  GByteArray *big = g_byte_array_new ();

  g_byte_array_set_size (big, TEESQL_RATLS_MAX_CERTIFICATE + 1);
  assert_refused (big, TEESQL_ERROR_MALFORMED, "certificate-malformed");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/certificate/own-identity-is-bound-to-its-key", own_identity_is_bound);
  g_test_add_func ("/certificate/gnutls-reads-the-same", gnutls_reads_the_same);
  g_test_add_func ("/certificate/report-data-is-the-documented-one", report_data_is_the_documented_one);
  g_test_add_func ("/certificate/other-report-data-is-refused", other_report_data_is_refused);
  g_test_add_func ("/certificate/every-cut-is-refused", every_cut_is_refused);
  g_test_add_func ("/certificate/every-changed-byte-is-survived", every_changed_byte_is_survived);
  g_test_add_func ("/certificate/evidence-is-found-where-the-profile-says", evidence_is_found_where_the_profile_says);
  g_test_add_func ("/certificate/other-evidence-is-refused", other_evidence_is_refused);
  g_test_add_func ("/certificate/wrappers-are-strict", wrappers_are_strict);
  g_test_add_func ("/certificate/other-keys-are-refused", other_keys_are_refused);
  g_test_add_func ("/certificate/dates-are-read-strictly", dates_are_read_strictly);
  g_test_add_func ("/certificate/bytes-behind-it-are-refused", bytes_behind_the_certificate_are_refused);
  g_test_add_func ("/certificate/oversize-is-refused-unread", oversize_is_refused_unread);
  return g_test_run ();
}
