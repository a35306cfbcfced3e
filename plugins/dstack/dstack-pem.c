#include "dstack-pem.h"
#include <string.h>

static gboolean
take_literal (TeesqlCursor *cursor, const char *expected)
{
  const gsize size = strlen (expected);
  const guint8 *bytes = NULL;

  return teesql_cursor_remaining (cursor) >= size && memcmp (teesql_cursor_peek (cursor), expected, size) == 0 &&
         teesql_cursor_take (cursor, "marker", size, &bytes, NULL);
}

static gboolean
take_blank (TeesqlCursor *cursor)
{
  guint8 byte = 0;
  TeesqlCursor trial = *cursor;

  if (!teesql_cursor_u8 (&trial, "blank", &byte, NULL) || (byte != '\n' && byte != '\r' && byte != ' ' && byte != '\t'))
    return FALSE;
  *cursor = trial;
  return TRUE;
}

static gboolean
take_marker (TeesqlCursor *cursor, const char *kind, const char *label)
{
  while (take_blank (cursor))
    ;
  return take_literal (cursor, "-----") && take_literal (cursor, kind) && take_literal (cursor, label) && take_literal (cursor, "-----");
}

/* Without a table and without a branch on the digit: key bytes pass here. Returns: 0..63, or a number above 255 */
static guint
sextet (guint c)
{
  const guint upper = (c - 'A') < 26u;
  const guint lower = (c - 'a') < 26u;
  const guint digit = (c - '0') < 10u;
  const guint plus = c == '+';
  const guint slash = c == '/';
  const guint none = 1u ^ (upper | lower | digit | plus | slash);

  return (-upper & (c - 'A')) | (-lower & (c - 'a' + 26)) | (-digit & (c - '0' + 52)) | (-plus & 62u) | (-slash & 63u) | none << 8;
}

typedef struct
{
  guint bits;
  guint n;   /* characters of the group of four */
  guint pad; /* of those, `=` */
} Group;

static gboolean
flush (Group *group, DstackBuffer *out, GError **error)
{
  const guint bits = group->bits;
  const guint n_bytes = 3 - group->pad;

  if (!dstack_buffer_append_byte (out, (guint8) (bits >> 16), error) ||
      (n_bytes > 1 && !dstack_buffer_append_byte (out, (guint8) (bits >> 8 & 0xff), error)) ||
      (n_bytes > 2 && !dstack_buffer_append_byte (out, (guint8) (bits & 0xff), error)))
    return FALSE;
  group->bits = 0;
  group->n = 0;
  return TRUE;
}

/* Returns: %FALSE for a character that may not stand here */
static gboolean
add (Group *group, guint8 byte)
{
  const guint value = byte == '=' ? 0 : sextet (byte);

  if (value > 63 || (byte == '=' ? group->n < 2 || group->pad > 1 : group->pad > 0))
    return FALSE;
  group->pad += byte == '=';
  group->bits = group->bits << 6 | value;
  group->n++;
  return TRUE;
}

static gboolean
decode_body (TeesqlCursor *cursor, DstackBuffer *out, GError **error)
{
  Group group = { 0 };

  while (teesql_cursor_remaining (cursor) > 0 && *teesql_cursor_peek (cursor) != '-')
    {
      guint8 byte = 0;

      if (take_blank (cursor))
        continue;
      if (!teesql_cursor_u8 (cursor, "base64", &byte, error))
        return FALSE;
      if (!add (&group, byte))
        return teesql_cursor_fail (cursor, error, "agent-pem", "a character that is no base64");
      if (group.n == 4 && !flush (&group, out, error))
        return FALSE;
    }
  return group.n == 0 || teesql_cursor_fail (cursor, error, "agent-pem", "base64 ends in the middle of a group");
}

gboolean
dstack_pem_decode (const guint8 *text, gsize size, const char *label, DstackBuffer *out, GError **error)
{
  TeesqlCursor cursor;

  teesql_cursor_init (&cursor, "PEM of the agent", text, size);
  if (!take_marker (&cursor, "BEGIN ", label))
    return teesql_cursor_fail (&cursor, error, "agent-pem", "it does not begin with -----BEGIN %s-----", label);
  if (!decode_body (&cursor, out, error))
    return FALSE;
  if (!take_marker (&cursor, "END ", label) || out->size == 0)
    return teesql_cursor_fail (&cursor, error, "agent-pem", "it does not end with -----END %s-----, or is empty", label);
  while (take_blank (&cursor))
    ;
  return teesql_cursor_expect_end (&cursor, error);
}
