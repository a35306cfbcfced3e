#pragma once
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

/**
 * S3XmlHandler:
 * @start: (nullable): an element begins
 * @end: an element ends; @text is what stood in it, "" where it has elements inside
 *
 * @path: names from the root on: `ListBucketResult/Contents/Key`. A handler sets @error and returns %FALSE to stop.
 */
typedef struct
{
  gboolean (*start) (const char *path, gpointer user_data, GError **error);
  gboolean (*end) (const char *path, const char *text, gpointer user_data, GError **error);
} S3XmlHandler;

/**
 * s3_xml_read:
 *
 * reads what a store answers: UTF-8, at most 6 elements deep, 8 KiB of text in one. The five entities and character references count;
 * DOCTYPE, CDATA, comments and processing instructions behind the first line are refused. Reason `s3-xml`, %TEESQL_ERROR_MALFORMED.
 */
gboolean s3_xml_read (const char *text, gsize size, const S3XmlHandler *handler, gpointer user_data, GError **error) TEESQL_MUST_USE;

G_END_DECLS
