#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * teesql_environment_rebuild:
 *
 * first statement of every main (): re-executes this program with an environment built from an allow-list (SR-14), before
 * GLib, GIO or GnuTLS read a variable. Kept: PATH (a fixed one), HOME, USER, LOGNAME, LANG, LC_*, TZ, TERM, XDG_RUNTIME_DIR,
 * XDG_CONFIG_HOME, XDG_CACHE_HOME, TMPDIR, NO_COLOR, NOTIFY_SOCKET, WATCHDOG_*, LISTEN_*, CREDENTIALS_DIRECTORY, INVOCATION_ID,
 * JOURNAL_STREAM, STATE_DIRECTORY, RUNTIME_DIRECTORY, CACHE_DIRECTORY, DATABASE_URL, DSTACK_SIMULATOR_ENDPOINT, TEESQL_*, and
 * ASAN_OPTIONS, UBSAN_OPTIONS, LSAN_OPTIONS in a sanitizer build only. The caller's own
 * environment is kept aside in a sealed memfd for `connect --exec` and for `env:` references. The second
 * time round it returns. Fails closed: prints and _exit (1)s.
 */
TEESQL_API void teesql_environment_rebuild (int argc, char **argv);
/**
 * teesql_environment_get_dropped:
 *
 * Returns: (transfer none) (array zero-terminated=1): names that were removed and would have changed a library's
 *   behaviour (`LD_*`, `GIO_*`, `GNUTLS_*`, `SSLKEYLOGFILE`, `PG*`, `*_proxy`, `MALLOC_*`, `G_*`), for the one log line of SR-14
 */
TEESQL_API const char *const *teesql_environment_get_dropped (void);
/**
 * teesql_environment_get_caller:
 *
 * Returns: (transfer full) (array zero-terminated=1): the caller's own environment as `NAME=VALUE`
 */
TEESQL_API char **teesql_environment_get_caller (void) TEESQL_MUST_USE;
/**
 * teesql_environment_take:
 *
 * Returns: (transfer full) (nullable): the value for an `env:NAME` reference; it is gone from both environments afterwards.
 *   %NULL without an error when it was not set
 */
TEESQL_API char *teesql_environment_take (const char *name) TEESQL_MUST_USE;

G_END_DECLS
