#include "fixture.h"

/* A storage that lies as told: sizes, names, pages and streams are the test's. */
#define FAKE_TYPE_STORAGE (fake_storage_get_type ())
G_DECLARE_FINAL_TYPE (FakeStorage, fake_storage, FAKE, STORAGE, GObject)

struct _FakeStorage
{
  GObject parent_instance;
  gsize read_before_finish; /* of the content, G_MAXSIZE: to its end */
  const char *answer_name;  /* NULL: as asked */
  gint64 answer_size;       /* -1: as read */
  TeesqlObjectPage *page;
  const char *stream;
  GInputStream *kept; /* the content of the last put */
  gsize n_read;
  char *asked;
  guint n_calls;
};

static GTask *
begin (gpointer storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  FakeStorage *self = FAKE_STORAGE (storage);

  self->n_calls++;
  g_free (self->asked);
  self->asked = g_strdup (name);
  return g_task_new (storage, cancellable, callback, user_data);
}

static void
fake_put_async (TeesqlStorage *storage, const char *name, GInputStream *content, gint64 size, TeesqlStoragePutFlags flags,
                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  FakeStorage *self = FAKE_STORAGE (storage);
  g_autoptr (GTask) task = begin (storage, name, cancellable, callback, user_data);
  GError *error = NULL;
  char buffer[16];
  gssize n = 0;

  g_set_object (&self->kept, content);
  self->n_read = 0;
  while (self->n_read < self->read_before_finish &&
         (n = g_input_stream_read (content, buffer, MIN (sizeof buffer, self->read_before_finish - self->n_read), NULL, &error)) > 0)
    self->n_read += (gsize) n;
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static TeesqlObjectInfo *
info_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  FakeStorage *self = FAKE_STORAGE (storage);

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return NULL;
  return teesql_object_info_new (self->answer_name != NULL ? self->answer_name : self->asked,
                                 self->answer_size >= 0 ? (guint64) self->answer_size : self->n_read, -1, NULL);
}

static void
fake_get_async (TeesqlStorage *storage, const char *name, guint64 offset, guint64 length, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (storage, name, cancellable, callback, user_data);

  g_task_return_boolean (task, TRUE);
}

static GInputStream *
fake_get_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  const char *text = FAKE_STORAGE (storage)->stream;

  return g_memory_input_stream_new_from_data (text, (gssize) strlen (text), NULL);
}

static void
fake_list_async (TeesqlStorage *storage, const char *prefix, const char *token, guint max, GCancellable *cancellable,
                 GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (storage, prefix, cancellable, callback, user_data);

  g_task_return_boolean (task, TRUE);
}

static TeesqlObjectPage *
fake_list_finish (TeesqlStorage *storage, GAsyncResult *result, GError **error)
{
  return g_steal_pointer (&FAKE_STORAGE (storage)->page);
}

static void
fake_stat_async (TeesqlStorage *storage, const char *name, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (storage, name, cancellable, callback, user_data);

  g_task_return_boolean (task, TRUE);
}

static void
fake_storage_iface_init (TeesqlStorageInterface *iface)
{
  iface->put_async = fake_put_async;
  iface->put_finish = info_finish;
  iface->get_async = fake_get_async;
  iface->get_finish = fake_get_finish;
  iface->list_async = fake_list_async;
  iface->list_finish = fake_list_finish;
  iface->stat_async = fake_stat_async;
  iface->stat_finish = info_finish;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (FakeStorage, fake_storage, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_STORAGE, fake_storage_iface_init))

static void
fake_storage_finalize (GObject *object)
{
  g_clear_object (&FAKE_STORAGE (object)->kept);
  g_free (FAKE_STORAGE (object)->asked);
  G_OBJECT_CLASS (fake_storage_parent_class)->finalize (object);
}

static void
fake_storage_class_init (FakeStorageClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_storage_finalize;
}

static void
fake_storage_init (FakeStorage *self)
{
  self->read_before_finish = G_MAXSIZE;
  self->answer_size = -1;
  self->stream = "0123456789";
}

static TeesqlObjectInfo *
put (FakeStorage *self, const char *name, gint64 size, TeesqlStoragePutFlags flags, GError **error)
{
  g_autoptr (GInputStream) content = g_memory_input_stream_new_from_data ("0123456789", 10, NULL);
  TeesqlStorage *storage = TEESQL_STORAGE (self);
  TeesqlObjectInfo *info = NULL;
  Answer answer = { NULL };

  teesql_storage_put_async (storage, name, content, size, flags, NULL, answer_cb, &answer);
  g_assert_null (answer.result);
  info = teesql_storage_put_finish (storage, answer_wait (&answer), error);
  answer_clear (&answer);
  return info;
}

static void
assert_put_refused (FakeStorage *self, gint64 size, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (put (self, "a/b", size, TEESQL_STORAGE_PUT_NONE, &error));
  assert_reason (error, TEESQL_STORAGE_ERROR, code, reason);
}

static void
names_follow_the_rule (void)
{
  g_autofree char *longest = g_strnfill (512, 'x');
  g_autofree char *too_long = g_strnfill (513, 'x');
  const char *const good[] = { "a", "a/b", "A-Z_0=.x", "...", "a/..b", ".hidden", longest };
  const char *const bad[] = { "",     "/",   "/a",  "a/",   "a//b",     ".",   "..",   "a/./b", "a/..",
                              "../a", "a b", "a\n", "a\\b", "\xc3\xa9", "a:b", "a%2f", too_long };

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (teesql_storage_name_is_valid (good[i]));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (teesql_storage_name_is_valid (bad[i]));
  g_assert_false (teesql_storage_name_is_valid (NULL));
}

static void
a_whole_put_succeeds (void)
{
  const gint64 sizes[] = { 10, -1 };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (FakeStorage) storage = g_object_new (FAKE_TYPE_STORAGE, NULL);
      g_autoptr (TeesqlObjectInfo) info = put (storage, "a/b", sizes[i], TEESQL_STORAGE_PUT_NONE, NULL);

      g_assert_nonnull (info);
      g_assert_cmpuint (teesql_object_info_get_size (info), ==, 10);
    }
}

static void
a_put_that_stopped_early_is_no_success (void)
{
  g_autoptr (FakeStorage) storage = g_object_new (FAKE_TYPE_STORAGE, NULL);

  storage->read_before_finish = 9;
  assert_put_refused (storage, 10, TEESQL_ERROR_INTEGRITY, "object-size");
  assert_put_refused (storage, -1, TEESQL_ERROR_INTEGRITY, "object-size");
  storage->read_before_finish = 10; /* all bytes, yet it never saw the end */
  assert_put_refused (storage, -1, TEESQL_ERROR_INTEGRITY, "object-size");
}

static void
a_put_of_another_size_or_name_is_no_success (void)
{
  g_autoptr (FakeStorage) storage = g_object_new (FAKE_TYPE_STORAGE, NULL);

  storage->answer_size = 11;
  assert_put_refused (storage, -1, TEESQL_ERROR_INTEGRITY, "object-size");
  storage->answer_size = -1;
  storage->answer_name = "a/c";
  assert_put_refused (storage, -1, TEESQL_ERROR_FAILED, "broken-plugin");
}

static void
content_must_be_as_long_as_announced (void)
{
  g_autoptr (FakeStorage) storage = g_object_new (FAKE_TYPE_STORAGE, NULL);

  assert_put_refused (storage, 11, TEESQL_ERROR_INTEGRITY, "object-size");
  assert_put_refused (storage, 9, TEESQL_ERROR_INTEGRITY, "object-size");
}

static void
content_cannot_be_read_after_the_finish (void)
{
  g_autoptr (FakeStorage) storage = g_object_new (FAKE_TYPE_STORAGE, NULL);
  g_autoptr (TeesqlObjectInfo) info = put (storage, "a/b", 10, TEESQL_STORAGE_PUT_NONE, NULL);
  g_autoptr (GError) error = NULL;
  char byte = 0;

  g_assert_cmpint (g_input_stream_read (storage->kept, &byte, 1, NULL, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

static void
bad_questions_never_reach_the_plugin (void)
{
  g_autoptr (FakeStorage) storage = g_object_new (FAKE_TYPE_STORAGE, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (put (storage, "../a", 10, TEESQL_STORAGE_PUT_NONE, &error));
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "object-name");
  g_clear_error (&error);
  g_assert_null (put (storage, "a", 10, TEESQL_STORAGE_PUT_IF_ABSENT, &error));
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNSUPPORTED, "not-implemented");
  g_clear_error (&error);
  g_assert_null (put (storage, "a", -2, TEESQL_STORAGE_PUT_NONE, &error));
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "range");
  g_assert_cmpuint (storage->n_calls, ==, 0);
}

static gboolean
get (FakeStorage *self, guint64 offset, guint64 length, GError **error)
{
  TeesqlStorage *storage = TEESQL_STORAGE (self);
  g_autoptr (GInputStream) stream = NULL;
  Answer answer = { NULL };
  char buffer[64];
  gssize n = 1;

  teesql_storage_get_async (storage, "a", offset, length, NULL, answer_cb, &answer);
  g_assert_null (answer.result);
  stream = teesql_storage_get_finish (storage, answer_wait (&answer), error);
  answer_clear (&answer);
  while (stream != NULL && n > 0)
    {
      g_input_stream_read_async (stream, buffer, 4, 0, NULL, answer_cb, &answer);
      n = g_input_stream_read_finish (stream, answer_wait (&answer), error);
      answer_clear (&answer);
    }
  return stream != NULL && n == 0;
}

static void
a_stream_holds_what_was_asked_or_fails (void)
{
  g_autoptr (FakeStorage) storage = g_object_new (FAKE_TYPE_STORAGE, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (get (storage, 0, 10, NULL));
  g_assert_true (get (storage, 0, G_MAXUINT64, NULL));
  g_assert_false (get (storage, 0, 11, &error)); /* ends early */
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "object-size");
  g_clear_error (&error);
  g_assert_false (get (storage, 0, 9, &error)); /* goes on */
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_INTEGRITY, "object-size");
  g_clear_error (&error);
  g_assert_false (get (storage, 0, 0, &error));
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "range");
  g_clear_error (&error);
  g_assert_false (get (storage, G_MAXUINT64 - 1, 4, &error));
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "range");
}

static TeesqlObjectPage *
list (FakeStorage *self, const char *prefix, const char *token, guint max, const char *const *names, const char *next, GError **error)
{
  TeesqlStorage *storage = TEESQL_STORAGE (self);
  g_autoptr (GPtrArray) objects = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref);
  TeesqlObjectPage *page = NULL;
  Answer answer = { NULL };

  for (gsize i = 0; names != NULL && names[i] != NULL; i++)
    g_ptr_array_add (objects, teesql_object_info_new (names[i], i, -1, NULL));
  g_clear_pointer (&self->page, teesql_object_page_unref);
  self->page = teesql_object_page_new (objects, next);
  teesql_storage_list_async (storage, prefix, token, max, NULL, answer_cb, &answer);
  g_assert_null (answer.result);
  page = teesql_storage_list_finish (storage, answer_wait (&answer), error);
  answer_clear (&answer);
  g_clear_pointer (&self->page, teesql_object_page_unref);
  return page;
}

static void
refuse_page (const char *prefix, const char *token, guint max, const char *const *names, const char *next, const char *reason)
{
  g_autoptr (FakeStorage) storage = g_object_new (FAKE_TYPE_STORAGE, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (list (storage, prefix, token, max, names, next, &error));
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, reason);
}

static void
pages_are_held_to_their_order (void)
{
  const char *const good[] = { "a/1", "a/2", "a/20", NULL };
  const char *const unsorted[] = { "a/2", "a/1", NULL };
  const char *const twice[] = { "a/1", "a/1", NULL };
  const char *const foreign[] = { "a/1", "b", NULL };
  const char *const invalid[] = { "a/1", "a/2/../3", NULL };
  g_autofree char *long_token = g_strnfill (TEESQL_STORAGE_TOKEN_MAX + 1, 't');
  g_autoptr (FakeStorage) storage = g_object_new (FAKE_TYPE_STORAGE, NULL);
  g_autoptr (TeesqlObjectPage) page = list (storage, "a/", NULL, 3, good, "next", NULL);
  g_autoptr (TeesqlObjectPage) empty = list (storage, "", "t", 1000, NULL, "u", NULL);

  g_assert_cmpuint (teesql_object_page_get_n_objects (page), ==, 3);
  g_assert_cmpstr (teesql_object_page_get_next_token (page), ==, "next");
  g_assert_nonnull (empty);
  refuse_page ("a/", NULL, 2, good, NULL, "broken-plugin");
  refuse_page ("a/", NULL, 9, unsorted, NULL, "broken-plugin");
  refuse_page ("a/", NULL, 9, twice, NULL, "broken-plugin");
  refuse_page ("a/", NULL, 9, foreign, NULL, "broken-plugin");
  refuse_page ("a/", NULL, 9, invalid, NULL, "broken-plugin");
  refuse_page ("", "same", 9, NULL, "same", "broken-plugin");
  refuse_page ("", NULL, 9, NULL, "", "broken-plugin");
  refuse_page ("", NULL, 9, NULL, long_token, "broken-plugin");
  refuse_page ("", long_token, 9, NULL, NULL, "range");
  refuse_page ("", NULL, 0, NULL, NULL, "range");
  refuse_page ("", NULL, 1001, NULL, NULL, "range");
  refuse_page ("a b", NULL, 9, NULL, NULL, "object-name");
}

static void
missing_slots_are_said (void)
{
  g_autoptr (FakeStorage) fake = g_object_new (FAKE_TYPE_STORAGE, NULL);
  TeesqlStorage *storage = TEESQL_STORAGE (fake);
  g_autoptr (GError) error = NULL;
  g_autofree char *id = NULL;
  Answer answer = { NULL };

  g_assert_cmpint (teesql_storage_get_features (storage), ==, 0);
  teesql_storage_upload_begin_async (storage, "a", TEESQL_STORAGE_PUT_NONE, NULL, answer_cb, &answer);
  id = teesql_storage_upload_begin_finish (storage, answer_wait (&answer), &error);
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_UNSUPPORTED, "not-implemented");
  g_clear_error (&error);
  answer_clear (&answer);
  teesql_storage_remove_async (storage, "a", NULL, answer_cb, &answer);
  g_assert_false (teesql_storage_remove_finish (storage, answer_wait (&answer), &error));
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "broken-plugin");
  answer_clear (&answer);
}

static void
stat_is_about_the_object_that_was_asked_for (void)
{
  g_autoptr (FakeStorage) fake = g_object_new (FAKE_TYPE_STORAGE, NULL);
  g_autoptr (TeesqlObjectInfo) info = NULL;
  g_autoptr (GError) error = NULL;
  Answer answer = { NULL };

  fake->answer_name = "b";
  teesql_storage_stat_async (TEESQL_STORAGE (fake), "a", NULL, answer_cb, &answer);
  info = teesql_storage_stat_finish (TEESQL_STORAGE (fake), answer_wait (&answer), &error);
  g_assert_null (info);
  assert_reason (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED, "broken-plugin");
  answer_clear (&answer);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/storage/names follow the rule", names_follow_the_rule);
  g_test_add_func ("/storage/a whole put succeeds", a_whole_put_succeeds);
  g_test_add_func ("/storage/a put that stopped early is no success", a_put_that_stopped_early_is_no_success);
  g_test_add_func ("/storage/a put of another size or name is no success", a_put_of_another_size_or_name_is_no_success);
  g_test_add_func ("/storage/content must be as long as announced", content_must_be_as_long_as_announced);
  g_test_add_func ("/storage/content cannot be read after the finish", content_cannot_be_read_after_the_finish);
  g_test_add_func ("/storage/bad questions never reach the plugin", bad_questions_never_reach_the_plugin);
  g_test_add_func ("/storage/a stream holds what was asked or fails", a_stream_holds_what_was_asked_or_fails);
  g_test_add_func ("/storage/pages are held to their order", pages_are_held_to_their_order);
  g_test_add_func ("/storage/missing slots are said", missing_slots_are_said);
  g_test_add_func ("/storage/stat is about the object that was asked for", stat_is_about_the_object_that_was_asked_for);
  return g_test_run ();
}
