#include "http/teesql-http-resources.h"

void
teesql_http_index_handle (TeesqlHttpRequest *request, gpointer server)
{
  g_autoptr (GPtrArray) paths = teesql_http_server_list_paths (server);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < paths->len; i++)
    g_string_append_printf (text, "%s\n", (const char *) paths->pdata[i]);
  teesql_http_request_respond (request, 200, "text/plain; charset=utf-8", text->str, 0);
}
