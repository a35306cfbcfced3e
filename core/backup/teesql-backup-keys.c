#include "backup/teesql-backup-keys.h"

#include "attest/teesql-reference.h"
#include "backup/teesql-head.h"

struct _TeesqlBackupKeys
{
  GObject parent_instance;
  TeesqlAttestService *attest;
  TeesqlKms *kms;
  GMainContext *context; /* where the KMS lives */
  TeesqlEpochKeys *epochs;
  char *member;
  GMutex lock;
  GHashTable *known; /* epochs that are there */
  TeesqlSecret *head_key;
  gboolean simulated;
};

G_DEFINE_FINAL_TYPE (TeesqlBackupKeys, teesql_backup_keys, G_TYPE_OBJECT)

/* One question to the KMS. Two hold it: the thread that waits, which may give up, and the main context, which answers in any case. */
typedef struct
{
  gatomicrefcount refs;
  TeesqlBackupKeys *keys;
  GCancellable *cancellable;
  char *path;
  GMutex lock;
  GCond done;
  gboolean finished;
  TeesqlSecret *key;
  GError *error;
} Question;

static void
question_unref (Question *self)
{
  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_object_unref (self->keys);
  g_object_unref (self->cancellable);
  g_free (self->path);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->done);
  g_clear_pointer (&self->key, teesql_secret_unref);
  g_clear_error (&self->error);
  g_free (self);
}

/* The first answer counts; a second one finds nobody who waits. */
static void
question_finish (Question *self, TeesqlSecret *key, GError *error)
{
  g_mutex_lock (&self->lock);
  if (!self->finished)
    {
      self->key = g_steal_pointer (&key);
      self->error = g_steal_pointer (&error);
      self->finished = TRUE;
      g_cond_signal (&self->done);
    }
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&key, teesql_secret_unref);
  g_clear_error (&error);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Question *question = data;
  GError *error = NULL;
  TeesqlSecret *key = teesql_attest_get_key_finish (result, &error);

  question_finish (question, key, error);
  question_unref (question);
}

static gboolean
ask_cb (gpointer data)
{
  Question *question = data;

  teesql_attest_get_key_async (question->keys->attest, question->keys->kms, question->path, "backup-epoch", question->cancellable,
                               answered_cb, question);
  return G_SOURCE_REMOVE;
}

static Question *
question_new (TeesqlBackupKeys *keys, guint32 epoch)
{
  Question *self = g_new0 (Question, 1);

  g_atomic_ref_count_init (&self->refs);
  g_atomic_ref_count_inc (&self->refs);
  self->keys = g_object_ref (keys);
  self->cancellable = g_cancellable_new ();
  self->path = teesql_epoch_keys_dup_path (epoch);
  g_mutex_init (&self->lock);
  g_cond_init (&self->done);
  return self;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer data)
{
  Question *question = data;

  g_cancellable_cancel (question->cancellable);
  question_finish (question, NULL, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled"));
}

/* Who waits gives up by itself: at the end of the program the main context does not turn any more. */
static TeesqlSecret *
ask (TeesqlBackupKeys *self, guint32 epoch, GCancellable *cancellable, GError **error)
{
  Question *question = question_new (self, epoch);
  gulong cancel_id = cancellable != NULL ? g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), question, NULL) : 0;
  TeesqlSecret *key = NULL;

  g_main_context_invoke (self->context, ask_cb, question);
  g_mutex_lock (&question->lock);
  while (!question->finished)
    g_cond_wait (&question->done, &question->lock);
  key = g_steal_pointer (&question->key);
  if (key == NULL)
    g_propagate_error (error, g_steal_pointer (&question->error));
  g_mutex_unlock (&question->lock);
  g_cancellable_disconnect (cancellable, cancel_id);
  question_unref (question);
  return key;
}

static gboolean
keep (TeesqlBackupKeys *self, guint32 epoch, TeesqlSecret *key, GError **error)
{
  if (!teesql_epoch_keys_add_kms (self->epochs, epoch, key, error))
    return FALSE;
  if (epoch == 0)
    {
      g_autoptr (TeesqlSecret) head_key = teesql_head_derive_key (key, self->member, error);

      if (head_key == NULL)
        return FALSE;
      g_clear_pointer (&self->head_key, teesql_secret_unref);
      self->head_key = g_steal_pointer (&head_key);
    }
  self->simulated = teesql_kms_get_taint (self->kms) != NULL;
  g_hash_table_add (self->known, GUINT_TO_POINTER (epoch + 1));
  return TRUE;
}

gboolean
teesql_backup_keys_fetch (TeesqlBackupKeys *self, guint32 epoch, GCancellable *cancellable, GError **error)
{
  g_autoptr (TeesqlSecret) key = NULL;
  gboolean kept = FALSE;

  g_mutex_lock (&self->lock);
  kept = g_hash_table_contains (self->known, GUINT_TO_POINTER (epoch + 1));
  g_mutex_unlock (&self->lock);
  if (kept)
    return TRUE;
  key = ask (self, epoch, cancellable, error);
  if (key == NULL)
    return FALSE;
  g_mutex_lock (&self->lock);
  kept = keep (self, epoch, key, error);
  g_mutex_unlock (&self->lock);
  return kept;
}

TeesqlEpochKeys *
teesql_backup_keys_get_epochs (TeesqlBackupKeys *self)
{
  return self->epochs;
}

TeesqlSecret *
teesql_backup_keys_get_head_key (TeesqlBackupKeys *self)
{
  return self->head_key;
}

gboolean
teesql_backup_keys_are_simulated (TeesqlBackupKeys *self)
{
  return self->simulated;
}

TeesqlBackupKeys *
teesql_backup_keys_new (TeesqlAttestService *attest, TeesqlKms *kms, const guint8 cluster_id[TEESQL_CLUSTER_ID_SIZE], const char *member)
{
  TeesqlBackupKeys *self = g_object_new (TEESQL_TYPE_BACKUP_KEYS, NULL);

  self->attest = attest != NULL ? g_object_ref (attest) : NULL;
  self->kms = g_object_ref (kms);
  self->context = g_main_context_ref (g_main_context_default ());
  self->epochs = teesql_epoch_keys_new (cluster_id);
  self->member = g_strdup (member);
  return self;
}

static void
teesql_backup_keys_finalize (GObject *object)
{
  TeesqlBackupKeys *self = TEESQL_BACKUP_KEYS (object);

  g_clear_object (&self->attest);
  g_clear_object (&self->kms);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_pointer (&self->epochs, teesql_epoch_keys_unref);
  g_clear_pointer (&self->head_key, teesql_secret_unref);
  g_hash_table_unref (self->known);
  g_free (self->member);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (teesql_backup_keys_parent_class)->finalize (object);
}

static void
teesql_backup_keys_class_init (TeesqlBackupKeysClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = teesql_backup_keys_finalize;
}

static void
teesql_backup_keys_init (TeesqlBackupKeys *self)
{
  g_mutex_init (&self->lock);
  self->known = g_hash_table_new (NULL, NULL);
}
