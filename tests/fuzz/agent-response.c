/* Answers of the guest agent, from raw HTTP to values. First byte: what was asked; second: how many bytes arrive at a time. */
#include "dstack/dstack-answers.h"
#include "dstack/dstack-http-parser.h"
#include "dstack/dstack-http.h"
#include "dstack/dstack-json.h"
#include <glib.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
read_body (guint8 kind, const guint8 *body, gsize size)
{
  static const guint8 report_data[TEESQL_REPORT_DATA_SIZE] = { 0 };
  const TeesqlTlsRequest request = { .usage = TEESQL_TLS_USAGE_SERVER, .not_before_unix = 1700000000, .not_after_unix = 1900000000 };
  g_autoptr (TeesqlSecret) key = NULL;
  g_autoptr (TeesqlTlsIdentity) identity = NULL;
  g_autoptr (TeesqlEvidence) evidence = NULL;
  g_autoptr (GVariant) info = NULL;
  g_autofree char *text = NULL;

  switch (kind % 5)
    {
    case 0:
      key = dstack_answer_key (body, size, NULL);
      g_assert_true (key == NULL || teesql_secret_get_size (key) == 32);
      break;
    case 1:
      identity = dstack_answer_tls_identity (body, size, &request, NULL);
      break;
    case 2:
      evidence = dstack_answer_quote (body, size, report_data, NULL);
      break;
    case 3:
      info = dstack_answer_info (body, size, "0.6.0", NULL);
      break;
    default:
      text = dstack_answer_error_text (body, size);
      g_assert_true (g_utf8_validate (text, -1, NULL));
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_auto (DstackBuffer) body = { 0 };
  DstackHttpParser parser;
  gsize step = 0;

  if (size < 2)
    return 0;
  step = (gsize) data[1] + 1;
  dstack_buffer_init (&body, DSTACK_ANSWER_MAX, FALSE);
  dstack_http_parser_init (&parser, &body);
  for (gsize i = 2; i < size; i += step)
    if (!dstack_http_parser_feed (&parser, data + i, MIN (step, size - i), NULL))
      return 0;
  g_assert_cmpuint (body.size, <=, body.limit);
  if (dstack_http_parser_is_done (&parser))
    read_body (data[0], body.data, body.size);
  return 0;
}
