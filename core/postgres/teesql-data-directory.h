#pragma once
#include <sys/types.h>
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

typedef enum
{
  TEESQL_DATA_EMPTY,   /* not there, or an empty folder */
  TEESQL_DATA_CLUSTER, /* one that can be started */
  TEESQL_DATA_RUNNING, /* a server stands in it already */
  TEESQL_DATA_REFUSED,
  TEESQL_N_DATA_STATES
} TeesqlDataState;

typedef enum
{
  TEESQL_DATA_CHECKSUMS = 1 << 0,
  TEESQL_DATA_RECOVERY = 1 << 1, /* recovery.signal or standby.signal */
} TeesqlDataFlags;

#define TEESQL_DATA_MESSAGE_SIZE 1024

/**
 * TeesqlDataJudgement:
 * @reason: (nullable): static; `data-directory-foreign`, `-version`, `-owner`, `-mode`, `-symlink`, `-unreachable`, `-control`, `-mount`
 * @message: with a hint
 * @pid: of the server that stands in it
 */
typedef struct
{
  TeesqlDataState state;
  guint flags; /* TeesqlDataFlags */
  guint64 system_identifier;
  gint pid;
  const char *reason;
  char message[TEESQL_DATA_MESSAGE_SIZE];
} TeesqlDataJudgement;

/**
 * teesql_data_directory_judge:
 * @uid: PostgreSQL's user, as which this runs: what it may not read here, it may not read later
 *
 * looks only; nothing is changed. Blocks.
 */
void teesql_data_directory_judge (const char *path, uid_t uid, TeesqlDataJudgement *out);
/**
 * teesql_data_directory_forget_server:
 * @socket: (nullable): path of the server's socket
 *
 * takes away the lock files of a server that is gone. PostgreSQL itself believes them whenever any process of its user has the number in
 * it, as it happens after a reboot or in a container that was started again. Only after a judgement that says nobody stands in @path.
 */
void teesql_data_directory_forget_server (const char *path, const char *socket);
/**
 * teesql_data_directory_empty:
 *
 * removes what is in the folder @path, and follows no link. Returns: %FALSE with errno set
 */
gboolean teesql_data_directory_empty (const char *path) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
