#include "base/teesql-digest.h"
#include "base/teesql-locked-memory.h"
#include <gnutls/crypto.h>
#include <string.h>

/* Above it lie no messages that a login makes. */
#define SHORT_MESSAGE ((gsize) 1024)

/* The algorithms are compiled into GnuTLS. If one cannot run, the library is broken or out of memory, and going on
 * would mean going on with a digest that was never computed. */
#define MUST(call)                                                                                                                         \
  do                                                                                                                                       \
    {                                                                                                                                      \
      int must_result_ = (call);                                                                                                           \
      if (must_result_ < 0)                                                                                                                \
        g_error ("%s: %s", #call, gnutls_strerror (must_result_));                                                                         \
    }                                                                                                                                      \
  while (0)

static gnutls_digest_algorithm_t
algorithm (TeesqlDigestKind kind)
{
  switch (kind)
    {
    case TEESQL_DIGEST_SHA256:
      return GNUTLS_DIG_SHA256;
    case TEESQL_DIGEST_SHA384:
      return GNUTLS_DIG_SHA384;
    case TEESQL_DIGEST_SHA512:
      return GNUTLS_DIG_SHA512;
    }
  g_assert_not_reached ();
}

void
teesql_digest (TeesqlDigestKind kind, guint8 *out, const TeesqlDigestPart *parts, guint n_parts)
{
  gnutls_hash_hd_t hash = NULL;

  MUST (gnutls_hash_init (&hash, algorithm (kind)));
  for (guint i = 0; i < n_parts; i++)
    {
      if (parts[i].size > 0)
        MUST (gnutls_hash (hash, parts[i].data, parts[i].size));
    }
  gnutls_hash_deinit (hash, out);
}

void
teesql_digest_bytes (TeesqlDigestKind kind, guint8 *out, const void *data, gsize size)
{
  MUST (gnutls_hash_fast (algorithm (kind), data, size, out));
}

/* GnuTLS clears and wipes 9 KiB for a context of its own, which a short message is not worth: a login has fifteen. */
static gboolean
hmac_short (guint8 out[TEESQL_SHA256_SIZE], const guint8 *key, gsize key_size, const TeesqlDigestPart *parts, guint n_parts)
{
  guint8 message[SHORT_MESSAGE];
  gsize used = 0;

  for (guint i = 0; i < n_parts; i++)
    {
      if (parts[i].size > sizeof message - used)
        {
          teesql_wipe (message, used);
          return FALSE;
        }
      if (parts[i].size > 0)
        memcpy (message + used, parts[i].data, parts[i].size); /* fits: just checked */
      used += parts[i].size;
    }
  MUST (gnutls_hmac_fast (GNUTLS_MAC_SHA256, key, key_size, message, used, out));
  teesql_wipe (message, used);
  return TRUE;
}

void
teesql_hmac_sha256 (guint8 out[TEESQL_SHA256_SIZE], const guint8 *key, gsize key_size, const TeesqlDigestPart *parts, guint n_parts)
{
  gnutls_hmac_hd_t hmac = NULL;

  if (hmac_short (out, key, key_size, parts, n_parts))
    return;
  MUST (gnutls_hmac_init (&hmac, GNUTLS_MAC_SHA256, key, key_size));
  for (guint i = 0; i < n_parts; i++)
    {
      if (parts[i].size > 0)
        MUST (gnutls_hmac (hmac, parts[i].data, parts[i].size));
    }
  gnutls_hmac_deinit (hmac, out);
}

static gnutls_datum_t
datum (const guint8 *data, gsize size)
{
  g_assert (size <= G_MAXUINT);
  return (gnutls_datum_t){ (unsigned char *) data, (unsigned int) size };
}

void
teesql_hkdf_sha256 (const guint8 *ikm, gsize ikm_size, const guint8 *salt, gsize salt_size, const guint8 *info, gsize info_size,
                    guint8 *out, gsize size)
{
  gnutls_datum_t input = datum (ikm, ikm_size);
  gnutls_datum_t salt_datum = datum (salt, salt_size);
  gnutls_datum_t info_datum = datum (info, info_size);
  guint8 prk[TEESQL_SHA256_SIZE];
  gnutls_datum_t prk_datum = datum (prk, sizeof prk);

  g_return_if_fail (size <= 255 * TEESQL_SHA256_SIZE);

  MUST (gnutls_hkdf_extract (GNUTLS_MAC_SHA256, &input, &salt_datum, prk));
  MUST (gnutls_hkdf_expand (GNUTLS_MAC_SHA256, &prk_datum, &info_datum, out, size));
  teesql_wipe (prk, sizeof prk);
}
