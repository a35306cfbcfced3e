#include "repository-world.h"
#include "base/teesql-domains.h"

TeesqlEpochKeys *
repository_world_keys (guint32 epochs)
{
  guint8 cluster[TEESQL_CLUSTER_ID_SIZE] = { 0xc1 };
  guint8 kms[32] = { 0x42 };
  TeesqlEpochKeys *keys = teesql_epoch_keys_new (cluster);

  for (guint32 epoch = 0; epoch < epochs; epoch++)
    {
      g_autoptr (TeesqlSecret) key = teesql_secret_new (kms, sizeof kms, NULL);

      g_assert_true (teesql_epoch_keys_add_kms (keys, epoch, key, NULL));
    }
  return keys;
}

void
repository_world_begin (RepositoryWorld *self)
{
  g_autoptr (TeesqlEpochKeys) keys = repository_world_keys (2);

  world_begin (&self->world, ALL_FEATURES, 20000, 20000);
  self->repository = teesql_repository_new (self->world.store, keys, FALSE);
}

void
repository_world_end (RepositoryWorld *self)
{
  g_clear_object (&self->repository);
  world_end (&self->world);
}

static GBytes *
stored (RepositoryWorld *self, const char *name)
{
  GBytes *bytes = fake_storage_peek (self->world.storage, name);

  g_assert_nonnull (bytes);
  return bytes;
}

void
repository_world_flip (RepositoryWorld *self, const char *name, gsize offset)
{
  g_autoptr (GBytes) bytes = stored (self, name);
  gsize size = g_bytes_get_size (bytes);
  guint8 *copy = g_memdup2 (g_bytes_get_data (bytes, NULL), size);
  g_autoptr (GBytes) changed = g_bytes_new_take (copy, size);

  g_assert_cmpuint (offset, <, size);
  copy[offset] ^= 0x10;
  fake_storage_set (self->world.storage, name, changed);
}

void
repository_world_copy (RepositoryWorld *self, const char *from, const char *to)
{
  g_autoptr (GBytes) bytes = stored (self, from);

  fake_storage_set (self->world.storage, to, bytes);
}

void
repository_world_resize (RepositoryWorld *self, const char *name, gssize by)
{
  g_autoptr (GBytes) bytes = stored (self, name);
  gsize size = g_bytes_get_size (bytes);
  gsize resized = (gsize) ((gssize) size + by);
  guint8 *copy = g_malloc0 (MAX (resized, 1));
  g_autoptr (GBytes) changed = NULL;

  memcpy (copy, g_bytes_get_data (bytes, NULL), MIN (size, resized));
  changed = g_bytes_new_take (copy, resized);
  fake_storage_set (self->world.storage, name, changed);
}

void
repository_world_forge (RepositoryWorld *self, const TeesqlObjectId *id, GBytes *plain, guint8 out_commitment[32])
{
  TeesqlSealContext context = { .system_identifier = id->system_identifier, .timeline = id->timeline, .name = id->name };
  g_autoptr (TeesqlSealWriter) writer = NULL;
  g_autoptr (GBytes) sealed = NULL;

  memcpy (context.backup_id, id->backup_id, sizeof context.backup_id);
  writer = teesql_seal_writer_new (&context, teesql_repository_get_keys (self->repository), 1, NULL);
  sealed = teesql_seal_writer_seal_bytes (writer, plain, NULL);
  g_assert_nonnull (sealed);
  if (out_commitment != NULL)
    memcpy (out_commitment, teesql_seal_writer_get_commitment (writer), 32);
  fake_storage_set (self->world.storage, id->name, sealed);
}

void
repository_world_assert (GError **error, int code, const char *reason)
{
  g_assert_error (*error, TEESQL_BACKUP_ERROR, code);
  g_assert_cmpstr (teesql_error_get_reason (*error), ==, reason);
  g_clear_error (error);
}

/* Words out of a small stock, between numbers: what a table looks like to zstd. */
GBytes *
repository_world_text (gsize size)
{
  static const char *const words[] = { "account", "teller", "branch", "balance", "history", "delta", "filler", "mtime" };
  GString *text = g_string_sized_new (size + 64);
  guint32 state = 1;

  while (text->len < size)
    {
      state = state * 1664525u + 1013904223u;
      g_string_append_printf (text, "%u\t%s\t%u\n", state >> 8, words[state >> 29], state >> 20);
    }
  g_string_truncate (text, size);
  return g_string_free_to_bytes (text);
}
