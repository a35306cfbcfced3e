#include <teesql/teesql-secret.h>
#include "base/teesql-locked-slab.h"
#include <gnutls/gnutls.h>
#include <string.h>

struct _TeesqlSecret
{
  gatomicrefcount ref_count;
  gsize size;
  guint8 *data; /* locked; never reachable through anything that prints */
};

G_DEFINE_BOXED_TYPE (TeesqlSecret, teesql_secret, teesql_secret_ref, teesql_secret_unref)

TeesqlSecret *
teesql_secret_new_fill (gsize size, TeesqlSecretFillFunc fill, gpointer user_data, GError **error)
{
  TeesqlSecret *self = NULL;
  guint8 *data = NULL;

  g_return_val_if_fail (fill != NULL, NULL);

  if (size == 0 || size > TEESQL_SECRET_MAX_SIZE)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "a secret has 1 to %" G_GSIZE_FORMAT " bytes, not %" G_GSIZE_FORMAT,
                   TEESQL_SECRET_MAX_SIZE, size);
      return NULL;
    }
  data = teesql_locked_slab_alloc (size, error);
  if (data == NULL)
    return NULL;
  if (!fill (data, size, user_data, error))
    {
      teesql_locked_slab_free (data, size);
      return NULL;
    }
  self = g_new0 (TeesqlSecret, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->size = size;
  self->data = data;
  return self;
}

static gboolean
fill_with_copy (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  memcpy (out, user_data, size);
  return TRUE;
}

TeesqlSecret *
teesql_secret_new (const guint8 *data, gsize size, GError **error)
{
  g_return_val_if_fail (data != NULL, NULL);

  return teesql_secret_new_fill (size, fill_with_copy, (gpointer) data, error);
}

/* The value of a hex digit, or 0xff, by arithmetic: no branch and no table index depends on the secret. */
static guint8
nibble (guint8 c)
{
  int lower = c | 0x20;
  int digit = c - '0';
  int letter = lower - 'a';
  int is_digit = ~((digit | (9 - digit)) >> 8);
  int is_letter = ~((letter | (5 - letter)) >> 8);

  return (guint8) ((is_digit & digit) | (is_letter & (letter + 10)) | (~(is_digit | is_letter) & 0xff));
}

static gboolean
fill_from_hex (guint8 *out, gsize size, gpointer user_data, GError **error)
{
  const guint8 *hex = user_data;
  guint8 bad = 0;

  for (gsize i = 0; i < size; i++)
    {
      guint8 high = nibble (hex[2 * i]);
      guint8 low = nibble (hex[2 * i + 1]);

      bad |= (high | low) & 0xf0;
      out[i] = (guint8) ((high << 4) | (low & 15));
    }
  if (bad != 0) /* neither the character nor its place is said: both are part of a secret */
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the secret has a character that is no hex digit");
  return bad == 0;
}

TeesqlSecret *
teesql_secret_new_from_hex (const char *hex, gssize length, GError **error)
{
  gsize n = 0;

  g_return_val_if_fail (hex != NULL, NULL);

  n = length < 0 ? strlen (hex) : (gsize) length;
  if (n % 2 != 0)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the secret has an odd number of hex digits");
      return NULL;
    }
  return teesql_secret_new_fill (n / 2, fill_from_hex, (gpointer) hex, error);
}

TeesqlSecret *
teesql_secret_ref (TeesqlSecret *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
teesql_secret_unref (TeesqlSecret *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  teesql_locked_slab_free (self->data, self->size);
  g_free (self);
}

gsize
teesql_secret_get_size (const TeesqlSecret *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->size;
}

const guint8 *
teesql_secret_peek (const TeesqlSecret *self, gsize *out_size)
{
  g_return_val_if_fail (self != NULL, NULL);

  if (out_size != NULL)
    *out_size = self->size;
  return self->data;
}

gboolean
teesql_secret_equal (const TeesqlSecret *a, const TeesqlSecret *b)
{
  g_return_val_if_fail (a != NULL && b != NULL, FALSE);

  return a->size == b->size && gnutls_memcmp (a->data, b->data, a->size) == 0;
}
