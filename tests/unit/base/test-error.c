#include "base/teesql-domains.h"
#include <string.h>

typedef GQuark (*QuarkFunc) (void);

static const QuarkFunc quarks[] = {
  teesql_attester_error_quark, teesql_verifier_error_quark, teesql_kms_error_quark,    teesql_storage_error_quark,
  teesql_parse_error_quark,    teesql_config_error_quark,   teesql_plugin_error_quark, teesql_attest_error_quark,
  teesql_protocol_error_quark, teesql_postgres_error_quark,
};

static void
every_domain_carries_reason_and_retry_time (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (quarks); i++)
    {
      g_autoptr (GError) error = teesql_error_new (quarks[i](), TEESQL_ERROR_THROTTLED, "too-many-requests", 1500, "status %d", 429);

      g_assert_error (error, quarks[i](), (int) TEESQL_ERROR_THROTTLED);
      g_assert_cmpstr (error->message, ==, "status 429");
      g_assert_cmpstr (teesql_error_get_reason (error), ==, "too-many-requests");
      g_assert_cmpuint (teesql_error_get_retry_after_ms (error), ==, 1500);
      for (gsize j = 0; j < i; j++)
        g_assert_cmpuint (quarks[i](), !=, quarks[j]());
    }
}

static void
copies_and_prefixes_keep_the_details (void)
{
  GError *first = teesql_error_new (TEESQL_KMS_ERROR, TEESQL_ERROR_REFUSED, "key-size", 7, "the key has 31 bytes");
  g_autoptr (GError) copy = g_error_copy (first);
  g_autoptr (GError) outer = NULL;

  g_propagate_prefixed_error (&outer, first, "asking for %s: ", "pg/superuser");
  g_assert_cmpstr (outer->message, ==, "asking for pg/superuser: the key has 31 bytes");
  g_assert_cmpstr (teesql_error_get_reason (outer), ==, "key-size");
  g_assert_cmpstr (teesql_error_get_reason (copy), ==, "key-size");
  g_assert_cmpuint (teesql_error_get_retry_after_ms (copy), ==, 7);
}

static void
foreign_domains_read_as_unspecified (void)
{
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");

  g_assert_cmpstr (teesql_error_get_reason (error), ==, "unspecified");
  g_assert_cmpuint (teesql_error_get_retry_after_ms (error), ==, 0);
}

static void
a_bad_reason_costs_the_reason_and_not_the_error (void)
{
  const char *const bad[] = { "", "Upper", "with blank", "a\nb", NULL, "0123456789012345678901234567890123456789012345678901234567890123" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, bad[i], 0, "text");

      g_assert_cmpstr (teesql_error_get_reason (error), ==, "unspecified");
      g_assert_cmpstr (error->message, ==, "text");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/every domain carries reason and retry time", every_domain_carries_reason_and_retry_time);
  g_test_add_func ("/error/copies and prefixes keep the details", copies_and_prefixes_keep_the_details);
  g_test_add_func ("/error/foreign domains read as unspecified", foreign_domains_read_as_unspecified);
  g_test_add_func ("/error/a bad reason costs the reason and not the error", a_bad_reason_costs_the_reason_and_not_the_error);
  return g_test_run ();
}
