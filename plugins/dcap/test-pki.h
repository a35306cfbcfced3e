#pragma once
/* An imaginary Intel: keys drawn at run time, certificates, CRLs, collateral and quotes made from a recipe. A test takes the default
 * recipe, which verifies, and changes one thing. */
#include "dcap-verify.h"

G_BEGIN_DECLS

typedef enum
{
  TEST_ROOT,
  TEST_CA,
  TEST_SIGNER,
  TEST_PCK,
  TEST_N_CERTS
} TestCert;
/* the first four belong to the certificates */
typedef enum
{
  TEST_KEY_ROOT,
  TEST_KEY_CA,
  TEST_KEY_SIGNER,
  TEST_KEY_PCK,
  TEST_KEY_ATTESTATION,
  TEST_KEY_STRANGER,
  TEST_KEY_P384,
  TEST_N_KEYS
} TestKey;

#define TEST_NOW ((gint64) 1780000000)
#define TEST_DAY ((gint64) 86400)

typedef struct
{
  const char *common_name;
  gint64 not_before;
  gint64 not_after;
  gboolean is_ca;
  unsigned int usage;
  TestCert issuer;   /* whose name stands there */
  TestKey key;       /* its own */
  TestKey signed_by; /* whose signature stands there */
  gnutls_digest_algorithm_t digest;
} TestCertRecipe;

typedef struct
{
  guint8 components[16];
  guint8 cpu_svn[16];
  guint pce_svn;
  guint8 pce_id[2];
  guint8 fmspc[6];
  guint component_0; /* as written, may be out of range */
  guint sgx_type;
  guint omit;     /* bit per field number, 1 to 7; 0: the whole extension */
  guint omit_tcb; /* bit per number within the TCB */
  gboolean twice;
  gboolean trailing;
  gboolean foreign_field;
} TestPckRecipe;

typedef struct
{
  gint64 this_update;
  gint64 next_update;
  TestCert issuer;
  TestKey signed_by;
  guint number; /* 0: left out */
  gboolean omit_authority_key;
  gboolean critical_delta;
  guint revoked; /* bit per certificate */
  gboolean truncated;
  gboolean says_sha384;
  gboolean omit_next_update;
} TestCrlRecipe;

#define TEST_MAX_EDITS 4

/* text of collateral: replaced before it is signed, or behind the signer's back */
typedef struct
{
  const char *from;
  const char *to;
} TestEdit;

typedef struct
{
  TestEdit edits[TEST_MAX_EDITS];
  TestEdit tamper;
  TestKey signed_by;
  gint64 issue_date;
  gint64 next_update;
} TestTextRecipe;

typedef struct
{
  guint offset;
  guint8 value;
} TestPatch;

typedef struct
{
  guint version;
  gboolean td_1_5;
  guint8 svn[16];
  guint8 svn2[16];
  TestPatch body[2];
  TestPatch qe_report[2]; /* before it is signed */
  gboolean qe_report_data_tail;
  gboolean qe_report_data_wrong;
  gboolean change_qe_auth; /* after everything */
  gsize qe_auth_size;
  TestKey qe_report_signed_by;
  TestKey signed_by;
  gboolean swap_r_s;
  guint outer_type;
  guint inner_type;
  int inner_size_lie;
  guint trailing_nuls;
  gboolean other_cpu_svn; /* types 2 and 3 */
  const char *chain;      /* order of the chain in letters: p leaf, c CA, r root, x junk, a blank for a KiB of them */
} TestQuoteRecipe;

typedef struct
{
  TestCertRecipe certs[TEST_N_CERTS];
  TestPckRecipe pck;
  TestCrlRecipe root_crl;
  TestCrlRecipe pck_crl;
  TestTextRecipe tcb_info;
  TestTextRecipe qe_identity;
  TestQuoteRecipe quote;
  const char *tcb_chain;
  const char *qe_chain;
  const char *crl_chain;
  gboolean outside_chain;
} TestRecipe;

typedef struct
{
  GBytes *quote;
  DcapCollateral *collateral;
  DcapTrust trust;
  char *root_pem;
} TestWorld;

void test_recipe_init (TestRecipe *self);
TestWorld *test_world_new (const TestRecipe *recipe);
void test_world_free (TestWorld *self);
TeesqlClaims *test_world_verify (const TestWorld *self, gint64 now, gint64 tolerance, GError **error);
void test_pki_free (void);
/* one more edit of the text before it is signed */
void test_edit_tcb (TestRecipe *self, const char *from, const char *to);
void test_edit_qe (TestRecipe *self, const char *from, const char *to);

/* one rule: how to break it, and the reason it is refused for */
typedef struct
{
  const char *path;
  void (*change) (TestRecipe *recipe);
  const char *reason;
} TestCase;

void test_cases_add (const TestCase *cases, guint n_cases);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestWorld, test_world_free)
G_END_DECLS
