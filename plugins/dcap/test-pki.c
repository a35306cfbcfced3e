#include "test-pki.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <teesql/teesql-error.h>

#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "test-bytes.h"

#define OID_ECDSA_SHA256 "06082a8648ce3d040302"
#define OID_ECDSA_SHA384 "06082a8648ce3d040303"
#define OID_EXTENSION    "2a864886f84d010d01"

static gnutls_privkey_t keys[TEST_N_KEYS];

static void
check (int rc)
{
  if (rc < 0)
    g_error ("gnutls: %s", gnutls_strerror (rc));
}

static gnutls_privkey_t
get_key (TestKey key)
{
  gnutls_ecc_curve_t curve = key == TEST_KEY_P384 ? GNUTLS_ECC_CURVE_SECP384R1 : GNUTLS_ECC_CURVE_SECP256R1;

  if (keys[key] == NULL)
    {
      check (gnutls_privkey_init (&keys[key]));
      check (gnutls_privkey_generate2 (keys[key], GNUTLS_PK_EC, GNUTLS_CURVE_TO_BITS (curve), 0, NULL, 0));
    }
  return keys[key];
}

void
test_pki_free (void)
{
  for (guint i = 0; i < TEST_N_KEYS; i++)
    if (keys[i] != NULL)
      gnutls_privkey_deinit (keys[i]);
}

static GByteArray *
new_field (const char *numbers)
{
  GByteArray *entry = g_byte_array_new ();
  GByteArray *oid = g_byte_array_new ();

  test_put_hex (oid, OID_EXTENSION);
  test_put_hex (oid, numbers);
  test_put_tlv (entry, 0x06, oid);
  return entry;
}

static void
put_octet_field (GByteArray *out, const char *numbers, gconstpointer data, gsize size)
{
  GByteArray *entry = new_field (numbers);
  test_put_tlv_bytes (entry, 0x04, data, size);
  test_put_tlv (out, 0x30, entry);
}

static void
put_tcb_field (GByteArray *out, const TestPckRecipe *recipe)
{
  GByteArray *entry = new_field ("02");
  GByteArray *list = g_byte_array_new ();

  for (guint i = 1; i <= 17; i++)
    {
      g_autofree char *numbers = g_strdup_printf ("02%02x", i);
      GByteArray *item = new_field (numbers);
      test_put_integer (item, 0x02, i == 17 ? recipe->pce_svn : i == 1 ? recipe->component_0 : recipe->components[i - 1]);
      if ((recipe->omit_tcb & 1u << i) != 0)
        g_byte_array_unref (item);
      else
        test_put_tlv (list, 0x30, item);
    }
  if ((recipe->omit_tcb & 1u << 18) == 0)
    put_octet_field (list, "0212", recipe->cpu_svn, 16);
  test_put_tlv (entry, 0x30, list);
  test_put_tlv (out, 0x30, entry);
}

static const guint8 ppid[16] = { 0x70, 0x70, 0x69, 0x64, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
static const guint8 instance[16] = { 0x69, 0x6e, 0x73, 0x74 };

static GByteArray *
make_extension (const TestPckRecipe *recipe)
{
  GByteArray *out = g_byte_array_new ();
  GByteArray *list = g_byte_array_new ();
  GByteArray *type = new_field ("05");

  if ((recipe->omit & 1u << 1) == 0)
    put_octet_field (list, "01", ppid, sizeof ppid);
  if (recipe->foreign_field)
    test_put_hex (list, "3010060a2a864886f84d010d02200402aabb");
  if (recipe->twice)
    put_octet_field (list, "01", ppid, sizeof ppid);
  if ((recipe->omit & 1u << 2) == 0)
    put_tcb_field (list, recipe);
  if ((recipe->omit & 1u << 3) == 0)
    put_octet_field (list, "03", recipe->pce_id, sizeof recipe->pce_id);
  if ((recipe->omit & 1u << 4) == 0)
    put_octet_field (list, "04", recipe->fmspc, sizeof recipe->fmspc);
  test_put_integer (type, 0x0a, recipe->sgx_type);
  if ((recipe->omit & 1u << 5) == 0)
    test_put_tlv (list, 0x30, type);
  else
    g_byte_array_unref (type);
  if ((recipe->omit & 1u << 6) == 0)
    put_octet_field (list, "06", instance, sizeof instance);
  test_put_tlv (out, 0x30, list);
  if (recipe->trailing)
    test_put (out, "", 1);
  return out;
}

static void
set_key (gnutls_x509_crt_t crt, TestKey key)
{
  gnutls_pubkey_t pubkey = NULL;

  check (gnutls_pubkey_init (&pubkey));
  check (gnutls_pubkey_import_privkey (pubkey, get_key (key), 0, 0));
  check (gnutls_x509_crt_set_pubkey (crt, pubkey));
  gnutls_pubkey_deinit (pubkey);
}

static gnutls_x509_crt_t
make_cert (const TestRecipe *recipe, TestCert which)
{
  const TestCertRecipe *own = &recipe->certs[which];
  const guint8 serial[2] = { 0x51, (guint8) (which + 1) };
  gnutls_x509_crt_t crt = NULL;
  gnutls_x509_crt_t issuer = NULL;

  check (gnutls_x509_crt_init (&crt));
  check (gnutls_x509_crt_init (&issuer));
  check (gnutls_x509_crt_set_dn_by_oid (issuer, GNUTLS_OID_X520_COMMON_NAME, 0, recipe->certs[own->issuer].common_name,
                                        (unsigned int) strlen (recipe->certs[own->issuer].common_name)));
  set_key (issuer, own->signed_by);
  check (gnutls_x509_crt_set_version (crt, 3));
  check (gnutls_x509_crt_set_dn_by_oid (crt, GNUTLS_OID_X520_COMMON_NAME, 0, own->common_name, (unsigned int) strlen (own->common_name)));
  check (gnutls_x509_crt_set_serial (crt, serial, sizeof serial));
  check (gnutls_x509_crt_set_activation_time (crt, own->not_before));
  check (gnutls_x509_crt_set_expiration_time (crt, own->not_after));
  check (gnutls_x509_crt_set_basic_constraints (crt, own->is_ca ? 1 : 0, -1));
  if (own->usage != 0)
    check (gnutls_x509_crt_set_key_usage (crt, own->usage));
  set_key (crt, own->key);
  if (which == TEST_PCK && (recipe->pck.omit & 1) == 0)
    {
      g_autoptr (GByteArray) extension = make_extension (&recipe->pck);
      check (gnutls_x509_crt_set_extension_by_oid (crt, DCAP_PCK_EXTENSION_OID, extension->data, extension->len, 0));
    }
  check (gnutls_x509_crt_privkey_sign (crt, issuer, get_key (own->signed_by), own->digest, 0));
  gnutls_x509_crt_deinit (issuer);
  return crt;
}

static void
sign_der (TestKey key, const guint8 *data, gsize size, gnutls_datum_t *out)
{
  gnutls_datum_t in = { (unsigned char *) data, (unsigned int) size };
  check (gnutls_privkey_sign_data (get_key (key), GNUTLS_DIG_SHA256, 0, &in, out));
}

static void
sign_raw (TestKey key, const guint8 *data, gsize size, guint8 out[64])
{
  gnutls_datum_t der = { NULL, 0 };
  gnutls_datum_t parts[2] = { { NULL, 0 }, { NULL, 0 } };

  sign_der (key, data, size, &der);
  check (gnutls_decode_rs_value (&der, &parts[0], &parts[1]));
  memset (out, 0, 64);
  for (guint i = 0; i < 2; i++)
    {
      guint skip = parts[i].size > 32 ? parts[i].size - 32 : 0;
      guint length = parts[i].size - skip;
      test_copy (out + 32 * (i + 1) - length, parts[i].data + skip, length);
      gnutls_free (parts[i].data);
    }
  gnutls_free (der.data);
}

static void
put_time (GByteArray *out, gint64 unix_seconds)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (unix_seconds);
  g_autofree char *text = g_date_time_format (time, "%y%m%d%H%M%SZ");
  test_put_tlv_bytes (out, 0x17, text, strlen (text));
}

static void
put_algorithm (GByteArray *out, gboolean says_sha384)
{
  GByteArray *algorithm = g_byte_array_new ();
  test_put_hex (algorithm, says_sha384 ? OID_ECDSA_SHA384 : OID_ECDSA_SHA256);
  test_put_tlv (out, 0x30, algorithm);
}

static void
put_crl_extension (GByteArray *out, const char *oid, gboolean critical, GByteArray *value)
{
  GByteArray *extension = g_byte_array_new ();

  test_put_hex (extension, oid);
  if (critical)
    test_put_hex (extension, "0101ff");
  test_put_tlv (extension, 0x04, value);
  test_put_tlv (out, 0x30, extension);
}

static void
put_crl_extensions (GByteArray *out, const TestCrlRecipe *recipe)
{
  GByteArray *list = g_byte_array_new ();
  GByteArray *wrapped = g_byte_array_new ();
  GByteArray *number = g_byte_array_new ();
  GByteArray *authority = g_byte_array_new ();
  GByteArray *delta = g_byte_array_new ();

  test_put_integer (number, 0x02, recipe->number);
  test_put_hex (authority, "30048002aabb");
  test_put_integer (delta, 0x02, 1);
  if (recipe->number != 0)
    put_crl_extension (list, "0603551d14", FALSE, g_byte_array_ref (number));
  if (!recipe->omit_authority_key)
    put_crl_extension (list, "0603551d23", FALSE, g_byte_array_ref (authority));
  if (recipe->critical_delta)
    put_crl_extension (list, "0603551d1b", TRUE, g_byte_array_ref (delta));
  g_byte_array_unref (number);
  g_byte_array_unref (authority);
  g_byte_array_unref (delta);
  test_put_tlv (wrapped, 0x30, list);
  test_put_tlv (out, 0xa0, wrapped);
}

static void
put_revoked (GByteArray *out, const TestCrlRecipe *recipe)
{
  GByteArray *list = g_byte_array_new ();

  for (guint i = 0; i < TEST_N_CERTS; i++)
    {
      GByteArray *entry = NULL;
      if ((recipe->revoked & 1u << i) == 0)
        continue;
      entry = g_byte_array_new ();
      test_put_integer (entry, 0x02, 0x5100 + i + 1);
      put_time (entry, recipe->this_update);
      test_put_tlv (list, 0x30, entry);
    }
  if (list->len > 0)
    test_put_tlv (out, 0x30, list);
  else
    g_byte_array_unref (list);
}

static GBytes *
make_crl (const TestCrlRecipe *recipe, gnutls_x509_crt_t *crts)
{
  GByteArray *tbs = g_byte_array_new ();
  GByteArray *whole = g_byte_array_new ();
  GByteArray *out = g_byte_array_new ();
  gnutls_datum_t name = { NULL, 0 };
  gnutls_datum_t signature = { NULL, 0 };

  check (gnutls_x509_crt_get_raw_dn (crts[recipe->issuer], &name));
  test_put_integer (tbs, 0x02, 1);
  put_algorithm (tbs, recipe->says_sha384);
  test_put (tbs, name.data, name.size);
  put_time (tbs, recipe->this_update);
  if (!recipe->omit_next_update)
    put_time (tbs, recipe->next_update);
  put_revoked (tbs, recipe);
  put_crl_extensions (tbs, recipe);
  test_put_tlv (whole, 0x30, tbs);
  sign_der (recipe->signed_by, whole->data, whole->len, &signature);
  put_algorithm (whole, recipe->says_sha384);
  GByteArray *bits = g_byte_array_new ();
  test_put (bits, "", 1);
  test_put (bits, signature.data, signature.size);
  test_put_tlv (whole, 0x03, bits);
  test_put_tlv (out, 0x30, whole);
  gnutls_free (name.data);
  gnutls_free (signature.data);
  if (recipe->truncated)
    g_byte_array_set_size (out, out->len - 1);
  return g_byte_array_free_to_bytes (out);
}

static char *
make_pem (gnutls_x509_crt_t *crts, const char *order)
{
  g_autoptr (GString) out = g_string_new (NULL);

  for (const char *c = order; *c != '\0'; c++)
    {
      gnutls_datum_t pem = { NULL, 0 };
      TestCert which = *c == 'p' ? TEST_PCK : *c == 'c' ? TEST_CA : *c == 's' ? TEST_SIGNER : TEST_ROOT;
      if (*c == ' ') /* a KiB of white space, which is allowed */
        {
          g_autofree char *space = g_strnfill (1024, ' ');
          g_string_append (out, space);
          continue;
        }
      if (*c == 'x')
        {
          g_string_append (out, "junk\n");
          continue;
        }
      check (gnutls_x509_crt_export2 (crts[which], GNUTLS_X509_FMT_PEM, &pem));
      g_string_append_len (out, (const char *) pem.data, pem.size);
      gnutls_free (pem.data);
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static GBytes *
pem_bytes (gnutls_x509_crt_t *crts, const char *order)
{
  char *text = make_pem (crts, order);
  return g_bytes_new_take (text, strlen (text));
}

#define ZEROS_48 "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
#define MODULE   "\"mrsigner\":\"" ZEROS_48 "\",\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\""

static void
add_components (GString *out, const char *name, const char *svns)
{
  g_auto (GStrv) parts = g_strsplit (svns, " ", -1);

  g_string_append_printf (out, "\"%s\":[", name);
  for (guint i = 0; i < DCAP_N_COMPONENTS; i++)
    g_string_append_printf (out, "%s{\"svn\":%s}", i > 0 ? "," : "", i < g_strv_length (parts) ? parts[i] : "0");
  g_string_append (out, "]");
}

static void
add_level (GString *out, const char *sgx, guint pce_svn, const char *tdx, const char *rest)
{
  g_string_append (out, "{\"tcb\":{");
  add_components (out, "sgxtcbcomponents", sgx);
  g_string_append_printf (out, ",\"pcesvn\":%u,", pce_svn);
  add_components (out, "tdxtcbcomponents", tdx);
  g_string_append_printf (out, "},%s}", rest);
}

static void
add_dates (GString *out, const TestTextRecipe *recipe)
{
  g_autoptr (GDateTime) issued = g_date_time_new_from_unix_utc (recipe->issue_date);
  g_autoptr (GDateTime) next = g_date_time_new_from_unix_utc (recipe->next_update);
  g_autofree char *issued_text = g_date_time_format (issued, "%Y-%m-%dT%H:%M:%SZ");
  g_autofree char *next_text = g_date_time_format (next, "%Y-%m-%dT%H:%M:%SZ");
  g_string_append_printf (out, "\"issueDate\":\"%s\",\"nextUpdate\":\"%s\",", issued_text, next_text);
}

/* Levels stand lowest first, so that whoever forgets to sort them finds the wrong one. */
static char *
make_tcb_info (const TestTextRecipe *recipe)
{
  g_autoptr (GString) out = g_string_new ("{\"id\":\"TDX\",\"version\":3,");

  add_dates (out, recipe);
  g_string_append (out, "\"fmspc\":\"00A06D080000\",\"pceId\":\"0000\",\"tcbType\":0,\"tcbEvaluationDataNumber\":17,"
                        "\"tdxModule\":{" MODULE "},\"tdxModuleIdentities\":["
                        "{\"id\":\"TDX_03\"," MODULE ",\"tcbLevels\":["
                        "{\"tcb\":{\"isvsvn\":3},\"tcbDate\":\"2025-07-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}]},"
                        "{\"id\":\"TDX_01\"," MODULE ",\"tcbLevels\":["
                        "{\"tcb\":{\"isvsvn\":2},\"tcbDate\":\"2025-06-01T00:00:00Z\",\"tcbStatus\":\"OutOfDate\"},"
                        "{\"tcb\":{\"isvsvn\":4},\"tcbDate\":\"2025-05-01T00:00:00Z\",\"tcbStatus\":\"OutOfDate\","
                        "\"advisoryIDs\":[\"INTEL-SA-00041\",\"INTEL-SA-00021\"]},"
                        "{\"tcb\":{\"isvsvn\":6},\"tcbDate\":\"2025-04-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}]}],\"tcbLevels\":[");
  add_level (out, "1 1 1 1", 1, "1 0 1", "\"tcbDate\":\"2025-03-01T00:00:00Z\",\"tcbStatus\":\"Revoked\"");
  g_string_append_c (out, ',');
  add_level (out, "2 2 2 2 3 1 0 3", 5, "4 0 2",
             "\"tcbDate\":\"2025-02-01T00:00:00Z\",\"tcbStatus\":\"OutOfDate\",\"advisoryIDs\":[\"INTEL-SA-00021\"]");
  g_string_append_c (out, ',');
  add_level (out, "3 3 2 2 4 1 0 5", 13, "6 0 3", "\"tcbDate\":\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"");
  g_string_append (out, "]}");
  return g_string_free (g_steal_pointer (&out), FALSE);
}

#define QE_MRSIGNER "DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5"

static char *
make_qe_identity (const TestTextRecipe *recipe)
{
  g_autoptr (GString) out = g_string_new ("{\"id\":\"TD_QE\",\"version\":2,");

  add_dates (out, recipe);
  g_string_append (out, "\"tcbEvaluationDataNumber\":16,\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
                        "\"attributes\":\"11000000000000000000000000000000\",\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\","
                        "\"mrsigner\":\"" QE_MRSIGNER "\",\"isvprodid\":2,\"tcbLevels\":["
                        "{\"tcb\":{\"isvsvn\":2},\"tcbDate\":\"2024-06-01T00:00:00Z\",\"tcbStatus\":\"Revoked\"},"
                        "{\"tcb\":{\"isvsvn\":4},\"tcbDate\":\"2024-05-01T00:00:00Z\",\"tcbStatus\":\"OutOfDate\","
                        "\"advisoryIDs\":[\"INTEL-SA-00061\"]},"
                        "{\"tcb\":{\"isvsvn\":8},\"tcbDate\":\"2024-04-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}]}");
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static char *
edit (char *text, const TestEdit *change)
{
  g_autofree char *old = text;
  const char *found = NULL;

  if (change->from == NULL)
    return g_steal_pointer (&old);
  found = strstr (old, change->from);
  if (found == NULL)
    g_error ("the recipe's text has no %s", change->from);
  g_autofree char *head = g_strndup (old, (gsize) (found - old));
  return g_strconcat (head, change->to, found + strlen (change->from), NULL);
}

static DcapItem *
make_text_item (DcapItemKind kind, const TestTextRecipe *recipe, GBytes *chain)
{
  char *text = kind == DCAP_ITEM_TCB_INFO ? make_tcb_info (recipe) : make_qe_identity (recipe);
  guint8 signature[64];

  for (guint i = 0; i < TEST_MAX_EDITS; i++)
    text = edit (text, &recipe->edits[i]);
  sign_raw (recipe->signed_by, (const guint8 *) text, strlen (text), signature);
  text = edit (text, &recipe->tamper);
  g_autoptr (GBytes) body = g_bytes_new_take (text, strlen (text));
  g_autoptr (GBytes) signature_bytes = g_bytes_new (signature, sizeof signature);
  return dcap_item_new (kind, body, signature_bytes, chain);
}

static void
apply (guint8 *data, const TestPatch patches[2])
{
  for (guint i = 0; i < 2; i++)
    if (patches[i].offset != 0)
      data[patches[i].offset] = patches[i].value;
}

static void
make_body (const TestQuoteRecipe *recipe, GByteArray *out)
{
  static const guint8 vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
  guint8 body[648] = { 0 };
  gsize size = recipe->td_1_5 ? 648 : 584;

  test_put_le (out, recipe->version, 2);
  test_put_le (out, 2, 2);
  test_put_le (out, 0x81, 4);
  test_put_le (out, 0, 4);
  test_put (out, vendor, sizeof vendor);
  test_put_le (out, 0, 20);
  if (recipe->version == 5)
    {
      test_put_le (out, recipe->td_1_5 ? 3 : 2, 2);
      test_put_le (out, size, 4);
    }
  test_copy (body, recipe->svn, 16);
  memset (body + 136, 0x4d, 48);
  memset (body + 328, 0x52, 4 * 48);
  memset (body + 520, 0x44, 64);
  body[123] = 0x10; /* SEPT_VE_DISABLE */
  test_copy (body + 584, recipe->svn2, 16);
  apply (body, recipe->body);
  test_put (out, body, size);
}

static void
make_qe_report (const TestQuoteRecipe *recipe, const guint8 key[64], const guint8 *auth, guint8 out[DCAP_ENCLAVE_REPORT_SIZE])
{
  g_autoptr (GBytes) mr_signer = teesql_hex_decode (QE_MRSIGNER, -1, NULL);
  const TeesqlDigestPart parts[] = { { key, 64 }, { auth, recipe->qe_auth_size } };

  memset (out, 0, DCAP_ENCLAVE_REPORT_SIZE);
  out[48] = 0x15; /* attributes: the mask forgives bit 2 */
  test_copy (out + 128, g_bytes_get_data (mr_signer, NULL), 32);
  out[256] = 2;
  out[258] = 8;
  apply (out, recipe->qe_report);
  teesql_digest (TEESQL_DIGEST_SHA256, out + 320, parts, 2);
  if (recipe->qe_report_data_wrong)
    out[321] ^= 1;
  if (recipe->qe_report_data_tail)
    out[383] = 1;
}

static GByteArray *
make_inner (const TestRecipe *recipe, gnutls_x509_crt_t *crts)
{
  const TestQuoteRecipe *quote = &recipe->quote;
  GByteArray *out = g_byte_array_new ();
  g_autofree char *pem = make_pem (crts, quote->chain);

  if (quote->inner_type == 2 || quote->inner_type == 3)
    {
      guint8 blob[384] = { 0 };
      test_put (out, blob, quote->inner_type == 2 ? 256 : 384);
      test_put (out, recipe->pck.components, 16);
      test_put_le (out, recipe->pck.pce_svn + (quote->other_cpu_svn ? 1 : 0), 2);
      test_put (out, recipe->pck.pce_id, 2);
      if (quote->trailing_nuls > 1)
        test_put (out, "", 1);
      return out;
    }
  test_put (out, pem, strlen (pem));
  for (guint i = 0; i < quote->trailing_nuls; i++)
    test_put (out, "", 1);
  return out;
}

static void
key_bytes (TestKey key, guint8 out[64])
{
  gnutls_x509_crt_t crt = NULL;

  check (gnutls_x509_crt_init (&crt));
  set_key (crt, key);
  g_assert_true (dcap_p256_from_certificate (crt, out));
  gnutls_x509_crt_deinit (crt);
}

static void
put_qe (const TestRecipe *recipe, gnutls_x509_crt_t *crts, const guint8 key[64], GByteArray *out)
{
  const TestQuoteRecipe *quote = &recipe->quote;
  g_autoptr (GByteArray) inner = make_inner (recipe, crts);
  guint8 report[DCAP_ENCLAVE_REPORT_SIZE];
  guint8 auth[2048] = { 0x61 };
  guint8 signature[64];

  make_qe_report (quote, key, auth, report);
  sign_raw (quote->qe_report_signed_by, report, sizeof report, signature);
  test_put (out, report, sizeof report);
  test_put (out, signature, 64);
  test_put_le (out, quote->qe_auth_size, 2);
  if (quote->change_qe_auth)
    auth[0] ^= 1;
  test_put (out, auth, quote->qe_auth_size);
  test_put_le (out, quote->inner_type, 2);
  test_put_le (out, (guint64) ((gint64) inner->len + quote->inner_size_lie), 4);
  test_put (out, inner->data, inner->len);
}

static GBytes *
make_quote (const TestRecipe *recipe, gnutls_x509_crt_t *crts)
{
  const TestQuoteRecipe *quote = &recipe->quote;
  g_autoptr (GByteArray) qe = g_byte_array_new ();
  GByteArray *out = g_byte_array_new ();
  guint8 key[64];
  guint8 signature[64];

  key_bytes (TEST_KEY_ATTESTATION, key);
  make_body (quote, out);
  sign_raw (quote->signed_by, out->data, out->len, signature);
  if (quote->swap_r_s)
    for (guint i = 0; i < 32; i++)
      {
        guint8 byte = signature[i];
        signature[i] = signature[32 + i];
        signature[32 + i] = byte;
      }
  put_qe (recipe, crts, key, qe);
  test_put_le (out, 134 + qe->len, 4);
  test_put (out, signature, 64);
  test_put (out, key, 64);
  test_put_le (out, quote->outer_type, 2);
  test_put_le (out, qe->len, 4);
  test_put (out, qe->data, qe->len);
  return g_byte_array_free_to_bytes (out);
}

static DcapCollateral *
make_collateral (const TestRecipe *recipe, gnutls_x509_crt_t *crts)
{
  DcapCollateral *self = g_new0 (DcapCollateral, 1);
  g_autoptr (GBytes) tcb_chain = pem_bytes (crts, recipe->tcb_chain);
  g_autoptr (GBytes) qe_chain = pem_bytes (crts, recipe->qe_chain);
  g_autoptr (GBytes) crl_chain = pem_bytes (crts, recipe->crl_chain);
  g_autoptr (GBytes) root_crl = make_crl (&recipe->root_crl, crts);
  g_autoptr (GBytes) pck_crl = make_crl (&recipe->pck_crl, crts);

  g_atomic_ref_count_init (&self->ref_count);
  self->items[DCAP_ITEM_ROOT_CRL] = dcap_item_new (DCAP_ITEM_ROOT_CRL, root_crl, NULL, NULL);
  self->items[DCAP_ITEM_PCK_CRL] = dcap_item_new (DCAP_ITEM_PCK_CRL, pck_crl, NULL, crl_chain);
  self->items[DCAP_ITEM_TCB_INFO] = make_text_item (DCAP_ITEM_TCB_INFO, &recipe->tcb_info, tcb_chain);
  self->items[DCAP_ITEM_QE_IDENTITY] = make_text_item (DCAP_ITEM_QE_IDENTITY, &recipe->qe_identity, qe_chain);
  if (recipe->outside_chain)
    self->pck_chain = pem_bytes (crts, "pcr");
  return self;
}

TestWorld *
test_world_new (const TestRecipe *recipe)
{
  TestWorld *self = g_new0 (TestWorld, 1);
  gnutls_x509_crt_t crts[TEST_N_CERTS] = { NULL };

  for (guint i = 0; i < TEST_N_CERTS; i++)
    crts[i] = make_cert (recipe, (TestCert) i);
  self->quote = make_quote (recipe, crts);
  self->collateral = make_collateral (recipe, crts);
  self->root_pem = make_pem (crts, "r");
  key_bytes (TEST_KEY_ROOT, self->trust.key);
  dcap_p256_spki_sha256 (self->trust.key, self->trust.anchor);
  for (guint i = 0; i < TEST_N_CERTS; i++)
    gnutls_x509_crt_deinit (crts[i]);
  return self;
}

void
test_world_free (TestWorld *self)
{
  g_bytes_unref (self->quote);
  dcap_collateral_unref (self->collateral);
  g_free (self->root_pem);
  g_free (self);
}

TeesqlClaims *
test_world_verify (const TestWorld *self, gint64 now, gint64 tolerance, GError **error)
{
  g_autoptr (DcapMemory) memory = dcap_memory_new (&self->trust);
  const DcapRules rules = { .now = now, .future_issue_date = tolerance };
  return dcap_verify (self->quote, self->collateral, memory, &rules, error);
}

static void
cert_init (TestCertRecipe *self, const char *common_name, gboolean is_ca, TestCert issuer, TestKey key)
{
  self->common_name = common_name;
  self->not_before = TEST_NOW - 300 * TEST_DAY;
  self->not_after = TEST_NOW + 3000 * TEST_DAY;
  self->is_ca = is_ca;
  self->usage = is_ca ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE;
  self->issuer = issuer;
  self->key = key;
  self->signed_by = (TestKey) issuer;
  self->digest = GNUTLS_DIG_SHA256;
}

static void
crl_init (TestCrlRecipe *self, TestCert issuer)
{
  self->this_update = TEST_NOW - 10 * TEST_DAY;
  self->next_update = TEST_NOW + 20 * TEST_DAY;
  self->issuer = issuer;
  self->signed_by = (TestKey) issuer;
  self->number = 7;
}

static void
text_init (TestTextRecipe *self, gint64 days_ago)
{
  self->signed_by = TEST_KEY_SIGNER;
  self->issue_date = TEST_NOW - days_ago * TEST_DAY;
  self->next_update = TEST_NOW + (30 - days_ago) * TEST_DAY;
}

void
test_recipe_init (TestRecipe *self)
{
  static const guint8 components[16] = { 3, 3, 2, 2, 4, 1, 0, 5 };
  static const guint8 fmspc[6] = { 0x00, 0xa0, 0x6d, 0x08 };
  static const guint8 svn[16] = { 6, 1, 3 };

  memset (self, 0, sizeof *self);
  cert_init (&self->certs[TEST_ROOT], "Test SGX Root CA", TRUE, TEST_ROOT, TEST_KEY_ROOT);
  cert_init (&self->certs[TEST_CA], "Test SGX PCK Platform CA", TRUE, TEST_ROOT, TEST_KEY_CA);
  cert_init (&self->certs[TEST_SIGNER], "Test SGX TCB Signing", FALSE, TEST_ROOT, TEST_KEY_SIGNER);
  cert_init (&self->certs[TEST_PCK], "Test SGX PCK Certificate", FALSE, TEST_CA, TEST_KEY_PCK);
  test_copy (self->pck.components, components, 16);
  test_copy (self->pck.cpu_svn, components, 16);
  test_copy (self->pck.fmspc, fmspc, 6);
  self->pck.component_0 = components[0];
  self->pck.pce_svn = 13;
  self->pck.sgx_type = 1;
  crl_init (&self->root_crl, TEST_ROOT);
  crl_init (&self->pck_crl, TEST_CA);
  text_init (&self->tcb_info, 2);
  text_init (&self->qe_identity, 3);
  self->quote.version = 4;
  test_copy (self->quote.svn, svn, 16);
  test_copy (self->quote.svn2, svn, 16);
  self->quote.qe_auth_size = 32;
  self->quote.qe_report_signed_by = TEST_KEY_PCK;
  self->quote.signed_by = TEST_KEY_ATTESTATION;
  self->quote.outer_type = 6;
  self->quote.inner_type = 5;
  self->quote.trailing_nuls = 1;
  self->quote.chain = "pcr";
  self->tcb_chain = "sr";
  self->qe_chain = "sr";
  self->crl_chain = "cr";
}

static void
add_edit (TestTextRecipe *recipe, const char *from, const char *to)
{
  guint i = 0;

  while (recipe->edits[i].from != NULL)
    i++;
  g_assert_cmpuint (i, <, TEST_MAX_EDITS);
  recipe->edits[i] = (TestEdit){ from, to };
}

void
test_edit_tcb (TestRecipe *self, const char *from, const char *to)
{
  add_edit (&self->tcb_info, from, to);
}

void
test_edit_qe (TestRecipe *self, const char *from, const char *to)
{
  add_edit (&self->qe_identity, from, to);
}

static void
test_case (gconstpointer data)
{
  const TestCase *self = data;
  TestRecipe recipe;
  g_autoptr (GError) error = NULL;

  test_recipe_init (&recipe);
  self->change (&recipe);
  g_autoptr (TestWorld) world = test_world_new (&recipe);
  g_autoptr (TeesqlClaims) claims = test_world_verify (world, TEST_NOW, 0, &error);
  g_assert_null (claims);
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  g_assert_true (error->domain == TEESQL_VERIFIER_ERROR);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, self->reason);
}

void
test_cases_add (const TestCase *cases, guint n_cases)
{
  for (guint i = 0; i < n_cases; i++)
    g_test_add_data_func (cases[i].path, &cases[i], test_case);
}
