#pragma once
/* A repository over the storage tests' store in memory. */
#include "../storage/store-world.h"
#include "backup/teesql-repository.h"

G_BEGIN_DECLS

typedef struct
{
  World world;
  TeesqlRepository *repository;
} RepositoryWorld;

void repository_world_begin (RepositoryWorld *self);
void repository_world_end (RepositoryWorld *self);
TeesqlEpochKeys *repository_world_keys (guint32 epochs);
void repository_world_flip (RepositoryWorld *self, const char *name, gsize offset); /* one bit of a stored object */
void repository_world_copy (RepositoryWorld *self, const char *from, const char *to);
void repository_world_resize (RepositoryWorld *self, const char *name, gssize by); /* zeros at the end, or a cut */
/* seals @plain as it is, past every rule of what an object holds */
void repository_world_forge (RepositoryWorld *self, const TeesqlObjectId *id, GBytes *plain, guint8 out_commitment[32]);
void repository_world_assert (GError **error, int code, const char *reason); /* of #TEESQL_BACKUP_ERROR, and clears it */
GBytes *repository_world_text (gsize size); /* compresses about 3:1 */

G_END_DECLS
