#include "control/teesql-control-request.h"

#include "base/teesql-domains.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define LABEL_MAX 128

#define refuse(error, ...) teesql_fail (error, TEESQL_PROTOCOL_ERROR, TEESQL_ERROR_MALFORMED, "control-request", __VA_ARGS__)

static const struct
{
  const char *name;
  TeesqlBackupTaskKind kind;
} commands[] = {
  { "backup-now", TEESQL_BACKUP_TASK_NOW },
  { "backup-list", TEESQL_BACKUP_TASK_LIST },
  { "backup-verify", TEESQL_BACKUP_TASK_VERIFY },
  { "backup-expire", TEESQL_BACKUP_TASK_EXPIRE },
  { "backup-rotate-key", TEESQL_BACKUP_TASK_ROTATE_KEY },
  { "backup-accept", TEESQL_BACKUP_TASK_ACCEPT },
};

static gboolean
read_command (TeesqlControlRequest *self, const char *name, GError **error)
{
  self->is_status = g_str_equal (name, "status");
  if (self->is_status)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (name, commands[i].name))
      {
        self->task.kind = commands[i].kind;
        return TRUE;
      }
  return refuse (error, "unknown command “%s”", name);
}

static gboolean
is_plain (const char *text)
{
  if (!g_utf8_validate (text, -1, NULL) || strlen (text) > LABEL_MAX)
    return FALSE;
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

static gboolean
read_member (TeesqlControlRequest *self, const char *name, JsonNode *node, GError **error)
{
  const char *text = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
  gboolean is_boolean = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN;

  if (g_str_equal (name, "command") && text != NULL)
    return read_command (self, text, error);
  if (g_str_equal (name, "storage") && text != NULL)
    self->storage = g_strdup (text);
  else if (g_str_equal (name, "label") && text != NULL && is_plain (text))
    self->task.label = g_strdup (text);
  else if (g_str_equal (name, "full") && is_boolean)
    self->task.full = json_node_get_boolean (node);
  else if (g_str_equal (name, "deep") && is_boolean)
    self->task.deep = json_node_get_boolean (node);
  else if (g_str_equal (name, "fresh") && is_boolean)
    self->task.fresh = json_node_get_boolean (node);
  else
    return refuse (error, "member “%s” is unknown or has another type than expected", name);
  return TRUE;
}

static gboolean
read_members (TeesqlControlRequest *self, JsonObject *object, GError **error)
{
  g_autoptr (GList) names = json_object_get_members (object);

  if (!json_object_has_member (object, "command"))
    return refuse (error, "no command");
  for (GList *name = names; name != NULL; name = name->next)
    if (!read_member (self, name->data, json_object_get_member (object, name->data), error))
      return FALSE;
  return TRUE;
}

/* json-glib takes the first of several values and forgets the rest. */
static gboolean
is_one_object (const char *line, gsize size)
{
  guint depth = 0;
  gboolean in_text = FALSE;
  gsize i = 0;

  for (; i < size; i++)
    {
      if (in_text && line[i] == '\\')
        i++;
      else if (line[i] == '"')
        in_text = !in_text;
      else if (!in_text && (line[i] == '{' || line[i] == '['))
        depth++;
      else if (!in_text && (line[i] == '}' || line[i] == ']') && --depth == 0)
        break;
    }
  for (i++; i < size; i++)
    if (!g_ascii_isspace (line[i]))
      return FALSE;
  return TRUE;
}

TeesqlControlRequest *
teesql_control_request_parse (const char *line, gsize size, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (TeesqlControlRequest) self = g_new0 (TeesqlControlRequest, 1);

  if (size > TEESQL_CONTROL_REQUEST_MAX || memchr (line, '\0', size) != NULL || !is_one_object (line, size) ||
      !json_parser_load_from_data (parser, line, (gssize) size, NULL) || json_parser_get_root (parser) == NULL ||
      !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    {
      refuse (error, "the request is no object of JSON within %" G_GSIZE_FORMAT " bytes", TEESQL_CONTROL_REQUEST_MAX);
      return NULL;
    }
  if (!read_members (self, json_node_get_object (json_parser_get_root (parser)), error))
    return NULL;
  return g_steal_pointer (&self);
}

void
teesql_control_request_free (TeesqlControlRequest *self)
{
  g_free (self->storage);
  g_free (self->task.label);
  g_free (self);
}
