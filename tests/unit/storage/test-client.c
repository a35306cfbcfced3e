#include "host-fixture.h"
#include "sdk/teesql-checked-stream.h"
#include "storage/teesql-storage-client-private.h"
#include <errno.h>
#include <sys/wait.h>

/* The contract through the boundary: what a plugin does in another process must look like what it does in this one. */

static void
test_put_and_get (Hosted *self, gconstpointer data)
{
  static const gsize sizes[] = { 0, 1, 65536, MIB - 1, MIB, MIB + 1, 9 * MIB + 17 };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (GBytes) bytes = hosted_pattern (sizes[i]);
      g_autoptr (GBytes) back = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlObjectInfo) info = hosted_put (self, "a/b", bytes, (i & 1) == 0 ? (gint64) sizes[i] : -1, 0, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (teesql_object_info_get_size (info), ==, sizes[i]);
      back = hosted_get (self, "a/b", 0, G_MAXUINT64, &error);
      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (bytes, back));
    }
}

static void
test_ranges (Hosted *self, gconstpointer data)
{
  static const struct
  {
    guint64 offset;
    guint64 length;
  } ranges[] = { { 0, 1 }, { 5, MIB }, { MIB - 1, 2 }, { 3 * MIB, 7 }, { 0, 3 * MIB + 7 }, { 3 * MIB + 6, G_MAXUINT64 } };
  g_autoptr (GBytes) bytes = hosted_pattern (3 * MIB + 7);
  g_autoptr (TeesqlObjectInfo) info = hosted_put (self, "object", bytes, -1, 0, NULL);

  g_assert_nonnull (info);
  for (gsize i = 0; i < G_N_ELEMENTS (ranges); i++)
    {
      gsize length = (gsize) MIN (ranges[i].length, 3 * MIB + 7 - ranges[i].offset);
      g_autoptr (GBytes) expected = g_bytes_new_from_bytes (bytes, (gsize) ranges[i].offset, length);
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) back = hosted_get (self, "object", ranges[i].offset, ranges[i].length, &error);

      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (expected, back));
    }
}

static void
test_errors (Hosted *self, gconstpointer data)
{
  g_autoptr (GBytes) bytes = hosted_pattern (10);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectInfo) first = hosted_put (self, "there", bytes, 10, TEESQL_STORAGE_PUT_IF_ABSENT, NULL);

  g_assert_nonnull (first);
  g_assert_null (hosted_put (self, "there", bytes, 10, TEESQL_STORAGE_PUT_IF_ABSENT, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_EXISTS);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "object-exists");
  g_clear_error (&error);
  g_assert_null (hosted_stat (self, "absent", &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
  g_assert_cmpstr (error->message, ==, "there is no object absent");
  g_clear_error (&error);
  g_assert_null (hosted_open (self, "there", 11, 5, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "range");
}

static void
test_list (Hosted *self, gconstpointer data)
{
  g_autofree char *token = NULL;
  guint n = 0;

  for (guint i = 0; i < 25; i++)
    {
      g_autofree char *name = g_strdup_printf ("list/%03u", i);
      g_autoptr (GBytes) bytes = hosted_pattern (i);
      g_autoptr (TeesqlObjectInfo) info = hosted_put (self, name, bytes, i, 0, NULL);

      g_assert_nonnull (info);
    }
  do
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (TeesqlObjectPage) page = NULL;
      g_autoptr (GError) error = NULL;

      teesql_storage_list_async (self->storage, "list/", token, 10, NULL, hosted_result_cb, &result);
      page = teesql_storage_list_finish (self->storage, hosted_wait (&result), &error);
      g_assert_no_error (error);
      for (guint i = 0; i < teesql_object_page_get_n_objects (page); i++, n++)
        {
          g_autofree char *name = g_strdup_printf ("list/%03u", n);

          g_assert_cmpstr (teesql_object_info_get_name (teesql_object_page_get_object (page, i)), ==, name);
          g_assert_cmpuint (teesql_object_info_get_size (teesql_object_page_get_object (page, i)), ==, n);
        }
      g_free (token);
      token = g_strdup (teesql_object_page_get_next_token (page));
    }
  while (token != NULL);
  g_assert_cmpuint (n, ==, 25);
}

static void
test_list_larger_than_a_frame (Hosted *self, gconstpointer data)
{
  g_autoptr (GBytes) bytes = hosted_pattern (1);
  g_autofree char *tail = g_strnfill (400, 'x');
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TeesqlObjectPage) page = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *name = g_strdup_printf ("%03u-%s", i, tail);
      g_autoptr (TeesqlObjectInfo) info = hosted_put (self, name, bytes, 1, 0, NULL);

      g_assert_nonnull (info);
    }
  teesql_storage_list_async (self->storage, "", NULL, 1000, NULL, hosted_result_cb, &result);
  page = teesql_storage_list_finish (self->storage, hosted_wait (&result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_object_page_get_n_objects (page), ==, 300);
}

static void
test_remove (Hosted *self, gconstpointer data)
{
  g_autoptr (GBytes) bytes = hosted_pattern (10);
  g_autoptr (TeesqlObjectInfo) info = hosted_put (self, "gone", bytes, 10, 0, NULL);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GAsyncResult) result = NULL;

      teesql_storage_remove_async (self->storage, "gone", NULL, hosted_result_cb, &result);
      g_assert_true (teesql_storage_remove_finish (self->storage, hosted_wait (&result), &error));
    }
  g_assert_null (hosted_stat (self, "gone", &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
}

static char *
begin_upload (Hosted *self, const char *name)
{
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_upload_begin_async (self->storage, name, 0, NULL, hosted_result_cb, &result);
  return teesql_storage_upload_begin_finish (self->storage, hosted_wait (&result), NULL);
}

#define N_PARTS 5

static void
test_upload (Hosted *self, gconstpointer data)
{
  const gsize part_size = 8 * MIB;
  g_autoptr (GBytes) whole = hosted_pattern (4 * part_size + 12345);
  g_autofree char *id = begin_upload (self, "big");
  GAsyncResult *results[N_PARTS] = { NULL };
  char *tags[N_PARTS + 1] = { NULL };
  g_autoptr (GAsyncResult) committed = NULL;
  g_autoptr (TeesqlObjectInfo) info = NULL;
  g_autoptr (GBytes) back = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < N_PARTS; i++)
    {
      gsize at = i * part_size;
      g_autoptr (GBytes) part = g_bytes_new_from_bytes (whole, at, MIN (part_size, g_bytes_get_size (whole) - at));

      teesql_storage_upload_part_async (self->storage, "big", id, i + 1, part, NULL, hosted_result_cb, &results[i]);
    }
  for (guint i = 0; i < N_PARTS; i++)
    {
      tags[i] = teesql_storage_upload_part_finish (self->storage, hosted_wait (&results[i]), &error);
      g_assert_no_error (error);
      g_object_unref (results[i]);
    }
  teesql_storage_upload_commit_async (self->storage, "big", id, (const char *const *) tags, 0, NULL, hosted_result_cb, &committed);
  info = teesql_storage_upload_commit_finish (self->storage, hosted_wait (&committed), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (teesql_object_info_get_size (info), ==, g_bytes_get_size (whole));
  back = hosted_get (self, "big", 0, G_MAXUINT64, &error);
  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (whole, back));
  for (guint i = 0; i < N_PARTS; i++)
    g_free (tags[i]);
}

static void
test_abort (Hosted *self, gconstpointer data)
{
  g_autofree char *id = begin_upload (self, "never");
  g_autoptr (GAsyncResult) result = NULL;

  teesql_storage_upload_abort_async (self->storage, "never", id, NULL, hosted_result_cb, &result);
  g_assert_true (teesql_storage_upload_abort_finish (self->storage, hosted_wait (&result), NULL));
}

static void
test_features (Hosted *self, gconstpointer data)
{
  g_assert_cmpuint (teesql_storage_get_features (self->storage), ==,
                    TEESQL_STORAGE_FEATURE_IF_ABSENT | TEESQL_STORAGE_FEATURE_UPLOAD | TEESQL_STORAGE_FEATURE_PARALLEL);
  g_assert_cmpstr (teesql_storage_client_get_module (self->client), ==, "example");
  g_assert_cmpstr (teesql_storage_client_get_module_version (self->client), ==, "1.0");
  g_assert_cmpuint (strlen (teesql_storage_client_get_module_digest (self->client)), ==, 96);
  g_assert_cmpint (teesql_storage_client_get_pid (self->client), >, 1);
}

/* ---- many at once ---- */

#define N_CALLS 200

static void
test_parallel (Hosted *self, gconstpointer data)
{
  GAsyncResult *puts[N_CALLS] = { NULL };
  GAsyncResult *gets[N_CALLS] = { NULL };
  GInputStream *streams[N_CALLS] = { NULL };
  g_autoptr (GBytes) bytes = hosted_pattern (MIB + 1000);

  for (guint i = 0; i < N_CALLS; i++)
    {
      g_autofree char *name = g_strdup_printf ("p/%u", i);
      g_autoptr (GBytes) own = g_bytes_new_from_bytes (bytes, i, MIB + 1);
      g_autoptr (GInputStream) content = g_memory_input_stream_new_from_bytes (own);

      teesql_storage_put_async (self->storage, name, content, -1, 0, NULL, hosted_result_cb, &puts[i]);
    }
  for (guint i = 0; i < N_CALLS; i++)
    {
      g_autoptr (TeesqlObjectInfo) info = teesql_storage_put_finish (self->storage, hosted_wait (&puts[i]), NULL);

      g_assert_nonnull (info);
      g_object_unref (puts[i]);
    }
  /* all are open before one is read: more readers than slots, each with its first bytes waiting */
  for (guint i = 0; i < N_CALLS; i++)
    {
      g_autofree char *name = g_strdup_printf ("p/%u", i);

      teesql_storage_get_async (self->storage, name, 0, G_MAXUINT64, NULL, hosted_result_cb, &gets[i]);
    }
  for (guint i = 0; i < N_CALLS; i++)
    {
      streams[i] = teesql_storage_get_finish (self->storage, hosted_wait (&gets[i]), NULL);
      g_assert_nonnull (streams[i]);
      g_object_unref (gets[i]);
    }
  for (guint i = N_CALLS; i-- > 0;)
    {
      g_autoptr (GBytes) expected = g_bytes_new_from_bytes (bytes, i, MIB + 1);
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) back = hosted_read (streams[i], 300000, &error);

      g_assert_no_error (error);
      g_assert_true (g_bytes_equal (expected, back));
      g_object_unref (streams[i]);
    }
}

/* ---- content that fails ---- */

static void
test_content_error (Hosted *self, gconstpointer data)
{
  g_autoptr (GBytes) bytes = hosted_pattern (MIB);
  g_autoptr (GInputStream) content = g_memory_input_stream_new_from_bytes (bytes);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_input_stream_close (content, NULL, NULL));
  teesql_storage_put_async (self->storage, "never", content, -1, 0, NULL, hosted_result_cb, &result);
  g_assert_null (teesql_storage_put_finish (self->storage, hosted_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED); /* the stream's own error */
  g_clear_error (&error);
  g_assert_null (hosted_stat (self, "never", &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
}

static void
test_wrong_size (Hosted *self, gconstpointer data)
{
  g_autoptr (GBytes) bytes = hosted_pattern (1000);
  g_autoptr (GError) error = NULL;

  g_assert_null (hosted_put (self, "short", bytes, 2000, 0, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY);
  g_clear_error (&error);
  g_assert_null (hosted_put (self, "long", bytes, 500, 0, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY);
}

/* ---- cancellation ---- */

static void
test_cancelled_before (Hosted *self, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  teesql_storage_stat_async (self->storage, "x", cancellable, hosted_result_cb, &result);
  g_assert_null (teesql_storage_stat_finish (self->storage, hosted_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_cancelled_put (Hosted *self, gconstpointer data)
{
  int ends[2];
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GInputStream) content = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TeesqlObjectInfo) info = NULL;
  g_autoptr (GError) error = NULL;
  gint64 before = 0;

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  g_assert_cmpint (write (ends[1], "some", 4), ==, 4);
  content = g_unix_input_stream_new (ends[0], TRUE);
  teesql_storage_put_async (self->storage, "never", content, -1, 0, cancellable, hosted_result_cb, &result);
  info = hosted_stat (self, "never", NULL); /* a round trip: the put is under way */
  g_assert_null (info);
  before = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_assert_null (teesql_storage_put_finish (self->storage, hosted_wait (&result), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - before, <, G_USEC_PER_SEC);
  g_assert_null (hosted_stat (self, "never", NULL));
  close (ends[1]);
}

static void
test_closed_early (Hosted *self, gconstpointer data)
{
  g_autoptr (GBytes) bytes = hosted_pattern (20 * MIB);
  g_autoptr (TeesqlObjectInfo) info = hosted_put (self, "object", bytes, -1, 0, NULL);

  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (GInputStream) stream = hosted_open (self, "object", 0, G_MAXUINT64, NULL);
      g_autoptr (GAsyncResult) result = NULL;
      guint8 buffer[100];

      g_assert_nonnull (stream);
      if (i % 2 == 0)
        continue;
      g_input_stream_read_async (stream, buffer, sizeof buffer, G_PRIORITY_DEFAULT, NULL, hosted_result_cb, &result);
      g_assert_cmpint (g_input_stream_read_finish (stream, hosted_wait (&result), NULL), ==, 100);
    }
  g_clear_pointer (&info, teesql_object_info_unref);
  info = hosted_stat (self, "object", NULL);
  g_assert_nonnull (info);
}

/* ---- a host that dies ---- */

static void
expect_broken (Hosted *self, const char *reason)
{
  g_autoptr (GError) error = NULL;

  while (self->n_broken == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (self->broken_reason, ==, reason);
  g_assert_null (hosted_stat (self, "anything", &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
  g_assert_cmpuint (self->n_broken, ==, 1);
  g_assert_cmpint (teesql_storage_client_get_pid (self->client), ==, 0);
}

static void
test_killed_mid_put (Hosted *self, gconstpointer data)
{
  int ends[2];
  pid_t pid = teesql_storage_client_get_pid (self->client);
  g_autoptr (GInputStream) content = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  content = g_unix_input_stream_new (ends[0], TRUE);
  teesql_storage_put_async (self->storage, "never", content, -1, 0, NULL, hosted_result_cb, &result);
  g_assert_null (hosted_stat (self, "never", NULL));
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  g_assert_null (teesql_storage_put_finish (self->storage, hosted_wait (&result), &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "storage-host-died");
  close (ends[1]);
  expect_broken (self, "storage-host-died");
  hosted_wait_gone (pid);
}

static void
test_killed_mid_get (Hosted *self, gconstpointer data)
{
  g_autoptr (GBytes) bytes = hosted_pattern (40 * MIB);
  g_autoptr (TeesqlObjectInfo) info = hosted_put (self, "object", bytes, -1, 0, NULL);
  g_autoptr (GInputStream) stream = hosted_open (self, "object", 0, G_MAXUINT64, NULL);
  g_autoptr (GBytes) back = NULL;
  g_autoptr (GError) error = NULL;
  pid_t pid = teesql_storage_client_get_pid (self->client);

  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  hosted_wait_gone (pid);
  back = hosted_read (stream, MIB, &error);
  g_assert_null (back); /* an error, and no early end */
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNAVAILABLE);
  expect_broken (self, "storage-host-died");
}

static guint
count_descriptors (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static gsize
resident_pages (void)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  return (gsize) g_ascii_strtoull (strchr (text, ' ') + 1, NULL, 10);
}

static void
kill_and_let_go (Hosted *self)
{
  pid_t pid = teesql_storage_client_get_pid (self->client);

  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  while (self->n_broken == 0)
    g_main_context_iteration (NULL, TRUE);
  self->n_broken = 0;
  hosted_wait_gone (pid);
  g_object_add_weak_pointer (G_OBJECT (self->client), (gpointer *) &self->client);
  g_object_unref (self->client);
  while (self->client != NULL)
    g_main_context_iteration (NULL, TRUE);
}

#define N_WARM     20u
#define PAGES_MORE 1024u /* what an allocator may come to hold; a host's memory that stayed mapped would be more */

/* A hundred hosts, a thousand in the full run, each killed after a call: nothing of them stays. */
static void
test_many_killed (Hosted *self, gconstpointer data)
{
  const guint n_hosts = g_strcmp0 (g_getenv ("TEESQL_FULL"), "1") == 0 ? 1000 : 100;
  g_autoptr (GBytes) bytes = hosted_pattern (1000);
  guint n_descriptors = 0;
  gsize n_pages = 0;

  kill_and_let_go (self);
  for (guint i = 0; i < n_hosts; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlObjectInfo) info = NULL;

      g_assert_true (hosted_start (self, "example", &error));
      info = hosted_put (self, "object", bytes, -1, 0, &error);
      g_assert_no_error (error);
      kill_and_let_go (self);
      if (i == N_WARM)
        {
          n_descriptors = count_descriptors ();
          n_pages = resident_pages ();
        }
    }
  g_test_message ("descriptors %u then %u, resident pages %" G_GSIZE_FORMAT " then %" G_GSIZE_FORMAT, n_descriptors, count_descriptors (),
                  n_pages, resident_pages ());
  g_assert_cmpuint (count_descriptors (), <=, n_descriptors);
#if !defined __SANITIZE_ADDRESS__ /* which keeps what was freed */
  g_assert_cmpuint (resident_pages (), <=, n_pages + PAGES_MORE);
#endif
  g_assert_cmpint (waitpid (-1, NULL, WNOHANG), ==, -1);
  g_assert_cmpint (errno, ==, ECHILD);
}

static void
test_stopped_host_is_let_go (Hosted *self, gconstpointer data)
{
  g_assert_cmpint (kill (teesql_storage_client_get_pid (self->client), SIGSTOP), ==, 0);
  /* the tear-down waits for it: it cannot leave by itself and is killed after a second */
}

/* A reader gives back a slot when the client it came from is gone, and with it whoever waited for slots. */
static void
test_lease_outlives_client (Hosted *self, gconstpointer data)
{
  g_autoptr (TeesqlStorageLender) lender = teesql_storage_lender_ref (teesql_storage_client_get_lender (self->client));
  TeesqlStorageLease *lease = teesql_storage_lease_new (lender, 3, 1);
  gpointer gone = self->client;

  g_assert_false (teesql_storage_lender_await (lender));
  g_object_add_weak_pointer (G_OBJECT (self->client), (gpointer *) &self->client);
  g_object_unref (self->client);
  g_assert_null (self->client);
  teesql_storage_lease_free (lease);
  g_assert_null (g_main_context_find_source_by_user_data (NULL, gone));
}

#define N_LARGE 4

/* All that idle readers may hold, and all that parts may: what is left is for whoever else asks. */
static void
test_slots_are_left (Hosted *self, gconstpointer data)
{
  g_autoptr (GBytes) bytes = hosted_pattern (TEESQL_STORAGE_MAPPED_MAX);
  g_autoptr (TeesqlObjectInfo) info = hosted_put (self, "object", bytes, -1, 0, NULL);
  g_autoptr (GInputStream) stream = hosted_open (self, "object", 0, G_MAXUINT64, NULL);
  GInputStream *inner = teesql_checked_stream_peek_inner (TEESQL_CHECKED_STREAM (stream));
  g_autoptr (GPtrArray) leases = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_storage_lease_free);
  g_autofree guint8 *buffer = g_malloc (MIB);
  g_autofree char *id = begin_upload (self, "big");
  GAsyncResult *results[N_LARGE] = { NULL };
  gssize n = 0;

  do
    {
      g_autoptr (GAsyncResult) result = NULL;
      TeesqlStorageLease *lease = NULL;

      teesql_storage_client_stream_take_async (TEESQL_STORAGE_CLIENT_STREAM (inner), buffer, MIB, NULL, hosted_result_cb, &result);
      n = teesql_storage_client_stream_take_finish (TEESQL_STORAGE_CLIENT_STREAM (inner), hosted_wait (&result), &lease, NULL);
      if (lease != NULL)
        g_ptr_array_add (leases, lease);
    }
  while (n > 0);
  g_assert_cmpint (n, ==, 0);
  g_assert_cmpuint (leases->len, >, TEESQL_STORAGE_WINDOW);
  g_assert_cmpint (kill (teesql_storage_client_get_pid (self->client), SIGSTOP), ==, 0); /* no part ends meanwhile */
  for (guint i = 0; i < N_LARGE; i++)
    teesql_storage_upload_part_async (self->storage, "big", id, i + 1, bytes, NULL, hosted_result_cb, &results[i]);
  while (self->client->serving != NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (self->client->n_for_parts, ==, TEESQL_STORAGE_N_SLOTS / 4 * 3);
  g_assert_cmpuint (teesql_storage_client_count_free (self->client), >, 0);
  g_assert_cmpint (kill (teesql_storage_client_get_pid (self->client), SIGCONT), ==, 0);
  for (guint i = 0; i < N_LARGE; i++)
    {
      g_autofree char *tag = teesql_storage_upload_part_finish (self->storage, hosted_wait (&results[i]), NULL);

      g_assert_nonnull (tag);
      g_object_unref (results[i]);
    }
}

/* A plugin that fails a part and still holds its bytes must not find a later part's there. This one keeps what it was given even where
 * its answer is that it was cancelled: which the host hears of together with the part itself. */
static void
test_failed_part_is_let_go (Hosted *self, gconstpointer data)
{
  g_autoptr (GBytes) whole = hosted_pattern (4 * MIB);
  g_autoptr (GBytes) first = g_bytes_new_from_bytes (whole, 0, 2 * MIB);
  g_autoptr (GBytes) second = g_bytes_new_from_bytes (whole, 2 * MIB, 2 * MIB);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *id = begin_upload (self, "big");
  pid_t pid = teesql_storage_client_get_pid (self->client);
  const char *const tags[] = { "1", "2", NULL };
  GAsyncResult *results[3] = { NULL };
  g_autofree char *tag = NULL;
  g_autoptr (TeesqlObjectInfo) info = NULL;
  g_autoptr (GBytes) back = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (kill (pid, SIGSTOP), ==, 0);
  teesql_storage_upload_part_async (self->storage, "big", id, 1, first, cancellable, hosted_result_cb, &results[0]);
  while (self->client->serving != NULL)
    g_main_context_iteration (NULL, TRUE);
  g_cancellable_cancel (cancellable);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (kill (pid, SIGCONT), ==, 0);
  g_assert_null (teesql_storage_upload_part_finish (self->storage, hosted_wait (&results[0]), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  while (g_hash_table_size (self->client->calls) > 0) /* the host's last word, with which its slots come back */
    g_main_context_iteration (NULL, TRUE);
  teesql_storage_upload_part_async (self->storage, "big", id, 2, second, NULL, hosted_result_cb, &results[1]);
  tag = teesql_storage_upload_part_finish (self->storage, hosted_wait (&results[1]), &error);
  g_assert_cmpstr (tag, ==, "2");
  teesql_storage_upload_commit_async (self->storage, "big", id, tags, 0, NULL, hosted_result_cb, &results[2]);
  info = teesql_storage_upload_commit_finish (self->storage, hosted_wait (&results[2]), &error);
  g_assert_no_error (error); /* so the first part had reached the plugin */
  back = hosted_get (self, "big", 0, G_MAXUINT64, &error);
  g_assert_true (g_bytes_equal (back, whole));
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    g_object_unref (results[i]);
}

/* ---- what keeps one from starting ---- */

static void
refuse_start (Hosted *self, const char *instance, GQuark domain, int code, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (hosted_start (self, instance, &error));
  g_assert_error (error, domain, code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static void
test_unknown_option (Hosted *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  hosted_copy (self, "example", "libexample.so");
  hosted_configure (self, "mine", "plugin = example\nmax-objekt = 1KiB\n");
  g_assert_false (hosted_start (self, "mine", &error));
  g_assert_error (error, TEESQL_CONFIG_ERROR, TEESQL_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, "teesqld.conf:10: [storage:mine] max-objekt: unknown option\nhint: did you mean max-object?");
}

static void
test_options_arrive (Hosted *self, gconstpointer data)
{
  g_autoptr (GBytes) bytes = hosted_pattern (2000);
  g_autoptr (GError) error = NULL;

  hosted_copy (self, "example", "libexample.so");
  hosted_configure (self, "mine", "plugin = example\nmax-object = 1KiB\n");
  g_assert_true (hosted_start (self, "mine", NULL));
  g_assert_null (hosted_put (self, "large", bytes, -1, 0, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NO_SPACE);
}

static void
test_not_a_module (Hosted *self, gconstpointer data)
{
  hosted_write (self, "libtext.so", "this is no module");
  hosted_configure (self, "text", "");
  refuse_start (self, "text", TEESQL_PLUGIN_ERROR, TEESQL_ERROR_FAILED, "plugin-open");
}

static void
test_missing (Hosted *self, gconstpointer data)
{
  hosted_configure (self, "absent", "");
  refuse_start (self, "absent", TEESQL_PLUGIN_ERROR, TEESQL_ERROR_NOT_FOUND, "plugin-not-found");
}

static void
test_no_storage (Hosted *self, gconstpointer data)
{
  hosted_copy (self, "example", "liboptions.so");
  hosted_configure (self, "options", "");
  refuse_start (self, "options", TEESQL_PLUGIN_ERROR, TEESQL_ERROR_CONFIG, "plugin-interface");
}

static void
test_changed_module (Hosted *self, gconstpointer data)
{
  hosted_write (self, "libchanging.so", "one");
  hosted_configure (self, "changing", "");
  refuse_start (self, "changing", TEESQL_PLUGIN_ERROR, TEESQL_ERROR_FAILED, "plugin-open");
  hosted_write (self, "libchanging.so", "two");
  refuse_start (self, "changing", TEESQL_PLUGIN_ERROR, TEESQL_ERROR_CONFIG, "plugin-changed");
}

static void
test_writable_sidecar (Hosted *self, gconstpointer data)
{
  g_autofree char *path = g_build_filename (self->folder, "example.plugin", NULL);

  hosted_copy (self, "example", "libexample.so");
  hosted_copy (self, "example", "example.plugin");
  g_assert_cmpint (g_chmod (path, 0666), ==, 0);
  hosted_configure (self, "example", "");
  refuse_start (self, "example", TEESQL_PLUGIN_ERROR, TEESQL_ERROR_PERMISSION, "plugin-permissions");
}

/* The paths are tried before the module is mapped, so any bytes will do for it. */
static void
test_missing_path (Hosted *self, gconstpointer data)
{
  hosted_write (self, "libpathless.so", "not looked at");
  hosted_write (self, "pathless.plugin", "[Plugin]\nName=pathless\nInterfaces=storage\n\n[Sandbox]\npaths=/nonexistent/folder\n");
  hosted_configure (self, "pathless", "");
  refuse_start (self, "pathless", TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "storage-path");
}

static void
test_changed_sandbox (Hosted *self, gconstpointer data)
{
  hosted_write (self, "libgrowing.so", "not looked at");
  hosted_write (self, "growing.plugin", "[Sandbox]\npaths=/nonexistent/folder\n");
  hosted_configure (self, "growing", "");
  refuse_start (self, "growing", TEESQL_STORAGE_ERROR, TEESQL_ERROR_CONFIG, "storage-path");
  hosted_write (self, "growing.plugin", "[Sandbox]\npaths=/\n");
  refuse_start (self, "growing", TEESQL_PLUGIN_ERROR, TEESQL_ERROR_CONFIG, "plugin-changed");
}

static void
test_measures (Hosted *self, gconstpointer data)
{
  g_autofree char *module = NULL;
  g_autofree char *sandbox = NULL;

  g_assert_true (teesql_storage_client_measure (self->config, "example", &module, &sandbox, NULL));
  g_assert_cmpstr (module, ==, teesql_storage_client_get_module_digest (self->client));
  g_assert_cmpuint (strlen (sandbox), ==, 96);
}

static void
folder_set_up (Hosted *self, gconstpointer data)
{
  hosted_folder (self);
}

#define ADD(path, func)      g_test_add ("/storage/client/" path, Hosted, NULL, hosted_set_up, func, hosted_tear_down)
#define ADD_COLD(path, func) g_test_add ("/storage/client/" path, Hosted, NULL, folder_set_up, func, hosted_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("stores-and-fetches-every-size", test_put_and_get);
  ADD ("fetches-ranges", test_ranges);
  ADD ("carries-code-reason-and-text-of-errors", test_errors);
  ADD ("lists-page-by-page", test_list);
  ADD ("lists-more-than-a-message-holds", test_list_larger_than_a_frame);
  ADD ("removes-what-is-there-and-what-is-not", test_remove);
  ADD ("uploads-parts-side-by-side", test_upload);
  ADD ("aborts-an-upload", test_abort);
  ADD ("knows-what-it-runs", test_features);
  ADD ("serves-200-calls-at-once", test_parallel);
  ADD ("passes-on-the-contents-own-error", test_content_error);
  ADD ("refuses-content-of-another-size", test_wrong_size);
  ADD ("refuses-what-is-cancelled-already", test_cancelled_before);
  ADD ("cancels-a-put-within-a-second", test_cancelled_put);
  ADD ("lets-readers-close-early", test_closed_early);
  ADD ("fails-a-put-when-the-host-dies", test_killed_mid_put);
  ADD ("fails-a-get-when-the-host-dies", test_killed_mid_get);
  ADD ("reaps-a-host-that-cannot-leave", test_stopped_host_is_let_go);
  ADD ("hears-of-no-slot-once-it-is-gone", test_lease_outlives_client);
  ADD ("leaves-slots-beside-idle-readers-and-parts", test_slots_are_left);
  ADD ("lets-go-of-a-part-that-failed-before-its-place-is-used-again", test_failed_part_is_let_go);
  ADD ("keeps-nothing-of-hosts-that-were-killed", test_many_killed);
  ADD_COLD ("names-the-place-of-an-unknown-option", test_unknown_option);
  ADD_COLD ("hands-options-to-the-plugin", test_options_arrive);
  ADD_COLD ("refuses-a-file-that-is-no-module", test_not_a_module);
  ADD_COLD ("refuses-a-module-that-is-not-there", test_missing);
  ADD_COLD ("refuses-a-module-without-a-storage", test_no_storage);
  ADD_COLD ("refuses-other-bytes-under-a-name", test_changed_module);
  ADD_COLD ("refuses-a-sandbox-that-others-may-write", test_writable_sidecar);
  ADD_COLD ("refuses-a-path-that-is-not-there", test_missing_path);
  ADD_COLD ("refuses-a-sandbox-that-grew", test_changed_sandbox);
  ADD ("measures-what-it-will-run", test_measures);
  return g_test_run ();
}
