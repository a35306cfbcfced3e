/* Real quotes with Intel's own signatures, and what a correct verifier says about each. The files are not part of this tree. */
#include "dcap-verifier.h"
#include "dcap-verify.h"

#include <json-glib/json-glib.h>

#include <teesql/teesql-error.h>

#include "base/teesql-hex.h"

static JsonObject *manifest;
static char *folder;

typedef struct
{
  const char *name;
  TeesqlField field;
} Measurement;

static const Measurement measurements[] = {
  { "mrtd", TEESQL_FIELD_MRTD },
  { "rtmr0", TEESQL_FIELD_RTMR0 },
  { "rtmr1", TEESQL_FIELD_RTMR1 },
  { "rtmr2", TEESQL_FIELD_RTMR2 },
  { "rtmr3", TEESQL_FIELD_RTMR3 },
  { "report_data", TEESQL_FIELD_REPORT_DATA },
  { "mr_config_id", TEESQL_FIELD_MRCONFIGID },
  { "mr_owner", TEESQL_FIELD_MROWNER },
  { "mr_owner_config", TEESQL_FIELD_MROWNERCONFIG },
  { "mr_seam", TEESQL_FIELD_MRSEAM },
  { "mr_signer_seam", TEESQL_FIELD_MRSIGNERSEAM },
  { "seam_attributes", TEESQL_FIELD_SEAM_ATTRIBUTES },
  { "td_attributes", TEESQL_FIELD_TD_ATTRIBUTES },
  { "xfam", TEESQL_FIELD_XFAM },
  { "tee_tcb_svn", TEESQL_FIELD_TEE_TCB_SVN },
  { "tee_tcb_svn_2", TEESQL_FIELD_TEE_TCB_SVN2 },
  { "mr_service_td", TEESQL_FIELD_MRSERVICETD },
};

static const char *const status_texts[] = {
  [TEESQL_TCB_STATUS_UP_TO_DATE] = "UpToDate",
  [TEESQL_TCB_STATUS_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
  [TEESQL_TCB_STATUS_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
  [TEESQL_TCB_STATUS_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
  [TEESQL_TCB_STATUS_OUT_OF_DATE] = "OutOfDate",
  [TEESQL_TCB_STATUS_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
  [TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
  [TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = "TDRelaunchAdvisedConfigurationNeeded",
};

static GBytes *
read_file (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char *data = NULL;
  gsize size = 0;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &data, &size, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (data, size);
}

static DcapMemory *
memory_for (const char *root)
{
  DcapTrust trust;
  g_autoptr (GError) error = NULL;

  if (g_str_equal (root, "intel-production"))
    dcap_trust_init_intel (&trust);
  else
    {
      g_autoptr (GBytes) pem = read_file (root + strlen ("file:"));
      gsize size = 0;
      const char *text = g_bytes_get_data (pem, &size);
      gboolean good = dcap_trust_init_pem (&trust, text, size, &error);
      g_assert_no_error (error);
      g_assert_true (good);
    }
  return dcap_memory_new (&trust);
}

static JsonObject *
find_vector (const char *id)
{
  JsonArray *list = json_object_get_array_member (manifest, "vectors");

  for (guint i = 0; i < json_array_get_length (list); i++)
    {
      JsonObject *vector = json_array_get_object_element (list, i);
      if (g_str_equal (json_object_get_string_member (vector, "id"), id))
        return vector;
    }
  g_assert_not_reached ();
}

/* Intel's sample keeps each part in a file of its own, and PEM or JSON as Intel's service answers */
static DcapCollateral *
collateral_of_parts (JsonObject *parts)
{
  static const struct
  {
    DcapItemKind kind;
    const char *body;
    const char *chain;
  } items[] = {
    { DCAP_ITEM_ROOT_CRL, "root_ca_crl", NULL },
    { DCAP_ITEM_PCK_CRL, "pck_crl", "pck_signing_chain" },
    { DCAP_ITEM_TCB_INFO, "tcb_info", "tcb_signing_chain" },
    { DCAP_ITEM_QE_IDENTITY, "qe_identity", "tcb_signing_chain" },
  };
  DcapCollateral *collateral = g_new0 (DcapCollateral, 1);

  g_atomic_ref_count_init (&collateral->ref_count);
  for (guint i = 0; i < G_N_ELEMENTS (items); i++)
    {
      g_autoptr (GBytes) body = read_file (json_object_get_string_member (parts, items[i].body));
      g_autoptr (GBytes) chain = items[i].chain != NULL ? read_file (json_object_get_string_member (parts, items[i].chain)) : NULL;
      g_autoptr (GError) error = NULL;
      collateral->items[items[i].kind] = dcap_item_new_from_response (items[i].kind, body, chain, &error);
      g_assert_no_error (error);
    }
  return collateral;
}

static JsonNode *
read_bundle (JsonObject *vector)
{
  g_autoptr (GBytes) bytes = read_file (json_object_get_string_member (vector, "collateral"));
  gsize size = 0;
  const char *text = g_bytes_get_data (bytes, &size);
  g_autoptr (GError) error = NULL;
  JsonNode *node = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();

  json_parser_load_from_data (parser, text, (gssize) size, &error);
  g_assert_no_error (error);
  node = json_parser_steal_root (parser);
  return node;
}

static DcapCollateral *
collateral_of_bundle (JsonNode *node, GError **error)
{
  g_autofree char *text = json_to_string (node, FALSE);
  return dcap_collateral_parse_bundle ((const guint8 *) text, strlen (text), error);
}

static DcapCollateral *
collateral_of (JsonObject *vector)
{
  JsonNode *member = json_object_get_member (vector, "collateral");
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  gsize size = 0;

  if (JSON_NODE_HOLDS_NULL (member))
    vector = find_vector ("tdx4-uptodate-a");
  else if (JSON_NODE_HOLDS_OBJECT (member))
    return collateral_of_parts (json_node_get_object (member));
  bytes = read_file (json_object_get_string_member (vector, "collateral"));
  const guint8 *data = g_bytes_get_data (bytes, &size);
  DcapCollateral *collateral = dcap_collateral_parse_bundle (data, size, &error);
  g_assert_no_error (error);
  return collateral;
}

static gint64
time_of (JsonObject *object)
{
  return json_object_get_null_member (object, "verification_time")
             ? json_object_get_int_member (find_vector ("tdx4-uptodate-a"), "verification_time")
             : json_object_get_int_member (object, "verification_time");
}

static void
check_claims (JsonObject *expected, TeesqlClaims *claims)
{
  JsonArray *ids = json_object_get_array_member (expected, "advisory_ids");
  const char *const *found = teesql_claims_get_advisory_ids (claims);

  g_assert_cmpstr (status_texts[teesql_claims_get_tcb_status (claims)], ==, json_object_get_string_member (expected, "tcb_status"));
  g_assert_cmpuint (g_strv_length ((char **) found), ==, json_array_get_length (ids));
  for (guint i = 0; found[i] != NULL; i++)
    g_assert_cmpstr (found[i], ==, json_array_get_string_element (ids, i));
  for (guint i = 0; i < G_N_ELEMENTS (measurements); i++)
    {
      gsize size = 0;
      const guint8 *data = teesql_claims_get_field (claims, measurements[i].field, &size);
      if (!json_object_has_member (expected, measurements[i].name))
        continue;
      g_assert_nonnull (data);
      g_autofree char *hex = teesql_hex_encode (data, size);
      g_assert_cmpstr (hex, ==, json_object_get_string_member (expected, measurements[i].name));
    }
}

static void
check_layout (JsonObject *vector, TeesqlClaims *claims)
{
  JsonObject *layout = json_object_get_object_member (vector, "quote_layout");
  JsonArray *window = json_object_get_array_member (vector, "valid_window");
  gsize size = 0;
  const guint8 *fmspc = teesql_claims_get_field (claims, TEESQL_FIELD_FMSPC, &size);
  g_autofree char *hex = teesql_hex_encode (fmspc, size);
  gint64 until = 0;

  g_assert_cmpstr (hex, ==, json_object_get_string_member (layout, "fmspc"));
  g_assert_true (teesql_claims_get_number (claims, TEESQL_NUMBER_VALID_UNTIL, &until));
  g_assert_cmpint (until, ==, json_array_get_int_element (window, 1));
}

static gboolean
is_sgx (JsonObject *vector)
{
  return g_str_has_prefix (json_object_get_string_member (vector, "kind"), "SGX");
}

static void
test_vector (gconstpointer data)
{
  JsonObject *vector = find_vector (data);
  JsonObject *expected = json_object_get_object_member (vector, "expected");
  g_autoptr (GBytes) quote = read_file (json_object_get_string_member (vector, "quote"));
  g_autoptr (DcapCollateral) collateral = collateral_of (vector);
  g_autoptr (DcapMemory) memory = memory_for (json_object_get_string_member (vector, "trusted_root"));
  const DcapRules rules = { .now = time_of (vector) };
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = dcap_verify (quote, collateral, memory, &rules, &error);

  if (error != NULL)
    g_test_message ("%s: %s", teesql_error_get_reason (error), error->message);
  if (is_sgx (vector))
    {
      g_assert_error (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_UNSUPPORTED);
      g_assert_null (claims);
      return;
    }
  if (g_str_equal (json_object_get_string_member (expected, "crypto"), "rejected"))
    {
      g_assert_nonnull (error);
      g_assert_null (claims);
      if (g_strcmp0 (json_object_get_string_member_with_default (expected, "tcb_status", NULL), "NotSupported") == 0)
        g_assert_cmpstr (teesql_error_get_reason (error), ==, "tcb-not-supported");
      return;
    }
  g_assert_no_error (error);
  check_claims (expected, claims);
  check_layout (vector, claims);
}

/* The bounds of `valid_window` belong to it; a second outside they do not. */
static void
test_window (gconstpointer data)
{
  JsonObject *vector = find_vector (data);
  JsonArray *window = json_object_get_array_member (vector, "valid_window");
  g_autoptr (GBytes) quote = read_file (json_object_get_string_member (vector, "quote"));
  g_autoptr (DcapCollateral) collateral = collateral_of (vector);
  g_autoptr (DcapMemory) memory = memory_for (json_object_get_string_member (vector, "trusted_root"));
  gint64 first = json_array_get_int_element (window, 0);
  gint64 last = json_array_get_int_element (window, 1);
  const gint64 times[] = { first, last, first - 1, last + 1 };

  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      const DcapRules rules = { .now = times[i] };
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlClaims) claims = dcap_verify (quote, collateral, memory, &rules, &error);
      if (i < 2)
        g_assert_no_error (error);
      else
        g_assert_error (error, TEESQL_VERIFIER_ERROR, TEESQL_ERROR_REFUSED);
    }
}

static GBytes *
change_quote (GBytes *quote, JsonObject *change)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (quote, &size);
  GByteArray *out = g_byte_array_new ();

  g_byte_array_append (out, data, (guint) size);
  g_assert_true (json_object_has_member (change, "truncate") || json_object_has_member (change, "xor"));
  if (json_object_has_member (change, "truncate"))
    g_byte_array_set_size (out, (guint) json_object_get_int_member (change, "truncate"));
  if (json_object_has_member (change, "append"))
    {
      g_autoptr (GBytes) tail = teesql_hex_decode (json_object_get_string_member (change, "append"), -1, NULL);
      g_byte_array_append (out, g_bytes_get_data (tail, NULL), (guint) g_bytes_get_size (tail));
    }
  if (json_object_has_member (change, "xor"))
    out->data[json_object_get_int_member (change, "offset")] ^= (guint8) json_object_get_int_member (change, "xor");
  return g_byte_array_free_to_bytes (out);
}

static char *
change_text (const char *text, JsonObject *change)
{
  if (json_object_has_member (change, "replace_first"))
    {
      JsonArray *pair = json_object_get_array_member (change, "replace_first");
      const char *from = json_array_get_string_element (pair, 0);
      const char *found = strstr (text, from);
      g_assert_nonnull (found);
      g_autofree char *head = g_strndup (text, (gsize) (found - text));
      return g_strconcat (head, json_array_get_string_element (pair, 1), found + strlen (from), NULL);
    }
  char *copy = g_strdup (text);
  if (json_object_has_member (change, "hex_digit"))
    {
      char *digit = copy + json_object_get_int_member (change, "hex_digit");
      *digit = *digit == '0' ? '1' : '0';
      return copy;
    }
  g_assert_true (json_object_get_boolean_member (change, "last_byte"));
  char *last = copy + strlen (copy) - 2;
  gboolean was_zero = g_str_equal (last, "00");
  last[0] = '0';
  last[1] = was_zero ? '1' : '0';
  return copy;
}

static void
test_derived (gconstpointer data)
{
  JsonObject *derived = (JsonObject *) data;
  JsonObject *change = json_object_get_object_member (derived, "change");
  JsonObject *base = find_vector (json_object_get_string_member (derived, "base"));
  const char *mutate = json_object_get_string_member_with_default (change, "mutate", NULL);
  const char *other = json_object_get_string_member_with_default (change, "collateral_from", NULL);
  g_autoptr (JsonNode) bundle = read_bundle (other != NULL ? find_vector (other) : base);
  g_autoptr (GBytes) quote = read_file (json_object_get_string_member (base, "quote"));
  g_autoptr (DcapMemory) memory = memory_for ("intel-production");
  const DcapRules rules = { .now = time_of (derived) };
  g_autoptr (GError) error = NULL;

  if (g_strcmp0 (mutate, "quote") == 0)
    {
      g_autoptr (GBytes) original = g_steal_pointer (&quote);
      quote = change_quote (original, change);
    }
  else if (mutate != NULL)
    {
      g_autofree char *text = change_text (json_object_get_string_member (json_node_get_object (bundle), mutate), change);
      json_object_set_string_member (json_node_get_object (bundle), mutate, text);
    }
  g_autoptr (DcapCollateral) collateral = collateral_of_bundle (bundle, &error);
  g_autoptr (TeesqlClaims) claims = collateral != NULL ? dcap_verify (quote, collateral, memory, &rules, &error) : NULL;
  const char *verdict = json_object_get_string_member (json_object_get_object_member (derived, "expected"), "verdict");
  if (error != NULL)
    g_test_message ("%s: %s", teesql_error_get_reason (error), error->message);
  if (g_str_equal (verdict, "verified"))
    g_assert_no_error (error);
  else
    {
      g_assert_cmpstr (verdict, ==, "rejected");
      g_assert_null (claims);
      g_assert_nonnull (error);
    }
}

/* The same collateral as one bundle and as the answers of Intel's service must be one and the same. */
static void
test_folder (void)
{
  JsonObject *vector = find_vector ("tdx4-uptodate-a");
  g_autofree char *path = g_build_filename (folder, "tdx4-uptodate-a", "split", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (DcapCollateral) loaded = dcap_collateral_load (path, &error);
  g_autoptr (DcapCollateral) bundle = collateral_of (vector);
  g_autoptr (DcapMemory) memory = memory_for ("intel-production");
  g_autoptr (GBytes) quote = read_file (json_object_get_string_member (vector, "quote"));
  const DcapRules rules = { .now = time_of (vector) };

  g_assert_no_error (error);
  for (guint i = 0; i < DCAP_N_ITEMS; i++)
    g_assert_true (g_bytes_equal (loaded->items[i]->body, bundle->items[i]->body));
  g_autoptr (TeesqlClaims) claims = dcap_verify (quote, loaded, memory, &rules, &error);
  g_assert_no_error (error);
  check_claims (json_object_get_object_member (vector, "expected"), claims);
}

static void
keep_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

/* What the command line does: everything through the interface and two properties. */
static void
check_interface (const char *collateral_path)
{
  JsonObject *vector = find_vector ("tdx4-uptodate-a");
  g_autofree char *root = g_build_filename (folder, "roots", "intel-sgx-root-ca.pem", NULL);
  g_autofree char *path = g_build_filename (folder, collateral_path, NULL);
  g_autoptr (GBytes) quote = read_file (json_object_get_string_member (vector, "quote"));
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (GAsyncResult) init_result = NULL;
  g_autoptr (GAsyncResult) verify_result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlVerifier) verifier =
      g_object_new (DCAP_TYPE_VERIFIER, "trusted-root", root, "collateral-file", path, "cache-directory", "none", NULL);

  g_async_initable_init_async (G_ASYNC_INITABLE (verifier), 0, NULL, keep_result, &init_result);
  g_async_initable_init_finish (G_ASYNC_INITABLE (verifier), wait_for (&init_result), &error);
  g_assert_no_error (error);
  teesql_evidence_builder_set_quote (builder, quote);
  g_autoptr (TeesqlEvidence) evidence = teesql_evidence_builder_end (builder, &error);
  g_assert_no_error (error);
  teesql_verifier_verify_async (verifier, evidence, time_of (vector), NULL, keep_result, &verify_result);
  g_autoptr (TeesqlClaims) claims = teesql_verifier_verify_finish (verifier, wait_for (&verify_result), &error);
  g_assert_no_error (error);
  check_claims (json_object_get_object_member (vector, "expected"), claims);
  /* Intel's own key in a file is Intel's own key */
  g_assert_null (teesql_verifier_get_taint (verifier));
}

static void
test_interface (void)
{
  check_interface ("tdx4-uptodate-a/collateral.json");
  check_interface ("tdx4-uptodate-a/split");
}

static void
add_vectors (void)
{
  JsonArray *vectors = json_object_get_array_member (manifest, "vectors");
  JsonArray *derived = json_object_get_array_member (manifest, "derived");

  for (guint i = 0; i < json_array_get_length (vectors); i++)
    {
      JsonObject *vector = json_array_get_object_element (vectors, i);
      const char *id = json_object_get_string_member (vector, "id");
      g_autofree char *path = g_strdup_printf ("/vectors/%s", id);
      g_autofree char *window_path = g_strdup_printf ("/vectors/window/%s", id);
      g_test_add_data_func (path, id, test_vector);
      if (!is_sgx (vector) && json_object_has_member (vector, "valid_window") &&
          g_str_equal (json_object_get_string_member (json_object_get_object_member (vector, "expected"), "crypto"), "verified"))
        g_test_add_data_func (window_path, id, test_window);
    }
  for (guint i = 0; i < json_array_get_length (derived); i++)
    {
      JsonObject *object = json_array_get_object_element (derived, i);
      g_autofree char *path = g_strdup_printf ("/vectors/derived/%s", json_object_get_string_member (object, "id"));
      g_test_add_data_func (path, object, test_derived);
    }
  g_test_add_func ("/vectors/folder-of-answers", test_folder);
  g_test_add_func ("/vectors/through-the-interface", test_interface);
}

static void
test_absent (void)
{
  g_test_skip ("SKIP dcap-vectors: no vectors; set TEESQL_VECTORS to their folder");
}

static char *
find_folder (void)
{
  const char *set = g_getenv ("TEESQL_VECTORS");
  const char *source = g_getenv ("TEESQL_TEST_SOURCE");

  if (set != NULL)
    return g_strdup (set);
  return g_build_filename (source != NULL ? source : ".", "..", "shared", "vectors", NULL);
}

int
main (int argc, char **argv)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *path = NULL;
  int status = 0;

  g_test_init (&argc, &argv, NULL);
  folder = find_folder ();
  path = g_build_filename (folder, "manifest.json", NULL);
  if (json_parser_load_from_file (parser, path, NULL))
    {
      manifest = json_node_get_object (json_parser_get_root (parser));
      add_vectors ();
    }
  else
    g_test_add_func ("/vectors/absent", test_absent);
  status = g_test_run ();
  g_free (folder);
  return status;
}
