#include <teesql/teesql.h>

/* Sizes and places that plugins compiled against an earlier header rely on. A number here changes only together with
 * TEESQL_PLUGIN_ABI; new slots use up padding and leave every number alone. (LP64: the platforms of TDX.) */

static void
public_structs_keep_their_sizes (void)
{
  g_assert_cmpuint (sizeof (void *), ==, 8);
  g_assert_cmpuint (sizeof (TeesqlEvent), ==, 72);
  g_assert_cmpuint (sizeof (TeesqlTlsRequest), ==, 72);
  g_assert_cmpuint (sizeof (TeesqlPluginType), ==, 16);
  g_assert_cmpuint (sizeof (TeesqlPluginDescriptor), ==, 64);
  g_assert_cmpuint (sizeof (TeesqlAttesterInterface), ==, 16 + 8 * (1 + 2 * 4 + 1) + 8 * TEESQL_PADDING);
  g_assert_cmpuint (sizeof (TeesqlVerifierInterface), ==, 16 + 8 * 3 + 8 * TEESQL_PADDING);
  g_assert_cmpuint (sizeof (TeesqlKmsInterface), ==, 16 + 8 * 3 + 8 * TEESQL_PADDING);
  g_assert_cmpuint (sizeof (TeesqlStorageInterface), ==, 16 + 8 * (1 + 2 * 9) + 8 * TEESQL_PADDING);
}

static void
slots_keep_their_places (void)
{
  g_assert_cmpuint (G_STRUCT_OFFSET (TeesqlAttesterInterface, get_evidence_async), ==, 24);
  g_assert_cmpuint (G_STRUCT_OFFSET (TeesqlAttesterInterface, get_taint), ==, 88);
  g_assert_cmpuint (G_STRUCT_OFFSET (TeesqlVerifierInterface, verify_async), ==, 16);
  g_assert_cmpuint (G_STRUCT_OFFSET (TeesqlKmsInterface, get_key_async), ==, 16);
  g_assert_cmpuint (G_STRUCT_OFFSET (TeesqlStorageInterface, put_async), ==, 24);
  g_assert_cmpuint (G_STRUCT_OFFSET (TeesqlStorageInterface, upload_begin_async), ==, 104);
  g_assert_cmpuint (G_STRUCT_OFFSET (TeesqlPluginDescriptor, name), ==, 8);
  g_assert_cmpuint (G_STRUCT_OFFSET (TeesqlPluginDescriptor, types), ==, 24);
}

static void
values_keep_their_numbers (void)
{
  g_assert_cmpint (TEESQL_ERROR_INTEGRITY, ==, 11);
  g_assert_cmpint (TEESQL_FIELD_MRTD, ==, 1);
  g_assert_cmpint (TEESQL_FIELD_REPORT_DATA, ==, 12);
  g_assert_cmpint (TEESQL_FIELD_TRUST_ANCHOR, ==, 21);
  g_assert_cmpint (TEESQL_NUMBER_VALID_UNTIL, ==, 4);
  g_assert_cmpint (TEESQL_NUMBER_REVISION, ==, 5);
  g_assert_cmpint (TEESQL_TCB_STATUS_UP_TO_DATE, ==, 1);
  g_assert_cmpint (TEESQL_TCB_STATUS_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED, ==, 8);
  g_assert_cmpint (TEESQL_PLUGIN_ABI, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/abi/public structs keep their sizes", public_structs_keep_their_sizes);
  g_test_add_func ("/abi/slots keep their places", slots_keep_their_places);
  g_test_add_func ("/abi/values keep their numbers", values_keep_their_numbers);
  return g_test_run ();
}
