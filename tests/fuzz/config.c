/* Any bytes as a configuration file of each kind: either a report or a snapshot whose dump reads back as the same. */
#include "config/teesql-config.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_snapshot (TeesqlConfigKind kind, TeesqlConfig *config)
{
  g_autofree char *dump = teesql_config_dump (config, TRUE);
  g_autofree char *json = teesql_config_dump_json (config, FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) again = teesql_config_load_text (kind, "dump", dump, strlen (dump), &error);
  g_autoptr (TeesqlConfig) merged = NULL;
  g_auto (GStrv) pending = NULL;
  guint8 before[48];
  guint8 after[48];

  if (again == NULL)
    g_error ("the dump does not load: %s", error->message);
  teesql_config_digest (config, NULL, 0, before);
  teesql_config_digest (again, NULL, 0, after);
  if (memcmp (before, after, sizeof before) != 0)
    g_error ("the dump means something else");
  merged = teesql_config_merge_reload (config, again, &pending);
  if (pending[0] != NULL)
    g_error ("%s: pending although nothing changed", pending[0]);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  TeesqlConfigKind kind = size > 0 ? (TeesqlConfigKind) (data[0] & 3) : TEESQL_CONFIG_DAEMON;
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlConfig) config = NULL;

  /* the first byte chooses the kind: `#` is a comment of a simulator's file, ` ` begins a daemon's */
  config = teesql_config_load_text (kind, "fuzz.conf", (const char *) data, size, &error);
  if ((config == NULL) == (error == NULL))
    g_error ("neither a snapshot nor a report");
  if (config != NULL)
    check_snapshot (kind, config);
  return 0;
}
