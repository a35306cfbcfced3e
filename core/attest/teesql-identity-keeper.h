#pragma once
#include "attest/teesql-panel.h"
#include "attest/teesql-quote-queue.h"
#include "base/teesql-clock.h"
#include "config/teesql-config.h"
#include "status/teesql-status.h"
#include <teesql/teesql-kms.h>

G_BEGIN_DECLS

/**
 * TeesqlIdentityKeeper:
 *
 * our own certificate: got from the attester or made here, checked against its own quote before use, renewed at `renew-at`, dropped
 * at its end. Main context, except ref_identity.
 *
 * Signal `changed`: a new identity is there, or the old one has ended
 */
#define TEESQL_TYPE_IDENTITY_KEEPER (teesql_identity_keeper_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlIdentityKeeper, teesql_identity_keeper, TEESQL, IDENTITY_KEEPER, GObject)

/* @panel: it checks our own quote too */
TeesqlIdentityKeeper *teesql_identity_keeper_new (TeesqlConfig *config, TeesqlQuoteQueue *queue, TeesqlPanel *panel, TeesqlClock *clock,
                                                  TeesqlStatus *status, TeesqlTlsUsage usage) G_GNUC_WARN_UNUSED_RESULT;
/* one attempt at the first identity; later ones come by themselves, also when this one failed */
void teesql_identity_keeper_start_async (TeesqlIdentityKeeper *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                         gpointer user_data);
gboolean teesql_identity_keeper_start_finish (TeesqlIdentityKeeper *self, GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* every few seconds: renews what is due, ends what has expired. Time passes by the clock only, so a suspended machine is no exception. */
void teesql_identity_keeper_tick (TeesqlIdentityKeeper *self);
void teesql_identity_keeper_stop (TeesqlIdentityKeeper *self);
void teesql_identity_keeper_set_config (TeesqlIdentityKeeper *self, TeesqlConfig *config); /* for the next renewal */
/* a KMS that has answered, and so shows what it is: no identity is used that does not fit it */
void teesql_identity_keeper_set_kms (TeesqlIdentityKeeper *self, TeesqlKms *kms);
gboolean teesql_identity_keeper_has_answer (TeesqlIdentityKeeper *self); /* of the attester, which shows what it is too */
TeesqlTlsIdentity *teesql_identity_keeper_ref_identity (TeesqlIdentityKeeper *self) G_GNUC_WARN_UNUSED_RESULT; /* any thread */

G_END_DECLS
