#include "gcs-answers.h"

#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include <teesql/teesql-storage.h>

#include <json-glib/json-glib.h>
#include <string.h>

#define DEPTH_MAX      8
#define GENERATION_MAX 20

static gboolean
refuse (GError **error, const char *what)
{
  return teesql_fail (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, "gcs-json", "the answer %s", what);
}

/* ---- JSON, before a parser that recurses sees it ---- */

static gboolean
is_shallow (const char *text, gsize size)
{
  guint depth = 0;
  gboolean in_text = FALSE;

  for (gsize i = 0; i < size; i++)
    {
      if (in_text && text[i] == '\\')
        i++;
      else if (text[i] == '"')
        in_text = !in_text;
      else if (!in_text && (text[i] == '{' || text[i] == '[') && ++depth > DEPTH_MAX)
        return FALSE;
      else if (!in_text && (text[i] == '}' || text[i] == ']') && depth-- == 0)
        return FALSE;
    }
  return depth == 0 && !in_text;
}

/* (transfer full) (nullable) */
static JsonNode *
parse_object (GBytes *body, GError **error)
{
  gsize size = 0;
  const char *text = g_bytes_get_data (body, &size);
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();

  if (size == 0 || memchr (text, '\0', size) != NULL || !is_shallow (text, size) ||
      !json_parser_load_from_data (parser, text, (gssize) size, NULL) || json_parser_get_root (parser) == NULL ||
      !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    {
      refuse (error, "is no object of JSON");
      return NULL;
    }
  return json_node_ref (json_parser_get_root (parser));
}

static const char *
text_of (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node)
                                                                                                          : NULL;
}

static gint64
time_of (JsonObject *object, const char *name)
{
  const char *text = text_of (object, name);
  g_autoptr (GDateTime) date = text != NULL ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

  return date != NULL ? g_date_time_to_unix (date) : -1;
}

static gboolean
is_generation (const char *text)
{
  return text != NULL && text[0] != '\0' && strlen (text) <= GENERATION_MAX && strspn (text, "0123456789") == strlen (text);
}

/* ---- one object ---- */

void
gcs_object_clear (GcsObject *self)
{
  g_clear_pointer (&self->generation, g_free);
}

static gboolean
read_crc32c (const char *text, guint32 *out)
{
  g_autoptr (GBytes) bytes = text != NULL ? teesql_base64_decode (text, -1, NULL) : NULL;
  const guint8 *data = NULL;
  gsize size = 0;

  if (bytes == NULL)
    return FALSE;
  data = g_bytes_get_data (bytes, &size);
  if (size != 4)
    return FALSE;
  *out = (guint32) data[0] << 24 | (guint32) data[1] << 16 | (guint32) data[2] << 8 | data[3];
  return TRUE;
}

gboolean
gcs_answer_read_object (GBytes *body, GcsObject *out, GError **error)
{
  g_autoptr (JsonNode) root = parse_object (body, error);
  JsonObject *object = NULL;
  GcsObject found = { 0 };

  if (root == NULL)
    return FALSE;
  object = json_node_get_object (root);
  if (text_of (object, "size") == NULL || !g_ascii_string_to_unsigned (text_of (object, "size"), 10, 0, G_MAXINT64, &found.size, NULL))
    return refuse (error, "does not say the size of the object");
  if (!read_crc32c (text_of (object, "crc32c"), &found.crc32c))
    return refuse (error, "does not say the crc32c of the object");
  if (!is_generation (text_of (object, "generation")))
    return refuse (error, "does not say the generation of the object");
  found.generation = g_strdup (text_of (object, "generation"));
  found.updated_unix = time_of (object, "updated");
  *out = found;
  return TRUE;
}

/* ---- lists ---- */

static JsonArray *
items_of (JsonObject *object)
{
  JsonNode *node = json_object_get_member (object, "items");

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

static JsonObject *
item_at (JsonArray *items, guint index)
{
  JsonNode *node = json_array_get_element (items, index);

  return JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static gboolean
read_item (JsonObject *item, const char *prefix, const char *after, GPtrArray *infos, char **last, GError **error)
{
  const char *name = item != NULL ? text_of (item, "name") : NULL;
  const char *size_text = item != NULL ? text_of (item, "size") : NULL;
  guint64 size = 0;

  if (name == NULL || size_text == NULL || !g_ascii_string_to_unsigned (size_text, 10, 0, G_MAXINT64, &size, NULL))
    return refuse (error, "has an item without name and size");
  if (!g_str_has_prefix (name, prefix))
    return refuse (error, "has a name outside of what was asked for");
  if ((after != NULL && strcmp (name, after) <= 0) || (*last != NULL && strcmp (name, *last) <= 0))
    return refuse (error, "is not in ascending order");
  g_free (*last);
  *last = g_strdup (name);
  if (teesql_storage_name_is_valid (name + strlen (prefix)))
    g_ptr_array_add (infos, teesql_object_info_new (name + strlen (prefix), size, time_of (item, "updated"), text_of (item, "generation")));
  return TRUE;
}

static gboolean
is_printable (const char *text)
{
  for (; *text != '\0'; text++)
    if (!g_ascii_isgraph (*text))
      return FALSE;
  return TRUE;
}

static gboolean
read_next (JsonObject *object, const char *last, const char *after, char **out, GError **error)
{
  const char *next = text_of (object, "nextPageToken");
  const char *from = last != NULL ? last : after;

  *out = NULL;
  if (next == NULL)
    return TRUE;
  if (next[0] == '\0' || !is_printable (next) || strlen (next) + (from != NULL ? strlen (from) : 0) + 1 > TEESQL_STORAGE_TOKEN_MAX)
    return refuse (error, "has a page token that is none");
  *out = g_strdup_printf ("%s|%s", from != NULL ? from : "", next);
  return TRUE;
}

TeesqlObjectPage *
gcs_answer_read_list (GBytes *body, const char *prefix, const char *after, guint max, GError **error)
{
  g_autoptr (JsonNode) root = parse_object (body, error);
  g_autoptr (GPtrArray) infos = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref);
  JsonArray *items = root != NULL ? items_of (json_node_get_object (root)) : NULL;
  g_autofree char *last = NULL;
  g_autofree char *next = NULL;

  if (root == NULL)
    return NULL;
  if (items != NULL && json_array_get_length (items) > max)
    {
      refuse (error, "has more items than were asked for");
      return NULL;
    }
  for (guint i = 0; items != NULL && i < json_array_get_length (items); i++)
    if (!read_item (item_at (items, i), prefix, after, infos, &last, error))
      return NULL;
  if (!read_next (json_node_get_object (root), last, after, &next, error))
    return NULL;
  return teesql_object_page_new (infos, next);
}

static void
leftover_free (gpointer data)
{
  GcsLeftover *self = data;

  g_free (self->name);
  g_free (self);
}

GPtrArray *
gcs_answer_read_parts (GBytes *body, char **out_next_token, GError **error)
{
  g_autoptr (JsonNode) root = parse_object (body, error);
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (leftover_free);
  JsonArray *items = root != NULL ? items_of (json_node_get_object (root)) : NULL;

  if (root == NULL)
    return NULL;
  for (guint i = 0; items != NULL && i < json_array_get_length (items); i++)
    {
      JsonObject *item = item_at (items, i);
      GcsLeftover *part = NULL;

      if (item == NULL || text_of (item, "name") == NULL)
        {
          refuse (error, "has an item without a name");
          return NULL;
        }
      part = g_new0 (GcsLeftover, 1);
      part->name = g_strdup (text_of (item, "name"));
      part->updated_unix = time_of (item, "updated");
      g_ptr_array_add (parts, part);
    }
  *out_next_token = g_strdup (text_of (json_node_get_object (root), "nextPageToken"));
  return g_steal_pointer (&parts);
}

/* ---- errors ---- */

void
gcs_answer_read_problem (GBytes *body, char **out_reason, char **out_message)
{
  g_autoptr (JsonNode) root = body != NULL ? parse_object (body, NULL) : NULL;
  JsonNode *node = root != NULL ? json_object_get_member (json_node_get_object (root), "error") : NULL;
  JsonObject *problem = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode *list = problem != NULL ? json_object_get_member (problem, "errors") : NULL;
  JsonObject *first = NULL;

  if (list != NULL && JSON_NODE_HOLDS_ARRAY (list) && json_array_get_length (json_node_get_array (list)) > 0)
    first = item_at (json_node_get_array (list), 0);
  *out_reason = g_strdup (first != NULL && text_of (first, "reason") != NULL ? text_of (first, "reason") : "");
  *out_message = g_strdup (problem != NULL && text_of (problem, "message") != NULL ? text_of (problem, "message") : "");
}
