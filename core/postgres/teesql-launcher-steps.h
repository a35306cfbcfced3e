#pragma once
#include "postgres/teesql-launch-message.h"
#include "postgres/teesql-managed-place.h"

G_BEGIN_DECLS

/**
 * TeesqlLaunchStep:
 * @socket: the answer goes there, straight from the step
 * @attached: descriptor that came with the question, or -1
 * @log: where programs write
 *
 * one question, worked at in a child of its own so that the launcher never blocks. Whatever touches a folder of PostgreSQL's user is done
 * as that user: a link that it planted leads nowhere it could not go itself.
 */
typedef struct
{
  const TeesqlManagedPlace *place;
  int socket;
  int attached;
  int log;
  guint32 serial;
} TeesqlLaunchStep;

typedef int (*TeesqlLaunchStepFunc) (const TeesqlLaunchStep *step);

/* exit statuses: 0 when an answer was sent */
int teesql_launcher_judge (const TeesqlLaunchStep *step);
int teesql_launcher_initdb (const TeesqlLaunchStep *step);
int teesql_launcher_configure (const TeesqlLaunchStep *step);
/**
 * teesql_launcher_exec_server:
 *
 * becomes PostgreSQL's user and then PostgreSQL; the caller has forked
 */
void teesql_launcher_exec_server (const TeesqlManagedPlace *place, int log) G_GNUC_NORETURN;
/**
 * teesql_launcher_become:
 *
 * gives up every right but those of PostgreSQL's user, for good. Ends the process where it cannot.
 */
void teesql_launcher_become (const TeesqlManagedPlace *place);

G_END_DECLS
