/* An archive fed in pieces whose sizes the first byte chooses. What comes out must be safe to open, whatever goes in. */
#include "backup/teesql-tar.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

typedef struct
{
  guint64 left;
  gboolean in_file;
} Watch;

static gboolean
begin_cb (const TeesqlTarEntry *entry, gpointer user_data, GError **error)
{
  Watch *watch = user_data;

  g_assert_true (teesql_tar_name_is_safe (entry->name));
  g_assert_true (entry->name[0] != '/' && g_strrstr (entry->name, "..//") == NULL);
  g_assert_false (watch->in_file);
  g_assert_true (entry->kind == TEESQL_TAR_FILE || entry->size == 0);
  g_assert_true ((entry->kind == TEESQL_TAR_LINK) == (entry->link != NULL));
  g_assert_true (entry->kind != TEESQL_TAR_LINK || g_str_has_prefix (entry->name, "pg_tblspc/"));
  watch->in_file = entry->kind == TEESQL_TAR_FILE;
  watch->left = entry->size;
  return TRUE;
}

static gboolean
data_cb (const guint8 *data, gsize size, gpointer user_data, GError **error)
{
  Watch *watch = user_data;

  g_assert_true (watch->in_file && size > 0 && size <= watch->left);
  watch->left -= size;
  return TRUE;
}

static gboolean
end_cb (gpointer user_data, GError **error)
{
  Watch *watch = user_data;

  g_assert_true (watch->in_file && watch->left == 0);
  watch->in_file = FALSE;
  return TRUE;
}

static const TeesqlTarHandler handler = { begin_cb, data_cb, end_cb };

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  Watch watch = { 0 };
  g_autoptr (TeesqlTarReader) reader = teesql_tar_reader_new (&handler, &watch);
  g_autoptr (GError) error = NULL;
  gsize step = size > 0 ? 1 + (gsize) data[0] * 7 : 1;
  gboolean ok = TRUE;

  for (gsize at = 1; at < size && ok; at += step)
    ok = teesql_tar_reader_feed (reader, data + at, MIN (step, size - at), &error);
  g_assert_true (ok || error != NULL);
  if (ok && teesql_tar_reader_finish (reader, NULL))
    g_assert_false (watch.in_file);
  return 0;
}
