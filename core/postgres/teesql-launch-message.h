#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/* What teesqld and its launcher say to each other over one SOCK_SEQPACKET pair: messages of one fixed size, at most one descriptor each.
 * Both ends are the same program, so the layout is the compiler's. */

typedef enum
{
  /* asked by teesqld; every one but RELOAD and STOP is answered once, with its serial */
  TEESQL_LAUNCH_JUDGE = 1, /* -> JUDGED */
  TEESQL_LAUNCH_INITDB,    /* descriptor: the password -> DONE */
  TEESQL_LAUNCH_CONFIGURE, /* descriptor: postgresql.conf -> DONE */
  TEESQL_LAUNCH_START,     /* -> STARTED, and EXITED when it ends */
  TEESQL_LAUNCH_RELOAD,
  TEESQL_LAUNCH_STOP, /* number: TeesqlLaunchStop */
  /* said by the launcher */
  TEESQL_LAUNCH_JUDGED,
  TEESQL_LAUNCH_DONE,    /* reason and text where it failed */
  TEESQL_LAUNCH_STARTED, /* number: process, or 0 and reason */
  TEESQL_LAUNCH_EXITED,  /* number: wait status */
  TEESQL_LAUNCH_N_VERBS
} TeesqlLaunchVerb;

typedef enum
{
  TEESQL_LAUNCH_STOP_FAST,
  TEESQL_LAUNCH_STOP_SMART,
  TEESQL_LAUNCH_STOP_IMMEDIATE,
} TeesqlLaunchStop;

#define TEESQL_LAUNCH_MAGIC 0x7e5e1a01u

typedef struct
{
  guint32 magic;
  guint32 verb;
  guint32 serial;
  gint32 number;
  guint32 state; /* TeesqlDataState */
  guint32 flags; /* TeesqlDataFlags */
  guint64 identifier;
  char reason[64];
  char text[1024];
} TeesqlLaunchMessage;

/**
 * teesql_launch_message_check:
 *
 * whether what came is one: size, magic, verb, and both texts end within their fields
 */
gboolean teesql_launch_message_check (const TeesqlLaunchMessage *message, gsize size) G_GNUC_WARN_UNUSED_RESULT;
/* @attached: -1 for none. Returns: FALSE when the other end is gone */
gboolean teesql_launch_message_send (int socket, const TeesqlLaunchMessage *message, int attached);

typedef enum
{
  TEESQL_LAUNCH_GOT,
  TEESQL_LAUNCH_NOTHING, /* now */
  TEESQL_LAUNCH_GONE,    /* or talks nonsense, which comes to the same */
} TeesqlLaunchReceived;
/* @out_attached: -1 for none; the caller's to close */
TeesqlLaunchReceived teesql_launch_message_receive (int socket, TeesqlLaunchMessage *out, int *out_attached) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
