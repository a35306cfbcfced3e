#include "fake-platform.h"
#include "attest/teesql-attest-service-private.h"
#include "sdk/teesql-quote.h"

static void fake_verifier_iface_init (TeesqlVerifierInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FakeVerifier, fake_verifier, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (TEESQL_TYPE_VERIFIER, fake_verifier_iface_init))

static TeesqlClaims *
believe (FakeVerifier *self, TeesqlEvidence *evidence)
{
  static const guint8 other_root[32] = { 1, 2, 3 };
  static const guint8 ppid[16] = { 9, 9, 9 };
  g_autoptr (TeesqlClaimsBuilder) builder = teesql_claims_builder_new ();
  g_autoptr (GError) error = NULL;
  GBytes *bytes = teesql_evidence_get_quote (evidence);
  TeesqlClaims *claims = NULL;
  TeesqlQuote quote;

  g_assert_true (teesql_quote_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &quote, &error));
  for (guint field = TEESQL_FIELD_MRTD; field <= TEESQL_FIELD_TEE_TCB_SVN2; field++)
    {
      gsize size = 0;
      const guint8 *data = teesql_quote_get_field (&quote, field, &size);

      if (data != NULL)
        teesql_claims_builder_set_field (builder, field, data, size);
    }
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_PPID, ppid, sizeof ppid);
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_FMSPC, (const guint8 *) self->fmspc, 6);
  teesql_claims_builder_set_field (builder, TEESQL_FIELD_TRUST_ANCHOR, self->intel ? teesql_attest_intel_root : other_root, 32);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_ISSUED_AT, self->issued_at);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_VALID_UNTIL, self->valid_until);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_TCB_EVALUATION, 17);
  teesql_claims_builder_set_number (builder, TEESQL_NUMBER_REVISION, self->revision);
  teesql_claims_builder_set_tcb_status (builder, self->status);
  claims = teesql_claims_builder_end (builder, &error);
  g_assert_no_error (error);
  return claims;
}

static void
end (FakeVerifier *self, GTask *task)
{
  if (self->mode == FAKE_ERROR)
    g_task_return_error (task, teesql_error_new (TEESQL_VERIFIER_ERROR, self->code, self->reason, 0,
                                                 "fake verifier in /etc/secret-place says no"));
  else if (self->mode == FAKE_NULL)
    g_task_return_pointer (task, NULL, NULL);
  else
    g_task_return_pointer (task, believe (self, g_task_get_task_data (task)), (GDestroyNotify) teesql_claims_unref);
}

static gboolean
cancelled_cb (GCancellable *cancellable, gpointer data)
{
  GTask *task = data;
  FakeVerifier *self = g_task_get_source_object (task);

  if (g_ptr_array_find (self->held, task, NULL))
    {
      g_task_return_error_if_cancelled (task);
      g_ptr_array_remove (self->held, task);
    }
  return G_SOURCE_REMOVE;
}

static void
verify_async (TeesqlVerifier *verifier, TeesqlEvidence *evidence, gint64 now_unix, GCancellable *cancellable, GAsyncReadyCallback callback,
              gpointer user_data)
{
  FakeVerifier *self = FAKE_VERIFIER (verifier);
  g_autoptr (GTask) task = g_task_new (self, self->mode == FAKE_DEAF ? NULL : cancellable, callback, user_data);

  self->n_calls++;
  self->last_now = now_unix;
  g_task_set_task_data (task, teesql_evidence_ref (evidence), (GDestroyNotify) teesql_evidence_unref);
  if (self->mode != FAKE_HOLD && self->mode != FAKE_DEAF)
    {
      end (self, task);
      return;
    }
  g_ptr_array_add (self->held, g_object_ref (task));
  if (self->mode == FAKE_HOLD && cancellable != NULL)
    {
      g_autoptr (GSource) source = g_cancellable_source_new (cancellable);

      g_task_attach_source (task, source, G_SOURCE_FUNC (cancelled_cb));
    }
}

static TeesqlClaims *
verify_finish (TeesqlVerifier *verifier, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static const char *
get_taint (TeesqlVerifier *verifier)
{
  return FAKE_VERIFIER (verifier)->taint;
}

static void
fake_verifier_iface_init (TeesqlVerifierInterface *iface)
{
  iface->verify_async = verify_async;
  iface->verify_finish = verify_finish;
  iface->get_taint = get_taint;
}

void
fake_verifier_release (FakeVerifier *self)
{
  self->mode = self->mode == FAKE_HOLD || self->mode == FAKE_DEAF ? FAKE_OK : self->mode;
  while (self->held->len > 0)
    {
      g_autoptr (GTask) task = g_ptr_array_steal_index (self->held, 0);

      end (self, task);
    }
}

static void
fake_verifier_finalize (GObject *object)
{
  g_ptr_array_unref (FAKE_VERIFIER (object)->held);
  G_OBJECT_CLASS (fake_verifier_parent_class)->finalize (object);
}

static void
fake_verifier_class_init (FakeVerifierClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_verifier_finalize;
}

static void
fake_verifier_init (FakeVerifier *self)
{
  self->held = g_ptr_array_new_with_free_func (g_object_unref);
  self->status = TEESQL_TCB_STATUS_UP_TO_DATE;
  self->fmspc = "\xb0\xc0\x6f\0\0";
  self->taint = "trusted-root /tmp/root.pem";
}

FakeVerifier *
fake_verifier_new (void)
{
  return g_object_new (FAKE_TYPE_VERIFIER, NULL);
}
