#include "backup/teesql-repository.h"
#include "backup/teesql-frame.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"
#include <string.h>

#define fail(error, code, reason, ...) teesql_fail (error, TEESQL_BACKUP_ERROR, code, reason, __VA_ARGS__)

struct _TeesqlRepository
{
  GObject parent_instance;
  TeesqlStore *store;
  TeesqlEpochKeys *keys;
  gboolean simulated;
  gint epoch_is_set; /* atomic, as is the epoch */
  gint epoch;
};

G_DEFINE_FINAL_TYPE (TeesqlRepository, teesql_repository, G_TYPE_OBJECT)

static void
teesql_repository_finalize (GObject *object)
{
  TeesqlRepository *self = TEESQL_REPOSITORY (object);

  g_object_unref (self->store);
  teesql_epoch_keys_unref (self->keys);
  G_OBJECT_CLASS (teesql_repository_parent_class)->finalize (object);
}

static void
teesql_repository_class_init (TeesqlRepositoryClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_repository_finalize;
}

static void
teesql_repository_init (TeesqlRepository *self)
{
}

static TeesqlSealContext
make_context (TeesqlRepository *self, const TeesqlObjectId *id)
{
  TeesqlSealContext context = {
    .system_identifier = id->system_identifier, .timeline = id->timeline, .simulated = self->simulated, .name = id->name
  };

  memcpy (context.backup_id, id->backup_id, sizeof context.backup_id);
  return context;
}

TeesqlRepository *
teesql_repository_new (TeesqlStore *store, TeesqlEpochKeys *keys, gboolean simulated)
{
  TeesqlRepository *self = NULL;

  g_return_val_if_fail (TEESQL_IS_STORE (store) && keys != NULL, NULL);

  self = g_object_new (TEESQL_TYPE_REPOSITORY, NULL);
  self->store = g_object_ref (store);
  self->keys = teesql_epoch_keys_ref (keys);
  self->simulated = simulated;
  return self;
}

TeesqlStore *
teesql_repository_get_store (TeesqlRepository *self)
{
  return self->store;
}

TeesqlEpochKeys *
teesql_repository_get_keys (TeesqlRepository *self)
{
  return self->keys;
}

const guint8 *
teesql_repository_get_cluster_id (TeesqlRepository *self)
{
  return teesql_epoch_keys_get_cluster_id (self->keys);
}

gboolean
teesql_repository_is_simulated (TeesqlRepository *self)
{
  return self->simulated;
}

void
teesql_repository_set_epoch (TeesqlRepository *self, guint32 epoch)
{
  g_atomic_int_set (&self->epoch, (gint) epoch);
  g_atomic_int_set (&self->epoch_is_set, TRUE);
}

guint32
teesql_repository_get_epoch (TeesqlRepository *self)
{
  return g_atomic_int_get (&self->epoch_is_set) ? (guint32) g_atomic_int_get (&self->epoch) : teesql_epoch_keys_get_newest (self->keys);
}

/* ---- put ---- */

static GBytes *
compress (GBytes *plain, int level, GError **error)
{
  g_autoptr (TeesqlFrameWriter) writer = teesql_frame_writer_new (level);
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (plain, &size);
  gsize capacity = teesql_frame_bound (size);
  g_autofree guint8 *frame = g_malloc (capacity);
  gsize frame_size = 0;

  if (!teesql_frame_write (writer, data, size, frame, capacity, &frame_size, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&frame), frame_size);
}

static GBytes *
make_content (const char *name, GBytes *plain, TeesqlRepositoryFlags flags, int level, GError **error)
{
  if (g_bytes_get_size (plain) <= TEESQL_REPOSITORY_PLAIN_MAX)
    return (flags & TEESQL_REPOSITORY_COMPRESS) != 0 ? compress (plain, level, error) : g_bytes_ref (plain);
  fail (error, TEESQL_ERROR_FAILED, "object-too-large", "%s: %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT, name,
        g_bytes_get_size (plain), TEESQL_REPOSITORY_PLAIN_MAX);
  return NULL;
}

static void
digest (GBytes *sealed, guint8 *out_digest)
{
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (sealed, &size);

  if (out_digest != NULL)
    teesql_digest_bytes (TEESQL_DIGEST_SHA256, out_digest, data, size);
}

gboolean
teesql_repository_put (TeesqlRepository *self, const TeesqlObjectId *id, GBytes *plain, TeesqlRepositoryFlags flags, int level,
                       guint8 *out_commitment, guint8 *out_sealed_digest, GCancellable *cancellable, GError **error)
{
  const TeesqlSealContext context = make_context (self, id);
  g_autoptr (GBytes) content = make_content (id->name, plain, flags, level, error);
  g_autoptr (TeesqlSealWriter) writer =
      content != NULL ? teesql_seal_writer_new (&context, self->keys, teesql_repository_get_epoch (self), error) : NULL;
  g_autoptr (GBytes) sealed = writer != NULL ? teesql_seal_writer_seal_bytes (writer, content, error) : NULL;
  gboolean only_new = (flags & TEESQL_REPOSITORY_IF_ABSENT) != 0;

  if (sealed == NULL || !teesql_store_put (self->store, id->name, sealed, only_new ? TEESQL_STORAGE_PUT_IF_ABSENT : TEESQL_STORAGE_PUT_NONE,
                                           cancellable, error))
    return FALSE;
  if (out_commitment != NULL)
    memcpy (out_commitment, teesql_seal_writer_get_commitment (writer), TEESQL_SEAL_COMMITMENT_SIZE);
  digest (sealed, out_sealed_digest);
  return TRUE;
}

/* ---- get ---- */

static gboolean
too_large (const char *name, gsize max_plain, GError **error)
{
  return fail (error, TEESQL_ERROR_INTEGRITY, "object-too-large", "%s: larger than %" G_GSIZE_FORMAT " bytes", name, max_plain);
}

static GBytes *
fetch (TeesqlRepository *self, const char *name, gsize max_plain, gsize max_content, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) cause = NULL;
  gsize max_sealed = (gsize) teesql_seal_sealed_size (TEESQL_SEAL_HEADER_MAX, max_content);
  GBytes *sealed = teesql_store_get (self->store, name, max_sealed, cancellable, &cause);

  if (sealed != NULL)
    return sealed;
  if (cause->domain == TEESQL_STORAGE_ERROR && strcmp (teesql_error_get_reason (cause), "object-too-large") == 0)
    too_large (name, max_plain, error);
  else
    g_propagate_error (error, g_steal_pointer (&cause));
  return NULL;
}

static GBytes *
decompress (const char *name, GBytes *content, gsize max_plain, GError **error)
{
  g_autoptr (TeesqlFrameReader) reader = NULL;
  g_autofree guint8 *plain = NULL;
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (content, &size);
  gsize frame = 0;
  gsize plain_size = 0;

  if (!teesql_frame_measure (data, size, max_plain, &frame, &plain_size, error))
    {
      g_prefix_error (error, "%s: ", name);
      return NULL;
    }
  if (frame == 0 || frame != size)
    {
      fail (error, TEESQL_ERROR_INTEGRITY, "frame-truncated", "%s: %" G_GSIZE_FORMAT " bytes are not one compressed frame", name, size);
      return NULL;
    }
  reader = teesql_frame_reader_new ();
  plain = g_malloc (MAX (plain_size, 1));
  if (!teesql_frame_read (reader, data, size, plain, plain_size, error))
    {
      g_prefix_error (error, "%s: ", name);
      return NULL;
    }
  return g_bytes_new_take (g_steal_pointer (&plain), plain_size);
}

static GBytes *
unseal (TeesqlRepository *self, const TeesqlObjectId *id, GBytes *sealed, guint8 *out_commitment, GError **error)
{
  const TeesqlSealContext context = make_context (self, id);
  gsize size = 0;
  const guint8 *data = g_bytes_get_data (sealed, &size);
  gsize header_size = 0;
  g_autoptr (TeesqlSealReader) reader = teesql_seal_reader_new (&context, self->keys, data, size, &header_size, error);
  GBytes *content = reader != NULL ? teesql_seal_reader_open_bytes (reader, sealed, error) : NULL;

  if (content != NULL && out_commitment != NULL)
    memcpy (out_commitment, teesql_seal_reader_get_commitment (reader), TEESQL_SEAL_COMMITMENT_SIZE);
  return content;
}

GBytes *
teesql_repository_get (TeesqlRepository *self, const TeesqlObjectId *id, TeesqlRepositoryFlags flags, gsize max_plain,
                       guint8 *out_commitment, guint8 *out_sealed_digest, GCancellable *cancellable, GError **error)
{
  gboolean compressed = (flags & TEESQL_REPOSITORY_COMPRESS) != 0;
  gsize max_content = compressed ? teesql_frame_bound (max_plain) : max_plain;
  guint8 commitment[TEESQL_SEAL_COMMITMENT_SIZE];
  g_autoptr (GBytes) sealed = fetch (self, id->name, max_plain, max_content, cancellable, error);
  g_autoptr (GBytes) content = sealed != NULL ? unseal (self, id, sealed, commitment, error) : NULL;
  g_autoptr (GBytes) plain = NULL;

  if (content == NULL)
    return NULL;
  if (g_bytes_get_size (content) > max_content)
    {
      too_large (id->name, max_plain, error);
      return NULL;
    }
  plain = compressed ? decompress (id->name, content, max_plain, error) : g_bytes_ref (content);
  if (plain == NULL)
    return NULL;
  if (out_commitment != NULL)
    memcpy (out_commitment, commitment, sizeof commitment);
  digest (sealed, out_sealed_digest);
  return g_steal_pointer (&plain);
}
