/* teesql-wal-fetch: PostgreSQL's restore_command. It has no key and reads no configuration: it asks whoever has them, over a socket.
 *
 * PostgreSQL goes by its exit status: 0 the file is there; 1 to 125 the archive does not have it, so recovery ends there or looks
 * elsewhere; above 125 recovery must not go on. Only a clear "not archived" of the other side is 1; every doubt is fatal, since a recovery
 * that ends early looks like one that succeeded. */
#include "backup/teesql-wal-fetch.h"
#include "base/teesql-environment.h"
#include "teesql-build.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int
usage (void)
{
  g_printerr ("usage: teesql-wal-fetch [--wait SECONDS] --socket PATH FILE DESTINATION\n"
              "hint: restore_command = 'teesql-wal-fetch --socket /run/teesql/wal.sock \"%%f\" \"%%p\"'\n");
  return TEESQL_WAL_FETCH_FATAL; /* a mistake in the settings must not end recovery early */
}

static gboolean
parse_seconds (const char *text, guint *out)
{
  guint64 value = 0;

  if (!g_ascii_string_to_unsigned (text, 10, 0, 86400, &value, NULL))
    return FALSE;
  *out = (guint) value;
  return TRUE;
}

int
main (int argc, char **argv)
{
  TeesqlWalFetchOptions options = { .wait_s = TEESQL_WAL_FETCH_WAIT_S };
  int i = 1;

  teesql_environment_rebuild (argc, argv);
  signal (SIGPIPE, SIG_IGN);
  umask (077);
  if (argc == 2 && strcmp (argv[1], "--version") == 0)
    {
      g_print ("teesql-wal-fetch %s\n", TEESQL_VERSION);
      return EXIT_SUCCESS;
    }
  for (; i + 1 < argc && g_str_has_prefix (argv[i], "--"); i += 2)
    {
      if (strcmp (argv[i], "--socket") == 0)
        options.socket = argv[i + 1];
      else if (strcmp (argv[i], "--wait") != 0 || !parse_seconds (argv[i + 1], &options.wait_s))
        return usage ();
    }
  if (options.socket == NULL || argc - i != 2)
    return usage ();
  options.file = argv[i];
  options.destination = argv[i + 1];
  return teesql_wal_fetch_run (&options);
}
