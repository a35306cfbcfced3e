#include "base/teesql-digest.h"
#include "base/teesql-hex.h"
#include "fixture.h"
#include <unistd.h>

static void
refuse (Folder *self, const char *instance, TeesqlError code, const char *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (create_kms (self, instance, "", &error));
  g_assert_error (error, TEESQL_PLUGIN_ERROR, (int) code);
  g_assert_cmpstr (teesql_error_get_reason (error), ==, reason);
}

static GAsyncResult *
wait_for (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

static void
put_object (TeesqlStorage *storage, const char *name, const char *text)
{
  g_autoptr (GInputStream) content = g_memory_input_stream_new_from_data (text, (gssize) strlen (text), NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TeesqlObjectInfo) info = NULL;

  teesql_storage_put_async (storage, name, content, -1, TEESQL_STORAGE_PUT_IF_ABSENT, NULL, result_cb, &result);
  info = teesql_storage_put_finish (storage, wait_for (&result), NULL);
  g_assert_nonnull (info);
}

static char *
get_object (TeesqlStorage *storage, const char *name, guint64 offset, guint64 length)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GInputStream) stream = NULL;
  char buffer[64] = { 0 };
  gsize n = 0;

  teesql_storage_get_async (storage, name, offset, length, NULL, result_cb, &result);
  stream = teesql_storage_get_finish (storage, wait_for (&result), NULL);
  g_assert_nonnull (stream);
  g_assert_true (g_input_stream_read_all (stream, buffer, sizeof buffer - 1, &n, NULL, NULL));
  return g_strndup (buffer, n);
}

/* Parts out of order, as PARALLEL allows. */
static void
upload_object (TeesqlStorage *storage, const char *name)
{
  const char *const parts[] = { "one ", "two ", "three" };
  char *tags[4] = { NULL };
  g_autoptr (GAsyncResult) began = NULL;
  g_autoptr (GAsyncResult) committed = NULL;
  g_autoptr (TeesqlObjectInfo) info = NULL;
  g_autofree char *id = NULL;

  teesql_storage_upload_begin_async (storage, name, TEESQL_STORAGE_PUT_NONE, NULL, result_cb, &began);
  id = teesql_storage_upload_begin_finish (storage, wait_for (&began), NULL);
  g_assert_nonnull (id);
  for (guint i = 3; i > 0; i--)
    {
      g_autoptr (GBytes) bytes = g_bytes_new_static (parts[i - 1], strlen (parts[i - 1]));
      g_autoptr (GAsyncResult) result = NULL;

      teesql_storage_upload_part_async (storage, name, id, i, bytes, NULL, result_cb, &result);
      tags[i - 1] = teesql_storage_upload_part_finish (storage, wait_for (&result), NULL);
      g_assert_nonnull (tags[i - 1]);
    }
  teesql_storage_upload_commit_async (storage, name, id, (const char *const *) tags, TEESQL_STORAGE_PUT_NONE, NULL, result_cb, &committed);
  info = teesql_storage_upload_commit_finish (storage, wait_for (&committed), NULL);
  g_assert_nonnull (info);
  for (guint i = 0; i < 3; i++)
    g_free (tags[i]);
}

static void
a_strangers_storage_works_through_the_wrappers (Folder *self, gconstpointer data)
{
  g_autoptr (TeesqlConfig) config = NULL;
  g_autoptr (TeesqlPluginLoader) loader = NULL;
  g_autoptr (GObject) object = NULL;
  g_autofree char *part = NULL;
  g_autofree char *whole = NULL;
  g_autoptr (GAsyncResult) listed = NULL;
  g_autoptr (TeesqlObjectPage) page = NULL;

  folder_copy (self, "example");
  config = folder_config (self, "unused", "");
  loader = teesql_plugin_loader_new (config);
  object = create (loader, "storage", "example", NULL); /* no group: nothing needed to be said */
  g_assert_true (TEESQL_IS_STORAGE (object));
  put_object (TEESQL_STORAGE (object), "a/b", "0123456789");
  part = get_object (TEESQL_STORAGE (object), "a/b", 3, 4);
  g_assert_cmpstr (part, ==, "3456");
  upload_object (TEESQL_STORAGE (object), "a/c");
  whole = get_object (TEESQL_STORAGE (object), "a/c", 0, G_MAXUINT64);
  g_assert_cmpstr (whole, ==, "one two three");
  teesql_storage_list_async (TEESQL_STORAGE (object), "a/", NULL, 1, NULL, result_cb, &listed);
  page = teesql_storage_list_finish (TEESQL_STORAGE (object), wait_for (&listed), NULL);
  g_assert_cmpuint (teesql_object_page_get_n_objects (page), ==, 1);
  g_assert_cmpstr (teesql_object_page_get_next_token (page), ==, "a/b");
}

static void
the_digest_is_that_of_the_file (Folder *self, gconstpointer data)
{
  g_autoptr (TeesqlConfig) config = NULL;
  g_autoptr (TeesqlPluginLoader) loader = NULL;
  g_autoptr (GObject) first = NULL;
  g_autoptr (GObject) second = NULL;
  g_autoptr (GPtrArray) loaded = NULL;
  g_autofree char *path = NULL;
  g_autofree char *bytes = NULL;
  g_autofree char *expected = NULL;
  guint8 digest[TEESQL_SHA384_SIZE];
  gsize size = 0;

  folder_copy (self, "options");
  path = folder_module (self, "options");
  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  teesql_digest_bytes (TEESQL_DIGEST_SHA384, digest, bytes, size);
  expected = teesql_hex_encode (digest, sizeof digest);
  config = folder_config (self, "mine", "plugin = options\n");
  loader = teesql_plugin_loader_new (config);
  g_assert_null (teesql_plugin_loader_get_module_digest (loader, "kms", "mine"));
  first = create (loader, "kms", "mine", NULL);
  second = create (loader, "kms", "mine", NULL);
  g_assert_true (first != NULL && second != NULL && first != second);
  g_assert_true (G_OBJECT_TYPE (first) == G_OBJECT_TYPE (second));
  g_assert_cmpstr (teesql_plugin_loader_get_module_digest (loader, "kms", "mine"), ==, expected);
  loaded = teesql_plugin_loader_list_loaded (loader);
  g_assert_cmpuint (loaded->len, ==, 1);
  g_assert_cmpstr (((TeesqlPluginLoaded *) loaded->pdata[0])->module, ==, "options");
  g_assert_cmpstr (((TeesqlPluginLoaded *) loaded->pdata[0])->version, ==, "0.1");
  g_assert_cmpstr (((TeesqlPluginLoaded *) loaded->pdata[0])->digest, ==, expected);
}

/* glibc knows modules by name, and the name is /proc/self/fd/N: a number that was given back would bring the earlier module. */
static void
every_module_is_itself (Folder *self, gconstpointer data)
{
  const char *const names[] = { "options", "bad-abi", "init-fails", "no-descriptor", "wrong-type" };
  const char *const reasons[] = { NULL, "plugin-abi", "nobody-home", "plugin-descriptor", "plugin-interface" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GObject) object = NULL;

      folder_copy (self, names[i]);
      object = create_kms (self, names[i], "", &error);
      if (reasons[i] == NULL)
        g_assert_cmpstr (G_OBJECT_TYPE_NAME (object), ==, "Variant-options");
      else
        g_assert_cmpstr (teesql_error_get_reason (error), ==, reasons[i]);
    }
}

static void
a_module_that_is_not_what_it_should_be_is_refused (Folder *self, gconstpointer data)
{
  const struct
  {
    const char *name;
    TeesqlError code;
    const char *reason;
  } bad[] = {
    { "bad-abi", TEESQL_ERROR_UNSUPPORTED, "plugin-abi" },       { "bad-size", TEESQL_ERROR_UNSUPPORTED, "plugin-abi" },
    { "bad-name", TEESQL_ERROR_FAILED, "plugin-name" },          { "no-descriptor", TEESQL_ERROR_FAILED, "plugin-descriptor" },
    { "no-types", TEESQL_ERROR_FAILED, "plugin-descriptor" },    { "wrong-type", TEESQL_ERROR_FAILED, "plugin-interface" },
    { "reserved", TEESQL_ERROR_FAILED, "plugin-reserved-name" }, { "initable", TEESQL_ERROR_FAILED, "plugin-interface" },
    { "example", TEESQL_ERROR_CONFIG, "plugin-interface" },      { "absent", TEESQL_ERROR_NOT_FOUND, "plugin-not-found" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      if (strcmp (bad[i].name, "absent") != 0)
        folder_copy (self, bad[i].name);
      refuse (self, bad[i].name, bad[i].code, bad[i].reason);
    }
}

static void
bytes_that_are_no_module_are_refused (Folder *self, gconstpointer data)
{
  g_autofree char *noise = folder_module (self, "noise");
  g_autofree char *empty = folder_module (self, "empty");
  g_autofree char *folder = folder_module (self, "folder");

  g_assert_true (g_file_set_contents_full (noise, "no ELF", 6, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
  g_assert_true (g_file_set_contents_full (empty, "", 0, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
  g_assert_cmpint (g_mkdir (folder, 0755), ==, 0);
  refuse (self, "noise", TEESQL_ERROR_FAILED, "plugin-open");
  refuse (self, "empty", TEESQL_ERROR_FAILED, "plugin-size");
  refuse (self, "folder", TEESQL_ERROR_PERMISSION, "plugin-permissions");
}

static void
files_and_folders_others_may_write_are_refused (Folder *self, gconstpointer data)
{
  g_autofree char *path = NULL;
  const int modes[] = { 0664, 0646 };

  folder_copy (self, "options");
  path = folder_module (self, "options");
  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_assert_cmpint (g_chmod (path, modes[i]), ==, 0);
      refuse (self, "options", TEESQL_ERROR_PERMISSION, "plugin-permissions");
    }
  g_assert_cmpint (g_chmod (path, 0644), ==, 0);
  g_assert_cmpint (g_chmod (self->folder, 0770), ==, 0);
  refuse (self, "options", TEESQL_ERROR_PERMISSION, "plugin-permissions");
  g_assert_cmpint (g_chmod (self->folder, 0707), ==, 0);
  refuse (self, "options", TEESQL_ERROR_PERMISSION, "plugin-permissions");
  g_assert_cmpint (g_chmod (self->folder, 0700), ==, 0);
  if (geteuid () != 0)
    {
      g_test_message ("owners are only changed by root");
      return;
    }
  g_assert_cmpint (chown (path, 12345, 12345), ==, 0);
  refuse (self, "options", TEESQL_ERROR_PERMISSION, "plugin-permissions");
  g_assert_cmpint (chown (path, 0, 0), ==, 0);
  g_assert_cmpint (chown (self->folder, 12345, 12345), ==, 0);
  refuse (self, "options", TEESQL_ERROR_PERMISSION, "plugin-permissions");
  g_assert_cmpint (chown (self->folder, 0, 0), ==, 0);
}

/* A link is followed, and where it leads is held to the same rules. */
static void
a_link_is_judged_by_where_it_leads (Folder *self, gconstpointer data)
{
  g_autofree char *link = folder_module (self, "options");
  g_autofree char *target = folder_module (self, "elsewhere");
  g_autoptr (GObject) object = NULL;

  folder_copy (self, "options");
  g_assert_cmpint (g_rename (link, target), ==, 0);
  g_assert_cmpint (symlink (target, link), ==, 0);
  object = create_kms (self, "options", "", NULL);
  g_assert_nonnull (object);
  g_assert_cmpint (g_chmod (target, 0666), ==, 0);
  refuse (self, "options", TEESQL_ERROR_PERMISSION, "plugin-permissions");
}

static void
other_bytes_under_a_running_name_need_a_restart (Folder *self, gconstpointer data)
{
  g_autofree char *path = folder_module (self, "options");
  g_autoptr (GObject) object = NULL;
  FILE *file = NULL;

  folder_copy (self, "options");
  object = create_kms (self, "options", "", NULL);
  g_assert_nonnull (object);
  file = fopen (path, "a");
  g_assert_cmpint (fputc ('x', file), ==, 'x');
  g_assert_cmpint (fclose (file), ==, 0);
  refuse (self, "options", TEESQL_ERROR_CONFIG, "plugin-changed");
}

static void
initialisation_decides (Folder *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  folder_copy (self, "init-fails");
  g_assert_null (create_kms (self, "init-fails", "", &error));
  g_assert_error (error, TEESQL_KMS_ERROR, (int) TEESQL_ERROR_UNAVAILABLE);
  g_assert_cmpstr (error->message, ==, "[kms:init-fails] nobody answers");
  g_assert_cmpuint (teesql_error_get_retry_after_ms (error), ==, 250);
}

static void
listing_runs_no_foreign_code (Folder *self, gconstpointer data)
{
  g_autofree char *good = g_build_filename (self->folder, "example.plugin", NULL);
  g_autofree char *alone = g_build_filename (self->folder, "alone.plugin", NULL);
  g_autofree char *lying = g_build_filename (self->folder, "lying.plugin", NULL);
  g_autofree char *bad = g_build_filename (self->folder, "Bad.plugin", NULL);
  const char *const path[] = { self->folder, "relative/is/ignored", NULL };
  g_autoptr (GPtrArray) list = NULL;
  const TeesqlPluginInfo *info = NULL;

  folder_copy (self, "example");
  g_assert_true (g_file_set_contents (good, "[Plugin]\nName=example\nSummary=In \x1b[31mmemory\nInterfaces=storage\n", -1, NULL));
  g_assert_true (g_file_set_contents (alone, "[Plugin]\nName=alone\nInterfaces=kms\n", -1, NULL));
  g_assert_true (g_file_set_contents (lying, "[Plugin]\nName=example\nInterfaces=kms\n", -1, NULL));
  g_assert_true (g_file_set_contents (bad, "[Plugin]\n", -1, NULL));
  list = teesql_plugin_info_list (path);
  g_assert_cmpuint (list->len, >=, 3); /* the compiled-in folder may have some too */
  info = list->pdata[0];
  g_assert_cmpstr (info->name, ==, "alone");
  g_assert_cmpstr (info->problem, ==, "libalone.so is missing beside it");
  for (guint i = 0; i < list->len; i++)
    {
      info = list->pdata[i];
      g_assert_cmpstr (info->name, !=, "Bad");
      if (strcmp (info->name, "lying") == 0)
        g_assert_nonnull (info->problem);
      if (strcmp (info->name, "example") != 0)
        continue;
      g_assert_null (info->problem);
      g_assert_cmpstr (info->summary, ==, "In ?[31mmemory");
      g_assert_cmpstr (info->interfaces[0], ==, "storage");
      g_assert_nonnull (info->module);
    }
}

static void
describing_lists_options_for_people (Folder *self, gconstpointer data)
{
  const char *const path[] = { self->folder, NULL };
  const char *const expected[][3] = {
    { "buffer", "size, 0B..9223372036854775807B", "1KiB" },
    { "color", "red, dark-blue", "red" },
    { "label", "text", NULL },
    { "names", "list", NULL },
    { "offset", "integer, -9223372036854775808..9223372036854775807", "0" },
    { "places", "list of here, there", "here" },
    { "ratio", "number, 0..1", "0.5" },
    { "retries", "integer, -1..9", "3" },
    { "strict", "true or false", "false" },
    { "timeout", "duration, 100ms..1min", "10s" },
    { "token", "secret (credential:, file:, env:)", NULL },
  };
  g_autoptr (GPtrArray) list = NULL;

  folder_copy (self, "options");
  list = teesql_plugin_describe (path, "options", NULL);
  g_assert_nonnull (list);
  g_assert_cmpuint (list->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < list->len; i++)
    {
      const TeesqlPluginOption *option = list->pdata[i];

      g_assert_cmpstr (option->interface_name, ==, "kms");
      g_assert_cmpstr (option->name, ==, expected[i][0]);
      g_assert_cmpstr (option->type, ==, expected[i][1]);
      g_assert_cmpstr (option->fallback, ==, expected[i][2]);
      g_assert_true (option->blurb[0] != '\0');
    }
}

/* The modules that ship pass the same door. */
static void
our_own_modules_are_no_exception (Folder *self, gconstpointer data)
{
  const char *const names[] = { "dcap", "dstack" };
  g_autofree char *built = g_build_filename (g_getenv ("TEESQL_TEST_BUILD"), "plugins", NULL);
  const char *const path[] = { self->folder, NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *from = g_strdup_printf ("%s/lib%s.so", built, names[i]);
      g_autofree char *to = folder_module (self, names[i]);
      g_autoptr (GPtrArray) options = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *bytes = NULL;
      gsize size = 0;

      g_assert_true (g_file_get_contents (from, &bytes, &size, NULL));
      g_assert_true (g_file_set_contents_full (to, bytes, (gssize) size, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
      options = teesql_plugin_describe (path, names[i], &error);
      g_assert_no_error (error);
      g_assert_cmpuint (options->len, >, 0);
      for (guint j = 0; j < options->len; j++)
        g_test_message ("%s %s: %s [%s] %s", ((TeesqlPluginOption *) options->pdata[j])->interface_name,
                        ((TeesqlPluginOption *) options->pdata[j])->name, ((TeesqlPluginOption *) options->pdata[j])->type,
                        ((TeesqlPluginOption *) options->pdata[j])->fallback, ((TeesqlPluginOption *) options->pdata[j])->blurb);
    }
}

#define ADD(path, func) g_test_add (path, Folder, NULL, folder_set_up, func, folder_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/loader/a stranger's storage works through the wrappers", a_strangers_storage_works_through_the_wrappers);
  ADD ("/loader/the digest is that of the file", the_digest_is_that_of_the_file);
  ADD ("/loader/every module is itself", every_module_is_itself);
  ADD ("/loader/a module that is not what it should be is refused", a_module_that_is_not_what_it_should_be_is_refused);
  ADD ("/loader/bytes that are no module are refused", bytes_that_are_no_module_are_refused);
  ADD ("/loader/files and folders others may write are refused", files_and_folders_others_may_write_are_refused);
  ADD ("/loader/a link is judged by where it leads", a_link_is_judged_by_where_it_leads);
  ADD ("/loader/other bytes under a running name need a restart", other_bytes_under_a_running_name_need_a_restart);
  ADD ("/loader/initialisation decides", initialisation_decides);
  ADD ("/info/listing runs no foreign code", listing_runs_no_foreign_code);
  ADD ("/info/describing lists options for people", describing_lists_options_for_people);
  ADD ("/loader/our own modules are no exception", our_own_modules_are_no_exception);
  return g_test_run ();
}
