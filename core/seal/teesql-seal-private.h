#pragma once
/* For known answers only: whoever draws a salt twice gives away what is sealed. */
#include "seal/teesql-seal.h"

G_BEGIN_DECLS

TeesqlSealWriter *teesql_seal_writer_new_with_salt (const TeesqlSealContext *context, TeesqlEpochKeys *keys, guint32 epoch,
                                                    const guint8 salt[32], GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
