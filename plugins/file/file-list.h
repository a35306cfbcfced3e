#pragma once
#include "file-root.h"

#include <sys/stat.h>
#include <teesql/teesql-object-info.h>

G_BEGIN_DECLS

/**
 * file_list:
 * @after: (nullable): only names behind it
 *
 * at most @max objects whose names begin with @prefix, ascending by bytes. Memory does not grow with what a folder holds: of each only
 * the first names that still fit the page are kept.
 *
 * Returns: (transfer full) (nullable): a page whose token is its last name
 */
TeesqlObjectPage *file_list (FileRoot *root, const char *prefix, const char *after, guint max, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

/* (transfer full): another one for other content */
char *file_list_tag (const struct stat *info) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
