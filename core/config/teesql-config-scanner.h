#pragma once
#include <glib.h>

G_BEGIN_DECLS

#define TEESQL_CONFIG_MAX_FILE     ((gsize) 1048576)
#define TEESQL_CONFIG_MAX_ENTRIES  8192
#define TEESQL_CONFIG_MAX_FINDINGS 100

/**
 * TeesqlConfigFindings:
 *
 * everything that is wrong with the files, in the order of files and lines; one report names them all.
 */
typedef struct _TeesqlConfigFindings TeesqlConfigFindings;
TeesqlConfigFindings *teesql_config_findings_new (void) G_GNUC_WARN_UNUSED_RESULT;
void teesql_config_findings_free (TeesqlConfigFindings *self);
/**
 * teesql_config_findings_add:
 * @file: name as messages show it
 * @rank: files in the order they were read
 * @line: 0: the file as a whole
 * @text: (transfer full): `[proxy] max-sesions: unknown key`, and perhaps a second line `hint: …`
 */
void teesql_config_findings_add (TeesqlConfigFindings *self, const char *file, guint rank, guint line, char *text);
gboolean teesql_config_findings_is_empty (const TeesqlConfigFindings *self);
char *teesql_config_findings_dup_report (TeesqlConfigFindings *self) G_GNUC_WARN_UNUSED_RESULT;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlConfigFindings, teesql_config_findings_free)

/**
 * TeesqlConfigEntry:
 * @key: (nullable): %NULL for the group's own line
 * @text: value with blanks around it cut and escapes resolved
 */
typedef struct
{
  char *group;
  char *key;
  char *text;
  guint line;
} TeesqlConfigEntry;

/**
 * teesql_config_scan:
 * @file, @rank: for findings
 *
 * a pure function over bytes: the keyfile syntax, strictly. A line that is wrong becomes a finding and is left out.
 *
 * Returns: (transfer full) (element-type TeesqlConfigEntry)
 */
GPtrArray *teesql_config_scan (const char *file, guint rank, const guint8 *data, gsize size, TeesqlConfigFindings *findings)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
