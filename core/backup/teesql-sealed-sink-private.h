#pragma once
/* The stages of a sealed sink: the writer's thread fills chunks; workers compress chunks and seal segments; the shipper joins frames to
 * segments, and sends segments in order. */
#include "backup/teesql-pipeline.h"
#include "backup/teesql-sealed-sink.h"

G_BEGIN_DECLS

/* Chunks and segments go round in rings; each has one number for its life, and its slot is that number modulo the ring's size. */
typedef struct
{
  guint8 *content; /* allocated when the slot is first used, as are all others */
  gsize size;
  guint8 *frame;
  gsize frame_size;
  gboolean compressed;
} TeesqlSinkChunk;

typedef struct
{
  TeesqlSealWriter *writer; /* of its piece; not owned */
  guint32 index;
  gboolean last;
  guint8 *data; /* plaintext, then sealed in place */
  gsize size;   /* of the plaintext */
  gboolean sealed;
} TeesqlSinkSegment;

struct _TeesqlSealedSink
{
  TeesqlPipeline pipeline;
  TeesqlRepository *repository;
  char *base_name;
  TeesqlObjectId id;
  int level;
  guint threads;
  guint64 piece_size;
  gsize chunk_size;
  gsize frame_capacity;

  /* numbers, each the next of its stage; under the lock, as are `compressed` and `sealed` */
  guint64 filled;     /* chunk to be filled by the writer */
  guint64 to_compress;
  guint64 to_join;
  guint64 cut;        /* segment to be filled by the shipper */
  guint64 to_seal;
  guint64 to_send;
  gboolean finishing; /* the writer has no more */
  gboolean finished;  /* all of it is stored */
  guint n_chunks;
  guint n_segments;
  TeesqlSinkChunk *chunks;
  TeesqlSinkSegment *segments;

  /* the writer's */
  guint64 plain_size;
  gsize chunk_filled;

  /* the shipper's */
  char *piece_name;
  TeesqlSealWriter *writer;
  TeesqlStoreUpload *upload;
  guint32 next_index;
  guint64 piece_filled;
  TeesqlSinkSegment *current; /* being filled; held back until it is known whether it is the last */
  GArray *pieces;             /* TeesqlPiece */
};

gpointer teesql_sealed_sink_ship (gpointer sink); /* the shipper's thread */
TeesqlSinkChunk *teesql_sealed_sink_chunk (TeesqlSealedSink *self, guint64 number);
TeesqlSinkSegment *teesql_sealed_sink_segment (TeesqlSealedSink *self, guint64 number);

G_END_DECLS
