#pragma once
/* The key, cluster and plaintext of vectors.json, for every test of this folder. */
#include "seal/teesql-seal.h"
#include <teesql/teesql-error.h>

TeesqlEpochKeys *fixture_keys (guint8 kms_first, guint8 cluster_first, guint32 epochs); /* epochs 0 .. @epochs - 1 */
GBytes *fixture_pattern (gsize size);
GBytes *fixture_seal (const TeesqlSealContext *context, TeesqlEpochKeys *keys, guint32 epoch, gsize size);
GBytes *fixture_flip (GBytes *bytes, gsize offset, guint8 bits);
GBytes *fixture_join (GBytes *a, gsize a_size, GBytes *b, gsize b_offset); /* first @a_size bytes of a, then b from @b_offset */
void fixture_assert_refused (const TeesqlSealContext *expected, TeesqlEpochKeys *keys, GBytes *sealed, TeesqlError code, const char *reason);
void fixture_assert_error (GError **error, TeesqlError code, const char *reason); /* and clears it */

extern const TeesqlSealContext fixture_context;
