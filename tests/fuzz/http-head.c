#include "http/teesql-http-head.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* Whatever arrives: a result of its three, a refusal with one of the statuses we have, a head no longer than the bytes, and the
 * same answer when the bytes come in two pieces. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_auto (TeesqlHttpHead) head = { 0 };
  gsize consumed = 0;
  TeesqlHttpHeadResult result = teesql_http_head_parse (data, size, &head, &consumed);

  if (result == TEESQL_HTTP_HEAD_INCOMPLETE)
    {
      g_assert (size < TEESQL_HTTP_HEAD_MAX && head.path == NULL);
      return 0;
    }
  g_assert (consumed <= size && consumed <= TEESQL_HTTP_HEAD_MAX);
  if (result == TEESQL_HTTP_HEAD_REFUSED)
    {
      g_assert (head.reason != NULL);
      g_assert (head.status == 400 || head.status == 405 || head.status == 414 || head.status == 431);
      return 0;
    }
  g_assert (head.path != NULL && head.path[0] == '/' && strlen (head.path) <= TEESQL_HTTP_TARGET_MAX);
  g_assert (memcmp (data + consumed - 4, "\r\n\r\n", 4) == 0);
  {
    g_auto (TeesqlHttpHead) shorter = { 0 };
    gsize unused = 0;

    g_assert (teesql_http_head_parse (data, consumed - 1, &shorter, &unused) == TEESQL_HTTP_HEAD_INCOMPLETE);
  }
  return 0;
}
