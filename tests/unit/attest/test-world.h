#pragma once
#include "attest/teesql-attest-service-private.h"
#include "fake-platform.h"
#include "teesql-build.h"

/* An attestation service with a clock, an attester and verifiers that the test owns. */
#define WORLD_START ((gint64) TEESQL_BUILD_UNIX + 10 * 86400)
#define WORLD_DAY   86400

typedef struct
{
  gint64 wall;
  gint64 boot;
  TeesqlClock *clock;
  TeesqlStatus *status;
  FakeAttester *attester;
  FakeVerifier *verifier;
  FakeVerifier *second; /* used where n_verifiers is 2 */
  TeesqlConfig *config;
  TeesqlAttestService *service;
  guint n_changed;
  guint n_judge_again;
} World;

/* what a test's policy says beside the pins */
#define WORLD_POLICY_ANY                                                                                                                   \
  "allowed-mrtd = any\nallowed-rtmr1 = any\nallowed-rtmr2 = any\nallowed-compose-hash = any\nallowed-key-provider = any\n"
#define WORLD_POLICY_PINNED                                                                                                                \
  "allowed-mrtd = 919191919191919191919191919191919191919191919191919191919191919191919191919191919191919191919191\n"                      \
  "allowed-rtmr1 = any\nallowed-rtmr2 = any\nallowed-compose-hash = " FAKE_EVENT_COMPOSE "\nallowed-key-provider = any\n"

void world_set_up (World *self);
TeesqlConfig *world_config (const char *policy, const char *identity);
/* makes the service; the config is self->config */
void world_begin (World *self, guint n_verifiers);
TeesqlAttestService *world_new_service (World *self, guint n_verifiers, GError **error);
void world_tear_down (World *self);
void world_advance (World *self, gint64 seconds);
/* runs start_async to its end */
gboolean world_start (World *self, GError **error);
/* a good leaf of a day */
GBytes *world_leaf (World *self);
TeesqlVerdict *world_judge (World *self, GBytes *leaf);
void world_assert_refused (World *self, GBytes *leaf, const char *reason);
void world_assert_accepted (World *self, GBytes *leaf);
char *world_status (World *self);
void world_keep_result_cb (GObject *source, GAsyncResult *result, gpointer data); /* data: GAsyncResult ** */

#define world_wait_for(condition)                                                                                                          \
  G_STMT_START                                                                                                                             \
  {                                                                                                                                        \
    const gint64 world_deadline = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;                                                           \
    while (!(condition))                                                                                                                   \
      {                                                                                                                                    \
        g_assert_cmpint (g_get_monotonic_time (), <, world_deadline);                                                                      \
        if (!g_main_context_iteration (NULL, FALSE))                                                                                       \
          g_thread_yield ();                                                                                                               \
      }                                                                                                                                    \
  }                                                                                                                                        \
  G_STMT_END
