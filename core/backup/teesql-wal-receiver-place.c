/* Where the stream begins: the head, the slot and the server's timelines decide. */
#include "backup/teesql-timeline-history.h"
#include "backup/teesql-wal-receiver.h"
#include "base/teesql-domains.h"
#include "base/teesql-log.h"

static guint64
segment_start (const TeesqlWalReceiver *self, guint64 lsn)
{
  return lsn - lsn % self->archiver->segment_size;
}

/* Every segment of a timeline beyond the first is of no use without its history. */
static gboolean
receiver_begin (TeesqlWalReceiver *self, guint32 timeline, guint64 start_lsn, guint64 durable_lsn, guint64 confirm_lsn, gboolean was_cut,
                GError **error)
{
  g_autoptr (GBytes) history = NULL;

  if (timeline > 1)
    {
      history = teesql_timeline_history_fetch (self->session, timeline, error);
      if (history == NULL)
        return FALSE;
    }
  teesql_wal_queue_begin (self->archiver->queue, timeline, start_lsn, durable_lsn, confirm_lsn, history, was_cut);
  teesql_wal_trail_begin (self->archiver->trail, start_lsn);
  self->archiver->known_lsn = 0;
  self->archiver->is_compared = FALSE;
  self->end_lsn = 0;
  return TRUE;
}

/* -- Timelines -------------------------------------------------------------------------------------------------- */

gboolean
teesql_wal_receiver_follow (TeesqlWalReceiver *self, guint32 timeline, guint64 switch_lsn, GError **error)
{
  g_autofree char *at = teesql_lsn_to_string (switch_lsn);
  g_autofree char *message = NULL;
  guint32 before = 0;
  guint64 received = 0;
  gboolean begun = teesql_wal_queue_get_position (self->archiver->queue, &before, &received);

  if (!begun || timeline <= before)
    return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_MALFORMED, "replication-answer",
                        "the server says that timeline %u follows timeline %u", timeline, before);
  /* the new timeline's first segment holds a copy of the old one's up to the switch, and so do our objects of the old one: what is
   * confirmed as durable reaches to the switch */
  if (!receiver_begin (self, timeline, segment_start (self, switch_lsn), switch_lsn, switch_lsn, FALSE, error))
    return FALSE;
  message = g_strdup_printf ("WAL follows timeline %u, which left timeline %u at %s%s", timeline, before, at,
                             received > switch_lsn ? ": what was archived beyond it is on a branch that was given up" : "");
  teesql_wal_archiver_tell (self->archiver, TEESQL_WAL_EVENT_TIMELINE, message);
  return TRUE;
}

gboolean
teesql_wal_receiver_refuse_behind (const TeesqlWalReceiver *self, guint32 timeline, guint64 known_lsn, GError **error)
{
  g_autofree char *known = teesql_lsn_to_string (known_lsn);
  g_autofree char *found = teesql_lsn_to_string (self->server.lsn);

  return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "server-behind",
                      "the server is at %s on timeline %u, and WAL was archived up to %s on timeline %u\n"
                      "hint: its volume was rolled back, or an older copy was started; restore it from the repository, "
                      "or begin a new lineage with `teesql backup accept`",
                      found, self->server.timeline, known, timeline);
}

/* What the new timeline's first segment has from before the switch is the old one's only if the server came that way. Where the segment
 * is gone that the switch lies in, so is the new one's, and what comes is a gap. */
static gboolean
leave_timeline (TeesqlWalReceiver *self, guint32 timeline, guint32 next, guint64 end, GError **error)
{
  TeesqlWalProve proven = teesql_wal_receiver_prove_left (self, timeline, end, error);

  if (proven == TEESQL_WAL_PROVE_FAILED)
    return FALSE;
  if (proven == TEESQL_WAL_PROVE_REMOVED && end % self->archiver->segment_size == 0)
    return teesql_wal_receiver_refuse_unproven (self, timeline, end, "the server has removed the segment before it", error);
  return teesql_wal_receiver_follow (self, next, end, error);
}

/* The server was promoted while we were away. Timelines that ended before what we have are left at once; one that goes beyond it is
 * streamed to its end first. */
static gboolean
follow_history (TeesqlWalReceiver *self, GError **error)
{
  g_autoptr (GBytes) file = teesql_timeline_history_fetch (self->session, self->server.timeline, error);
  g_autoptr (GArray) history = NULL;
  guint32 timeline = 0;
  guint64 received = 0;
  guint64 end = 0;

  if (file == NULL)
    return FALSE;
  history = teesql_timeline_history_parse (self->server.timeline, g_bytes_get_data (file, NULL), g_bytes_get_size (file), error);
  if (history == NULL)
    return FALSE;
  while (teesql_wal_queue_get_position (self->archiver->queue, &timeline, &received) && timeline < self->server.timeline)
    {
      if (!teesql_timeline_history_find (history, timeline, &end))
        return teesql_fail (error, TEESQL_BACKUP_ERROR, TEESQL_ERROR_REFUSED, "timeline-foreign",
                            "the server's timeline %u does not come from timeline %u, which was archived\n"
                            "hint: another restore of this cluster archives here; give the server a repository of its own",
                            self->server.timeline, timeline);
      self->end_lsn = end;
      if (end > received)
        return TRUE;
      if (!leave_timeline (self, timeline, teesql_timeline_history_next (history, timeline, self->server.timeline), end, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_timeline (TeesqlWalReceiver *self, GError **error)
{
  guint32 timeline = 0;
  guint64 received = 0;

  if (!teesql_wal_queue_get_position (self->archiver->queue, &timeline, &received))
    return TRUE;
  if (self->server.timeline < timeline || (self->server.timeline == timeline && self->server.lsn < received))
    return teesql_wal_receiver_refuse_behind (self, timeline, received, error);
  return self->server.timeline == timeline || follow_history (self, error);
}

/* -- The slot --------------------------------------------------------------------------------------------------- */

static gboolean
begin_at_slot (TeesqlWalReceiver *self, const TeesqlSlot *slot, GError **error)
{
  guint64 start = segment_start (self, slot->restart_lsn);

  return receiver_begin (self, slot->restart_timeline != 0 ? slot->restart_timeline : self->server.timeline, start, start, 0, TRUE, error);
}

static gboolean
make_slot (TeesqlWalReceiver *self, TeesqlSlot *out, GError **error)
{
  const char *name = self->archiver->slot;

  if (!teesql_slot_make (self->session, name, out, error))
    return FALSE;
  if (out->restart_lsn == 0)
    return teesql_fail (error, TEESQL_POSTGRES_ERROR, TEESQL_ERROR_UNAVAILABLE, "slot-lost", "the new slot '%s' reserves no WAL", name);
  teesql_log_info ("backup", "replication slot '%s' was made", name);
  /* to reserve WAL the server may have begun a segment that it had not when it was asked */
  return teesql_pg_server_ask (self->session, &self->server, error);
}

/* Where the stream could not go on either, WAL is lost. Where it could, there is only no proof that it is the same WAL: the LSN alone
 * would join two histories. */
gboolean
teesql_wal_receiver_miss (TeesqlWalReceiver *self, GError **error)
{
  guint32 timeline = 0;
  guint64 received = 0;
  const TeesqlSlot *slot = &self->slot;

  teesql_wal_queue_get_position (self->archiver->queue, &timeline, &received);
  if (self->needed_lsn < segment_start (self, received) && slot->restart_lsn != 0 && slot->restart_timeline == timeline &&
      segment_start (self, slot->restart_lsn) <= received)
    return teesql_wal_receiver_refuse_unproven (self, timeline, received, "the server has removed the segment before it", error);
  return teesql_wal_receiver_leap (self, "the server has removed it", error);
}

gboolean
teesql_wal_receiver_leap (TeesqlWalReceiver *self, const char *why, GError **error)
{
  TeesqlSlot *slot = &self->slot;
  guint32 timeline = 0;
  guint64 received = 0;
  g_autofree char *from = NULL;
  g_autofree char *to = NULL;
  g_autofree char *message = NULL;

  if (!teesql_slot_drop (self->session, self->archiver->slot, error) || !make_slot (self, slot, error))
    return FALSE;
  if (teesql_wal_queue_get_position (self->archiver->queue, &timeline, &received) && slot->restart_timeline == timeline &&
      segment_start (self, slot->restart_lsn) <= received)
    return TRUE; /* the slot was lost, the WAL was not */
  from = teesql_lsn_to_string (received);
  to = teesql_lsn_to_string (segment_start (self, slot->restart_lsn));
  message = g_strdup_printf ("WAL from %s on timeline %u to %s on timeline %u is lost to the archive (%s): a full backup is needed", from,
                             timeline, to, slot->restart_timeline, why);
  if (!begin_at_slot (self, slot, error))
    return FALSE;
  teesql_wal_archiver_tell (self->archiver, TEESQL_WAL_EVENT_GAP, message);
  return TRUE;
}

/* The head knows what is durable; without one the slot says from where on the server still has WAL. */
static gboolean
begin_first (TeesqlWalReceiver *self, const TeesqlSlot *slot, GError **error)
{
  TeesqlHead head;

  teesql_catalog_get_head (self->archiver->catalog, &head);
  if (head.lsn == 0 || head.timeline == 0)
    return begin_at_slot (self, slot, error);
  if (self->server.timeline < head.timeline)
    return teesql_wal_receiver_refuse_behind (self, head.timeline, head.lsn, error);
  if (self->server.timeline == head.timeline && self->server.lsn < head.lsn)
    return teesql_wal_receiver_refuse_behind (self, head.timeline, head.lsn, error);
  if (!receiver_begin (self, head.timeline, segment_start (self, head.lsn), head.lsn, head.lsn, TRUE, error))
    return FALSE;
  self->archiver->known_lsn = head.lsn;
  return TRUE;
}

gboolean
teesql_wal_receiver_place (TeesqlWalReceiver *self, GError **error)
{
  TeesqlSlot *slot = &self->slot;
  guint32 timeline = 0;
  guint64 received = 0;
  gboolean is_lost = FALSE;

  if (!teesql_slot_read (self->session, self->archiver->slot, slot, error))
    return FALSE;
  is_lost = slot->exists && slot->restart_lsn == 0;
  if (!slot->exists && !make_slot (self, slot, error))
    return FALSE;
  /* one that never reserved anything was made by hand: nothing is lost with it */
  if (is_lost && (!teesql_slot_drop (self->session, self->archiver->slot, error) || !make_slot (self, slot, error)))
    return FALSE;
  if (!teesql_wal_queue_get_position (self->archiver->queue, &timeline, &received) && !begin_first (self, slot, error))
    return FALSE;
  if (!check_timeline (self, error))
    return FALSE;
  teesql_wal_queue_note_server (self->archiver->queue, self->server.lsn); /* what waits, however long it takes until the stream begins */
  return TRUE;
}
