/* What a verification costs, beside what its signature checks alone cost, in one run on one machine. A bench, not a test: it fails only
 * when something does not verify. Usage: verify-bench [QUOTE COLLATERAL UNIX-TIME], default: a quote made here. */
#include "dcap/dcap-verify.h"
#include "dcap/test-pki.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#define ROUNDS  9
#define MIN_NS  G_GINT64_CONSTANT (100000000)
#define N_KINDS 3

/* P-256 verifications: report and quote; and cold also two chains, two CRLs, TCB info, QE identity, each certificate once */
#define N_WARM 2
#define N_COLD 10

typedef struct
{
  GBytes *quote;
  DcapCollateral *collateral;
  DcapTrust trust;
  DcapRules rules;
  DcapMemory *warm;
  gnutls_pubkey_t key;
  gnutls_datum_t message;
  gnutls_datum_t signature;
} Bench;

static void
fail (const char *what, const GError *error)
{
  g_printerr ("verify-bench: %s: %s\n", what, error != NULL ? error->message : "failed");
  exit (1);
}

static void
verify (Bench *self, DcapMemory *memory)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlClaims) claims = dcap_verify (self->quote, self->collateral, memory, &self->rules, &error);
  if (claims == NULL)
    fail ("verification", error);
}

static void
run_cold (Bench *self)
{
  g_autoptr (DcapMemory) memory = dcap_memory_new (&self->trust);
  verify (self, memory);
}

static void
run_warm (Bench *self)
{
  verify (self, self->warm);
}

static void
run_raw (Bench *self)
{
  if (gnutls_pubkey_verify_data2 (self->key, GNUTLS_SIGN_ECDSA_SHA256, 0, &self->message, &self->signature) < 0)
    fail ("raw signature", NULL);
}

/* CPU time: a neighbour on the machine is not our cost */
static gint64
cpu_ns (void)
{
  struct timespec now;
  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * G_GINT64_CONSTANT (1000000000) + now.tv_nsec;
}

static double
measure_us (Bench *self, void (*run) (Bench *self))
{
  gint64 start = cpu_ns ();
  gint64 elapsed = 0;
  guint n = 0;

  do
    {
      run (self);
      n++;
      elapsed = cpu_ns () - start;
    }
  while (elapsed < MIN_NS);
  return (double) elapsed / n / 1000;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const double *left = a;
  const double *right = b;
  return (*left > *right) - (*left < *right);
}

/* the kinds take turns, so that a slow minute hits all of them; medians are kept */
static void
measure (Bench *self, double out_us[N_KINDS])
{
  static void (*const runs[N_KINDS]) (Bench *) = { run_raw, run_warm, run_cold };
  double rounds[N_KINDS][ROUNDS];

  for (guint round = 0; round < ROUNDS; round++)
    for (guint kind = 0; kind < N_KINDS; kind++)
      rounds[kind][round] = measure_us (self, runs[kind]);
  for (guint kind = 0; kind < N_KINDS; kind++)
    {
      qsort (rounds[kind], ROUNDS, sizeof (double), compare);
      out_us[kind] = rounds[kind][ROUNDS / 2];
    }
}

static void
prepare_raw (Bench *self)
{
  static const guint8 message[DCAP_ENCLAVE_REPORT_SIZE];
  gnutls_privkey_t key = NULL;

  self->message = (gnutls_datum_t){ (unsigned char *) message, sizeof message };
  if (gnutls_privkey_init (&key) < 0 || gnutls_pubkey_init (&self->key) < 0 ||
      gnutls_privkey_generate (key, GNUTLS_PK_EC, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0) < 0 ||
      gnutls_privkey_sign_data (key, GNUTLS_DIG_SHA256, 0, &self->message, &self->signature) < 0 ||
      gnutls_pubkey_import_privkey (self->key, key, 0, 0) < 0)
    fail ("making a key", NULL);
  gnutls_privkey_deinit (key);
}

static void
load (Bench *self, char **argv)
{
  g_autoptr (GError) error = NULL;
  char *data = NULL;
  gsize size = 0;

  dcap_trust_init_intel (&self->trust);
  self->rules.now = g_ascii_strtoll (argv[3], NULL, 10);
  if (!g_file_get_contents (argv[1], &data, &size, &error))
    fail ("quote", error);
  self->quote = g_bytes_new_take (data, size);
  self->collateral = dcap_collateral_load (argv[2], &error);
  if (self->collateral == NULL)
    fail ("collateral", error);
}

static void
make (Bench *self)
{
  TestRecipe recipe;
  TestWorld *world = NULL;

  test_recipe_init (&recipe);
  world = test_world_new (&recipe);
  self->trust = world->trust;
  self->rules.now = TEST_NOW;
  self->quote = g_bytes_ref (world->quote);
  self->collateral = dcap_collateral_ref (world->collateral);
  test_world_free (world);
}

int
main (int argc, char **argv)
{
  Bench self = { NULL };
  double us[N_KINDS];

  if (argc == 4)
    load (&self, argv);
  else
    make (&self);
  prepare_raw (&self);
  self.warm = dcap_memory_new (&self.trust);
  run_warm (&self);
  measure (&self, us);
  g_print ("%-36s %10s %22s\n", "", "CPU us", "of its signatures alone");
  g_print ("%-36s %10.1f\n", "P-256 verification, GnuTLS", us[0]);
  g_print ("%-36s %10.1f %21.2fx\n", "warm: quote (2 signatures)", us[1], us[1] / (N_WARM * us[0]));
  g_print ("%-36s %10.1f %21.2fx\n", "cold: quote and collateral (10)", us[2], us[2] / (N_COLD * us[0]));
  g_print ("{\"schema\":1,\"p256_us\":%.1f,\"warm_us\":%.1f,\"cold_us\":%.1f}\n", us[0], us[1], us[2]);
  g_bytes_unref (self.quote);
  dcap_collateral_unref (self.collateral);
  dcap_memory_unref (self.warm);
  gnutls_pubkey_deinit (self.key);
  gnutls_free (self.signature.data);
  test_pki_free ();
  return 0;
}
