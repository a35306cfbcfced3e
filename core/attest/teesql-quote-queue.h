#pragma once
#include <teesql/teesql-attester.h>

G_BEGIN_DECLS

/* Who goes first when several wait: sessions hold a peer up, renewals have hours, reports can be asked again. */
typedef enum
{
  TEESQL_QUOTE_PRIORITY_SESSION,
  TEESQL_QUOTE_PRIORITY_RENEWAL,
  TEESQL_QUOTE_PRIORITY_REPORT,
  TEESQL_QUOTE_N_PRIORITIES
} TeesqlQuotePriority;

/**
 * TeesqlQuoteQueue:
 *
 * one call to the attester at a time, since hardware makes one quote at a time (SDK, get_evidence_async). Main context only.
 */
#define TEESQL_TYPE_QUOTE_QUEUE (teesql_quote_queue_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlQuoteQueue, teesql_quote_queue, TEESQL, QUOTE_QUEUE, GObject)

TeesqlQuoteQueue *teesql_quote_queue_new (TeesqlAttester *attester) G_GNUC_WARN_UNUSED_RESULT;
TeesqlAttester *teesql_quote_queue_get_attester (TeesqlQuoteQueue *self);
guint teesql_quote_queue_get_n_waiting (TeesqlQuoteQueue *self, TeesqlQuotePriority priority);
/* as the attester's own calls; a cancelled one leaves the queue at once */
void teesql_quote_queue_get_evidence_async (TeesqlQuoteQueue *self, TeesqlQuotePriority priority, const guint8 *report_data,
                                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TeesqlEvidence *teesql_quote_queue_get_evidence_finish (TeesqlQuoteQueue *self, GAsyncResult *result, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void teesql_quote_queue_get_tls_identity_async (TeesqlQuoteQueue *self, TeesqlQuotePriority priority, const TeesqlTlsRequest *request,
                                                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TeesqlTlsIdentity *teesql_quote_queue_get_tls_identity_finish (TeesqlQuoteQueue *self, GAsyncResult *result, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
