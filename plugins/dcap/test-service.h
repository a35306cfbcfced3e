#pragma once
/* A provisioning certification service for one TestWorld, in this process, that misbehaves as told. */
#include <libsoup/soup.h>

#include "dcap-verifier.h"
#include "test-pki.h"

G_BEGIN_DECLS

typedef enum
{
  TEST_ANSWER,
  TEST_HANG,   /* never answers */
  TEST_STATUS, /* @status */
  TEST_HTML,
  TEST_OVERSIZE,
  TEST_REDIRECT,
  TEST_NO_CHAIN,
  TEST_BAD_CHAIN,        /* a broken percent escape */
  TEST_OTHER_CHAIN_NAME, /* as old caches send it */
  TEST_HEX,              /* CRLs as text */
  TEST_PEM,
} TestMood;

typedef struct
{
  SoupServer *server;
  char *url;
  TestWorld *world;
  TestMood moods[DCAP_N_ITEMS];
  guint status;
  const char *retry_after;
  guint asked[DCAP_N_ITEMS];
  guint elsewhere; /* requests for anything else */
  char *last_query[DCAP_N_ITEMS];
  GPtrArray *hanging;
} TestService;

/* @world: (transfer full) */
TestService *test_service_new (TestWorld *world);
void test_service_free (TestService *self);
/* @world: (transfer full): serve another one from now on */
void test_service_set_world (TestService *self, TestWorld *world);
void test_service_set_mood (TestService *self, TestMood mood);
guint test_service_asked (const TestService *self);

/* A verifier under the world's root. @url, @directory: or "none". */
TeesqlVerifier *test_verifier_new (const TestWorld *world, const char *url, const char *directory);
TeesqlVerifier *test_verifier_new_full (const TestWorld *world, const char *url, const char *directory, const char *tcb_update,
                                        guint fetch_timeout_ms);
GError *test_verifier_init (TeesqlVerifier *verifier);
GAsyncResult *test_wait (GAsyncResult **result);
void test_keep_result (GObject *source, GAsyncResult *result, gpointer user_data);
TeesqlEvidence *test_evidence_new (GBytes *quote);
TeesqlClaims *test_verify (TeesqlVerifier *verifier, GBytes *quote, gint64 now, GError **error);
/* turns the main loop until @condition, at most 10 s */
void test_until (gboolean (*condition) (gpointer data), gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestService, test_service_free)
G_END_DECLS
