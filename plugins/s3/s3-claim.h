#pragma once
#include "s3-storage.h"

G_BEGIN_DECLS

/*
 * Claims: how the end of a conditional upload excludes others where the store does not do so itself. The claim on a name is an object of a
 * reserved name, taken and replaced by conditional puts, which such stores decide rightly. It names the upload that holds it and for how
 * long it is good. Whoever finds one that is over gives up the holder's upload before it takes the claim, so a holder that wakes up late
 * has nothing left to end.
 */

typedef enum
{
  S3_CLAIM_NONE,  /* or an error */
  S3_CLAIM_HELD,  /* nobody else ends an upload of this name */
  S3_CLAIM_NAMED, /* there is an object of that name by now */
} S3Claim;

/* @id: of the upload; who holds the claim already holds it anew. Reason: `s3-claimed`, %TEESQL_ERROR_UNAVAILABLE */
void s3_claim_take_async (S3Storage *storage, const char *name, const char *id, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data);
S3Claim s3_claim_take_finish (S3Storage *storage, GAsyncResult *result, GError **error);
/* Removes the claim if it is still the upload's. @taken_us: monotonic; -1 when that was not here. Best effort: a claim that is left is over
 * some day, and seen by nobody. */
void s3_claim_drop_async (S3Storage *storage, const char *name, const char *id, gint64 taken_us, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
void s3_claim_drop_finish (S3Storage *storage, GAsyncResult *result);

G_END_DECLS
