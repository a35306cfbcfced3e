#pragma once
/* AES-256-GCM under one key, on any number of threads at once. Private to this area. */
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

#define TEESQL_SEAL_NONCE_SIZE 12

typedef struct
{
  const guint8 *nonce; /* TEESQL_SEAL_NONCE_SIZE bytes */
  const guint8 *associated;
  gsize associated_size;
} TeesqlSealMessage;

typedef struct _TeesqlSealCipher TeesqlSealCipher;
TeesqlSealCipher *teesql_seal_cipher_new (TeesqlSecret *key, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void teesql_seal_cipher_free (TeesqlSealCipher *self);
/* @out: @size + 16 bytes; may be @plain */
gboolean teesql_seal_cipher_encrypt (TeesqlSealCipher *self, const TeesqlSealMessage *message, const guint8 *plain, gsize size, guint8 *out,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* @size: with the tag. @out: @size - 16 bytes; may be @sealed; wiped on failure. %FALSE, and no error is set, when the tag is wrong */
gboolean teesql_seal_cipher_decrypt (TeesqlSealCipher *self, const TeesqlSealMessage *message, const guint8 *sealed, gsize size,
                                     guint8 *out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSealCipher, teesql_seal_cipher_free)
G_END_DECLS
