#include "http/teesql-http-response.h"
#include <json-glib/json-glib.h>
#include <string.h>

static const struct
{
  guint status;
  const char *text;
} texts[] = {
  { 200, "OK" },
  { 400, "Bad Request" },
  { 404, "Not Found" },
  { 405, "Method Not Allowed" },
  { 408, "Request Timeout" },
  { 414, "URI Too Long" },
  { 429, "Too Many Requests" },
  { 431, "Request Header Fields Too Large" },
  { 500, "Internal Server Error" },
  { 503, "Service Unavailable" },
};

const char *
teesql_http_response_status_text (guint status)
{
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      if (texts[i].status == status)
        return texts[i].text;
    }
  return "Status";
}

/* RFC 9110, 5.6.7; spelled here because strftime() speaks the process's language */
static void
append_date (GString *out)
{
  static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
  static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();

  g_string_append_printf (out, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[g_date_time_get_day_of_week (now) - 1],
                          g_date_time_get_day_of_month (now), months[g_date_time_get_month (now) - 1], g_date_time_get_year (now),
                          g_date_time_get_hour (now), g_date_time_get_minute (now), g_date_time_get_second (now));
}

GBytes *
teesql_http_response_format (guint status, const char *content_type, const char *body, guint retry_after, gboolean head_only,
                             gboolean keep_alive)
{
  GString *out = g_string_new (NULL);

  g_string_append_printf (out, "HTTP/1.1 %u %s\r\n", status, teesql_http_response_status_text (status));
  append_date (out);
  g_string_append_printf (out, "Content-Type: %s\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n", content_type, strlen (body));
  g_string_append (out, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
  if (status == 405)
    g_string_append (out, "Allow: GET, HEAD\r\n");
  if (retry_after > 0)
    g_string_append_printf (out, "Retry-After: %u\r\n", retry_after);
  g_string_append (out, keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
  if (!head_only)
    g_string_append (out, body);
  return g_string_free_to_bytes (out);
}

char *
teesql_http_response_error_body (const char *reason, const char *message)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "schema");
  json_builder_add_int_value (builder, 1);
  json_builder_set_member_name (builder, "reason");
  json_builder_add_string_value (builder, reason);
  json_builder_set_member_name (builder, "message");
  json_builder_add_string_value (builder, message);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}
