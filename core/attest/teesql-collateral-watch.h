#pragma once
#include "attest/teesql-proof.h"

G_BEGIN_DECLS

/**
 * TeesqlCollateralWatch:
 *
 * remembers, per platform model, the newest collateral that a verification rested on: when newer comes, verdicts of before must be
 * asked again. Main context.
 */
typedef struct _TeesqlCollateralWatch TeesqlCollateralWatch;

TeesqlCollateralWatch *teesql_collateral_watch_new (void) G_GNUC_WARN_UNUSED_RESULT;
void teesql_collateral_watch_free (TeesqlCollateralWatch *self);
/* TRUE: newer than anything seen for this platform, and there was something before */
gboolean teesql_collateral_watch_note (TeesqlCollateralWatch *self, TeesqlClaims *claims) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlCollateralWatch, teesql_collateral_watch_free)
G_END_DECLS
