/* The collateral service, route by route. */
#include "base/teesql-hex.h"
#include "sim-test.h"
#include "simulator/teesql-sim-collateral.h"
#include "simulator/teesql-sim-json.h"
#include <string.h>

#define SGX "/sgx/certification/v4/"
#define TDX "/tdx/certification/v4/"

static SimWorld *
start (void)
{
  return sim_world_new (&(SimWorldOptions){ .start = TRUE });
}

static SimAnswer *
get (SimWorld *world, const char *target)
{
  return sim_get (teesql_simulator_get_pccs (world->simulator), target);
}

static void
assert_status (SimWorld *world, const char *target, guint status)
{
  g_autoptr (SimAnswer) answer = get (world, target);

  g_assert_cmpuint (answer->status, ==, status);
}

static char *
tcb_target (SimWorld *world, const char *rest)
{
  const TeesqlSimPlatform *platform = sim_world_guest (world)->platform;
  g_autofree char *fmspc = teesql_hex_encode (platform->fmspc, sizeof platform->fmspc);

  return g_strconcat (TDX "tcb?fmspc=", fmspc, rest, NULL);
}

static void
test_tcb (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autofree char *target = tcb_target (world, "");
  g_autofree char *early = tcb_target (world, "&update=early");
  g_autoptr (SimAnswer) answer = get (world, target);
  g_autoptr (SimAnswer) early_answer = get (world, early);
  g_autoptr (JsonObject) object = sim_answer_object (answer);
  JsonObject *info = json_object_get_object_member (object, "tcbInfo");

  g_assert_cmpstr (sim_json_string (info, "id"), ==, "TDX");
  g_assert_cmpint (json_object_get_int_member (info, "version"), ==, 3);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (info, "tcbLevels")), ==, 7);
  g_assert_nonnull (strstr (answer->headers, "tcb-info-issuer-chain: -----begin%20certificate-----%0a"));
  g_assert_cmpstr (answer->body, ==, early_answer->body); /* no recovery is pending */
}

static void
test_parameters (void)
{
  g_autoptr (SimWorld) world = start ();
  static const struct
  {
    const char *rest;
    guint status;
  } cases[] = {
    { "&update=standard", 200 },
    { "&update=soon", 400 },
    { "&update=early&tcbEvaluationDataNumber=20", 400 },
    { "&tcbEvaluationDataNumber=20", 200 },
    { "&tcbEvaluationDataNumber=19", 410 },
    { "&tcbEvaluationDataNumber=21", 404 },
    { "&tcbEvaluationDataNumber=x", 400 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *target = tcb_target (world, cases[i].rest);

      assert_status (world, target, cases[i].status);
    }
  assert_status (world, TDX "tcb", 400);
  assert_status (world, TDX "tcb?fmspc=00", 400);
  assert_status (world, TDX "tcb?fmspc=00000000000g", 400);
  assert_status (world, TDX "tcb?fmspc=b0c06f000000", 404);
  assert_status (world, TDX "qe/identity", 200);
  assert_status (world, TDX "qe/identity?update=soon", 400);
  assert_status (world, TDX "tcbevaluationdatanumbers", 200);
  assert_status (world, SGX "tcb?fmspc=b0c06f000000", 404);
  assert_status (world, "/", 404);
}

static void
check_crl (const guint8 *data, gsize size, gnutls_x509_crt_fmt_t format, const TeesqlSimAuthority *authority, int n_revoked)
{
  g_autofree char *pem = teesql_sim_authority_get_pem (authority);
  const gnutls_datum_t pem_datum = { (guint8 *) pem, (unsigned) strlen (pem) };
  g_auto (gnutls_x509_crt_t) issuer = NULL;
  gnutls_x509_crl_t crl = NULL;
  const gnutls_datum_t bytes = { (guint8 *) data, (unsigned) size };
  guint8 number[16];
  size_t number_size = sizeof number;
  unsigned critical = 0;
  unsigned status = 1;

  g_assert_cmpint (gnutls_x509_crt_init (&issuer), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_import (issuer, &pem_datum, GNUTLS_X509_FMT_PEM), ==, 0);
  g_assert_cmpint (gnutls_x509_crl_init (&crl), ==, 0);
  g_assert_cmpint (gnutls_x509_crl_import (crl, &bytes, format), ==, 0);
  g_assert_cmpint (gnutls_x509_crl_verify (crl, &issuer, 1, 0, &status), ==, 0);
  g_assert_cmpuint (status, ==, 0);
  g_assert_cmpint (gnutls_x509_crl_get_crt_count (crl), ==, n_revoked);
  g_assert_cmpint (gnutls_x509_crl_get_number (crl, number, &number_size, &critical), ==, 0);
  gnutls_x509_crl_deinit (crl);
}

static void
test_crls (void)
{
  g_autoptr (SimWorld) world = start ();
  const TeesqlSimPlatform *platform = sim_world_guest (world)->platform;
  g_autoptr (SimAnswer) der = get (world, SGX "pckcrl?ca=platform&encoding=der");
  g_autoptr (SimAnswer) pem = get (world, SGX "pckcrl?ca=platform");
  g_autoptr (SimAnswer) processor = get (world, SGX "pckcrl?ca=processor&encoding=der");
  g_autoptr (SimAnswer) root = get (world, SGX "rootcacrl");
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) root_der = teesql_hex_decode (root->body, (gssize) root->size, &error);
  gsize size = 0;
  const guint8 *data;

  g_assert_no_error (error);
  g_assert_nonnull (strstr (der->headers, "sgx-pck-crl-issuer-chain: -----begin%20certificate"));
  check_crl ((const guint8 *) der->body, der->size, GNUTLS_X509_FMT_DER, platform->platform_ca, 1);
  check_crl ((const guint8 *) pem->body, pem->size, GNUTLS_X509_FMT_PEM, platform->platform_ca, 1);
  check_crl ((const guint8 *) processor->body, processor->size, GNUTLS_X509_FMT_DER, platform->processor_ca, 0);
  data = g_bytes_get_data (root_der, &size);
  check_crl (data, size, GNUTLS_X509_FMT_DER, platform->root, 0);
  assert_status (world, SGX "pckcrl", 400);
  assert_status (world, SGX "pckcrl?ca=intel", 400);
  assert_status (world, SGX "pckcrl?ca=platform&encoding=xml", 400);
}

static void
test_recovery (void)
{
  g_autoptr (SimWorld) world = start ();
  g_autoptr (SimAnswer) before = NULL;
  g_autoptr (SimAnswer) numbers = NULL;
  g_autoptr (SimAnswer) early = NULL;
  g_autoptr (SimAnswer) by_number = NULL;
  g_autofree char *early_target = tcb_target (world, "&update=early");
  g_autofree char *number_target = tcb_target (world, "&tcbEvaluationDataNumber=21");

  before = get (world, early_target);
  teesql_simulator_get_state (world->simulator)->recovery = TEESQL_SIM_RECOVERY_EARLY;
  numbers = get (world, TDX "tcbevaluationdatanumbers");
  early = get (world, early_target);
  by_number = get (world, number_target);
  g_assert_nonnull (strstr (numbers->body, "\"tcbEvaluationDataNumber\":21"));
  g_assert_nonnull (strstr (numbers->body, "\"tcbEvaluationDataNumber\":20"));
  g_assert_cmpstr (before->body, !=, early->body);
  g_assert_cmpstr (early->body, ==, by_number->body);
}

static void
test_counts (void)
{
  g_autoptr (SimWorld) world = start ();

  assert_status (world, TDX "qe/identity", 200);
  assert_status (world, "/", 404);
  g_assert_cmpuint (teesql_simulator_get_state (world->simulator)->pccs_calls, ==, 2);
  g_assert_cmpuint (teesql_simulator_get_state (world->simulator)->agent_calls, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/simulator/pccs/tcb-info-comes-with-its-chain", test_tcb);
  g_test_add_func ("/simulator/pccs/parameters-are-checked-as-by-intel", test_parameters);
  g_test_add_func ("/simulator/pccs/revocation-lists-verify", test_crls);
  g_test_add_func ("/simulator/pccs/a-recovery-shows-in-numbers-and-early-set", test_recovery);
  g_test_add_func ("/simulator/pccs/requests-are-counted", test_counts);
  return g_test_run ();
}
