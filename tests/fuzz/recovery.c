/* Recovery objects, as they come and with cluster and recipient repaired so that the mutation reaches point and tag; and the input as PEM.
 */
#include "seal/teesql-recovery-private.h"
#include <string.h>

/* a key that protects nothing: its number is 1 */
#define KEY                                                                                                                                \
  "-----BEGIN EC PRIVATE KEY-----\n"                                                                                                       \
  "MHcCAQEEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABoAoGCCqGSM49\n"                                                                     \
  "AwEHoUQDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/\n"                                                                     \
  "m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"                                                                                                 \
  "-----END EC PRIVATE KEY-----\n"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static const guint8 cluster[TEESQL_CLUSTER_ID_SIZE] = { 0xc1 };

static void
open_object (TeesqlSecret *pem, const guint8 *data, gsize size)
{
  g_autoptr (TeesqlEpochKeys) keys = teesql_epoch_keys_new (cluster);
  g_autoptr (GBytes) object = g_bytes_new_static (data, size);

  g_assert_false (teesql_recovery_open (pem, object, FALSE, keys, NULL));
}

static void
open_repaired (TeesqlSecret *pem, const guint8 *data)
{
  guint8 object[TEESQL_RECOVERY_SIZE];
  guint8 scalar[TEESQL_P256_SCALAR_SIZE] = { 0 };
  guint8 point[TEESQL_P256_POINT_SIZE];

  scalar[sizeof scalar - 1] = 1;
  g_assert_true (teesql_p256_public (scalar, point));
  memcpy (object, data, sizeof object);
  memcpy (object + 13, cluster, sizeof cluster);
  teesql_recovery_recipient_hash (point, object + 45);
  open_object (pem, object, sizeof object);
  if ((data[0] & 1) != 0)
    memcpy (object + TEESQL_RECOVERY_HEADER_SIZE, point, sizeof point);
  memcpy (object, "TEESKEY\1\0", 9);
  open_object (pem, object, sizeof object);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (TeesqlSecret) pem = teesql_secret_new ((const guint8 *) KEY, strlen (KEY), NULL);
  g_autoptr (TeesqlSecret) foreign = size > 0 && size <= TEESQL_SECRET_MAX_SIZE ? teesql_secret_new (data, size, NULL) : NULL;
  static const guint8 zeros[TEESQL_RECOVERY_SIZE];

  open_object (pem, data, size);
  if (size == TEESQL_RECOVERY_SIZE)
    open_repaired (pem, data);
  if (foreign != NULL)
    open_object (foreign, zeros, sizeof zeros);
  teesql_recipient_free (teesql_recipient_new_from_pem ((const char *) data, size, NULL));
  return 0;
}
