#pragma once
/* The stages of a sealed source: the fetcher reads segments; workers open segments and decompress frames; the joiner puts opened segments
 * together and cuts frames off; the reader takes what is decompressed, in order. */
#include "backup/teesql-frame.h"
#include "backup/teesql-pipeline.h"
#include "backup/teesql-sealed-sink.h"

G_BEGIN_DECLS

typedef struct
{
  TeesqlSealReader *reader; /* of its piece; the one of the last segment is given away with it */
  guint piece;
  guint32 index;
  gboolean last;
  guint8 *data; /* sealed, then opened in place */
  gsize size;   /* sealed; the plaintext is a tag shorter */
  gboolean opened;
} TeesqlSourceSegment;

typedef struct
{
  guint8 *frame;
  gsize frame_size;
  guint8 *content;
  gsize content_size;
  gboolean decompressed;
} TeesqlSourceFrame;

struct _TeesqlSealedSource
{
  TeesqlPipeline pipeline;
  TeesqlRepository *repository;
  char *base_name;
  TeesqlObjectId id;
  guint threads;
  GArray *pieces; /* TeesqlPiece */
  gsize frame_capacity;

  /* numbers, each the next of its stage, as in the sink; under the lock, as are `opened` and `decompressed` */
  guint64 fetched;
  guint64 to_open;
  guint64 to_join;
  guint64 joined; /* frame to be filled by the joiner */
  guint64 to_decompress;
  guint64 to_read;
  gboolean all_joined; /* every piece, to its end */
  guint n_segments;
  guint n_frames;
  TeesqlSourceSegment *segments;
  TeesqlSourceFrame *frames;

  /* the fetcher's */
  TeesqlSealReader *piece_reader;
  TeesqlStoreReader *store_reader;

  /* the joiner's */
  gsize frame_filled; /* bytes in the frame that is being put together */

  gboolean lent; /* the reader's: it looks at frame to_read */
};

gpointer teesql_sealed_source_fetch (gpointer source); /* the fetcher's thread */
gpointer teesql_sealed_source_join (gpointer source);  /* the joiner's thread */
TeesqlSourceSegment *teesql_sealed_source_segment (TeesqlSealedSource *self, guint64 number);
TeesqlSourceFrame *teesql_sealed_source_frame (TeesqlSealedSource *self, guint64 number);
char *teesql_sealed_source_piece_name (TeesqlSealedSource *self, guint piece);

G_END_DECLS
