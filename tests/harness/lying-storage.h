#pragma once
#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

/* A storage in memory whose owner is the enemy: whatever it holds can be read, changed, moved and rolled back behind the back of those
 * who wrote it. Thread safe. */
#define LYING_TYPE_STORAGE (lying_storage_get_type ())
G_DECLARE_FINAL_TYPE (LyingStorage, lying_storage, LYING, STORAGE, GObject)

LyingStorage *lying_storage_new (TeesqlStorageFeatures features);
GPtrArray *lying_storage_names (LyingStorage *self, const char *prefix);      /* (transfer full) (element-type utf8): ascending */
GBytes *lying_storage_peek (LyingStorage *self, const char *name);            /* (transfer full) (nullable) */
void lying_storage_set (LyingStorage *self, const char *name, GBytes *bytes); /* NULL: gone */
/* the first name that has this part (transfer full); its absence ends the test */
char *lying_storage_find (LyingStorage *self, const char *part);
char *lying_storage_find_record (LyingStorage *self, guint64 sequence); /* of the catalog; as above */
void lying_storage_copy (LyingStorage *self, const char *from, const char *to);
void lying_storage_swap (LyingStorage *self, const char *one, const char *other); /* their contents */
/* the whole content, to come back to */
GHashTable *lying_storage_snapshot (LyingStorage *self);
void lying_storage_roll_back (LyingStorage *self, GHashTable *snapshot);
/* names with this beginning are left out of listings, and only there; NULL: none */
void lying_storage_hide (LyingStorage *self, const char *prefix);

/* Behind what there is, listings that can hold it go on with @n names, made one by one as they are asked for, in order; 0: no more. */
typedef char *(*LyingNameFunc) (const char *prefix, guint64 i);
void lying_storage_flood (LyingStorage *self, const char *prefix, LyingNameFunc make, guint64 n);
/* of all the program had allocated at the beginning of any page since the flood began, beyond what it had then; 0 under a sanitizer */
gsize lying_storage_get_peak (LyingStorage *self);

typedef enum
{
  LYING_HONEST,
  LYING_LOSES_PUT,    /* the next put of @prefix fails, and nothing happened */
  LYING_LOSES_ANSWER, /* it fails, and yet it happened */
} LyingFault;
void lying_storage_plan (LyingStorage *self, LyingFault fault, const char *prefix);

G_END_DECLS
