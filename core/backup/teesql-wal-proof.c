#include "backup/teesql-wal-proof.h"
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

/* -- Digests ---------------------------------------------------------------------------------------------------- */

/* The algorithm is compiled into GnuTLS: only a library that is broken or out of memory gets here. */
static void
must (int result)
{
  if (result < 0)
    g_error ("SHA-256: %s", gnutls_strerror (result));
}

static gnutls_hash_hd_t
hash_new (void)
{
  gnutls_hash_hd_t hash = NULL;

  must (gnutls_hash_init (&hash, GNUTLS_DIG_SHA256));
  return hash;
}

static gnutls_hash_hd_t
hash_copy (gnutls_hash_hd_t from)
{
  gnutls_hash_hd_t hash = gnutls_hash_copy (from);

  must (hash != NULL ? 0 : GNUTLS_E_MEMORY_ERROR);
  return hash;
}

/* -- What is asked for ------------------------------------------------------------------------------------------ */

typedef struct
{
  guint64 start;
  guint64 end;
  guint64 fed; /* up to here */
  guint8 digest[TEESQL_WAL_DIGEST_SIZE];
  gnutls_hash_hd_t hash; /* NULL before the first byte and behind the last */
  gboolean equal;
} Piece;

struct _TeesqlWalProof
{
  GArray *pieces; /* Piece */
};

static void
piece_clear (gpointer piece)
{
  Piece *self = piece;

  if (self->hash != NULL)
    gnutls_hash_deinit (self->hash, NULL);
  self->hash = NULL;
}

static void
piece_feed (Piece *self, const guint8 *data, gsize size)
{
  guint8 digest[TEESQL_WAL_DIGEST_SIZE];

  if (self->hash == NULL)
    self->hash = hash_new ();
  must (gnutls_hash (self->hash, data, size));
  self->fed += size;
  if (self->fed < self->end)
    return;
  gnutls_hash_deinit (g_steal_pointer (&self->hash), digest);
  self->equal = memcmp (digest, self->digest, sizeof digest) == 0;
}

TeesqlWalProof *
teesql_wal_proof_new (void)
{
  TeesqlWalProof *self = g_new0 (TeesqlWalProof, 1);

  self->pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
  g_array_set_clear_func (self->pieces, piece_clear);
  return self;
}

void
teesql_wal_proof_free (TeesqlWalProof *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->pieces);
  g_free (self);
}

void
teesql_wal_proof_expect (TeesqlWalProof *self, guint64 start, guint64 end, const guint8 digest[TEESQL_WAL_DIGEST_SIZE])
{
  Piece piece = { .start = start, .end = end, .fed = start };

  g_return_if_fail (start < end);
  memcpy (piece.digest, digest, sizeof piece.digest);
  g_array_append_val (self->pieces, piece);
}

void
teesql_wal_proof_drop_before (TeesqlWalProof *self, guint64 lsn)
{
  for (guint i = self->pieces->len; i > 0; i--)
    if (g_array_index (self->pieces, Piece, i - 1).start < lsn)
      g_array_remove_index (self->pieces, i - 1);
}

gboolean
teesql_wal_proof_get_range (const TeesqlWalProof *self, guint64 *out_start, guint64 *out_end)
{
  *out_start = G_MAXUINT64;
  *out_end = 0;
  for (guint i = 0; i < self->pieces->len; i++)
    {
      const Piece *piece = &g_array_index (self->pieces, Piece, i);

      *out_start = MIN (*out_start, piece->start);
      *out_end = MAX (*out_end, piece->end);
    }
  return self->pieces->len > 0;
}

void
teesql_wal_proof_feed (TeesqlWalProof *self, guint64 lsn, const guint8 *data, gsize size)
{
  for (guint i = 0; i < self->pieces->len; i++)
    {
      Piece *piece = &g_array_index (self->pieces, Piece, i);
      guint64 end = MIN (piece->end, lsn + size);

      if (piece->fed >= lsn && piece->fed < end)
        piece_feed (piece, data + (piece->fed - lsn), (gsize) (end - piece->fed));
    }
}

void
teesql_wal_proof_rewind (TeesqlWalProof *self)
{
  for (guint i = 0; i < self->pieces->len; i++)
    {
      Piece *piece = &g_array_index (self->pieces, Piece, i);

      piece_clear (piece);
      piece->fed = piece->start;
      piece->equal = FALSE;
    }
}

gboolean
teesql_wal_proof_check (TeesqlWalProof *self, guint64 *out_start, guint64 *out_end)
{
  const Piece *wrong = NULL;

  for (guint i = 0; i < self->pieces->len; i++)
    {
      const Piece *piece = &g_array_index (self->pieces, Piece, i);

      if (!piece->equal && (wrong == NULL || piece->start < wrong->start))
        wrong = piece;
    }
  if (wrong == NULL)
    return TRUE;
  *out_start = wrong->start;
  *out_end = wrong->end;
  return FALSE;
}

/* -- What was received ------------------------------------------------------------------------------------------ */

struct _TeesqlWalTrail
{
  guint32 segment_size;
  guint64 start; /* of what is being hashed */
  guint64 end;
  gnutls_hash_hd_t hash;
  guint64 before; /* start of the segment that ended at @start */
  gboolean has_before;
  guint8 before_digest[TEESQL_WAL_DIGEST_SIZE];
};

TeesqlWalTrail *
teesql_wal_trail_new (guint32 segment_size)
{
  TeesqlWalTrail *self = g_new0 (TeesqlWalTrail, 1);

  self->segment_size = segment_size;
  self->hash = hash_new ();
  return self;
}

void
teesql_wal_trail_free (TeesqlWalTrail *self)
{
  if (self == NULL)
    return;
  gnutls_hash_deinit (self->hash, NULL);
  g_free (self);
}

void
teesql_wal_trail_begin (TeesqlWalTrail *self, guint64 lsn)
{
  gnutls_hash_deinit (self->hash, NULL);
  self->hash = hash_new ();
  self->start = lsn;
  self->end = lsn;
  self->has_before = FALSE;
}

static void
trail_turn (TeesqlWalTrail *self)
{
  gnutls_hash_output (self->hash, self->before_digest); /* begins anew, too */
  self->before = self->start;
  self->has_before = TRUE;
  self->start = self->end;
}

void
teesql_wal_trail_add (TeesqlWalTrail *self, const guint8 *data, gsize size)
{
  while (size > 0)
    {
      gsize n = MIN (size, self->segment_size - (gsize) (self->end % self->segment_size));

      must (gnutls_hash (self->hash, data, n));
      self->end += n;
      data += n;
      size -= n;
      if (self->end % self->segment_size == 0)
        trail_turn (self);
    }
}

void
teesql_wal_trail_expect (const TeesqlWalTrail *self, TeesqlWalProof *proof)
{
  guint8 digest[TEESQL_WAL_DIGEST_SIZE];
  gnutls_hash_hd_t hash = NULL;

  if (self->has_before)
    teesql_wal_proof_expect (proof, self->before, self->start, self->before_digest);
  if (self->end == self->start)
    return;
  hash = hash_copy (self->hash);
  gnutls_hash_deinit (hash, digest);
  teesql_wal_proof_expect (proof, self->start, self->end, digest);
}
