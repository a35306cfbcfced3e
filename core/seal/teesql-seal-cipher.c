#include "seal/teesql-seal-cipher.h"
#include "base/teesql-domains.h"
#include "base/teesql-locked-memory.h"
#include "seal/teesql-seal.h"
#include <gnutls/crypto.h>

/* A handle holds the state of one message, so each thread that is at work has one; they are kept for the next segment. */
struct _TeesqlSealCipher
{
  TeesqlSecret *key;
  GMutex lock;
  GPtrArray *idle; /* gnutls_aead_cipher_hd_t */
};

static gboolean
broken (int code, GError **error)
{
  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_FAILED, "seal-cipher", "aes-256-gcm: %s", gnutls_strerror (code));
}

static gnutls_aead_cipher_hd_t
make_handle (TeesqlSecret *key, GError **error)
{
  gnutls_aead_cipher_hd_t handle = NULL;
  gsize size = 0;
  const guint8 *data = teesql_secret_peek (key, &size);
  const gnutls_datum_t datum = { (unsigned char *) data, (unsigned int) size };
  int code = gnutls_aead_cipher_init (&handle, GNUTLS_CIPHER_AES_256_GCM, &datum);

  if (code == 0)
    return handle;
  broken (code, error);
  return NULL;
}

static gnutls_aead_cipher_hd_t
take_handle (TeesqlSealCipher *self, GError **error)
{
  gnutls_aead_cipher_hd_t handle = NULL;

  g_mutex_lock (&self->lock);
  if (self->idle->len > 0)
    handle = g_ptr_array_steal_index_fast (self->idle, self->idle->len - 1);
  g_mutex_unlock (&self->lock);
  return handle != NULL ? handle : make_handle (self->key, error);
}

static void
return_handle (TeesqlSealCipher *self, gnutls_aead_cipher_hd_t handle)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->idle, handle);
  g_mutex_unlock (&self->lock);
}

TeesqlSealCipher *
teesql_seal_cipher_new (TeesqlSecret *key, GError **error)
{
  g_autoptr (TeesqlSealCipher) self = g_new0 (TeesqlSealCipher, 1);
  gnutls_aead_cipher_hd_t handle = NULL;

  g_mutex_init (&self->lock);
  self->idle = g_ptr_array_new_with_free_func ((GDestroyNotify) gnutls_aead_cipher_deinit); /* wipes the key schedule */
  self->key = teesql_secret_ref (key);
  handle = make_handle (key, error);
  if (handle == NULL)
    return NULL;
  g_ptr_array_add (self->idle, handle);
  return g_steal_pointer (&self);
}

void
teesql_seal_cipher_free (TeesqlSealCipher *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->idle);
  g_mutex_clear (&self->lock);
  teesql_secret_unref (self->key);
  g_free (self);
}

gboolean
teesql_seal_cipher_encrypt (TeesqlSealCipher *self, const TeesqlSealMessage *message, const guint8 *plain, gsize size, guint8 *out,
                            GError **error)
{
  gnutls_aead_cipher_hd_t handle = take_handle (self, error);
  gsize out_size = size + TEESQL_SEAL_TAG_SIZE;
  int code = 0;

  if (handle == NULL)
    return FALSE;
  code = gnutls_aead_cipher_encrypt (handle, message->nonce, TEESQL_SEAL_NONCE_SIZE, message->associated, message->associated_size,
                                     TEESQL_SEAL_TAG_SIZE, plain, size, out, &out_size);
  return_handle (self, handle);
  if (code != 0)
    return broken (code, error);
  /* SR-17: a length that is not what it must be means that something else was written */
  return out_size == size + TEESQL_SEAL_TAG_SIZE || broken (GNUTLS_E_INTERNAL_ERROR, error);
}

gboolean
teesql_seal_cipher_decrypt (TeesqlSealCipher *self, const TeesqlSealMessage *message, const guint8 *sealed, gsize size, guint8 *out,
                            GError **error)
{
  gnutls_aead_cipher_hd_t handle = take_handle (self, error);
  gsize plain_size = size - TEESQL_SEAL_TAG_SIZE;
  gsize out_size = plain_size;
  int code = 0;

  if (handle == NULL)
    return FALSE;
  code = gnutls_aead_cipher_decrypt (handle, message->nonce, TEESQL_SEAL_NONCE_SIZE, message->associated, message->associated_size,
                                     TEESQL_SEAL_TAG_SIZE, sealed, size, out, &out_size);
  return_handle (self, handle);
  if (code == 0 && out_size == plain_size)
    return TRUE;
  /* GnuTLS decrypts before it compares the tag: what it wrote is anybody's */
  teesql_wipe (out, plain_size);
  return code == 0 || code == GNUTLS_E_DECRYPTION_FAILED ? FALSE : broken (code, error);
}
