#include "fixture.h"

/* Options of the `options` module, which has one of every type and says in its taint what it was given. */

static void
set_up (Folder *self, gconstpointer data)
{
  folder_set_up (self, data);
  folder_copy (self, "options");
}

static void
assert_given (Folder *self, const char *lines, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GObject) object = create_kms (self, "options", lines, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (teesql_kms_get_taint (TEESQL_KMS (object)), ==, expected);
}

static void
refuse (Folder *self, const char *lines, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (create_kms (self, "options", lines, &error));
  g_assert_error (error, TEESQL_CONFIG_ERROR, (int) TEESQL_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, message);
}

static void
silence_means_defaults (Folder *self, gconstpointer data)
{
  assert_given (self, "", "");
}

static void
every_type_is_read (Folder *self, gconstpointer data)
{
  assert_given (self, "timeout = 2s\n", "timeout=2000");
  assert_given (self, "timeout = 1min\n", "timeout=60000");
  assert_given (self, "buffer = 64KiB\n", "buffer=65536");
  assert_given (self, "retries = -1\n", "retries=-1");
  assert_given (self, "offset = 9223372036854775807\n", "offset=9223372036854775807");
  assert_given (self, "ratio = 0.25\n", "ratio=0.250000");
  assert_given (self, "strict = true\n", "strict=TRUE");
  assert_given (self, "label = two words\n", "label=\"two words\"");
  assert_given (self, "names = a;b;c;\n", "names=a+b+c");
  assert_given (self, "color = dark-blue\n", "color=((options-color) BLUE)");
  assert_given (self, "places = here;there\n", "places=((options-places) HERE | THERE)");
}

static void
values_of_the_wrong_form_are_refused_with_their_place (Folder *self, gconstpointer data)
{
  refuse (self, "timeout = 10\n", "teesqld.conf:7: [kms:options] timeout: \"10\" is no duration, 100ms..1min");
  refuse (self, "timeout = 99ms\n", "teesqld.conf:7: [kms:options] timeout: \"99ms\" is no duration, 100ms..1min");
  refuse (self, "timeout = 2min\n", "teesqld.conf:7: [kms:options] timeout: \"2min\" is no duration, 100ms..1min");
  refuse (self, "buffer = 1\n", "teesqld.conf:7: [kms:options] buffer: \"1\" is no size, 0B..9223372036854775807B");
  refuse (self, "retries = 10\n", "teesqld.conf:7: [kms:options] retries: \"10\" is no integer, -1..9");
  refuse (self, "ratio = nan\n", "teesqld.conf:7: [kms:options] ratio: \"nan\" is no number from 0 to 1");
  refuse (self, "ratio = 0.5x\n", "teesqld.conf:7: [kms:options] ratio: \"0.5x\" is no number from 0 to 1");
  refuse (self, "strict = yes\n", "teesqld.conf:7: [kms:options] strict: \"yes\" is neither true nor false");
  refuse (self, "color = green\n", "teesqld.conf:7: [kms:options] color: \"green\" is none of red, dark-blue");
  refuse (self, "places = here;nowhere\n", "teesqld.conf:7: [kms:options] places: \"nowhere\" is none of here, there");
  refuse (self, "names = a;;b\n", "teesqld.conf:7: [kms:options] names: \"a;;b\" has an empty element");
}

static void
unknown_options_come_with_a_hint (Folder *self, gconstpointer data)
{
  refuse (self, "timeuot = 1s\n", "teesqld.conf:7: [kms:options] timeuot: unknown option\nhint: did you mean timeout?");
  refuse (self, "something-else = 1s\n", "teesqld.conf:7: [kms:options] something-else: unknown option");
}

static void
all_findings_come_at_once (Folder *self, gconstpointer data)
{
  refuse (self, "timeout = 10\nplugin = options\nlabl = x\n",
          "teesqld.conf:7: [kms:options] timeout: \"10\" is no duration, 100ms..1min\n"
          "teesqld.conf:9: [kms:options] labl: unknown option\nhint: did you mean label?");
}

static void
secrets_are_references_and_never_repeated (Folder *self, gconstpointer data)
{
  g_autofree char *path = g_build_filename (self->folder, "token", NULL);
  g_autofree char *lines = g_strdup_printf ("token = file:%s\n", path);
  g_autofree char *label = g_strdup_printf ("label = file:%s\n", path);
  g_autoptr (GError) error = NULL;

  refuse (self, "token = hunter2\n",
          "teesqld.conf:7: [kms:options] token: a secret is not written into the file, expected credential:NAME, file:/PATH or env:NAME");
  g_assert_true (g_file_set_contents_full (path, "hunter2\n", 8, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  assert_given (self, lines, "token=secret of 7 bytes");
  assert_given (self, label, "label=\"hunter2\"");
  g_assert_cmpint (g_chmod (path, 0644), ==, 0);
  g_assert_null (create_kms (self, "options", lines, &error));
  g_assert_error (error, TEESQL_CONFIG_ERROR, (int) TEESQL_ERROR_CONFIG);
  g_assert_null (strstr (error->message, "hunter2"));
}

static void
what_stands_behind_a_text_must_be_text (Folder *self, gconstpointer data)
{
  g_autofree char *path = g_build_filename (self->folder, "binary", NULL);
  g_autofree char *lines = g_strdup_printf ("label = file:%s\n", path);
  g_autofree char *message = g_strdup_printf ("teesqld.conf:7: [kms:options] label: what stands behind file:%s is no text", path);

  g_assert_true (g_file_set_contents_full (path, "a\xff", 2, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  refuse (self, lines, message);
  g_assert_true (g_file_set_contents_full (path, "a\0b", 3, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  refuse (self, lines, message);
}

#define ADD(path, func) g_test_add (path, Folder, NULL, set_up, func, folder_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/options/silence means defaults", silence_means_defaults);
  ADD ("/options/every type is read", every_type_is_read);
  ADD ("/options/values of the wrong form are refused with their place", values_of_the_wrong_form_are_refused_with_their_place);
  ADD ("/options/unknown options come with a hint", unknown_options_come_with_a_hint);
  ADD ("/options/all findings come at once", all_findings_come_at_once);
  ADD ("/options/secrets are references and never repeated", secrets_are_references_and_never_repeated);
  ADD ("/options/what stands behind a text must be text", what_stands_behind_a_text_must_be_text);
  return g_test_run ();
}
