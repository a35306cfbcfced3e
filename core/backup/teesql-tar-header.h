#pragma once
#include "backup/teesql-tar.h"

G_BEGIN_DECLS

/**
 * TeesqlTarHeader:
 *
 * one header block, checked
 */
typedef struct
{
  char name[TEESQL_TAR_NAME_MAX + 1];
  char link[101];
  TeesqlTarKind kind;
  guint64 size;
} TeesqlTarHeader;

/**
 * teesql_tar_header_parse:
 * @number: of the entry, for messages
 */
gboolean teesql_tar_header_parse (const guint8 block[512], guint64 number, TeesqlTarHeader *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
