/* A server that was rolled back and has gone further since looks like one that only went on: same system, same timeline, a later LSN. So
 * what it has of the WAL that was archived, or received, is compared with that first, and nothing is taken from it before. */
#include "backup/teesql-catalog-io.h"
#include "backup/teesql-catalog-wal.h"
#include "backup/teesql-wal-receiver.h"
#include "backup/teesql-wal-stream.h"
#include "base/teesql-digest.h"
#include "base/teesql-domains.h"

#define START_TIMEOUT_MS 60000
#define SILENCE_MAX_US   (60 * G_USEC_PER_SEC)
#define STATUS_SPACE_US  G_USEC_PER_SEC
#define WAIT_MS          1000
#define STORE_WAIT_US    (10 * G_USEC_PER_SEC)

/* -- Refusals --------------------------------------------------------------------------------------------------- */

gboolean
teesql_wal_receiver_refuse_unproven (const TeesqlWalReceiver *self, guint32 timeline, guint64 lsn, const char *why, GError **error)
{
  g_autofree char *at = teesql_lsn_to_string (lsn);

  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "wal-unproven",
                      "timeline %u: nothing shows that the server goes on from the WAL that was archived up to %s: %s" TEESQL_ACCEPT_HINT,
                      timeline, at, why);
}

static gboolean
refuse_differs (guint32 timeline, guint64 start_lsn, guint64 end_lsn, GError **error)
{
  g_autofree char *start = teesql_lsn_to_string (start_lsn);
  g_autofree char *end = teesql_lsn_to_string (end_lsn);

  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "wal-differs",
                      "timeline %u: the server's WAL from %s to %s is not what was archived of it: it went on from an older state\n"
                      "hint: its volume was rolled back, or an older copy was started; restore it from the repository, "
                      "or begin a new lineage with `teesql backup accept`",
                      timeline, start, end);
}

/* -- What the store has ----------------------------------------------------------------------------------------- */

/* @start: nothing before it is asked for; @needed: without what lies from there on nothing is proven; @known_end: it is stored up to there,
 * 0: nobody knows; @limit: where the server left the timeline, 0: it has not */
typedef struct
{
  guint32 timeline;
  guint64 start;
  guint64 needed;
  guint64 known_end;
  guint64 limit;
} Claim;

static guint64
segment_start (const TeesqlWalReceiver *self, guint64 lsn)
{
  return lsn - lsn % self->archiver->segment_size;
}

static gboolean
refuse_missing (guint32 timeline, guint64 found_end, guint64 known_end, GError **error)
{
  g_autofree char *found = teesql_lsn_to_string (found_end);
  g_autofree char *known = teesql_lsn_to_string (known_end);

  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "repository-behind",
                      "timeline %u: WAL was stored up to %s, what is there ends at %s: the repository was rolled back, or objects were "
                      "deleted" TEESQL_ACCEPT_HINT,
                      timeline, known, found);
}

/* Bytes of an object up to @end, which are all of them but where the server left the timeline within it. */
static gboolean
digest_object (TeesqlWalReceiver *self, const TeesqlWalObject *object, guint64 end, guint8 digest[TEESQL_WAL_DIGEST_SIZE], GError **error)
{
  TeesqlWalArchiver *archiver = self->archiver;
  g_autofree char *name =
      teesql_wal_object_dup_name (archiver->repository, teesql_catalog_get_lineage (archiver->catalog), object, archiver->segment_size);
  TeesqlObjectId id = { .name = name, .system_identifier = archiver->system_identifier, .timeline = object->timeline };
  gsize size = (gsize) (object->end_lsn - object->start_lsn);
  g_autoptr (GBytes) bytes =
      teesql_repository_get (archiver->repository, &id, TEESQL_REPOSITORY_COMPRESS, size, NULL, NULL, archiver->receive_cancellable, error);

  if (bytes == NULL)
    return FALSE;
  if (g_bytes_get_size (bytes) != size)
    return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_INTEGRITY, "wal-size",
                        "%s has %" G_GSIZE_FORMAT " bytes of WAL, expected %" G_GSIZE_FORMAT, name, g_bytes_get_size (bytes), size);
  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, g_bytes_get_data (bytes, NULL), (gsize) (end - object->start_lsn));
  return TRUE;
}

/* An object that is gone since it was listed made room for the whole segment: another look will find that. */
static gboolean
expect_object (TeesqlWalReceiver *self, const Claim *claim, const TeesqlWalObject *object, TeesqlWalProof *proof, GError **error)
{
  guint64 end = claim->limit > 0 ? MIN (object->end_lsn, claim->limit) : object->end_lsn;
  guint8 digest[TEESQL_WAL_DIGEST_SIZE];
  g_autoptr (GError) cause = NULL;

  if (object->start_lsn >= end)
    return TRUE;
  if (claim->limit == 0 && end > self->server.lsn)
    return teesql_wal_receiver_refuse_behind (self, claim->timeline, end, error);
  if (digest_object (self, object, end, digest, &cause))
    {
      teesql_wal_proof_expect (proof, object->start_lsn, end, digest);
      return TRUE;
    }
  if (teesql_catalog_is_damage (cause) && !g_error_matches (cause, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND))
    return teesql_wal_receiver_refuse_unproven (self, claim->timeline, end, cause->message, error);
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static GArray *
list_stored (TeesqlWalReceiver *self, const Claim *claim, GError **error)
{
  TeesqlWalArchiver *archiver = self->archiver;
  /* what was stored and not noted by a head that was rolled back lies beyond it; without a hole, so at the latest behind the server */
  guint64 to = claim->limit > 0 ? claim->limit : segment_start (self, self->server.lsn) + 2 * (guint64) archiver->segment_size;

  return teesql_wal_list (archiver->repository, teesql_catalog_get_lineage (archiver->catalog), claim->timeline, archiver->segment_size,
                          claim->start, MAX (to, claim->start + archiver->segment_size), archiver->receive_cancellable, error);
}

static gboolean
expect_stored (TeesqlWalReceiver *self, const Claim *claim, TeesqlWalProof *proof, GError **error)
{
  g_autoptr (GArray) objects = list_stored (self, claim, error);
  guint64 reach = 0;

  if (objects == NULL)
    return FALSE;
  reach = teesql_wal_reach (objects, claim->needed);
  if (reach < claim->known_end)
    return refuse_missing (claim->timeline, reach, claim->known_end, error);
  for (guint i = 0; i < objects->len; i++)
    if (!expect_object (self, claim, &g_array_index (objects, TeesqlWalObject, i), proof, error))
      return FALSE;
  return TRUE;
}

static guint64
find_range_start (TeesqlWalReceiver *self, guint32 timeline, guint64 lsn)
{
  g_autoptr (TeesqlCatalogRecord) record = teesql_catalog_dup_record (self->archiver->catalog);

  for (guint i = 0; i < record->wal->len; i++)
    {
      const TeesqlWalRange *range = &g_array_index (record->wal, TeesqlWalRange, i);

      if (range->timeline == timeline && range->start_lsn <= lsn && lsn < range->end_lsn)
        return range->start_lsn;
    }
  return lsn;
}

/* The segment that holds the last known byte, and the one before it where there is one still: of a segment that has just begun the same few
 * bytes could be in two histories. */
static void
claim_known (TeesqlWalReceiver *self, Claim *claim, guint64 known_end)
{
  guint64 range_start = 0;

  claim->known_end = claim->limit > 0 ? MIN (known_end, claim->limit) : known_end;
  range_start = find_range_start (self, claim->timeline, claim->known_end - 1);
  claim->needed = MAX (segment_start (self, claim->known_end - 1), range_start);
  claim->start = claim->needed >= range_start + self->archiver->segment_size ? claim->needed - self->archiver->segment_size : claim->needed;
}

/* -- What the server has ---------------------------------------------------------------------------------------- */

typedef struct
{
  TeesqlWalReceiver *receiver;
  TeesqlWalProof *proof;
  guint32 timeline;
  guint64 position;
  guint64 end;
  gint64 heard_us;
  gint64 told_us;
} Hearing;

/* Without a position: it says that we are there, and nothing about what the slot or a commit waits for. */
static gboolean
hearing_tell (Hearing *self, gboolean now, GError **error)
{
  guint8 status[TEESQL_WAL_STATUS_SIZE];

  if (!now && g_get_monotonic_time () - self->told_us < STATUS_SPACE_US)
    return TRUE;
  self->told_us = g_get_monotonic_time ();
  teesql_wal_status_write (0, 0, g_get_real_time (), status);
  return teesql_pg_session_put (self->receiver->session, status, sizeof status, error);
}

static gboolean
hearing_take (Hearing *self, const guint8 *data, gsize size, GError **error)
{
  TeesqlWalMessage message;

  if (!teesql_wal_message_parse (data, size, &message, error))
    return FALSE;
  if (message.kind != TEESQL_WAL_MESSAGE_DATA)
    return !message.reply_wanted || hearing_tell (self, TRUE, error);
  if (message.start_lsn != self->position)
    return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "wal-position",
                        "the server sends WAL from %X/%X, expected %X/%X", (guint) (message.start_lsn >> 32), (guint) message.start_lsn,
                        (guint) (self->position >> 32), (guint) self->position);
  teesql_wal_proof_feed (self->proof, self->position, message.data, message.size);
  self->position += message.size;
  self->heard_us = g_get_monotonic_time ();
  return TRUE;
}

static gboolean
hearing_wait (Hearing *self, GError **error)
{
  if (g_get_monotonic_time () - self->heard_us > SILENCE_MAX_US)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "the server sends no WAL from %X/%X on", (guint) (self->position >> 32),
                   (guint) self->position);
      return FALSE;
    }
  return hearing_tell (self, FALSE, error) && teesql_pg_session_wait (self->receiver->session, TRUE, -1, WAIT_MS, error);
}

/* The server ended it: with an error, which may be that the WAL is gone, or because it shuts down. */
static gboolean
hearing_cut (Hearing *self, GError **error)
{
  g_autoptr (TeesqlPgAnswer) answer = teesql_pg_session_next (self->receiver->session, START_TIMEOUT_MS, PGRES_COPY_IN, error);

  return answer != NULL &&
         teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_UNAVAILABLE, "postgres-unreachable", "the server ended the stream");
}

static gboolean
hearing_run (Hearing *self, GError **error)
{
  while (self->position < self->end)
    {
      const guint8 *data = NULL;
      gsize size = 0;

      switch (teesql_pg_session_take (self->receiver->session, &data, &size, error))
        {
        case TEESQL_PG_COPY_MESSAGE:
          if (!hearing_take (self, data, size, error) || !hearing_tell (self, FALSE, error))
            return FALSE;
          break;
        case TEESQL_PG_COPY_EMPTY:
          if (!hearing_wait (self, error))
            return FALSE;
          break;
        case TEESQL_PG_COPY_END:
          return hearing_cut (self, error);
        case TEESQL_PG_COPY_FAILED:
        default:
          return FALSE;
        }
    }
  return teesql_pg_session_end_copy (self->receiver->session, error);
}

/* Without the slot: it would take what is said here for what it may forget. */
static gboolean
hearing_start (Hearing *self, GError **error)
{
  g_autofree char *at = teesql_lsn_to_string (self->position);
  g_autofree char *command = g_strdup_printf ("START_REPLICATION PHYSICAL %s TIMELINE %u", at, self->timeline);
  g_autoptr (TeesqlPgAnswer) answer = NULL;

  if (!teesql_pg_session_send (self->receiver->session, command, error))
    return FALSE;
  answer = teesql_pg_session_next (self->receiver->session, START_TIMEOUT_MS, PGRES_COPY_BOTH, error);
  return answer != NULL;
}

static TeesqlWalProve
hear (TeesqlWalReceiver *self, guint32 timeline, TeesqlWalProof *proof, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  Hearing hearing = { .receiver = self, .proof = proof, .timeline = timeline, .heard_us = g_get_monotonic_time () };
  guint64 start = 0;
  guint64 end = 0;

  if (!teesql_wal_proof_get_range (proof, &hearing.position, &hearing.end))
    return TEESQL_WAL_PROVEN;
  hearing.told_us = hearing.heard_us;
  if (!hearing_start (&hearing, &local_error) || !hearing_run (&hearing, &local_error))
    {
      if (teesql_wal_receiver_is_removed (self) && teesql_pg_session_finish (self->session, NULL))
        return TEESQL_WAL_PROVE_REMOVED;
      g_propagate_error (error, g_steal_pointer (&local_error));
      return TEESQL_WAL_PROVE_FAILED;
    }
  if (teesql_wal_proof_check (proof, &start, &end))
    return TEESQL_WAL_PROVEN;
  refuse_differs (timeline, start, end, error);
  return TEESQL_WAL_PROVE_FAILED;
}

static TeesqlWalProve
hear_all (TeesqlWalReceiver *self, guint32 timeline, guint64 needed, TeesqlWalProof *proof, GError **error)
{
  guint64 start = 0;
  guint64 end = 0;
  TeesqlWalProve result = hear (self, timeline, proof, error);

  self->needed_lsn = needed;
  if (result != TEESQL_WAL_PROVE_REMOVED || !teesql_wal_proof_get_range (proof, &start, &end) || start >= needed)
    return result;
  teesql_wal_proof_drop_before (proof, needed);
  teesql_wal_proof_rewind (proof);
  return hear (self, timeline, proof, error);
}

/* -- Proofs ----------------------------------------------------------------------------------------------------- */

/* From the store: what an earlier run put there. */
static TeesqlWalProve
prove_stored (TeesqlWalReceiver *self, guint32 timeline, guint64 position, GError **error)
{
  TeesqlWalArchiver *archiver = self->archiver;
  g_autoptr (TeesqlWalProof) proof = teesql_wal_proof_new ();
  Claim claim = { .timeline = timeline, .start = position, .needed = position, .limit = self->end_lsn };
  guint64 start = 0;
  guint64 end = 0;
  TeesqlWalProve result = TEESQL_WAL_PROVE_FAILED;

  if (archiver->known_lsn > 0)
    claim_known (self, &claim, archiver->known_lsn);
  if (!expect_stored (self, &claim, proof, error))
    return TEESQL_WAL_PROVE_FAILED;
  end = teesql_wal_proof_get_range (proof, &start, &end) ? MAX (end, archiver->known_lsn) : archiver->known_lsn;
  result = hear_all (self, timeline, claim.needed, proof, error);
  if (result == TEESQL_WAL_PROVEN)
    {
      archiver->is_compared = TRUE;
      archiver->known_lsn = end;
    }
  return result;
}

/* From memory: what the last connection brought, stored or not. */
static TeesqlWalProve
prove_received (TeesqlWalReceiver *self, guint32 timeline, guint64 position, GError **error)
{
  g_autoptr (TeesqlWalProof) proof = teesql_wal_proof_new ();

  teesql_wal_trail_expect (self->archiver->trail, proof);
  return hear_all (self, timeline, position > 0 ? segment_start (self, position - 1) : 0, proof, error);
}

TeesqlWalProve
teesql_wal_receiver_prove (TeesqlWalReceiver *self, GError **error)
{
  guint32 timeline = 0;
  guint64 position = 0;

  teesql_wal_queue_get_position (self->archiver->queue, &timeline, &position);
  if (!self->archiver->is_compared || position < self->archiver->known_lsn)
    return prove_stored (self, timeline, position, error);
  return prove_received (self, timeline, position, error);
}

/* Memory knows digests of segments only, and no part of one can be compared with them: the store has to have it. */
static gboolean
wait_stored (TeesqlWalReceiver *self, guint64 end_lsn, GError **error)
{
  teesql_wal_queue_want (self->archiver->queue, end_lsn);
  if (teesql_wal_queue_wait_durable (self->archiver->queue, end_lsn, g_get_monotonic_time () + STORE_WAIT_US) == TEESQL_WAL_WAIT_DURABLE)
    return TRUE;
  return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_UNAVAILABLE, "wal-unconfirmed",
                      "before another timeline is followed the store has to take what was received of this one");
}

TeesqlWalProve
teesql_wal_receiver_prove_left (TeesqlWalReceiver *self, guint32 timeline, guint64 end_lsn, GError **error)
{
  g_autoptr (TeesqlWalProof) proof = teesql_wal_proof_new ();
  Claim claim = { .timeline = timeline, .limit = end_lsn };
  TeesqlHead head;

  if (!wait_stored (self, end_lsn, error))
    return TEESQL_WAL_PROVE_FAILED;
  teesql_catalog_get_head (self->archiver->catalog, &head);
  if (head.timeline != timeline)
    return TEESQL_WAL_PROVEN; /* of this one nothing was archived */
  claim_known (self, &claim, head.lsn);
  if (!expect_stored (self, &claim, proof, error))
    return TEESQL_WAL_PROVE_FAILED;
  return hear_all (self, timeline, claim.needed, proof, error);
}
