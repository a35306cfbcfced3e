#pragma once
/* What a server has to send once more, byte for byte, before it is believed to go on from WAL that was taken earlier. Pure. */
#include <glib.h>

G_BEGIN_DECLS

#define TEESQL_WAL_DIGEST_SIZE ((gsize) 32)

/**
 * TeesqlWalProof:
 *
 * pieces of WAL, which may overlap, each with the digest that it must have. Memory does not depend on their size.
 */
typedef struct _TeesqlWalProof TeesqlWalProof;
TeesqlWalProof *teesql_wal_proof_new (void) G_GNUC_WARN_UNUSED_RESULT;
void teesql_wal_proof_free (TeesqlWalProof *self);
/* @start < @end */
void teesql_wal_proof_expect (TeesqlWalProof *self, guint64 start, guint64 end, const guint8 digest[TEESQL_WAL_DIGEST_SIZE]);
/* what begins before @lsn is not asked for any more */
void teesql_wal_proof_drop_before (TeesqlWalProof *self, guint64 lsn);
/* %FALSE when nothing is asked for */
gboolean teesql_wal_proof_get_range (const TeesqlWalProof *self, guint64 *out_start, guint64 *out_end);
/* in order and without a hole, from the range's start; or from there once more, after teesql_wal_proof_rewind() */
void teesql_wal_proof_feed (TeesqlWalProof *self, guint64 lsn, const guint8 *data, gsize size);
void teesql_wal_proof_rewind (TeesqlWalProof *self);
/**
 * teesql_wal_proof_check:
 *
 * Returns: %FALSE when a piece was not fed whole or is another one; @out_start and @out_end are those of the first such one
 */
gboolean teesql_wal_proof_check (TeesqlWalProof *self, guint64 *out_start, guint64 *out_end) G_GNUC_WARN_UNUSED_RESULT;

/**
 * TeesqlWalTrail:
 *
 * remembers what was received, so that another connection can be held against it: digests of the segment that is being received and of the
 * one before it.
 */
typedef struct _TeesqlWalTrail TeesqlWalTrail;
TeesqlWalTrail *teesql_wal_trail_new (guint32 segment_size) G_GNUC_WARN_UNUSED_RESULT;
void teesql_wal_trail_free (TeesqlWalTrail *self);
void teesql_wal_trail_begin (TeesqlWalTrail *self, guint64 lsn); /* forgets; what comes next begins there */
void teesql_wal_trail_add (TeesqlWalTrail *self, const guint8 *data, gsize size);
void teesql_wal_trail_expect (const TeesqlWalTrail *self, TeesqlWalProof *proof); /* all of it, from a new connection */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlWalProof, teesql_wal_proof_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlWalTrail, teesql_wal_trail_free)
G_END_DECLS
