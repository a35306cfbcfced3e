#include "fixture.h"

#define FAKE_TYPE_KMS (fake_kms_get_type ())
G_DECLARE_FINAL_TYPE (FakeKms, fake_kms, FAKE, KMS, GObject)

struct _FakeKms
{
  GObject parent_instance;
  const guint8 *key;
  gsize size;
  guint n_calls;
};

static void
fake_get_key_async (TeesqlKms *kms, const char *path, const char *purpose, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (kms, cancellable, callback, user_data);

  FAKE_KMS (kms)->n_calls++;
  g_task_return_boolean (task, TRUE);
}

static TeesqlSecret *
fake_get_key_finish (TeesqlKms *kms, GAsyncResult *result, GError **error)
{
  FakeKms *self = FAKE_KMS (kms);

  return self->key != NULL ? teesql_secret_new (self->key, self->size, error) : NULL;
}

static const char *
fake_get_taint (TeesqlKms *kms)
{
  return "made up";
}

static void
fake_kms_iface_init (TeesqlKmsInterface *iface)
{
  iface->get_key_async = fake_get_key_async;
  iface->get_key_finish = fake_get_key_finish;
  iface->get_taint = fake_get_taint;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (FakeKms, fake_kms, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (TEESQL_TYPE_KMS, fake_kms_iface_init))

static void
fake_kms_class_init (FakeKmsClass *klass)
{
}

static void
fake_kms_init (FakeKms *self)
{
}

static TeesqlSecret *
get_key (FakeKms *self, const char *path, GError **error)
{
  Answer answer = { NULL };
  TeesqlSecret *key = NULL;

  teesql_kms_get_key_async (TEESQL_KMS (self), path, "superuser-password", NULL, answer_cb, &answer);
  g_assert_null (answer.result);
  key = teesql_kms_get_key_finish (TEESQL_KMS (self), answer_wait (&answer), error);
  answer_clear (&answer);
  return key;
}

static void
refuse_key (const guint8 *key, gsize size, TeesqlError code, const char *reason)
{
  g_autoptr (FakeKms) kms = g_object_new (FAKE_TYPE_KMS, NULL);
  g_autoptr (GError) error = NULL;

  kms->key = key;
  kms->size = size;
  g_assert_null (get_key (kms, "pg/superuser", &error));
  assert_reason (error, TEESQL_KMS_ERROR, code, reason);
}

static void
a_key_of_32_bytes_is_handed_on (void)
{
  g_autoptr (FakeKms) kms = g_object_new (FAKE_TYPE_KMS, NULL);
  g_autoptr (TeesqlSecret) key = NULL;
  guint8 bytes[32] = { 1, 2 };

  kms->key = bytes;
  kms->size = sizeof bytes;
  key = get_key (kms, "pg/superuser", NULL);
  g_assert_cmpmem (teesql_secret_peek (key, NULL), 32, bytes, 32);
  g_assert_cmpstr (teesql_kms_get_taint (TEESQL_KMS (kms)), ==, "made up");
}

static void
other_lengths_and_degenerate_keys_are_refused (void)
{
  guint8 bytes[33] = { 1, 2 };
  guint8 same[32];

  memset (same, 0xaa, sizeof same);
  refuse_key (bytes, 31, TEESQL_ERROR_REFUSED, "key-size");
  refuse_key (bytes, 33, TEESQL_ERROR_REFUSED, "key-size");
  refuse_key (same, 32, TEESQL_ERROR_REFUSED, "key-degenerate");
  refuse_key (NULL, 0, TEESQL_ERROR_FAILED, "broken-plugin");
  same[31] = 0xab;
  g_test_message ("one differing byte is enough to be a key");
  {
    g_autoptr (FakeKms) kms = g_object_new (FAKE_TYPE_KMS, NULL);
    g_autoptr (TeesqlSecret) key = NULL;

    kms->key = same;
    kms->size = 32;
    key = get_key (kms, "a", NULL);
    g_assert_nonnull (key);
  }
}

static void
an_unsound_path_never_reaches_the_plugin (void)
{
  g_autofree char *long_path = g_strnfill (256, 'p');
  const char *const bad[] = { "", "pg superuser", "pg\n", "p\xc3\xa9", "a:b", long_path };
  g_autoptr (FakeKms) kms = g_object_new (FAKE_TYPE_KMS, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (get_key (kms, bad[i], &error));
      assert_reason (error, TEESQL_KMS_ERROR, TEESQL_ERROR_FAILED, "key-path");
    }
  g_assert_cmpuint (kms->n_calls, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kms/a key of 32 bytes is handed on", a_key_of_32_bytes_is_handed_on);
  g_test_add_func ("/kms/other lengths and degenerate keys are refused", other_lengths_and_degenerate_keys_are_refused);
  g_test_add_func ("/kms/an unsound path never reaches the plugin", an_unsound_path_never_reaches_the_plugin);
  return g_test_run ();
}
