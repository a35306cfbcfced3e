#pragma once
#include <gio/gio.h>
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

/* One option of a plugin: text of a keyfile to the GValue of a property, by its GParamSpec, and a description of that for people. */

/**
 * teesql_plugin_value_parse:
 * @out_value: zero-filled; initialised to the property's type on success
 *
 * reads @text as the property wants it: numbers with units where its qdata `teesql-unit` is `ms` or `bytes`, words of enumerations, lists
 * `a;b`, references for secrets. The message on failure says what was expected and, for a secret, never what was found.
 */
gboolean teesql_plugin_value_parse (GParamSpec *pspec, const char *text, GValue *out_value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* whether @text says where a value lies: `credential:`, `file:`, `env:` */
gboolean teesql_plugin_value_is_reference (const char *text);
/**
 * teesql_plugin_value_parse_resolved:
 * @secret: what stood behind a reference, in a process that could not follow it itself
 *
 * the same for options that take a reference: secrets and text
 */
gboolean teesql_plugin_value_parse_resolved (GParamSpec *pspec, TeesqlSecret *secret, GValue *out_value, GError **error);
char *teesql_plugin_value_describe (GParamSpec *pspec) G_GNUC_WARN_UNUSED_RESULT;
/* the default as a keyfile would write it; %NULL when it is nothing that could be written */
char *teesql_plugin_value_describe_default (GParamSpec *pspec) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
