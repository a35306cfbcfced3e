#include "simulator/teesql-sim-json.h"
#include "base/teesql-domains.h"
#include "base/teesql-hex.h"
#include <string.h>

#define MAX_DEPTH 16

static gboolean
malformed (GError **error, const char *format, const char *name)
{
  g_propagate_error (error, teesql_error_new (TEESQL_PARSE_ERROR, TEESQL_ERROR_MALFORMED, "simulator-json", 0, format, name));
  return FALSE;
}

/* the parser recurses once a bracket, so brackets are counted before it runs */
static gboolean
depth_is_bounded (const char *text, gsize size)
{
  gboolean in_string = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < size; i++)
    {
      if (in_string && text[i] == '\\')
        i++;
      else if (text[i] == '"')
        in_string = !in_string;
      else if (!in_string && (text[i] == '{' || text[i] == '['))
        {
          if (++depth > MAX_DEPTH)
            return FALSE;
        }
      else if (!in_string && (text[i] == '}' || text[i] == ']') && depth > 0)
        depth--;
    }
  return TRUE;
}

JsonObject *
teesql_sim_json_parse_object (const char *text, gsize size, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonNode *root;

  if (!g_utf8_validate_len (text, size, NULL) || !depth_is_bounded (text, size))
    {
      malformed (error, "%s", "JSON is nested too deeply or is not UTF-8");
      return NULL;
    }
  if (!json_parser_load_from_data (parser, text, (gssize) size, error))
    return NULL;
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    {
      malformed (error, "%s", "expected a JSON object");
      return NULL;
    }
  return json_node_dup_object (root);
}

/* (nullable): %NULL for what proto3 calls the default */
static JsonNode *
find (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node == NULL || JSON_NODE_HOLDS_NULL (node) ? NULL : node;
}

static gboolean
holds (JsonNode *node, GType type)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type;
}

gboolean
teesql_sim_json_get_string (JsonObject *object, const char *name, const char **out_text, GError **error)
{
  JsonNode *node = find (object, name);

  if (node != NULL && !holds (node, G_TYPE_STRING))
    return malformed (error, "%s is not text", name);
  *out_text = node != NULL ? json_node_get_string (node) : "";
  return TRUE;
}

gboolean
teesql_sim_json_get_boolean (JsonObject *object, const char *name, gboolean *out_value, GError **error)
{
  JsonNode *node = find (object, name);
  const char *text;

  if (node == NULL || holds (node, G_TYPE_BOOLEAN))
    {
      *out_value = node != NULL && json_node_get_boolean (node);
      return TRUE;
    }
  text = holds (node, G_TYPE_STRING) ? json_node_get_string (node) : "";
  if (strcmp (text, "true") != 0 && strcmp (text, "false") != 0)
    return malformed (error, "%s is not a boolean", name);
  *out_value = text[0] == 't';
  return TRUE;
}

gboolean
teesql_sim_json_get_unsigned (JsonObject *object, const char *name, gboolean *out_present, guint64 *out_value, GError **error)
{
  JsonNode *node = find (object, name);
  gboolean good = TRUE;

  *out_present = node != NULL;
  if (node == NULL)
    return TRUE;
  if (holds (node, G_TYPE_INT64))
    {
      gint64 value = json_node_get_int (node);

      good = value >= 0;
      if (good)
        *out_value = (guint64) value;
    }
  else
    {
      const char *text = holds (node, G_TYPE_STRING) ? json_node_get_string (node) : "";

      good = g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT64, out_value, NULL);
    }
  return good || malformed (error, "%s is not an unsigned number", name);
}

static gboolean
collect_strings (JsonArray *array, GPtrArray *list)
{
  guint n = json_array_get_length (array);

  for (guint i = 0; i < n; i++)
    {
      JsonNode *element = json_array_get_element (array, i);

      if (!holds (element, G_TYPE_STRING))
        return FALSE;
      g_ptr_array_add (list, json_node_dup_string (element));
    }
  return TRUE;
}

gboolean
teesql_sim_json_get_strings (JsonObject *object, const char *name, GStrv *out_list, GError **error)
{
  JsonNode *node = find (object, name);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);

  if (node != NULL && holds (node, G_TYPE_STRING))
    g_ptr_array_add (list, json_node_dup_string (node));
  else if (node != NULL && (!JSON_NODE_HOLDS_ARRAY (node) || !collect_strings (json_node_get_array (node), list)))
    return malformed (error, "%s is not a list of texts", name);
  g_ptr_array_add (list, NULL);
  *out_list = (GStrv) g_ptr_array_free (g_steal_pointer (&list), FALSE);
  return TRUE;
}

gboolean
teesql_sim_json_get_bytes (JsonObject *object, const char *name, GBytes **out_bytes, GError **error)
{
  const char *text;

  if (!teesql_sim_json_get_string (object, name, &text, error))
    return FALSE;
  while (g_str_has_prefix (text, "0x"))
    text += 2;
  *out_bytes = teesql_hex_decode (text, -1, NULL);
  return *out_bytes != NULL || malformed (error, "%s is not hex", name);
}

char *
teesql_sim_json_end (JsonBuilder *builder, gboolean pretty)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = json_builder_get_root (builder);

  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, pretty);
  return json_generator_to_data (generator, NULL);
}

void
teesql_sim_json_add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

void
teesql_sim_json_add_hex (JsonBuilder *builder, const char *name, const guint8 *data, gsize size)
{
  g_autofree char *hex = teesql_hex_encode (data, size);

  teesql_sim_json_add_string (builder, name, hex);
}

void
teesql_sim_json_add_boolean (JsonBuilder *builder, const char *name, gboolean value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, value);
}

void
teesql_sim_json_add_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}
