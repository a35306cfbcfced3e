#pragma once
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

typedef enum
{
  FILE_DOING_READ,
  FILE_DOING_WRITE,
} FileDoing;

/* (transfer full): what errno @code means to core; @what is a phrase such as `writing a/b` */
GError *file_error_new (FileDoing doing, int code, const char *what_format, ...) G_GNUC_PRINTF (3, 4) G_GNUC_WARN_UNUSED_RESULT;
/* sets it; returns %FALSE */
gboolean file_fail (GError **error, FileDoing doing, int code, const char *what_format, ...) G_GNUC_PRINTF (4, 5);

G_END_DECLS
