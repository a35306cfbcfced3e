#pragma once
#include <teesql/teesql-storage.h>

G_BEGIN_DECLS

/* A storage in memory that fails as planned. Plans and counts may be touched on any thread. */
#define FAKE_TYPE_STORAGE (fake_storage_get_type ())
G_DECLARE_FINAL_TYPE (FakeStorage, fake_storage, FAKE, STORAGE, GObject)

typedef enum
{
  FAKE_NOT_DONE,    /* UNAVAILABLE, nothing happened */
  FAKE_ANSWER_LOST, /* UNAVAILABLE, and yet it happened */
  FAKE_THROTTLED,   /* with the argument as retry time */
  FAKE_HANG,        /* until it is cancelled */
  FAKE_DEAF,        /* for ever: forgets the call, cancelled or not */
  FAKE_REFUSED,     /* PERMISSION */
  FAKE_CORRUPT,     /* INTEGRITY */
  FAKE_BREAK,       /* get: the stream fails after so many bytes */
  FAKE_CUT,         /* get: the stream ends after so many bytes */
  FAKE_FORGET,      /* upload_part, upload_commit: the upload is gone first */
  FAKE_WRONG_SIZE,  /* of the object in the answer */
  FAKE_DIE,         /* UNAVAILABLE for all, and `broken` */
} FakeFault;

/* What a storage does wrong all the time, for the contract suite to find. */
typedef enum
{
  FAKE_SOUND,
  FAKE_SHOWS_EARLY,     /* a put shows what it has so far */
  FAKE_KEEPS_PARTS,     /* and leaves it there when the content fails */
  FAKE_NO_CONDITION,    /* IF_ABSENT replaces */
  FAKE_WRONG_RANGE,     /* a range begins one byte late */
  FAKE_SKIPS_NAMES,     /* every page but the first lacks a name */
  FAKE_FOLDS_CASE,      /* names that differ in case are one */
  FAKE_NEVER_REPLACES,  /* a second put changes nothing */
  FAKE_NEVER_REMOVES,
  FAKE_KEEPS_UPLOADS,   /* abort does nothing */
  FAKE_SHUFFLES_PARTS,  /* in order of arrival */
  FAKE_IGNORES_CANCEL,  /* of content */
} FakeFlaw;

FakeStorage *fake_storage_new (TeesqlStorageFeatures features);
void fake_storage_plan (FakeStorage *self, const char *method, FakeFault fault, guint64 argument);
guint fake_storage_count (FakeStorage *self, const char *method); /* calls */
guint fake_storage_max_parts (FakeStorage *self);                 /* most parts that were in flight at once */
guint64 fake_storage_n_read (FakeStorage *self);                  /* bytes that streams gave */
guint fake_storage_n_uploads (FakeStorage *self);                 /* unfinished */
GBytes *fake_storage_peek (FakeStorage *self, const char *name);  /* (transfer full) (nullable) */
void fake_storage_set (FakeStorage *self, const char *name, GBytes *bytes);
void fake_storage_hold_parts (FakeStorage *self, guint n); /* parts answer when so many are there */
void fake_storage_release_deaf (FakeStorage *self);        /* they answer after all */
void fake_storage_set_flaw (FakeStorage *self, FakeFlaw flaw); /* before its use */
gint64 fake_storage_last_call_us (FakeStorage *self);

G_END_DECLS
