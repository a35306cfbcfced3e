#include "backup/teesql-frame.h"
#include "base/teesql-domains.h"
#include <zstd.h>
#include <zstd_errors.h>

/* RFC 8878, 3.1.1 */
#define MAGIC_SIZE       4
#define FRAME_HEADER_MAX 18 /* with the magic */

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)

struct _TeesqlFrameWriter
{
  ZSTD_CCtx *context;
};

struct _TeesqlFrameReader
{
  ZSTD_DCtx *context;
};

TeesqlFrameWriter *
teesql_frame_writer_new (int level)
{
  TeesqlFrameWriter *self = g_new0 (TeesqlFrameWriter, 1);

  self->context = ZSTD_createCCtx ();
  g_assert (self->context != NULL); /* out of memory, which GLib does not survive either */
  /* no checksum: the tags of the seal are a better one. Content sizes are written by default. */
  ZSTD_CCtx_setParameter (self->context, ZSTD_c_compressionLevel, CLAMP (level, ZSTD_minCLevel (), ZSTD_maxCLevel ()));
  return self;
}

void
teesql_frame_writer_free (TeesqlFrameWriter *self)
{
  if (self == NULL)
    return;
  ZSTD_freeCCtx (self->context);
  g_free (self);
}

gsize
teesql_frame_bound (gsize content)
{
  return ZSTD_compressBound (content);
}

gboolean
teesql_frame_write (TeesqlFrameWriter *self, const guint8 *content, gsize size, guint8 *out, gsize capacity, gsize *out_size,
                    GError **error)
{
  gsize n = ZSTD_compress2 (self->context, out, capacity, content, size);

  if (ZSTD_isError (n))
    return fail (error, TEESQL_ERROR_FAILED, "frame-compress", "compressing: %s", ZSTD_getErrorName (n));
  *out_size = n;
  return TRUE;
}

TeesqlFrameReader *
teesql_frame_reader_new (void)
{
  TeesqlFrameReader *self = g_new0 (TeesqlFrameReader, 1);

  self->context = ZSTD_createDCtx ();
  g_assert (self->context != NULL);
  return self;
}

void
teesql_frame_reader_free (TeesqlFrameReader *self)
{
  if (self == NULL)
    return;
  ZSTD_freeDCtx (self->context);
  g_free (self);
}

static gboolean
corrupt (const char *why, GError **error)
{
  return fail (error, TEESQL_ERROR_INTEGRITY, "frame-corrupt", "compressed frame: %s", why);
}

/* Skippable frames have no content, and a stream of them would keep a reader busy for nothing. */
static gboolean
has_magic (const guint8 *data)
{
  return (data[0] | (guint) data[1] << 8 | (guint) data[2] << 16 | (guint) data[3] << 24) == ZSTD_MAGICNUMBER;
}

gboolean
teesql_frame_measure (const guint8 *data, gsize size, gsize max_content, gsize *out_frame, gsize *out_content, GError **error)
{
  unsigned long long content = 0;
  gsize frame = 0;

  *out_frame = 0;
  if (size < MAGIC_SIZE)
    return TRUE;
  if (!has_magic (data))
    return corrupt ("it does not begin as one", error);
  content = ZSTD_getFrameContentSize (data, size);
  if (content == ZSTD_CONTENTSIZE_ERROR) /* the header is not all there */
    return size < FRAME_HEADER_MAX || corrupt ("its header is none", error);
  if (content == ZSTD_CONTENTSIZE_UNKNOWN || content > max_content)
    return fail (error, TEESQL_ERROR_INTEGRITY, "frame-size",
                 "compressed frame: it %s, expected at most %" G_GSIZE_FORMAT " bytes of content",
                 content == ZSTD_CONTENTSIZE_UNKNOWN ? "does not say how large it is" : "is larger", max_content);
  frame = ZSTD_findFrameCompressedSize (data, size);
  if (!ZSTD_isError (frame))
    {
      *out_frame = frame;
      *out_content = (gsize) content;
      return TRUE;
    }
  return ZSTD_getErrorCode (frame) == ZSTD_error_srcSize_wrong || corrupt (ZSTD_getErrorName (frame), error);
}

gboolean
teesql_frame_read (TeesqlFrameReader *self, const guint8 *data, gsize size, guint8 *out, gsize content, GError **error)
{
  gsize n = ZSTD_decompressDCtx (self->context, out, content, data, size);

  if (ZSTD_isError (n))
    return corrupt (ZSTD_getErrorName (n), error);
  return n == content || corrupt ("its content has another size than it says", error);
}
