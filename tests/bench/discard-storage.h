#pragma once
#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

/* A storage that takes everything at once and keeps nothing: what a pipeline costs by itself. */
#define DISCARD_TYPE_STORAGE (discard_storage_get_type ())
G_DECLARE_FINAL_TYPE (DiscardStorage, discard_storage, DISCARD, STORAGE, GObject)

TeesqlStorage *discard_storage_new (void);

G_END_DECLS
