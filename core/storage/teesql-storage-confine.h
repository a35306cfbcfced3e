#pragma once
#include "storage/teesql-storage-sandbox.h"

G_BEGIN_DECLS

typedef enum
{
  TEESQL_STORAGE_CONFINED,
  TEESQL_STORAGE_UNCONFINED_PATHS, /* no Landlock: the file system is open as far as the user's rights go */
  TEESQL_STORAGE_UNCONFINED_PORTS, /* Landlock before 6.7: every TCP port can be reached, not the declared ones only */
} TeesqlStorageDegradation;

/**
 * teesql_storage_confine:
 * @socket: and @module, @arena: the only descriptors above 2 that stay
 * @out_degradation: a #TeesqlStorageDegradation
 *
 * takes everything from this process that the module must not have, for good: user, groups and capabilities, descriptors, limits, paths,
 * ports, system calls. No thread and no main context may exist yet. Fails closed where there is no seccomp.
 */
gboolean teesql_storage_confine (const TeesqlStorageSandbox *sandbox, int socket, int module, int arena, guint *out_degradation,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* its last two steps */
gboolean teesql_storage_landlock (const TeesqlStorageSandbox *sandbox, guint *out_degradation, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_storage_filter (gboolean network, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
