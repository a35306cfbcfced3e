#include "http/teesql-http-head.h"
#include "base/teesql-cursor.h"
#include <string.h>

/* What the fields say that matters here; everything else is read over. */
typedef struct
{
  guint n_fields;
  guint n_hosts;
  gboolean has_length;
  gboolean close;
  gboolean keep_alive;
} Fields;

typedef enum
{
  LINE_OK,
  LINE_MISSING,
  LINE_BAD
} LineResult;

static gboolean
refuse (TeesqlHttpHead *head, guint status, const char *reason)
{
  head->status = status;
  head->reason = reason;
  return FALSE;
}

/* RFC 9110, 5.6.2 */
static gboolean
is_token_char (guint8 c)
{
  return g_ascii_isalnum ((char) c) || (c != '\0' && strchr ("!#$%&'*+-.^_`|~", c) != NULL);
}

static gsize
token_length (const TeesqlCursor *cursor)
{
  const guint8 *p = teesql_cursor_peek (cursor);
  gsize n = 0;

  while (n < teesql_cursor_remaining (cursor) && is_token_char (p[n]))
    n++;
  return n;
}

/* One line without its CRLF. A lone CR or LF is where two parsers disagree about where a request ends. */
static LineResult
take_line (TeesqlCursor *cursor, TeesqlCursor *out_line)
{
  const guint8 *start = teesql_cursor_peek (cursor);
  const guint8 *lf = memchr (start, '\n', teesql_cursor_remaining (cursor));
  gsize n = lf != NULL ? (gsize) (lf - start) : 0;

  if (lf == NULL)
    return LINE_MISSING;
  if (n == 0 || start[n - 1] != '\r' || memchr (start, '\r', n - 1) != NULL)
    return LINE_BAD;
  return teesql_cursor_sub (cursor, "line", n - 1, out_line, NULL) && teesql_cursor_skip (cursor, "line end", 2, NULL) ? LINE_OK : LINE_BAD;
}

static gboolean
take_literal (TeesqlCursor *cursor, const char *literal)
{
  gsize n = strlen (literal);

  if (teesql_cursor_remaining (cursor) < n || memcmp (teesql_cursor_peek (cursor), literal, n) != 0)
    return FALSE;
  return teesql_cursor_skip (cursor, literal, n, NULL);
}

static gboolean
read_method (TeesqlCursor *line, TeesqlHttpHead *head)
{
  gsize n = token_length (line);
  TeesqlCursor method;

  if (n == 0 || !teesql_cursor_sub (line, "method", n, &method, NULL) || !take_literal (line, " "))
    return refuse (head, 400, "bad-request-line");
  head->head_only = n == 4 && memcmp (method.data, "HEAD", n) == 0;
  if (!head->head_only && !(n == 3 && memcmp (method.data, "GET", n) == 0))
    return refuse (head, 405, "method-not-allowed");
  return TRUE;
}

/* The origin form, `/path?query`. Nothing here has a name that would need an escape, so none is decoded. */
static gboolean
read_target (TeesqlCursor *line, TeesqlHttpHead *head)
{
  const guint8 *target = teesql_cursor_peek (line);
  const guint8 *query = NULL;
  gsize n = 0;

  while (n < teesql_cursor_remaining (line) && target[n] > ' ' && target[n] < 0x7f && target[n] != '#')
    n++;
  if (n > TEESQL_HTTP_TARGET_MAX)
    return refuse (head, 414, "target-too-long");
  if (n == 0 || target[0] != '/' || !teesql_cursor_skip (line, "target", n, NULL) || !take_literal (line, " "))
    return refuse (head, 400, "bad-target");
  query = memchr (target, '?', n);
  head->path = g_strndup ((const char *) target, query != NULL ? (gsize) (query - target) : n);
  if (query != NULL)
    head->query = g_strndup ((const char *) query + 1, n - (gsize) (query - target) - 1);
  return TRUE;
}

static gboolean
read_version (TeesqlCursor *line, TeesqlHttpHead *head, gboolean *out_is_1_1)
{
  gboolean is_1_1 = take_literal (line, "HTTP/1.1");

  if ((!is_1_1 && !take_literal (line, "HTTP/1.0")) || teesql_cursor_remaining (line) > 0)
    return refuse (head, 400, "bad-version");
  *out_is_1_1 = is_1_1;
  return TRUE;
}

static gboolean
name_is (const TeesqlCursor *name, const char *literal)
{
  return name->size == strlen (literal) && g_ascii_strncasecmp ((const char *) name->data, literal, name->size) == 0;
}

/* `close`, `keep-alive`: a list of tokens between commas */
static void
read_connection (const TeesqlCursor *value, Fields *fields)
{
  g_autofree char *text = g_strndup ((const char *) teesql_cursor_peek (value), teesql_cursor_remaining (value));
  g_auto (GStrv) options = g_strsplit (text, ",", TEESQL_HTTP_FIELDS_MAX);

  for (gsize i = 0; options[i] != NULL; i++)
    {
      fields->close |= g_ascii_strcasecmp (g_strstrip (options[i]), "close") == 0;
      fields->keep_alive |= g_ascii_strcasecmp (options[i], "keep-alive") == 0;
    }
}

static gboolean
value_is_zero (TeesqlCursor value)
{
  return take_literal (&value, "0") && teesql_cursor_remaining (&value) == 0;
}

/* Blanks around a value are no part of it. */
static void
trim (TeesqlCursor *value)
{
  while (value->pos < value->size && (value->data[value->pos] == ' ' || value->data[value->pos] == '\t'))
    value->pos++;
  while (value->size > value->pos && (value->data[value->size - 1] == ' ' || value->data[value->size - 1] == '\t'))
    value->size--;
}

/* RFC 9110, 5.5: visible characters, blanks, tabs, and bytes from 0x80 that mean nothing */
static gboolean
value_is_sound (const TeesqlCursor *value)
{
  const guint8 *p = teesql_cursor_peek (value);

  for (gsize i = 0; i < teesql_cursor_remaining (value); i++)
    {
      if ((p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
        return FALSE;
    }
  return TRUE;
}

static gboolean
note_field (const TeesqlCursor *name, const TeesqlCursor *value, Fields *fields, TeesqlHttpHead *head)
{
  if (name_is (name, "Host"))
    fields->n_hosts++;
  else if (name_is (name, "Connection"))
    read_connection (value, fields);
  else if (name_is (name, "Transfer-Encoding"))
    return refuse (head, 400, "body-not-allowed");
  else if (name_is (name, "Content-Length"))
    {
      if (fields->has_length || !value_is_zero (*value))
        return refuse (head, 400, "body-not-allowed");
      fields->has_length = TRUE;
    }
  return TRUE;
}

static gboolean
read_field (TeesqlCursor *line, Fields *fields, TeesqlHttpHead *head)
{
  TeesqlCursor name;

  if (++fields->n_fields > TEESQL_HTTP_FIELDS_MAX)
    return refuse (head, 431, "too-many-fields");
  /* a blank before the colon, or at the line's beginning (a folded line), ends the token and so refuses */
  if (!teesql_cursor_sub (line, "field name", token_length (line), &name, NULL) || name.size == 0 || !take_literal (line, ":"))
    return refuse (head, 400, "bad-field");
  trim (line);
  if (!value_is_sound (line))
    return refuse (head, 400, "bad-field");
  return note_field (&name, line, fields, head);
}

static gboolean
read_request_line (TeesqlCursor *line, TeesqlHttpHead *head, gboolean *out_is_1_1)
{
  return read_method (line, head) && read_target (line, head) && read_version (line, head, out_is_1_1);
}

/* Whether a head without its end can still become one. */
static TeesqlHttpHeadResult
incomplete (const TeesqlCursor *cursor, TeesqlHttpHead *head)
{
  if (cursor->size < TEESQL_HTTP_HEAD_MAX)
    return TEESQL_HTTP_HEAD_INCOMPLETE;
  refuse (head, cursor->pos == 0 ? 414 : 431, cursor->pos == 0 ? "target-too-long" : "head-too-large");
  return TEESQL_HTTP_HEAD_REFUSED;
}

/* Fields up to the empty line. */
static TeesqlHttpHeadResult
read_fields (TeesqlCursor *cursor, Fields *fields, TeesqlHttpHead *head)
{
  TeesqlCursor line;
  LineResult result;

  while ((result = take_line (cursor, &line)) == LINE_OK && line.size > 0)
    {
      if (!read_field (&line, fields, head))
        return TEESQL_HTTP_HEAD_REFUSED;
    }
  if (result == LINE_MISSING)
    return incomplete (cursor, head);
  if (result == LINE_OK)
    return TEESQL_HTTP_HEAD_COMPLETE;
  refuse (head, 400, "bad-line-end");
  return TEESQL_HTTP_HEAD_REFUSED;
}

static TeesqlHttpHeadResult
parse (TeesqlCursor *cursor, TeesqlHttpHead *head)
{
  Fields fields = { 0 };
  gboolean is_1_1 = FALSE;
  TeesqlCursor line;
  LineResult first = take_line (cursor, &line);
  TeesqlHttpHeadResult result;

  if (first == LINE_MISSING)
    return incomplete (cursor, head);
  if (first == LINE_BAD)
    refuse (head, 400, "bad-line-end");
  if (first == LINE_BAD || !read_request_line (&line, head, &is_1_1))
    return TEESQL_HTTP_HEAD_REFUSED;
  result = read_fields (cursor, &fields, head);
  if (result != TEESQL_HTTP_HEAD_COMPLETE)
    return result;
  if (fields.n_hosts > 1 || (is_1_1 && fields.n_hosts == 0))
    {
      refuse (head, 400, "bad-host");
      return TEESQL_HTTP_HEAD_REFUSED;
    }
  head->keep_alive = !fields.close && (is_1_1 || fields.keep_alive);
  return TEESQL_HTTP_HEAD_COMPLETE;
}

TeesqlHttpHeadResult
teesql_http_head_parse (const guint8 *data, gsize size, TeesqlHttpHead *out_head, gsize *out_consumed)
{
  g_auto (TeesqlHttpHead) head = { 0 };
  TeesqlHttpHeadResult result;
  TeesqlCursor cursor;

  teesql_cursor_init (&cursor, "request head", data, MIN (size, TEESQL_HTTP_HEAD_MAX));
  result = parse (&cursor, &head);
  if (result == TEESQL_HTTP_HEAD_INCOMPLETE)
    return result;
  *out_head = head;
  head = (TeesqlHttpHead){ 0 };
  *out_consumed = cursor.pos;
  return result;
}

void
teesql_http_head_clear (TeesqlHttpHead *self)
{
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->query, g_free);
}
