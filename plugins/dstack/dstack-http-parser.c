#include "dstack-http-parser.h"
#include "base/teesql-domains.h"
#include <string.h>

#define HEAD_MAX ((gsize) 8192)

void
dstack_http_parser_init (DstackHttpParser *self, DstackBuffer *body)
{
  *self = (DstackHttpParser){ .state = DSTACK_HTTP_STATUS_LINE, .body = body };
}

gboolean
dstack_http_parser_is_done (const DstackHttpParser *self)
{
  return self->state == DSTACK_HTTP_DONE;
}

static gboolean
fail (GError **error, const char *what)
{
  g_propagate_error (error,
                     teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "agent-http", 0, "answer of the agent: %s", what));
  return FALSE;
}

/* Takes bytes up to CRLF into self->line. *out_complete tells whether the line ended within the input. */
static gboolean
take_line (DstackHttpParser *self, TeesqlCursor *input, gboolean *out_complete, GError **error)
{
  *out_complete = FALSE;
  while (teesql_cursor_remaining (input) > 0)
    {
      guint8 byte = 0;

      if (!teesql_cursor_u8 (input, "line", &byte, error))
        return FALSE;
      if (byte == '\0' || (byte == '\n') != (self->line_size > 0 && self->line[self->line_size - 1] == '\r'))
        return fail (error, "a line does not end in CR LF, or holds a NUL");
      if (byte == '\n')
        {
          self->line[--self->line_size] = '\0';
          *out_complete = TRUE;
          return TRUE;
        }
      if (self->line_size + 1 >= sizeof self->line)
        return fail (error, "a line of the head is too long");
      self->line[self->line_size++] = (char) byte;
    }
  return TRUE;
}

static gboolean
on_status_line (DstackHttpParser *self, GError **error)
{
  const char *line = self->line;

  if ((!g_str_has_prefix (line, "HTTP/1.1 ") && !g_str_has_prefix (line, "HTTP/1.0 ")) || !g_ascii_isdigit (line[9]) ||
      !g_ascii_isdigit (line[10]) || !g_ascii_isdigit (line[11]) || (line[12] != ' ' && line[12] != '\0'))
    return fail (error, "it does not begin with an HTTP/1.1 status line");
  self->status = (guint) (g_ascii_digit_value (line[9]) * 100 + g_ascii_digit_value (line[10]) * 10 + g_ascii_digit_value (line[11]));
  if (self->status < 200 || self->status > 599)
    return fail (error, "its status is none of 200 to 599");
  self->state = DSTACK_HTTP_HEADER;
  return TRUE;
}

static gboolean
is_token (const char *text, gsize size)
{
  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isalnum (text[i]) && strchr ("!#$%&'*+-.^_`|~", text[i]) == NULL)
      return FALSE;
  return size > 0;
}

static gboolean
on_content_length (DstackHttpParser *self, const char *value, GError **error)
{
  if (self->has_length || !g_ascii_isdigit (value[0]) || !g_ascii_string_to_unsigned (value, 10, 0, G_MAXUINT32, &self->remaining, NULL))
    return fail (error, "Content-Length is no number, or stands twice");
  if (self->remaining > self->body->limit)
    {
      g_propagate_error (error, teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "agent-answer-size", 0,
                                                  "answer of the agent: %" G_GUINT64_FORMAT " bytes announced, at most %" G_GSIZE_FORMAT
                                                  " expected",
                                                  self->remaining, self->body->limit));
      return FALSE;
    }
  self->has_length = TRUE;
  return TRUE;
}

/* Both lengths at once is how answers are smuggled; see RFC 9112, 6.3. */
static gboolean
on_head_end (DstackHttpParser *self, GError **error)
{
  if (self->has_length == self->chunked)
    return fail (error, self->chunked ? "both Content-Length and chunks" : "neither Content-Length nor chunks");
  if (self->chunked)
    self->state = DSTACK_HTTP_CHUNK_SIZE;
  else
    self->state = self->remaining > 0 ? DSTACK_HTTP_BODY : DSTACK_HTTP_DONE;
  return TRUE;
}

static gboolean
on_header (DstackHttpParser *self, GError **error)
{
  char *colon = strchr (self->line, ':');
  char *value = NULL;

  if (self->line[0] == '\0')
    return on_head_end (self, error);
  if (colon == NULL || !is_token (self->line, (gsize) (colon - self->line)))
    return fail (error, "a header line has no name");
  *colon = '\0';
  value = g_strstrip (colon + 1);
  if (g_ascii_strcasecmp (self->line, "content-length") == 0)
    return on_content_length (self, value, error);
  if (g_ascii_strcasecmp (self->line, "content-encoding") == 0)
    return fail (error, "it is compressed, which was not asked for");
  if (g_ascii_strcasecmp (self->line, "transfer-encoding") != 0)
    return TRUE;
  if (self->chunked || g_ascii_strcasecmp (value, "chunked") != 0)
    return fail (error, "an unknown Transfer-Encoding");
  self->chunked = TRUE;
  return TRUE;
}

static gboolean
on_chunk_size (DstackHttpParser *self, GError **error)
{
  gsize digits = strspn (self->line, "0123456789abcdefABCDEF");

  if (digits == 0 || digits > 8 || (self->line[digits] != '\0' && self->line[digits] != ';'))
    return fail (error, "the size of a chunk is no number");
  self->remaining = g_ascii_strtoull (self->line, NULL, 16);
  self->state = self->remaining > 0 ? DSTACK_HTTP_CHUNK_DATA : DSTACK_HTTP_LAST_END;
  return TRUE;
}

static gboolean
on_line (DstackHttpParser *self, GError **error)
{
  switch (self->state)
    {
    case DSTACK_HTTP_STATUS_LINE:
      return on_status_line (self, error);
    case DSTACK_HTTP_HEADER:
      return on_header (self, error);
    case DSTACK_HTTP_CHUNK_SIZE:
      return on_chunk_size (self, error);
    case DSTACK_HTTP_CHUNK_END:
      self->state = DSTACK_HTTP_CHUNK_SIZE;
      return self->line[0] == '\0' || fail (error, "a chunk is longer than its size");
    case DSTACK_HTTP_LAST_END:
      self->state = DSTACK_HTTP_DONE;
      return self->line[0] == '\0' || fail (error, "trailers behind the last chunk, which were not asked for");
    case DSTACK_HTTP_BODY:
    case DSTACK_HTTP_CHUNK_DATA:
    case DSTACK_HTTP_DONE:
      break;
    }
  g_return_val_if_reached (FALSE);
}

static gboolean
feed_line (DstackHttpParser *self, TeesqlCursor *input, GError **error)
{
  const gsize before = teesql_cursor_remaining (input);
  gboolean complete = FALSE;
  gboolean ok = FALSE;

  if (!take_line (self, input, &complete, error))
    return FALSE;
  /* chunk lines do not count as head: the body's limit bounds how many there are, except empty ones, which end it */
  if (self->state == DSTACK_HTTP_STATUS_LINE || self->state == DSTACK_HTTP_HEADER)
    self->head_size += before - teesql_cursor_remaining (input);
  if (self->head_size > HEAD_MAX)
    return fail (error, "the head is too long");
  if (!complete)
    return TRUE;
  ok = on_line (self, error);
  self->line_size = 0;
  return ok;
}

static gboolean
feed_body (DstackHttpParser *self, TeesqlCursor *input, GError **error)
{
  gsize n = (gsize) MIN (self->remaining, (guint64) teesql_cursor_remaining (input));

  if (!dstack_buffer_take (self->body, input, n, error))
    return FALSE;
  self->remaining -= n;
  if (self->remaining == 0)
    self->state = self->chunked ? DSTACK_HTTP_CHUNK_END : DSTACK_HTTP_DONE;
  return TRUE;
}

gboolean
dstack_http_parser_feed (DstackHttpParser *self, const guint8 *data, gsize size, GError **error)
{
  TeesqlCursor input;

  teesql_cursor_init (&input, "answer of the agent", data, size);
  while (teesql_cursor_remaining (&input) > 0)
    {
      gboolean ok = FALSE;

      if (self->state == DSTACK_HTTP_DONE)
        return fail (error, "bytes behind its end");
      if (self->state == DSTACK_HTTP_BODY || self->state == DSTACK_HTTP_CHUNK_DATA)
        ok = feed_body (self, &input, error);
      else
        ok = feed_line (self, &input, error);
      if (!ok)
        return FALSE;
    }
  return TRUE;
}
