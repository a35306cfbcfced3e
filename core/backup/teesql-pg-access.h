#pragma once
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

/**
 * TeesqlPgAccess:
 *
 * how threads of the backup log in to the server: libpq, blocking calls, ended by a cancellable
 */
typedef struct
{
  char *host; /* socket folder or loopback address */
  guint port;
  char *user;
  TeesqlSecret *password; /* (nullable) */
} TeesqlPgAccess;

G_END_DECLS
