#pragma once
#include <teesql/teesql-macros.h>

G_BEGIN_DECLS

/**
 * TeesqlSecret:
 *
 * key bytes. Boxed, refcounted, immutable, safe to share across threads.
 *
 * Its pages are locked and left out of core dumps and of forked children; the last unref wipes them. There is no way to
 * print one, to turn one into a GVariant, GBytes or string, or to grow one. A GObject property that holds a
 * credential has type %TEESQL_TYPE_SECRET: the keyfile then takes a reference (`file:`, `credential:`, `env:`) only.
 */
typedef struct _TeesqlSecret TeesqlSecret;

#define TEESQL_TYPE_SECRET     (teesql_secret_get_type ())
#define TEESQL_SECRET_MAX_SIZE ((gsize) 16384)
TEESQL_API GType teesql_secret_get_type (void);

/**
 * TeesqlSecretFillFunc:
 *
 * writes exactly @size bytes into locked memory.
 *
 * Returns: %FALSE with @error set to give up; what was written is wiped.
 */
typedef gboolean (*TeesqlSecretFillFunc) (guint8 *out, gsize size, gpointer user_data, GError **error);

/**
 * teesql_secret_new:
 *
 * copies @size bytes (1..%TEESQL_SECRET_MAX_SIZE); the caller wipes its own.
 *
 * Returns: (transfer full) (nullable): %NULL with G_IO_ERROR_NO_SPACE when memory cannot be locked
 */
TEESQL_API TeesqlSecret *teesql_secret_new (const guint8 *data, gsize size, GError **error) TEESQL_MUST_USE;
/**
 * teesql_secret_new_fill: (skip)
 *
 * the way without a copy; @fill runs once, before this returns
 */
TEESQL_API TeesqlSecret *teesql_secret_new_fill (gsize size, TeesqlSecretFillFunc fill, gpointer user_data, GError **error) TEESQL_MUST_USE;
/**
 * teesql_secret_new_from_hex:
 *
 * decodes into locked memory; odd length or a foreign character is G_IO_ERROR_INVALID_DATA
 */
TEESQL_API TeesqlSecret *teesql_secret_new_from_hex (const char *hex, gssize length, GError **error) TEESQL_MUST_USE;
TEESQL_API TeesqlSecret *teesql_secret_ref (TeesqlSecret *self);
TEESQL_API void teesql_secret_unref (TeesqlSecret *self);
TEESQL_API gsize teesql_secret_get_size (const TeesqlSecret *self);
/**
 * teesql_secret_peek:
 *
 * Returns: (array length=out_size) (transfer none): valid while the reference is held. Do not copy.
 */
TEESQL_API const guint8 *teesql_secret_peek (const TeesqlSecret *self, gsize *out_size);
/**
 * teesql_secret_equal:
 *
 * constant time in the contents; sizes are not secret
 */
TEESQL_API gboolean teesql_secret_equal (const TeesqlSecret *a, const TeesqlSecret *b) TEESQL_MUST_USE;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlSecret, teesql_secret_unref)
G_END_DECLS
