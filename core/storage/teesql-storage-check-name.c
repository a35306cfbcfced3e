#include "storage/teesql-storage-check-private.h"

#include <string.h>

/* Checks of names and listings. */

#define N_THREADS 16

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
add_name (Check *self, GPtrArray *names, const char *tail)
{
  g_ptr_array_add (names, check_name (self, tail));
}

/* Fills up what is left of the 512 bytes a name may have with segments of @segment bytes. */
static void
add_long_name (Check *self, GPtrArray *names, char fill, gsize segment)
{
  g_autofree char *base = check_name (self, "");
  GString *name = g_string_new (base);
  gsize at = 0;

  while (name->len < TEESQL_STORAGE_NAME_MAX)
    if (at == segment && name->len + 1 < TEESQL_STORAGE_NAME_MAX)
      {
        g_string_append_c (name, '/');
        at = 0;
      }
    else
      {
        g_string_append_c (name, fill);
        at++;
      }
  g_ptr_array_add (names, g_string_free (name, FALSE));
}

static GPtrArray *
odd_names (Check *self)
{
  static const char *const tails[] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=-",
    "=",
    "==",
    "-",
    "--",
    "-rf",
    "_",
    ".x",
    "..x",
    "x..",
    "...",
    "x.",
    ".x.",
    "0",
    "00",
    "a",
    "a/b",
    "a/b/c",
    "a-b",
    "a.b",
    "a=b",
    "a_b",
    "a0",
    "ab",
    "a/-",
    "a/.b",
    "a/=",
    "Case",
    "case",
    "CASE",
    "cAse/x",
    "case/x",
    "CON",
    "nul.txt",
    "a.tmp",
    "a.part",
    "index.html",
    ".teesql-x",
    ".teesql",
    "teesql.d/x",
    "x/y/z/x/y/z",
    "1/2",
    "1/2/3",
    "1/2-3",
    "meta=1/key=value/2",
    "e2e",
    "a.b/c.d",
    "a.b.c",
  };
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  for (gsize i = 0; i < G_N_ELEMENTS (tails); i++)
    add_name (self, names, tails[i]);
  add_long_name (self, names, 'l', 512);
  add_long_name (self, names, 'm', 255);
  add_long_name (self, names, 'n', 128);
  add_long_name (self, names, '.', 3);
  add_long_name (self, names, 'o', 1);
  for (gsize length = 126; length <= 131; length++) /* around what some stores cut names at */
    {
      g_autofree char *segment = g_strnfill (length, 's');
      g_autofree char *deeper = g_strdup_printf ("%s/.x", segment);

      add_name (self, names, segment);
      add_name (self, names, deeper);
    }
  g_ptr_array_sort (names, compare_names);
  return names;
}

static gboolean
put_odd (Check *self, guint index, gpointer data)
{
  GPtrArray *names = data;

  for (guint i = index; i < names->len; i += N_THREADS)
    {
      g_autoptr (GBytes) bytes = check_bytes (20 + i, i);

      if (!check_expect_put (self, names->pdata[i], bytes))
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_odd (Check *self, guint index, gpointer data)
{
  GPtrArray *names = data;

  for (guint i = index; i < names->len; i += N_THREADS)
    {
      g_autoptr (GBytes) bytes = check_bytes (20 + i, i);

      if (!check_expect_content (self, names->pdata[i], bytes))
        return FALSE;
    }
  return TRUE;
}

gboolean
check_odd_names (Check *self)
{
  g_autoptr (GPtrArray) names = odd_names (self);
  g_autofree char *prefix = check_name (self, "");

  if (!check_in_parallel (self, N_THREADS, put_odd, names) || !check_in_parallel (self, N_THREADS, read_odd, names))
    return FALSE;
  return check_expect_names (self, prefix, TEESQL_STORAGE_PAGE_MAX, names) && check_expect_names (self, prefix, 3, names) &&
         check_expect_names (self, prefix, 1, names);
}

/* ---- many ---- */

static GPtrArray *
many_names (Check *self, guint n)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *tail =
          i % 3 == 0 ? g_strdup_printf ("flat-%06u", i) : g_strdup_printf ("%02x/%s%u", i * 7919u % 61, i % 2 == 0 ? "x/" : "x-", i);

      add_name (self, names, tail);
    }
  g_ptr_array_sort (names, compare_names);
  return names;
}

typedef struct
{
  GPtrArray *names;
  int n_done; /* atomic */
} Many;

static gboolean
put_many (Check *self, guint index, gpointer data)
{
  Many *many = data;
  g_autoptr (GBytes) bytes = check_bytes (5, index);

  for (guint i = index; i < many->names->len; i += N_THREADS)
    {
      if (!check_expect_put (self, many->names->pdata[i], bytes))
        return FALSE;
      if (g_atomic_int_add (&many->n_done, 1) % 50 == 0)
        check_progress (self, (guint) g_atomic_int_get (&many->n_done), many->names->len);
    }
  return TRUE;
}

static gboolean
expect_prefix (Check *self, GPtrArray *names, const char *tail, guint page)
{
  g_autofree char *prefix = check_name (self, tail);
  g_autoptr (GPtrArray) expected = g_ptr_array_new ();

  for (guint i = 0; i < names->len; i++)
    if (g_str_has_prefix (names->pdata[i], prefix))
      g_ptr_array_add (expected, names->pdata[i]);
  return check_expect_names (self, prefix, page, expected);
}

gboolean
check_list (Check *self)
{
  g_autoptr (GPtrArray) names = many_names (self, self->n_names);
  Many many = { names, 0 };

  if (!check_in_parallel (self, N_THREADS, put_many, &many))
    return FALSE;
  return expect_prefix (self, names, "", TEESQL_STORAGE_PAGE_MAX) && expect_prefix (self, names, "", 333) &&
         expect_prefix (self, names, "flat-0000", 7) && expect_prefix (self, names, "0", 100) && expect_prefix (self, names, "01", 10) &&
         expect_prefix (self, names, "01/", 10) && expect_prefix (self, names, "01/x", 10) && expect_prefix (self, names, "01/x/", 10) &&
         expect_prefix (self, names, "01/x-1", 10) && expect_prefix (self, names, "flat-000003", 1000) &&
         expect_prefix (self, names, "g", 1000) && expect_prefix (self, names, "flat-000003x", 1000) &&
         expect_prefix (self, names, "01/x/y", 10);
}

/* Pages stay right while objects between them come and go: what was there all along is listed once. */
gboolean
check_list_odd (Check *self)
{
  g_autofree char *prefix = check_name (self, "");
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GBytes) bytes = check_bytes (5, 1);
  g_autofree char *gone = check_name (self, "b/gone");
  GError *error = NULL;

  add_name (self, names, "a");
  add_name (self, names, "b/stays");
  add_name (self, names, "c");
  for (guint i = 0; i < names->len; i++)
    if (!check_expect_put (self, names->pdata[i], bytes))
      return FALSE;
  if (!check_expect_put (self, gone, bytes))
    return FALSE;
  if (!teesql_store_remove (self->store, gone, self->cancellable, &error))
    return check_failed (self, "remove takes an object away", error);
  return check_expect_names (self, prefix, 1, names) && check_expect_names (self, prefix, 2, names);
}
