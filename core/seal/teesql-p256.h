#pragma once
/* Points and scalars of P-256 as bytes: GnuTLS 3.7.9 has no key agreement of its own. Private to this area. */
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

#define TEESQL_P256_SCALAR_SIZE 32
#define TEESQL_P256_POINT_SIZE  65 /* 0x04 ‖ x ‖ y */

/* all %FALSE for a scalar that is not in 1..n-1, or a point that is not on the curve; nothing is said about why */
gboolean teesql_p256_public (const guint8 scalar[TEESQL_P256_SCALAR_SIZE], guint8 out[TEESQL_P256_POINT_SIZE]) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_p256_agree (const guint8 scalar[TEESQL_P256_SCALAR_SIZE], const guint8 peer[TEESQL_P256_POINT_SIZE],
                            guint8 out_x[32]) G_GNUC_WARN_UNUSED_RESULT;
gboolean teesql_p256_is_point (const guint8 point[TEESQL_P256_POINT_SIZE]) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
