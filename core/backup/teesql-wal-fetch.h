#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

#define TEESQL_WAL_FETCH_WAIT_S 300u

/* exit statuses, as PostgreSQL reads them */
enum
{
  TEESQL_WAL_FETCH_OK = 0,
  TEESQL_WAL_FETCH_NOT_ARCHIVED = 1,
  TEESQL_WAL_FETCH_FATAL = 255,
};

/**
 * TeesqlWalFetchOptions:
 * @wait_s: how long an absent socket, or one that does not answer, is tried again
 */
typedef struct
{
  const char *socket;
  const char *file;
  const char *destination;
  guint wait_s;
} TeesqlWalFetchOptions;

/* says on stderr what was wrong */
int teesql_wal_fetch_run (const TeesqlWalFetchOptions *options);

G_END_DECLS
