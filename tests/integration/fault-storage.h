#pragma once
#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

/* A storage in front of another one that breaks as a file says: nothing, `fail`, `hang`, `slow MILLISECONDS`. It has no uploads, so every
 * object is one put. */
#define FAULT_TYPE_STORAGE (fault_storage_get_type ())
G_DECLARE_FINAL_TYPE (FaultStorage, fault_storage, FAULT, STORAGE, GObject)

TeesqlStorage *fault_storage_new (TeesqlStorage *inner, const char *control_path);

G_END_DECLS
