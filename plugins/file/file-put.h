#pragma once
#include "file-root.h"

#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

/* ends @task (transfer full) with the info of the object, or an error and nothing stored */
void file_put (GTask *task, FileRoot *root, const char *name, GInputStream *content, TeesqlStoragePutFlags flags);

G_END_DECLS
