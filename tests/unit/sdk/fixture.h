#pragma once
#include "sdk/teesql-quote.h"
#include <teesql/teesql.h>
#include <string.h>

/* Shared by the sdk's tests: quotes made by hand, and a wait for one asynchronous answer. */

typedef struct
{
  GAsyncResult *result;
} Answer;

static inline void
answer_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  g_assert_null (answer->result); /* exactly once */
  answer->result = g_object_ref (result);
}

/* Until the answer is there; the test runner's timeout is the deadline. */
static inline GAsyncResult *
answer_wait (Answer *answer)
{
  while (answer->result == NULL)
    g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE)) /* a second answer would trip the assertion above */
    ;
  return answer->result;
}

static inline void
answer_clear (Answer *answer)
{
  g_clear_object (&answer->result);
}

static inline void
append_le (GByteArray *out, guint64 value, guint width)
{
  for (guint i = 0; i < width; i++)
    {
      guint8 byte = (guint8) (value >> (8 * i));

      g_byte_array_append (out, &byte, 1);
    }
}

#define FIXTURE_AUTH_SIZE   512
#define FIXTURE_REPORT_DATA 520 /* offset inside the body */
#define FIXTURE_SERVICE_TD  600

/* A quote of the given shape whose body's byte n is n mod 251, but for the report data. */
static inline GByteArray *
fixture_quote (guint version, guint body_type, const guint8 *report_data)
{
  static const guint8 vendor[16] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
  static const guint8 zeros[FIXTURE_AUTH_SIZE] = { 0 };
  guint body_size = body_type == 3 ? 648 : 584;
  GByteArray *out = g_byte_array_new ();
  guint body = 0;

  append_le (out, version, 2);
  append_le (out, 2, 2);
  append_le (out, 0x81, 4);
  append_le (out, 0, 4);
  g_byte_array_append (out, vendor, sizeof vendor);
  g_byte_array_append (out, zeros, 20);
  if (version == 5)
    {
      append_le (out, body_type, 2);
      append_le (out, body_size, 4);
    }
  body = out->len;
  for (guint i = 0; i < body_size; i++)
    append_le (out, i % 251, 1);
  if (report_data != NULL)
    memcpy (out->data + body + FIXTURE_REPORT_DATA, report_data, TEESQL_REPORT_DATA_SIZE);
  append_le (out, FIXTURE_AUTH_SIZE, 4);
  g_byte_array_append (out, zeros, FIXTURE_AUTH_SIZE);
  return out;
}

static inline TeesqlEvidence *
fixture_evidence_from (GByteArray *quote)
{
  g_autoptr (TeesqlEvidenceBuilder) builder = teesql_evidence_builder_new ();
  g_autoptr (GBytes) bytes = g_bytes_new (quote->data, quote->len);
  TeesqlEvidence *evidence = NULL;

  teesql_evidence_builder_set_quote (builder, bytes);
  evidence = teesql_evidence_builder_end (builder, NULL);
  g_assert_nonnull (evidence);
  return evidence;
}

static inline TeesqlEvidence *
fixture_evidence (guint version, guint body_type, const guint8 *report_data)
{
  g_autoptr (GByteArray) quote = fixture_quote (version, body_type, report_data);

  return fixture_evidence_from (quote);
}

static inline void
assert_reason (const GError *error, GQuark domain, TeesqlError code, const char *reason)
{
  g_assert_error (error, domain, (int) code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}
