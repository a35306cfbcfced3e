#pragma once
/* zstd frames as docs/sealed-format.md wants them: content size in the header, no dictionary, nothing behind the end. Private to this
 * area. */
#include <glib.h>

G_BEGIN_DECLS

/**
 * TeesqlFrameWriter: a compressor of one thread, kept from frame to frame
 */
typedef struct _TeesqlFrameWriter TeesqlFrameWriter;
TeesqlFrameWriter *teesql_frame_writer_new (int level);
void teesql_frame_writer_free (TeesqlFrameWriter *self);
gsize teesql_frame_bound (gsize content);
/* @capacity: teesql_frame_bound() of @size suffices */
gboolean teesql_frame_write (TeesqlFrameWriter *self, const guint8 *content, gsize size, guint8 *out, gsize capacity, gsize *out_size,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct _TeesqlFrameReader TeesqlFrameReader;
TeesqlFrameReader *teesql_frame_reader_new (void);
void teesql_frame_reader_free (TeesqlFrameReader *self);
/**
 * teesql_frame_measure:
 * @data: begins at a frame; may hold less than it or more
 * @max_content: INTEGRITY `frame-size` for a frame that would grow beyond it, or does not say how far
 * @out_frame: size of the frame; 0 when it is not all there yet
 */
gboolean teesql_frame_measure (const guint8 *data, gsize size, gsize max_content, gsize *out_frame, gsize *out_content, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* exactly the one frame in @data to exactly @content bytes, or INTEGRITY `frame-corrupt` */
gboolean teesql_frame_read (TeesqlFrameReader *self, const guint8 *data, gsize size, guint8 *out, gsize content, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlFrameWriter, teesql_frame_writer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlFrameReader, teesql_frame_reader_free)
G_END_DECLS
