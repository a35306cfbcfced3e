#pragma once
#include <teesql/teesql-error.h>
#include <teesql/teesql-secret.h>

G_BEGIN_DECLS

#define TEESQL_KMS_KEY_SIZE 32

#define TEESQL_TYPE_KMS (teesql_kms_get_type ())
TEESQL_API G_DECLARE_INTERFACE (TeesqlKms, teesql_kms, TEESQL, KMS, GObject)

/**
 * TeesqlKmsInterface:
 * @get_key_async: required; the 32 bytes at @path, the same at every call and on every member of the application.
 *   @path: 1..255 bytes of `[A-Za-z0-9/._-]`, the only separator of domains. @purpose: a label for logs and signature chains
 *   that need not change the key. Core derives from it with HKDF-SHA256 and a versioned label; only `pg/superuser` is used itself.
 * @get_taint: optional; why the keys are no production keys (a simulator, HTTP), %NULL when they are
 *
 * Errors: #TEESQL_KMS_ERROR. A key of another length, or of 32 equal bytes, is refused by the wrapper.
 */
struct _TeesqlKmsInterface {
  GTypeInterface parent_iface;

  void (*get_key_async) (TeesqlKms *self, const char *path, const char *purpose,
                         GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  TeesqlSecret *(*get_key_finish) (TeesqlKms *self, GAsyncResult *result, GError **error);

  const char *(*get_taint) (TeesqlKms *self);

  /*< private >*/
  gpointer padding[TEESQL_PADDING];
};

TEESQL_API const char *teesql_kms_get_taint (TeesqlKms *self);
TEESQL_API void teesql_kms_get_key_async (TeesqlKms *self, const char *path, const char *purpose,
                                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
TEESQL_API TeesqlSecret *teesql_kms_get_key_finish (TeesqlKms *self, GAsyncResult *result, GError **error) TEESQL_MUST_USE;

G_END_DECLS
