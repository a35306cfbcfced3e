#include "attest/teesql-verdict-private.h"

struct _TeesqlVerdict
{
  gatomicrefcount refs;
  char *reason;
  char *message;
  char *taint;
  char *tcb_status;
  char *mrtd;
  char *compose_hash;
  char *app_id;
  char *instance_id;
  char *key_provider;
  char *platform;
  char *skipped;
  gint64 valid_until;
};

G_DEFINE_BOXED_TYPE (TeesqlVerdict, teesql_verdict, teesql_verdict_ref, teesql_verdict_unref)

TeesqlVerdict *
teesql_verdict_new (const TeesqlVerdictFields *fields)
{
  TeesqlVerdict *self = NULL;

  g_return_val_if_fail (fields->message != NULL, NULL);
  self = g_new0 (TeesqlVerdict, 1);
  g_atomic_ref_count_init (&self->refs);
  self->reason = g_strdup (fields->reason);
  self->message = g_strdup (fields->message);
  self->taint = g_strdup (fields->taint);
  self->tcb_status = g_strdup (fields->tcb_status);
  self->mrtd = g_strdup (fields->mrtd);
  self->compose_hash = g_strdup (fields->compose_hash);
  self->app_id = g_strdup (fields->app_id);
  self->instance_id = g_strdup (fields->instance_id);
  self->key_provider = g_strdup (fields->key_provider);
  self->platform = g_strdup (fields->platform);
  self->skipped = g_strdup (fields->skipped);
  self->valid_until = fields->valid_until;
  return self;
}

TeesqlVerdict *
teesql_verdict_new_refused (const char *reason, const char *message)
{
  const TeesqlVerdictFields fields = { .reason = reason, .message = message };

  g_return_val_if_fail (reason != NULL, NULL);
  return teesql_verdict_new (&fields);
}

TeesqlVerdict *
teesql_verdict_ref (TeesqlVerdict *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
teesql_verdict_unref (TeesqlVerdict *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_free (self->reason);
  g_free (self->message);
  g_free (self->taint);
  g_free (self->tcb_status);
  g_free (self->mrtd);
  g_free (self->compose_hash);
  g_free (self->app_id);
  g_free (self->instance_id);
  g_free (self->key_provider);
  g_free (self->platform);
  g_free (self->skipped);
  g_free (self);
}

gboolean
teesql_verdict_is_accepted (const TeesqlVerdict *self)
{
  return self->reason == NULL;
}

const char *
teesql_verdict_get_reason (const TeesqlVerdict *self)
{
  return self->reason;
}

const char *
teesql_verdict_get_message (const TeesqlVerdict *self)
{
  return self->message;
}

const char *
teesql_verdict_get_taint (const TeesqlVerdict *self)
{
  return self->taint;
}

const char *
teesql_verdict_get_tcb_status (const TeesqlVerdict *self)
{
  return self->tcb_status;
}

const char *
teesql_verdict_get_mrtd (const TeesqlVerdict *self)
{
  return self->mrtd;
}

const char *
teesql_verdict_get_compose_hash (const TeesqlVerdict *self)
{
  return self->compose_hash;
}

const char *
teesql_verdict_get_app_id (const TeesqlVerdict *self)
{
  return self->app_id;
}

const char *
teesql_verdict_get_instance_id (const TeesqlVerdict *self)
{
  return self->instance_id;
}

const char *
teesql_verdict_get_key_provider (const TeesqlVerdict *self)
{
  return self->key_provider;
}

const char *
teesql_verdict_get_platform (const TeesqlVerdict *self)
{
  return self->platform;
}

const char *
teesql_verdict_get_skipped (const TeesqlVerdict *self)
{
  return self->skipped;
}

gint64
teesql_verdict_get_valid_until (const TeesqlVerdict *self)
{
  return self->valid_until;
}
