#pragma once
#include "seal/teesql-seal.h"
#include "storage/teesql-store.h"

G_BEGIN_DECLS

#define TEESQL_REPOSITORY_PLAIN_MAX ((gsize) 64 * 1024 * 1024) /* of one put; more goes through a #TeesqlSealedSink */

/**
 * TeesqlRepository:
 *
 * a store and the keys to what lies in it: there is no way through it to write a byte that is not sealed (SR-17) or to read one that was
 * not verified (SR-18). Thread safe, blocking.
 */
#define TEESQL_TYPE_REPOSITORY (teesql_repository_get_type ())
G_DECLARE_FINAL_TYPE (TeesqlRepository, teesql_repository, TEESQL, REPOSITORY, GObject)

/**
 * teesql_repository_new:
 * @simulated: the KMS is a simulator
 */
TeesqlRepository *teesql_repository_new (TeesqlStore *store, TeesqlEpochKeys *keys, gboolean simulated) G_GNUC_WARN_UNUSED_RESULT;
TeesqlStore *teesql_repository_get_store (TeesqlRepository *self);
TeesqlEpochKeys *teesql_repository_get_keys (TeesqlRepository *self);
const guint8 *teesql_repository_get_cluster_id (TeesqlRepository *self);
gboolean teesql_repository_is_simulated (TeesqlRepository *self);
void teesql_repository_set_epoch (TeesqlRepository *self, guint32 epoch); /* new objects are sealed under it; default: the newest key's */
guint32 teesql_repository_get_epoch (TeesqlRepository *self);

/**
 * TeesqlObjectId:
 *
 * name and authenticated place of an object
 */
typedef struct
{
  const char *name;
  guint64 system_identifier;
  guint32 timeline;
  guint8 backup_id[TEESQL_SEAL_BACKUP_ID_SIZE];
} TeesqlObjectId;

typedef enum
{
  TEESQL_REPOSITORY_PLAIN = 0,
  TEESQL_REPOSITORY_COMPRESS = 1 << 0, /* one zstd frame inside the seal; the reader is told by the same flag */
  TEESQL_REPOSITORY_IF_ABSENT = 1 << 1,
} TeesqlRepositoryFlags;

/**
 * teesql_repository_put:
 * @out_commitment: (nullable): 32 bytes
 * @out_sealed_digest: (nullable): SHA-256 of the stored bytes, 32 bytes
 *
 * seals and stores at most %TEESQL_REPOSITORY_PLAIN_MAX. With IF_ABSENT: EXISTS when another object is there
 */
gboolean teesql_repository_put (TeesqlRepository *self, const TeesqlObjectId *id, GBytes *plain, TeesqlRepositoryFlags flags, int level,
                                guint8 *out_commitment, guint8 *out_sealed_digest, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_repository_get:
 * @max_plain: INTEGRITY `object-too-large` beyond it, also for what a frame would grow to
 */
GBytes *teesql_repository_get (TeesqlRepository *self, const TeesqlObjectId *id, TeesqlRepositoryFlags flags, gsize max_plain,
                               guint8 *out_commitment, guint8 *out_sealed_digest, GCancellable *cancellable, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
