#pragma once
#include <glib.h>

G_BEGIN_DECLS

/**
 * teesql_activation_take:
 * @name: of the socket (`FileDescriptorName=`); `proxy` also gets those without a name of ours
 *
 * listening sockets that the service manager opened for us (LISTEN_FDS), each given out once.
 *
 * Returns: (transfer full) (array length=out_n): sockets owned by the caller; mostly none
 */
int *teesql_activation_take (const char *name, guint *out_n) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
