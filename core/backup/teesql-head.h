#pragma once
#include "backup/teesql-catalog-record.h"

G_BEGIN_DECLS

#define TEESQL_HEAD_NOTED_MAX 8u

/**
 * TeesqlHead:
 *
 * what this node knows of its repository and keeps outside of it (SR-19): `STATE/backup/STORAGE/head`, under a MAC of the KMS key
 * (`head-mac`, context: member name), replaced atomically and fsynced.
 * @pending: a record that was about to be stored when this was written; a crash between store and head is thus no "repository ahead of us"
 * @check_value: of the key of @epoch, so that other KMS bytes have their own name
 * @noted: WAL that is durable and in no record yet, so that a crash loses no knowledge of it
 */
typedef struct
{
  guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE];
  TeesqlLineage lineage;
  guint64 sequence; /* 0: nothing stored yet */
  guint8 digest[32];
  gboolean pending;
  guint8 pending_digest[32]; /* of record sequence + 1 */
  guint64 system_identifier;
  guint32 timeline; /* newest that was archived */
  guint64 lsn;      /* WAL is durable in the store up to here */
  guint32 epoch;
  guint8 check_value[8];
  guint n_noted;
  TeesqlWalRange noted[TEESQL_HEAD_NOTED_MAX];
} TeesqlHead;

TeesqlSecret *teesql_head_derive_key (TeesqlSecret *kms_key_epoch_0, const char *member, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_head_load:
 *
 * Returns: %FALSE with NOT_FOUND `head-absent`, REFUSED `head-mac` (changed by somebody, or another node's), `head-permissions` (not a
 * file of ours alone), MALFORMED `head-form`
 */
gboolean teesql_head_load (const char *path, TeesqlSecret *mac_key, TeesqlHead *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_head_parse:
 * @data: (array length=size): the whole file
 *
 * pure; what teesql_head_load() does with the bytes
 */
gboolean teesql_head_parse (const guint8 *data, gsize size, TeesqlSecret *mac_key, TeesqlHead *out, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_head_store:
 *
 * durable when it returned %TRUE; one fsync after the first time, so it may be called for every batch of WAL. One writer at a time.
 */
gboolean teesql_head_store (const char *path, TeesqlSecret *mac_key, const TeesqlHead *head, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* 32 random bytes, made once: `STATE/backup/cluster-id` */
gboolean teesql_cluster_id_load_or_make (const char *state_directory, guint8 out[TEESQL_CLUSTER_ID_SIZE], GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_cluster_id_load:
 *
 * Returns: %FALSE with NOT_FOUND `state-absent` where none was made yet
 */
gboolean teesql_cluster_id_load (const char *state_directory, guint8 out[TEESQL_CLUSTER_ID_SIZE], GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_cluster_id_adopt:
 *
 * this node goes on as the cluster that was restored. Returns: %FALSE with REFUSED `cluster-id-differs` where it is another one already
 */
gboolean teesql_cluster_id_adopt (const char *state_directory, const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE], GError **error)
    G_GNUC_WARN_UNUSED_RESULT;


G_END_DECLS
