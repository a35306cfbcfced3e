#include "cli/teesql-cli.h"
#include "base/teesql-domains.h"

void
teesql_cli_print_error (const GError *error)
{
  g_printerr ("teesql: %s\n", error->message);
}

static gboolean
is_unreachable (const GError *error)
{
  if (error->domain == G_IO_ERROR)
    return error->code == G_IO_ERROR_TIMED_OUT || error->code == G_IO_ERROR_CONNECTION_REFUSED ||
           error->code == G_IO_ERROR_HOST_UNREACHABLE;
  return error->domain != TEESQL_CONFIG_ERROR && (error->code == TEESQL_ERROR_UNAVAILABLE || error->code == TEESQL_ERROR_THROTTLED);
}

int
teesql_cli_exit_code (const GError *error)
{
  if (error->domain == G_OPTION_ERROR || error->domain == G_FILE_ERROR || error->domain == TEESQL_CONFIG_ERROR)
    return TEESQL_EXIT_USAGE;
  return is_unreachable (error) ? TEESQL_EXIT_UNREACHABLE : TEESQL_EXIT_REFUSED;
}
