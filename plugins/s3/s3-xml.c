#include "s3-xml.h"

#include <string.h>

#define REFERENCE_MAX ((gsize) 10)
#define DEPTH_MAX     6
#define NAME_MAX_SIZE 64
#define TEXT_MAX      ((gsize) 8192)

typedef struct
{
  const S3XmlHandler *handler;
  gpointer user_data;
  GString *path;
  GString *text;
  guint depth;
  gboolean has_root;
} Reader;

static void
refuse (GError **error, const char *text)
{
  g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "s3-xml", 0, "XML of the store: %s", text));
}

static void
start_cb (GMarkupParseContext *context, const char *name, const char **attribute_names, const char **attribute_values, gpointer user_data,
          GError **error)
{
  Reader *self = user_data;

  if (self->depth >= DEPTH_MAX || strlen (name) > NAME_MAX_SIZE || strchr (name, '/') != NULL)
    {
      refuse (error, "elements too deep, or with too long a name");
      return;
    }
  if (self->depth++ > 0)
    g_string_append_c (self->path, '/');
  else if (self->has_root)
    {
      refuse (error, "two documents in one");
      return;
    }
  self->has_root = TRUE;
  g_string_append (self->path, name);
  g_string_truncate (self->text, 0);
  if (self->handler->start != NULL)
    self->handler->start (self->path->str, self->user_data, error);
}

static void
end_cb (GMarkupParseContext *context, const char *name, gpointer user_data, GError **error)
{
  Reader *self = user_data;
  gsize cut = self->path->len - strlen (name);

  if (!self->handler->end (self->path->str, self->text->str, self->user_data, error))
    return;
  g_string_truncate (self->path, cut > 0 ? cut - 1 : 0);
  g_string_truncate (self->text, 0);
  self->depth--;
}

static void
text_cb (GMarkupParseContext *context, const char *text, gsize size, gpointer user_data, GError **error)
{
  Reader *self = user_data;

  if (size > TEXT_MAX - self->text->len)
    refuse (error, "more text in an element than any has");
  else if (memchr (text, '\0', size) != NULL)
    refuse (error, "a NUL in text");
  else
    g_string_append_len (self->text, text, (gssize) size);
}

/* What GMarkup does not look into: comments, CDATA, DOCTYPE, processing instructions. Only `<?xml …?>` has a place. */
static void
passthrough_cb (GMarkupParseContext *context, const char *text, gsize size, gpointer user_data, GError **error)
{
  Reader *self = user_data;

  if (self->has_root || size < 6 || strncmp (text, "<?xml ", 6) != 0)
    refuse (error, "a comment, CDATA, DOCTYPE or processing instruction");
}

/* XML 1.0, 2.2: Char, without NUL and surrogates */
static gboolean
is_char (guint64 value)
{
  return value == 0x9 || value == 0xa || value == 0xd || (value >= 0x20 && value <= 0xd7ff) || (value >= 0xe000 && value <= 0xfffd) ||
         (value >= 0x10000 && value <= 0x10ffff);
}

/* What stands between & and ; */
static gboolean
is_reference (const char *text, gsize size)
{
  static const char *const names[] = { "lt", "gt", "amp", "quot", "apos" };
  gboolean hex = size > 2 && text[1] == 'x';
  g_autofree char *digits =
      size > 1 && size <= REFERENCE_MAX && text[0] == '#' ? g_strndup (text + (hex ? 2 : 1), size - (hex ? 2 : 1)) : NULL;
  guint64 value = 0;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (size == strlen (names[i]) && strncmp (text, names[i], size) == 0)
      return TRUE;
  return digits != NULL && g_ascii_string_to_unsigned (digits, hex ? 16 : 10, 0, G_MAXUINT32, &value, NULL) && is_char (value);
}

/* GMarkup goes on behind a reference it cannot resolve and then reports two errors in one, which GLib warns of: so they are looked at
 * first. */
static gboolean
references_are_sound (const char *text, gsize size)
{
  const char *end = text + size;

  for (const char *c = memchr (text, '&', size); c != NULL; c = memchr (c, '&', (gsize) (end - c)))
    {
      const char *stop = memchr (c, ';', MIN ((gsize) (end - c), REFERENCE_MAX + 2));

      if (stop == NULL || !is_reference (c + 1, (gsize) (stop - c - 1)))
        return FALSE;
      c = stop;
    }
  return TRUE;
}

static const GMarkupParser parser = { start_cb, end_cb, text_cb, passthrough_cb, NULL };

static gboolean
parse (Reader *self, const char *text, gsize size, GError **error)
{
  g_autoptr (GMarkupParseContext) context = g_markup_parse_context_new (&parser, 0, self, NULL);
  g_autoptr (GError) cause = NULL;

  if (g_markup_parse_context_parse (context, text, (gssize) size, &cause) && g_markup_parse_context_end_parse (context, &cause))
    return TRUE;
  if (cause->domain != G_MARKUP_ERROR)
    g_propagate_error (error, g_steal_pointer (&cause));
  else /* GMarkup quotes what it read: foreign bytes that stay out */
    refuse (error, "not well-formed");
  return FALSE;
}

gboolean
s3_xml_read (const char *text, gsize size, const S3XmlHandler *handler, gpointer user_data, GError **error)
{
  Reader self = { .handler = handler, .user_data = user_data, .path = g_string_new (NULL), .text = g_string_new (NULL) };
  gboolean read = references_are_sound (text, size);

  if (!read)
    refuse (error, "a reference that XML does not have");
  read = read && parse (&self, text, size, error);
  g_string_free (self.path, TRUE);
  g_string_free (self.text, TRUE);
  return read;
}
