#pragma once
/* A cluster that backs up into a store that lies: a small repository with two backups, WAL on two timelines and some records. */
#include "../harness/lying-storage.h"
#include "backup/teesql-catalog.h"
#include "backup/teesql-verify.h"

G_BEGIN_DECLS

#define WORLD_SYSTEM  G_GUINT64_CONSTANT (7571234567890123456)
#define WORLD_SEGMENT (1u << 20)

/* one node: its volume and its keys */
typedef struct
{
  char *folder;
  char *head_path;
  const char *name;
  TeesqlSecret *head_key;
  TeesqlEpochKeys *keys;
  TeesqlRepository *repository;
  guint64 system_identifier;
} Node;

typedef struct
{
  LyingStorage *storage;
  TeesqlStore *store;
  Node node;
} ThreatWorld;

/* what most tests begin with: the small repository, its node closed */
typedef struct
{
  ThreatWorld world;
  LyingStorage *storage;
  Node *node;
} ThreatFixture;

void threat_fixture_set_up (ThreatFixture *f, gconstpointer unused);
void threat_fixture_tear_down (ThreatFixture *f, gconstpointer unused);
void threat_world_begin (ThreatWorld *self);
void threat_world_end (ThreatWorld *self);
/* @cluster, @kms: first bytes of the cluster id and of the KMS key */
void node_begin (Node *self, TeesqlStore *store, const char *name, guint8 cluster, guint8 kms);
void node_end (Node *self);
TeesqlCatalog *node_try_open (Node *self, GError **error);
TeesqlCatalog *node_open (Node *self);
TeesqlCatalog *node_try_read (Node *self, GError **error);
void node_assert_refused (Node *self, const char *reason);      /* when it opens, as the writer */
void node_assert_read_refused (Node *self, const char *reason); /* as a reader */
guint64 node_sequence (Node *self);                             /* of its head, once it has opened */
GBytes *node_save_volume (Node *self);                          /* the head's bytes */
void node_restore_volume (Node *self, GBytes *head);            /* NULL: an empty one */

void put_segment (TeesqlCatalog *catalog, guint32 timeline, guint64 start_lsn);
void put_partial (TeesqlCatalog *catalog, guint32 timeline, guint64 start_lsn, guint64 end_lsn);
void put_history (TeesqlCatalog *catalog, guint32 timeline);
/* stores the objects of a backup; @parent: (nullable) */
TeesqlBackup *put_backup (TeesqlCatalog *catalog, guint8 mark, guint32 timeline, guint64 start_lsn, const TeesqlBackup *parent);
/* the small repository; leaves the node closed */
void node_fill (Node *self);

/* what verify says, which must not fail itself */
TeesqlVerifyReport *threat_verify (TeesqlCatalog *catalog, gboolean deep);
void threat_print (const TeesqlVerifyReport *report);

G_END_DECLS
