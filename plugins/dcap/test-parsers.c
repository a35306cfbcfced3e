/* The small readers below everything: DER, JSON, header text, bundles. */
#include "dcap-collateral.h"
#include "dcap-der.h"
#include "dcap-http.h"

#include <teesql/teesql-error.h>

#include "base/teesql-hex.h"

typedef struct
{
  const char *hex;
  gboolean good;
} Encoded;

static void
start (TeesqlCursor *cursor, const char *hex, GBytes **out_bytes)
{
  gsize size = 0;
  *out_bytes = teesql_hex_decode (hex, -1, NULL);
  const guint8 *data = g_bytes_get_data (*out_bytes, &size);
  teesql_cursor_init (cursor, "test", data, size);
}

static void
test_der_lengths (void)
{
  static const Encoded cases[] = {
    { "0400", TRUE },
    { "0401aa", TRUE },
    { "0401", FALSE },
    { "04", FALSE },
    { "048101aa", FALSE },
    { "04820001aa", FALSE },
    { "0480aa0000", FALSE },
    { "0484000000ffaa", FALSE },
    { "0485000000000000", FALSE },
    { "048400000001aa", FALSE },
    { "0501aa", FALSE },
    { "0483000001aa", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TeesqlCursor cursor;
      TeesqlCursor content;
      g_autoptr (GBytes) bytes = NULL;
      g_autoptr (GError) error = NULL;
      start (&cursor, cases[i].hex, &bytes);
      g_assert_cmpint (dcap_der_read (&cursor, "octets", DCAP_DER_OCTET_STRING, &content, &error), ==, cases[i].good);
      g_assert_cmpint (error == NULL, ==, cases[i].good);
      /* what could not be read was not consumed */
      if (!cases[i].good)
        g_assert_cmpuint (cursor.pos, ==, 0);
    }
}

static void
test_der_long_length (void)
{
  g_autoptr (GByteArray) array = g_byte_array_new ();
  const guint8 head[4] = { 0x04, 0x82, 0x01, 0x00 };
  TeesqlCursor cursor;
  TeesqlCursor content;

  g_byte_array_append (array, head, sizeof head);
  g_byte_array_set_size (array, 4 + 256);
  teesql_cursor_init (&cursor, "test", array->data, array->len);
  g_assert_true (dcap_der_read (&cursor, "octets", DCAP_DER_OCTET_STRING, &content, NULL));
  g_assert_cmpuint (teesql_cursor_remaining (&content), ==, 256);
}

static void
test_der_integers (void)
{
  static const struct
  {
    const char *hex;
    gint64 value; /* -1: refused */
  } cases[] = {
    { "020100", 0 }, { "02017f", 127 },    { "02020080", 128 },  { "0202ffff", -1 },      { "020180", -1 },           { "0202007f", -1 },
    { "0200", -1 },  { "02030100ff", -1 }, { "0203010000", -1 }, { "020300ffff", 65535 }, { "0206000000000001", -1 }, { "0a0101", -1 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      TeesqlCursor cursor;
      g_autoptr (GBytes) bytes = NULL;
      guint value = 4711;
      start (&cursor, cases[i].hex, &bytes);
      gboolean good = dcap_der_read_uint (&cursor, "integer", DCAP_DER_INTEGER, G_MAXUINT16, &value, NULL);
      g_assert_cmpint (good, ==, cases[i].value >= 0);
      g_assert_cmpint (value, ==, good ? cases[i].value : 4711);
    }
}

static void
test_der_octets (void)
{
  TeesqlCursor cursor;
  guint8 out[2] = { 0 };
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) longer = NULL;

  start (&cursor, "0402abcd", &bytes);
  g_assert_true (dcap_der_read_octets (&cursor, "octets", out, 2, NULL));
  g_assert_cmpint (out[1], ==, 0xcd);
  start (&cursor, "0403abcdef", &longer);
  g_assert_false (dcap_der_read_octets (&cursor, "octets", out, 2, NULL));
}

static void
test_der_signed (void)
{
  static const Encoded cases[] = {
    { "300830003000030200aa", TRUE },      { "300830003000030201aa", FALSE },   /* unused bits */
    { "3006300030000300", FALSE },                                              /* no count of unused bits */
    { "300a30003000030200aa0500", FALSE },                                      /* a fourth member */
    { "30063000030200aa", FALSE },         { "300830003000030200aa00", FALSE }, /* a byte behind it */
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      DcapDerSigned parts;
      gsize size = 0;
      g_autoptr (GBytes) bytes = teesql_hex_decode (cases[i].hex, -1, NULL);
      const guint8 *data = g_bytes_get_data (bytes, &size);
      g_assert_cmpint (dcap_der_read_signed ("test", data, size, &parts, NULL), ==, cases[i].good);
      if (cases[i].good)
        g_assert_cmpuint (parts.signed_size, ==, 2);
    }
}

static void
test_json (void)
{
  static const struct
  {
    const char *text;
    gboolean good;
  } cases[] = {
    { "{}", TRUE },
    { " [1,-2,true,false,null,\"\\u00e9\",{}] \n", TRUE },
    { "{\"a\":1,\"b\":1}", TRUE },
    { "{\"a\":1,\"a\":1}", FALSE },
    { "{\"a\":{\"a\":1},\"b\":{\"a\":1}}", TRUE },
    { "{\"\\u0061\":1}", FALSE },
    { "{\"a\" 1}", FALSE },
    { "{\"a\":1,}", FALSE },
    { "{a:1}", FALSE },
    { "[1,]", FALSE },
    { "[1 2]", FALSE },
    { "[01]", FALSE },
    { "[-0]", TRUE },
    { "[1.5,-0.25e-7,1E+3,12345678901]", TRUE },
    { "[1.]", FALSE },
    { "[.5]", FALSE },
    { "[1e]", FALSE },
    { "[1.5.5]", FALSE },
    { "[00.5]", FALSE },
    { "[+1]", FALSE },
    { "[-]", FALSE },
    { "[-01]", FALSE },
    { "\"\t\"", FALSE },
    { "\"\\x\"", FALSE },
    { "\"\\u12g4\"", FALSE },
    { "\"\\u12", FALSE },
    { "\"abc", FALSE },
    { "nul", FALSE },
    { "truex", FALSE },
    { "{} {}", FALSE },
    { "", FALSE },
    { "\"\xff\"", FALSE },
    { "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", TRUE },
    { "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (DcapJson) json = dcap_json_parse ("test", (const guint8 *) cases[i].text, strlen (cases[i].text), &error);
      g_autofree char *shown = g_strescape (cases[i].text, NULL);

      g_test_message ("%s", shown);
      g_assert_cmpint (json != NULL, ==, cases[i].good);
      g_assert_cmpint (error == NULL, ==, cases[i].good);
    }
}

static void
test_json_bounds (void)
{
  g_autoptr (GString) many = g_string_new ("[1");
  g_autoptr (GString) members = g_string_new ("{\"k\":1");

  for (guint i = 0; i < 70000; i++)
    g_string_append (many, ",1");
  g_string_append_c (many, ']');
  for (guint i = 0; i < 64; i++)
    g_string_append_printf (members, ",\"k%u\":1", i);
  g_string_append_c (members, '}');
  g_assert_null (dcap_json_parse ("test", (const guint8 *) many->str, many->len, NULL));
  g_assert_null (dcap_json_parse ("test", (const guint8 *) members->str, members->len, NULL));
}

/* a member is what it should be, or it is an error that names it */
static void
test_json_members (void)
{
  static const char text[] = "{\"n\":7,\"neg\":-7,\"s\":\"7\",\"h\":\"0a0B\",\"odd\":\"0a0\",\"esc\":\"\\u0030a0b\"}";
  g_autoptr (DcapJson) json = dcap_json_parse ("test", (const guint8 *) text, strlen (text), NULL);
  DcapJsonNode root = dcap_json_root (json);
  guint number = 0;
  guint8 bytes[2] = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (dcap_json_get_uint (root, "n", 7, &number, NULL));
  g_assert_cmpuint (number, ==, 7);
  g_assert_false (dcap_json_get_uint (root, "n", 6, &number, NULL));
  g_assert_false (dcap_json_get_uint (root, "neg", G_MAXUINT, &number, &error));
  g_assert_nonnull (strstr (error->message, "negative"));
  g_clear_error (&error);
  g_assert_false (dcap_json_get_uint (root, "s", G_MAXUINT, &number, &error));
  g_assert_nonnull (strstr (error->message, "type"));
  g_clear_error (&error);
  g_assert_false (dcap_json_get_uint (root, "absent", G_MAXUINT, &number, &error));
  g_assert_nonnull (strstr (error->message, "missing"));
  g_assert_true (dcap_json_get_hex (root, "h", bytes, sizeof bytes, NULL));
  g_assert_cmpint (bytes[1], ==, 0x0b);
  g_assert_false (dcap_json_get_hex (root, "odd", bytes, sizeof bytes, NULL));
  g_assert_false (dcap_json_get_hex (root, "esc", bytes, sizeof bytes, NULL));
  g_assert_false (dcap_json_get_hex (root, "n", bytes, sizeof bytes, NULL));
}

/* the bytes of a value, as they stand: blanks inside belong to it, blanks around it do not */
static void
test_json_slices (void)
{
  static const char text[] = "{ \"a\" : { \"b\": [1, 2] } , \"c\":\"x\" }";
  g_autoptr (DcapJson) json = dcap_json_parse ("test", (const guint8 *) text, strlen (text), NULL);
  DcapJsonNode node;
  gsize size = 0;

  g_assert_nonnull (json);
  g_assert_true (dcap_json_find (dcap_json_root (json), "a", &node));
  const guint8 *slice = dcap_json_slice (node, &size);
  g_assert_cmpmem (slice, (int) size, "{ \"b\": [1, 2] }", 15);
  g_assert_false (dcap_json_find (dcap_json_root (json), "b", &node));
}

static void
test_json_texts (void)
{
  static const struct
  {
    const char *text;
    const char *expected;
  } cases[] = {
    { "\"a\\n\\t\\\"\\\\\\/\"", "a\n\t\"\\/" },
    { "\"\\u00e9\\ud83d\\ude00\"", "é😀" },
    { "\"\\u0000\"", NULL },
    { "\"\\ud83d\"", NULL },
    { "\"\\ude00\"", NULL },
    { "\"\\ud83dxxxxxx\"", NULL },
    { "\"\\ud83d\\u0041\"", NULL },
    { "\"12345678\"", "12345678" },
    { "\"123456789\"", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (DcapJson) json = dcap_json_parse ("test", (const guint8 *) cases[i].text, strlen (cases[i].text), NULL);
      g_assert_nonnull (json);
      g_autofree char *text = dcap_json_text (dcap_json_root (json), 8, NULL);
      g_assert_cmpstr (text, ==, cases[i].expected);
    }
}

static void
test_percent (void)
{
  static const struct
  {
    const char *text;
    const char *expected;
  } cases[] = { { "a%20b+c%2B%0A", "a b+c+\n" }, { "", "" }, { "%", NULL }, { "%2", NULL }, { "%zz", NULL }, { "100%25", "100%" } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GBytes) bytes = dcap_http_percent_decode (cases[i].text);
      gsize size = 0;
      if (cases[i].expected == NULL)
        {
          g_assert_null (bytes);
          continue;
        }
      const char *data = g_bytes_get_data (bytes, &size);
      g_assert_cmpmem (data, (int) size, cases[i].expected, (int) strlen (cases[i].expected));
    }
}

#define SIGNATURE                                                                                                                          \
  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define BUNDLE                                                                                                                             \
  "\"tcb_info\":\"{}\",\"tcb_info_signature\":\"" SIGNATURE "\",\"tcb_info_issuer_chain\":\"x\",\"qe_identity\":\"{}\","                   \
  "\"qe_identity_signature\":\"" SIGNATURE "\",\"qe_identity_issuer_chain\":\"x\",\"pck_crl\":\"3000\",\"pck_crl_issuer_chain\":\"x\","

static void
check_bundle (const char *text, gboolean good)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DcapCollateral) collateral = dcap_collateral_parse_bundle ((const guint8 *) text, strlen (text), &error);

  g_assert_cmpint (collateral != NULL, ==, good);
  if (!good)
    g_assert_cmpstr (teesql_error_get_reason (error), ==, "collateral-bundle");
}

static void
test_bundle (void)
{
  check_bundle ("{" BUNDLE "\"root_ca_crl\":\"3000\"}", TRUE);
  check_bundle ("{" BUNDLE "\"root_ca_crl\":\"3000\",\"pck_certificate_chain\":\"y\"}", TRUE);
  check_bundle ("{" BUNDLE "\"root_ca_crl\":\"3000\",\"pck_certificate_chain\":null}", TRUE);
  check_bundle ("{" BUNDLE "\"root_ca_crl\":\"3000\",\"pck_certificate_chain\":false}", FALSE);
  check_bundle ("{" BUNDLE "\"root_ca_crl\":\"3000\",\"pck_certificate_chain\":7}", FALSE);
  check_bundle ("{" BUNDLE "\"root_ca_crl\":\"300\"}", FALSE);
  check_bundle ("{" BUNDLE "\"other\":\"3000\"}", FALSE);
  check_bundle ("{" BUNDLE "\"root_ca_crl\":\"3000\",\"pck_crl\":\"3000\"}", FALSE);
  check_bundle ("[]", FALSE);
  check_bundle ("{", FALSE);
}

static void
test_no_file (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (dcap_collateral_load ("/nonexistent", &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "collateral-file");
  g_clear_error (&error);
  g_assert_null (dcap_collateral_load ("/proc", &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "collateral-file");
  g_clear_error (&error);
  g_assert_null (dcap_collateral_load ("/dev/zero", &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "collateral-file");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/der/lengths", test_der_lengths);
  g_test_add_func ("/der/long length", test_der_long_length);
  g_test_add_func ("/der/integers", test_der_integers);
  g_test_add_func ("/der/octets of the right size", test_der_octets);
  g_test_add_func ("/der/signed structure", test_der_signed);
  g_test_add_func ("/json/accepted and refused", test_json);
  g_test_add_func ("/json/bounds", test_json_bounds);
  g_test_add_func ("/json/members have their type", test_json_members);
  g_test_add_func ("/json/exact bytes of a value", test_json_slices);
  g_test_add_func ("/json/texts", test_json_texts);
  g_test_add_func ("/header/percent escapes", test_percent);
  g_test_add_func ("/bundle/members", test_bundle);
  g_test_add_func ("/bundle/unreadable", test_no_file);
  return g_test_run ();
}
