#include "fake-platform.h"
#include "ratls/teesql-ratls-certificate.h"
#include "ratls/teesql-ratls-identity.h"
#include <string.h>

static void fake_attester_iface_init (TeesqlAttesterInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FakeAttester, fake_attester, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_ATTESTER, fake_attester_iface_init))

typedef struct
{
  gboolean wants_identity;
  guint8 report_data[TEESQL_REPORT_DATA_SIZE];
  TeesqlTlsRequest request;
} Wish;

static TeesqlTlsIdentity *
make_identity (FakeAttester *self, const Wish *wish)
{
  const TeesqlTlsRequest request = { .subject = "agent",
                                     .usage = wish->request.usage,
                                     .not_before_unix = wish->request.not_before_unix,
                                     .not_after_unix = self->own_not_after != 0 ? self->own_not_after : wish->request.not_after_unix };
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) spki = NULL;
  g_autoptr (TeesqlSecret) key = teesql_ratls_make_key (&spki, &error);
  g_autoptr (TeesqlEvidence) evidence = NULL;
  guint8 report_data[TEESQL_REPORT_DATA_SIZE] = { 0 };
  TeesqlTlsIdentity *identity = NULL;

  g_assert_no_error (error);
  if (!self->wrong_binding)
    teesql_ratls_report_data (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), report_data);
  evidence = fake_evidence_new (report_data, self->drop_event, 0);
  identity = teesql_ratls_make_identity (key, &request, evidence, report_data, &error);
  g_assert_no_error (error);
  return identity;
}

static void
end (FakeAttester *self, GTask *task)
{
  const Wish *wish = g_task_get_task_data (task);

  self->n_running--;
  if (self->mode == FAKE_ERROR)
    g_task_return_error (task, teesql_error_new (TEESQL_ATTESTER_ERROR, self->code, self->reason, 0, "fake attester says no"));
  else if (self->mode == FAKE_NULL)
    g_task_return_pointer (task, NULL, NULL);
  else if (wish->wants_identity)
    g_task_return_pointer (task, make_identity (self, wish), (GDestroyNotify) teesql_tls_identity_unref);
  else
    g_task_return_pointer (task, fake_evidence_new (wish->report_data, self->drop_event, 0), (GDestroyNotify) teesql_evidence_unref);
}

static void
begin (FakeAttester *self, GTask *task, Wish *wish)
{
  self->n_quotes++;
  self->n_running++;
  self->max_running = MAX (self->max_running, self->n_running);
  g_string_append_printf (self->order, "%02x", wish->report_data[0]);
  g_task_set_task_data (task, wish, g_free);
  if (self->mode == FAKE_HOLD || self->mode == FAKE_DEAF)
    g_ptr_array_add (self->held, g_object_ref (task));
  else
    end (self, task);
}

static TeesqlAttesterFeatures
get_features (TeesqlAttester *attester)
{
  return FAKE_ATTESTER (attester)->gives_identity ? TEESQL_ATTESTER_FEATURE_TLS_IDENTITY : 0;
}

static void
get_evidence_async (TeesqlAttester *attester, const guint8 *report_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                    gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (attester, cancellable, callback, user_data);
  Wish *wish = g_new0 (Wish, 1);

  memcpy (wish->report_data, report_data, sizeof wish->report_data);
  begin (FAKE_ATTESTER (attester), task, wish);
}

static TeesqlEvidence *
get_evidence_finish (TeesqlAttester *attester, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
get_tls_identity_async (TeesqlAttester *attester, const TeesqlTlsRequest *request, GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (attester, cancellable, callback, user_data);
  Wish *wish = g_new0 (Wish, 1);

  wish->wants_identity = TRUE;
  wish->request = *request;
  begin (FAKE_ATTESTER (attester), task, wish);
}

static TeesqlTlsIdentity *
get_tls_identity_finish (TeesqlAttester *attester, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static const char *
get_taint (TeesqlAttester *attester)
{
  return FAKE_ATTESTER (attester)->taint;
}

static void
fake_attester_iface_init (TeesqlAttesterInterface *iface)
{
  iface->get_features = get_features;
  iface->get_evidence_async = get_evidence_async;
  iface->get_evidence_finish = get_evidence_finish;
  iface->get_tls_identity_async = get_tls_identity_async;
  iface->get_tls_identity_finish = get_tls_identity_finish;
  iface->get_taint = get_taint;
}

void
fake_attester_release (FakeAttester *self)
{
  g_autoptr (GTask) task = NULL;

  g_assert_cmpuint (self->held->len, >, 0);
  task = g_ptr_array_steal_index (self->held, 0);
  end (self, task);
}

static void
fake_attester_finalize (GObject *object)
{
  FakeAttester *self = FAKE_ATTESTER (object);

  g_ptr_array_unref (self->held);
  g_string_free (self->order, TRUE);
  G_OBJECT_CLASS (fake_attester_parent_class)->finalize (object);
}

static void
fake_attester_class_init (FakeAttesterClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_attester_finalize;
}

static void
fake_attester_init (FakeAttester *self)
{
  self->held = g_ptr_array_new_with_free_func (g_object_unref);
  self->order = g_string_new (NULL);
  self->taint = "simulator at /tmp/fake.sock";
}

FakeAttester *
fake_attester_new (void)
{
  return g_object_new (FAKE_TYPE_ATTESTER, NULL);
}

/* ---- KMS ---- */

static void fake_kms_iface_init (TeesqlKmsInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FakeKms, fake_kms, G_TYPE_OBJECT, G_IMPLEMENT_INTERFACE (TEESQL_TYPE_KMS, fake_kms_iface_init))

static void
get_key_async (TeesqlKms *kms, const char *path, const char *purpose, GCancellable *cancellable, GAsyncReadyCallback callback,
               gpointer user_data)
{
  FakeKms *self = FAKE_KMS (kms);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  guint8 key[TEESQL_KMS_KEY_SIZE] = { 1, 2, 3 };

  g_free (self->last);
  self->last = g_strdup_printf ("%s %s", path, purpose);
  if (self->error != NULL)
    g_task_return_error (task, g_error_copy (self->error));
  else
    g_task_return_pointer (task, teesql_secret_new (key, sizeof key, NULL), (GDestroyNotify) teesql_secret_unref);
}

static TeesqlSecret *
get_key_finish (TeesqlKms *kms, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static const char *
kms_get_taint (TeesqlKms *kms)
{
  return FAKE_KMS (kms)->taint;
}

static void
fake_kms_iface_init (TeesqlKmsInterface *iface)
{
  iface->get_key_async = get_key_async;
  iface->get_key_finish = get_key_finish;
  iface->get_taint = kms_get_taint;
}

static void
fake_kms_finalize (GObject *object)
{
  FakeKms *self = FAKE_KMS (object);

  g_clear_error (&self->error);
  g_free (self->last);
  G_OBJECT_CLASS (fake_kms_parent_class)->finalize (object);
}

static void
fake_kms_class_init (FakeKmsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_kms_finalize;
}

static void
fake_kms_init (FakeKms *self)
{
}

FakeKms *
fake_kms_new (void)
{
  return g_object_new (FAKE_TYPE_KMS, NULL);
}
