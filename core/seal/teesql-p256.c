#include "seal/teesql-p256.h"
#include "base/teesql-locked-memory.h"
#include <nettle/bignum.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecc.h>

#define UNCOMPRESSED 0x04

static const struct ecc_curve *
p256 (void)
{
  return nettle_get_secp_256r1 ();
}

/* GMP frees without wiping */
static void
wipe_number (mpz_t number)
{
  teesql_wipe (mpz_limbs_modify (number, (mp_size_t) mpz_size (number) + 1), mpz_size (number) * sizeof (mp_limb_t));
  mpz_clear (number);
}

static void
clear_scalar (struct ecc_scalar *scalar)
{
  teesql_wipe (scalar->p, (gsize) ecc_size (p256 ()) * sizeof (mp_limb_t));
  ecc_scalar_clear (scalar);
}

static void
clear_point (struct ecc_point *point)
{
  teesql_wipe (point->p, (gsize) ecc_size_a (p256 ()) * sizeof (mp_limb_t));
  ecc_point_clear (point);
}

static gboolean
load_scalar (struct ecc_scalar *out, const guint8 bytes[TEESQL_P256_SCALAR_SIZE])
{
  mpz_t number;
  gboolean in_range;

  ecc_scalar_init (out, p256 ());
  nettle_mpz_init_set_str_256_u (number, TEESQL_P256_SCALAR_SIZE, bytes);
  in_range = ecc_scalar_set (out, number) != 0;
  wipe_number (number);
  return in_range;
}

static gboolean
load_point (struct ecc_point *out, const guint8 bytes[TEESQL_P256_POINT_SIZE])
{
  mpz_t x;
  mpz_t y;
  gboolean on_curve;

  ecc_point_init (out, p256 ());
  nettle_mpz_init_set_str_256_u (x, 32, bytes + 1);
  nettle_mpz_init_set_str_256_u (y, 32, bytes + 33);
  on_curve = bytes[0] == UNCOMPRESSED && ecc_point_set (out, x, y) != 0;
  mpz_clear (x);
  mpz_clear (y);
  return on_curve;
}

static void
store_point (const struct ecc_point *point, guint8 out_x[32], guint8 *out_y)
{
  mpz_t x;
  mpz_t y;

  mpz_init (x);
  mpz_init (y);
  ecc_point_get (point, x, y);
  nettle_mpz_get_str_256 (32, out_x, x);
  if (out_y != NULL)
    nettle_mpz_get_str_256 (32, out_y, y);
  wipe_number (x);
  wipe_number (y);
}

gboolean
teesql_p256_public (const guint8 scalar[TEESQL_P256_SCALAR_SIZE], guint8 out[TEESQL_P256_POINT_SIZE])
{
  struct ecc_scalar k;
  struct ecc_point point;
  gboolean in_range = load_scalar (&k, scalar);

  if (in_range)
    {
      ecc_point_init (&point, p256 ());
      ecc_point_mul_g (&point, &k);
      out[0] = UNCOMPRESSED;
      store_point (&point, out + 1, out + 33);
      clear_point (&point);
    }
  clear_scalar (&k);
  return in_range;
}

gboolean
teesql_p256_agree (const guint8 scalar[TEESQL_P256_SCALAR_SIZE], const guint8 peer[TEESQL_P256_POINT_SIZE], guint8 out_x[32])
{
  struct ecc_scalar k;
  struct ecc_point point;
  gboolean in_range = load_scalar (&k, scalar);
  gboolean on_curve = load_point (&point, peer);

  if (in_range && on_curve)
    {
      ecc_point_mul (&point, &k, &point); /* constant time; never the point at infinity, for the order is prime */
      store_point (&point, out_x, NULL);
    }
  clear_scalar (&k);
  clear_point (&point);
  return in_range && on_curve;
}

gboolean
teesql_p256_is_point (const guint8 point[TEESQL_P256_POINT_SIZE])
{
  struct ecc_point loaded;
  gboolean on_curve = load_point (&loaded, point);

  ecc_point_clear (&loaded);
  return on_curve;
}
