/* Both lines of the protocol between teesql-wal-fetch and its server; the first byte says whose. */
#include "backup/teesql-wal-request.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = NULL;
  TeesqlWalAnswerKind kind;
  TeesqlWalNameKind name_kind;
  guint32 timeline = 0;
  guint64 content = 0;

  if (size == 0)
    return 0;
  if (data[0] == 'r')
    {
      if (teesql_wal_request_parse (data + 1, size - 1, &text, NULL))
        {
          g_assert_true (teesql_wal_name_parse (text, &name_kind, &timeline) && timeline > 0);
          g_assert_true (strchr (text, '/') == NULL && strstr (text, "..") == NULL && strlen (text) <= 24);
        }
      return 0;
    }
  if (teesql_wal_answer_parse (data + 1, size - 1, &kind, &content, &text, NULL))
    {
      g_autofree char *again = teesql_wal_answer_format (kind, content, text);

      g_assert_cmpuint (content, <=, TEESQL_WAL_CONTENT_MAX);
      g_assert_true (strchr (again, '\n') == again + strlen (again) - 1);
    }
  return 0;
}
