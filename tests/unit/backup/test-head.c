#include "backup/teesql-head.h"
#include "backup/teesql-state-file.h"
#include "base/teesql-domains.h"

#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE 8192

typedef struct
{
  char *folder;
  char *path;
  TeesqlSecret *key;
} Fixture;

static TeesqlSecret *
derive (const char *member)
{
  guint8 kms[32] = { 7 };
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) secret = teesql_secret_new (kms, sizeof kms, &error);
  TeesqlSecret *key = teesql_head_derive_key (secret, member, &error);

  g_assert_no_error (error);
  return key;
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  f->folder = g_dir_make_tmp ("teesql-head-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, "backup", "s3", "head", NULL);
  f->key = derive ("orders-1");
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name = NULL;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  (void) g_remove (path);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  remove_tree (f->folder);
  g_free (f->folder);
  g_free (f->path);
  teesql_secret_unref (f->key);
}

static TeesqlHead
head (guint64 sequence)
{
  TeesqlHead self = { .sequence = sequence, .system_identifier = G_MAXUINT64, .timeline = 3, .lsn = 0x16B3748, .epoch = 2 };
  guint32 generation = 0;

  memset (self.cluster_id, 0xc1, sizeof self.cluster_id);
  memset (self.digest, (int) (sequence & 0xff), sizeof self.digest);
  memset (self.check_value, 0xcc, sizeof self.check_value);
  g_assert_true (teesql_lineage_parse ("00000002-0123456789abcdef", -1, &self.lineage, &generation));
  return self;
}

static void
store (Fixture *f, const TeesqlHead *self)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_head_store (f->path, f->key, self, &error));
  g_assert_no_error (error);
}

static TeesqlHead
load (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  TeesqlHead self = { 0 };

  g_assert_true (teesql_head_load (f->path, f->key, &self, &error));
  g_assert_no_error (error);
  return self;
}

static void
assert_refused (Fixture *f, TeesqlSecret *key, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;
  TeesqlHead self = { .sequence = 4711 };

  g_assert_false (teesql_head_load (f->path, key, &self, &error));
  g_assert_error (error, TEESQL_BACKUP_ERROR, (int) code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
  g_assert_cmpuint (self.sequence, ==, 4711);
}

static guint8 *
bytes_of (Fixture *f)
{
  char *data = NULL;
  gsize size = 0;

  g_assert_true (g_file_get_contents (f->path, &data, &size, NULL));
  g_assert_cmpuint (size, ==, FILE_SIZE);
  return (guint8 *) data;
}

static void
put_bytes (Fixture *f, const guint8 *data, gsize size)
{
  g_assert_true (g_file_set_contents_full (f->path, (const char *) data, (gssize) size, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

static void
what_is_stored_is_loaded (Fixture *f, gconstpointer unused)
{
  TeesqlHead first = head (1);
  TeesqlHead second = head (2);
  TeesqlHead found;

  assert_refused (f, f->key, TEESQL_ERROR_NOT_FOUND, "head-absent");
  store (f, &first);
  found = load (f);
  g_assert_cmpmem (&found, sizeof found, &first, sizeof first);
  second.pending = TRUE;
  memset (second.pending_digest, 0xdd, sizeof second.pending_digest);
  second.n_noted = TEESQL_HEAD_NOTED_MAX;
  for (guint i = 0; i < TEESQL_HEAD_NOTED_MAX; i++)
    second.noted[i] = (TeesqlWalRange){ i + 1, G_MAXUINT64 - 2 - i, G_MAXUINT64 - i, 1767225600 };
  store (f, &second);
  found = load (f);
  g_assert_cmpuint (found.n_noted, ==, TEESQL_HEAD_NOTED_MAX);
  g_assert_cmpuint (found.noted[7].end_lsn, ==, G_MAXUINT64 - 7);
  g_assert_cmpmem (found.pending_digest, 32, second.pending_digest, 32);
  g_assert_true (found.pending);
}

static void
the_newest_of_many_wins (Fixture *f, gconstpointer unused)
{
  for (guint64 i = 1; i < 600; i++)
    {
      TeesqlHead self = head (i);

      store (f, &self);
      g_assert_cmpuint (load (f).sequence, ==, i);
    }
}

/* A write that a crash cut short anywhere leaves the one before it, never nothing and never a mixture. */
static void
a_torn_write_leaves_the_one_before (Fixture *f, gconstpointer unused)
{
  TeesqlHead first = head (10);
  TeesqlHead second = head (11);
  g_autofree guint8 *before = NULL;
  g_autofree guint8 *after = NULL;
  guint n_old = 0;

  store (f, &first);
  before = bytes_of (f);
  store (f, &second);
  after = bytes_of (f);
  for (gsize cut = 0; cut <= FILE_SIZE; cut++)
    {
      g_autofree guint8 *torn = g_memdup2 (after, FILE_SIZE);
      guint64 sequence = 0;

      for (gsize i = cut; i < FILE_SIZE; i++)
        torn[i] = before[i];
      put_bytes (f, torn, FILE_SIZE);
      sequence = load (f).sequence;
      n_old += sequence == 10;
      g_assert_true (sequence == 10 || sequence == 11);
    }
  g_assert_cmpuint (n_old, >, 400);
  g_assert_cmpuint (load (f).sequence, ==, 11);
}

/* a single slot: whatever byte of it is another, it is refused */
static void
every_byte_is_under_the_mac (Fixture *f, gconstpointer unused)
{
  TeesqlHead self = head (1);
  g_autofree guint8 *data = NULL;

  store (f, &self);
  data = bytes_of (f);
  for (gsize i = 0; i < 512; i++)
    {
      TeesqlHead out;

      data[i] ^= 0x20;
      g_assert_false (teesql_head_parse (data, FILE_SIZE, f->key, &out, NULL));
      data[i] ^= 0x20;
    }
}

static void
another_nodes_head_is_refused (Fixture *f, gconstpointer unused)
{
  TeesqlHead self = head (1);
  g_autoptr (TeesqlSecret) other = derive ("orders-2");

  store (f, &self);
  assert_refused (f, other, TEESQL_ERROR_REFUSED, "head-mac");
  g_assert_false (teesql_head_store (f->path, other, &self, NULL)); /* nor written over */
}

static void
other_sizes_are_malformed (Fixture *f, gconstpointer unused)
{
  TeesqlHead self = head (1);
  g_autofree guint8 *data = NULL;
  g_autofree guint8 *longer = g_malloc0 (FILE_SIZE + 1);

  store (f, &self);
  data = bytes_of (f);
  put_bytes (f, data, FILE_SIZE - 1);
  assert_refused (f, f->key, TEESQL_ERROR_MALFORMED, "head-form");
  put_bytes (f, data, 0);
  assert_refused (f, f->key, TEESQL_ERROR_MALFORMED, "head-form");
  put_bytes (f, longer, FILE_SIZE + 1);
  assert_refused (f, f->key, TEESQL_ERROR_MALFORMED, "head-form");
}

static void
files_that_others_could_have_written_are_refused (Fixture *f, gconstpointer unused)
{
  TeesqlHead self = head (1);
  g_autofree char *other = g_strconcat (f->path, "-other", NULL);

  store (f, &self);
  g_assert_cmpint (g_chmod (f->path, 0660), ==, 0);
  assert_refused (f, f->key, TEESQL_ERROR_REFUSED, "head-permissions");
  g_assert_cmpint (g_chmod (f->path, 0600), ==, 0);
  g_assert_cmpint (link (f->path, other), ==, 0);
  assert_refused (f, f->key, TEESQL_ERROR_REFUSED, "head-permissions");
  g_assert_cmpint (unlink (f->path), ==, 0);
  g_assert_cmpint (symlink (other, f->path), ==, 0);
  {
    TeesqlHead out;

    g_assert_false (teesql_head_load (f->path, f->key, &out, NULL));
  }
  g_assert_cmpint (unlink (f->path), ==, 0);
  g_assert_cmpint (mkfifo (f->path, 0600), ==, 0);
  assert_refused (f, f->key, TEESQL_ERROR_REFUSED, "head-permissions");
}

static void
the_file_is_ours_alone (Fixture *f, gconstpointer unused)
{
  TeesqlHead self = head (1);
  GStatBuf info;
  g_autofree char *folder = g_path_get_dirname (f->path);

  store (f, &self);
  g_assert_cmpint (g_stat (f->path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 0777, ==, 0600);
  g_assert_cmpint (g_stat (folder, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 0777, ==, 0700);
}

static void
a_cluster_id_is_made_once (Fixture *f, gconstpointer unused)
{
  guint8 first[TEESQL_CLUSTER_ID_SIZE] = { 0 };
  guint8 second[TEESQL_CLUSTER_ID_SIZE] = { 0 };
  guint8 zero[TEESQL_CLUSTER_ID_SIZE] = { 0 };
  g_autofree char *path = g_build_filename (f->folder, "backup", "cluster-id", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (teesql_cluster_id_load_or_make (f->folder, first, &error));
  g_assert_true (teesql_cluster_id_load_or_make (f->folder, second, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (first, sizeof first, second, sizeof second);
  g_assert_cmpint (memcmp (first, zero, sizeof zero), !=, 0);
  g_assert_true (g_file_set_contents_full (path, "abc\n", 4, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
  g_assert_false (teesql_cluster_id_load_or_make (f->folder, second, &error));
  g_assert_error (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_MALFORMED);
}

static gpointer
make_id (gpointer folder)
{
  guint8 *id = g_malloc (TEESQL_CLUSTER_ID_SIZE);

  g_assert_true (teesql_cluster_id_load_or_make (folder, id, NULL));
  return id;
}

static void
two_that_make_the_id_at_once_agree (Fixture *f, gconstpointer unused)
{
  for (guint round = 0; round < 20; round++)
    {
      g_autofree char *folder = g_strdup_printf ("%s/%u", f->folder, round);
      GThread *threads[4];
      guint8 *ids[4];

      for (guint i = 0; i < 4; i++)
        threads[i] = g_thread_new ("id", make_id, folder);
      for (guint i = 0; i < 4; i++)
        ids[i] = g_thread_join (threads[i]);
      for (guint i = 0; i < 4; i++)
        g_assert_cmpmem (ids[0], TEESQL_CLUSTER_ID_SIZE, ids[i], TEESQL_CLUSTER_ID_SIZE);
      for (guint i = 0; i < 4; i++)
        g_free (ids[i]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/backup/head/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("what-is-stored-is-loaded", what_is_stored_is_loaded);
  ADD ("the-newest-of-many-wins", the_newest_of_many_wins);
  ADD ("a-torn-write-leaves-the-one-before", a_torn_write_leaves_the_one_before);
  ADD ("every-byte-is-under-the-mac", every_byte_is_under_the_mac);
  ADD ("another-nodes-head-is-refused", another_nodes_head_is_refused);
  ADD ("other-sizes-are-malformed", other_sizes_are_malformed);
  ADD ("files-that-others-could-have-written-are-refused", files_that_others_could_have_written_are_refused);
  ADD ("the-file-is-ours-alone", the_file_is_ours_alone);
  ADD ("a-cluster-id-is-made-once", a_cluster_id_is_made_once);
  ADD ("two-that-make-the-id-at-once-agree", two_that_make_the_id_at_once_agree);
  return g_test_run ();
}
