#pragma once
#include "backup/teesql-repository.h"

G_BEGIN_DECLS

/**
 * TeesqlPiece:
 *
 * one stored object of an archive
 */
typedef struct
{
  guint64 stored_size;                            /* bytes in the store */
  guint8 commitment[TEESQL_SEAL_COMMITMENT_SIZE]; /* names this encoder's object and no other of that name */
} TeesqlPiece;

/**
 * TeesqlSealedSinkOptions:
 * @base_name: `…/base/BACKUP/base`; piece n is stored as `BASE.NNNNN`
 * @id: context of every piece; its name is not read
 * @level: zstd level
 * @threads: compressors and sealers; 0: one per CPU, at most 4
 * @piece_size: plaintext of the seal (so compressed bytes) of one object, at most %TEESQL_SEAL_PLAIN_MAX; 0: 4 GiB
 */
typedef struct
{
  TeesqlRepository *repository;
  const char *base_name;
  TeesqlObjectId id;
  int level;
  guint threads;
  guint64 piece_size;
} TeesqlSealedSinkOptions;

/**
 * TeesqlSealedSink:
 *
 * write -> zstd -> seal -> store: a byte stream of any length into sealed objects, each stage on threads of its own, bounded queues between
 * them, memory constant. Written by one thread.
 */
typedef struct _TeesqlSealedSink TeesqlSealedSink;
TeesqlSealedSink *teesql_sealed_sink_new (const TeesqlSealedSinkOptions *options, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_sealed_sink_write (TeesqlSealedSink *self, const void *data, gsize size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT; /* the error is that of whichever stage failed first */
/**
 * teesql_sealed_sink_finish:
 * @out_pieces: (transfer full) (element-type TeesqlPiece)
 * @out_plain: bytes that were written
 *
 * everything is durable when this returned %TRUE
 */
gboolean teesql_sealed_sink_finish (TeesqlSealedSink *self, GArray **out_pieces, guint64 *out_plain, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_sealed_sink_free (
    TeesqlSealedSink *self); /* not finished: what is under way is aborted; whole pieces stay for the caller's clean-up */

/**
 * TeesqlSealedSource:
 *
 * the way back: fetch -> open -> zstd, in order, ahead of the reader, nothing handed out before its tag and, piece by piece, its commitment
 * were checked
 */
typedef struct _TeesqlSealedSource TeesqlSealedSource;
/**
 * teesql_sealed_source_new:
 * @pieces: (element-type TeesqlPiece): from an authenticated catalog; only repository, base_name, id and threads of @options are read
 */
TeesqlSealedSource *teesql_sealed_source_new (const TeesqlSealedSinkOptions *options, const GArray *pieces, GCancellable *cancellable,
                                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_sealed_source_read:
 * @out_data: (transfer none): valid until the next call
 * @out_size: 0 at the end, which was verified to be the end
 */
gboolean teesql_sealed_source_read (TeesqlSealedSource *self, const guint8 **out_data, gsize *out_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_sealed_source_free (TeesqlSealedSource *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSealedSink, teesql_sealed_sink_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSealedSource, teesql_sealed_source_free)
G_END_DECLS
