#include "dcap-item.h"

#include "dcap-error.h"
#include "dcap-x509.h"

static const DcapChainShape *const shapes[DCAP_N_ITEMS] = {
  [DCAP_ITEM_ROOT_CRL] = NULL,
  [DCAP_ITEM_PCK_CRL] = &dcap_chain_pck_crl,
  [DCAP_ITEM_TCB_INFO] = &dcap_chain_tcb_info,
  [DCAP_ITEM_QE_IDENTITY] = &dcap_chain_qe_identity,
};

static gboolean
prove_chain (DcapFact *self, const DcapTrust *trust, GError **error)
{
  const DcapChainShape *shape = shapes[self->item->kind];
  gsize size = 0;

  if (shape == NULL)
    return TRUE;
  if (self->item->issuer_chain == NULL)
    return dcap_fail_item (error, TEESQL_ERROR_MALFORMED, shape->name, "malformed", "%s: missing", shape->name);
  const guint8 *pem = g_bytes_get_data (self->item->issuer_chain, &size);
  self->chain = dcap_chain_prove (shape, pem, size, trust, error);
  return self->chain != NULL;
}

static gboolean
prove_crl (DcapFact *self, const DcapTrust *trust, GError **error)
{
  gsize size = 0;
  const guint8 *der = g_bytes_get_data (self->item->body, &size);
  const char *name = dcap_item_kind_name (self->item->kind);
  const guint8 *key = self->chain != NULL ? dcap_chain_leaf (self->chain)->key : trust->key;

  self->crl = dcap_crl_prove (name, der, size, key, error);
  if (self->crl == NULL)
    return FALSE;
  if (self->chain != NULL && !g_bytes_equal (self->crl->issuer, dcap_chain_leaf (self->chain)->subject))
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "issuer", "%s: issuer is not %s", name,
                           dcap_chain_leaf (self->chain)->common_name);
  self->issued_at = self->crl->this_update;
  self->next_update = self->crl->next_update;
  return TRUE;
}

/* The signature covers bytes: it is checked over what arrived, before anything in it is read. */
static gboolean
prove_signature (const DcapFact *self, GError **error)
{
  const char *name = dcap_item_kind_name (self->item->kind);
  gsize size = 0;
  gsize signature_size = 0;
  const guint8 *data = g_bytes_get_data (self->item->body, &size);
  const guint8 *signature = self->item->signature != NULL ? g_bytes_get_data (self->item->signature, &signature_size) : NULL;

  if (signature == NULL || signature_size != DCAP_P256_SIGNATURE_SIZE ||
      !dcap_p256_verify (dcap_chain_leaf (self->chain)->key, data, size, signature))
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "signature", "%s: signature does not verify with the key of %s", name,
                           dcap_chain_leaf (self->chain)->common_name);
  return TRUE;
}

static gboolean
prove_tcb_info (DcapFact *self, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (self->item->body, &size);

  if (!prove_signature (self, error))
    return FALSE;
  self->tcb_info = dcap_tcb_info_parse (data, size, error);
  if (self->tcb_info == NULL)
    return FALSE;
  self->issued_at = self->tcb_info->issue_date;
  self->next_update = self->tcb_info->next_update;
  return TRUE;
}

static gboolean
prove_qe_identity (DcapFact *self, GError **error)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (self->item->body, &size);

  if (!prove_signature (self, error))
    return FALSE;
  self->qe_identity = dcap_qe_identity_parse (data, size, error);
  if (self->qe_identity == NULL)
    return FALSE;
  self->issued_at = self->qe_identity->issue_date;
  self->next_update = self->qe_identity->next_update;
  return TRUE;
}

static gboolean
prove (DcapFact *self, const DcapTrust *trust, GError **error)
{
  if (!prove_chain (self, trust, error))
    return FALSE;
  switch (self->item->kind)
    {
    case DCAP_ITEM_ROOT_CRL:
    case DCAP_ITEM_PCK_CRL:
      return prove_crl (self, trust, error);
    case DCAP_ITEM_TCB_INFO:
      return prove_tcb_info (self, error);
    case DCAP_ITEM_QE_IDENTITY:
      return prove_qe_identity (self, error);
    default:
      return FALSE;
    }
}

DcapFact *
dcap_fact_prove (DcapItem *item, const DcapTrust *trust, GError **error)
{
  g_autoptr (DcapFact) self = g_new0 (DcapFact, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->item = dcap_item_ref (item);
  return prove (self, trust, error) ? g_steal_pointer (&self) : NULL;
}

DcapFact *
dcap_fact_ref (DcapFact *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
dcap_fact_unref (DcapFact *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  dcap_item_unref (self->item);
  g_clear_pointer (&self->chain, dcap_chain_unref);
  g_clear_pointer (&self->crl, dcap_crl_free);
  g_clear_pointer (&self->tcb_info, dcap_tcb_info_free);
  g_clear_pointer (&self->qe_identity, dcap_qe_identity_free);
  g_free (self);
}

gboolean
dcap_fact_check_time (const DcapFact *self, gint64 now, gint64 tolerance, GError **error)
{
  const char *name = dcap_item_kind_name (self->item->kind);

  if (self->issued_at > now && self->issued_at - now > tolerance)
    {
      g_autofree char *date = dcap_x509_date_text (self->issued_at);
      return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "not-yet-valid", "%s: issued at %s, in %" G_GINT64_FORMAT " s", name, date,
                             self->issued_at - now);
    }
  if (now > self->next_update)
    {
      g_autofree char *date = dcap_x509_date_text (self->next_update);
      return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "expired", "%s: nextUpdate was %s, %" G_GINT64_FORMAT " s ago", name, date,
                             now - self->next_update);
    }
  return self->chain == NULL || dcap_chain_check_time (self->chain, now, error);
}

gint64
dcap_fact_valid_until (const DcapFact *self)
{
  return self->chain != NULL ? MIN (self->next_update, dcap_chain_valid_until (self->chain)) : self->next_update;
}

static gint64
serial_order (const DcapFact *self, const DcapFact *before)
{
  if (self->crl != NULL)
    return dcap_crl_compare_number (self->crl, before->crl);
  if (self->tcb_info != NULL)
    return (gint64) self->tcb_info->evaluation - (gint64) before->tcb_info->evaluation;
  return (gint64) self->qe_identity->evaluation - (gint64) before->qe_identity->evaluation;
}

gboolean
dcap_fact_check_order (const DcapFact *self, const DcapFact *before, GError **error)
{
  const char *name = dcap_item_kind_name (self->item->kind);

  g_return_val_if_fail (self->item->kind == before->item->kind, FALSE);
  if (serial_order (self, before) < 0)
    return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "rollback", "%s: its number is lower than that of one already verified",
                           name);
  /* Intel's CRLs all carry number 1: the date is what moves */
  if (self->issued_at < before->issued_at)
    {
      g_autofree char *date = dcap_x509_date_text (self->issued_at);
      g_autofree char *before_date = dcap_x509_date_text (before->issued_at);
      return dcap_fail_item (error, TEESQL_ERROR_REFUSED, name, "rollback", "%s: issued at %s, one of %s is already verified", name, date,
                             before_date);
    }
  return TRUE;
}
