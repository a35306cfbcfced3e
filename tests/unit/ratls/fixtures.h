#pragma once
#include <teesql/teesql-evidence.h>
#include <teesql/teesql-error.h>

/* Evidence made by hand: a quote of the right shape with chosen report data and RTMR3, and a guest's event log. */

#define RUNTIME_EVENT  0x08000001u
#define FIXTURE_KMS_ID "3059301306072a8648ce3d020106082a8648ce3d03010703420004aa"

/* g_assert_cmpmem() counts in int */
#define assert_same_bytes(a, a_size, b, b_size) g_assert_cmpmem ((a), (int) (a_size), (b), (int) (b_size))

#define assert_reason(e, domain_, code_, reason_)                                                                                          \
  do                                                                                                                                       \
    {                                                                                                                                      \
      g_assert_error ((e), (domain_), (int) (code_));                                                                                      \
      g_assert_cmpstr (teesql_error_get_reason (e), ==, (reason_));                                                                        \
    }                                                                                                                                      \
  while (0)

typedef struct
{
  const char *name;
  const char *payload; /* text */
  gsize size;          /* of the payload; G_MAXSIZE: strlen */
} FixtureEvent;

/* the eight events of a booted guest, in order; copy and change to make a wrong one */
#define FIXTURE_N_EVENTS 8u
extern const FixtureEvent fixture_events[FIXTURE_N_EVENTS];

GBytes *fixture_quote (const guint8 report_data[64], const guint8 rtmr3[48], gsize padding);
void fixture_add_boot_events (TeesqlEvidenceBuilder *builder);
void fixture_add_events (TeesqlEvidenceBuilder *builder, const FixtureEvent *events, guint n_events, guint version);
/* evidence whose quote carries what the log replays to */
TeesqlEvidence *fixture_evidence (const guint8 report_data[64], const FixtureEvent *events, guint n_events, guint version);
GBytes *fixture_hex (const char *hex);
/* (nullable): a file of the shared vectors; a skip is printed when they are not there */
char *fixture_vector (const char *name, gsize *out_size);
