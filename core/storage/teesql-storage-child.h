#pragma once
#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * TeesqlStorageChild:
 *
 * a storage host as a process: started with one descriptor and an environment of nothing, known by a pidfd, and always reaped.
 */
typedef struct _TeesqlStorageChild TeesqlStorageChild;

/* @status: as waitid() gave it, for people */
typedef void (*TeesqlStorageExitFunc) (const char *status, gpointer user_data);

/**
 * teesql_storage_child_spawn:
 * @instance: shows in the list of processes
 * @socket: becomes descriptor 3
 * @exited: in the thread-default context, once
 */
TeesqlStorageChild *teesql_storage_child_spawn (const char *instance, int socket, TeesqlStorageExitFunc exited, gpointer user_data,
                                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
pid_t teesql_storage_child_get_pid (const TeesqlStorageChild *self); /* 0 once it is gone */
void teesql_storage_child_kill (TeesqlStorageChild *self);
/**
 * teesql_storage_child_release:
 *
 * the owner has no use for it any more and has closed its socket. It gets a second to leave by itself, then it is killed; a thread of that
 * length waits for it, so nobody's loop has to run on for that. @exited is not called.
 */
void teesql_storage_child_release (TeesqlStorageChild *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlStorageChild, teesql_storage_child_release)
G_END_DECLS
