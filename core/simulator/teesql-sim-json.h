#pragma once
#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

/* JSON in and out of the simulator. Reading is bounded in depth before the parser, which recurses, sees the text. */

JsonObject *teesql_sim_json_parse_object (const char *text, gsize size, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Getters take the proto3 view: an absent or null member is the default. Text is also read as a boolean or a number, since a
 * query string has nothing else. A member of another type is %TEESQL_ERROR_MALFORMED. */
gboolean teesql_sim_json_get_string (JsonObject *object, const char *name, const char **out_text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_sim_json_get_boolean (JsonObject *object, const char *name, gboolean *out_value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_sim_json_get_unsigned (JsonObject *object, const char *name, gboolean *out_present, guint64 *out_value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_sim_json_get_strings (JsonObject *object, const char *name, GStrv *out_list, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sim_json_get_bytes:
 *
 * hex in either case; leading `0x`, repeated, is cut as the agent does
 */
gboolean teesql_sim_json_get_bytes (JsonObject *object, const char *name, GBytes **out_bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

char *teesql_sim_json_end (JsonBuilder *builder, gboolean pretty) G_GNUC_WARN_UNUSED_RESULT;
void teesql_sim_json_add_string (JsonBuilder *builder, const char *name, const char *value);
void teesql_sim_json_add_hex (JsonBuilder *builder, const char *name, const guint8 *data, gsize size);
void teesql_sim_json_add_boolean (JsonBuilder *builder, const char *name, gboolean value);
void teesql_sim_json_add_int (JsonBuilder *builder, const char *name, gint64 value);

G_END_DECLS
