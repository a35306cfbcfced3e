#pragma once
/* The header of a sealed object (docs/sealed-format.md), private to this area. */
#include "seal/teesql-seal.h"

G_BEGIN_DECLS

#define TEESQL_SEAL_NAME_MAX          ((gsize) 512)
#define TEESQL_SEAL_SALT_SIZE         32
#define TEESQL_SEAL_SALT_OFFSET       14
#define TEESQL_SEAL_COMMITMENT_OFFSET 46
#define TEESQL_SEAL_IDENTITY_OFFSET   78 /* cluster id and all behind it */

typedef struct
{
  gboolean simulated;
  guint32 epoch;
  guint8 salt[TEESQL_SEAL_SALT_SIZE];
  guint8 commitment[TEESQL_SEAL_COMMITMENT_SIZE];
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE];
  guint64 system_identifier;
  guint32 timeline;
  guint8 backup_id[TEESQL_SEAL_BACKUP_ID_SIZE];
  char name[TEESQL_SEAL_NAME_MAX + 1];
} TeesqlSealHeader;

typedef struct
{
  guint8 data[TEESQL_SEAL_HEADER_MAX];
  gsize size;
} TeesqlSealHeaderBytes;

/* %FALSE with CONFIG `seal-name` when the name is none that an object may have */
gboolean teesql_seal_header_init (TeesqlSealHeader *self, const TeesqlSealContext *context, TeesqlEpochKeys *keys, guint32 epoch,
                                  const guint8 salt[TEESQL_SEAL_SALT_SIZE], GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_seal_header_encode (const TeesqlSealHeader *self, TeesqlSealHeaderBytes *out);
gboolean teesql_seal_header_parse (TeesqlSealHeader *self, const guint8 *data, gsize size, gsize *out_header_size, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/* steps 2 and 3 of the reader */
gboolean teesql_seal_header_match (const TeesqlSealHeader *self, const TeesqlSealContext *expected, TeesqlEpochKeys *keys, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
