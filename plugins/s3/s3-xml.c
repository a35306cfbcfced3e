#include "s3-xml.h"

#include <string.h>

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
  GError *failure; /* the first: GMarkup may go on for a callback or two behind an error */
} Reader;

static GError *
malformed (const char *text)
{
  return teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "s3-xml", 0, "XML of the store: %s", text);
}

/* Stops the parser. @failure: (transfer full) (nullable): %NULL where there is one already */
static void
stop (Reader *self, GError *failure, GError **error)
{
  if (self->failure == NULL)
    self->failure = failure;
  else
    g_clear_error (&failure);
  g_set_error_literal (error, G_MARKUP_ERROR, G_MARKUP_ERROR_PARSE, "stopped");
}

static void
start_cb (GMarkupParseContext *context, const char *name, const char **attribute_names, const char **attribute_values, gpointer user_data,
          GError **error)
{
  Reader *self = user_data;
  GError *failure = NULL;

  if (self->failure != NULL)
    {
      stop (self, NULL, error);
      return;
    }
  if (self->depth >= DEPTH_MAX || strlen (name) > NAME_MAX_SIZE || strchr (name, '/') != NULL)
    {
      stop (self, malformed ("elements too deep, or with too long a name"), error);
      return;
    }
  if (self->depth++ > 0)
    g_string_append_c (self->path, '/');
  else if (self->has_root)
    {
      stop (self, malformed ("two documents in one"), error);
      return;
    }
  self->has_root = TRUE;
  g_string_append (self->path, name);
  g_string_truncate (self->text, 0);
  if (self->handler->start != NULL && !self->handler->start (self->path->str, self->user_data, &failure))
    stop (self, failure, error);
}

static void
end_cb (GMarkupParseContext *context, const char *name, gpointer user_data, GError **error)
{
  Reader *self = user_data;
  GError *failure = NULL;
  gsize cut = 0;

  if (self->failure != NULL || !self->handler->end (self->path->str, self->text->str, self->user_data, &failure))
    {
      stop (self, failure, error);
      return;
    }
  cut = self->path->len - strlen (name);
  g_string_truncate (self->path, cut > 0 ? cut - 1 : 0);
  g_string_truncate (self->text, 0);
  self->depth--;
}

static void
text_cb (GMarkupParseContext *context, const char *text, gsize size, gpointer user_data, GError **error)
{
  Reader *self = user_data;

  if (size > TEXT_MAX - self->text->len)
    stop (self, malformed ("more text in an element than any has"), error);
  else if (memchr (text, '\0', size) != NULL)
    stop (self, malformed ("a NUL in text"), error);
  else
    g_string_append_len (self->text, text, (gssize) size);
}

/* What GMarkup does not look into: comments, CDATA, DOCTYPE, processing instructions. Only `<?xml …?>` has a place. */
static void
passthrough_cb (GMarkupParseContext *context, const char *text, gsize size, gpointer user_data, GError **error)
{
  Reader *self = user_data;

  if (self->has_root || size < 6 || strncmp (text, "<?xml ", 6) != 0)
    stop (self, malformed ("a comment, CDATA, DOCTYPE or processing instruction"), error);
}

static const GMarkupParser parser = { start_cb, end_cb, text_cb, passthrough_cb, NULL };

gboolean
s3_xml_read (const char *text, gsize size, const S3XmlHandler *handler, gpointer user_data, GError **error)
{
  Reader self = { .handler = handler, .user_data = user_data, .path = g_string_new (NULL), .text = g_string_new (NULL) };
  GMarkupParseContext *context = g_markup_parse_context_new (&parser, 0, &self, NULL);
  /* its own errors are not asked for: it may report two in one, and it quotes what it read */
  gboolean read = g_markup_parse_context_parse (context, text, (gssize) size, NULL) && g_markup_parse_context_end_parse (context, NULL);

  g_markup_parse_context_free (context);
  g_string_free (self.path, TRUE);
  g_string_free (self.text, TRUE);
  if (!read && self.failure == NULL)
    self.failure = malformed ("not well-formed");
  if (self.failure != NULL)
    g_propagate_error (error, self.failure);
  return read;
}
