#include "dcap-json.h"

#include "base/teesql-cursor.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"

#define MAX_DEPTH   16
#define MAX_VALUES  65536
#define MAX_MEMBERS 64
#define MAX_DIGITS  10
#define NONE        G_MAXUINT

typedef struct
{
  DcapJsonType type;
  guint n_children;
  guint next; /* sibling */
  gboolean has_key;
  gboolean has_escape;
  gsize start;
  gsize end;
  gsize key_start; /* without quotes */
  gsize key_end;
} Value;

struct _DcapJson
{
  const char *name;
  const guint8 *data;
  gsize size;
  GArray *values;
};

typedef struct
{
  DcapJson *document;
  gsize pos;
} Reader;

static gboolean read_value (Reader *self, guint depth, guint *out_index, GError **error);

static gboolean
fail (const Reader *self, GError **error, const char *reason, const char *what)
{
  if (error != NULL)
    *error = teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, reason, 0, "%s: %s at byte %" G_GSIZE_FORMAT,
                               self->document->name, what, self->pos);
  return FALSE;
}

static int
peek (const Reader *self)
{
  return self->pos < self->document->size ? self->document->data[self->pos] : -1;
}

static void
skip_space (Reader *self)
{
  for (int c = peek (self); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek (self))
    self->pos++;
}

static gboolean
expect (Reader *self, char c, GError **error)
{
  if (peek (self) != c)
    return fail (self, error, "json", "unexpected character");
  self->pos++;
  return TRUE;
}

static Value *
value_at (const DcapJson *self, guint index)
{
  return &g_array_index (self->values, Value, index);
}

static gboolean
read_escape (Reader *self, GError **error)
{
  int c = peek (self);

  self->pos++;
  if (c != 'u')
    return (c > 0 && strchr ("\"\\/bfnrt", c) != NULL) || fail (self, error, "json", "unknown escape");
  for (guint i = 0; i < 4; i++, self->pos++)
    if (peek (self) < 0 || !g_ascii_isxdigit ((char) peek (self)))
      return fail (self, error, "json", "broken escape");
  return TRUE;
}

/* from the opening quote; the span lies between the quotes */
static gboolean
read_string (Reader *self, gsize *out_start, gsize *out_end, gboolean *out_has_escape, GError **error)
{
  gboolean has_escape = FALSE;

  if (!expect (self, '"', error))
    return FALSE;
  gsize start = self->pos;
  for (int c = peek (self); c != '"'; c = peek (self))
    {
      if (c < 0x20)
        return fail (self, error, "json", "text does not end, or holds a control character");
      self->pos++;
      if (c == '\\')
        {
          has_escape = TRUE;
          if (!read_escape (self, error))
            return FALSE;
        }
    }
  *out_start = start;
  *out_end = self->pos++;
  *out_has_escape = has_escape;
  return TRUE;
}

static gboolean
key_is_new (Reader *self, guint first, gsize start, gsize end)
{
  const DcapJson *document = self->document;

  for (guint i = first; i != NONE; i = value_at (document, i)->next)
    {
      const Value *other = value_at (document, i);
      if (other->key_end - other->key_start == end - start &&
          memcmp (document->data + other->key_start, document->data + start, end - start) == 0)
        return FALSE;
    }
  return TRUE;
}

typedef struct
{
  guint first;
  guint last;
  guint n;
} Children;

static void
children_append (DcapJson *document, Children *children, guint index)
{
  if (children->first == NONE)
    children->first = index;
  else
    value_at (document, children->last)->next = index;
  children->last = index;
  children->n++;
}

static gboolean
read_member (Reader *self, guint depth, Children *children, GError **error)
{
  gsize start = 0;
  gsize end = 0;
  gboolean has_escape = FALSE;
  guint index = 0;

  if (!read_string (self, &start, &end, &has_escape, error))
    return FALSE;
  if (has_escape)
    return fail (self, error, "json", "escape in a key");
  if (!key_is_new (self, children->first, start, end))
    return fail (self, error, "json-duplicate-key", "key stands twice");
  if (children->n == MAX_MEMBERS)
    return fail (self, error, "json", "too many members");
  skip_space (self);
  if (!expect (self, ':', error) || !read_value (self, depth + 1, &index, error))
    return FALSE;
  Value *value = value_at (self->document, index);
  value->has_key = TRUE;
  value->key_start = start;
  value->key_end = end;
  children_append (self->document, children, index);
  return TRUE;
}

static gboolean
read_element (Reader *self, guint depth, Children *children, GError **error)
{
  guint index = 0;

  if (!read_value (self, depth + 1, &index, error))
    return FALSE;
  children_append (self->document, children, index);
  return TRUE;
}

static gboolean
read_container (Reader *self, guint depth, guint index, GError **error)
{
  gboolean is_object = value_at (self->document, index)->type == DCAP_JSON_OBJECT;
  char closing = is_object ? '}' : ']';
  Children children = { NONE, NONE, 0 };

  self->pos++;
  skip_space (self);
  for (gboolean more = peek (self) != closing; more;)
    {
      skip_space (self);
      if (!(is_object ? read_member (self, depth, &children, error) : read_element (self, depth, &children, error)))
        return FALSE;
      skip_space (self);
      more = peek (self) == ',';
      if (more)
        self->pos++;
    }
  if (!expect (self, closing, error))
    return FALSE;
  value_at (self->document, index)->n_children = children.n;
  return TRUE;
}

static gsize
skip_digits (Reader *self)
{
  gsize first = self->pos;

  while (peek (self) >= '0' && peek (self) <= '9')
    self->pos++;
  return self->pos - first;
}

/* Returns: whether there was one, good or not */
static gboolean
skip_fraction (Reader *self, gboolean *io_good)
{
  gboolean found = FALSE;

  if (peek (self) == '.')
    {
      found = TRUE;
      self->pos++;
      *io_good = *io_good && skip_digits (self) > 0;
    }
  if (peek (self) == 'e' || peek (self) == 'E')
    {
      found = TRUE;
      self->pos++;
      if (peek (self) == '+' || peek (self) == '-')
        self->pos++;
      *io_good = *io_good && skip_digits (self) > 0;
    }
  return found;
}

/* What we read are small integers. A member that Intel may add tomorrow can be any number, and is none of those. */
static gboolean
read_number (Reader *self, DcapJsonType *out_type, GError **error)
{
  gboolean negative = peek (self) == '-';

  if (negative)
    self->pos++;
  gsize first = self->pos;
  gsize n = skip_digits (self);
  gboolean zero = n > 0 && self->document->data[first] == '0';
  gboolean good = n == 1 || (n > 1 && !zero);
  gboolean fraction = skip_fraction (self, &good);
  if (!good)
    return fail (self, error, "json", "not a number");
  *out_type = fraction || n > MAX_DIGITS || (negative && zero) ? DCAP_JSON_NUMBER : DCAP_JSON_INTEGER;
  return TRUE;
}

static gboolean
read_word (Reader *self, GError **error)
{
  static const char *const words[] = { "true", "false", "null" };
  gsize left = self->document->size - self->pos;

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    {
      gsize length = strlen (words[i]);
      if (left >= length && memcmp (self->document->data + self->pos, words[i], length) == 0)
        {
          self->pos += length;
          return TRUE;
        }
    }
  return fail (self, error, "json", "unexpected character");
}

static DcapJsonType
type_at (const Reader *self)
{
  int c = peek (self);

  switch (c)
    {
    case '{':
      return DCAP_JSON_OBJECT;
    case '[':
      return DCAP_JSON_ARRAY;
    case '"':
      return DCAP_JSON_STRING;
    case '-':
      return DCAP_JSON_INTEGER;
    default:
      return c >= '0' && c <= '9' ? DCAP_JSON_INTEGER : DCAP_JSON_WORD;
    }
}

static gboolean
read_content (Reader *self, guint depth, guint index, GError **error)
{
  gsize start = 0;
  gsize end = 0;
  gboolean has_escape = FALSE;

  switch (value_at (self->document, index)->type)
    {
    case DCAP_JSON_OBJECT:
    case DCAP_JSON_ARRAY:
      return read_container (self, depth, index, error);
    case DCAP_JSON_STRING:
      if (!read_string (self, &start, &end, &has_escape, error))
        return FALSE;
      value_at (self->document, index)->has_escape = has_escape;
      return TRUE;
    case DCAP_JSON_INTEGER:
    case DCAP_JSON_NUMBER:
      return read_number (self, &value_at (self->document, index)->type, error);
    case DCAP_JSON_WORD:
    default:
      return read_word (self, error);
    }
}

static gboolean
read_value (Reader *self, guint depth, guint *out_index, GError **error)
{
  guint index = self->document->values->len;
  Value value = { .next = NONE };

  skip_space (self);
  if (depth > MAX_DEPTH || index >= MAX_VALUES)
    return fail (self, error, "json", "too deep or too many values");
  value.type = type_at (self);
  value.start = self->pos;
  g_array_append_val (self->document->values, value);
  if (!read_content (self, depth, index, error))
    return FALSE;
  value_at (self->document, index)->end = self->pos;
  *out_index = index;
  return TRUE;
}

DcapJson *
dcap_json_parse (const char *name, const guint8 *data, gsize size, GError **error)
{
  g_autoptr (DcapJson) self = g_new0 (DcapJson, 1);
  Reader reader = { self, 0 };
  guint root = 0;

  self->name = name;
  self->data = data;
  self->size = size;
  self->values = g_array_new (FALSE, FALSE, sizeof (Value));
  if (!g_utf8_validate_len ((const char *) data, size, NULL))
    {
      fail (&reader, error, "json", "text is not UTF-8");
      return NULL;
    }
  if (!read_value (&reader, 0, &root, error))
    return NULL;
  skip_space (&reader);
  if (reader.pos != size)
    {
      fail (&reader, error, "json", "something stands behind the value");
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
dcap_json_free (DcapJson *self)
{
  g_array_unref (self->values);
  g_free (self);
}

DcapJsonNode
dcap_json_root (const DcapJson *self)
{
  return (DcapJsonNode){ self, 0 };
}

static const Value *
node_value (DcapJsonNode node)
{
  return value_at (node.document, node.index);
}

DcapJsonType
dcap_json_type (DcapJsonNode node)
{
  return node_value (node)->type;
}

gboolean
dcap_json_is_null (DcapJsonNode node)
{
  gsize size = 0;
  const guint8 *text = dcap_json_slice (node, &size);
  return dcap_json_type (node) == DCAP_JSON_WORD && *text == 'n';
}

const guint8 *
dcap_json_slice (DcapJsonNode node, gsize *out_size)
{
  const Value *value = node_value (node);
  *out_size = value->end - value->start;
  return node.document->data + value->start;
}

guint
dcap_json_length (DcapJsonNode array)
{
  return node_value (array)->n_children;
}

gboolean
dcap_json_first (DcapJsonNode container, DcapJsonNode *out_child)
{
  if (node_value (container)->n_children == 0)
    return FALSE;
  /* values are stored in the order in which they begin */
  *out_child = (DcapJsonNode){ container.document, container.index + 1 };
  return TRUE;
}

gboolean
dcap_json_next (DcapJsonNode child, DcapJsonNode *out_next)
{
  guint next = node_value (child)->next;
  if (next == NONE)
    return FALSE;
  *out_next = (DcapJsonNode){ child.document, next };
  return TRUE;
}

gboolean
dcap_json_find (DcapJsonNode object, const char *key, DcapJsonNode *out_value)
{
  DcapJsonNode child;
  gsize length = strlen (key);

  if (dcap_json_type (object) != DCAP_JSON_OBJECT)
    return FALSE;
  for (gboolean more = dcap_json_first (object, &child); more; more = dcap_json_next (child, &child))
    {
      const Value *value = node_value (child);
      if (value->key_end - value->key_start == length && memcmp (object.document->data + value->key_start, key, length) == 0)
        {
          *out_value = child;
          return TRUE;
        }
    }
  return FALSE;
}

static gboolean
fail_field (DcapJsonNode node, GError **error, const char *key, const char *what)
{
  if (error != NULL)
    *error = teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "json-field", 0, "%s: %s: %s", node.document->name, key, what);
  return FALSE;
}

gboolean
dcap_json_get (DcapJsonNode object, const char *key, DcapJsonType type, DcapJsonNode *out_value, GError **error)
{
  DcapJsonNode value;

  if (!dcap_json_find (object, key, &value))
    return fail_field (object, error, key, "is missing");
  if (dcap_json_type (value) != type)
    return fail_field (object, error, key, "has another type than expected");
  *out_value = value;
  return TRUE;
}

gboolean
dcap_json_get_uint (DcapJsonNode object, const char *key, guint max, guint *out, GError **error)
{
  DcapJsonNode node;
  guint64 number = 0;
  gsize size = 0;

  if (!dcap_json_get (object, key, DCAP_JSON_INTEGER, &node, error))
    return FALSE;
  const guint8 *text = dcap_json_slice (node, &size);
  for (gsize i = 0; i < size; i++)
    {
      if (text[i] == '-')
        return fail_field (object, error, key, "is negative");
      number = number * 10 + (text[i] - '0');
    }
  if (number > max)
    return fail_field (object, error, key, "is too large");
  *out = (guint) number;
  return TRUE;
}

/* the bytes between the quotes, for strings that need no decoding */
static const char *
plain_text (DcapJsonNode node, gsize *out_size)
{
  const Value *value = node_value (node);

  if (value->has_escape)
    return NULL;
  *out_size = value->end - value->start - 2;
  return (const char *) node.document->data + value->start + 1;
}

gboolean
dcap_json_get_hex (DcapJsonNode object, const char *key, guint8 *out, gsize size, GError **error)
{
  DcapJsonNode node;
  gsize length = 0;
  const char *text = NULL;

  if (!dcap_json_get (object, key, DCAP_JSON_STRING, &node, error))
    return FALSE;
  text = plain_text (node, &length);
  if (text == NULL || !teesql_hex_decode_into (text, (gssize) length, out, size, NULL))
    return fail_field (object, error, key, "is not hex of the right length");
  return TRUE;
}

gboolean
dcap_json_get_time (DcapJsonNode object, const char *key, gint64 *out_unix, GError **error)
{
  DcapJsonNode node;
  gsize length = 0;
  const char *text = NULL;

  if (!dcap_json_get (object, key, DCAP_JSON_STRING, &node, error))
    return FALSE;
  text = plain_text (node, &length);
  /* always 2026-03-01T00:00:00Z: another form would be somebody else's clock */
  if (text == NULL || length != 20 || text[10] != 'T' || text[19] != 'Z')
    return fail_field (object, error, key, "is not a time as 2026-03-01T00:00:00Z");
  g_autofree char *copy = g_strndup (text, length);
  g_autoptr (GDateTime) time = g_date_time_new_from_iso8601 (copy, NULL);
  if (time == NULL)
    return fail_field (object, error, key, "is not a time as 2026-03-01T00:00:00Z");
  *out_unix = g_date_time_to_unix (time);
  return TRUE;
}

static gunichar
read_code_unit (const guint8 *text)
{
  gunichar unit = 0;
  for (guint i = 0; i < 4; i++)
    unit = unit << 4 | (gunichar) g_ascii_xdigit_value ((char) text[i]);
  return unit;
}

/* @text stands behind the backslash. Returns the bytes used, 0 when the text stands for no character. */
static gsize
decode_escape (GString *out, const guint8 *text, gsize left)
{
  static const char from[] = "\"\\/bfnrt";
  static const char to[] = "\"\\/\b\f\n\r\t";
  gunichar unit = 0;

  if (text[0] != 'u')
    {
      g_string_append_c (out, to[strchr (from, text[0]) - from]);
      return 1;
    }
  unit = read_code_unit (text + 1);
  if (unit >= 0xd800 && unit < 0xdc00)
    {
      if (left < 11 || text[5] != '\\' || text[6] != 'u')
        return 0;
      gunichar low = read_code_unit (text + 7);
      if (low < 0xdc00 || low >= 0xe000)
        return 0;
      g_string_append_unichar (out, 0x10000 + ((unit - 0xd800) << 10 | (low - 0xdc00)));
      return 11;
    }
  if (unit == 0 || (unit >= 0xdc00 && unit < 0xe000))
    return 0;
  g_string_append_unichar (out, unit);
  return 5;
}

char *
dcap_json_text (DcapJsonNode string, gsize max, GError **error)
{
  gsize size = 0;
  const guint8 *text = dcap_json_slice (string, &size);

  if (dcap_json_type (string) != DCAP_JSON_STRING || size - 2 > max * 6)
    {
      fail_field (string, error, "text", "is missing or too long");
      return NULL;
    }
  g_autoptr (GString) out = g_string_sized_new (MIN (size, max));
  for (gsize i = 1; i < size - 1;)
    {
      gsize used = 1;
      if (text[i] != '\\')
        g_string_append_c (out, (char) text[i++]);
      else if ((used = decode_escape (out, text + i + 1, size - 1 - (i + 1))) > 0)
        i += 1 + used;
      if (used == 0 || out->len > max)
        {
          fail_field (string, error, "text", "stands for no text, or is too long");
          return NULL;
        }
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

char *
dcap_json_get_text (DcapJsonNode object, const char *key, gsize max, GError **error)
{
  DcapJsonNode node;

  if (!dcap_json_get (object, key, DCAP_JSON_STRING, &node, error))
    return NULL;
  return dcap_json_text (node, max, error);
}
