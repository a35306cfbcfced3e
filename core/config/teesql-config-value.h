#pragma once
#include "config/teesql-config-table.h"

G_BEGIN_DECLS

typedef enum
{
  TEESQL_WORD_OTHER,
  TEESQL_WORD_ANY,
  TEESQL_WORD_AUTO,
  TEESQL_WORD_NONE
} TeesqlConfigWord;

/**
 * TeesqlConfigValue:
 * @option: (nullable): %NULL for a plugin's option
 * @text: as written, escapes resolved; a reference stays a reference
 * @value: (nullable): text for readers: what stood behind a reference, hex in lower case; %NULL for words and lists
 * @items: (nullable): elements of a list, in canonical spelling
 * @number: integers, percents, booleans, milliseconds, bytes
 * @file, @line: where it stands; %NULL and 0 for defaults
 *
 * one value, checked. Refcounted (grefcount), since merging two configurations shares them.
 */
typedef struct
{
  gatomicrefcount refs;
  const TeesqlOption *option;
  char *key;
  char *text;
  char *value;
  char **items;
  gint64 number;
  TeesqlConfigWord word;
  char *file;
  guint rank;
  guint line;
} TeesqlConfigValue;

/**
 * teesql_config_value_new:
 *
 * reads @text as the option says.
 *
 * Returns: (nullable): %NULL with a message that names the form, without file or key
 */
TeesqlConfigValue *teesql_config_value_new (const TeesqlOption *option, const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
TeesqlConfigValue *teesql_config_value_new_raw (const char *key, const char *text) G_GNUC_WARN_UNUSED_RESULT;
TeesqlConfigValue *teesql_config_value_ref (TeesqlConfigValue *self);
void teesql_config_value_unref (TeesqlConfigValue *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlConfigValue, teesql_config_value_unref)

/* one element, in the form of the option: *out_value is its canonical spelling */
gboolean teesql_config_form_check (const TeesqlOption *option, const char *text, char **out_value, gint64 *out_number, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlScramVerifierParts:
 *
 * the public head of `SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY`
 */
typedef struct
{
  gint64 rounds;
  char *salt; /* base64 */
} TeesqlScramVerifierParts;
gboolean teesql_config_scram_parts (const char *verifier, TeesqlScramVerifierParts *out_parts, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* whether @text names another place: `file:`, `env:`, `credential:`, `kms:` */
gboolean teesql_config_is_reference (const char *text);
gboolean teesql_config_check_reference (const char *text, gboolean allow_kms, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
