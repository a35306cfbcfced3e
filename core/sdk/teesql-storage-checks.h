#pragma once
#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

/* What the storage wrappers in teesql-storage.c and teesql-storage-upload.c both check. Private to sdk. */
GError *teesql_storage_check_name (const char *name) G_GNUC_WARN_UNUSED_RESULT;
GError *teesql_storage_check_flags (TeesqlStorage *self, TeesqlStoragePutFlags flags) G_GNUC_WARN_UNUSED_RESULT;
/* @info must be about the object that was asked for */
GError *teesql_storage_check_info (const TeesqlObjectInfo *info, const char *name) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
